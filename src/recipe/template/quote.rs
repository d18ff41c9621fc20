//! How a value becomes part of a longer text: printed, as a shell word, in a URL.

use minijinja::value::{Object, ObjectRepr};
use std::fmt::{self, Write as _};
use std::sync::Arc;

use super::super::Value;
use super::Style;
use super::convert::to_plain;

/// What `| raw` gives: text that a shell string takes as it is.
#[derive(Debug)]
pub(super) struct Raw(pub(super) String);

impl Object for Raw {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Stands before and after each value in the output of a URL's template; no URL holds it.
const MARK: char = '\0';

/// What stands in the output of a template for one of its values, or why it can't stand there.
pub(super) fn interpolated(value: &minijinja::Value, style: Style) -> Result<String, String> {
    if let (Style::Shell, Some(raw)) = (style, value.downcast_object_ref::<Raw>()) {
        return Ok(raw.0.clone());
    }
    if value.is_undefined() {
        return Err("this has no value".into());
    }
    let plain = to_plain(value)?;
    match style {
        Style::Value => text(&plain),
        Style::Printed => Ok(printed(&plain)),
        Style::Shell => shell(&plain),
        Style::Url => {
            let text = text(&plain)?;
            if text.contains(MARK) {
                return Err("a URL can hold no NUL".into());
            }
            Ok(format!("{MARK}{text}{MARK}"))
        }
    }
}

/// What a template's output is turned into.
pub(super) fn finished(output: String, style: Style) -> String {
    match style {
        Style::Url => url(&output),
        _ => output,
    }
}

fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Null => Err("none can't stand in a longer text".into()),
        Value::Array(_) => Err("a list can't stand in a longer text (`join` makes a text)".into()),
        Value::Object(_) => {
            Err("a map can't stand in a longer text (`tojson` makes a text)".into())
        }
    }
}

/// A value for a person: none as `none`, lists and maps as JSON.
pub(super) fn printed(value: &Value) -> String {
    match value {
        Value::Null => "none".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn shell(value: &Value) -> Result<String, String> {
    let word = |value: &Value| match value {
        Value::Null => Err("none can't be a word of a shell command".to_owned()),
        Value::Object(_) => Err("a map can't be a word of a shell command".into()),
        Value::Array(_) => Err("a list in a list can't be a word of a shell command".into()),
        scalar => {
            shell_word(&text(scalar)?).ok_or_else(|| "a shell command can hold no NUL".to_owned())
        }
    };
    match value {
        Value::Array(items) => {
            let words: Result<Vec<String>, String> = items.iter().map(word).collect();
            Ok(words?.join(" "))
        }
        scalar => word(scalar),
    }
}

/// Words that a shell takes as syntax where a command may begin (POSIX.1-2024, Shell Command
/// Language 2.4, and bash's own).
const RESERVED: &[&str] = &[
    "case", "coproc", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if", "in",
    "select", "then", "time", "until", "while",
];

/// `text` quoted so that a POSIX shell reads it as one word, the same; nothing if it holds a NUL,
/// which no argument can.
pub fn shell_word(text: &str) -> Option<String> {
    if text.contains('\0') {
        return None;
    }
    let plain = !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-./:@%+,".contains(c))
        && !RESERVED.contains(&text);
    Some(if plain {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    })
}

/// Encodes the marked values that stand after a `?`.
fn url(output: &str) -> String {
    let mut url = String::with_capacity(output.len());
    for (n, part) in output.split(MARK).enumerate() {
        let is_value = n % 2 == 1;
        if is_value && url.contains('?') {
            url.push_str(&url_encoded(part));
        } else {
            url.push_str(part);
        }
    }
    url
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
pub fn url_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::shell_word;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_real_shell_reads_back_what_was_quoted(
            texts in prop::collection::vec("(?s)[^\u{0}]{0,24}|if|done|~|#|\\$\\(id\\)|\\\\", 1..8),
        ) {
            let words: Vec<String> = texts.iter().filter_map(|text| shell_word(text)).collect();
            let script = format!("printf '%s\\0' {}", words.join(" "));
            for shell in ["sh", "bash"] {
                let output = Command::new(shell).arg("-c").arg(&script).output()?;
                let mut expected = texts.join("\0").into_bytes();
                expected.push(0);
                prop_assert_eq!(&output.stdout, &expected, "{} read `{}`", shell, script);
            }
        }
    }

    #[test]
    fn paths_stay_readable_and_syntax_is_quoted() {
        assert_eq!(shell_word("/dev/sda1").as_deref(), Some("/dev/sda1"));
        assert_eq!(shell_word("").as_deref(), Some("''"));
        assert_eq!(shell_word("done").as_deref(), Some("'done'"));
        assert_eq!(shell_word("A=b").as_deref(), Some("'A=b'"));
        assert_eq!(shell_word("it's").as_deref(), Some(r"'it'\''s'"));
        assert_eq!(shell_word("a\0b"), None);
    }
}
