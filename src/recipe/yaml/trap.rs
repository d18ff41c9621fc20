//! What a syntax error most likely means.
//!
//! Recipes are YAML, but what people get wrong in them are templates, shell commands and
//! expressions that YAML reads in its own way. The parser's message is about the grammar; the line
//! itself says what was meant.

use crate::diagnostic::Code;

/// A syntax error in plain words.
pub(super) struct Explained {
    pub code: Code,
    pub message: String,
    pub help: Option<&'static str>,
    /// Bytes of the text to underline.
    pub range: std::ops::Range<usize>,
}

const TEMPLATE: &str = "a template at the start of a value needs quotes: `\"{{ x }}\"`";
const QUOTED: &str =
    "what starts with a quote needs quotes round the whole: `'\"sd\" in x'`, or a block (`|`)";
const COLON: &str = "`: ` begins a map: put the text in quotes or in a block (`run: |`)";

/// Explains the parser's `info` at the byte `offset` of `text`.
pub(super) fn explain(info: &str, text: &str, offset: usize) -> Explained {
    let offset = floor_char_boundary(text, offset);
    let (start, line) = line_at(text, offset);
    let trap = |message: &str, help, range| Explained {
        code: Code::YamlTrap,
        message: message.to_owned(),
        help: Some(help),
        range,
    };
    let value = value_of(line).map(|at| (at, &line[at..]));
    if let Some((at, value)) = value
        && (value.starts_with("{{") || value.starts_with("{%") || value.starts_with("{#"))
    {
        let range = start + at..start + line.trim_end().len();
        return trap("YAML reads this template as a map", TEMPLATE, range);
    }
    if let Some((at, value)) = value
        && info.contains("trailing content")
        && value.starts_with(['"', '\''])
    {
        let range = start + at..start + line.trim_end().len();
        return trap("text after a quoted string", QUOTED, range);
    }
    if info.contains("mapping values are not allowed") {
        return match value {
            Some((at, value)) if value.contains(": ") || value.ends_with(':') => trap(
                "a second `: ` on this line",
                COLON,
                start + at..start + line.trim_end().len(),
            ),
            _ => Explained {
                code: Code::Syntax,
                message: "this line is indented deeper than it can be".to_owned(),
                help: Some(
                    "the line above has a value already: give both lines the same indentation",
                ),
                range: content(start, line),
            },
        };
    }
    let here = {
        let end = text[offset..]
            .chars()
            .next()
            .map_or(offset, |c| offset + c.len_utf8());
        if text[offset..end].trim().is_empty() {
            content(start, line)
        } else {
            offset..end
        }
    };
    let syntax = |message: &str, help, range| Explained {
        code: Code::Syntax,
        message: message.to_owned(),
        help,
        range,
    };
    if info.contains("tabs") || line.contains('\t') && line.trim().is_empty() {
        return syntax(
            "a tab in the indentation",
            Some("YAML is indented with spaces"),
            here,
        );
    }
    if info.contains("unexpected character") {
        return syntax(
            "a value can't start with this character",
            Some("put the value in quotes"),
            here,
        );
    }
    if info.contains("unknown escape") {
        return syntax(
            "an escape that YAML does not have",
            Some("in single quotes, or in a block (`|`), a backslash is only a backslash"),
            content(start, line),
        );
    }
    if info.contains("recursion limit") {
        return Explained {
            code: Code::TooLarge,
            message: "brackets nest too deep".to_owned(),
            help: None,
            range: here,
        };
    }
    if info.contains("unknown anchor") {
        return syntax(
            "no anchor of this name stands before this place",
            Some("a text that starts with `*` needs quotes"),
            here,
        );
    }
    if info.contains("quoted scalar") {
        return syntax(
            "this quoted text has no end",
            Some("close the quote"),
            content(start, line),
        );
    }
    if info.contains("illegal placement") {
        return syntax(
            "a bracket or brace above this place is not closed",
            Some("`[` … `]` and `{` … `}` go in pairs"),
            here,
        );
    }
    if info.contains("expected ',' or")
        || info.contains("flow")
        || info.contains("invalid indentation")
    {
        return syntax(
            "a bracket or brace is not closed, or a comma is missing",
            Some("`[` … `]` and `{` … `}` go in pairs, and lines inside are indented"),
            content(start, line),
        );
    }
    if info.contains("'-' indicator")
        || info.contains("expected key")
        || info.contains("document start")
    {
        return syntax(
            "this line does not continue what is above it",
            Some("keys of one map, and dashes of one list, stand in the same column"),
            content(start, line),
        );
    }
    syntax(info, None, here)
}

fn floor_char_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// The line that holds `offset`; at the very end of a text its last line with something on it.
fn line_at(text: &str, offset: usize) -> (usize, &str) {
    let offset = if text[offset..].trim().is_empty() && text[..offset].ends_with('\n') {
        text[..offset].trim_end().len()
    } else {
        offset
    };
    let start = text[..offset].rfind('\n').map_or(0, |at| at + 1);
    let end = text[offset..]
        .find('\n')
        .map_or(text.len(), |at| offset + at);
    (start, &text[start..end])
}

/// Where a line's value begins, after dashes and its first key.
fn value_of(line: &str) -> Option<usize> {
    let mut at = line.len() - line.trim_start().len();
    while let Some(rest) = line.get(at..).and_then(|rest| rest.strip_prefix("- ")) {
        at = line.len() - rest.trim_start().len();
    }
    let rest = line.get(at..)?;
    if rest.starts_with(['"', '\'', '{']) {
        return Some(at);
    }
    let colon = rest.find(": ")?;
    let value = rest[colon + 2..].trim_start();
    (!value.is_empty()).then(|| line.len() - value.len())
}

/// A line without the blanks around it.
fn content(start: usize, line: &str) -> std::ops::Range<usize> {
    let indent = line.len() - line.trim_start().len();
    let end = line.trim_end().len();
    start + indent.min(end)..start + end
}
