//! What `explore` says of the recipes that ship, and how it answers a CI job.

use std::fs;

use tf_engine::check::explore::{Options, explore};
use tf_engine::recipe::library::Library;
use tf_engine::recipe::load::load;

use crate::{succeeds, tf_engine};

#[test]
fn no_run_of_a_shipped_recipe_breaks_anything() {
    let library = Library::default();
    for name in library.names() {
        let recipe = load(&library, &name).recipe.expect("it loads");
        for stage in recipe.stages.keys() {
            let found = explore(&recipe, stage, Options::default()).expect("it is a chart");
            assert!(found.complete, "{name} {stage}");
            assert!(
                found.breaches.is_empty(),
                "{name} {stage}: {:?}",
                found.breaches
            );
            assert!(
                found.broken.is_empty(),
                "{name} {stage}: {:?}",
                found.broken
            );
            let mut statuses: Vec<u8> = found.ways.iter().map(|way| way.status).collect();
            statuses.dedup();
            assert!(statuses.contains(&0), "{name} {stage}: {statuses:?}");
        }
    }
}

const RECIPE: &str = "recipe: trial
summary: For a test
stages:
  provision:
    timeout: 1h
    initial: boot
    states:
      boot:
        do:
          - run: [boot-board]
            timeout: 1m
        retry: 2
        catch: { timeout: cycle }
        next: done
      cycle:
        recovery: true
        do:
          - run: [cycle-board]
            timeout: 1m
        next: done
";

#[test]
fn expectations_decide_the_exit_status() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("trial.yaml"), RECIPE).expect("writes");
    let run = |args: &[&str]| {
        let args = [&["explore", "./trial.yaml"], args].concat();
        tf_engine(&args, dir.path())
    };
    #[track_caller]
    fn refused(output: &std::process::Output, complaint: &str) {
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(complaint), "{said}");
    }
    succeeds(&run(&[]));
    succeeds(&run(&["--expect-exit", "0,1,46"]));
    succeeds(&run(&["--never", "47"]));
    refused(&run(&["--expect-exit", "0,1"]), "exit 46 can occur");
    refused(&run(&["--expect-exit", "0,1,46,9"]), "exit 9 can't occur");
    refused(&run(&["--never", "46"]), "exit 46 can occur");
    refused(&run(&["--max-states", "3"]), "raise --max-states");
    assert_eq!(run(&["--stage", "reserve"]).status.code(), Some(2));

    let ways = succeeds(&run(&["--from-status", "46"]));
    assert_eq!(ways.matches("exit 46: ").count(), 2, "{ways}");
    assert!(ways.contains("/boot   run: timeout"), "{ways}");
    let json = succeeds(&run(&["--format", "json"]));
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["stages"][0]["stage"], "provision");
    assert_eq!(json["stages"][0]["complete"], true);
}
