//! A recipe for a person: its inputs, its states in their nesting, what can end in 46.

mod inputs;
mod page;
mod text;
mod unrecoverable;

pub use page::page;
pub use text::show;
pub(super) use text::{attempts, duration, tree};
