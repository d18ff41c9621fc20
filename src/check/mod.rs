//! Static analysis of a recipe that was loaded: one file per family of lints.
//!
//! Loading has found what is wrong with single words and values. Here are the complaints that take
//! a stage, a procedure or the recipe as a whole. Every lint goes on after a complaint, and stays
//! quiet about what another one has said already.
//!
//! A lint is a function in one of the lists of `lints.rs`: of a stage or procedure, of the recipe,
//! or of a stage as the machine runs it.

mod allow;
mod bounds;
mod braces;
mod calls;
mod catches;
pub mod config;
mod cycles;
mod durations;
mod ends;
mod evaluated;
#[cfg(test)]
mod example;
pub mod explore;
mod holds;
mod lints;
mod options;
mod origins;
mod outline;
mod probes;
pub(crate) mod raises;
mod raw_device;
mod reach;
mod retries;
mod safety;
mod scope;
mod script;
mod secrets;
mod shell;
mod sites;
mod swallowed;
mod targets;
mod templates;
mod types;
mod unbraced;
mod unused;
mod vars;
mod whole;

pub use durations::{Part, StageDuration, durations};
pub use lints::{check, check_with};
pub use options::{AgentLimits, Options};
