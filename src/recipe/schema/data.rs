//! The schema of the device config or the job data that a recipe reads.

use serde_json::{Map, Value, json};

use super::shape::{DURATION, SIZE};
use super::{DRAFT, described};
use crate::recipe::model::{Declared, Group, Input, InputType, Recipe};
use crate::recipe::reads::Used;

/// Texts that are taken for a truth, in whatever case (yaml.org/type/bool.html).
const TRUTHS: &str =
    "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[Yy][Ee][Ss]|[Nn][Oo]|[Oo][Nn]|[Oo][Ff][Ff])$";

/// Which data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    /// The device config, `default.yaml`.
    Device,
    /// The job data.
    Job,
}

impl Document {
    fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Job => "job",
        }
    }
}

/// The JSON Schema of a recipe's device config or job data. What any stage needs is required; keys
/// that the recipe does not declare are ignored by it, and allowed.
pub fn data(recipe: &Recipe, document: Document) -> Value {
    let what = match document {
        Document::Device => "Device config",
        Document::Job => "Job data",
    };
    let used: Vec<Used> = recipe
        .stages
        .keys()
        .map(|stage| Used::by_stage(recipe, stage))
        .collect();
    let mut schema = json!({
        "$schema": DRAFT,
        "title": format!("{what} of the recipe `{}`", recipe.name),
    });
    // A called recipe has inputs of its own; the recipe's go first.
    let homes = std::iter::once((None, recipe)).chain(
        recipe
            .imports
            .iter()
            .map(|(name, import)| (Some(name.as_str()), import)),
    );
    for (home, of) in homes {
        let inputs = match document {
            Document::Device => &of.device,
            Document::Job => &of.job,
        };
        let needed = |path: &[&str]| used.iter().any(|used| used.reads(home, path));
        merge(
            &mut schema,
            group(inputs, &mut vec![document.name()], &needed),
        );
    }
    schema
}

/// Adds what a schema lacks of another: properties, and which of them are required.
fn merge(schema: &mut Value, other: Value) {
    match (schema, other) {
        (Value::Object(members), Value::Object(others)) => {
            for (key, value) in others {
                match members.get_mut(&key) {
                    Some(member) => merge(member, value),
                    None => {
                        members.insert(key, value);
                    }
                }
            }
        }
        (Value::Array(items), Value::Array(others)) => {
            for other in others {
                if !items.contains(&other) {
                    items.push(other);
                }
            }
        }
        _ => {}
    }
}

fn group<'a>(
    group: &'a Group,
    path: &mut Vec<&'a str>,
    needed: &impl Fn(&[&str]) -> bool,
) -> Value {
    let mut properties = Map::new();
    let mut required: Vec<&str> = Vec::new();
    for (name, declared) in &group.members {
        path.push(name);
        let schema = match declared {
            Declared::Input(input) => {
                if input.required && needed(path) {
                    required.push(name);
                }
                self::input(input)
            }
            Declared::Group(inner) => {
                let schema = self::group(inner, path, needed);
                let has_needed = ["required", "anyOf"]
                    .iter()
                    .any(|key| schema.get(key).is_some());
                if has_needed {
                    required.push(name);
                }
                schema
            }
        };
        path.pop();
        properties.insert(name.clone(), schema);
    }
    let mut schema = json!({ "type": "object", "properties": properties });
    if let Some(members) = schema.as_object_mut() {
        if !required.is_empty() {
            members.insert("required".to_owned(), json!(required));
        }
        let is_read = |name: &str| {
            let mut path = path.clone();
            path.push(name);
            needed(&path)
        };
        if group.one_of.iter().any(|name| is_read(&name.value)) {
            let any: Vec<Value> = group
                .one_of
                .iter()
                .map(|name| {
                    // Null counts as not given.
                    json!({
                        "required": [name.value],
                        "properties": { name.value.as_str(): { "not": { "type": "null" } } },
                    })
                })
                .collect();
            members.insert("anyOf".to_owned(), any.into());
        }
    }
    schema
}

fn input(input: &Input) -> Value {
    let schema = value(input, !input.required);
    match &input.description {
        Some(text) => described(schema, text),
        None => schema,
    }
}

/// A value of an input; null counts as not given where it may be left out.
fn value(input: &Input, optional: bool) -> Value {
    let mut alternatives: Vec<Value> = input.types.iter().map(|kind| typed(*kind, input)).collect();
    if input.types.contains(&InputType::List) {
        // One value where a list is declared is a list of one.
        alternatives.push(item(input));
    }
    if optional {
        alternatives.push(json!({ "type": "null" }));
    }
    alternatives.dedup();
    let mut schema = match alternatives.as_slice() {
        _ if alternatives.contains(&json!({})) => json!({}),
        [one] => one.clone(),
        _ => json!({ "anyOf": alternatives }),
    };
    if let (Some(members), Some(default)) = (schema.as_object_mut(), &input.default) {
        members.insert("default".to_owned(), default.clone());
    }
    schema
}

fn item(input: &Input) -> Value {
    input
        .items
        .as_deref()
        .map_or_else(|| json!({}), |items| value(items, false))
}

/// A value of a type, or one that is read as such.
fn typed(kind: InputType, input: &Input) -> Value {
    if !input.allowed.is_empty() {
        return allowed(kind, input);
    }
    match kind {
        InputType::Any => json!({}),
        InputType::String => match &input.pattern {
            Some(pattern) => json!({
                "type": ["string", "number", "boolean"],
                "pattern": format!("^(?:{pattern})$"),
            }),
            None => json!({ "type": ["string", "number", "boolean"] }),
        },
        InputType::Integer => bounded(input, 1.0, "integer", r"^\s*[-+]?\d+\s*$"),
        InputType::Number => bounded(
            input,
            1.0,
            "number",
            r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$",
        ),
        InputType::Boolean => json!({
            "anyOf": [{ "enum": [true, false, 0, 1] }, { "type": "string", "pattern": TRUTHS }]
        }),
        InputType::Duration => bounded(input, unit(input), "number", DURATION),
        InputType::Size => bounded(input, unit(input), "number", SIZE),
        InputType::Url => json!({ "type": "string", "pattern": r"^https?://[^/?#\s]\S*$" }),
        InputType::Path => json!({ "type": ["string", "number", "boolean"], "minLength": 1 }),
        InputType::List => {
            let mut list = json!({ "type": "array", "items": item(input) });
            if let Some(members) = list.as_object_mut() {
                if let Some(least) = input.min_items {
                    members.insert("minItems".to_owned(), least.into());
                }
                if let Some(most) = input.max_items {
                    members.insert("maxItems".to_owned(), most.into());
                }
            }
            list
        }
        InputType::Map => map(input),
    }
}

#[expect(clippy::cast_precision_loss, reason = "units are small")]
fn unit(input: &Input) -> f64 {
    input.unit.unwrap_or(1) as f64
}

/// A number within the input's bounds, or a text of a form. `unit` is what a number counts.
fn bounded(input: &Input, unit: f64, kind: &str, form: &str) -> Value {
    let mut schema = json!({ "type": [kind, "string"], "pattern": form });
    if let Some(members) = schema.as_object_mut() {
        for (key, bound) in [("minimum", input.min), ("maximum", input.max)] {
            if let Some(bound) = bound {
                members.insert(key.to_owned(), json!(bound / unit));
            }
        }
    }
    schema
}

/// One of the allowed values, as itself or as the text that is read as it.
fn allowed(kind: InputType, input: &Input) -> Value {
    let mut values = input.allowed.clone();
    for value in &input.allowed {
        match value {
            Value::String(text) if kind == InputType::String => {
                // A number without quotes is read as it was written.
                if let Ok(number @ (Value::Number(_) | Value::Bool(_))) = serde_json::from_str(text)
                {
                    values.push(number);
                }
            }
            Value::Number(_) | Value::Bool(_) => values.push(value.to_string().into()),
            _ => {}
        }
    }
    match kind {
        // The same duration or size can be written in many ways.
        InputType::Duration => bounded(input, unit(input), "number", DURATION),
        InputType::Size => bounded(input, unit(input), "number", SIZE),
        _ => json!({ "enum": values }),
    }
}

fn map(input: &Input) -> Value {
    let Some(keys) = &input.keys else {
        return json!({ "type": "object" });
    };
    let properties: Map<String, Value> = keys
        .iter()
        .map(|(name, member)| (name.clone(), self::input(member)))
        .collect();
    let required: Vec<&String> = keys
        .iter()
        .filter(|(_, member)| member.required)
        .map(|(name, _)| name)
        .collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": input.open,
    })
}
