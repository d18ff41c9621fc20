//! What an explorer needs of a run besides driving it: whether two runs stand alike, where one stands,
//! and time that passes when the explorer says so.
//!
//! An explorer's clock stands still. A bound is hit because it was pulled to the present
//! ([`Machine::pull`]), so the same situation at another hour is the same situation, and what is left
//! of a bound never splits two of them.

use std::hash::{Hash, Hasher};

use super::configuration::{Configuration, Fault, Flight, Frame, Next};
use super::place::List;
use super::{Bound, Chart, Limit, Machine, Moment, StateId, StepId, TrackId};
use crate::recipe::{ErrorKind, KindSet};

/// One state being visited, as an explorer sees it.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// The state.
    pub state: StateId,
    /// Entered and not yet done with. Else the machine is around it: a guard, the next item, its `next`.
    pub active: bool,
    /// The list of steps at work, or the last that was.
    pub list: List,
    /// The step in hand; that list's end once it is over.
    pub step: StepId,
    /// When it must be over, if it is active and has a bound.
    pub limit: Option<Moment>,
    /// Whose bound that is.
    pub bound: Bound,
    /// Further tries are left to it.
    pub can_retry: bool,
    /// A further item is left to it.
    pub has_more_items: bool,
    /// The step in hand has a further item or try left.
    pub step_comes_again: bool,
    /// It pauses before a further try, or runs the steps between two.
    pub is_between: bool,
}

/// What is pulled to the present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pull {
    /// What is awaited: the running try's own limit, or the end of a pause.
    Awaited,
    /// The bound of the activation at this depth; 0 is the stage's.
    Bound(u32),
}

impl Configuration {
    /// The states being visited, the stage first.
    pub fn standings(&self) -> impl DoubleEndedIterator<Item = Standing> + ExactSizeIterator + '_ {
        self.frames.iter().map(|frame| Standing {
            state: frame.state,
            active: frame.active,
            list: frame.cursor.list,
            step: frame.cursor.id(),
            limit: frame.limit.filter(|_| frame.active),
            bound: frame.bound,
            can_retry: frame.tries < frame.plan.attempts,
            has_more_items: frame
                .count
                .is_some_and(|count| frame.item.saturating_add(1) < count),
            step_comes_again: frame.cursor.number < frame.cursor.plan.attempts
                || frame
                    .cursor
                    .count
                    .is_some_and(|count| frame.cursor.item.saturating_add(1) < count),
            is_between: frame.cursor.list == List::Between,
        })
    }

    /// Whether the innermost state runs exit steps, which only their own bound cuts.
    pub fn is_leaving(&self) -> bool {
        let top = self.frames.last();
        top.is_some_and(|top| top.active && top.cursor.list == List::Exit)
    }

    /// Whether a retry's delay is awaited.
    pub fn is_pausing(&self) -> bool {
        matches!(self.next, Next::Pausing(_) | Next::StepPausing(_))
    }

    /// Whether a try runs or is being stopped.
    pub fn is_running(&self) -> bool {
        matches!(self.next, Next::Running { .. } | Next::Stopping { .. })
    }

    /// The try that runs, or the next one of the step in hand, and how many there may be.
    pub fn try_in_hand(&self) -> Option<(StepId, u32, u32)> {
        let cursor = &self.frames.last()?.cursor;
        Some((cursor.id(), cursor.number, cursor.plan.attempts))
    }

    /// What the running try's own bound is: `None` where it runs as long as those around it let it.
    pub fn is_bounded_by_step(&self) -> bool {
        let running = match self.next {
            Next::Running { limit, .. } => limit,
            _ => None,
        };
        running.is_some_and(|limit| matches!(limit.bound, Bound::Step(_)))
    }

    /// Feeds a hasher what decides how the run goes on, and nothing else, so that runs that will go on
    /// alike are one.
    ///
    /// Moments go in as distances from now. Left out are: numbers of tries begun, which only name them;
    /// the seed and the last delays, which decide how long a pause is, not what follows it; visits of a
    /// state without `max_visits`, and a visit's own number, which nothing asks for; what a left scope
    /// remembers until it is entered anew; the place of a signal. An error keeps its kind, its flag and
    /// what bounds it; where it was raised (with `places`, or where the flag is set) is for reports.
    pub fn situation(&self, chart: &Chart, places: bool, into: &mut impl Hasher) {
        let key = Key {
            at: self,
            chart,
            places,
        };
        key.feed(into);
    }
}

struct Key<'c> {
    at: &'c Configuration,
    chart: &'c Chart,
    places: bool,
}

impl Key<'_> {
    fn feed(&self, into: &mut impl Hasher) {
        let at = self.at;
        std::mem::discriminant(&at.next).hash(into);
        match at.next {
            Next::Follow(row) => row.hash(into),
            Next::Asking(ask, question) => {
                ask.hash(into);
                std::mem::discriminant(&question).hash(into);
                if let super::configuration::Question::Reading { set, .. } = question {
                    set.hash(into);
                }
            }
            Next::Running { limit, depth, .. } => {
                limit.map(|limit| self.relative(limit.at)).hash(into);
                depth.hash(into);
            }
            Next::Stopping { why, depth, .. } => {
                why.hash(into);
                depth.hash(into);
            }
            Next::StepPausing(until) | Next::Pausing(until) => self.relative(until).hash(into),
            Next::Closing(step) => step.hash(into),
            Next::Finished(ending) => {
                ending.end.hash(into);
                if self.places || matches!(ending.end, super::End::Unrecoverable) {
                    (ending.state, ending.step, ending.kind).hash(into);
                }
            }
            _ => {}
        }
        at.yielded.hash(into);
        std::mem::discriminant(&at.flight).hash(into);
        match at.flight {
            Flight::None => {}
            Flight::Error(fault) => self.fault(&fault, into),
            Flight::Move { to, caught } => {
                to.hash(into);
                self.maybe(caught, into);
            }
            Flight::End { state, end, status } => (state, end, status).hash(into),
        }
        at.frames.len().hash(into);
        for frame in &at.frames {
            self.frame(frame, into);
        }
        let mut visits = at.visits.iter();
        for frame in &at.frames {
            if frame.active && self.chart.is_scope(frame.state) {
                // Once a scope leaves, it is done with or entered anew.
                let counts = frame.cursor.list == List::Enter;
                for (child, visits) in self.chart.children(frame.state).zip(visits.by_ref()) {
                    if counts && self.chart.state(child).max_visits.is_some() {
                        visits.hash(into);
                    }
                }
            }
        }
        at.opened.hash(into);
        at.tracks.hash(into);
        at.halt.hash(into);
        at.cancel.map(|(signal, ..)| signal).hash(into);
        at.abandoned.hash(into);
    }

    fn frame(&self, frame: &Frame, into: &mut impl Hasher) {
        frame.state.hash(into);
        (frame.item, frame.count, frame.active, frame.tries).hash(into);
        (frame.timeout, frame.bound, frame.plan.attempts).hash(into);
        frame.limit.map(|limit| self.relative(limit)).hash(into);
        (frame.recovery, frame.recovery_around).hash(into);
        self.maybe(frame.retried, into);
        let cursor = &frame.cursor;
        if frame.active && cursor.list == List::Exit {
            frame.outcome.hash(into);
            self.maybe(frame.failed, into);
        }
        (cursor.list, cursor.step, cursor.item, cursor.count).hash(into);
        (cursor.number, cursor.plan.attempts).hash(into);
        (cursor.timeout, cursor.timeout_known, cursor.plan_known).hash(into);
        self.maybe(cursor.retried, into);
    }

    fn maybe(&self, fault: Option<Fault>, into: &mut impl Hasher) {
        fault.is_some().hash(into);
        if let Some(fault) = fault {
            self.fault(&fault, into);
        }
    }

    fn fault(&self, fault: &Fault, into: &mut impl Hasher) {
        (fault.kind, fault.recovery, fault.bound, fault.from_exit).hash(into);
        (fault.marked, fault.halting).hash(into);
        if self.places || fault.recovery {
            (fault.state, fault.step, fault.hit, fault.reason).hash(into);
        }
    }

    fn relative(&self, moment: Moment) -> std::time::Duration {
        moment.0.saturating_sub(self.at.now.0)
    }
}

impl Machine {
    /// Makes a bound's or a pause's moment the present one, as if so much time had passed already.
    /// [`super::Event::Due`] then finds it hit. What is not awaited, or has no bound, stays as it is.
    pub fn pull(&mut self, what: Pull) {
        let leaving = self.configuration().is_leaving();
        let at = self.configuration_mut();
        let now = at.now;
        let (bound, depth) = match what {
            Pull::Awaited => match &mut at.next {
                Next::Running {
                    limit: Some(limit), ..
                } => return limit.at = now,
                Next::StepPausing(until) | Next::Pausing(until) => return *until = now,
                _ => return,
            },
            Pull::Bound(depth) => {
                let frame = at.frames.get_mut(depth as usize);
                let Some(frame) = frame.filter(|frame| frame.active && frame.limit.is_some())
                else {
                    return;
                };
                frame.limit = Some(now);
                (frame.bound, depth)
            }
        };
        if leaving {
            return;
        }
        match &mut at.next {
            Next::Running {
                limit,
                depth: whose,
                ..
            } => (*limit, *whose) = (Some(Limit { at: now, bound }), Some(depth)),
            Next::StepPausing(until) | Next::Pausing(until) => *until = now,
            _ => {}
        }
    }
}

impl Chart {
    /// Tracked values that a step changes.
    pub fn sets(&self, step: StepId) -> impl Iterator<Item = TrackId> + '_ {
        let node = self.steps.get(step.index());
        node.into_iter()
            .flat_map(|node| node.sets.iter().map(|set| set.track))
    }

    /// Whether any step needs a tracked value, or the stage ensures one.
    pub fn has_needs(&self) -> bool {
        !self.ensures_success.is_empty()
            || self.ensures_always()
            || self.steps.iter().any(|node| !node.needs.is_empty())
    }

    /// Whether the stage ensures something however it ends.
    pub fn ensures_always(&self) -> bool {
        !self.ensures_always.is_empty()
    }

    /// Tells the sets of kinds that a step's modifiers tell apart from the others.
    pub fn kinds_of_step(&self, step: StepId, tell: &mut impl FnMut(KindSet)) {
        // In a scope at work the step in hand may be its list's end.
        let Some(node) = self.steps.get(step.index()) else {
            return;
        };
        if let Some(rule) = node.retry {
            tell(rule.errors);
        }
        tell(node.forgives);
        if node.step.continue_on_item_error {
            tell(KindSet::of(&[ErrorKind::Cancelled]));
        }
    }

    /// Tells the sets of kinds that a state's `retry` and `catch` tell apart from the others.
    pub fn kinds_of_state(&self, state: StateId, tell: &mut impl FnMut(KindSet)) {
        let node = self.node(state);
        if let Some(rule) = node.retry {
            tell(rule.errors);
        }
        for row in &node.catch {
            if let Some(kind) = row.kind {
                tell(KindSet::of(&[kind]));
            }
        }
    }
}
