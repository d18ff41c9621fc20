//! `check`: what is wrong with recipes.

use std::fs;
use std::path::Path;

use clap::Args;

use super::findings::FindingsArgs;
use super::output::Streams;
use super::{Exit, Global, recipes};
use crate::diagnostic::{Findings, Severity, Sources, plural};
use crate::recipe::scenario::SUFFIX;

/// Check recipes, without running anything
#[derive(Debug, Args)]
pub(super) struct Check {
    /// Names, files, or folders of recipes
    #[arg(required = true)]
    what: Vec<String>,
    #[command(flatten)]
    findings: FindingsArgs,
}

impl Check {
    pub(super) fn run(self, global: &Global, streams: &mut Streams) -> Exit {
        let library = global.library();
        let checked: Vec<recipes::Checked> = self
            .what
            .iter()
            .flat_map(|what| files(what))
            .map(|what| recipes::checked(&library, &what))
            .collect();
        let all: Vec<(&Sources, &Findings)> = checked
            .iter()
            .map(|checked| (&checked.sources, &checked.findings))
            .collect();
        let count = |severity| {
            all.iter()
                .flat_map(|(_, findings)| &findings.0)
                .filter(|finding| finding.severity == severity)
                .count()
        };
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        let summary = format!(
            "{} checked: {}, {}\n",
            plural(checked.len(), "recipe"),
            plural(errors, "error"),
            plural(warnings, "warning")
        );
        let said = self.findings.say(&all, streams);
        let said = if self.findings.is_human() {
            streams.out(&summary)
        } else {
            streams.err(&summary);
            said
        };
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
        let is_yaml = kind.is_some_and(|kind| kind == "yaml" || kind == "yml");
        is_yaml && path.is_file() && !path.to_string_lossy().ends_with(SUFFIX)
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
