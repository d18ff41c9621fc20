//! Identifiers and moments.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A state of one chart: of the stage, or of a procedure. The journal writes its path instead,
/// because an index means nothing once the recipe has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StateId(pub(crate) u32);

impl StateId {
    /// Its place in [`super::Chart::states`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A step of one chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StepId(pub(crate) u32);

impl StepId {
    /// Its place in [`super::Chart::steps`].
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The step after it in the same list; what it names after a list's last is not of that list.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// One try of one step. Never reused, so a late answer can't pass for a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TryId(pub u32);

/// Something that the world must compute; an index into the chart's table of questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AskId(pub(crate) u32);

impl AskId {
    /// Its place in [`super::Chart::asks`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A tracked value of one chart: one of `tracks`, or a piece of gear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackId(pub(crate) u16);

/// Time since the run began. The driver reads the clock; the machine only compares.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Moment(pub Duration);

impl Moment {
    /// The run's beginning.
    pub const START: Self = Self(Duration::ZERO);

    /// This moment and so long after it; the end of time where that can't be counted.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(wait))
    }
}
