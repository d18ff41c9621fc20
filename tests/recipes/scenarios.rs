//! `test`: the scenarios that ship, and what is said of those that fail.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{recipes, succeeds, tf_engine};

/// A recipe whose states are `write`, `boot` and `rescue`.
const RECIPE: &str = "\
recipe: trial
summary: A board
stages:
  provision:
    timeout: 2h
    initial: write
    states:
      write:
        do:
          - run: write-card --fast
            timeout: 30m
            save: written
        retry: { attempts: 3, delay: 1m, errors: [timeout, lost] }
        catch: { exit: rescue }
        next: boot
      boot:
        do:
          - run: \"boot {{ vars.written.stdout | trim }}\"
        next: done
      rescue:
        recovery: true
        do:
          - run: rescue-card
        next: done
";

/// A folder with that recipe and these scenarios.
fn folder(scenarios: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("trial.yaml"), RECIPE).expect("a recipe");
    let text = format!("recipe: trial\nscenarios:\n{scenarios}");
    fs::write(folder.path().join("trial.test.yaml"), text).expect("scenarios");
    folder
}

/// Exit status, standard output and standard error of `test` in a folder.
fn test(folder: &TempDir, args: &[&str]) -> (i32, String, String) {
    let args = [&["test", "trial.yaml"], args].concat();
    let output = tf_engine(&args, folder.path());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().expect("it ended by itself"),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn the_scenarios_of_every_recipe_pass_and_take_it_all() {
    let empty = tempfile::tempdir().expect("a folder");
    // What is built in, all together.
    let said = succeeds(&tf_engine(&["test", "--min-coverage", "100"], empty.path()));
    assert!(said.contains("muxpi: "), "{said}");
    // And each by itself, as its author runs it.
    for path in recipes() {
        let path = path.to_string_lossy().into_owned();
        succeeds(&tf_engine(
            &["test", &path, "--min-coverage", "100"],
            empty.path(),
        ));
    }
    let left: Vec<PathBuf> = fs::read_dir(empty.path())
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    assert!(left.is_empty(), "files were written: {left:?}");
}

#[test]
fn what_is_different_is_shown_side_by_side() {
    let folder = folder(
        "  goes_to_the_rescue:
    steps:
      write/run: [timeout, { exit: 7, takes: 20s, stdout: \"card gone\\n\" }]
    expect:
      exit: 0
      path: [write, boot]
      commands:
        exactly: [write-card --fast, \"boot *\"]
        never: [rescue*]
      never: [rescue]
      duration: { at_most: 10m }
",
    );
    let (status, said, _) = test(&folder, &[]);
    assert_eq!(status, 1);
    insta::assert_snapshot!(said);
}

#[test]
fn the_machines_own_rules_decide() {
    let folder = folder(
        "  three_tries:
    steps: { write/run: [timeout, lost, { takes: 29m59s, stdout: \"ok\\n\" }] }
    expect: { exit: 0, path: [write, boot], commands: { exactly: [write-card*, write-card*, write-card*, boot ok] }, duration: 1h1m59s }
  what_ends_at_its_bound_is_over_it:
    steps: { write/run: [{ takes: 30m }, ok] }
    expect: { exit: 0, duration: 31m }
  a_failed_rescue:
    steps: { write/run: exit, rescue/run: lost }
    expect: { exit: 46, path: [write, rescue] }
  a_signal_comes_once_it_is_due:
    steps: { write/run: [lost, { takes: 10m }] }
    signal: { during: write/run, try: 2, after: 4m, send: INT }
    expect: { exit: 130, never: [boot], duration: 5m }
  a_bare_output_is_a_commands_own:
    expect: { exit: 0, commands: { in_order: [\"boot ''\"] } }
",
    );
    let (status, said, _) = test(&folder, &[]);
    assert_eq!(status, 0, "{said}");
}

#[test]
fn what_has_no_part_in_a_run_fails_its_scenario() {
    let folder = folder(
        "  an_outcome_too_many:
    steps: { write/run: [ok, lost] }
    expect: { exit: 0 }
  a_step_that_is_not_tried:
    steps: { rescue/run: lost }
    expect: { exit: 0 }
  a_signal_that_does_not_come:
    signal: { during: rescue/run }
    expect: { exit: 0 }
  nothing_is_expected:
    summary: Not yet
",
    );
    let (status, said, _) = test(&folder, &[]);
    assert_eq!(status, 1);
    for words in [
        "`write/run` has 2 outcomes, and was tried 1 time",
        "`rescue/run` was not tried",
        "`rescue/run` was not at work that often, so no signal came",
        "it says nothing of what must follow",
        "4 of 4 scenarios failed",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn too_little_coverage_fails_and_says_what_is_missing() {
    let folder = folder("  usual: { expect: { exit: 0 } }\n");
    let (status, said, _) = test(&folder, &["--coverage"]);
    assert_eq!(status, 0, "{said}");
    for words in [
        "trial: 5 of 8 states and transitions (62%) are taken",
        "trial.yaml:14:24  `write` does not catch `exit`, which leads to `rescue`",
        "trial.yaml:20:7  `rescue` is not entered",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(test(&folder, &["--min-coverage", "62"]).0, 0);
    let (status, said, _) = test(&folder, &["--min-coverage", "63"]);
    assert_eq!(status, 1);
    assert!(said.contains("at least 63% is asked for"), "{said}");
}

#[test]
fn a_file_with_a_mistake_is_refused_with_its_place() {
    let folder = folder("  usual: { steps: { wirte/run: ok }, expect: { exit: 0 } }\n");
    let (status, said, complaints) = test(&folder, &[]);
    assert_eq!(status, 2, "{said}");
    assert!(complaints.contains("trial.test.yaml:3:21"), "{complaints}");
    assert!(
        complaints.contains("did you mean `write/run`?"),
        "{complaints}"
    );
}

#[test]
fn new_expectations_are_written_and_comments_stay() {
    let folder = folder(
        "  first:                 # comes first
    steps:
      write/run: lost      # and then it works

  # The next one.
  second: { expect: { exit: 0 } }
  third:
    summary: \"At the end\"",
    );
    let (status, said, _) = test(&folder, &["--update"]);
    assert_eq!(status, 0, "{said}");
    let text = fs::read_to_string(folder.path().join("trial.test.yaml")).expect("the file");
    insta::assert_snapshot!(text);
    let (status, said, _) = test(&folder, &[]);
    assert_eq!(status, 0, "{said}");
    // What is there already is the author's.
    assert_eq!(
        test(&folder, &["--update"]),
        (0, String::new(), String::new())
    );
}

#[test]
fn what_is_not_said_goes_well_and_gives_what_the_action_would() {
    let folder = folder("  usual: { device: { medium: /dev/sdz }, expect: { exit: 0 } }\n");
    let recipe = "\
recipe: trial
summary: Every action that has an output
device:
  medium: { type: path }
hosts:
  board: { address: 10.0.0.2 }
gear:
  power: { kind: power, driver: { turn_on: [ { run: x } ], turn_off: [ { run: x } ], read: [ { run: x } ] } }
  card: { kind: mux, media: \"{{ device.medium }}\", driver: { to_host: [ { run: x } ], to_dut: [ { run: x } ] } }
  other: { kind: mux, driver: { to_host: [ { run: x } ], to_dut: [ { run: x } ] } }
stages:
  provision:
    timeout: 1h
    do:
      - run: x
        expect: [3, 4]
        parse: lines
        save: ran
      - assert: vars.ran.exit == 3 and vars.ran.stdout == '' and vars.ran.lines == [] and vars.ran.ok
      - commands: [a, b]
        save: lines
      - assert: (vars.lines.results | length) == 2 and vars.lines.results[1].command == 'b'
      - read: file
        save: file
      - assert: vars.file.exists and vars.file.text == ''
      - write: { path: file, content: abc }
        save: file
      - assert: vars.file.path == 'file' and vars.file.bytes == 3 and vars.file.changed
      - copy: { from: file, to: board:file }
        save: copied
      - assert: vars.copied.files == 1
      - download: { url: \"http://images/x\", to: image }
        save: got
      - assert: vars.got.path == 'image' and vars.got.url == 'http://images/x'
      - power: cycle
        save: power
      - assert: vars.power.state == 'on' and vars.power.verified
      - mux: { card: host }
        save: card
      - assert: vars.card.state == 'host' and vars.card.device == '/dev/sdz' and not vars.card.verified
      - flash: { image: image, to: card }
        save: written
      - assert: vars.written.device == '/dev/sdz' and vars.written.verified
      - mux: { other: host }
        save: other
      - flash: { image: image, to: other }
        save: written
      - assert: vars.other.device == '/dev/other' and vars.written.device == '/dev/other'
      - wait: { ssh: board }
        timeout: 1m
        save: up
      - assert: vars.up.boot_id and vars.up.probes == 1
      - wait: { run: x }
        timeout: 1m
        save: up
      - assert: vars.up.exit == 0 and vars.up.stdout == ''
      - wait: { http: \"http://board/\" }
        timeout: 1m
        save: up
      - assert: vars.up.status == 200 and vars.up.url == 'http://board/'
      - authorize: { host: board }
        save: keys
      - assert: vars.keys.added == 1
      - http: { url: \"http://board/\", json: { a: 1 } }
        expect: 201
        save: answer
      - assert: vars.answer.status == 201 and vars.answer.body == ''
";
    fs::write(folder.path().join("trial.yaml"), recipe).expect("a recipe");
    let (status, said, complaints) = test(&folder, &[]);
    assert_eq!(status, 0, "{said}{complaints}");
}

#[test]
fn any_bytes_are_refused_with_a_place() {
    for text in [
        "",
        "\0",
        "[]",
        "recipe",
        "scenarios: 3",
        "a: {",
        "  x: [{ steps: [] }]",
        "\u{feff}x: y",
    ] {
        let folder = folder(&format!("{text}\n"));
        let (status, said, complaints) = test(&folder, &[]);
        assert_eq!(status, 2, "{text:?}: {said}{complaints}");
        assert!(complaints.contains("TF0"), "{text:?}: {complaints}");
    }
}

#[test]
fn what_would_go_on_for_ever_is_ended() {
    let folder = folder("  usual: { steps: { l/run: lost }, expect: { exit: 1 } }\n");
    let recipe = "\
recipe: trial
summary: Tries and tries
stages:
  provision:
    timeout: 1h
    initial: l
    states:
      l:
        do: [ { run: x } ]
        retry: 4000000000
        next: done
";
    fs::write(folder.path().join("trial.yaml"), recipe).expect("a recipe");
    let (status, said, _) = test(&folder, &[]);
    assert_eq!(status, 1);
    assert!(said.contains("it does not come to an end"), "{said}");
}

#[test]
fn a_recipe_without_scenarios_says_so() {
    let folder = folder("  usual: { expect: { exit: 0 } }\n");
    fs::write(
        folder.path().join("other.yaml"),
        RECIPE.replace("trial", "other"),
    )
    .expect("a recipe");
    let output = tf_engine(&["--recipes", ".", "test", "other"], folder.path());
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("the recipe `other` has no scenarios"),
        "{said}"
    );
    // `check` knows scenario files too.
    succeeds(&tf_engine(&["check", "trial.test.yaml"], folder.path()));
}

#[test]
fn programs_read_results_too() {
    let folder = folder(
        "  passes: { expect: { exit: 0, duration: 0s } }
  fails: { steps: { write/run: { error: exit, message: \"<&\\\">\" } }, expect: { exit: 0, path: [boot] } }
",
    );
    let shown = |format| {
        let (status, said, _) = test(&folder, &["--format", format]);
        assert_eq!(status, 1, "{said}");
        said
    };
    insta::assert_snapshot!(format!("{}\n{}", shown("tap"), shown("junit")));
    let json: serde_json::Value = serde_json::from_str(&shown("json")).expect("JSON");
    assert_eq!(json["failed"], 1);
    assert_eq!(json["scenarios"][0]["passed"], true);
    assert_eq!(json["scenarios"][1]["problems"][0]["key"], "path");
    let (status, said, _) = test(&folder, &["--only", "pass*"]);
    assert_eq!(
        (status, said.contains("1 scenario passed")),
        (0, true),
        "{said}"
    );
}

#[test]
fn a_new_recipe_passes_everything() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |args: &[&str]| tf_engine(args, folder.path());
    succeeds(&run(&["new", "my_board"]));
    let checked = run(&["check", "my_board.yaml"]);
    succeeds(&checked);
    assert_eq!(String::from_utf8_lossy(&checked.stderr), "");
    succeeds(&run(&[
        "explore",
        "my_board.yaml",
        "--stage",
        "provision",
        "--expect-exit",
        "0,1,46,143",
    ]));
    succeeds(&run(&["test", "my_board.yaml", "--min-coverage", "100"]));
    for (name, why) in [
        ("my_board", "my_board.yaml is there already"),
        ("My-Board", "`My-Board` is no name"),
        (
            "base",
            "there is a recipe `base` already: base.yaml (built in)",
        ),
        ("../x", "is no name"),
    ] {
        let refused = run(&["new", name]);
        assert_eq!(refused.status.code(), Some(2));
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains(why), "{why}: {said}");
    }
    let refused = run(&["new", "other", "--dir", "nowhere"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(!Path::new("nowhere").exists());
}
