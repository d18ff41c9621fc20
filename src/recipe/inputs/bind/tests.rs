//! Binding, by what a person sees of it.

use serde_json::{Value, json};

use super::{Binding, bind, bind_params};
use crate::diagnostic::SourceFile;
use crate::recipe::library::Library;
use crate::recipe::load::load_text;
use crate::recipe::model::{Map, Recipe};

fn recipe(inputs: &str, reads: &str) -> Recipe {
    let text = format!(
        "recipe: x\nsummary: X\n{inputs}stages:\n  provision:\n    timeout: 1m\n    do: [ {{ log: \"{reads}\" }} ]\n"
    );
    let loaded = load_text(&Library::default(), "x", &text);
    assert!(!loaded.findings.has_errors(), "{:?}", loaded.findings);
    loaded.recipe.expect("it is a recipe")
}

fn bound(recipe: &Recipe, device: &str, job: &str) -> Binding {
    let file = |name: &str, text: &str| {
        Some(SourceFile {
            name: name.to_owned(),
            text: text.to_owned(),
        })
    };
    bind(
        recipe,
        "provision",
        file("device.yaml", device),
        file("job.json", job),
        None,
    )
}

fn said(binding: &Binding) -> Vec<String> {
    binding
        .findings
        .0
        .iter()
        .map(|finding| {
            let at = finding.span.map(|span| binding.sources.text(span));
            format!("{} {:?}", finding.code.number(), at.unwrap_or_default())
        })
        .collect()
}

#[test]
fn scalars_are_converted_where_nothing_is_lost() {
    #[track_caller]
    fn case(declared: &str, given: &str, expected: &Value) {
        let recipe = recipe(&format!("device:\n  x: {{ {declared} }}\n"), "hello");
        let binding = bound(&recipe, &format!("x: {given}\n"), "{}");
        assert!(binding.findings.0.is_empty(), "{:?}", binding.findings);
        assert_eq!(binding.bound.device["x"], *expected);
    }
    case("type: string", "0644", &json!("0644"));
    case("type: string", "true", &json!("true"));
    case("type: string", "1.50", &json!("1.50"));
    case("type: integer", "'7'", &json!(7));
    case("type: number", "'1.5'", &json!(1.5));
    case("type: boolean", "'true'", &json!(true));
    case("type: boolean", "yes", &json!(true));
    case("type: boolean", "Off", &json!(false));
    case("type: boolean", "0", &json!(false));
    case("type: integer, default: 4", "''", &json!(4));
    case("type: list, items: string", "''", &json!(null));
    case("type: string, default: a", "''", &json!(""));
    case("type: duration, unit: m", "90", &json!(5400));
    case("type: duration", "1m30s", &json!(90));
    case("type: duration", "0.5", &json!(0.5));
    case("type: size, unit: MiB", "2", &json!(2_097_152));
    case("type: list, items: string", "one", &json!(["one"]));
    case("type: list, items: string", "[a, 5]", &json!(["a", "5"]));
    // A type that the value has goes before one that it could be read as.
    case("type: [string, list]", "one", &json!("one"));
    case("type: [integer, string]", "'5'", &json!("5"));
    case(
        "type: path, within: attachments",
        "a/b",
        &json!("attachments/a/b"),
    );
    case(
        "type: map, keys: { a: { type: integer, default: 5 }, b: { type: string } }",
        "{}",
        &json!({"a": 5, "b": null}),
    );
    case("type: string, default: x", "null", &json!("x"));
    case("type: string", "~", &Value::Null);
}

#[test]
fn what_is_required_is_asked_for_where_the_stage_reads_it() {
    let inputs = "device:\n  a: { type: string, required: true }\n  b: { type: string, required: true }\n  c: { type: string, required: true }\n  d: { type: string, required: true }\nlet:\n  by_let: \"{{ device.b }}\"\nhosts:\n  used: { address: \"{{ device.c }}\" }\n  unused: { address: \"{{ device.d }}\" }\nprocedures:\n  p: { do: [ { run: x, host: used } ] }\n";
    let text = format!(
        "recipe: x\nsummary: X\n{inputs}stages:\n  provision:\n    timeout: 1m\n    do: [ {{ log: \"{{{{ let.by_let }}}}\" }}, {{ call: p }} ]\n"
    );
    let loaded = load_text(&Library::default(), "x", &text);
    let recipe = loaded.recipe.expect("it is a recipe");
    let binding = bound(&recipe, "z: 1\n", "{}");
    let asked: Vec<&str> = binding
        .findings
        .0
        .iter()
        .filter_map(|finding| finding.message.split('`').nth(1))
        .collect();
    assert_eq!(asked, ["device.b", "device.c"]);
}

#[test]
fn an_empty_text_is_nothing_where_a_text_is_required() {
    let recipe = recipe(
        "device:\n  ip: { type: string, required: true }\n",
        "{{ device.ip }}",
    );
    let binding = bound(&recipe, "ip: ''\n", "{}");
    assert_eq!(said(&binding), ["TF0201 \"ip\""]);
    let binding = bound(&recipe, "ip: 10.0.0.1\n", "{}");
    assert!(said(&binding).is_empty());
}

#[test]
fn a_secret_is_noted_where_the_data_give_it_and_never_shown() {
    let recipe = recipe(
        "job:\n  user: { type: string, default: me, secret: true }\n  login:\n    password: { type: string, secret: true, pattern: '[a-z]+' }\n",
        "hello",
    );
    let binding = bound(&recipe, "", "{\"login\": {\"password\": \"HUNTER2\"}}");
    assert_eq!(binding.bound.secrets, [["job", "login", "password"]]);
    let [finding] = binding.findings.0.as_slice() else {
        unreachable!("one complaint: {:?}", binding.findings);
    };
    assert!(!finding.message.contains("HUNTER2"));
    assert_eq!(said(&binding), ["TF0202 \"*********\""]);
}

#[test]
fn a_list_with_secrets_in_its_items_is_one_as_a_whole() {
    let recipe = recipe(
        "job:\n  words: { type: list, items: { type: string, secret: true } }\n",
        "hello",
    );
    let binding = bound(&recipe, "", "{\"words\": [\"hunter2\"]}");
    assert_eq!(binding.bound.secrets, [["job", "words"]]);
}

#[test]
fn a_link_may_not_lead_out_of_its_folder() {
    let recipe = recipe(
        "job:\n  file: { type: path, within: attachments }\n",
        "hello",
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    let inside = folder.path().join("attachments");
    std::fs::create_dir(&inside).expect("a folder");
    std::fs::write(inside.join("fine"), "x").expect("a file");
    std::fs::write(folder.path().join("secret"), "x").expect("a file");
    std::os::unix::fs::symlink("../secret", inside.join("out")).expect("a link");
    let codes = |file: &str| {
        let job = SourceFile {
            name: "job.json".to_owned(),
            text: format!("{{\"file\": \"{file}\"}}"),
        };
        said(&bind(
            &recipe,
            "provision",
            None,
            Some(job),
            Some(folder.path()),
        ))
    };
    assert!(codes("fine").is_empty());
    assert!(codes("not_there_yet").is_empty());
    assert_eq!(codes("out"), ["TF0204 \"\\\"out\\\"\""]);
    assert_eq!(codes("../secret"), ["TF0204 \"\\\"../secret\\\"\""]);
}

#[test]
fn json_that_is_no_yaml_is_read_all_the_same() {
    let recipe = recipe(
        "job:\n  text: { type: string }\n  n: { type: integer }\n",
        "hello",
    );
    // An escape in two halves, and tabs.
    let binding = bound(
        &recipe,
        "",
        "{\n\t\"text\": \"\\ud83e\\udd80\",\n\t\"n\": \"x\"\n}",
    );
    assert_eq!(binding.bound.job["text"], json!("🦀"));
    assert_eq!(binding.findings.0.len(), 1);
    assert_eq!(binding.bound.job_document["n"], json!("x"));
}

#[test]
fn arguments_are_checked_like_inputs() {
    let loaded = load_text(
        &Library::default(),
        "x",
        "recipe: x\nprocedures:\n  p:\n    params:\n      wait: { type: duration, default: 10m, max: 1h }\n      name: { type: string, required: true }\n    do: []\n",
    );
    let recipe = loaded.recipe.expect("it is a recipe");
    let params = &recipe.procedures["p"].params;
    let values = |members: &[(&str, Value)]| -> Map<Value> {
        members
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect()
    };
    let given = bind_params(
        params,
        &values(&[("name", json!(5)), ("wait", json!("20m"))]),
    );
    let given = given.expect("the arguments are right");
    assert_eq!(
        (&given["name"], &given["wait"]),
        (&json!("5"), &json!(1200))
    );
    let given = bind_params(params, &values(&[("name", json!("x"))])).expect("it is right");
    assert_eq!(given["wait"], json!(600));
    let (_, text) = bind_params(
        params,
        &values(&[("wait", json!("2h")), ("nmae", json!(1))]),
    )
    .expect_err("three things are wrong");
    assert_eq!(
        text,
        "the parameter `wait`: `2h` is too large: it must be 1h or less; the parameter `name` is not given; there is no parameter `nmae`"
    );
}
