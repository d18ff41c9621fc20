//! Why a try failed.

use crate::recipe::template::RenderError;
use crate::recipe::{ErrorKind, Value, Verdict};
use crate::transport::{Fault, FaultKind};

/// Why a try failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct StepError {
    /// What a recipe can catch. `Cancelled`: the action was told to stop; only the machine knows why.
    pub kind: ErrorKind,
    /// One sentence: what was done, what came of it, which bound was hit.
    pub message: String,
    /// The end of what it printed.
    pub tail: Tail,
    /// What output there is (an exit status, an HTTP status), for `error.output`.
    pub output: Box<Value>,
    /// Whose fault it was, where the action knows better than the kind.
    pub verdict: Option<Verdict>,
}

/// The last lines of an output, for messages.
pub type Tail = String;

impl StepError {
    /// An error without output.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            tail: Tail::new(),
            output: Box::new(Value::Null),
            verdict: None,
        }
    }

    /// A value is missing or wrong.
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Input, message)
    }

    /// A file, disk or port failed.
    pub fn io(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Io, message)
    }

    /// A fault of a transport, while `what` was done.
    pub fn from_fault(what: &str, fault: &Fault) -> Self {
        let error = Self::of_fault(fault);
        Self {
            message: format!("{what}: {}", error.message),
            ..error
        }
    }

    /// A fault of a transport, whose message says what was done.
    pub fn of_fault(fault: &Fault) -> Self {
        let kind = match fault.kind {
            FaultKind::Unreachable => ErrorKind::Unreachable,
            FaultKind::Lost => ErrorKind::Lost,
            FaultKind::Auth => ErrorKind::Auth,
            FaultKind::Io => ErrorKind::Io,
            FaultKind::Mismatch => ErrorKind::Mismatch,
            FaultKind::Input => ErrorKind::Input,
        };
        Self::new(kind, fault.message.clone())
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
        self.output = Box::new(output);
        self
    }

    /// With whose fault it was.
    #[must_use]
    pub fn with_verdict(mut self, verdict: Option<Verdict>) -> Self {
        self.verdict = verdict;
        self
    }
}

impl From<RenderError> for StepError {
    fn from(error: RenderError) -> Self {
        Self::input(error.message)
    }
}
