//! The state machine: pure, a value, total.
//!
//! A [`Chart`] is made from a loaded recipe. A [`Machine`] over it is given an [`Event`] and the time,
//! and answers with facts (what became true) and exactly one [`Decision`]. It has no clock, no IO, no
//! random number. The real run, the dry run and every explorer drive this same machine.

mod advance;
mod build;
mod chart;
mod cycles;
pub mod decision;
pub mod ids;
mod place;
mod retry;

pub use advance::Machine;
pub use build::ChartError;
pub use chart::{Chart, Target, Transition};
pub use decision::{
    AfterTry, Answer, Ask, AskKind, Bound, Decision, End, Ending, Event, Fact, Limit, Outcome,
    Reason, RetryPlan, Signal, Site, TrackValue, Turn,
};
pub use ids::{AskId, Moment, StateId, StepId, TrackId, TryId};
pub use place::{List, StepName};
