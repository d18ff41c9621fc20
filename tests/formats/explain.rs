//! `explain` and `schema`, as a person calls them.

use std::process::{Command, Output};

use serde_json::Value;
use tf_engine::diagnostic::Code;

fn tf_engine(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tf-engine"))
        .args(args)
        .output()
        .expect("it starts")
}

#[track_caller]
fn said(args: &[&str]) -> String {
    let output = tf_engine(args);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_code_is_explained_by_its_page() {
    let text = said(&["explain", "tf0304"]);
    assert!(
        text.starts_with("TF0304 (error): A cycle of states without `max_visits`"),
        "{text}"
    );
    assert!(text.ends_with(Code::UnboundedCycle.page()), "{text}");
}

#[test]
fn the_list_has_every_code_once_under_what_it_is_about() {
    let text = said(&["explain", "--list"]);
    for code in Code::ALL {
        assert_eq!(text.matches(code.number()).count(), 1, "{}", code.number());
        assert_ne!(code.family(), "Others", "{}", code.number());
    }
    assert!(text.starts_with("Reading files\n  TF0001  error"), "{text}");
}

#[test]
fn what_is_not_there_is_rejected() {
    for (args, hint) in [
        (&["explain", "TF9999"][..], "explain --list"),
        (&["schema", "recpie"], "write `recipe`"),
        (&["schema", "nowhere", "--device"], "nowhere"),
    ] {
        let output = tf_engine(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(hint), "{args:?}: {error}");
    }
}

#[test]
fn schemas_are_printed_as_they_are_kept() {
    for name in ["recipe", "scenario"] {
        let kept = std::fs::read_to_string(format!("schema/{name}.schema.json"));
        assert_eq!(said(&["schema", name]), kept.expect("the schema"));
    }
    let schema: Value =
        serde_json::from_str(&said(&["schema", "muxpi", "--device"])).expect("it is JSON");
    assert_eq!(schema["title"], "Device config of the recipe `muxpi`");
    assert!(schema["properties"]["device_ip"]["description"].is_string());
}
