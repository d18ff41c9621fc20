//! Ids as names: paths through calls, bounds with their owner and length.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::record::NamedStep;
use crate::machine::{
    Bound, Chart, EXIT_STEP, List, Signal, Site, StateId, StepId, TrackId, TrackValue,
};
use crate::recipe::duration;
use crate::recipe::model::{StepTimeout, Templated};

/// Names of one chart, under the calls that lead to where the run stands.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) chart: Arc<Chart>,
    pub(super) calls: Vec<StepId>,
    /// Bounds that were computed.
    timeouts: HashMap<Site, Duration>,
}

impl Names {
    pub(super) fn new(chart: Arc<Chart>) -> Self {
        Self {
            chart,
            calls: Vec::new(),
            timeouts: HashMap::new(),
        }
    }

    pub(super) fn state(&self, state: StateId) -> Arc<str> {
        self.chart.place(&self.calls, Site::State(state)).into()
    }

    pub(super) fn step(&self, step: StepId) -> NamedStep {
        NamedStep {
            state: self.state(self.chart.owner(step)),
            place: self.chart.place(&self.calls, Site::Step(step)).into(),
            name: self.chart.step(step).name.as_str().into(),
        }
    }

    pub(super) fn site(&self, site: Site) -> Arc<str> {
        self.chart.place(&self.calls, site).into()
    }

    pub(super) fn track(&self, track: TrackId) -> Arc<str> {
        self.chart.track_name(track).into()
    }

    pub(super) fn track_value(&self, track: TrackId, value: TrackValue) -> Arc<str> {
        match value {
            TrackValue::Untouched => "untouched".into(),
            TrackValue::Unknown => "unknown".into(),
            TrackValue::Known(at) => self
                .chart
                .track_values(track)
                .get(usize::from(at))
                .map_or("unknown", String::as_str)
                .into(),
        }
    }

    /// Keeps a bound that was computed.
    pub(super) fn note_timeout(&mut self, of: Site, bound: Duration) {
        self.timeouts.insert(of, bound);
    }

    /// Whose bound it is, and how long: "the `timeout` of step `flash` (30m)".
    pub(super) fn bound(&self, bound: Bound) -> Arc<str> {
        let named = |what: &str, name: &str, of: Site| {
            let length = self.timeout(of).map_or_else(String::new, |length| {
                format!(" ({})", duration::print(length))
            });
            format!("the `timeout` of {what} `{name}`{length}")
        };
        match bound {
            Bound::Step(step) => named("step", &self.chart.step(step).name, Site::Step(step)),
            Bound::Call(step) => named("call", &self.chart.step(step).name, Site::Step(step)),
            Bound::State(state) => {
                let what = match (self.chart.parent(state), self.chart.procedure(state)) {
                    (Some(_), _) => "state",
                    (None, Some(_)) => "procedure",
                    (None, None) => "stage",
                };
                named(what, self.chart.name(state), Site::State(state))
            }
            Bound::Signal(signal) => signal_name(signal).to_owned(),
            Bound::Journal => "the journal, which can't be written".to_owned(),
        }
        .into()
    }

    fn timeout(&self, of: Site) -> Option<Duration> {
        if let Some(computed) = self.timeouts.get(&of) {
            return Some(*computed);
        }
        match of {
            Site::State(state) => match &self.chart.state(state).timeout {
                Some(Templated::Literal(bound)) => Some(*bound),
                _ => None,
            },
            Site::Step(step) => match &self.chart.step(step).timeout {
                StepTimeout::After(Templated::Literal(bound)) => Some(*bound),
                StepTimeout::None if self.chart.position(step).0 == List::Exit => Some(EXIT_STEP),
                _ => None,
            },
        }
    }
}

/// A signal's name, as `signal(7)` has it.
pub fn signal_name(signal: Signal) -> &'static str {
    match signal {
        Signal::Int => "SIGINT",
        Signal::Term => "SIGTERM",
    }
}
