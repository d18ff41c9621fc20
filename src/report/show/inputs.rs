//! Inputs, a row each.

use std::fmt::Write as _;

use crate::diagnostic::Span;
use crate::recipe::Value;
use crate::recipe::duration::{of_value, print};
use crate::recipe::model::{Declared, Group, Input, InputType};

/// Path, type and default, description of one input.
pub(super) struct InputRow {
    pub(super) path: String,
    pub(super) shape: String,
    pub(super) description: String,
    /// Where it is declared.
    pub(super) span: Span,
}

/// The inputs of a group, those of groups in it included.
pub(super) fn rows(group: &Group) -> Vec<InputRow> {
    let mut rows = Vec::new();
    collect(&mut rows, "", group);
    rows
}

fn collect(rows: &mut Vec<InputRow>, prefix: &str, group: &Group) {
    for (name, declared) in &group.members {
        match declared {
            Declared::Group(inner) => collect(rows, &format!("{prefix}{name}."), inner),
            Declared::Input(input) => {
                let mut shape = input_shape(input);
                if group.one_of.iter().any(|member| member.value == *name) {
                    let others: Vec<&str> = group
                        .one_of
                        .iter()
                        .map(|member| member.value.as_str())
                        .collect();
                    let _ = write!(shape, ", one of {} required", others.join("/"));
                }
                rows.push(InputRow {
                    path: format!("{prefix}{name}"),
                    shape,
                    span: input.span,
                    description: input.description.clone().unwrap_or_default(),
                });
            }
        }
    }
}

fn input_shape(input: &Input) -> String {
    let words: Vec<&str> = input.types.iter().map(|kind| type_word(*kind)).collect();
    let mut shape = words.join(" or ");
    if let Some(items) = &input.items {
        let _ = write!(shape, " of {}", input_shape(items));
    }
    if !input.allowed.is_empty() {
        let allowed: Vec<String> = input.allowed.iter().map(value).collect();
        let _ = write!(shape, " ({})", allowed.join(", "));
    }
    if input.secret {
        shape.push_str(", secret");
    }
    match (&input.default, input.required) {
        (Some(default), _) if input.secret => {
            let _ = write!(
                shape,
                ", default {}",
                if default.is_null() {
                    "none"
                } else {
                    "•••"
                }
            );
        }
        (Some(default), _) => {
            let _ = write!(shape, ", default {}", input_value(input, default));
        }
        (None, true) => shape.push_str(", required"),
        (None, false) => {}
    }
    shape
}

fn type_word(kind: InputType) -> &'static str {
    match kind {
        InputType::String => "string",
        InputType::Integer => "integer",
        InputType::Number => "number",
        InputType::Boolean => "boolean",
        InputType::Duration => "duration",
        InputType::Size => "size",
        InputType::Url => "url",
        InputType::Path => "path",
        InputType::List => "list",
        InputType::Map => "map",
        InputType::Any => "any",
    }
}

fn input_value(input: &Input, given: &Value) -> String {
    match (input.types.first(), of_value(given)) {
        (Some(InputType::Duration), Some(duration)) => print(duration),
        _ => value(given),
    }
}

pub(super) fn value(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() && !text.contains([' ', '\n']) => text.clone(),
        other => other.to_string(),
    }
}
