//! JSON Schemas (2020-12) of recipes and scenario files, and of the device config and job data that
//! a recipe reads, for editors.
//!
//! Everything is made from the vocabulary's tables, which the loader reads by too. A schema knows
//! shapes, types, words and defaults; names, targets, cycles and expressions are `check`'s. A state
//! is told by its one telling key and a step by its action, through `if` and `then`, so that an
//! editor has one complaint about it and not one for each alternative. A key without a value (null)
//! counts as not given to the loader; here it is refused, since it is nothing that anybody wants to
//! leave in a file, except where null means something: it removes an inherited entry, or a variable
//! of the environment.

mod data;
mod part;
mod recipe;
mod scenario;
mod shape;
mod step;

use serde_json::{Value, json};

pub use data::{Document, data};
pub use recipe::recipe;
pub use scenario::scenarios;

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A reference to a definition.
fn of(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

/// The schema with this text beside it.
fn described(mut schema: Value, doc: &str) -> Value {
    if let Some(members) = schema.as_object_mut() {
        members.insert("description".to_owned(), doc.into());
    }
    schema
}

/// The schema with a default beside it, which tables have as a recipe would write it.
fn with_default(mut schema: Value, written: Option<&str>) -> Value {
    if let (Some(members), Some(written)) = (schema.as_object_mut(), written) {
        let value = serde_json::from_str(written).unwrap_or_else(|_| Value::from(written));
        members.insert("default".to_owned(), value);
    }
    schema
}

/// The first of these schemas whose keys a map has one of, else `otherwise`.
fn told_by(alternatives: &[(&[&str], Value)], otherwise: Value) -> Value {
    alternatives
        .iter()
        .rev()
        .fold(otherwise, |otherwise, (keys, then)| {
            let has: Vec<Value> = keys
                .iter()
                .map(|key| json!({ "required": [key] }))
                .collect();
            json!({ "if": { "anyOf": has }, "then": then, "else": otherwise })
        })
}
