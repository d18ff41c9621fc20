//! How an error came about, in a sentence.

use serde_json::Value;

use super::incident::Incident;
use super::memory::Memory;
use super::names::signal_name;
use crate::actions::StepError;
use crate::machine::{Bound, Limit, Moment, Reason, StateId, StepId};
use crate::recipe::ErrorKind;

impl Memory {
    /// The story of a try that failed.
    pub(super) fn incident_of_try(
        &self,
        step: StepId,
        kind: ErrorKind,
        error: Option<StepError>,
        at: Moment,
    ) -> Incident {
        let trying = self.trying.as_ref().filter(|trying| trying.step == step);
        let late = |limit: &Limit| kind == ErrorKind::Timeout && at >= limit.at;
        let cut = trying.and_then(|trying| {
            let limit = trying.limit.as_ref().filter(|limit| late(limit));
            trying.stopped.or(limit.map(|limit| limit.bound))
        });
        let said = error.as_ref().map(|error| error.message.as_str());
        let message = match (cut, said) {
            (Some(bound), said) => {
                let bound = self.names.bound(bound);
                let stopped = match kind {
                    ErrorKind::Timeout => format!("{bound} has passed"),
                    _ => format!("stopped by {bound}"),
                };
                match said.filter(|said| !said.is_empty()) {
                    Some(said) => format!("{stopped}: {said}"),
                    None => stopped,
                }
            }
            (None, Some(said)) => said.to_owned(),
            (None, None) => kind.meaning().trim_end_matches('.').to_owned(),
        };
        let owner = self.chart().owner(step);
        let verdict = self.verdict_of_step(step, kind, error.as_ref());
        let error = error.unwrap_or_else(|| StepError::new(kind, ""));
        Incident {
            kind,
            message: self.lab.mask(&message),
            state: self.names.state(owner),
            step: Some(self.names.step(step)),
            number: trying.map(|trying| trying.number),
            output: *error.output,
            tail: self.lab.mask(&error.tail),
            verdict,
            written: self.written_verdict(Some(step), owner).is_some(),
            cause: None,
        }
    }

    /// The story of an error that no try ended with.
    pub(super) fn incident_without_try(
        &mut self,
        step: Option<StepId>,
        state: Option<StateId>,
        kind: ErrorKind,
        bound: Option<Bound>,
        reason: &Reason,
    ) -> Incident {
        let said = self.aside.no_answer.take();
        let message = self.reason(kind, bound, reason, said);
        let owner = step.map(|step| self.chart().owner(step));
        let state = owner.or(state).unwrap_or_else(|| self.chart().root());
        let verdict = match step {
            Some(step) => self.verdict_of_step(step, kind, None),
            None => self.verdict_of_state(state, kind),
        };
        Incident {
            kind,
            message: self.lab.mask(&message),
            state: self.names.state(state),
            step: step.map(|step| self.names.step(step)),
            number: None,
            output: Value::Null,
            tail: String::new(),
            verdict,
            written: self.written_verdict(step, state).is_some(),
            cause: None,
        }
    }

    pub(super) fn reason(
        &self,
        kind: ErrorKind,
        bound: Option<Bound>,
        reason: &Reason,
        said: Option<String>,
    ) -> String {
        match (reason, bound) {
            (Reason::Needs { track, value }, _) => format!(
                "nothing was done: `{}` is {}, which its `needs` rule out",
                self.names.track(*track),
                self.names.track_value(*track, *value)
            ),
            (Reason::Ensures { track, value }, _) => format!(
                "the stage's `ensures` are broken: `{}` is {}",
                self.names.track(*track),
                self.names.track_value(*track, *value)
            ),
            (Reason::Call, _) => match self.end.as_ref().and_then(|end| end.message.as_ref()) {
                Some(message) => format!("the procedure ended with `end: failure`: {message}"),
                None => "the procedure ended with `end: failure`".to_owned(),
            },
            (Reason::Visits { state, max }, _) => format!(
                "`{}` was arrived at more often than its `max_visits` ({max})",
                self.names.state(*state)
            ),
            (Reason::Itself, Some(bound)) => match kind {
                ErrorKind::Timeout => format!("{} has passed", self.names.bound(bound)),
                _ => format!("stopped by {}", self.names.bound(bound)),
            },
            (Reason::Itself, None) => match (said, kind, self.cancelled) {
                (Some(said), _, _) => said,
                (None, ErrorKind::Cancelled, Some(signal)) => {
                    format!("stopped by {}", signal_name(signal))
                }
                _ => kind.meaning().trim_end_matches('.').to_owned(),
            },
        }
    }
}
