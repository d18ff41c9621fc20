//! The engine against real commands: recipes of a few lines, run from beginning to end.

mod errors;
mod journal;
mod signals;
mod story;
mod support;
mod values;
