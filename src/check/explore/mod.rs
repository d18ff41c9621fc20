//! Every run that a stage can have: the machine is driven through all outcomes of all its tries.
//!
//! Where a run waits for the world it branches: a try ends well, with each kind of error that it can
//! raise, or by any of the bounds around it; a pause ends, or a bound does; a signal comes, once; what a
//! guard reads is each of the things it can be. Runs that will go on alike are one (see
//! [`crate::machine::Configuration::situation`]), so the tree of runs is a graph, and small.
//!
//! Time is abstract. Tries end at once, the clock stands still, and a bound is hit because the explorer
//! says that so much time has passed in what ran before. It says so only of bounds that what is in
//! them could fill. So there are runs here that no clock allows (three long tries under a bound that is
//! shorter than they are together), and never one too few.

mod admit;
mod effects;
mod example;
mod exploration;
mod fingerprint;
mod formula;
mod kinds;
mod live;
mod questions;
mod search;
mod story;
mod variables;
mod walk;
mod watch;

pub use admit::Try;
pub use example::{Example, Happening, Tried};
pub(crate) use exploration::explore_chart;
pub use exploration::{Broken, Exploration, Options, Unmet, Way, admits, explore};
pub use story::{Line, given, known, outcome, words};
pub use variables::Possible;
pub use walk::Choice;
pub use watch::Breach;
