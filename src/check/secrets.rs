//! A secret on a command line: every process of that host can read it.

use super::origins::{Origins, Table};
use super::scope::Site;
use super::whole::Whole;
use crate::diagnostic::{Code, Finding, Findings};
use crate::recipe::template::Read;

pub(super) fn check(whole: &Whole<'_>, table: &Table<'_>, findings: &mut Findings) {
    let lines = whole.sites.arguments.iter().chain(&whole.sites.commands);
    for site in lines {
        for read in secrets(site, table) {
            let span = site.text.place(&whole.recipe.sources, read.range.clone());
            findings.push(
                Finding::new(
                    Code::SecretOnCommandLine,
                    span,
                    format!("`{}` is secret, and every process of the host can read a command line", read.path.join(".")),
                )
                .help("give it as `env` (`env: { SECRET: \"{{ … }}\" }`, and \"$SECRET\" in the command) or, with `run`, as `input`"),
            );
        }
    }
}

fn secrets(site: &Site<'_>, table: &Table<'_>) -> Vec<Read> {
    let mut reads = site.text.analyse().reads;
    reads
        .retain(|read| !read.control && !table.read(read, site).common(Origins::SECRET).is_empty());
    reads
}

#[cfg(test)]
mod tests {
    use super::super::example::findings;

    /// The findings about steps that see a secret of the device config and of the job.
    fn told(steps: &str) -> Vec<String> {
        let text = format!(
            "recipe: example
summary: X
device:
  password: {{ type: string, secret: true }}
  user: {{ type: string }}
  login: {{ type: map, keys: {{ user: {{ type: string }}, token: {{ type: string, secret: true }} }} }}
let: {{ both: \"{{{{ device.user }}}}:{{{{ device.password }}}}\" }}
procedures:
  proc:
    params: {{ key: {{ type: string, secret: true }} }}
    do: [ {{ run: \"use {{{{ params.key }}}}\" }} ]
stages:
  provision:
    timeout: 1h
    do:
{steps}"
        );
        let mut found = findings(&text);
        found.retain(|it| !it.starts_with("TF0415 `params.key`"));
        found
    }

    #[test]
    fn secrets_on_command_lines_are_told() {
        for (step, place) in [
            ("run: use {{ device.password }}", "device.password"),
            ("run: { argv: [use, \"--key={{ let.both }}\"] }", "let.both"),
            (
                "run: [use, \"{{ device.login.token }}\"]",
                "device.login.token",
            ),
            (
                "commands: [\"use {{ device.password }}\"]",
                "device.password",
            ),
            (
                "wait: { run: \"use {{ device.password }}\" }\n        timeout: 9s",
                "device.password",
            ),
        ] {
            let found = told(&format!("      - {step}\n"));
            assert_eq!(found.len(), 1, "{step}: {found:?}");
            assert!(
                found[0].starts_with(&format!("TF0415 `{place}`")),
                "{found:?}"
            );
        }
    }

    #[test]
    fn other_ways_are_left_alone() {
        for step in [
            "run: use\n        env: { KEY: \"{{ device.password }}\" }",
            "run: { shell: use, input: \"{{ device.password }}\" }",
            "run: use {{ device.user }} {{ device.login.user }}",
            "run: \"use {{ 1 if device.password else 2 }}\"",
            "call: proc\n        with: { key: \"{{ device.password }}\" }",
        ] {
            assert_eq!(
                told(&format!("      - {step}\n")),
                Vec::<String>::new(),
                "{step}"
            );
        }
    }
}
