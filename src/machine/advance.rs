//! The machine, and the one match from what happened to what follows.

use std::sync::Arc;
use std::time::Duration;

use super::configuration::{Configuration, Cursor, Fault, Flight, Frame, Halt, Next};
use super::place::List;
use super::{
    Answer, Bound, Chart, Decision, Event, Fact, Moment, Outcome, StateId, TrackId, TrackValue,
    Turn,
};
use crate::recipe::ErrorKind;

/// How long a try that a bound or a signal stops may take to end.
pub const GRACE: Duration = Duration::from_secs(5);

/// How long it may take once a second signal came.
pub const LAST_GRACE: Duration = Duration::from_secs(1);

/// Small steps in one turn. A recipe that does more without any time passing (a long list of items
/// that are all passed over) goes on in the next turn, so that a turn's length and facts are bounded.
const STEPS_PER_TURN: u32 = 10_000;

/// A run of a stage, as a value: a clone is a fork of the run.
#[derive(Clone, Debug)]
pub struct Machine {
    chart: Arc<Chart>,
    at: Configuration,
}

impl Machine {
    /// A run that has not begun. `seed` decides what jitter takes off delays.
    pub fn new(chart: Arc<Chart>, seed: u64) -> Self {
        let at = Configuration::new(chart.tracks.len(), seed);
        Self::standing(chart, at)
    }

    pub(super) fn standing(chart: Arc<Chart>, at: Configuration) -> Self {
        Self { chart, at }
    }

    /// What it runs.
    pub fn chart(&self) -> &Arc<Chart> {
        &self.chart
    }

    /// Where it stands.
    pub fn configuration(&self) -> &Configuration {
        &self.at
    }

    pub(super) fn configuration_mut(&mut self) -> &mut Configuration {
        &mut self.at
    }

    /// The scopes that owe their exit steps, outermost first.
    pub fn open_scopes(&self) -> impl Iterator<Item = StateId> + '_ {
        let entered = |frame: &&Frame| frame.active && frame.retried.is_none();
        let entered = self.at.frames.iter().filter(entered);
        let states = entered.map(|frame| frame.state);
        states.filter(|state| self.chart.is_scope(*state))
    }

    /// What happened, and when, gives what became true, and the one thing to do next.
    ///
    /// Total: every event has an answer in every configuration. One that does not fit what is awaited
    /// (a stale id, an early [`Event::Due`]) changes nothing, and is answered with what is awaited:
    /// [`Decision::Wait`] for a try or a pause that goes on, never [`Decision::Try`] again; a question
    /// is asked again. A clock that steps back stands still.
    pub fn advance(&mut self, event: Event, now: Moment) -> Turn {
        let mut facts = Vec::new();
        let next = self.advance_into(event, now, &mut facts);
        Turn { facts, next }
    }

    /// [`Machine::advance`] with a buffer for the facts, which are added to it.
    pub fn advance_into(&mut self, event: Event, now: Moment, facts: &mut Vec<Fact>) -> Decision {
        self.at.now = self.at.now.max(now);
        Run {
            chart: &self.chart,
            at: &mut self.at,
            facts,
        }
        .react(event)
    }
}

/// A machine in the middle of a turn.
pub(super) struct Run<'m> {
    pub(super) chart: &'m Chart,
    pub(super) at: &'m mut Configuration,
    pub(super) facts: &'m mut Vec<Fact>,
}

impl Run<'_> {
    fn react(&mut self, event: Event) -> Decision {
        if let Next::Finished(ending) = self.at.next {
            return Decision::Finish(ending);
        }
        if let Next::Running { fresh, .. } = &mut self.at.next
            && event != Event::Unjournalled
        {
            *fresh = false;
        }
        match event {
            Event::Begin => match self.at.next {
                Next::New => self.begin(),
                Next::Reopened => self.at.next = Next::Leave,
                _ => return self.awaited(),
            },
            Event::Cancel(signal) => return self.cancel(signal),
            Event::Unjournalled => return self.lose_journal(),
            _ if self.at.yielded => match event {
                Event::Due => {}
                _ => return self.awaited(),
            },
            Event::Answer(answer) => match self.at.next {
                Next::Asking(_, question) => self.answered(question, answer.ok()),
                Next::Closing(_) => self.at.next = Next::Close,
                _ => return self.awaited(),
            },
            Event::Ended { id, outcome } => match self.at.next {
                Next::Running { id: running, .. } if running == id => self.ended(outcome),
                Next::Stopping { id: stopping, .. } if stopping == id => self.stopped(),
                _ => return self.awaited(),
            },
            Event::Due => match self.at.next {
                Next::Running {
                    id,
                    limit: Some(limit),
                    depth,
                    ..
                } if limit.at <= self.at.now => return self.stop(id, limit.bound, depth, GRACE),
                Next::Stopping { grace, .. } if grace <= self.at.now => self.stopped(),
                Next::StepPausing(until) if until <= self.at.now => {
                    self.at.next = Next::StepResume;
                }
                Next::Pausing(until) if until <= self.at.now => self.at.next = Next::Resume,
                // A signal came before it began.
                Next::Reopened => self.at.next = Next::Leave,
                _ => return self.awaited(),
            },
        }
        self.go_on()
    }

    /// Small steps until one yields a decision.
    pub(super) fn go_on(&mut self) -> Decision {
        self.at.yielded = false;
        for _ in 0..STEPS_PER_TURN {
            if let Some(decision) = self.small_step() {
                return decision;
            }
        }
        self.at.yielded = true;
        self.awaited()
    }

    fn small_step(&mut self) -> Option<Decision> {
        match self.at.next {
            Next::Reached => self.reached(),
            Next::Item => self.item(),
            Next::Bound => self.bound(),
            Next::Retry => self.retry(),
            Next::Vars => self.vars(),
            Next::Enter => self.enter(),
            Next::Initial => self.initial(),
            Next::Route => self.route(),
            Next::Leave => self.leave(),
            Next::Close => self.close(),
            Next::Left => self.left(),
            Next::Resume => self.resume(),
            Next::ItemOver => self.item_over(),
            Next::Follow(row) => self.follow(row),
            Next::Catch => self.catch(),
            Next::Out => self.out(),
            Next::Step => self.step(),
            Next::StepItem => self.step_item(),
            Next::StepPlan => self.step_plan(),
            Next::StepBound => self.step_bound(),
            Next::StepTry => self.step_try(),
            Next::StepBegin => return self.step_begin(),
            Next::StepResume => self.step_resume(),
            Next::New
            | Next::Reopened
            | Next::Asking(..)
            | Next::Running { .. }
            | Next::Stopping { .. }
            | Next::StepPausing(_)
            | Next::Pausing(_)
            | Next::Closing(_)
            | Next::Finished(_) => return Some(self.awaited()),
        }
        None
    }

    /// What is awaited now: the decision, or its remainder.
    pub(super) fn awaited(&self) -> Decision {
        let until = match self.at.next {
            Next::Asking(ask, _) => return Decision::Ask(ask),
            Next::Closing(step) => return Decision::Close { step },
            Next::Finished(ending) => return Decision::Finish(ending),
            Next::New => None,
            Next::Running { limit, .. } => limit.map(|limit| limit.at),
            Next::Stopping { grace: until, .. }
            | Next::StepPausing(until)
            | Next::Pausing(until) => Some(until),
            _ => Some(self.at.now),
        };
        Decision::Wait { until }
    }

    fn begin(&mut self) {
        self.at.begun = self.at.now;
        let root = self.chart.root();
        let timeout = None;
        self.push(root, 1, Bound::State(root), timeout, false);
        self.at.next = Next::Bound;
    }

    /// A frame for a visit of `state`. `around` tells whether anything around it has `recovery`.
    pub(super) fn push(
        &mut self,
        state: StateId,
        visit: u32,
        bound: Bound,
        timeout: Option<Duration>,
        around: bool,
    ) {
        let recovery = around || self.chart.state(state).recovery;
        let length = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        self.at.frames.push(Frame {
            state,
            visit,
            item: 0,
            count: None,
            active: false,
            timeout,
            limit: None,
            bound,
            plan: super::RetryPlan::ONCE,
            tries: 1,
            delay: 0,
            retried: None,
            recovery,
            recovery_around: around,
            visits_from: length(self.at.visits.len()),
            opened_from: length(self.at.opened.len()),
            outcome: Outcome::Ok,
            failed: None,
            cursor: Cursor::NONE,
        });
    }

    pub(super) fn top(&self) -> &Frame {
        let top = self.at.frames.last();
        top.expect("a run that has begun and not finished visits the stage at least")
    }

    pub(super) fn top_mut(&mut self) -> &mut Frame {
        let top = self.at.frames.last_mut();
        top.expect("a run that has begun and not finished visits the stage at least")
    }

    /// How many activations are on the stack: the innermost frame may not be one yet, or any more.
    pub(super) fn depth(&self) -> u32 {
        let around = self.at.frames.last().is_some_and(|top| !top.active);
        u32::try_from(self.at.frames.len())
            .unwrap_or(u32::MAX)
            .saturating_sub(u32::from(around))
    }

    /// Whether the innermost frame runs its exit steps.
    pub(super) fn is_leaving(&self) -> bool {
        let top = self.top();
        top.active && top.cursor.list == List::Exit
    }

    /// Puts an error in flight, in the place of another where there is one. While a retry waits, the
    /// error that was to be retried lends its flag, and a halt does not replace it.
    pub(super) fn raise(&mut self, mut fault: Fault, cause: Option<Fault>) {
        let waiting = self.top().retried;
        if let (true, Some(retried)) = (fault.halting, waiting) {
            self.at.flight = Flight::Error(retried);
            return;
        }
        let lends = |fault: Option<Fault>| fault.is_some_and(|fault| fault.recovery);
        if !fault.halting && (lends(cause) || lends(waiting)) {
            fault.recovery = true;
        }
        let cause = cause.or(waiting);
        self.facts.push(Fact::Raised {
            kind: fault.kind,
            state: fault.state,
            step: fault.step,
            recovery: fault.recovery,
            bound: fault.hit,
            cause: cause.map(|cause| cause.kind),
            reason: fault.reason,
        });
        self.at.flight = Flight::Error(fault);
    }

    /// What a signal or a lost journal puts in flight.
    pub(super) fn halted(&self) -> Option<Fault> {
        let (kind, bound) = match self.at.halt? {
            Halt::Signal(signal) => (ErrorKind::Cancelled, Some(Bound::Signal(signal))),
            Halt::Journal => (ErrorKind::Io, Some(Bound::Journal)),
            Halt::Killed => (ErrorKind::Cancelled, None),
        };
        let recovery = kind == ErrorKind::Io && self.recovery();
        Some(Fault {
            hit: bound,
            halting: true,
            ..Fault::new(kind, self.top().state, recovery)
        })
    }

    /// Whether any activation on the stack, or a call on it, has `recovery`.
    pub(super) fn recovery(&self) -> bool {
        let top = self.top();
        if top.active {
            top.recovery
        } else {
            top.recovery_around
        }
    }

    pub(super) fn track(&mut self, track: TrackId, value: TrackValue) {
        if let Some(known) = self.at.tracks.get_mut(usize::from(track.0))
            && *known != value
        {
            *known = value;
            self.facts.push(Fact::Tracked { track, value });
        }
    }

    pub(super) fn ask(&mut self, ask: super::AskId, question: super::configuration::Question) {
        self.at.next = Next::Asking(ask, question);
    }
}

/// An answer of the kind that was asked for; anything else is no value.
pub(super) fn truth(answer: Option<Answer>) -> Option<bool> {
    match answer {
        Some(Answer::Truth(holds)) => Some(holds),
        _ => None,
    }
}
