//! Recipes, a line each.

use std::fmt::Write as _;

/// One recipe of a list.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub summary: Option<String>,
    /// Whether `check` has errors to tell of.
    pub broken: bool,
}

/// The recipes as `list` prints them.
pub fn list(entries: &[Entry]) -> String {
    let width = entries
        .iter()
        .map(|entry| entry.name.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for entry in entries {
        let summary = match (&entry.summary, entry.broken) {
            (_, true) => format!("(has errors: tf-engine check {})", entry.name),
            (Some(summary), false) => summary.clone(),
            (None, false) => String::new(),
        };
        let line = format!("{:width$}  {summary}", entry.name);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}
