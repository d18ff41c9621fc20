//! The form of a journal: its file, its version, what a run begins with.

use serde_json::Value;

/// The file's name in the run directory.
pub const FILE_NAME: &str = "tf-engine.journal.jsonl";

/// The version of the lines' form.
pub const VERSION: u64 = 1;

/// The member of a header that names the run whose recovery begins.
pub const RECOVERS: &str = "recovers";

/// What a later start needs to know of a run besides its facts.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// All members of the line but `journal`.
    pub fields: serde_json::Map<String, Value>,
}

impl Header {
    /// A member that is text; empty where there is none.
    pub fn text(&self, name: &str) -> &str {
        self.fields
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}
