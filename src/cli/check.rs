//! `check`: what is wrong with recipes.

use std::fs;
use std::path::Path;

use clap::Args;

use super::output::Streams;
use super::{Exit, Global, recipes};
use crate::diagnostic::{Severity, plural};

/// Check recipes, without running anything
#[derive(Debug, Args)]
pub(super) struct Check {
    /// Names, files, or folders of recipes
    #[arg(required = true)]
    what: Vec<String>,
}

impl Check {
    pub(super) fn run(self, global: &Global, streams: &mut Streams) -> Exit {
        let library = global.library();
        let (mut errors, mut warnings, mut recipes) = (0, 0, 0);
        for what in self.what.iter().flat_map(|what| files(what)) {
            recipes += 1;
            let checked = recipes::checked(&library, &what);
            let count = |severity| {
                checked
                    .findings
                    .0
                    .iter()
                    .filter(|finding| finding.severity == severity)
                    .count()
            };
            errors += count(Severity::Error);
            warnings += count(Severity::Warning);
            recipes::say(&checked.sources, &checked.findings, streams);
        }
        let said = streams.out(&format!(
            "{} checked: {}, {}\n",
            plural(recipes, "recipe"),
            plural(errors, "error"),
            plural(warnings, "warning")
        ));
        if errors > 0 { Exit::Rejected } else { said }
    }
}

/// The recipes that an argument names: a folder's files, sorted; anything else is one itself.
fn files(what: &str) -> Vec<String> {
    if !Path::new(what).is_dir() {
        return vec![what.to_owned()];
    }
    let Ok(entries) = fs::read_dir(what) else {
        // Loading it tells why it can't be read.
        return vec![what.to_owned()];
    };
    let is_recipe = |path: &Path| {
        let kind = path.extension();
        path.is_file() && kind.is_some_and(|kind| kind == "yaml" || kind == "yml")
    };
    let mut files: Vec<String> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| is_recipe(path))
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    files.sort();
    files
}
