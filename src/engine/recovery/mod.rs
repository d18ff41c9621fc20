//! Leaving the scopes of a run that was killed.
//!
//! An agent that cancels a job kills us, and a machine may lose power; then it starts the next stage in
//! the same directory. So every start looks in the journal for scopes that were entered and never left,
//! and runs their exit steps first: from the recipe that the journal holds, with what the journal tells
//! of inputs, `let`, `vars`, `params`, `item` and `error`, with `outcome.kind` `cancelled`, by the same
//! machine and in the same lab as any run. What it does goes into the journal as that run's facts, so a
//! start that is killed in the middle of it is followed by one that goes on from there.
//!
//! Values get into the journal as they come to be, as far as exit steps read them.
//! No secret does: one that is an input is taken from the config and the job of the new start, and a
//! step that needs another secret fails and says so.

mod left;
mod lost;
mod noting;
mod reads;
mod rebuild;
mod recover;

pub use recover::{Means, Pending, pending, recover};

pub(super) use lost::Lost;
pub(super) use reads::ExitReads;
pub(super) use recover::{Recovered, held, leave, unjournalled};
