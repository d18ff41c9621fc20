//! Why a try failed.

use crate::recipe::{ErrorKind, Value, Verdict};

/// Why a try failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct StepError {
    /// What a recipe can catch.
    pub kind: ErrorKind,
    /// One sentence: what was done, what came of it, which bound was hit.
    pub message: String,
    /// The end of what it printed.
    pub tail: Tail,
    /// What output there is (an exit status, an HTTP status), for `error.output`.
    pub output: Value,
    /// Whose fault it was, where the action knows better than the kind.
    pub verdict: Option<Verdict>,
}

/// The last lines of an output, for messages.
pub type Tail = String;

impl StepError {
    /// An error without output.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), tail: Tail::new(), output: Value::Null, verdict: None }
    }

    /// With the end of the output.
    #[must_use]
    pub fn with_tail(mut self, tail: impl Into<Tail>) -> Self {
        self.tail = tail.into();
        self
    }

    /// With what output there is.
    #[must_use]
    pub fn with_output(mut self, output: Value) -> Self {
        self.output = output;
        self
    }
}
