//! What goes into the machine and what comes out of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{AskId, Moment, StateId, StepId, TrackId, TryId};
use crate::recipe::ErrorKind;

/// What the driver tells the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Enter the stage.
    Begin,
    /// The value last asked for, or why it has none.
    Answer(Result<Answer, ErrorKind>),
    /// A try came to its end, by itself or because it was stopped.
    Ended {
        /// Which.
        id: TryId,
        /// How.
        outcome: Outcome,
    },
    /// The moment named by the last decision has come.
    Due,
    /// SIGINT or SIGTERM. Exit steps still run.
    Cancel(Signal),
    /// The journal can't be written, and the last decision was not carried out. Comes once at most:
    /// begin nothing new, leave what is open.
    Unjournalled,
}

/// How a try or a scope ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Well.
    Ok,
    /// With an error (`Cancelled` included).
    Failed(ErrorKind),
    /// A scope only: by `end: failure`.
    Failure,
    /// A scope only: by `end: unrecoverable`.
    Unrecoverable,
}

/// The signals that cancel a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Signal {
    /// SIGINT.
    Int,
    /// SIGTERM.
    Term,
}

/// What the world computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A guard ([`AskKind::When`], [`AskKind::Row`]).
    Truth(bool),
    /// The length of a list ([`AskKind::Items`]).
    Count(u32),
    /// A bound ([`AskKind::Timeout`]); `None`: no bound.
    After(Option<Duration>),
    /// A retry ([`AskKind::Retry`]).
    Retry(RetryPlan),
    /// An exit status ([`AskKind::ExitStatus`]), as computed; the machine checks it.
    Status(i64),
    /// What a gear was read to be ([`AskKind::Reading`]): a place in the list of its values; `None`:
    /// none of them.
    Reading(Option<u16>),
    /// The world has done it, and holds the values aside ([`AskKind::Vars`], [`AskKind::Arguments`],
    /// [`AskKind::Returns`]).
    Done,
}

/// The numbers of a `retry`, computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RetryPlan {
    /// All tries, from 1.
    pub attempts: u32,
    /// Before try 2.
    pub delay: Duration,
    /// `round(1000 × backoff)`, from 1000.
    pub backoff_milli: u64,
    /// The longest delay.
    pub max_delay: Duration,
    /// `round(1000 × jitter)`, 0 to 1000.
    pub jitter_milli: u64,
}

/// One question in the chart's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ask {
    /// What is asked for.
    pub kind: AskKind,
    /// Of which state or step.
    pub of: Site,
}

/// Where a question, an item or an error belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Site {
    /// A state.
    State(StateId),
    /// A step.
    Step(StepId),
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AskKind {
    /// `when` of a state or step.
    When,
    /// The guard of a row of a state's `next`.
    Row(u32),
    /// The length of `for_each`, evaluated now; the world keeps the items until the list is done.
    Items,
    /// A templated `timeout` (of `commands`: by its lines).
    Timeout,
    /// A `retry` that has a template in it.
    Retry,
    /// `exit_status` of an end.
    ExitStatus,
    /// `vars` of a state: evaluate them now and hold them aside until `StateEntered`. Of the stage's
    /// root also where it has none but the recipe has; the recipe's own are set at its first entry.
    Vars,
    /// `with` of a call: evaluate and check it now, hold it aside until `CallEntered`.
    Arguments,
    /// `returns` of the procedure that the call step has just left: hold it aside until `CallLeft`.
    Returns,
    /// What the output of a step that just ended well (`read` of a gear) says of this tracked value.
    Reading(TrackId),
}

/// The one thing the driver does next.
#[must_use = "a dropped decision leaves the board half-way"]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Compute this; answer `Answer`.
    Ask(AskId),
    /// Start this try; answer `Ended`, or `Due` once the limit has passed. Comes a second time with the
    /// same id only after [`Event::Unjournalled`], which says that it was not started.
    Try {
        /// The try.
        id: TryId,
        /// What to do.
        step: StepId,
        /// The earliest of its own and the outer limits; `None`: nothing bounds it.
        limit: Option<Limit>,
    },
    /// Ask the running try to stop; answer `Ended`, or `Due` once `grace` has passed (after killing it).
    /// May come again for the same try, with an earlier grace (a second signal).
    Stop {
        /// The try.
        id: TryId,
        /// Why.
        why: Bound,
        /// Until when it may take its time.
        grace: Moment,
    },
    /// Nothing new: a pause, or a try that goes on. Answer `Due` at that moment (never, where `None`),
    /// or whatever happens before. The moment may be now: the machine bounds the work of one turn.
    Wait {
        /// When `Due` is due.
        until: Option<Moment>,
    },
    /// A scope's own work of an enter step (`capture`, `serve`) ends now: close it, answer `Answer(Ok(Done))`.
    Close {
        /// The enter step that opened it.
        step: StepId,
    },
    /// The run is over.
    Finish(Ending),
}

/// When a try must be over, and whose bound that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limit {
    /// The moment.
    pub at: Moment,
    /// Whose.
    pub bound: Bound,
}

/// What cuts a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bound {
    /// The step's own `timeout`.
    Step(StepId),
    /// The `timeout` of a state, stage, procedure.
    State(StateId),
    /// The `timeout` of a call.
    Call(StepId),
    /// A signal.
    Signal(Signal),
    /// The journal can't be written.
    Journal,
}

/// What a tracked value is known to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TrackValue {
    /// As we found it.
    #[default]
    Untouched,
    /// It may have changed.
    Unknown,
    /// One of its values, by its place in the declared list.
    Known(u16),
}

/// Something that became true: a line of the journal, and what reports are made of. Written before
/// the effect that it announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A state was entered: from here a scope owes its exit steps. A scope's retry enters anew.
    StateEntered {
        /// Which.
        state: StateId,
        /// Its visit in this activation of the scope around it, from 1.
        visit: u32,
        /// The item, from 0, of a state with `for_each`.
        item: Option<u32>,
        /// The try, from 1, and how many there may be.
        attempt: u32,
        /// How many tries there may be.
        of: u32,
        /// Its limit, once pushed.
        limit: Option<Moment>,
    },
    /// Its `when` was false.
    StatePassed {
        /// Which.
        state: StateId,
        /// Its visit.
        visit: u32,
    },
    /// A choice or an end was reached.
    StateReached {
        /// Which.
        state: StateId,
        /// Its visit.
        visit: u32,
    },
    /// A failure's `exit_status` is one that it may not have: 1 is given.
    StatusReplaced {
        /// The end.
        state: StateId,
        /// What was asked for.
        asked: i64,
    },
    /// A transition was taken.
    Moved {
        /// From.
        from: StateId,
        /// To; `None`: `done`.
        to: Option<StateId>,
    },
    /// A leaf was left.
    LeafLeft {
        /// Which.
        state: StateId,
        /// How it ended.
        because: Outcome,
    },
    /// A scope begins to leave: `outcome` is set, exit steps follow.
    ScopeLeaving {
        /// Which.
        state: StateId,
        /// Its outcome, fixed from here.
        because: Outcome,
    },
    /// A scope has left: its exit steps were all tried.
    ScopeLeft {
        /// Which.
        state: StateId,
        /// Its outcome.
        because: Outcome,
    },
    /// A `for_each` goes on to this item.
    ItemBegun {
        /// Of which state or step.
        of: Site,
        /// From 0.
        index: u32,
        /// How many there are.
        count: u32,
    },
    /// An item failed, and `on_item_error: continue` goes on.
    ItemFailed {
        /// Of which state or step.
        of: Site,
        /// From 0.
        index: u32,
        /// Its error.
        kind: ErrorKind,
    },
    /// The `for_each` is over, or was empty, or the rest was left out.
    ItemsEnded {
        /// Of which state or step.
        of: Site,
    },
    /// A step's `when` was false.
    StepSkipped {
        /// Which.
        step: StepId,
    },
    /// A try begins. Synced before it does.
    TryStarted {
        /// Which.
        id: TryId,
        /// Of what.
        step: StepId,
        /// From 1.
        number: u32,
        /// How many there may be.
        of: u32,
        /// When it must be over.
        limit: Option<Limit>,
    },
    /// A running try is asked to stop.
    TryStopping {
        /// Which.
        id: TryId,
        /// Why.
        why: Bound,
    },
    /// A try has ended, with this outcome (which overrules what it said itself).
    TryEnded {
        /// Which.
        id: TryId,
        /// Of what.
        step: StepId,
        /// How.
        outcome: Outcome,
        /// What follows. `Done` and `Forgiven` commit the step's output to its `save` name.
        then: AfterTry,
    },
    /// A try failed before it began: a bound, a `retry` or the arguments have no value, or `needs` are
    /// unmet. Nothing was done.
    TryRefused {
        /// Of what.
        step: StepId,
        /// From 1.
        number: u32,
        /// How many there may be.
        of: u32,
        /// The error.
        kind: ErrorKind,
        /// Why, where the kind alone does not tell.
        reason: Reason,
        /// What follows.
        then: AfterTry,
    },
    /// The further try of a step that [`AfterTry::Again`] announced does not begin, because of a signal
    /// or a bound.
    RetryDropped {
        /// Of what.
        step: StepId,
        /// The error that was to be retried.
        kind: ErrorKind,
        /// What follows instead: `Forgiven` commits.
        then: AfterTry,
    },
    /// An error is in flight: one that left a step, or came to be outside a try (a guard, `loop`,
    /// `needs`, an outer bound, a signal, a failed exit step after its scope has left), or that broken
    /// `ensures` are reported.
    Raised {
        /// What kind.
        kind: ErrorKind,
        /// The state that raised it.
        state: StateId,
        /// The step that raised it.
        step: Option<StepId>,
        /// Whether it came of a failed recovery.
        recovery: bool,
        /// The bound that was hit.
        bound: Option<Bound>,
        /// The error in whose place it stands: the one raised before it.
        cause: Option<ErrorKind>,
        /// Why, where the kind alone does not tell.
        reason: Reason,
    },
    /// An exit step failed. The others are still tried; if its error is raised, `Raised` follows
    /// `ScopeLeft`.
    ExitStepFailed {
        /// Which.
        step: StepId,
        /// Its error.
        kind: ErrorKind,
    },
    /// A state's `catch` took the error in flight: `error` is set.
    Caught {
        /// The state.
        state: StateId,
        /// The kind.
        kind: ErrorKind,
    },
    /// A leaf or scope will be tried again, after a delay and its `between` steps. (A scope that is
    /// tried again is entered anew, a leaf is not.)
    Retrying {
        /// Which.
        state: StateId,
        /// The error that is retried.
        kind: ErrorKind,
        /// The next try, from 2.
        attempt: u32,
        /// How many there may be.
        of: u32,
        /// When.
        at: Moment,
    },
    /// A call's procedure was entered: a frame of `vars` and `error` of its own.
    CallEntered {
        /// The calling step.
        step: StepId,
        /// The procedure's root.
        procedure: StateId,
        /// The try, from 1.
        number: u32,
        /// How many there may be.
        of: u32,
    },
    /// The call ended, its frame is gone.
    CallLeft {
        /// The calling step.
        step: StepId,
        /// How.
        outcome: Outcome,
        /// What follows. `Done` and `Forgiven` commit.
        then: AfterTry,
    },
    /// A tracked value changed.
    Tracked {
        /// Which.
        track: TrackId,
        /// What is known of it now.
        value: TrackValue,
    },
    /// A signal came.
    Cancelled {
        /// Which.
        signal: Signal,
        /// 1, or 2 for the one that leaves the rest to the next start.
        number: u8,
    },
    /// The run is over.
    StageEnded {
        /// How.
        ending: Ending,
    },
}

/// What follows the end of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AfterTry {
    /// The step (or this item of it) is done.
    Done,
    /// It failed, and is tried again.
    Again {
        /// When.
        at: Moment,
        /// The next try, from 2.
        number: u32,
    },
    /// It failed, and that is forgiven.
    Forgiven,
    /// It failed, and the item is recorded.
    Recorded,
    /// It failed, and the error goes on.
    Raised,
}

/// Why an error was raised where its kind alone does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A try ended with it, the world had no value, a bound or a signal came.
    Itself,
    /// `needs` unmet.
    Needs {
        /// The tracked value.
        track: TrackId,
        /// What is known of it.
        value: TrackValue,
    },
    /// `ensures` broken.
    Ensures {
        /// The tracked value.
        track: TrackId,
        /// What is known of it.
        value: TrackValue,
    },
    /// A procedure ended with `end: failure`.
    Call,
    /// `max_visits` was passed.
    Visits {
        /// The state that was visited once too often.
        state: StateId,
        /// Its `max_visits`.
        max: u32,
    },
}

/// What the machine says next, and what became true before it.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// What became true, in order.
    pub facts: Vec<Fact>,
    /// What to do.
    pub next: Decision,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ending {
    /// What the exit status is made of.
    pub end: End,
    /// Where it was decided; `None` for a plain success.
    pub state: Option<StateId>,
    /// The step that decided it.
    pub step: Option<StepId>,
    /// The kind of the error that decided it.
    pub kind: Option<ErrorKind>,
}

/// What the exit status is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// 0.
    Success,
    /// An error, or `end: failure`: 1, or the end's own status.
    Failure {
        /// The status: 1, or 3 to 255 without the reserved ones.
        status: u8,
    },
    /// Recovery failed, or `end: unrecoverable`: a person must look at the board.
    Unrecoverable,
    /// Cancelled by this signal first.
    Cancelled(Signal),
}

impl End {
    /// The exit status. 130 and 143 are 128 and the signal's number, as a shell reports it (POSIX,
    /// "Exit Status and Errors").
    pub fn status(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure { status } => status,
            Self::Unrecoverable => 46,
            Self::Cancelled(Signal::Int) => 130,
            Self::Cancelled(Signal::Term) => 143,
        }
    }
}
