//! Findings: what is wrong with a recipe, a device config or job data, and where.
//!
//! The lowest room. A finding is data; `report` prints it.

mod code;
mod finding;
mod plain;
mod source;
mod suggest;
mod words;

pub use code::{Code, Severity};
pub use finding::{Finding, Findings, Related};
pub use plain::plain;
pub use source::{Position, SourceFile, SourceId, Sources, Span, Spanned};
pub use suggest::nearest;
pub use words::{list, plural};
