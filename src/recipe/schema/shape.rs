//! Schemas of the shapes of parameters.

use serde_json::{Map, Value, json};

use super::{described, of, with_default};
use crate::recipe::ErrorKind;
use crate::recipe::vocabulary::{Fields, Shape};

/// A text that holds a template. Patterns of schemas match anywhere in a text.
const TEMPLATE: &str = r"\{[{%]";

/// The form of a name.
pub(super) const NAME: &str = "^[a-z][a-z0-9_]*$";

/// The form of a duration; a bare number is seconds.
pub(super) const DURATION: &str = r"^(\d+(\.\d+)?|(?=\d)(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?)$";

/// The form of a size; a bare number is bytes.
pub(super) const SIZE: &str = r"^\d+(\.\d+)?(B|[kMGT]B|[KMGT]iB)?$";

/// The definitions that shapes refer to.
pub(super) fn definitions() -> Map<String, Value> {
    let text_of = |form: &str, message: &str| {
        json!({
            "type": ["string", "number"],
            "pattern": format!("{form}|{TEMPLATE}"),
            "patternErrorMessage": message,
        })
    };
    let kinds: Vec<&str> = ErrorKind::ALL
        .iter()
        .filter(|kind| **kind != ErrorKind::Cancelled)
        .map(|kind| kind.word())
        .collect();
    let raised: Vec<&&str> = kinds
        .iter()
        .filter(|kind| !["timeout", "loop"].contains(*kind))
        .collect();
    let definitions = json!({
        "name": {
            "type": "string",
            "pattern": NAME,
            "patternErrorMessage": "A name is a lower-case letter, then lower-case letters, digits and `_`.",
        },
        "target": {
            "type": "string",
            "description": "A state, or `done`, which completes the scope around.",
        },
        "text": { "type": ["string", "number", "boolean"] },
        "expression": { "type": ["string", "number", "boolean"] },
        "duration": text_of(DURATION, "A duration is `90s`, `5m`, `1h30m`, or a number of seconds."),
        "duration_or_none": text_of(
            &format!("^none$|{DURATION}"),
            "A duration is `90s`, `5m`, `1h30m`, or a number of seconds; `none` is no bound.",
        ),
        "size": text_of(SIZE, "A size is a number with `B`, `kB` to `TB` (1000) or `KiB` to `TiB` (1024)."),
        "boolean": {
            "type": ["boolean", "string"],
            "pattern": TEMPLATE,
            "patternErrorMessage": "`true`, `false`, or a template.",
        },
        "url": {
            "type": "string",
            "pattern": r"^https?://|^\{[{%]",
            "patternErrorMessage": "A URL begins with `http://` or `https://`.",
        },
        "path": { "type": ["string", "number"], "minLength": 1 },
        "mode": {
            "type": "string",
            "pattern": format!("^[0-7]{{3,4}}$|{TEMPLATE}"),
            "patternErrorMessage": "A mode is three or four octal digits in quotes: \"0644\".",
        },
        "sha256": {
            "type": "string",
            "pattern": format!("^[0-9A-Fa-f]{{64}}$|{TEMPLATE}"),
            "patternErrorMessage": "A digest is 64 hexadecimal digits.",
        },
        "kind": { "enum": kinds },
        "raised_kind": { "enum": raised },
    });
    match definitions {
        Value::Object(definitions) => definitions,
        _ => Map::new(),
    }
}

/// A value of a shape.
pub(super) fn shape(shape: &Shape, literal: bool) -> Value {
    match shape {
        Shape::Any => json!({}),
        Shape::Text | Shape::Printed | Shape::Shell => of("text"),
        Shape::Url => of("url"),
        Shape::HostPort | Shape::Asset => json!({ "type": "string" }),
        Shape::Path | Shape::PathOrUrl | Shape::HostPath => of("path"),
        Shape::Mode => of("mode"),
        Shape::Sha256 => of("sha256"),
        Shape::Boolean if literal => json!({ "type": "boolean" }),
        Shape::Boolean => of("boolean"),
        Shape::Integer(least, most) if literal => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        Shape::Integer(least, most) => json!({
            "type": ["integer", "string"],
            "minimum": least,
            "maximum": most,
            "pattern": TEMPLATE,
        }),
        Shape::Duration => of("duration"),
        Shape::DurationOrNone => of("duration_or_none"),
        Shape::Size => of("size"),
        Shape::Word(words) => {
            let mut words: Vec<Value> = words.iter().map(|word| Value::from(*word)).collect();
            // Readers of YAML 1.1 take these for booleans.
            if words.contains(&"on".into()) {
                words.extend([true.into(), false.into()]);
            }
            let word = json!({ "enum": words });
            if literal {
                word
            } else {
                json!({ "anyOf": [word, { "type": "string", "pattern": TEMPLATE }] })
            }
        }
        Shape::Expr | Shape::Deferred => of("expression"),
        Shape::Host | Shape::Gear(_) => of("name"),
        Shape::Kind => of("raised_kind"),
        Shape::Kinds => json!({ "type": "array", "items": of("kind") }),
        Shape::List(inner) => list(inner, literal),
        Shape::OneOrMany(inner) => json!({
            "if": { "type": "array" },
            "then": list(inner, literal),
            "else": self::shape(inner, literal),
        }),
        Shape::Map(inner) => json!({
            "if": { "type": "string" },
            "then": { "pattern": TEMPLATE },
            "else": {
                "type": "object",
                "additionalProperties": or_null(&self::shape(inner, literal)),
            },
        }),
        Shape::Fields(members) => fields(members),
        // Read by the step that has them.
        Shape::Steps(_) => json!({ "type": "array", "items": of("probe_step") }),
    }
}

fn list(inner: &Shape, literal: bool) -> Value {
    let items = json!({ "type": "array", "items": or_null(&shape(inner, literal)) });
    if literal {
        return items;
    }
    json!({ "if": { "type": "string" }, "then": { "pattern": TEMPLATE }, "else": items })
}

/// A value, or null.
pub(super) fn or_null(schema: &Value) -> Value {
    json!({ "if": { "type": "null" }, "else": schema })
}

/// Parameters: a map of them, or the value of the one that the short form stands for.
pub(super) fn fields(fields: &Fields) -> Value {
    let mut properties = Map::new();
    let mut companions = Map::new();
    for param in fields.params {
        let schema = with_default(shape(&param.shape, param.literal), param.default);
        properties.insert(param.name.to_owned(), described(schema, param.doc));
        if let Some(companion) = param.with {
            companions.insert(param.name.to_owned(), json!([companion]));
        }
    }
    let required: Vec<&str> = fields
        .params
        .iter()
        .filter(|param| param.required)
        .map(|param| param.name)
        .collect();
    let mut map = json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    if let Some(members) = map.as_object_mut() {
        if !companions.is_empty() {
            members.insert("dependentRequired".to_owned(), companions.into());
        }
        if !fields.one_of.is_empty() {
            let needed: Vec<Value> = fields
                .one_of
                .iter()
                .map(|name| json!({ "required": [name] }))
                .collect();
            members.insert("anyOf".to_owned(), needed.into());
        }
    }
    let short = |name: Option<&str>| {
        let param = fields.param(name?)?;
        Some(shape(&param.shape, param.literal))
    };
    let Some(one) = short(fields.short) else {
        return map;
    };
    let otherwise = match short(fields.short_list) {
        Some(many) => json!({ "if": { "type": "array" }, "then": many, "else": one }),
        None => one,
    };
    json!({ "if": { "type": "object" }, "then": map, "else": otherwise })
}
