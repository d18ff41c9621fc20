//! Device configs (YAML) and job data (JSON) as trees with places.

use crate::diagnostic::{Code, Finding, Findings, SourceId, Sources, Span};
use crate::recipe::Value;
use crate::recipe::yaml::{Dialect, Key, Kind, Node, Style, read};

/// A device config. `None` where it can't be read; an empty one is an empty map.
pub(super) fn device(sources: &Sources, source: SourceId, findings: &mut Findings) -> Option<Node> {
    let node = read(sources, source, Dialect::Data, findings)?;
    as_map(node, "the device config", findings)
}

/// Job data. JSON is read as JSON; the places come from reading the same text as YAML, where both
/// agree on it.
pub(super) fn job(sources: &Sources, source: SourceId, findings: &mut Findings) -> Option<Node> {
    let text = sources.get(source)?.text.as_str();
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => {
            findings.push(not_json(text, source, &error));
            return None;
        }
    };
    let mut said = Findings::default();
    let node = match read(sources, source, Dialect::Data, &mut said) {
        Some(node) if node.to_value() == value => {
            findings.0.append(&mut said.0);
            node
        }
        _ => placeless(&value, Span::new(source, 0, 0)),
    };
    as_map(node, "the job data", findings)
}

fn as_map(node: Node, what: &str, findings: &mut Findings) -> Option<Node> {
    match &node.kind {
        Kind::Map(_) => Some(node),
        Kind::Null => Some(Node {
            span: node.span,
            kind: Kind::Map(Vec::new()),
        }),
        _ => {
            findings.push(Finding::new(
                Code::WrongInput,
                node.span,
                format!("{what} must be a map, not {}", node.what()),
            ));
            None
        }
    }
}

fn not_json(text: &str, source: SourceId, error: &serde_json::Error) -> Finding {
    let line_start = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum::<usize>();
    // Columns count bytes from 1; 0 is the end of the line before.
    let mut start = (line_start + error.column().saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let end = text
        .get(start..)
        .and_then(|rest| rest.chars().next())
        .filter(|c| !c.is_control())
        .map_or(start, |c| start + c.len_utf8());
    let message = error.to_string();
    let message = message
        .rsplit_once(" at line ")
        .map_or(message.as_str(), |(message, _)| message);
    Finding::new(
        Code::Syntax,
        Span::new(source, start, end),
        format!("the job data are not JSON: {message}"),
    )
}

/// A tree for a value that has no places.
pub(super) fn placeless(value: &Value, span: Span) -> Node {
    let kind = match value {
        Value::Null => Kind::Null,
        Value::Bool(truth) => Kind::Bool(*truth),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Kind::Int(whole),
            None => Kind::Float(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => Kind::Str {
            text: text.clone(),
            style: Style::Quoted,
        },
        Value::Array(items) => Kind::Seq(items.iter().map(|item| placeless(item, span)).collect()),
        Value::Object(members) => Kind::Map(
            members
                .iter()
                .map(|(name, value)| {
                    let key = Key {
                        name: name.clone(),
                        span,
                    };
                    (key, placeless(value, span))
                })
                .collect(),
        ),
    };
    Node { span, kind }
}
