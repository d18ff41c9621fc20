//! Schemas of maps by the tables of keys.

use serde_json::{Map, Value, json};

use super::scenario::try_kinds;
use super::shape::{NAME, or_null, shape};
use super::{described, of, with_default};
use crate::recipe::vocabulary::key::{Key, List, Takes};
use crate::recipe::vocabulary::keys::scenario;
use crate::recipe::vocabulary::{ACTIONS, keys};
use crate::recipe::{GearKind, Verdict, model::InputType};

/// A map with these keys and no others.
pub(super) fn map<'k>(keys: impl IntoIterator<Item = &'k Key>) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for key in keys {
        properties.insert(key.name.to_owned(), member(key));
        if key.required {
            required.push(key.name);
        }
    }
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// The value of a key, with its text and default.
fn member(key: &Key) -> Value {
    let schema = with_default(takes(&key.takes, key.literal), key.default);
    described(schema, key.doc)
}

/// Entries by name, of which null removes an inherited one.
fn named(entry: &Value) -> Value {
    json!({
        "type": "object",
        "propertyNames": { "pattern": NAME },
        "additionalProperties": or_null(entry),
    })
}

pub(super) fn takes(takes: &Takes, literal: bool) -> Value {
    match takes {
        Takes::Shape(of) => shape(of, literal),
        Takes::Name => of("name"),
        Takes::Target => of("target"),
        Takes::Next => json!({
            "if": { "type": "array" },
            "then": { "minItems": 1, "items": map(keys::ROW) },
            "else": of("target"),
        }),
        Takes::Catch => of("catch"),
        Takes::Retry => of("retry"),
        Takes::StateRetry => of("state_retry"),
        Takes::Items => json!({ "type": ["string", "array"] }),
        Takes::Steps(list) => json!({ "type": "array", "items": of(list_name(*list)) }),
        Takes::States => json!({
            "type": "object",
            "propertyNames": { "pattern": NAME },
            "additionalProperties": of("state"),
        }),
        Takes::Values => json!({ "type": "object", "propertyNames": { "pattern": NAME } }),
        Takes::Env => json!({
            "type": ["object", "string"],
            "additionalProperties": { "type": ["string", "number", "boolean", "null"] },
        }),
        Takes::Defaults => of("defaults"),
        Takes::Needs => json!({
            "type": "object",
            "additionalProperties": {
                "type": ["string", "number", "boolean", "array"],
                "items": { "type": ["string", "number", "boolean"] },
            },
        }),
        Takes::Ensures => map(keys::ENSURES),
        Takes::Expect => json!({
            "if": { "type": "array" },
            "then": { "items": of("answer") },
            "else": of("answer"),
        }),
        Takes::AllowFailure => json!({ "type": ["boolean", "array"], "items": of("kind") }),
        Takes::Verdict => {
            let words: Vec<&str> = Verdict::IN_RECIPES.iter().map(|(word, _)| *word).collect();
            json!({ "enum": words })
        }
        Takes::Inputs => named(&of("input")),
        Takes::Groups => of("group"),
        Takes::Hosts => json!({
            "type": "object",
            "propertyNames": { "pattern": NAME },
            "properties": { "local": or_null(&map(keys::LOCAL)) },
            "additionalProperties": or_null(&of("host")),
        }),
        Takes::Gear => named(&of("gear")),
        Takes::Driver(kind) => driver(*kind),
        Takes::Tracks => named(&json!({
            "type": "array",
            "items": { "type": ["string", "number", "boolean"] },
        })),
        Takes::Rules => json!({ "type": "array", "items": map(keys::RULE) }),
        Takes::Blame => named(&of("blame_probe")),
        Takes::Procedures => named(&of("procedure")),
        Takes::Stages => {
            let stages: Map<String, Value> = keys::STAGES
                .iter()
                .map(|stage| ((*stage).to_owned(), or_null(&of("stage"))))
                .collect();
            json!({ "type": "object", "properties": stages, "additionalProperties": false })
        }
        Takes::Types => json!({
            "if": { "type": "array" },
            "then": { "minItems": 1, "items": { "enum": types() } },
            "else": { "enum": types() },
        }),
        Takes::ItemType => json!({
            "if": { "type": "string" },
            "then": { "enum": types() },
            "else": of("input"),
        }),
        Takes::Count(least) => json!({ "type": "integer", "minimum": least }),
        Takes::Number(least, most) => {
            let mut number = json!({
                "type": ["number", "string"],
                "minimum": least,
                "pattern": r"\{[{%]",
            });
            if *most < f64::MAX
                && let Some(members) = number.as_object_mut()
            {
                members.insert("maximum".to_owned(), json!(most));
            }
            number
        }
        Takes::Bound => json!({ "type": ["number", "string"] }),
        Takes::Data => json!({ "type": "object" }),
        Takes::Scenarios => json!({
            "type": "object",
            "propertyNames": { "pattern": NAME },
            "additionalProperties": of("scenario"),
        }),
        Takes::Outcomes => json!({ "type": "object", "additionalProperties": of("outcomes") }),
        Takes::Signals => json!({
            "if": { "type": "array" },
            "then": { "items": of("signal") },
            "else": of("signal"),
        }),
        Takes::Expectations => map(scenario::EXPECT),
        Takes::Commands => map(scenario::COMMANDS),
        Takes::Took => json!({
            "if": { "type": "object" },
            "then": map(scenario::TOOK),
            "else": of("duration"),
        }),
        Takes::TryError => json!({ "enum": try_kinds() }),
        Takes::AnyVerdict => {
            let mut words = vec!["ok", "cancelled"];
            words.extend(Verdict::IN_RECIPES.iter().map(|(word, _)| *word));
            json!({ "enum": words })
        }
        Takes::Action => {
            let actions: Vec<&str> = ACTIONS.iter().map(|action| action.name).collect();
            json!({ "enum": actions })
        }
    }
}

pub(super) fn types() -> Vec<&'static str> {
    InputType::WORDS.iter().map(|(word, _)| *word).collect()
}

/// The definition of the steps of a list.
pub(super) fn list_name(list: List) -> &'static str {
    match list {
        List::Do => "step",
        List::Enter => "enter_step",
        List::Exit => "exit_step",
        List::Driver => "driver_step",
    }
}

/// A driver: its name, a map with its name and parameters, or steps by verb.
fn driver(kind: GearKind) -> Value {
    let (verbs, needed) = kind.verbs();
    let steps: Map<String, Value> = verbs
        .iter()
        .map(|verb| {
            let list = takes(&Takes::Steps(List::Driver), false);
            ((*verb).to_owned(), list)
        })
        .collect();
    json!({
        "type": ["string", "object"],
        "if": { "type": "object", "not": { "required": ["driver"] } },
        "then": { "properties": steps, "required": needed, "additionalProperties": false },
    })
}
