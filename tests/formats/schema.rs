//! The schemas are current, take everything that the loader takes, and complain once about a mistake.
//!
//! After a change that is meant: `UPDATE_SCHEMAS=1 cargo test --test formats schema`.

use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::{Value, json};
use tf_engine::diagnostic::{Code, Findings, SourceFile, Sources};
use tf_engine::recipe::inputs::bind;
use tf_engine::recipe::library::Library;
use tf_engine::recipe::load::load;
use tf_engine::recipe::model::Recipe;
use tf_engine::recipe::schema::{Document, data, recipe, scenarios};
use tf_engine::recipe::yaml::{Dialect, read};

fn validator(schema: &Value) -> Validator {
    jsonschema::options()
        .build(schema)
        .expect("the schema is valid")
}

/// A YAML text as an editor's validator sees it.
pub(crate) fn value(text: &str) -> Value {
    let mut sources = Sources::default();
    let mut findings = Findings::default();
    let source = sources.add("text", text);
    let node = read(&sources, source, Dialect::Recipe, &mut findings);
    assert!(findings.0.is_empty(), "{text}\n{findings:?}");
    node.expect("a document").to_value()
}

fn errors(validator: &Validator, value: &Value) -> Vec<String> {
    validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[track_caller]
fn takes(validator: &Validator, what: &str, text: &str) {
    let errors = errors(validator, &value(text));
    assert!(errors.is_empty(), "{what}:\n{}", errors.join("\n"));
}

fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "yaml"))
        .filter(|path| !path.to_string_lossy().ends_with(".test.yaml"))
        .collect();
    files.sort();
    files
}

/// The texts between a fence's lines, of fences that begin so.
pub(crate) fn fenced<'a>(text: &'a str, begin: &'a str) -> impl Iterator<Item = String> + 'a {
    text.split(&format!("```{begin}\n")[..])
        .skip(1)
        .filter_map(|rest| rest.split_once("\n```"))
        .map(|(inside, _)| format!("{inside}\n"))
        .collect::<Vec<_>>()
        .into_iter()
}

#[track_caller]
fn current(name: &str, schema: &Value) {
    let path = format!("schema/{name}.schema.json");
    let text = format!("{schema:#}\n");
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(&path, &text).expect("it is written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "{path} is not what the program prints: see this file's head"
    );
}

#[test]
fn the_files_are_current() {
    current("recipe", &recipe());
    current("scenario", &scenarios());
}

#[test]
fn every_good_recipe_is_valid() {
    let validator = validator(&recipe());
    for path in yaml_files("recipes") {
        let text = std::fs::read_to_string(&path).expect("a recipe");
        takes(&validator, &path.to_string_lossy(), &text);
    }
    for code in Code::ALL {
        for text in fenced(code.page(), "yaml good") {
            takes(&validator, code.number(), &text);
        }
    }
    for path in ["README.md", "docs/checking.md"] {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        for text in fenced(&text, "yaml").filter(|text| text.starts_with("recipe: ")) {
            takes(&validator, path, &text);
        }
    }
}

#[test]
fn every_shipped_scenario_is_valid() {
    let validator = validator(&scenarios());
    for entry in std::fs::read_dir("recipes").expect("the recipes") {
        let path = entry.expect("a file").path();
        if path.to_string_lossy().ends_with(".test.yaml") {
            let text = std::fs::read_to_string(&path).expect("scenarios");
            takes(&validator, &path.to_string_lossy(), &text);
        }
    }
    let text = "recipe: x\nscenarios:\n  bad:\n    steps: { boot: [ok, oops] }\n";
    let found = errors(&validator, &value(text));
    assert_eq!(found.len(), 1, "{found:#?}");
}

/// Codes of bad recipes that a schema sees too; it can't see the others.
const SEEN: &[Code] = &[
    Code::UnknownKey,
    Code::UnknownAction,
    Code::WrongType,
    Code::MissingKey,
    Code::UnknownKind,
    Code::UnknownStage,
    Code::Misplaced,
];

#[test]
fn bad_recipes_are_not_valid() {
    let validator = validator(&recipe());
    for code in SEEN {
        for text in fenced(code.page(), "yaml bad") {
            let errors = errors(&validator, &value(&text));
            assert!(!errors.is_empty(), "{} is valid", code.number());
        }
    }
}

fn board(state: &str) -> String {
    format!(
        "recipe: board\nsummary: A board\nstages:\n  provision:\n    timeout: 1h\n    initial: up\n    states:\n      up:\n{}",
        state
            .lines()
            .map(|line| format!("        {line}\n"))
            .collect::<String>()
    )
}

/// One mistake is one complaint, at its place.
#[test]
fn a_mistake_is_complained_about_once() {
    let validator = validator(&recipe());
    #[track_caller]
    fn case(validator: &Validator, state: &str, expected: &str) {
        let found = errors(validator, &value(&board(state)));
        assert_eq!(found.len(), 1, "{state}\n{found:#?}");
        assert!(found[0].contains(expected), "{}", found[0]);
    }
    let step = |step: &str| format!("do:\n  - {step}\nnext: done");
    case(
        &validator,
        &step("flahs: { image: x }"),
        "'flahs' was unexpected",
    );
    case(
        &validator,
        &step("{ run: x, retyr: 3 }"),
        "'retyr' was unexpected",
    );
    case(
        &validator,
        &step("{ log: x, host: local }"),
        "'host' was unexpected",
    );
    case(
        &validator,
        &step("write: { content: x }"),
        "\"path\" is a required",
    );
    case(
        &validator,
        &step("write: { path: x, content: y, sudo: perhaps }"),
        "does not match",
    );
    case(&validator, &step("sleep: soon"), "does not match");
    case(&validator, &step("{ run: x, parse: yaml }"), "\"json\"");
    case(&validator, &step("when: run.id"), "\"run\" is a required");
    case(
        &validator,
        "do: []\nnext: done\ncathc: done",
        "'cathc' was unexpected",
    );
    case(
        &validator,
        "do: []\nnext: done\ncatch: { exits: done }",
        "exits",
    );
    case(
        &validator,
        "initial: x\nnext: done",
        "\"states\" is a required",
    );
    case(&validator, "dou: []", "\"do\" is a required");
    case(&validator, "end: sucess", "\"success\"");
}

fn loaded(text: &str) -> Recipe {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("board.yaml");
    std::fs::write(&path, text).expect("it is written");
    let loaded = load(&Library::default(), &path.to_string_lossy());
    assert!(!loaded.findings.has_errors(), "{:?}", loaded.findings);
    loaded.recipe.expect("a recipe")
}

const INPUTS: &str = "recipe: board
summary: A board
device:
  port:    { type: integer, min: 1, max: 65535, default: 22, description: Where SSH listens }
  address: { type: string, required: true }
  unread:  { type: string, required: true }
  mode:    { type: string, enum: [fast, '2'] }
  wait:    { type: duration, unit: m, max: 1h }
  disks:   { type: list, items: { type: map, keys: { name: { type: string, required: true } } }, min_items: 1 }
  flag:    { type: boolean }
  names:   { type: list, items: string }
  either:  { type: [integer, boolean] }
job:
  provision_data:
    one_of: [url, file]
    url: { type: url }
    file: { type: path }
stages:
  provision:
    timeout: 1h
    do:
      - log: \"{{ device.address }} {{ job.provision_data.url or job.provision_data.file }}\"
";

/// Whatever binding takes the schema takes, and what it refuses the schema refuses.
#[test]
fn data_are_judged_as_binding_does() {
    let recipe = loaded(INPUTS);
    let device = validator(&data(&recipe, Document::Device));
    let job = validator(&data(&recipe, Document::Job));
    let good_job = json!({ "provision_data": { "url": "http://x/y" } });
    #[track_caller]
    fn case(recipe: &Recipe, device: (&Validator, &str), job: (&Validator, &Value)) {
        let file = |name: &str, text: String| {
            Some(SourceFile {
                name: name.to_owned(),
                text,
            })
        };
        let binding = bind(
            recipe,
            "provision",
            file("device.yaml", device.1.to_owned()),
            file("job.json", job.1.to_string()),
            None,
        );
        let mut said = errors(device.0, &value(device.1));
        said.extend(errors(job.0, job.1));
        assert_eq!(
            binding.findings.has_errors(),
            !said.is_empty(),
            "{}\n{}\n{said:#?}\n{:#?}",
            device.1,
            job.1,
            binding.findings
        );
    }
    for text in [
        "address: x",
        "{}",
        "address: 5",
        "address: [x]",
        "{ address: x, other: 5, port: '22' }",
        "{ address: x, port: 0 }",
        "{ address: x, port: many }",
        "{ address: x, port: null }",
        "{ address: x, mode: fast }",
        "{ address: x, mode: 2 }",
        "{ address: x, mode: slow }",
        "{ address: x, wait: 30 }",
        "{ address: x, wait: 90 }",
        "{ address: x, wait: 1h }",
        "{ address: x, wait: soon }",
        "{ address: x, disks: { name: a } }",
        "{ address: x, disks: [{ name: a }, { name: b }] }",
        "{ address: x, disks: [{ nmae: a }] }",
        "{ address: x, disks: [] }",
        "{ address: x, flag: 'true' }",
        "{ address: x, flag: yes }",
        "{ address: x, names: a }",
        "{ address: x, names: [a, 5] }",
        "{ address: x, names: [{}] }",
        "{ address: x, names: [null] }",
        "{ address: x, names: null }",
        "{ address: x, either: '5' }",
        "{ address: x, either: true }",
        "{ address: x, either: x }",
    ] {
        case(&recipe, (&device, text), (&job, &good_job));
    }
    for document in [
        json!({}),
        json!({ "provision_data": {} }),
        json!({ "provision_data": { "url": null } }),
        json!({ "provision_data": { "url": "ftp://x" } }),
        json!({ "provision_data": { "file": "a" }, "other": 1 }),
    ] {
        case(&recipe, (&device, "address: x"), (&job, &document));
    }
}

#[test]
fn data_schemas_of_shipped_recipes_are_schemas() {
    for path in yaml_files("recipes") {
        let loaded = load(&Library::default(), &path.to_string_lossy());
        let recipe = loaded.recipe.expect("a recipe");
        for document in [Document::Device, Document::Job] {
            validator(&data(&recipe, document));
        }
        assert!(Path::new("schema").is_dir());
    }
}
