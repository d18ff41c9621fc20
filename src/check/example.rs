//! A small recipe for the tests of lints.

use super::whole::Whole;
use super::{Options, shell, swallowed, templates};
use crate::diagnostic::Findings;
use crate::recipe::library::Library;
use crate::recipe::load::load_text;

/// The findings about templates: code, place, message and help.
pub(super) fn findings(text: &str) -> Vec<String> {
    let loaded = load_text(&Library::new([]), "example", text);
    let before: Vec<&str> = loaded
        .findings
        .0
        .iter()
        .map(|it| it.message.as_str())
        .collect();
    assert!(!loaded.findings.has_errors(), "{before:?}");
    let mut findings = Findings::default();
    if let Some(recipe) = &loaded.recipe {
        let options = Options::default();
        let whole = Whole::new(recipe, &options);
        templates::check(&whole, &mut findings);
        shell::check(&whole, &mut findings);
        swallowed::check(&whole, &mut findings);
    }
    findings.sort();
    let told = findings.0.into_iter().map(|finding| {
        let place = finding.span.map_or("", |span| loaded.sources.text(span));
        format!(
            "{} `{place}`: {} ({})",
            finding.code.number(),
            finding.message,
            finding.help.unwrap_or_default()
        )
    });
    told.collect()
}

/// Inputs, constants, hosts and gear.
pub(super) const HEAD: &str = "
recipe: example
summary: An example
device:
  host: { type: string, default: a }
  shape: { type: map, keys: { width: { type: integer } } }
  cmds: { type: list, items: string, default: [] }
  any: { type: any }
job:
  data:
    url: { type: url }
    list: { type: list }
let: { word: \"{{ device.host }}\", from_job: \"{{ job.data.url }}\" }
hosts:
  control: { address: \"{{ device.host }}\", shell: sh }
gear:
  power: { kind: power, driver: \"{{ device.any }}\" }
  card: { kind: mux, driver: \"{{ device.any }}\", media: \"{{ device.host }}\" }
";

/// A recipe with these steps.
fn stage(steps: &str) -> String {
    format!(
        "{HEAD}
procedures:
  proc:
    summary: A procedure
    params: {{ cmd: {{ type: string, default: x }}, map: {{ type: map }} }}
    do:
      - log: \"{{{{ params.cmd }}}}\"
stages:
  provision:
    timeout: 1h
    initial: a
    states:
      a:
        do:
{}
        next: done
",
        steps
            .trim_matches('\n')
            .lines()
            .map(|line| format!("          {line}\n"))
            .collect::<String>()
    )
}

/// The findings about these steps.
pub(super) fn findings_of(steps: &str) -> Vec<String> {
    findings(&stage(steps))
}

#[track_caller]
pub(super) fn case(steps: &str, expected: &[&str]) {
    assert_eq!(findings(&stage(steps)), expected, "{steps}");
}
