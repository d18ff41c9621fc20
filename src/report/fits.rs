//! Which recipes a device config fits, as `migrate` prints it.

use std::fmt::Write as _;

use crate::check::config::Fit;
use crate::diagnostic::list;

/// How many recipes are named where nothing tells which it is.
const NAMED: usize = 6;

/// The best fit, those that fit as well, and what to do next.
pub fn fits(config: &str, fits: &[Fit]) -> String {
    let Some(best) = fits.first() else {
        return String::new();
    };
    let as_well: Vec<&str> = fits
        .iter()
        .filter(|fit| fit.missing == best.missing && fit.weight == best.weight)
        .map(|fit| fit.recipe.as_str())
        .collect();
    let mut text = String::new();
    let summary = best.summary.as_deref().unwrap_or("no summary");
    if !best.missing.is_empty() {
        let missing = list(best.missing.iter().map(String::as_str), "and");
        let _ = writeln!(
            text,
            "{config} is nearest to {} ({summary}), and lacks {missing}",
            best.recipe
        );
    } else if as_well.len() > 1 {
        let named = list(as_well.iter().take(NAMED).copied(), "or");
        let more = match as_well.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(", or {more} more"),
        };
        let _ = writeln!(
            text,
            "{config} may be for {named}{more}: the agent's `provision_type` says which; \
             name it by --device",
        );
    } else {
        let _ = writeln!(text, "{config} fits {}: {summary}", best.recipe);
    }
    if !best.telling.is_empty() {
        let telling = list(best.telling.iter().map(String::as_str), "and");
        let _ = writeln!(text, "  by {telling}");
    }
    let _ = write!(
        text,
        "  its keys:            tf-engine show {0}\n  \
           what would be sent:  tf-engine plan {0} -c {config} -j testflinger.json\n",
        best.recipe
    );
    text
}
