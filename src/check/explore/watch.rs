//! What must hold on every run whatever the recipe says, watched by facts alone.
//!
//! The machine is not asked: its facts are folded anew here, so a mistake of its own is seen.

use std::hash::{Hash, Hasher};

use crate::machine::{
    AfterTry, Chart, End, Fact, List, Outcome, Reason, Site, StateId, StepId, TrackId, TrackValue,
};
use crate::recipe::model::{Body, EndKind};

/// Something that no run may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Breach {
    /// A scope was entered and not left.
    NotLeft(StateId),
    /// A scope was left that was not entered, or not the innermost one.
    LeftTwice(StateId),
    /// An exit step was run a second time in one entry of its scope.
    ExitTwice(StepId),
    /// A scope was left, and this exit step of it was not tried.
    ExitNotRun(StepId),
    /// The run went in a circle.
    NoEnd,
    /// Exit status 46, and no recovery has failed.
    NoFailedRecovery,
}

/// What is watched for along one run.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    /// Scopes entered and not left, with the exit steps begun: the next one, from 0.
    open: Vec<(StateId, u32)>,
    /// States around, each with whether it or a call below has `recovery`.
    recovering: Vec<(StateId, bool)>,
    /// A call's step has `recovery`.
    calls: Vec<bool>,
    /// A recovery has failed, and nothing has dealt with it.
    failed: bool,
    /// A `catch` has taken an error; where it leads comes next.
    caught: bool,
    /// The stage was ended as unrecoverable.
    unrecoverable: bool,
    /// Tracked values that an exit step was to set and failed: nobody could have known better.
    excused: Vec<TrackId>,
}

impl Hash for Watch {
    fn hash<H: Hasher>(&self, into: &mut H) {
        self.open.hash(into);
        self.calls.len().hash(into);
        (self.failed, self.unrecoverable).hash(into);
        self.excused.hash(into);
    }
}

/// What a turn's facts told besides.
pub(super) enum Told {
    Breach(Breach),
    /// `needs` of a step unmet.
    Unmet(StepId, TrackId, TrackValue),
    /// `ensures` broken.
    Broken(TrackId, TrackValue),
}

impl Watch {
    /// Follows one fact.
    pub(super) fn follow(&mut self, fact: &Fact, chart: &Chart, mut tell: impl FnMut(Told)) {
        match *fact {
            Fact::StateEntered { state, attempt, .. } => {
                self.failed = false;
                if chart.is_scope(state) {
                    self.open.push((state, 0));
                }
                if let Some(parent) = chart.parent(state) {
                    self.within(parent);
                }
                let known = self.recovering.last().is_some_and(|(at, _)| *at == state);
                if !(known && attempt > 1) {
                    let call = chart.parent(state).is_none() && self.calls.last() == Some(&true);
                    let recovery = chart.state(state).recovery || call;
                    self.recovering.push((state, recovery));
                }
            }
            Fact::LeafLeft { state, .. } => self.pop(state),
            Fact::ScopeLeaving { state, .. } => self.within(state),
            Fact::ScopeLeft { state, .. } => {
                self.within(state);
                match self.open.pop() {
                    Some((open, exits)) if open == state => {
                        let missing = chart.steps_of(state, List::Exit).nth(exits as usize);
                        if let Some(step) = missing {
                            tell(Told::Breach(Breach::ExitNotRun(step)));
                        }
                    }
                    other => {
                        self.open.extend(other);
                        tell(Told::Breach(Breach::LeftTwice(state)));
                    }
                }
            }
            Fact::Moved { from, to } => {
                self.pop(from);
                // Elsewhere the handler may yet be cut before it begins, and the flag lives on.
                if std::mem::take(&mut self.caught) && to.is_none() {
                    self.failed = false;
                }
            }
            Fact::StateReached { state, .. } => {
                self.failed = false;
                let end = EndKind::Unrecoverable;
                self.unrecoverable |=
                    matches!(chart.state(state).body, Body::End { end: at, .. } if at == end);
            }
            Fact::TryStarted { step, number, .. } => {
                self.step_begins(step, number == 1, chart, &mut tell);
                if !matches!(chart.position(step).0, List::Exit | List::Between) {
                    self.failed = false;
                }
            }
            Fact::TryRefused {
                step,
                number,
                reason,
                then,
                ..
            } => {
                self.step_begins(step, number == 1, chart, &mut tell);
                if let Reason::Needs { track, value } = reason
                    && !(value == TrackValue::Unknown && self.excused.contains(&track))
                {
                    tell(Told::Unmet(step, track, value));
                }
                self.step_ended(step, true, then, chart);
            }
            Fact::TryEnded {
                step,
                outcome,
                then,
                ..
            }
            | Fact::CallLeft {
                step,
                outcome,
                then,
            } => {
                if matches!(fact, Fact::CallLeft { .. }) {
                    self.calls.pop();
                    self.within(chart.owner(step));
                }
                self.step_ended(step, outcome != Outcome::Ok, then, chart);
            }
            Fact::Tracked {
                track,
                value: TrackValue::Known(_),
            } => self.excused.retain(|excused| *excused != track),
            Fact::RetryDropped { step, then, .. } => self.step_ended(step, true, then, chart),
            Fact::CallEntered { step, .. } => {
                let around = chart.step(step).recovery || self.recovery();
                self.calls.push(around);
            }
            Fact::ExitStepFailed { step, .. } => {
                self.step_begins(step, false, chart, &mut tell);
                for track in chart.sets(step) {
                    if !self.excused.contains(&track) {
                        self.excused.push(track);
                    }
                }
                self.failed |= chart.step(step).recovery || self.recovery();
            }
            Fact::StepSkipped { step }
            | Fact::ItemsEnded {
                of: Site::Step(step),
            } => self.step_begins(step, false, chart, &mut tell),
            Fact::Caught { .. } => self.caught = true,
            Fact::StatePassed { .. } => self.failed = false,
            Fact::ItemFailed { of, .. } => match of {
                Site::Step(step) => self.step_ended(step, true, AfterTry::Recorded, chart),
                Site::State(_) => self.failed = false,
            },
            Fact::Raised {
                state,
                step,
                reason,
                ..
            } => {
                if let Reason::Ensures { track, value } = reason
                    && !(value == TrackValue::Unknown && self.excused.contains(&track))
                {
                    tell(Told::Broken(track, value));
                }
                self.failed |= self.recovery()
                    || chart.state(state).recovery
                    || step.is_some_and(|step| chart.step(step).recovery);
            }
            Fact::StageEnded { ending } => {
                if let Some((state, _)) = self.open.last() {
                    tell(Told::Breach(Breach::NotLeft(*state)));
                }
                if ending.end == End::Unrecoverable && !self.failed && !self.unrecoverable {
                    tell(Told::Breach(Breach::NoFailedRecovery));
                }
                *self = Self::default();
            }
            _ => {}
        }
    }

    /// What was inside this state is done with.
    fn within(&mut self, state: StateId) {
        if let Some(at) = self
            .recovering
            .iter()
            .rposition(|(known, _)| *known == state)
        {
            self.recovering.truncate(at + 1);
        }
    }

    fn pop(&mut self, state: StateId) {
        self.within(state);
        if self.recovering.last().is_some_and(|(at, _)| *at == state) {
            self.recovering.pop();
        }
    }

    fn recovery(&self) -> bool {
        self.recovering.iter().any(|(_, recovery)| *recovery) || self.calls.contains(&true)
    }

    fn step_begins(
        &mut self,
        step: StepId,
        first: bool,
        chart: &Chart,
        tell: &mut impl FnMut(Told),
    ) {
        let (list, index) = chart.position(step);
        if list != List::Exit {
            return;
        }
        let Some((_, next)) = self.open.last_mut() else {
            return;
        };
        if index < *next {
            let again =
                index.saturating_add(1) < *next || (first && chart.step(step).for_each.is_none());
            if again {
                tell(Told::Breach(Breach::ExitTwice(step)));
            }
            return;
        }
        if index > *next {
            let skipped = chart
                .steps_of(chart.owner(step), List::Exit)
                .nth(*next as usize);
            if let Some(skipped) = skipped {
                tell(Told::Breach(Breach::ExitNotRun(skipped)));
            }
        }
        *next = index.saturating_add(1);
    }

    fn step_ended(&mut self, step: StepId, failed: bool, then: AfterTry, chart: &Chart) {
        match then {
            // What is forgiven on the way out leaves what is under way as it was.
            AfterTry::Forgiven | AfterTry::Recorded
                if matches!(chart.position(step).0, List::Enter | List::Do) =>
            {
                self.failed = false;
            }
            AfterTry::Raised | AfterTry::Again { .. }
                if failed && chart.position(step).0 != List::Exit =>
            {
                self.failed |= chart.step(step).recovery || self.recovery();
            }
            _ => {}
        }
    }
}
