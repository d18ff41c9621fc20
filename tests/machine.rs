//! The state machine: the worked examples as a table, and the laws that hold for any recipe.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "machine/charts.rs"]
mod charts;
#[path = "machine/edges.rs"]
mod edges;
#[path = "machine/examples.rs"]
mod examples;
#[path = "machine/explored.rs"]
mod explored;
#[path = "machine/fidelity.rs"]
mod fidelity;
#[path = "machine/fold.rs"]
mod fold;
#[path = "machine/journey.rs"]
mod journey;
#[path = "machine/laws.rs"]
mod laws;
#[path = "machine/metamorphic.rs"]
mod metamorphic;
#[path = "machine/notation.rs"]
mod notation;
#[path = "machine/random.rs"]
mod random;
#[path = "machine/reference.rs"]
mod reference;
#[path = "machine/reopened.rs"]
mod reopened;
#[path = "machine/rewrite.rs"]
mod rewrite;
#[path = "machine/scripted.rs"]
mod scripted;
#[path = "machine/written.rs"]
mod written;

/// What the worked examples are played by.
use explored as player;
