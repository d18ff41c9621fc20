//! The driver: asks the machine what is next, does it, tells the machine what happened.
//!
//! [`driver`] is the loop; what a run touches is a [`World`](driver::World). What happens is one stream
//! of facts: each is applied to the run's memory (`vars` and errors are a fold of facts), written to
//! the [`journal`], and shown to a [`Sink`], before the decision that it announces is carried out. No
//! rule of execution is in this room.

mod answer;
mod at_once;
mod blame;
pub mod driver;
mod ending;
mod frames;
mod header;
mod identity;
mod incident;
pub mod journal;
pub mod live;
mod memory;
mod names;
pub mod planned;
mod prepare;
mod record;
mod recovery;
mod resolve;
pub mod run;
mod saved;
pub mod scenario;
mod scope;
mod scripted;
pub mod signals;
mod sink;
mod story;
mod summary;

pub use blame::Evidence;
pub use identity::fresh_seed;
pub use names::signal_name;
pub use planned::{Forgiven, Plan, Planned, PlannedProbe, StateRules, StepRules, Tries, plan};
pub use prepare::{Inputs, Refused, RunRequest};
pub use record::{Failure, NamedStep, Noted, Record, Then, What, millis, outcome_word, utc};
pub use recovery::{Means, Pending, pending, recover};
pub use run::run;
pub use signals::Signals;
pub use sink::{Opening, Said, Saying, Sink};
pub use summary::{Decided, RunReport};
