//! The schema of a file of scenarios.

use serde_json::{Value, json};

use super::part::map;
use super::{DRAFT, of, shape};
use crate::recipe::ErrorKind;
use crate::recipe::vocabulary::keys::scenario;

/// The kinds of error that a try can end with: `loop` comes of visits, `cancelled` of signals.
pub(super) fn try_kinds() -> Vec<&'static str> {
    ErrorKind::ALL
        .iter()
        .filter(|kind| !matches!(kind, ErrorKind::Loop | ErrorKind::Cancelled))
        .map(|kind| kind.word())
        .collect()
}

/// The JSON Schema of scenario files.
pub fn scenarios() -> Value {
    let mut outcome = map(scenario::OUTCOME);
    if let Some(members) = outcome.as_object_mut() {
        members.remove("additionalProperties");
    }
    let words: Vec<&str> = std::iter::once("ok").chain(try_kinds()).collect();
    let mut definitions = shape::definitions();
    definitions.insert("scenario".to_owned(), map(scenario::SCENARIO));
    definitions.insert(
        "outcome".to_owned(),
        json!({ "if": { "type": "object" }, "then": outcome, "else": { "enum": words } }),
    );
    definitions.insert(
        "outcomes".to_owned(),
        json!({
            "if": { "type": "array" },
            "then": { "items": of("outcome") },
            "else": of("outcome"),
        }),
    );
    definitions.insert("signal".to_owned(), map(scenario::SIGNAL));
    let mut schema = json!({
        "$schema": DRAFT,
        "title": "Scenarios of a recipe of tf-engine",
        "description": "How chosen tries end, and what must follow, on a virtual clock.",
    });
    if let (Some(members), Value::Object(file)) = (schema.as_object_mut(), map(scenario::FILE)) {
        members.extend(file);
        members.insert("$defs".to_owned(), definitions.into());
    }
    schema
}
