//! Scenario tests as a person or a program reads them.

mod human;
mod json;
mod junit;
mod story;
mod tap;

use crate::diagnostic::Sources;
use crate::engine::scenario::{Coverage, Tried};

pub use human::human;
pub use json::json;
pub use junit::junit;
pub use tap::tap;

/// One scenario file whose scenarios were tried.
pub struct Tested {
    /// What a person calls the file.
    pub label: String,
    /// The recipe's name.
    pub recipe: String,
    /// The texts that places of problems are in.
    pub sources: Sources,
    /// Its scenarios, in the order of the file.
    pub tried: Vec<Tried>,
}

/// How much of the recipes must be taken, and how much was.
pub struct Covered {
    /// By recipe.
    pub recipes: Vec<Coverage>,
    /// In percent, of each recipe.
    pub least: Option<usize>,
}

impl Covered {
    /// Whether one recipe is below what is asked for.
    pub fn falls_short(&self) -> bool {
        self.recipes.iter().any(|recipe| self.is_short(recipe))
    }

    fn is_short(&self, recipe: &Coverage) -> bool {
        self.least.is_some_and(|least| recipe.percent() < least)
    }
}

/// Scenarios of several files, and how many of them failed.
fn counts(tested: &[Tested]) -> (usize, usize) {
    let all = || tested.iter().flat_map(|tested| &tested.tried);
    (all().count(), all().filter(|tried| !tried.passed()).count())
}
