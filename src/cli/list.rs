//! `list`: every recipe that can be run.

use clap::Args;

use super::output::Streams;
use super::{Exit, Global};
use crate::recipe::library::Library;
use crate::recipe::load::load;
use crate::report::list::{Entry, list};

/// List the recipes, with a line about each
#[derive(Debug, Args)]
pub(super) struct List {}

impl List {
    pub(super) fn run(self, global: &Global, streams: &mut Streams) -> Exit {
        streams.out(&list(&entries(&global.library())))
    }
}

/// The recipes that can be run, libraries left out.
pub(super) fn entries(library: &Library) -> Vec<Entry> {
    let entry = |name: String| {
        let loaded = load(library, &name);
        let broken = loaded.findings.has_errors();
        match loaded.recipe {
            Some(recipe) if recipe.library => None,
            Some(recipe) => Some(Entry {
                name,
                summary: recipe.summary,
                broken,
            }),
            None => Some(Entry {
                name,
                summary: None,
                broken: true,
            }),
        }
    };
    library.names().into_iter().filter_map(entry).collect()
}
