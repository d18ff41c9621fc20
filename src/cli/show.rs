//! `show`: one recipe.

use clap::Args;

use super::output::Streams;
use super::{Exit, Global, recipes};
use crate::report::show::show;

/// Show a recipe: its inputs, its states, what can end in 46
#[derive(Debug, Args)]
pub(super) struct Show {
    /// A recipe's name, or the path of its file
    recipe: String,
}

impl Show {
    pub(super) fn run(self, global: &Global, streams: &mut Streams) -> Exit {
        match recipes::usable(&global.library(), &self.recipe, streams) {
            Ok(recipe) => streams.out(&show(&recipe)),
            // What is wrong was shown with its places.
            Err(_) => Exit::Rejected,
        }
    }
}
