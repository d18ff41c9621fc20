//! No value from outside becomes shell syntax.
//!
//! Where a value may stand in a shell string, and that it is quoted there, is settled when the string
//! is loaded. Here is what needs the whole recipe: `| raw`, which is not quoted, `commands`, whose
//! lines are commands as they are, and pipes, which need to know the host.

use super::origins::{Origins, Table};
use super::scope::Text;
use super::sites::Sites;
use super::whole::Whole;
use super::{evaluated, secrets};
use crate::diagnostic::{Code, Finding, Findings};
use crate::recipe::model::{Recipe, ShellKind};
use crate::recipe::template::{Read, Style, pipes};
use crate::recipe::yaml::place;

pub(super) fn check(whole: &Whole<'_>, findings: &mut Findings) {
    let Whole { recipe, sites, .. } = whole;
    let table = Table::of(recipe, sites);
    secrets::check(whole, &table, findings);
    evaluated::check(whole, &table, findings);
    raw(recipe, sites, &table, findings);
    commands(recipe, sites, &table, findings);
    piped(recipe, sites, findings);
}

fn raw(recipe: &Recipe, sites: &Sites<'_>, table: &Table<'_>, findings: &mut Findings) {
    let outside = Origins::JOB.and(Origins::OUTPUT);
    for site in &sites.all {
        if !matches!(site.text, Text::Template(template) if template.style == Style::Shell) {
            continue;
        }
        for used in site.text.analyse().filters {
            if used.name != "raw" {
                continue;
            }
            let bad = used
                .of
                .iter()
                .filter(|read| !read.control)
                .map(|read| (read, table.read(read, site).common(outside)))
                .find(|(_, origins)| !origins.is_empty());
            if let Some((read, origins)) = bad {
                let span = site.text.place(&recipe.sources, used.range.clone());
                let message = format!("`| raw` on {}", described(read, origins));
                findings.push(
                    Finding::new(Code::RawFromOutside, span, message)
                        .help("without `| raw` the value is quoted, as one word"),
                );
            }
        }
    }
}

fn commands(recipe: &Recipe, sites: &Sites<'_>, table: &Table<'_>, findings: &mut Findings) {
    let inside = Origins::DEVICE.and(Origins::RUN).and(Origins::SECRET);
    for site in &sites.commands {
        for read in site.text.analyse().reads {
            if read.control {
                continue;
            }
            let origins = table.read(&read, site).without(inside);
            if origins.is_empty() {
                continue;
            }
            let span = site.text.place(&recipe.sources, read.range.clone());
            let message = format!("`commands` would run {}", described(&read, origins));
            findings.push(Finding::new(Code::CommandsFromOutside, span, message).help(
                "`commands` takes literals, `run`, and values from `device` alone; `run` quotes values",
            ));
        }
    }
}

fn described(read: &Read, origins: Origins) -> String {
    let path = read.path.join(".");
    match read.path.first().map(String::as_str) {
        Some("vars" | "params" | "let" | "item" | "gear" | "host") => {
            format!("`{path}`, which may come {}", origins.words())
        }
        _ => format!("`{path}`, which comes {}", origins.words()),
    }
}

fn piped(recipe: &Recipe, sites: &Sites<'_>, findings: &mut Findings) {
    for shell in &sites.shells {
        let Some(host) = shell
            .scope
            .host()
            .filter(|host| host.shell == ShellKind::Sh)
        else {
            continue;
        };
        let name = shell.scope.host.unwrap_or_default();
        for range in pipes(shell.text) {
            let span = place(&recipe.sources, shell.span, shell.text, range);
            let message = format!("a pipe on `{name}`, whose shell is `sh`");
            findings.push(
                Finding::new(Code::PipeInSh, span, message)
                    .help("`sh` does not tell when the left side fails: use a file between two steps, or a `script` of its own")
                    .related(host.span, format!("`{name}` is declared here")),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::example::{HEAD, case, findings};

    #[test]
    fn raw_values_do_not_come_from_outside() {
        case(
            r#"
- run: ls
  save: ran
- set: { a: "{{ vars.ran.stdout | trim }}", b: "{{ let.word }}", c: "{{ 1 if job.data.url else 2 }}" }
- run: ls {{ job.data.url | raw }} {{ vars.a | raw }} {{ vars.b | raw }} {{ vars.c | raw }}
- run: ls {{ item | raw }} {{ let.from_job | raw }}
  for_each: job.data.list
- run: ls {{ item | raw }} {{ (job.data.url ~ 'x') | raw }}
  for_each: device.cmds
- log: "{{ job.data.url | raw }}"
"#,
            &[
                "TF0412 `raw`: `| raw` on `job.data.url`, which comes from the job (without `| raw` the value is quoted, as one word)",
                "TF0412 `raw`: `| raw` on `vars.a`, which may come from saved output (without `| raw` the value is quoted, as one word)",
                "TF0412 `raw`: `| raw` on `item`, which may come from the job (without `| raw` the value is quoted, as one word)",
                "TF0412 `raw`: `| raw` on `let.from_job`, which may come from the job (without `| raw` the value is quoted, as one word)",
                "TF0412 `raw`: `| raw` on `job.data.url`, which comes from the job (without `| raw` the value is quoted, as one word)",
            ],
        );
    }

    #[test]
    fn commands_come_from_the_device_config_alone() {
        let help =
            "`commands` takes literals, `run`, and values from `device` alone; `run` quotes values";
        let expected: Vec<String> = [
            ("job.data.url", "`job.data.url`, which comes from the job"),
            (
                "env.HOME",
                "`env.HOME`, which comes from the engine's environment",
            ),
            ("vars.b", "`vars.b`, which may come from the job"),
        ]
        .iter()
        .map(|(place, what)| format!("TF0413 `{place}`: `commands` would run {what} ({help})"))
        .collect();
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        case(
            r#"
- set: { a: "{{ device.cmds }}", b: "x {{ job.data.url }}" }
- commands: "{{ vars.a }}"
- commands: ["x {{ job.data.url }}", "{{ env.HOME }}", "{{ vars.b }}"]
- commands: "{{ item }}"
  for_each: device.cmds
"#,
            &expected,
        );
    }

    #[test]
    fn so_does_the_command_of_a_serial_line() {
        let text = format!(
            "{HEAD}  mine: {{ kind: serial, command: \"console {{{{ device.host }}}}\" }}
  theirs: {{ kind: serial, command: \"console {{{{ job.data.url }}}}\" }}
stages:
  provision:
    timeout: 1h
    enter:
      - capture: mine
      - capture: theirs
    initial: a
    states:
      a: {{ do: [], next: done }}
"
        );
        let found = findings(&text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("TF0413 `job.data.url`"), "{found:?}");
    }

    #[test]
    fn arguments_carry_their_origin_into_a_procedure() {
        let text = format!(
            "{HEAD}
procedures:
  inner:
    summary: Runs it
    params: {{ cmd: {{ type: string }} }}
    do:
      - commands: \"{{{{ params.cmd }}}}\"
  outer:
    summary: Hands it on
    params: {{ cmd: {{ type: string }} }}
    do:
      - call: inner
        with: {{ cmd: \"{{{{ params.cmd }}}}\" }}
stages:
  provision:
    timeout: 1h
    do:
      - call: outer
        with: {{ cmd: \"{{{{ device.host }}}}\" }}
      - call: outer
        with: {{ cmd: \"{{{{ job.data.url }}}}\" }}
"
        );
        assert_eq!(
            findings(&text),
            [
                "TF0413 `params.cmd`: `commands` would run `params.cmd`, which may come from the job \
              (`commands` takes literals, `run`, and values from `device` alone; `run` quotes values)"
            ]
        );
    }

    #[test]
    fn pipes_are_refused_where_the_shell_is_sh() {
        case(
            r#"
- run: a | b
- run: a | b || c
  host: control
- run: { shell: "echo {{ device.host }} '|' | b" }
  host: control
"#,
            &[
                "TF0414 `|`: a pipe on `control`, whose shell is `sh` (`sh` does not tell when the left side fails: use a file between two steps, or a `script` of its own)",
                "TF0414 `|`: a pipe on `control`, whose shell is `sh` (`sh` does not tell when the left side fails: use a file between two steps, or a `script` of its own)",
            ],
        );
    }
}
