//! Static analysis of a recipe that was loaded: one file per family of lints.

mod origins;
mod shell;
mod sites;
pub mod templates;
