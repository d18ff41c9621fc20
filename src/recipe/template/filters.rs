//! The language's own filters.

use std::cmp::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, State, Value};
use serde::Serialize;

use super::super::duration;
use super::context::Services;
use super::convert::to_plain;
use super::functions::refused;
use super::quote::{Raw, printed, url_encoded};
use super::{legacy, version};

/// The longest text that a regular expression is matched against, in bytes.
const MAX_MATCHED: usize = 4096;

/// The largest compiled regular expression, in bytes.
const MAX_REGEX: usize = 1 << 14;

pub(super) fn add(environment: &mut Environment<'static>) {
    environment.add_filter("raw", raw);
    environment.add_filter("merge", merge);
    environment.add_filter("capture", capture);
    environment.add_filter("at_least", at_least);
    environment.add_filter("b64encode", |text: &str| STANDARD.encode(text));
    environment.add_filter("b64decode", b64decode);
    environment.add_filter("urlencode", urlencode);
    environment.add_filter("seconds", seconds);
    environment.add_filter("by_key", by_key);
    environment.add_filter("numbered", numbered);
    environment.add_filter("basename", |path: &str| {
        path.trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned()
    });
    environment.add_filter("shebang", legacy::shebang);
    environment.add_filter("legacy_format", legacy_format);
    environment.add_filter("tojson", tojson);
}

/// Text that a shell string takes as it is. Elsewhere it changes nothing.
fn raw(value: &Value) -> Result<Value, Error> {
    if value.as_str().is_none() && !matches!(value.kind(), ValueKind::Number | ValueKind::Bool) {
        return Err(refused(format!(
            "`raw` is for a text, not for {}",
            kind(value)
        )));
    }
    Ok(Value::from_object(Raw(value.to_string())))
}

/// A map with the members of another; where both have one, the other's.
fn merge(left: &Value, right: &Value) -> Result<Value, Error> {
    let mut merged = indexmap::IndexMap::new();
    for map in [left, right] {
        if map.kind() != ValueKind::Map {
            return Err(refused(format!("`merge` joins maps, not {}", kind(map))));
        }
        for key in map.try_iter()? {
            let value = map.get_item(&key)?;
            merged.insert(key.to_string(), value);
        }
    }
    Ok(Value::from_pairs(merged))
}

/// The first group of the first match, or none.
fn capture(state: &State<'_, '_>, text: &str, regex: &str) -> Result<Value, Error> {
    // Matching looks at each character with the whole expression.
    state.consume_fuel((text.len() + regex.len()) as u64)?;
    if text.len() > MAX_MATCHED {
        return Err(refused(format!(
            "`capture` takes a text of at most {MAX_MATCHED} bytes, this one has {}",
            text.len()
        )));
    }
    let regex = regex_lite::RegexBuilder::new(regex)
        .size_limit(MAX_REGEX)
        .build()
        .map_err(|error| refused(format!("`{regex}` is no regular expression: {error}")))?;
    if regex.captures_len() < 2 {
        return Err(refused(format!(
            "`capture` gives the first group of `{regex}`, which has none"
        )));
    }
    Ok(regex
        .captures(text)
        .and_then(|captures| captures.get(1))
        .map_or_else(|| Value::from(()), |group| Value::from(group.as_str())))
}

fn at_least(version: &str, least: &str) -> Result<bool, Error> {
    version::compare(version, least)
        .map(|order| order != Ordering::Less)
        .ok_or_else(|| refused(format!("`{version}` or `{least}` is no version: no digit")))
}

fn b64decode(text: &str) -> Result<String, Error> {
    let packed: String = text.split_ascii_whitespace().collect();
    let bytes = STANDARD
        .decode(packed)
        .map_err(|error| refused(format!("`b64decode`: no base64: {error}")))?;
    String::from_utf8(bytes).map_err(|_| refused("`b64decode`: the bytes are no text (UTF-8)"))
}

/// Percent-encodes a text, or a map as a query.
fn urlencode(value: &Value) -> Result<String, Error> {
    if value.kind() != ValueKind::Map {
        return scalar(value, "urlencode").map(|text| url_encoded(&text));
    }
    let mut query = Vec::new();
    for key in value.try_iter()? {
        let member = scalar(&value.get_item(&key)?, "urlencode")?;
        query.push(format!(
            "{}={}",
            url_encoded(&key.to_string()),
            url_encoded(&member)
        ));
    }
    Ok(query.join("&"))
}

/// A duration as a number of seconds, an integer where it is whole.
fn seconds(value: &Value) -> Result<Value, Error> {
    let seconds = seconds_of(value)?;
    #[expect(clippy::cast_possible_truncation, reason = "whole and far below 2^53")]
    Ok(if seconds.fract() == 0.0 && seconds.abs() < 9e15 {
        Value::from(seconds as i64)
    } else {
        Value::from(seconds)
    })
}

pub(super) fn seconds_of(value: &Value) -> Result<f64, Error> {
    if value.kind() == ValueKind::Number {
        return f64::try_from(value.clone());
    }
    value
        .as_str()
        .ok_or_else(|| {
            refused(format!(
                "a duration is a number or a text, not {}",
                kind(value)
            ))
        })
        .and_then(|text| {
            duration::parse(text, 1)
                .map(|duration| duration.as_secs_f64())
                .map_err(refused)
        })
}

/// A list of maps as a map, each under the value of one of its members.
fn by_key(list: &Value, member: &str) -> Result<Value, Error> {
    let mut map = indexmap::IndexMap::new();
    for item in items(list, "by_key")? {
        let key = item.get_attr(member)?;
        if key.is_undefined() {
            return Err(refused(format!("`by_key`: an item has no `{member}`")));
        }
        map.insert(scalar(&key, "by_key")?, item);
    }
    Ok(Value::from_pairs(map))
}

/// A list as a map: `PREFIX1`, `PREFIX2` and so on.
fn numbered(list: &Value, prefix: &str) -> Result<Value, Error> {
    Ok(Value::from_pairs(
        items(list, "numbered")?
            .into_iter()
            .enumerate()
            .map(|(n, item)| (format!("{prefix}{}", n + 1), item)),
    ))
}

fn legacy_format(state: &State<'_, '_>, text: &str) -> Result<String, Error> {
    legacy::format(text, &Services::of(state).device).map_err(refused)
}

/// JSON, on one line or with so many blanks per level. (minijinja's own is made for HTML.)
#[expect(
    clippy::needless_pass_by_value,
    reason = "minijinja gives arguments by value"
)]
fn tojson(value: &Value, indent: Option<Value>, options: Kwargs) -> Result<String, Error> {
    let indent = match indent {
        Some(indent) => Some(indent),
        None => options.get::<Option<Value>>("indent")?,
    };
    options.assert_all_used()?;
    let plain = to_plain(value).map_err(refused)?;
    let width = match indent {
        None => return Ok(plain.to_string()),
        Some(none) if none.is_none() => return Ok(plain.to_string()),
        Some(flag) if flag.kind() == ValueKind::Bool => {
            if !flag.is_true() {
                return Ok(plain.to_string());
            }
            2
        }
        Some(width) => width
            .as_usize()
            .filter(|width| *width <= 16)
            .ok_or_else(|| refused("`tojson` indents by 0 to 16 blanks"))?,
    };
    let blanks = " ".repeat(width);
    let mut written = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(blanks.as_bytes());
    plain
        .serialize(&mut serde_json::Serializer::with_formatter(
            &mut written,
            formatter,
        ))
        .map_err(|error| refused(error.to_string()))?;
    String::from_utf8(written).map_err(|error| refused(error.to_string()))
}

fn items(list: &Value, filter: &str) -> Result<Vec<Value>, Error> {
    match list.kind() {
        ValueKind::Seq | ValueKind::Iterable => Ok(list.try_iter()?.collect()),
        _ => Err(refused(format!(
            "`{filter}` is for a list, not for {}",
            kind(list)
        ))),
    }
}

fn scalar(value: &Value, filter: &str) -> Result<String, Error> {
    match value.kind() {
        ValueKind::String | ValueKind::Number | ValueKind::Bool | ValueKind::Plain => {
            Ok(printed(&to_plain(value).map_err(refused)?))
        }
        _ => Err(refused(format!(
            "`{filter}` is for texts, not for {}",
            kind(value)
        ))),
    }
}

/// The kind of a value in the language's words.
fn kind(value: &Value) -> &'static str {
    match value.kind() {
        ValueKind::Undefined => "something undefined",
        ValueKind::None => "none",
        ValueKind::Bool => "a boolean",
        ValueKind::Number => "a number",
        ValueKind::String | ValueKind::Plain => "a text",
        ValueKind::Seq | ValueKind::Iterable => "a list",
        ValueKind::Map => "a map",
        _ => "this value",
    }
}
