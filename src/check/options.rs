//! What a recipe is checked against besides itself.

use std::time::Duration;

/// Limits that a recipe does not know of.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The longest that a stage may last (`--max-duration`).
    pub max_duration: Option<Duration>,
}
