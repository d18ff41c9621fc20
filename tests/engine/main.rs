//! The engine against real commands: recipes of a few lines, run from beginning to end.

mod binary;
mod errors;
mod journal;
mod plan;
mod signals;
mod story;
mod support;
mod values;
