//! `check`: what is wrong with recipes, and how long their stages can last.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::bounded::read_text;
use super::findings::FindingsArgs;
use super::output::Streams;
use super::parallel::all;
use super::{Exit, Global, recipes};
use crate::check::Options;
use crate::diagnostic::{Findings, Severity, SourceFile, Sources, plural};
use crate::engine::scenario::Suite;
use crate::recipe::duration;
use crate::recipe::library::Library;
use crate::recipe::scenario::SUFFIX;
use crate::report::console::STILL_EVERY;
use crate::report::durations;

/// Check recipes, without running anything
#[derive(Debug, Args)]
pub(super) struct Check {
    /// Names, files, or folders of recipes; scenario files
    #[arg(required = true)]
    what: Vec<String>,
    /// Warnings are as bad as errors
    #[arg(long)]
    deny_warnings: bool,
    /// The longest that a stage may take, such as `2h`
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    max_duration: Option<Duration>,
    /// A job whose `global_timeout` and `output_timeout` the stages must keep to
    #[arg(long, value_name = "FILE")]
    job: Option<PathBuf>,
    /// How long each stage can take, with all that makes it up
    #[arg(long)]
    durations: bool,
    #[command(flatten)]
    findings: FindingsArgs,
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    duration::parse(text, 1)
}

impl Check {
    pub(super) fn run(self, global: &Global, streams: &mut Streams) -> Exit {
        let library = global.library();
        let job = match self.job.as_deref().map(read_job).transpose() {
            Ok(job) => job,
            Err(message) => {
                streams.err(&format!("tf-engine: {message}\n"));
                return Exit::Rejected;
            }
        };
        let options = Options {
            max_duration: self.max_duration,
            heartbeat: Some(STILL_EVERY),
            ..Options::default()
        };
        let what: Vec<String> = self.what.iter().flat_map(|what| files(what)).collect();
        let checked = all(&what, |what| match what.ends_with(SUFFIX) {
            true => scenarios(&library, what),
            false => recipes::checked_with(&library, what, &options, job.as_ref()),
        });
        let found: Vec<(&Sources, &Findings)> = checked
            .iter()
            .map(|checked| (&checked.sources, &checked.findings))
            .collect();
        let count = |severity| {
            found
                .iter()
                .flat_map(|(_, findings)| &findings.0)
                .filter(|finding| finding.severity == severity)
                .count()
        };
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        let summary = format!(
            "{} checked: {}, {}, {}\n",
            plural(checked.len(), "recipe"),
            plural(errors, "error"),
            plural(warnings, "warning"),
            plural(count(Severity::Note), "note")
        );
        let mut said = self.findings.say(&found, streams);
        if self.findings.is_human() {
            let told = match checked.as_slice() {
                // The times of a recipe that is not right yet tell nothing.
                [one] if !self.durations && errors == 0 => {
                    one.recipe.as_ref().map(durations::brief)
                }
                several if self.durations => Some(
                    several
                        .iter()
                        .flat_map(|it| &it.recipe)
                        .map(durations::whole)
                        .collect(),
                ),
                _ => None,
            };
            said = streams.out(&(told.unwrap_or_default() + &summary));
        } else {
            streams.err(&summary);
        }
        if errors > 0 || self.deny_warnings && warnings > 0 {
            Exit::Rejected
        } else {
            said
        }
    }
}

fn read_job(path: &Path) -> Result<SourceFile, String> {
    let name = path.display().to_string();
    match read_text(path) {
        Ok(text) => Ok(SourceFile { name, text }),
        Err(why) => Err(format!("`{name}` can't be read: {why}")),
    }
}

/// A scenario file, and what is wrong with its recipe as far as that keeps it from being tried.
fn scenarios(library: &Library, what: &str) -> recipes::Checked {
    let opened = Suite::open(library, what);
    recipes::Checked {
        recipe: None,
        findings: opened.findings,
        sources: opened.sources,
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
