//! The recipe language: its types, how a recipe is read, and the vocabulary of actions.

mod device_types;
pub mod duration;
mod extends;
pub mod inputs;
mod kinds;
pub mod library;
pub mod load;
pub mod model;
pub mod places;
pub mod reads;
pub mod scenario;
pub mod schema;
pub mod secret;
pub mod size;
pub mod template;
pub mod vocabulary;
pub mod yaml;

pub use duration::of_value as duration;
pub use kinds::{ErrorKind, GearKind, KindSet, Verdict};
pub use size::of_value as size;

/// A value of the language: what YAML, JSON and templates give. A duration is a number of seconds,
/// a size a number of bytes.
pub type Value = serde_json::Value;
