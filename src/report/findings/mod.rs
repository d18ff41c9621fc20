//! Findings as a person or a program reads them.
//!
//! A person gets the source with the place underlined, what is wrong, and what would be right. A
//! program gets JSON lines, a SARIF log, or GitHub's workflow commands.

mod github;
mod human;
mod json;
mod place;
mod sarif;

use std::path::Path;

pub use human::{Style, render};

use crate::diagnostic::{Finding, Findings, Sources};

/// How findings are written for a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A JSON object per finding, each on a line of its own.
    ///
    /// Its keys are always there: `code` (`TF0304`), `severity` (`error`, `warning`, `note`),
    /// `message`, `help` (or null), `label` (what stands at the place, or null), `place` (or null),
    /// and `related`, a list of `{label, place}`. A place has `file` (as it was given), `line`,
    /// `column`, `end_line`, `end_column` (from 1, in characters; the end is one past the last),
    /// `start_byte`, `end_byte` (from 0), and `source`, the line on which it begins (null where that
    /// has more than 1,000 bytes).
    Json,
    /// One SARIF 2.1.0 log (OASIS standard of March 2020) with all findings.
    Sarif,
    /// A GitHub workflow command per finding, which GitHub shows at the line in a pull request.
    Github,
}

/// All findings of several loads, each with the texts that it is about. Files in or below `root` are
/// named from there in SARIF logs and workflow commands.
pub fn written(format: Format, all: &[(&Sources, &Findings)], root: &Path) -> String {
    match format {
        Format::Json => json::written(all),
        Format::Sarif => sarif::written(all, root),
        Format::Github => github::written(all, root),
    }
}

/// A file's name as seen from `root`, with `/` between its parts.
fn from_root(name: &str, root: &Path) -> String {
    let path = Path::new(name);
    let path = path.strip_prefix(root).unwrap_or(path);
    let path = path.strip_prefix(".").unwrap_or(path);
    path.to_string_lossy().into_owned()
}

/// What is wrong, and below it what would be right.
fn message_and_help(finding: &Finding) -> String {
    match &finding.help {
        Some(help) => format!("{}\nhelp: {help}", finding.message),
        None => finding.message.clone(),
    }
}
