//! The schema of a recipe's file.

use serde_json::{Map, Value, json};

use super::part::{map, types};
use super::shape::{NAME, or_null};
use super::{DRAFT, of, shape, step, told_by};
use crate::recipe::vocabulary::key::Key;
use crate::recipe::vocabulary::keys;

/// The JSON Schema of recipes.
pub fn recipe() -> Value {
    let mut definitions = shape::definitions();
    definitions.extend(step::definitions());
    definitions.extend(parts());
    let mut schema = json!({
        "$schema": DRAFT,
        "title": "A recipe of tf-engine",
        "description": "How one type of board is provisioned, one state machine per stage.",
    });
    if let (Some(members), Value::Object(recipe)) = (schema.as_object_mut(), map(keys::RECIPE)) {
        members.extend(recipe);
        members.insert("$defs".to_owned(), definitions.into());
    }
    schema
}

fn parts() -> Map<String, Value> {
    let retry = |keys: &'static [Key]| {
        json!({
            "if": { "type": "object" },
            "then": map(keys),
            "else": {
                "type": ["integer", "string"],
                "minimum": 1,
                "pattern": r"\{[{%]",
                "description": "How many tries, the first included.",
            },
        })
    };
    let kinds = json!({ "anyOf": [of("kind"), { "const": "any" }] });
    let parts = json!({
        "defaults": map(keys::DEFAULTS),
        "retry": retry(keys::RETRY),
        "state_retry": retry(keys::STATE_RETRY),
        "catch": {
            "if": { "type": "object" },
            "then": { "propertyNames": kinds, "additionalProperties": of("target") },
            "else": of("target"),
        },
        "answer": {
            "type": ["integer", "string"],
            "minimum": 0,
            "maximum": 999,
            "pattern": "^(lost|any)$",
            "patternErrorMessage": "A status, `lost` or `any`.",
        },
        "host": map(keys::HOST),
        "gear": gear(),
        "input": map(keys::INPUT),
        "group": {
            "type": "object",
            "properties": {
                "one_of": {
                    "type": "array",
                    "items": of("name"),
                    "description": "At least one of these members must be given.",
                },
            },
            "propertyNames": { "pattern": NAME },
            "additionalProperties": or_null(&of("declaration")),
        },
        "declaration": {
            "type": "object",
            "if": {
                "required": ["type"],
                "properties": { "type": { "anyOf": [{ "enum": types() }, { "type": "array" }] } },
            },
            "then": of("input"),
            "else": of("group"),
        },
        "leaf": map(keys::LEAF),
        "scope": map(keys::SCOPE),
        "choice": map(keys::CHOICE),
        "end": map(keys::END),
        "state": state(),
        "stage": root(keys::STAGE, true),
        "procedure": root(keys::PROCEDURE, false),
    });
    match parts {
        Value::Object(parts) => parts,
        _ => Map::new(),
    }
}

/// The keys of tables, each once, with their texts alone: what an editor offers before it is clear
/// what a map is.
fn offered(tables: &[&[Key]]) -> Map<String, Value> {
    tables
        .iter()
        .flat_map(|table| table.iter())
        .map(|key| (key.name.to_owned(), json!({ "description": key.doc })))
        .collect()
}

fn state() -> Value {
    let telling = told_by(
        &[
            (&["do"], of("leaf")),
            (&["states", "initial"], of("scope")),
            (&["end"], of("end")),
            (&["next"], of("choice")),
        ],
        json!({ "required": ["do"] }),
    );
    let mut state = json!({
        "type": "object",
        "description": "`do` makes it a leaf, `states` a scope, `end` an end, `next` alone a choice.",
        "properties": offered(&[keys::LEAF, keys::SCOPE, keys::CHOICE, keys::END]),
    });
    if let (Some(members), Value::Object(telling)) = (state.as_object_mut(), telling) {
        members.extend(telling);
    }
    state
}

/// A stage or procedure: a leaf or a scope with keys of its own.
fn root(own: &'static [Key], needs_timeout: bool) -> Value {
    let of_form = |form: &'static [Key]| {
        let known = keys::ROOT
            .iter()
            .filter(|key| form.iter().any(|other| other.name == key.name))
            .chain(own);
        let mut map = map(known);
        if let Some(Value::Array(required)) = map.get_mut("required")
            && needs_timeout
        {
            required.push("timeout".into());
        }
        map
    };
    let telling = told_by(
        &[
            (&["do"], of_form(keys::LEAF)),
            (&["states", "initial"], of_form(keys::SCOPE)),
        ],
        json!({ "required": ["do"] }),
    );
    let mut root = json!({ "type": "object", "properties": offered(&[keys::ROOT, own]) });
    if let (Some(members), Value::Object(telling)) = (root.as_object_mut(), telling) {
        members.extend(telling);
    }
    root
}

fn gear() -> Value {
    let by_kind: Vec<Value> = [
        ("power", keys::POWER),
        ("mux", keys::MUX),
        ("serial", keys::SERIAL),
    ]
    .into_iter()
    .map(|(kind, keys)| {
        json!({
            "if": { "required": ["kind"], "properties": { "kind": { "const": kind } } },
            "then": map(keys),
        })
    })
    .collect();
    json!({
        "type": "object",
        "properties": offered(&[keys::POWER, keys::MUX, keys::SERIAL]),
        "required": ["kind"],
        "allOf": by_kind,
    })
}
