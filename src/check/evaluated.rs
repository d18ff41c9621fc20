//! Values that a shell or another interpreter reads as a program in spite of their quotes.
//!
//! The engine quotes a value as one word. Some commands take that word and evaluate it again: `eval`,
//! `bash -c`, a remote shell behind `ssh`, a number in `[[ … -eq … ]]`. Where the value comes from the job
//! or from output, whoever wrote that can run anything.

use super::origins::{Origins, Table};
use super::scope::{Site, Text};
use super::script::{Command, VALUE, Word, commands};
use super::sites::ShellText;
use super::whole::Whole;
use crate::diagnostic::{Code, Finding, Findings};
use crate::recipe::yaml::place;

pub(super) fn check(whole: &Whole<'_>, table: &Table<'_>, findings: &mut Findings) {
    for shell in whole.sites.shells.iter().chain(&whole.sites.lines) {
        for command in commands(shell.text) {
            let Some((word, by, help)) = evaluated(&command) else {
                continue;
            };
            let Some(origins) = outside(shell, word, table) else {
                continue;
            };
            let sources = &whole.recipe.sources;
            let span = place(sources, shell.span, shell.text, word.range.clone());
            findings.push(
                Finding::new(
                    Code::EvaluatedValue,
                    span,
                    format!("{by} evaluates this value, which comes {}", origins.words()),
                )
                .help(help),
            );
        }
    }
}

/// The word that a command evaluates, by what, and what to write instead.
fn evaluated(command: &Command) -> Option<(&Word, String, &'static str)> {
    const ARGUMENT: &str = "give the value as an argument: `bash -c 'echo \"$1\"' _ {{ x }}`";
    let words = command.words_from_program();
    let (first, rest) = words.split_first()?;
    let program = first.text.rsplit('/').next().unwrap_or_default();
    let holds = |word: &&Word| word.text.contains(VALUE);
    match program {
        "eval" => Some((
            rest.iter().find(holds)?,
            "`eval`".to_owned(),
            "write the command itself: a value in it is one word",
        )),
        "bash" | "sh" | "dash" | "ash" | "zsh" | "su" | "python" | "python3" | "perl" | "ruby"
        | "node" => {
            let flags: &[char] = if matches!(program, "perl" | "ruby" | "node") {
                &['e', 'E']
            } else {
                &['c']
            };
            let at = rest.iter().position(|word| {
                word.text.starts_with('-')
                    && !word.text.starts_with("--")
                    && word.text.contains(flags)
            })?;
            let script = rest.get(at + 1).filter(holds)?;
            Some((script, format!("`{program} {}`", rest[at].text), ARGUMENT))
        }
        "ssh" => {
            let host = host_of_ssh(rest)?;
            Some((
                rest.get(host + 1..)?.iter().find(holds)?,
                "the shell behind `ssh`".to_owned(),
                "declare the host under `hosts`, and give the step `host`: the value is quoted for the shell there",
            ))
        }
        "[[" => {
            let at = rest.iter().position(|word| {
                ["-eq", "-ne", "-lt", "-le", "-gt", "-ge"].contains(&word.text.as_str())
            })?;
            let sides = [at.checked_sub(1), Some(at + 1)];
            let word = sides
                .into_iter()
                .flatten()
                .filter_map(|at| rest.get(at))
                .find(holds)?;
            Some((
                word,
                "`[[ … ]]`, which computes with both sides,".to_owned(),
                "`[ … ]` takes a number and nothing else, or compare in the recipe: `when: x == 1`",
            ))
        }
        "let" => Some((
            rest.iter().find(holds)?,
            "`let`".to_owned(),
            "compute it in the template: `{{ x + 1 }}`",
        )),
        _ => None,
    }
}

/// Which argument of `ssh` is the host.
fn host_of_ssh(arguments: &[Word]) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = arguments.get(at) {
        match word.text.strip_prefix('-') {
            None => return Some(at),
            // Options with a value in the next word (ssh(1)).
            Some(option) if option.len() == 1 && "BbcDEeFIiJLlmOopQRSWw".contains(option) => {
                at += 2;
            }
            Some(_) => at += 1,
        }
    }
    None
}

/// From where outside the values in a word come; nothing if they don't.
fn outside(shell: &ShellText<'_>, word: &Word, table: &Table<'_>) -> Option<Origins> {
    let text = Text::Template(shell.template?);
    let site = Site {
        text,
        scope: shell.scope,
    };
    let mut origins = Origins::default();
    for read in text.analyse().reads.iter().filter(|read| !read.control) {
        if word.range.contains(&read.range.start) {
            origins = origins.and(table.read(read, &site));
        }
    }
    let origins = origins.common(Origins::JOB.and(Origins::OUTPUT));
    (!origins.is_empty()).then_some(origins)
}

#[cfg(test)]
mod tests {
    use super::super::example::{case, findings_of};

    #[test]
    fn values_that_are_evaluated_again_are_told() {
        for (script, by) in [
            ("eval {{ job.data.url }}", "`eval`"),
            ("sudo bash -c {{ job.data.url }}", "`bash -c`"),
            ("sh -c 'ls '{{ job.data.url }}", "`sh -c`"),
            ("bash -lc {{ job.data.url }} x", "`bash -lc`"),
            (
                "ssh -i key -o A=b user@host rm {{ job.data.url }}",
                "the shell behind `ssh`",
            ),
            (
                "if [[ {{ job.data.url }} -gt 3 ]]; then ls; fi",
                "`[[ … ]]`, which computes with both sides,",
            ),
            ("python3 -c {{ job.data.url }}", "`python3 -c`"),
        ] {
            let found = findings_of(&format!("- run: \"{script}\"\n"));
            assert_eq!(found.len(), 1, "{script}: {found:?}");
            assert!(
                found[0].starts_with("TF0417 ")
                    && found[0].contains(&format!(
                        "{by} evaluates this value, which comes from the job"
                    )),
                "{found:?}"
            );
        }
        case(
            "- run: ls\n  save: ran\n- run: eval {{ vars.ran.stdout }} x\n",
            &[
                "TF0417 `{{ vars.ran.stdout }}`: `eval` evaluates this value, which comes from saved output (write the command itself: a value in it is one word)",
            ],
        );
    }

    #[test]
    fn values_that_stay_words_are_not() {
        for script in [
            "eval {{ device.host }}",
            "bash -c 'echo $1' _ {{ job.data.url }}",
            "bash {{ job.data.url }}",
            "ssh {{ job.data.url }} uptime",
            "ssh -p {{ job.data.url }} host uptime",
            "[ {{ job.data.url }} -gt 3 ]",
            "[[ {{ job.data.url }} == x ]]",
            "curl -c {{ job.data.url }}",
            "{% if job.data.url %}eval ls{% endif %}",
        ] {
            case(&format!("- run: \"{script}\"\n"), &[]);
        }
    }
}
