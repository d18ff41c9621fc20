//! Command lines in a config: what they give away, and what has become of those that were split at
//! blanks.

use std::sync::LazyLock;
use std::time::Duration;

use regex_lite::Regex;

use super::fit::{provisioned_by, reads};
use crate::diagnostic::{Code, Finding, Findings, Span};
use crate::recipe::model::Recipe;
use crate::recipe::yaml::Node;

/// Commands that were run without a shell, each word an argument as it stands.
const WERE_SPLIT: [&str; 1] = ["reboot_script"];

/// How long a line of a script may take: `commands` gives each 2 minutes.
const LINE: Duration = Duration::from_secs(120);

/// A password as an argument: `sshpass -p X`, `--password X`, `-P X` of ipmitool, `user:X@host`, `-u user:X`.
static PASSWORD: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"sshpass\s+-p\s*\S|--pass(word)?[= ]\S|ipmitool\b.*\s-P\s*\S|://[^/\s:@]+:[^/\s@]+@|curl\b.*\s(-u|--user)[ =]?\S+:\S",
    )
    .expect("a fixed expression, compiled by the tests")
});

/// `sleep` with a number of seconds.
static SLEEP: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\bsleep\s+(\d{1,9})").expect("a fixed expression, compiled by the tests")
});

/// What a shell reads as something else than a word's letters.
const SHELL: &[char] = &[
    '\'', '"', '`', '$', '\\', ';', '&', '|', '<', '>', '*', '?', '(', ')', '[', ']', '{', '}',
    '~', '#', '!',
];

pub(super) fn judge(best: &Recipe, config: &Node, findings: &mut Findings) {
    for (key, value) in config.entries() {
        let name = key.name.as_str();
        let is_command =
            name.ends_with("_script") || name.ends_with("_cmd") || name.ends_with("_cmds");
        if !is_command || !reads(best, name) {
            continue;
        }
        for line in std::iter::once(value).chain(value.items()) {
            if let Some(text) = line.text() {
                judge_line(name, text, line.span, findings);
            }
        }
    }
    if provisioned_by(best).contains("reboot_script")
        && config.get("reboot_script").is_none_or(Node::is_null)
    {
        findings.push(
            Finding::new(
                Code::ConfigNoReset,
                None,
                "there is no `reboot_script`: a board that hangs can't be power-cycled",
            )
            .help("add the lab's own commands that switch the board off and on"),
        );
    }
}

fn judge_line(name: &str, text: &str, span: Span, findings: &mut Findings) {
    if PASSWORD.is_match(text) {
        findings.push(
            Finding::new(
                Code::ConfigPassword,
                span,
                format!("a password stands on a command line of `{name}`"),
            )
            .label("every process of that machine can read it")
            .help("keep it in a file that the agent alone can read: `sshpass -f FILE`, `curl --netrc-file FILE`, `ipmitool -f FILE`"),
        );
    }
    if WERE_SPLIT.contains(&name) && text.contains(SHELL) {
        findings.push(
            Finding::new(
                Code::ConfigShell,
                span,
                format!("a shell reads this line of `{name}`; it was split at its blanks before"),
            )
            .help("quotes, `$`, `;` and their like have their usual meaning now: write the line as you would type it"),
        );
    }
    let slept = SLEEP
        .captures_iter(text)
        .filter_map(|found| found.get(1)?.as_str().parse().ok())
        .map(Duration::from_secs)
        .max();
    if slept.is_some_and(|slept| slept >= LINE) {
        findings.push(
            Finding::new(
                Code::ConfigSleep,
                span,
                format!("this line of `{name}` sleeps for longer than it may take"),
            )
            .label("stopped after 2m")
            .help("a recipe waits for the board itself: leave the sleep out"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_told_from_other_words() {
        for line in [
            "sshpass -p secret ssh admin@10.0.0.2 reboot",
            "curl http://admin:secret@10.0.0.2/outlet/3/cycle",
            "curl -s -u admin:secret http://10.0.0.2/",
            "ipmitool -H 10.0.0.2 -U admin -P secret chassis power cycle",
            "tool --password=secret",
        ] {
            assert!(PASSWORD.is_match(line), "{line}");
        }
        for line in [
            "snmpset -c private -v1 10.0.0.2 .1.3.6.1.4.1.318.1.1.4.4.2.1.3.8 i 3",
            "ssh -p 2222 admin@10.0.0.2 reboot",
            "sshpass -f /etc/lab ssh admin@10.0.0.2 reboot",
            "curl http://10.0.0.2:8080/outlet/3",
            "pass-the-salt -p 3",
        ] {
            assert!(!PASSWORD.is_match(line), "{line}");
        }
        assert!(SLEEP.is_match("off && sleep 5"));
    }
}
