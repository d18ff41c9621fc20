//! The machine: a chart, and where a run of it stands.

use std::sync::Arc;

use super::{Chart, Decision, Event, Fact, Moment, Turn};

/// A run of a stage, as a value: a clone is a fork of the run.
#[derive(Clone, Debug)]
pub struct Machine {
    chart: Arc<Chart>,
}

impl Machine {
    /// A run that has not begun. `seed` decides what jitter takes off delays.
    pub fn new(chart: Arc<Chart>, seed: u64) -> Self {
        let _ = seed;
        Self { chart }
    }

    /// What it runs.
    pub fn chart(&self) -> &Arc<Chart> {
        &self.chart
    }

    /// What happened, and when, gives what became true, and the one thing to do next.
    pub fn advance(&mut self, event: Event, now: Moment) -> Turn {
        let mut facts = Vec::new();
        let next = self.advance_into(event, now, &mut facts);
        Turn { facts, next }
    }

    /// [`Machine::advance`] with a buffer for the facts, which are added to it.
    pub fn advance_into(&mut self, event: Event, now: Moment, facts: &mut Vec<Fact>) -> Decision {
        let _ = (event, now, facts);
        Decision::Wait { until: None }
    }
}
