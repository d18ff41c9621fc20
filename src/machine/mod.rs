//! The state machine: pure, a value, total.
//!
//! A [`Chart`] is made from a loaded recipe. A [`Machine`] over it is given an [`Event`] and the time,
//! and answers with facts (what became true) and exactly one [`Decision`]. It has no clock, no IO, no
//! random number. The real run, the dry run and every explorer drive this same machine.

mod advance;
mod attempt;
mod bound;
mod build;
mod call;
mod chart;
mod configuration;
mod cycles;
pub mod decision;
mod duration;
mod ending;
pub mod ids;
mod place;
mod reopen;
mod resolve;
mod retry;
mod scope;
mod signal;
mod situation;
mod step;
mod visit;

pub use advance::{GRACE, LAST_GRACE, Machine};
pub use bound::EXIT_STEP;
pub use build::ChartError;
pub use chart::{Chart, Target, Transition};
pub use configuration::Configuration;
pub use decision::{
    AfterTry, Answer, Ask, AskKind, Bound, Decision, End, Ending, Event, Fact, Limit, Outcome,
    Reason, RetryPlan, Signal, Site, TrackValue, Turn,
};
pub use duration::{Costly, Greatest, Share};
pub use ids::{AskId, Moment, StateId, StepId, TrackId, TryId};
pub use place::{List, StepName};
pub use reopen::{Activation, Item};
pub use situation::{Pull, Standing};
