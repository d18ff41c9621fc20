//! The recipes that ship, and the one in the README.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn tf_engine(args: &[&str], dir: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tf-engine"))
        .args(args)
        .current_dir(dir)
        .output()
        .expect("tf-engine can be executed")
}

#[track_caller]
fn succeeds(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn recipes() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes");
    let entries = fs::read_dir(folder).expect("the recipes");
    entries
        .map(|entry| entry.expect("a recipe").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect()
}

#[test]
fn every_recipe_passes_check() {
    let folder = tempfile::tempdir().expect("a folder");
    for path in recipes() {
        let path = path.to_string_lossy();
        succeeds(&tf_engine(&["check", &path], folder.path()));
    }
}

#[test]
fn what_is_listed_is_what_can_be_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let listed = succeeds(&tf_engine(&["list"], folder.path()));
    for path in recipes() {
        let name = path.file_stem().expect("a name").to_string_lossy();
        assert_eq!(listed.contains(&*name), name != "base", "{name}: {listed}");
    }
}

#[test]
fn the_recipe_in_the_readme_passes_check() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"));
    let readme = readme.expect("the README");
    let (_, after) = readme.split_once("```yaml\n").expect("a recipe");
    let (recipe, _) = after.split_once("```").expect("its end");
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("my_board.yaml"), recipe).expect("a recipe");
    succeeds(&tf_engine(&["check", "my_board.yaml"], folder.path()));
}

#[test]
fn the_simulated_board_is_provisioned() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(
        folder.path().join("testflinger.json"),
        r#"{"provision_data": {"greeting": "Good morning"}}"#,
    )
    .expect("a job");
    // Twice: what the first run left does not disturb the second.
    for _ in 0..2 {
        let run = tf_engine(&["run", "simulated_board"], folder.path());
        succeeds(&run);
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(said.contains("The board says: Good morning"), "{said}");
    }
    let outcome = fs::read_to_string(folder.path().join("outcome.json")).expect("an outcome");
    assert!(outcome.contains("\"ok\""), "{outcome}");
}

#[test]
fn the_fake_connector_prints_what_it_was_given() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(
        folder.path().join("job.json"),
        r#"{"provision_data": {"distro": "noble"}}"#,
    )
    .expect("a job");
    let said = succeeds(&tf_engine(
        &["run", "fake_connector", "-j", "job.json"],
        folder.path(),
    ));
    assert!(
        said.contains("\n{\n    \"distro\": \"noble\"\n}\n"),
        "{said}"
    );
}
