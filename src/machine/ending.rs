//! How a run ends: 46 goes before a signal, a signal before the rest.

use super::advance::Run;
use super::chart::Need;
use super::configuration::{Flight, Next};
use super::{End, Ending, Fact, Reason, TrackId, TrackValue};
use crate::recipe::ErrorKind;
use crate::recipe::model::EndKind;

impl Run<'_> {
    /// Nothing is left to do.
    pub(super) fn finish(&mut self) {
        let ending = self.ending();
        let ending = self.ensure(ending);
        self.facts.push(Fact::StageEnded { ending });
        self.at.flight = Flight::None;
        self.at.frames.clear();
        self.at.visits.clear();
        self.at.opened.clear();
        self.at.yielded = false;
        self.at.next = Next::Finished(ending);
    }

    fn ending(&self) -> Ending {
        let flight = self.at.flight;
        // After a second signal a scope may not have left: its failed recovery counts all the same.
        let failed = self.at.frames.last().and_then(|top| top.failed);
        let failed = failed.filter(|fault| fault.marked).or(match flight {
            Flight::Error(fault) if fault.recovery => Some(fault),
            _ => None,
        });
        match (flight, failed, self.at.cancel) {
            (
                Flight::End {
                    state,
                    end: EndKind::Unrecoverable,
                    ..
                },
                ..,
            ) => Ending {
                end: End::Unrecoverable,
                state: Some(state),
                step: None,
                kind: None,
            },
            (_, Some(fault), _) => Ending {
                end: End::Unrecoverable,
                state: Some(fault.state),
                step: fault.step,
                kind: Some(fault.kind),
            },
            (_, _, Some((signal, state, step))) => Ending {
                end: End::Cancelled(signal),
                state: Some(state),
                step,
                kind: Some(ErrorKind::Cancelled),
            },
            (Flight::Error(fault), ..) => Ending {
                end: End::Failure { status: 1 },
                state: Some(fault.state),
                step: fault.step,
                kind: Some(fault.kind),
            },
            (
                Flight::End {
                    state,
                    end: EndKind::Failure,
                    status,
                },
                ..,
            ) => Ending {
                end: End::Failure { status },
                state: Some(state),
                step: None,
                kind: None,
            },
            _ if self.at.halt.is_some() => Ending {
                end: End::Failure { status: 1 },
                state: Some(self.chart.root()),
                step: None,
                kind: Some(ErrorKind::Io),
            },
            _ => Ending {
                end: End::Success,
                state: None,
                step: None,
                kind: None,
            },
        }
    }

    /// What must hold at the end. A broken one makes a success a failure; it is told of any other end
    /// but 46.
    fn ensure(&mut self, ending: Ending) -> Ending {
        let chart = self.chart;
        let success = match ending.end {
            End::Unrecoverable => return ending,
            End::Success => self.broken(&chart.ensures_success, false),
            _ => None,
        };
        let broken = success.or_else(|| self.broken(&chart.ensures_always, true));
        let Some((track, value)) = broken else {
            return ending;
        };
        let root = self.chart.root();
        let kind = ErrorKind::Mismatch;
        self.facts.push(Fact::Raised {
            kind,
            state: root,
            step: None,
            recovery: false,
            bound: None,
            cause: None,
            reason: Reason::Ensures { track, value },
        });
        match ending.end {
            End::Success => Ending {
                end: End::Failure { status: 1 },
                state: Some(root),
                step: None,
                kind: Some(kind),
            },
            _ => ending,
        }
    }

    fn broken(&self, ensures: &[Need], untouched: bool) -> Option<(TrackId, TrackValue)> {
        ensures.iter().find_map(|need| {
            let value = self.at.track(need.track);
            let holds = match value {
                TrackValue::Untouched => untouched,
                TrackValue::Unknown => false,
                TrackValue::Known(value) => need.any_of.contains(&value),
            };
            (!holds).then_some((need.track, value))
        })
    }
}
