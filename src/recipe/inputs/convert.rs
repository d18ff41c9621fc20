//! One value for one input.

use crate::diagnostic::{Code, Sources, Span, list, plural};
use crate::recipe::model::{Input, InputType};
use crate::recipe::yaml::{Kind, Node};
use crate::recipe::{Value, duration, size};

/// Why a value is not one for its input.
#[derive(Clone, Debug, PartialEq)]
pub struct Wrong {
    /// What kind of complaint.
    pub code: Code,
    /// Where the value, or the part of it, stands.
    pub span: Span,
    /// What is wrong; never the value of a secret.
    pub message: String,
}

/// The value of `node` for `input`: a duration as seconds, a size as bytes, a path within a folder
/// relative to the run directory.
///
/// # Errors
/// It is of another type, or outside what the input allows.
pub fn convert(input: &Input, node: &Node, sources: &Sources) -> Result<Value, Wrong> {
    let value = typed(input, node, sources)?;
    let wrong = |message: String| Wrong {
        code: Code::WrongInput,
        span: node.span,
        message,
    };
    // What a message may show of the value.
    let shown = || match (&value, input.secret) {
        (_, true) => "this".to_owned(),
        (Value::String(text), _) => format!("`{}`", shortened(text)),
        (other, _) => format!("`{}`", shortened(&other.to_string())),
    };
    if !input.allowed.is_empty() && !input.allowed.contains(&value) {
        let allowed: Vec<String> = input.allowed.iter().map(written).collect();
        return Err(wrong(format!(
            "{} is not allowed: it must be {}",
            shown(),
            list(allowed.iter().map(String::as_str), "or")
        )));
    }
    if let (Some(pattern), Value::String(text)) = (&input.pattern, &value) {
        let matches = regex_lite::Regex::new(&format!("^(?:{pattern})$"))
            .is_ok_and(|regex| text.len() <= MAX_MATCHED && regex.is_match(text));
        if !matches {
            return Err(wrong(format!(
                "{} does not match the pattern `{pattern}`",
                shown()
            )));
        }
    }
    if let Some(number) = value.as_f64() {
        let is_duration = input.types.contains(&InputType::Duration);
        let unit = if input.types.contains(&InputType::Size) {
            " bytes"
        } else {
            ""
        };
        let said = |number: f64| match std::time::Duration::try_from_secs_f64(number) {
            Ok(duration) if is_duration => duration::print(duration),
            _ => format!("{number}{unit}"),
        };
        let given = || match input.secret {
            true => shown(),
            false => format!("`{}`", said(number)),
        };
        if let Some(min) = input.min.filter(|min| number < *min) {
            return Err(wrong(format!(
                "{} is too small: it must be {} or more",
                given(),
                said(min)
            )));
        }
        if let Some(max) = input.max.filter(|max| number > *max) {
            return Err(wrong(format!(
                "{} is too large: it must be {} or less",
                given(),
                said(max)
            )));
        }
    }
    if let Value::Array(items) = &value {
        if let Some(min) = input.min_items.filter(|min| items.len() < *min) {
            return Err(wrong(format!(
                "a list of {} is too short: it must have {min} or more",
                plural(items.len(), "item")
            )));
        }
        if let Some(max) = input.max_items.filter(|max| items.len() > *max) {
            return Err(wrong(format!(
                "a list of {} is too long: it must have {max} or less",
                plural(items.len(), "item")
            )));
        }
    }
    match (&input.within, value) {
        (Some(folder), Value::String(path)) => {
            within(folder, &path)
                .map(Value::String)
                .ok_or_else(|| Wrong {
                    code: Code::PathEscapes,
                    span: node.span,
                    message: format!("a path must stay inside `{folder}`"),
                })
        }
        (_, value) => Ok(value),
    }
}

/// A regular expression is matched against at most this many bytes.
const MAX_MATCHED: usize = 4096;

/// A path in a folder of the run directory, relative to the run directory.
fn within(folder: &str, path: &str) -> Option<String> {
    let leaves = path.starts_with('/') || path.split('/').any(|part| part == "..");
    (!leaves).then(|| format!("{folder}/{path}"))
}

/// The value as one of the input's types: first those that it is already, then those that it can
/// be read as, last a list of one.
fn typed(input: &Input, node: &Node, sources: &Sources) -> Result<Value, Wrong> {
    let native = input.types.iter().find(|kind| is_native(**kind, node));
    if let Some(kind) = native {
        return read(*kind, input, node, sources);
    }
    let mut first = None;
    for kind in input.types.iter().filter(|kind| **kind != InputType::List) {
        match read(*kind, input, node, sources) {
            Ok(value) => return Ok(value),
            Err(wrong) => {
                first.get_or_insert(wrong);
            }
        }
    }
    if input.types.contains(&InputType::List) && !node.is_null() {
        return Ok(Value::Array(vec![item(input, node, sources)?]));
    }
    if let [_] = input.types.as_slice()
        && let Some(wrong) = first
    {
        return Err(wrong);
    }
    let words: Vec<&str> = input.types.iter().map(|kind| article(*kind)).collect();
    Err(Wrong {
        code: Code::WrongInput,
        span: node.span,
        message: format!("it must be {}, not {}", words.join(" or "), node.what()),
    })
}

fn is_native(kind: InputType, node: &Node) -> bool {
    match kind {
        InputType::Any => true,
        InputType::String => matches!(node.kind, Kind::Str { .. }),
        InputType::Integer => matches!(node.kind, Kind::Int(_)),
        InputType::Number => matches!(node.kind, Kind::Int(_) | Kind::Float(_)),
        InputType::Boolean => matches!(node.kind, Kind::Bool(_)),
        InputType::List => matches!(node.kind, Kind::Seq(_)),
        InputType::Map => matches!(node.kind, Kind::Map(_)),
        InputType::Duration | InputType::Size | InputType::Url | InputType::Path => false,
    }
}

fn read(kind: InputType, input: &Input, node: &Node, sources: &Sources) -> Result<Value, Wrong> {
    let wrong = |message: String| Wrong {
        code: Code::WrongInput,
        span: node.span,
        message,
    };
    let not = || wrong(format!("it must be {}, not {}", article(kind), node.what()));
    let scalar = || as_written(node, sources).ok_or_else(not);
    let unit = input.unit.unwrap_or(1);
    match kind {
        InputType::Any => Ok(node.to_value()),
        InputType::String => scalar().map(Value::String),
        InputType::Integer => match &node.kind {
            Kind::Int(number) => Ok(Value::from(*number)),
            Kind::Str { text, .. } => text
                .trim()
                .parse::<i64>()
                .map(Value::from)
                .map_err(|_| not()),
            _ => Err(not()),
        },
        InputType::Number => match &node.kind {
            Kind::Int(number) => Ok(Value::from(*number)),
            Kind::Float(number) => Ok(Value::from(*number)),
            Kind::Str { text, .. } => {
                let text = text.trim();
                if let Ok(number) = text.parse::<i64>() {
                    return Ok(Value::from(number));
                }
                text.parse::<f64>()
                    .ok()
                    .filter(|number| number.is_finite())
                    .map(Value::from)
                    .ok_or_else(not)
            }
            _ => Err(not()),
        },
        InputType::Boolean => match &node.kind {
            Kind::Bool(truth) => Ok(Value::Bool(*truth)),
            Kind::Int(number @ (0 | 1)) => Ok(Value::Bool(*number == 1)),
            Kind::Str { text, .. } => truth(text).map(Value::Bool).ok_or_else(not),
            _ => Err(not()),
        },
        InputType::Duration => match node.kind {
            Kind::Bool(_) => Err(not()),
            _ => duration::parse(&scalar()?, unit)
                .map(duration::to_value)
                .map_err(|message| hidden(input, message).map_or_else(not, wrong)),
        },
        InputType::Size => match node.kind {
            Kind::Bool(_) => Err(not()),
            _ => size::parse(&scalar()?, unit)
                .map(Value::from)
                .map_err(|message| hidden(input, message).map_or_else(not, wrong)),
        },
        InputType::Url => {
            let text = node.text().ok_or_else(not)?;
            let rest = text
                .strip_prefix("http://")
                .or_else(|| text.strip_prefix("https://"));
            let is_url = rest.is_some_and(|rest| {
                !rest.is_empty()
                    && !rest.starts_with(['/', '?', '#'])
                    && !rest.contains(|c: char| c.is_whitespace() || c.is_control())
            });
            if is_url {
                Ok(Value::from(text))
            } else {
                let mut message =
                    "it must be a URL that begins with `http://` or `https://`".to_owned();
                if !input.secret {
                    message.push_str(&format!(", not `{}`", shortened(text)));
                }
                Err(wrong(message))
            }
        }
        InputType::Path => {
            let text = scalar()?;
            if text.is_empty() || text.contains('\0') {
                return Err(wrong("a path can't be empty".to_owned()));
            }
            Ok(Value::String(text))
        }
        InputType::List => {
            let items: Result<Vec<Value>, Wrong> = node
                .items()
                .iter()
                .map(|node| item(input, node, sources))
                .collect();
            Ok(Value::Array(items?))
        }
        InputType::Map => map(input, node, sources),
    }
}

/// A truth as YAML 1.1 lets it be written (yaml.org/type/bool.html); configs of labs are older than 1.2.
fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// Whether an empty text stands for no value at all, as it does in many configs: where one is
/// required, and where it is none of the input's types.
pub(super) fn is_blank(input: &Input, node: &Node) -> bool {
    let takes = |kind| input.types.contains(&kind);
    let is_none = match input.required {
        true => !takes(InputType::List),
        false => !takes(InputType::String) && !takes(InputType::Any),
    };
    is_none && node.text() == Some("")
}

fn hidden(input: &Input, message: String) -> Option<String> {
    (!input.secret).then_some(message)
}

fn item(input: &Input, node: &Node, sources: &Sources) -> Result<Value, Wrong> {
    match &input.items {
        Some(items) => convert(items, node, sources),
        None => Ok(node.to_value()),
    }
}

fn map(input: &Input, node: &Node, sources: &Sources) -> Result<Value, Wrong> {
    let Kind::Map(entries) = &node.kind else {
        return Err(Wrong {
            code: Code::WrongInput,
            span: node.span,
            message: format!("it must be a map, not {}", node.what()),
        });
    };
    let mut members = serde_json::Map::new();
    let declared = input.keys.as_ref();
    for (name, input) in declared.into_iter().flatten() {
        let given = node
            .get(name)
            .filter(|value| !value.is_null() && !is_blank(input, value));
        let value = match given {
            Some(value) => convert(input, value, sources).map_err(|wrong| Wrong {
                message: format!("`{name}`: {}", wrong.message),
                ..wrong
            })?,
            None if input.required => {
                return Err(Wrong {
                    code: Code::MissingInput,
                    span: node.span,
                    message: format!("it has no `{name}`, which it needs"),
                });
            }
            None => input.default.clone().unwrap_or(Value::Null),
        };
        members.insert(name.clone(), value);
    }
    for (key, value) in entries {
        if declared.is_some_and(|declared| declared.contains_key(&key.name)) {
            continue;
        }
        if !input.open {
            return Err(Wrong {
                code: Code::WrongInput,
                span: key.span,
                message: format!("it can have no `{}`", key.name),
            });
        }
        members.insert(key.name.clone(), value.to_value());
    }
    Ok(Value::Object(members))
}

/// A scalar as it was written in the file; `None` for null, lists and maps.
fn as_written(node: &Node, sources: &Sources) -> Option<String> {
    let value = match &node.kind {
        Kind::Str { text, .. } => return Some(text.clone()),
        Kind::Bool(value) => value.to_string(),
        Kind::Int(value) => value.to_string(),
        Kind::Float(value) => value.to_string(),
        Kind::Null | Kind::Seq(_) | Kind::Map(_) => return None,
    };
    // Values that came by no file (arguments of a call) have no place.
    let text = sources.text(node.span);
    let is_scalar = !text.is_empty() && !text.contains(char::is_whitespace);
    Some(if is_scalar && node.span.start != node.span.end {
        text.to_owned()
    } else {
        value
    })
}

fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The beginning of a long text, for a message.
fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    let mut short: String = text.chars().take(MOST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// `an integer`: a type in a sentence.
fn article(kind: InputType) -> &'static str {
    match kind {
        InputType::String => "a text",
        InputType::Integer => "a whole number",
        InputType::Number => "a number",
        InputType::Boolean => "`true` or `false`",
        InputType::Duration => "a duration, such as `90s`",
        InputType::Size => "a size, such as `1GiB`",
        InputType::Url => "a URL",
        InputType::Path => "a path",
        InputType::List => "a list",
        InputType::Map => "a map",
        InputType::Any => "any value",
    }
}
