//! A fact with names in the place of ids.

use super::memory::Memory;
use super::record::{NamedStep, Then, What, millis};
use crate::machine::{AfterTry, End, Fact, Limit, Moment, Outcome, StepId};
use crate::recipe::model::{Body, EndKind};

impl Memory {
    /// The fact with names.
    pub(super) fn what(&self, fact: &Fact, at: Moment) -> What {
        let moment = |at: Moment| millis(at.0);
        let limit = |limit: &Option<Limit>| limit.as_ref().map(|limit| moment(limit.at));
        let failure = |step: StepId| {
            self.last
                .as_ref()
                .filter(|(of, _)| *of == step)
                .map(|(_, incident)| incident.failure())
        };
        let names = &self.names;
        match fact {
            Fact::StateEntered {
                state,
                visit,
                item,
                attempt,
                of,
                limit,
            } => What::StateEntered {
                state: names.state(*state),
                scope: names.chart.is_scope(*state),
                visit: *visit,
                item: *item,
                attempt: *attempt,
                of: *of,
                limit: limit.map(moment),
            },
            Fact::StatePassed { state, visit } => What::StatePassed {
                state: names.state(*state),
                visit: *visit,
            },
            Fact::StateReached { state, visit } => {
                let ends = matches!(names.chart.state(*state).body, Body::End { .. });
                let end = self.end.as_ref().filter(|_| ends);
                What::StateReached {
                    state: names.state(*state),
                    visit: *visit,
                    end: end.map(|end| end_word(end.end).into()),
                    message: end.and_then(|end| end.message.clone()),
                }
            }
            Fact::StatusReplaced { state, asked } => What::StatusReplaced {
                state: names.state(*state),
                asked: *asked,
            },
            Fact::Moved { from, to } => What::Moved {
                state: names.state(*from),
                to: to.map_or_else(|| "done".into(), |to| names.state(to)),
            },
            Fact::LeafLeft { state, because } => What::LeafLeft {
                state: names.state(*state),
                outcome: *because,
            },
            Fact::ScopeLeaving { state, because } => What::ScopeLeaving {
                state: names.state(*state),
                outcome: *because,
            },
            Fact::ScopeLeft { state, because } => What::ScopeLeft {
                state: names.state(*state),
                outcome: *because,
            },
            Fact::ItemBegun { of, index, count } => What::ItemBegun {
                of: names.site(*of),
                index: *index,
                count: *count,
            },
            Fact::ItemFailed { of, index, kind } => What::ItemFailed {
                of: names.site(*of),
                index: *index,
                kind: *kind,
            },
            Fact::ItemsEnded { of } => What::ItemsEnded {
                of: names.site(*of),
            },
            Fact::StepSkipped { step } => What::StepSkipped {
                step: names.step(*step),
            },
            Fact::TryStarted {
                id,
                step,
                number,
                of,
                limit: until,
            } => {
                let declared = names.chart.step(*step);
                What::TryStarted {
                    id: id.0,
                    step: names.step(*step),
                    action: declared.action.name.into(),
                    host: declared
                        .host
                        .as_ref()
                        .map(|host| host.value.as_str().into()),
                    number: *number,
                    of: *of,
                    limit: limit(until),
                    bound: until.map(|limit| names.bound(limit.bound)),
                }
            }
            Fact::TryStopping { id, why } => What::TryStopping {
                id: id.0,
                step: match &self.trying {
                    Some(trying) => names.step(trying.step),
                    None => NamedStep {
                        state: names.state(names.chart.root()),
                        place: "".into(),
                        name: "".into(),
                    },
                },
                why: names.bound(*why),
            },
            Fact::TryEnded {
                id,
                step,
                outcome,
                then,
            } => {
                let began = self.trying.as_ref().map_or(at, |trying| trying.began);
                What::TryEnded {
                    id: id.0,
                    step: names.step(*step),
                    outcome: *outcome,
                    then: then_named(*then),
                    took: millis(at.0.saturating_sub(began.0)),
                    failure: (*outcome != Outcome::Ok).then(|| failure(*step)).flatten(),
                }
            }
            Fact::TryRefused {
                step,
                number,
                of,
                kind,
                then,
                ..
            } => What::TryRefused {
                step: names.step(*step),
                number: *number,
                of: *of,
                kind: *kind,
                then: then_named(*then),
                message: failure(*step).map_or_else(String::new, |failure| failure.message),
            },
            Fact::RetryDropped { step, kind, then } => What::RetryDropped {
                step: names.step(*step),
                kind: *kind,
                then: then_named(*then),
            },
            Fact::Raised {
                kind,
                state,
                step,
                recovery,
                bound,
                reason,
                ..
            } => What::Raised {
                kind: *kind,
                state: names.state(*state),
                step: step.map(|step| names.step(step)),
                recovery: *recovery,
                bound: bound.map(|bound| names.bound(bound)),
                message: match &self.in_flight {
                    Some(error) if error.kind == *kind => error.message.clone(),
                    _ => self.lab.mask(&self.reason(*kind, *bound, reason, None)),
                },
            },
            Fact::ExitStepFailed { step, kind } => What::ExitStepFailed {
                step: names.step(*step),
                kind: *kind,
                message: self
                    .failed_exits
                    .last()
                    .map_or_else(String::new, |(_, incident)| incident.message.clone()),
            },
            Fact::Caught { state, kind } => What::Caught {
                state: names.state(*state),
                kind: *kind,
            },
            Fact::Retrying {
                state,
                kind,
                attempt,
                of,
                at,
            } => What::Retrying {
                state: names.state(*state),
                kind: *kind,
                attempt: *attempt,
                of: *of,
                again: moment(*at),
            },
            Fact::CallEntered {
                step,
                procedure,
                number,
                of,
            } => What::CallEntered {
                step: names.step(*step),
                procedure: names.chart.name(*procedure).into(),
                number: *number,
                of: *of,
            },
            Fact::CallLeft {
                step,
                outcome,
                then,
            } => What::CallLeft {
                step: names.step(*step),
                outcome: *outcome,
                then: then_named(*then),
            },
            Fact::Tracked { track, value } => What::Tracked {
                name: names.track(*track),
                value: names.track_value(*track, *value),
            },
            Fact::Cancelled { signal, number } => What::Cancelled {
                signal: *signal,
                number: *number,
            },
            Fact::StageEnded { ending } => What::StageEnded {
                end: match ending.end {
                    End::Success => "success",
                    End::Failure { .. } => "failure",
                    End::Unrecoverable => "unrecoverable",
                    End::Cancelled(_) => "cancelled",
                }
                .into(),
                state: ending.state.map(|state| names.state(state)),
                step: ending.step.map(|step| names.step(step).name),
                kind: ending.kind,
            },
        }
    }
}

fn then_named(then: AfterTry) -> Then {
    match then {
        AfterTry::Done => Then::Done,
        AfterTry::Again { at, number } => Then::Again {
            at: millis(at.0),
            number,
        },
        AfterTry::Forgiven => Then::Forgiven,
        AfterTry::Recorded => Then::Recorded,
        AfterTry::Raised => Then::Raised,
    }
}

fn end_word(end: EndKind) -> &'static str {
    match end {
        EndKind::Success => "success",
        EndKind::Failure => "failure",
        EndKind::Unrecoverable => "unrecoverable",
    }
}
