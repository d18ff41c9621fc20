//! The state machine: pure, a value, total.
//!
//! A chart is made from a loaded recipe. A machine over it is given an [`Event`] and the time, and
//! answers with facts (what became true) and exactly one [`Decision`]. It has no clock, no IO, no
//! random number. The real run, the dry run and every explorer drive this same machine.

pub mod decision;
pub mod ids;

pub use decision::{
    AfterTry, Answer, Ask, AskKind, Bound, Decision, End, Ending, Event, Fact, Limit, Outcome,
    Reason, RetryPlan, Signal, Site, TrackValue, Turn,
};
pub use ids::{AskId, Moment, StateId, StepId, TrackId, TryId};
