//! What a run came to.

use std::sync::Arc;
use std::time::Duration;

use super::blame::Evidence;
use super::record::NamedStep;
use super::sink::Opening;
use crate::machine::Ending;
use crate::recipe::{ErrorKind, Verdict};

/// What a run came to.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// What was known before it began.
    pub opening: Opening,
    /// How the machine ended: what the exit status is made of.
    pub ending: Ending,
    /// Whose fault it was.
    pub verdict: Verdict,
    /// What the recipe's probes found after a failure, in the recipe's order.
    pub evidence: Vec<Evidence>,
    /// The place in `evidence` of what decided the verdict; `None`: the failure itself did.
    pub blamed: Option<usize>,
    /// What decided it; `None` where all went well.
    pub decided: Option<Decided>,
    /// Why it ended so, in one sentence.
    pub reason: String,
    /// How long it took.
    pub took: Duration,
    /// Scopes whose exit steps were left to the next start, outermost first.
    pub left_open: Vec<Arc<str>>,
}

/// The error, end or signal that decided how a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decided {
    /// The state's path, through calls.
    pub state: Option<Arc<str>>,
    /// The step.
    pub step: Option<NamedStep>,
    /// Its try, from 1.
    pub number: Option<u32>,
    /// The kind of error.
    pub kind: Option<ErrorKind>,
    /// Whether the recipe says whose fault it is.
    pub written: bool,
    /// The end of what was printed; secrets are masked.
    pub tail: String,
    /// What led to it, nearest first: errors in whose place this one came.
    pub causes: Vec<String>,
}
