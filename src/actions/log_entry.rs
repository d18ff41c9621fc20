//! A log entry that a service sends as JSON: `{"level": "INFO", "message": "..."}`.
//!
//! The levels are those of Python's `logging`, by name, in capitals or not.

use serde_json::Value;

use super::LogLevel;

/// An entry, ready to be shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LogEntry {
    pub(super) level: LogLevel,
    pub(super) message: String,
    /// A level that nobody knows; the entry counts as `info`.
    pub(super) odd_level: Option<String>,
}

impl LogEntry {
    /// Reads one; `None` where it is no JSON. What is JSON but no such object is its own message.
    pub(super) fn read(data: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(data).ok()?;
        let message = match value.get("message") {
            Some(Value::String(message)) => message.clone(),
            Some(Value::Null) | None => data.to_owned(),
            Some(other) => other.to_string(),
        };
        let (level, odd_level) = match value.get("level") {
            Some(Value::Null) | None => (LogLevel::Info, None),
            Some(Value::String(name)) => match level(name) {
                Some(level) => (level, None),
                None => (LogLevel::Info, Some(name.clone())),
            },
            Some(other) => (LogLevel::Info, Some(other.to_string())),
        };
        Some(Self {
            level,
            message,
            odd_level,
        })
    }
}

fn level(name: &str) -> Option<LogLevel> {
    let levels = [
        ("DEBUG", LogLevel::Debug),
        ("INFO", LogLevel::Info),
        ("WARN", LogLevel::Warn),
        ("WARNING", LogLevel::Warn),
        ("ERROR", LogLevel::Error),
        ("CRITICAL", LogLevel::Error),
        ("FATAL", LogLevel::Error),
    ];
    levels
        .into_iter()
        .find(|(known, _)| name.eq_ignore_ascii_case(known))
        .map(|(_, level)| level)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::LogEntry;
    use crate::actions::LogLevel;

    #[test]
    fn an_entry_has_a_level_and_a_message_or_is_shown_as_it_came() {
        #[track_caller]
        fn case(data: &str, level: LogLevel, message: &str, odd_level: Option<&str>) {
            let expected = LogEntry {
                level,
                message: message.to_owned(),
                odd_level: odd_level.map(str::to_owned),
            };
            assert_eq!(LogEntry::read(data), Some(expected), "{data}");
        }
        use LogLevel::{Debug, Error, Info, Warn};
        case(r#"{"level": "INFO", "message": "a"}"#, Info, "a", None);
        case(r#"{"level": "warning", "message": "a"}"#, Warn, "a", None);
        case(r#"{"level": "Critical", "message": "a"}"#, Error, "a", None);
        case(r#"{"level": "DEBUG", "message": "a"}"#, Debug, "a", None);
        case(r#"{"message": "é"}"#, Info, "é", None);
        case(
            r#"{"level": "ERROR"}"#,
            Error,
            r#"{"level": "ERROR"}"#,
            None,
        );
        case(r#"{"message": ["a"]}"#, Info, r#"["a"]"#, None);
        // Names that another program's `logging` module happens to have are no levels either.
        case(
            r#"{"level": "Handler", "message": "a"}"#,
            Info,
            "a",
            Some("Handler"),
        );
        case(r#"{"level": 20, "message": "a"}"#, Info, "a", Some("20"));
        case(r#""just text""#, Info, r#""just text""#, None);
        case("[1]", Info, "[1]", None);
        assert_eq!(LogEntry::read("{not json}"), None);
        assert_eq!(LogEntry::read(""), None);
    }

    proptest! {
        #[test]
        fn whatever_is_json_is_an_entry(message in ".*", level in ".*") {
            let data = serde_json::json!({"message": message, "level": level}).to_string();
            let entry = LogEntry::read(&data).expect("it is JSON");
            prop_assert_eq!(entry.message, message);
        }
    }
}
