//! The state machine: the worked examples as a table, and the laws that hold for any recipe.

#[path = "machine/examples.rs"]
mod examples;
#[path = "machine/notation.rs"]
mod notation;
#[path = "machine/scripted.rs"]
mod scripted;
