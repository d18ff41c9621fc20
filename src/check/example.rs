//! A small recipe for the tests of lints.

use super::whole::{Unit, Whole};
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

/// What one lint says about the states of a stage of an hour, which begins with the first: code,
/// place and message.
pub(super) fn unit_findings(lint: fn(&Unit<'_>, &mut Findings), states: &str) -> Vec<String> {
    let first = states.trim_start().split(':').next().unwrap_or_default();
    let text = format!(
        "{HEAD}
stages:
  provision:
    timeout: 1h
    initial: {first}
    states:
{}",
        states
            .trim_matches('\n')
            .lines()
            .map(|line| format!("      {line}\n"))
            .collect::<String>()
    );
    let loaded = load_text(&Library::new([]), "example", &text);
    let before: Vec<&str> = loaded
        .findings
        .0
        .iter()
        .map(|it| it.message.as_str())
        .collect();
    assert!(before.is_empty(), "{before:?}");
    let recipe = loaded.recipe.expect("it is a recipe");
    let options = Options::default();
    let whole = Whole::new(&recipe, &options);
    let mut findings = Findings::default();
    whole
        .units
        .iter()
        .for_each(|unit| lint(unit, &mut findings));
    findings.sort();
    findings
        .0
        .iter()
        .map(|finding| {
            let place = finding.span.map_or("", |span| loaded.sources.text(span));
            format!("{} `{place}`: {}", finding.code.number(), finding.message)
        })
        .collect()
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

/// All findings of a recipe of this name, warnings of the loader included: code and place.
#[track_caller]
pub(super) fn told(text: &str) -> Vec<String> {
    let loaded = load_text(&Library::default(), "example", text);
    let mut findings = loaded.findings;
    if let Some(recipe) = &loaded.recipe {
        findings.0.extend(super::check(recipe).0);
    }
    findings.sort();
    let told = findings.0.iter().map(|finding| {
        let place = finding.span.map_or("", |span| loaded.sources.text(span));
        format!("{} {place}", finding.code.number())
    });
    told.collect()
}

/// The same of a stage's keys, indented by four spaces, in a recipe with the hosts `dut` and `lab`
/// and a gear of each kind.
#[track_caller]
pub(super) fn of_stage(stage: &str) -> Vec<String> {
    let used = "- run: \"true {{ device.ip }}\"\n        host: dut\n      - run: \"true\"\n        host: lab";
    told(&format!(
        "{SURROUNDINGS}\nstages:\n  provision:\n    timeout: 24h\n{stage}\n  allocate:\n    timeout: 1h\n    do:\n      {used}\n      - power: \"on\"\n      - mux: {{ card: host }}\n"
    ))
}

const SURROUNDINGS: &str = "
recipe: example
summary: An example
device:
  ip: { type: string, required: true }
hosts:
  dut: { address: \"{{ device.ip }}\" }
  lab: { address: lab.example.com }
gear:
  power: { kind: power, driver: { turn_on: [ { run: pw on } ], turn_off: [ { run: pw off } ] } }
  card: { kind: mux, media: /dev/sdx, driver: { to_host: [ { run: mx host } ], to_dut: [ { run: mx dut } ] } }
";
