//! How long the stages of a recipe can last, for a person.

use crate::check::{self, StageDuration};
use crate::recipe::duration;
use crate::recipe::model::Recipe;

/// A line per stage, with what takes longest.
pub fn brief(recipe: &Recipe) -> String {
    let mut text = String::new();
    for stage in check::durations(recipe) {
        let most = match stage.most() {
            most if most.is_empty() => most,
            most => format!(" ({most})"),
        };
        text.push_str(&format!("{}{most}\n", head(&stage)));
    }
    text
}

/// The recipe's name, and under each stage all that makes its time up.
pub fn whole(recipe: &Recipe) -> String {
    let mut text = format!("{}\n", recipe.name);
    for stage in check::durations(recipe) {
        text.push_str(&format!("  {}\n", head(&stage)));
        for part in &stage.parts {
            let indent = "  ".repeat(part.depth + 1);
            let total = match (part.times, part.total) {
                (Some(1), _) | (_, None) => String::new(),
                (_, Some(total)) => format!(" = {}", duration::print(total)),
            };
            let bound = if part.is_bound { ", its bound" } else { "" };
            text.push_str(&format!("{indent}{}{total}{bound}\n", part.words()));
        }
    }
    text
}

fn head(stage: &StageDuration) -> String {
    match stage.longest {
        Some(longest) => format!("{}: at most {}", stage.stage, duration::print(longest)),
        None => format!("{}: nothing bounds it", stage.stage),
    }
}
