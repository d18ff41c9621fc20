//! The recipe language: its types, how a recipe is read, and the vocabulary of actions.

mod kinds;
pub mod model;
pub mod template;
pub mod vocabulary;

pub use kinds::{ErrorKind, KindSet, Verdict};

/// A value of the language: what YAML, JSON and templates give. A duration is a number of seconds,
/// a size a number of bytes.
pub type Value = serde_json::Value;
