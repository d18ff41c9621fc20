//! `show`: one recipe.

use clap::{Args, ValueEnum};

use super::output::Streams;
use super::{Exit, Global, recipes};
use crate::report::show::{page, show};

/// Show a recipe: its inputs, its states, what can end in 46
#[derive(Debug, Args)]
pub(super) struct Show {
    /// A recipe's name, or the path of its file
    recipe: String,
    /// What to write
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// What to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a terminal
    Text,
    /// A page of documentation, with a picture of the states in Mermaid
    Markdown,
}

impl Show {
    pub(super) fn run(self, global: &Global, streams: &mut Streams) -> Exit {
        match recipes::usable(&global.library(), &self.recipe, streams) {
            Ok(recipe) => streams.out(&match self.format {
                Format::Text => show(&recipe),
                Format::Markdown => page(&recipe),
            }),
            // What is wrong was shown with its places.
            Err(_) => Exit::Rejected,
        }
    }
}
