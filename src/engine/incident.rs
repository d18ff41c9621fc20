//! What is known of an error besides its kind.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::record::{Failure, NamedStep};
use crate::recipe::{ErrorKind, Verdict};

/// How many causes an error keeps: `fail: error` in a handler could pile them up.
const DEPTH: usize = 8;

/// An error with its story. Texts are masked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Incident {
    pub(super) kind: ErrorKind,
    pub(super) message: String,
    /// Where it was raised, by path through calls.
    pub(super) state: Arc<str>,
    pub(super) step: Option<NamedStep>,
    /// The try that it ended, from 1.
    pub(super) number: Option<u32>,
    /// What output there is, for `error.output`.
    pub(super) output: Value,
    pub(super) tail: String,
    pub(super) verdict: Verdict,
    /// The recipe says so.
    pub(super) written: bool,
    /// The error in whose place it stands.
    pub(super) cause: Option<Box<Incident>>,
}

impl Incident {
    /// Puts it in the place of another.
    pub(super) fn instead_of(mut self, cause: Option<Self>) -> Self {
        self.cause = cause.map(|cause| Box::new(cause.cut(DEPTH)));
        self
    }

    fn cut(mut self, depth: usize) -> Self {
        self.cause = match self.cause {
            Some(cause) if depth > 0 => Some(Box::new(cause.cut(depth - 1))),
            _ => None,
        };
        self
    }

    /// As `error` in templates.
    pub(super) fn value(&self) -> Value {
        let mut error = Map::new();
        error.insert("kind".into(), self.kind.word().into());
        error.insert("message".into(), self.message.clone().into());
        error.insert("state".into(), self.state.as_ref().into());
        error.insert(
            "step".into(),
            self.step
                .as_ref()
                .map_or(Value::Null, |step| Value::from(step.name.as_ref())),
        );
        error.insert("output".into(), self.output.clone());
        let cause = self
            .cause
            .as_ref()
            .map_or(Value::Null, |cause| cause.value());
        error.insert("cause".into(), cause);
        Value::Object(error)
    }

    pub(super) fn failure(&self) -> Failure {
        Failure {
            message: self.message.clone(),
            tail: self.tail.clone(),
        }
    }

    /// What led to it, nearest first.
    pub(super) fn causes(&self) -> Vec<String> {
        std::iter::successors(self.cause.as_deref(), |cause| cause.cause.as_deref())
            .map(|cause| match &cause.step {
                Some(step) => format!(
                    "{} at {} {}: {}",
                    cause.kind, cause.state, step.name, cause.message
                ),
                None => format!("{} at {}: {}", cause.kind, cause.state, cause.message),
            })
            .collect()
    }
}
