//! TAP, version 14 (testanything.org): a line per scenario, and of those that failed what is
//! different, as comments.

use std::fmt::Write as _;

use super::story::story;
use super::{Tested, counts};

/// All of it.
pub fn tap(tested: &[Tested]) -> String {
    let (all, _) = counts(tested);
    let mut text = format!("TAP version 14\n1..{all}\n");
    let tried = tested
        .iter()
        .flat_map(|file| file.tried.iter().map(move |tried| (file, tried)));
    for (number, (file, tried)) in (1..).zip(tried) {
        let word = if tried.passed() { "ok" } else { "not ok" };
        let _ = writeln!(text, "{word} {number} - {}: {}", file.recipe, tried.name);
        if !tried.passed() {
            for told in story(file, tried) {
                for line in told.text().lines() {
                    let _ = writeln!(text, "# {line}");
                }
            }
        }
    }
    text
}
