//! Failures that a shell string hides.
//!
//! `run` stops at the first command that fails (`bash -eo pipefail`), with exceptions that surprise:
//! what stands before `&&` or `||`, and a `$(…)` in the words of `export` and its like. A line of
//! `commands` is run by plain `sh`, which looks at the last command of a line alone. Only programs whose
//! failure matters on a bench are complained about: `umount … || true` is what people mean.

use std::ops::Range;

use super::script::{Command, Link, commands, statements};
use super::sites::ShellText;
use super::whole::Whole;
use crate::diagnostic::{Code, Finding, Findings};
use crate::recipe::yaml::place;

/// Programs that move, write or fetch something: when they fail, what follows works on nothing.
const MATTERS: &[&str] = &[
    "apt",
    "apt-get",
    "bmaptool",
    "bunzip2",
    "bzcat",
    "cp",
    "curl",
    "dd",
    "debootstrap",
    "dpkg",
    "fastboot",
    "flashrom",
    "fwupdmgr",
    "git",
    "gunzip",
    "gzip",
    "img2simg",
    "install",
    "lzcat",
    "make",
    "mcopy",
    "mount",
    "mv",
    "openocd",
    "parted",
    "pip",
    "pip3",
    "qemu-img",
    "resize2fs",
    "rsync",
    "scp",
    "sfdisk",
    "sftp",
    "sgdisk",
    "simg2img",
    "snap",
    "snmpset",
    "tar",
    "truncate",
    "unsquashfs",
    "unxz",
    "unzip",
    "uuu",
    "wget",
    "xz",
    "xzcat",
    "zcat",
    "zstd",
    "zstdcat",
];

/// Programs that end a pipe early, or whose failure is an answer.
const ANSWERS: &[&str] = &[
    "grep", "egrep", "fgrep", "rg", "head", "read", "diff", "cmp", "test", "[",
];

/// Commands in `$(…)` that do not fail.
const SAFE: &[&str] = &[
    "basename", "date", "dirname", "echo", "hostname", "id", "mktemp", "nproc", "printf", "pwd",
    "tty", "uname", "whoami",
];

pub(super) fn check(whole: &Whole<'_>, findings: &mut Findings) {
    for shell in &whole.sites.shells {
        let script = commands(shell.text);
        let mut scripted = Scripted {
            whole,
            shell,
            findings,
        };
        scripted.forgiven(&script);
        scripted.before_and(&script);
        scripted.declared(&script);
        scripted.background(&script);
    }
    for line in &whole.sites.lines {
        let script = commands(line.text);
        let mut scripted = Scripted {
            whole,
            shell: line,
            findings,
        };
        scripted.forgiven(&script);
        scripted.line(&script);
    }
}

/// One shell string.
struct Scripted<'a, 'r> {
    whole: &'a Whole<'r>,
    shell: &'a ShellText<'r>,
    findings: &'a mut Findings,
}

impl Scripted<'_, '_> {
    fn push(&mut self, range: Range<usize>, message: String, help: &str) {
        let sources = &self.whole.recipe.sources;
        let span = place(sources, self.shell.span, self.shell.text, range);
        self.findings
            .push(Finding::new(Code::SwallowedFailure, span, message).help(help));
    }

    /// `… || true`.
    fn forgiven(&mut self, script: &[Command]) {
        let in_exit = self.shell.scope.names.contains("outcome");
        for statement in statements(script) {
            let [before @ .., last] = statement else {
                continue;
            };
            let Some(or) = before.last().filter(|it| it.link == Link::Or) else {
                continue;
            };
            if !last.does_nothing() || or.is_condition || ANSWERS.contains(&or.program()) {
                continue;
            }
            let piped = before.iter().any(|command| command.link == Link::Pipe);
            let what = before.iter().find(|command| matters(command));
            let Some(what) = what.filter(|_| !in_exit || piped) else {
                continue;
            };
            self.push(
                or.link_range.start..last.range().end,
                format!("a failure of `{}` is hidden here", what.program()),
                "take it out; where the failure is of no matter, `allow_failure` on the step says so and keeps it in the log",
            );
        }
    }

    /// `a && b` that is not the last of its script: `-e` does not look at `a`.
    fn before_and(&mut self, script: &[Command]) {
        let mut statements = statements(script).peekable();
        while let Some(statement) = statements.next() {
            if statements.peek().is_none()
                || statement
                    .iter()
                    .any(|it| it.is_condition || it.link == Link::Or)
            {
                continue;
            }
            let found = statement
                .iter()
                .find(|command| command.link == Link::And && matters(command));
            if let Some(command) = found {
                self.push(
                    command.link_range.clone(),
                    format!("if `{}` fails the script goes on", command.program()),
                    "`-e` stops a script at a command that fails, but not at one before `&&`: give each command a line of its own",
                );
            }
        }
    }

    /// `export x=$(…)` ends as `export` does.
    fn declared(&mut self, script: &[Command]) {
        for command in script {
            let program = command.program();
            if !["export", "local", "readonly", "declare", "typeset"].contains(&program) {
                continue;
            }
            let assigned = command.words.iter().find_map(|word| {
                let (name, value) = word.text.split_once("=$(")?;
                let inside = commands(value.trim_end_matches(')'));
                let is_safe = inside.iter().all(|it| SAFE.contains(&it.program()));
                (!is_safe).then(|| (name.to_owned(), word.range.clone()))
            });
            if let Some((name, range)) = assigned {
                let message = format!("a failure inside `$(…)` is hidden by `{program}`");
                let help =
                    format!("write `{name}=$(…)` first, and `{program} {name}` on the next line");
                self.push(range, message, &help);
            }
        }
    }

    /// `… &` at the end: what still runs when the command has ended is ended too.
    fn background(&mut self, script: &[Command]) {
        let Some(last) = script.last() else {
            return;
        };
        let is_here = self.shell.scope.host == Some("local");
        if last.link == Link::Background && is_here && !last.program().is_empty() {
            self.push(
                last.link_range.clone(),
                format!(
                    "nothing waits for `{}`, and it is ended with the step",
                    last.program()
                ),
                "take the `&` out; what must go on for as long as a scope is `serve` or `capture`",
            );
        }
    }

    /// A line of `commands`.
    fn line(&mut self, script: &[Command]) {
        let stops = script.iter().any(|command| {
            command.program() == "set"
                && command
                    .words
                    .iter()
                    .any(|word| word.text.starts_with('-') && word.text.contains('e'))
        });
        if stops {
            return;
        }
        for statement in statements(script) {
            let hidden = statement
                .iter()
                .find(|it| it.link == Link::Pipe && matters(it));
            if let Some(command) = hidden {
                self.push(
                    command.link_range.clone(),
                    format!("a failure of `{}` is hidden by the pipe", command.program()),
                    "`commands` runs each line by plain `sh`, which looks at the last part of a pipe alone: `run` looks at all",
                );
            }
        }
        let count = statements(script).count();
        for statement in statements(script).take(count.saturating_sub(1)) {
            let last = statement
                .last()
                .filter(|it| it.link == Link::End && !it.is_condition);
            if let Some(command) = last.filter(|it| matters(it)) {
                self.push(
                    command.link_range.clone(),
                    format!("if `{}` fails the line goes on", command.program()),
                    "give each command a line of its own in the list, or write `&&`",
                );
            }
        }
    }
}

fn matters(command: &Command) -> bool {
    let program = command.program();
    let has = |options: &[&str]| {
        command.words.iter().any(|word| {
            options
                .iter()
                .any(|option| match option.strip_prefix("--") {
                    Some(_) => word.text.starts_with(option),
                    None => {
                        word.text.starts_with('-')
                            && !word.text.starts_with("--")
                            && word.text.contains(option.trim_start_matches('-'))
                    }
                })
        })
    };
    match program {
        // Without a file it tells something, and telling may fail.
        "curl" => has(&["-o", "-O", "--output", "--remote-name"]) || command.link == Link::Pipe,
        "mount" => command.words.len() > 1,
        "tar" => !has(&["-t", "--list"]),
        _ => MATTERS.contains(&program) || program.starts_with("mkfs"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::example::case;

    #[test]
    fn what_hides_a_failure_is_told() {
        case(
            "- run: dd if=a of=b | tee log || true\n",
            &[
                "TF0416 `|| true`: a failure of `dd` is hidden here (take it out; where the failure is of no matter, `allow_failure` on the step says so and keeps it in the log)",
            ],
        );
        for (step, place) in [
            ("run: \"sudo wget http://x/y || :\"", "|| :"),
            ("commands: [\"cp a b || true\"]", "|| true"),
            ("run: \"cp a b && sync\\necho done\"", "&&"),
            (
                "run: \"export x=$(curl -o y http://x)\"",
                "x=$(curl -o y http://x)",
            ),
            ("run: \"tcpdump -w x &\"", "&"),
            ("commands: [\"xzcat a | dd of=b\"]", "|"),
            ("commands: [\"cp a b; sync\"]", ";"),
            (
                "run: \"xzcat {{ device.host }} | sudo dd of=b || true\"",
                "|| true",
            ),
        ] {
            let found = super::super::example::findings_of(&format!("- {step}\n"));
            assert_eq!(found.len(), 1, "{step}: {found:?}");
            assert!(
                found[0].starts_with(&format!("TF0416 `{place}`")),
                "{step}: {found:?}"
            );
        }
    }

    #[test]
    fn what_people_mean_is_left_alone() {
        for step in [
            "run: umount /mnt 2>/dev/null || true",
            "run: \"dd if=a of=b | tee log\"",
            "run: \"lsblk | grep sda || true\"",
            "run: \"[ -f a ] && rm a\\necho done\"",
            "run: \"dd if=a of=b && sync\"",
            "run: \"cp a b\\nsync\"",
            "run: \"if ! cp a b; then exit 3; fi\"",
            "run: \"cp a b || exit 3\"",
            "run: \"export x=$(date)\"",
            "run: \"x=$(curl -o y http://x)\"",
            "run: \"tcpdump -w x & sleep 1; kill $!\"",
            "run: \"sleep 2 && reboot &\"\n  host: control",
            "run: { shell: \"sleep 1 & wait\" }",
            "commands: [\"cp a b && sync\", \"echo 1 | tee x\", \"sleep 5; reboot\", \"set -e; cp a b; sync\"]",
            "run: \"tar -tf x || true\"",
            "run: \"curl -X POST http://x || true\"",
        ] {
            case(&format!("- {step}\n"), &[]);
        }
    }
}
