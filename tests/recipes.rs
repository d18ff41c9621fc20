//! The recipes that ship, and the one in the README.
#![allow(clippy::panic, reason = "a test says so when it fails")]

#[path = "recipes/damage.rs"]
mod damage;
#[path = "recipes/explored.rs"]
mod explored;
#[path = "recipes/graph.rs"]
mod graph;
#[path = "recipes/mistakes.rs"]
mod mistakes;
#[path = "recipes/scenarios.rs"]
mod scenarios;
#[path = "support/sshd.rs"]
mod sshd;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sshd::Sshd;

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
                && !path.to_string_lossy().ends_with(".test.yaml")
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
        let text = fs::read_to_string(&path).expect("a recipe");
        let is_listed = listed
            .lines()
            .any(|line| line.split(' ').next() == Some(&*name));
        let is_library = text.lines().any(|line| line == "library: true");
        assert_eq!(is_listed, !is_library, "{name}: {listed}");
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

#[test]
fn test_commands_run_as_scripts_and_the_first_that_fails_is_the_status() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(
        folder.path().join("device.yaml"),
        "device_ip: 127.0.0.1\nenv: {PORT: 22}\n",
    )
    .expect("a config");
    let case = |test_cmds: &str, status: i32| {
        let job = format!(r#"{{"test_data": {{"test_cmds": {test_cmds}}}}}"#);
        fs::write(folder.path().join("testflinger.json"), job).expect("a job");
        let run = tf_engine(
            &[
                "run",
                "noprovision",
                "--stage",
                "runtest",
                "-c",
                "device.yaml",
            ],
            folder.path(),
        );
        assert_eq!(run.status.code(), Some(status), "{test_cmds}: {run:?}");
    };
    case(r#""[[ $PORT = 22 ]]\ntouch bash""#, 0);
    assert!(folder.path().join("bash").exists());
    case(r##""#!/bin/sh\nexit 7""##, 7);
    case(r#"["touch first", "exit 3", "exit 4", "touch last"]"#, 3);
    assert!(folder.path().join("last").exists());
    // What takes a board out of service is not a test's to say.
    case(r#""exit 46""#, 1);
    case("null", 2);
}

#[test]
fn a_reservation_is_announced_as_programs_look_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(
        folder.path().join("device.yaml"),
        "{device_ip: 10.1.2.3, serial_host: ser, serial_port: 7001}",
    )
    .expect("a config");
    fs::write(
        folder.path().join("testflinger.json"),
        r#"{"job_id": "7", "reserve_data": {"ssh_keys": [], "timeout": 1}}"#,
    )
    .expect("a job");
    let run = tf_engine(
        &[
            "run",
            "noprovision",
            "--stage",
            "reserve",
            "-c",
            "device.yaml",
        ],
        folder.path(),
    );
    let said = succeeds(&run);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines[..3],
        [
            "*** TESTFLINGER SYSTEM RESERVED ***",
            "You can now connect to ubuntu@10.1.2.3",
            "Serial access is available via: telnet ser 7001",
        ]
    );
    assert!(
        lines[3].starts_with("Current time:           [20"),
        "{said}"
    );
    assert!(
        lines[4].starts_with("Reservation expires at: [20"),
        "{said}"
    );
    assert_eq!(
        lines[5..],
        [
            "Reservation will automatically timeout in 1 seconds",
            "To end the reservation sooner use: testflinger-cli cancel 7",
        ]
    );
}

#[test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
fn a_board_that_answers_is_used_as_it_is_and_one_that_does_not_is_reset() {
    let mut board = Sshd::start();
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().join(".ssh");
    fs::create_dir(&home).expect("a folder");
    fs::copy(board.client_key(), home.join("id_ed25519")).expect("a key");
    let config = |reboot: &str| {
        let port = board.port();
        let text = format!("device_ip: 127.0.0.1\ndevice_port: {port}\n{reboot}\n");
        fs::write(folder.path().join("device.yaml"), text).expect("a config");
    };
    let job = format!(
        r#"{{"test_data": {{"test_username": "{}"}}}}"#,
        board.user()
    );
    fs::write(folder.path().join("testflinger.json"), job).expect("a job");
    let run = || {
        Command::new(env!("CARGO_BIN_EXE_tf-engine"))
            .args(["run", "noprovision", "-c", "device.yaml"])
            .current_dir(folder.path())
            .env("HOME", folder.path())
            .env_remove("SSH_AUTH_SOCK")
            .env_remove("XDG_STATE_HOME")
            .output()
            .expect("tf-engine can be executed")
    };
    config("reboot_script: 'touch reset'");
    succeeds(&run());
    assert!(!folder.path().join("reset").exists());

    config("");
    board.stop();
    let ended = run();
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(said.contains("the lab has no reboot_script"), "{said}");
}
