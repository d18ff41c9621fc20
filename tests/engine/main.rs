//! The engine against real commands: recipes of a few lines, and the worked examples of the
//! semantics, run from beginning to end.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod binary;
mod errors;
/// The same table that the machine's test plays in its mind.
#[path = "../machine/examples.rs"]
mod examples;
mod journal;
#[path = "../machine/scripted.rs"]
mod model;
#[path = "../machine/notation.rs"]
mod model_notation;
mod notation;
mod plan;
mod recovery;
mod scripted;
mod signals;
mod story;
mod support;
mod values;

/// What the worked examples are played by.
use scripted as player;
