//! What a probe found.

use std::sync::Arc;
use std::time::Duration;

use crate::recipe::Verdict;

/// What one probe found after a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The probe's name in the recipe.
    pub probe: Arc<str>,
    /// Whether what it looked at is well; `None`: it could not be looked at, which says nothing.
    pub holds: Option<bool>,
    /// Whose fault it is that it does not hold.
    pub verdict: Option<Verdict>,
    /// What was seen, or why nothing was; secrets are masked. Where it holds: what was done.
    pub message: String,
    /// How long it took.
    pub took: Duration,
}

impl Evidence {
    /// The verdict of a probe that does not hold.
    pub fn against(&self) -> Option<Verdict> {
        self.verdict.filter(|_| self.holds == Some(false))
    }

    /// What is looked at, as a person says it: `power_switch` is the power switch.
    pub fn words(&self) -> String {
        self.probe.replace('_', " ")
    }
}
