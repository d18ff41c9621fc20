//! Drawings of recipes: what is written, and what a run marks.

use std::fs;
use std::path::{Path, PathBuf};

use super::{recipes, succeeds, tf_engine};

fn drawn() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recipes/drawn.yaml")
}

/// What `graph` prints of the recipe with everything in it.
fn graph(more: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let drawn = drawn();
    let mut args = vec!["graph", drawn.to_str().expect("a path")];
    args.extend(more);
    succeeds(&tf_engine(&args, folder.path()))
}

#[test]
fn a_recipe_is_drawn_as_svg() {
    insta::assert_snapshot!(graph(&[]));
}

#[test]
fn a_recipe_is_drawn_for_graphviz() {
    insta::assert_snapshot!(graph(&["--format", "dot"]));
}

#[test]
fn a_recipe_is_drawn_for_mermaid() {
    insta::assert_snapshot!(graph(&["--format", "mermaid"]));
}

#[test]
fn every_recipe_and_stage_that_ships_is_drawn() {
    let folder = tempfile::tempdir().expect("a folder");
    for path in recipes() {
        let text = fs::read_to_string(&path).expect("a recipe");
        let path = path.to_string_lossy();
        for stage in ["provision", "runtest", "reserve"] {
            if !text.contains(&format!("\n  {stage}:")) {
                continue;
            }
            for format in ["svg", "dot", "mermaid"] {
                let args = ["graph", &path, "--stage", stage, "--format", format];
                succeeds(&tf_engine(&args, folder.path()));
            }
        }
    }
}

/// Ids of the states that a picture shows as taken.
fn taken(picture: &str) -> Vec<&str> {
    let states = picture.lines().filter_map(|line| {
        let (id, class) = line.strip_prefix("<g id=\"")?.split_once("\" class=\"")?;
        class.trim_end_matches("\">").ends_with(" on").then_some(id)
    });
    states.collect()
}

#[test]
fn a_recorded_run_is_marked() {
    let folder = tempfile::tempdir().expect("a folder");
    let job = r#"{"provision_data": {"greeting": "Good morning"}}"#;
    fs::write(folder.path().join("testflinger.json"), job).expect("a job");
    succeeds(&tf_engine(&["run", "simulated_board"], folder.path()));
    let args = ["graph", "simulated_board", "--path", "."];
    let picture = succeeds(&tf_engine(&args, folder.path()));
    insta::assert_snapshot!(taken(&picture).join("\n"));
}

#[test]
fn the_shortest_run_to_an_exit_status_is_marked() {
    let picture = graph(&["--exit", "46"]);
    insta::assert_snapshot!(taken(&picture).join("\n"));
}

#[test]
fn an_explored_run_is_marked_as_it_was_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    let drawn = drawn();
    let drawn = drawn.to_str().expect("a path");
    let explored = tf_engine(&["explore", drawn, "--format", "json"], folder.path());
    fs::write(folder.path().join("runs.json"), &explored.stdout).expect("a file");
    let args = ["graph", drawn, "--path", "runs.json", "--exit", "46"];
    let picture = succeeds(&tf_engine(&args, folder.path()));
    assert_eq!(taken(&picture), taken(&graph(&["--exit", "46"])));
}

#[test]
fn a_list_of_states_is_marked_and_a_wrong_one_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let drawn = drawn();
    let drawn = drawn.to_str().expect("a path");
    let args = ["graph", drawn, "--path", "states"];
    fs::write(folder.path().join("states"), "pick -> card, good\n").expect("a file");
    let picture = succeeds(&tf_engine(&args, folder.path()));
    let expected = ["pick", "card", "good"].map(|name| format!("drawn.provision/{name}"));
    assert_eq!(taken(&picture), expected);

    fs::write(folder.path().join("states"), "pick nowhere").expect("a file");
    let refused = tf_engine(&args, folder.path());
    assert_eq!(refused.status.code(), Some(2));
    insta::assert_snapshot!(String::from_utf8_lossy(&refused.stderr), @"tf-engine: states: the path goes through `nowhere`, which is no state of this stage or of a procedure that it calls");
}
