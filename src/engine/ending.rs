//! From how the machine ended to what is reported.

use std::time::Duration;

use super::memory::Memory;
use super::names::signal_name;
use super::sink::Opening;
use super::summary::{Decided, RunReport};
use crate::machine::{End, Ending};
use crate::recipe::Verdict;
use crate::recipe::model::EndKind;

impl Memory {
    /// What the run came to.
    pub(super) fn report(
        &self,
        opening: Opening,
        ending: Ending,
        took: Duration,
        broken_journal: Option<&str>,
    ) -> RunReport {
        let (verdict, decided, mut reason) = self.decided(ending);
        if let Some(broken) = broken_journal {
            reason = format!("{reason}; {broken}");
        }
        RunReport {
            opening,
            ending,
            verdict,
            evidence: Vec::new(),
            blamed: None,
            decided,
            reason,
            took,
            left_open: self.open_scopes().to_vec(),
        }
    }

    fn decided(&self, ending: Ending) -> (Verdict, Option<Decided>, String) {
        let error = self
            .in_flight
            .as_ref()
            .filter(|error| Some(error.kind) == ending.kind);
        let by_end = self.end.as_ref().filter(|end| {
            ending.kind.is_none()
                && match ending.end {
                    End::Failure { .. } => end.end == EndKind::Failure,
                    End::Unrecoverable => end.end == EndKind::Unrecoverable,
                    End::Success | End::Cancelled(_) => false,
                }
        });
        let decided = match (error, by_end) {
            (Some(error), _) => Decided {
                state: Some(error.state.clone()),
                step: error.step.clone(),
                number: error.number,
                kind: Some(error.kind),
                written: error.written,
                tail: error.tail.clone(),
                causes: error.causes(),
            },
            (None, Some(end)) => Decided {
                state: Some(end.state.clone()),
                written: end.verdict.is_some(),
                ..Decided::default()
            },
            (None, None) => Decided {
                state: ending.state.map(|state| self.names.state(state)),
                step: ending.step.map(|step| self.names.step(step)),
                kind: ending.kind,
                ..Decided::default()
            },
        };
        match (ending.end, error, by_end) {
            (End::Success, ..) => (Verdict::Ok, None, "all went well".to_owned()),
            (End::Cancelled(signal), error, _) => {
                let signal = signal_name(signal);
                let reason = match error {
                    Some(error) if error.kind != crate::recipe::ErrorKind::Cancelled => {
                        format!("{signal}, while this was dealt with: {}", error.message)
                    }
                    _ => signal.to_owned(),
                };
                (Verdict::Cancelled, Some(decided), reason)
            }
            (_, Some(error), _) => (error.verdict, Some(decided), error.message.clone()),
            (_, None, Some(end)) => {
                let reason = match &end.message {
                    Some(message) => message.clone(),
                    None => format!("the end `{}` was reached", end.state),
                };
                (
                    end.verdict.unwrap_or(Verdict::Device),
                    Some(decided),
                    reason,
                )
            }
            (_, None, None) => {
                let reason = ending.kind.map_or("it ended in failure", |kind| {
                    kind.meaning().trim_end_matches('.')
                });
                (Verdict::Device, Some(decided), reason.to_owned())
            }
        }
    }
}
