//! Whose fault a failure was.
//!
//! First by what failed: [`usual`] goes by the step's action, its host's role and the kind of error,
//! unless the recipe wrote a verdict. Then by looking: where a run has failed and all its scopes are
//! left, the recipe's probes (`blame`) are tried once each, side by side and within a bound ([`ask`]).
//! One that fails says what is broken, and may overrule what the failure looked like ([`decide`]).

mod ask;
mod decide;
mod evidence;
mod probe;
mod scripted;
mod usual;

pub(super) use ask::ask;
pub use evidence::Evidence;
