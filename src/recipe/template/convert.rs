//! Between the language's values and minijinja's.

use minijinja::value::ValueKind;

use super::super::Value;

/// The most that one evaluation may give, in bytes of text and [`NODE`] for each value. Outputs of
/// steps (1 MiB unless a recipe says otherwise) fit, however they are parsed.
pub(super) const MAX_OUTPUT: usize = 8 << 20;

/// What each value counts, in bytes, be it as small as it may.
const NODE: usize = 8;

/// How deep lists and maps may nest in what an evaluation gives; JSON that is read has at most 128.
const MAX_DEPTH: usize = 150;

/// A value for templates to see. Numbers stay what they are.
pub(super) fn from_plain(value: &Value) -> minijinja::Value {
    match value {
        Value::Null => minijinja::Value::from(()),
        Value::Bool(flag) => minijinja::Value::from(*flag),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(integer), ..) => minijinja::Value::from(integer),
            (None, Some(integer), _) => minijinja::Value::from(integer),
            (None, None, Some(float)) => minijinja::Value::from(float),
            (None, None, None) => minijinja::Value::from(()),
        },
        Value::String(text) => minijinja::Value::from(text.as_str()),
        Value::Array(items) => items.iter().map(from_plain).collect(),
        Value::Object(members) => minijinja::Value::from_pairs(
            members
                .iter()
                .map(|(name, member)| (name.as_str(), from_plain(member))),
        ),
    }
}

/// The value as plain data, or why it has no such form.
pub(super) fn to_plain(value: &minijinja::Value) -> Result<Value, String> {
    let mut left = MAX_OUTPUT;
    convert(value, &mut left, MAX_DEPTH)
}

fn convert(value: &minijinja::Value, left: &mut usize, depth: usize) -> Result<Value, String> {
    spend(left, NODE)?;
    match value.kind() {
        ValueKind::Undefined => Err("a part of the value is undefined".into()),
        ValueKind::None => Ok(Value::Null),
        ValueKind::Bool => Ok(Value::Bool(value.is_true())),
        ValueKind::Number => number(value),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            spend(left, text.len())?;
            Ok(Value::String(text.to_owned()))
        }
        ValueKind::Bytes => Err("the value is bytes that are not text".into()),
        ValueKind::Seq | ValueKind::Iterable => {
            let depth = deeper(depth)?;
            let mut items = Vec::new();
            for item in iterate(value)? {
                items.push(convert(&item, left, depth)?);
            }
            Ok(Value::Array(items))
        }
        ValueKind::Map => {
            let depth = deeper(depth)?;
            let mut members = serde_json::Map::new();
            for key in iterate(value)? {
                let Some(name) = key.as_str() else {
                    return Err(format!("a key of a map is a text, not {}", key.kind()));
                };
                spend(left, name.len())?;
                let member = value.get_item(&key).map_err(|error| error.to_string())?;
                members.insert(name.to_owned(), convert(&member, left, depth)?);
            }
            Ok(Value::Object(members))
        }
        ValueKind::Plain => {
            let text = value.to_string();
            spend(left, text.len())?;
            Ok(Value::String(text))
        }
        kind => Err(match value.clone().try_iter() {
            // An invalid value carries the error that made it.
            Err(error) => error.detail().unwrap_or("the value is invalid").to_owned(),
            Ok(_) => format!("a {kind} is no value of the language"),
        }),
    }
}

fn number(value: &minijinja::Value) -> Result<Value, String> {
    if value.is_integer() {
        return i64::try_from(value.clone())
            .map(Value::from)
            .or_else(|_| u64::try_from(value.clone()).map(Value::from))
            .map_err(|_| "an integer is out of range (64 bits)".into());
    }
    f64::try_from(value.clone())
        .ok()
        .and_then(serde_json::Number::from_f64)
        .map(Value::Number)
        .ok_or_else(|| "a number is infinite or undefined".into())
}

fn iterate(
    value: &minijinja::Value,
) -> Result<impl Iterator<Item = minijinja::Value> + use<>, String> {
    value
        .try_iter()
        .map_err(|error| error.detail().unwrap_or("the value is invalid").to_owned())
}

fn deeper(depth: usize) -> Result<usize, String> {
    depth
        .checked_sub(1)
        .ok_or_else(|| format!("lists and maps nest deeper than {MAX_DEPTH}"))
}

fn spend(left: &mut usize, amount: usize) -> Result<(), String> {
    *left = left
        .checked_sub(amount)
        .ok_or_else(|| format!("the value is larger than {MAX_OUTPUT} bytes"))?;
    Ok(())
}
