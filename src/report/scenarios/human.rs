//! For a person: a line per scenario, and of those that failed what is different.

use std::fmt::Write as _;

use super::story::{Told, story};
use super::{Covered, Tested, counts};
use crate::diagnostic::plural;
use crate::recipe::duration;

/// SGR parameters (ECMA-48).
const GREEN: &str = "32";
const RED: &str = "31";
const DIM: &str = "2";

/// All of it, in colour or not.
pub fn human(tested: &[Tested], covered: Option<&Covered>, colour: bool) -> String {
    let mut text = String::new();
    let paint = |sgr: &str, text: &str| match colour {
        true => format!("\x1b[{sgr}m{text}\x1b[0m"),
        false => text.to_owned(),
    };
    for file in tested {
        let _ = writeln!(text, "{}", file.label);
        let width = file.tried.iter().map(|tried| tried.name.chars().count());
        let width = width.max().unwrap_or(0);
        for tried in &file.tried {
            let word = match tried.passed() {
                true => paint(GREEN, "ok  "),
                false => paint(RED, "FAIL"),
            };
            let took = tried.played.as_ref().map(|played| played.took);
            let took = took.map_or_else(|_| String::new(), duration::print);
            let line = format!("{:width$}  {took}", tried.name);
            let _ = writeln!(text, "  {word}  {}", line.trim_end());
            if tried.passed() {
                continue;
            }
            for told in story(file, tried) {
                let line = told.text();
                let line = match told {
                    Told::Problem(_) => line,
                    Told::Context(_) => paint(DIM, &line),
                    Told::Missing(_) => paint(RED, &line),
                    Told::Extra(_) => paint(GREEN, &line),
                };
                let _ = writeln!(text, "        {line}");
            }
        }
    }
    if let Some(covered) = covered {
        coverage(covered, &mut text);
    }
    let (all, failed) = counts(tested);
    let _ = match failed {
        0 => writeln!(text, "{} passed", plural(all, "scenario")),
        _ => writeln!(text, "{failed} of {} failed", plural(all, "scenario")),
    };
    text
}

fn coverage(covered: &Covered, text: &mut String) {
    for recipe in &covered.recipes {
        let least = match covered.least {
            Some(least) if recipe.percent() < least => {
                format!(", and at least {least}% is asked for")
            }
            _ => String::new(),
        };
        let _ = writeln!(
            text,
            "{}: {} of {} states and transitions ({}%) are taken{least}",
            recipe.recipe,
            recipe.taken,
            recipe.of,
            recipe.percent(),
        );
        for missed in &recipe.missed {
            let _ = writeln!(
                text,
                "  {}:{}:{}  {}",
                missed.file, missed.at.line, missed.at.column, missed.what
            );
        }
    }
}
