//! Where a run stands (SCXML's word): the stack of activations, what is in flight, what comes next.

use std::time::Duration;

use super::place::List;
use super::{
    AskId, Bound, Ending, Limit, Moment, Outcome, Reason, RetryPlan, Signal, StateId, StepId,
    TrackId, TrackValue, TryId,
};
use crate::recipe::ErrorKind;
use crate::recipe::model::EndKind;

/// Where a run stands. Two runs of one chart that are equal in this go on alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Configuration {
    /// Never steps back.
    pub(super) now: Moment,
    pub(super) begun: Moment,
    pub(super) next: Next,
    /// One turn had too much to do; it goes on at once.
    pub(super) yielded: bool,
    pub(super) flight: Flight,
    /// States being visited, the stage first; each with the step that it has in hand.
    pub(super) frames: Vec<Frame>,
    /// Visits per child of each open scope, those of inner scopes behind those of outer ones.
    pub(super) visits: Vec<u32>,
    /// Enter steps whose work is open, likewise.
    pub(super) opened: Vec<StepId>,
    pub(super) tracks: Vec<TrackValue>,
    /// Why nothing new begins any more.
    pub(super) halt: Option<Halt>,
    /// The first signal, and where it struck.
    pub(super) cancel: Option<(Signal, StateId, Option<StepId>)>,
    /// A second signal: exit steps are left to the next start.
    pub(super) abandoned: bool,
    pub(super) next_try: u32,
    pub(super) seed: u64,
}

/// What stops the run from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Halt {
    Signal(Signal),
    Journal,
    /// The run was killed; this one leaves what it had open.
    Killed,
}

/// What goes on outward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Flight {
    /// Nothing: normal operation.
    None,
    /// An error. `cancelled` is one, too.
    Error(Fault),
    /// A transition, and the error that was caught for it.
    Move { to: StateId, caught: Option<Fault> },
    /// An end.
    End {
        state: StateId,
        end: EndKind,
        status: u8,
    },
}

impl Flight {
    /// The outcome of a scope or leaf that is left by this.
    pub(super) fn outcome(self) -> Outcome {
        match self {
            Self::None => Outcome::Ok,
            Self::Error(fault) => Outcome::Failed(fault.kind),
            Self::Move { caught, .. } => {
                caught.map_or(Outcome::Ok, |fault| Outcome::Failed(fault.kind))
            }
            Self::End { end, .. } => match end {
                EndKind::Success => Outcome::Ok,
                EndKind::Failure => Outcome::Failure,
                EndKind::Unrecoverable => Outcome::Unrecoverable,
            },
        }
    }

    /// The error that it carries.
    pub(super) fn fault(self) -> Option<Fault> {
        match self {
            Self::Error(fault) => Some(fault),
            Self::Move { caught, .. } => caught,
            Self::None | Self::End { .. } => None,
        }
    }
}

/// An error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fault {
    pub(super) kind: ErrorKind,
    pub(super) state: StateId,
    pub(super) step: Option<StepId>,
    pub(super) recovery: bool,
    /// Depth of the frame whose bound was hit: none inside it takes the error.
    pub(super) bound: Option<u32>,
    /// What was hit, for reports.
    pub(super) hit: Option<Bound>,
    /// Depth of the scope whose exit step raised it: its own retry does not take it.
    pub(super) from_exit: Option<u32>,
    /// Of an exit step that is marked `recovery`: goes before everything in flight.
    pub(super) marked: bool,
    /// Comes of a signal or a lost journal: nothing takes it.
    pub(super) halting: bool,
    pub(super) reason: Reason,
}

impl Fault {
    pub(super) fn new(kind: ErrorKind, state: StateId, recovery: bool) -> Self {
        Self {
            kind,
            state,
            step: None,
            recovery,
            bound: None,
            hit: None,
            from_exit: None,
            marked: false,
            halting: false,
            reason: Reason::Itself,
        }
    }
}

/// A state being visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Frame {
    pub(super) state: StateId,
    pub(super) visit: u32,
    /// The item, and how many there are, of a `for_each` under way.
    pub(super) item: u32,
    pub(super) count: Option<u32>,
    /// Entered and not yet done with: an activation. Else the machine is around it (a guard, the next
    /// item, `next`, `catch`).
    pub(super) active: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) limit: Option<Moment>,
    /// What its limit is called.
    pub(super) bound: Bound,
    pub(super) plan: RetryPlan,
    pub(super) tries: u32,
    /// The last delay before jitter, in milliseconds.
    pub(super) delay: u64,
    /// The error that is to be retried, from the pause to the next entry.
    pub(super) retried: Option<Fault>,
    /// Whether it, or anything around it, has `recovery`.
    pub(super) recovery: bool,
    /// Whether anything around it has.
    pub(super) recovery_around: bool,
    pub(super) visits_from: u32,
    pub(super) opened_from: u32,
    /// Fixed when leaving begins.
    pub(super) outcome: Outcome,
    /// The failed exit step that may be raised: the first, or the first that is marked.
    pub(super) failed: Option<Fault>,
    pub(super) cursor: Cursor,
}

/// Where a list of steps stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Cursor {
    pub(super) list: List,
    pub(super) step: u32,
    pub(super) end: u32,
    pub(super) item: u32,
    pub(super) count: Option<u32>,
    pub(super) number: u32,
    pub(super) timeout: Option<Duration>,
    pub(super) timeout_known: bool,
    pub(super) plan: RetryPlan,
    pub(super) plan_known: bool,
    pub(super) delay: u64,
    /// The error that is to be retried.
    pub(super) retried: Option<Fault>,
}

impl Cursor {
    pub(super) const NONE: Self = Self {
        list: List::Enter,
        step: 0,
        end: 0,
        item: 0,
        count: None,
        number: 0,
        timeout: None,
        timeout_known: false,
        plan: RetryPlan::ONCE,
        plan_known: false,
        delay: 0,
        retried: None,
    };

    pub(super) fn id(&self) -> StepId {
        StepId(self.step)
    }
}

/// The next small step, or what is awaited. All but `New` and `Finished` are about the innermost
/// frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Next {
    New,
    /// Put to where a killed run stood; it leaves.
    Reopened,
    /// `when` holds.
    Reached,
    /// The next item, or the only one.
    Item,
    /// Its bound, retry and vars, before it is pushed.
    Bound,
    Retry,
    Vars,
    Enter,
    /// Enter steps are done.
    Initial,
    /// The scope's child is done with: complete, moved on, failed.
    Route,
    Leave,
    Close,
    Left,
    /// A pause is over.
    Resume,
    /// An activation is popped, or its item was never pushed.
    ItemOver,
    Follow(u32),
    Catch,
    Out,
    Step,
    StepItem,
    StepPlan,
    StepBound,
    StepTry,
    StepBegin,
    StepResume,
    Asking(AskId, Question),
    Running {
        id: TryId,
        limit: Option<Limit>,
        /// Depth of the frame whose bound it is; none: the step's own.
        depth: Option<u32>,
        /// The decision to start it is the last that was given.
        fresh: bool,
    },
    Stopping {
        id: TryId,
        why: Bound,
        depth: Option<u32>,
        grace: Moment,
    },
    StepPausing(Moment),
    Pausing(Moment),
    Closing(StepId),
    Finished(Ending),
}

/// What an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Question {
    When,
    Items,
    Timeout,
    Retry,
    Vars,
    Row(u32),
    ExitStatus,
    StepWhen,
    StepItems,
    StepTimeout,
    StepRetry,
    Arguments,
    Returns,
    Reading { id: TryId, set: u32 },
}

impl Configuration {
    pub(super) fn new(tracks: usize, seed: u64) -> Self {
        Self {
            now: Moment::START,
            begun: Moment::START,
            next: Next::New,
            yielded: false,
            flight: Flight::None,
            frames: Vec::new(),
            visits: Vec::new(),
            opened: Vec::new(),
            tracks: vec![TrackValue::Untouched; tracks],
            halt: None,
            cancel: None,
            abandoned: false,
            next_try: 0,
            seed,
        }
    }

    /// The latest moment that the machine was told.
    pub fn now(&self) -> Moment {
        self.now
    }

    /// What is known of a tracked value.
    pub fn track(&self, track: TrackId) -> TrackValue {
        let known = self.tracks.get(usize::from(track.0));
        known.copied().unwrap_or(TrackValue::Unknown)
    }

    /// The states being visited, the stage first; after a call's state comes the procedure's root.
    pub fn states(&self) -> impl Iterator<Item = StateId> + '_ {
        self.frames.iter().map(|frame| frame.state)
    }

    /// The first signal, once one came.
    pub fn cancelled(&self) -> Option<Signal> {
        self.cancel.map(|(signal, ..)| signal)
    }

    /// How the run ended, once it has.
    pub fn ending(&self) -> Option<Ending> {
        match self.next {
            Next::Finished(ending) => Some(ending),
            _ => None,
        }
    }
}
