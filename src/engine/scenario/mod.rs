//! Scenario tests: a recipe is run on a virtual clock, with the outcomes that a file gives to chosen
//! steps, and what comes of it is compared with what the file expects.
//!
//! [`Suite`] is one file beside its recipe. Everything but the lab is real: inputs are checked, steps
//! are rendered, the machine decides.

mod coverage;
mod diff;
mod judge;
mod places;
mod play;
mod procedure;
mod resolve;
mod suite;
mod update;

pub use coverage::{Coverage, Missed};
pub use diff::Line;
pub use judge::Problem;
pub use play::{Logged, Played, Statuses};
pub use suite::{Opened, Suite, Tried, cover, files};
pub use update::{Written, written};
