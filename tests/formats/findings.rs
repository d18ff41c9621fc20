//! Findings as programs read them.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tf_engine::check::check;
use tf_engine::diagnostic::{Code, Finding, Findings, Sources, Span};
use tf_engine::recipe::library::Library;
use tf_engine::recipe::load::load;
use tf_engine::report::findings::{Format, written};

/// One finding with a second place, in a file whose name and text need escapes; one without a place.
fn sample() -> (Sources, Findings) {
    let mut sources = Sources::default();
    let recipe = sources.add(
        "/lab/recipes/pi, 4: new.yaml",
        "do:\n  - run: \"ü {{ x }}\"\n  - run: |\n      one\n      two\n",
    );
    let parent = sources.add("base.yaml (built in)", "do: 1\n");
    let findings = Findings(vec![
        Finding::new(
            Code::UnboundedCycle,
            Span::new(recipe, 18, 25),
            "100% of `{{ x }}`",
        )
        .help("one\ntwo")
        .label("here")
        .related(Span::new(parent, 0, 2), "first here"),
        Finding::new(
            Code::UnreachableState,
            Span::new(recipe, 36, 56),
            "several lines",
        ),
        Finding::new(Code::Unreadable, None, "`x.yaml` can't be read"),
    ]);
    (sources, findings)
}

fn sample_as(format: Format) -> String {
    let (sources, findings) = sample();
    written(format, &[(&sources, &findings)], Path::new("/lab"))
}

#[test]
fn json_has_a_line_for_each() {
    insta::assert_snapshot!(sample_as(Format::Json));
}

#[test]
fn workflow_commands_are_escaped() {
    insta::assert_snapshot!(sample_as(Format::Github));
}

#[test]
fn a_sarif_log_reads_well() {
    let log: Value = serde_json::from_str(&sample_as(Format::Sarif)).expect("a log is JSON");
    // A rule's texts are the code's page.
    let rule = &log["runs"][0]["tool"]["driver"]["rules"][1];
    assert_eq!(rule["id"], "TF0304");
    assert_eq!(rule["name"], "UnboundedCycle");
    assert_eq!(rule["help"]["markdown"], Code::UnboundedCycle.page());
    insta::assert_snapshot!(format!("{:#}", log["runs"][0]["results"]));
}

/// All findings of all bad files of the diagnostics test, and none at all, against the standard's own
/// schema.
#[test]
fn sarif_logs_are_valid() {
    let mut schema: Value = serde_json::from_str(include_str!("sarif/sarif-schema-2.1.0.json"))
        .expect("the schema is JSON");
    // The standard's pattern for a language is no regular expression, and no log of ours names one.
    for of in ["run", "toolComponent"] {
        schema["definitions"][of]["properties"]["language"] = true.into();
    }
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .expect("the schema is one");
    let mut loads = vec![sample()];
    for entry in std::fs::read_dir("tests/diagnostics").expect("the folder is there") {
        let path = entry.expect("a file").path();
        if path.extension().is_some_and(|kind| kind == "yaml") {
            let loaded = load(&Library::default(), &path.to_string_lossy());
            let mut findings = loaded.findings;
            if let Some(recipe) = &loaded.recipe {
                findings.0.extend(check(recipe).0);
            }
            loads.push((loaded.sources, findings));
        }
    }
    let all: Vec<(&Sources, &Findings)> = loads.iter().map(|(a, b)| (a, b)).collect();
    for all in [&all[..], &[]] {
        let log = written(Format::Sarif, all, Path::new("/lab"));
        let log: Value = serde_json::from_str(&log).expect("a log is JSON");
        let errors: Vec<String> = validator
            .iter_errors(&log)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}", errors.join("\n"));
        let results = log["runs"][0]["results"].as_array().expect("results");
        let expected: usize = all.iter().map(|(_, findings)| findings.0.len()).sum();
        assert_eq!(results.len(), expected);
    }
}

fn check_in(folder: &Path, format: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tf-engine"))
        .args(["check", "--format", format, "board.yaml"])
        .current_dir(folder)
        .output()
        .expect("it starts")
}

#[test]
fn standard_output_holds_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = "recipe: board\nsummary: A board\nstages:\n  provision:\n    do: []\n";
    std::fs::write(folder.path().join("board.yaml"), recipe).expect("it is written");
    let output = check_in(folder.path(), "json");
    assert_eq!(output.status.code(), Some(2));
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let finding: Value = serde_json::from_str(lines.trim()).expect("one line of JSON");
    assert_eq!(finding["code"], "TF0501");
    assert_eq!(finding["place"]["file"], "board.yaml");
    let summary = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        summary.starts_with("1 recipe checked: 1 error"),
        "{summary}"
    );
    let output = check_in(folder.path(), "sarif");
    let log: Value = serde_json::from_slice(&output.stdout).expect("a log");
    let location = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(location["artifactLocation"]["uri"], "board.yaml");
    let output = check_in(folder.path(), "github");
    let command = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        command.starts_with("::error file=board.yaml,line=4,"),
        "{command}"
    );
}
