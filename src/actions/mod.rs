//! What a step does: one file per action of the vocabulary.
//!
//! An action is planned, then performed. [`registry::plan`] makes a [`Request`] of a step's rendered
//! parameters: what will be sent, and what a dry run prints. A real run performs *that same value*.
//! An action never retries and never sleeps without watching [`StepContext::stop`]; bounds are the
//! machine's business, and arrive as that token.
//!
//! What is secret never leaves an action in the clear: a parameter that a secret went into is shown
//! as a whole by [`fields::Text::shown`], and text from outside (output, answers) goes through
//! [`Lab::mask`] before it becomes a note, an error or an output.

mod assert;
mod authorize;
mod bounded;
mod capture;
mod commands;
mod copy;
mod deed;
mod download;
mod driver;
mod error;
mod exec;
mod fail;
mod fetch;
pub mod fields;
mod flash;
mod follow;
mod gear;
mod http;
mod lab;
mod log;
mod log_entry;
mod look;
mod modifiers;
mod mux;
mod note;
mod output;
pub mod paths;
mod place;
mod power;
mod read;
pub mod registry;
mod run;
mod scope_work;
mod script;
mod serial_line;
mod serve;
mod set;
mod sleep;
mod sse;
pub mod stand_in;
mod through;
mod wait;
mod write;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use deed::{Deed, Line};
pub use error::{StepError, Tail};
pub use lab::{Equipment, Home, Lab};
pub use look::Look;
pub use note::{LogLevel, Note, Notes, Progress};
pub use scope_work::{Held, ScopeWork};

use crate::recipe::Value;
use crate::recipe::model::Step;
use crate::recipe::template::Context;
use crate::transport::Stop;

/// What a try gave: the fields of the action's output (a map), as saved.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// The fields that the vocabulary names.
    pub value: Value,
    /// Whether something secret went into it.
    pub secret: bool,
    /// Values of `vars` that the step gives besides its `save` (`set`, `wait: {steps}`); they are
    /// committed with it, in this order.
    pub vars: Vec<Assigned>,
}

impl Output {
    /// An output without secrets, of these fields.
    pub fn of(fields: serde_json::Map<String, Value>) -> Self {
        Self {
            value: Value::Object(fields),
            ..Self::default()
        }
    }
}

/// A value of `vars`.
#[derive(Clone, Debug, PartialEq)]
pub struct Assigned {
    /// The name in `vars`.
    pub name: String,
    /// The value.
    pub value: Value,
    /// Whether something secret went into it.
    pub secret: bool,
}

/// How a try ends.
pub type Performed = Result<Output, StepError>;

/// A try under way.
pub type Performing = Pin<Box<dyn Future<Output = Performed> + Send>>;

/// What will be sent: the whole of it, so that a dry run shows what a real one does.
pub trait Request: Send {
    /// One entry per thing that is done, as a person reads it; secrets are masked by the reader.
    fn describe(&self) -> Vec<String>;

    /// The same for a program: commands, requests, images and files; none for what is none of these.
    fn deeds(&self) -> Vec<Deed> {
        Vec::new()
    }

    /// Does it. Ends soon after `stop.ask` fires, at once after `stop.kill`.
    fn perform(self: Box<Self>, cx: StepContext) -> Performing;
}

/// What planning may look at.
pub struct PlanContext<'a> {
    /// The step.
    pub step: &'a Arc<Step>,
    /// The run's hosts, gear, files.
    pub lab: &'a Arc<Lab>,
    /// Which recipe's hosts and gear it uses: [`crate::recipe::model::Procedure::home`].
    pub home: Option<&'a str>,
    /// Names that templates see.
    pub context: &'a Context,
}

/// What a try is given.
#[derive(Clone)]
pub struct StepContext {
    /// The step.
    pub step: Arc<Step>,
    /// The run's hosts, gear, files.
    pub lab: Arc<Lab>,
    /// Which recipe's hosts and gear it uses.
    pub home: Option<Arc<str>>,
    /// Names that templates see, for what the action itself evaluates.
    pub context: Context,
    /// When to end.
    pub stop: Stop,
    /// Where output and progress go.
    pub notes: Notes,
    /// Where work that lives as long as its scope is left (`capture`).
    pub scope: ScopeWork,
}
