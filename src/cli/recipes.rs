//! Recipes as the command line names them: found, loaded, checked.

use std::path::Path;

use super::Global;
use super::output::Streams;

use crate::check::{self, AgentLimits, Options};
use crate::diagnostic::{Code, Findings, Severity, SourceFile, Sources, plural};
use crate::recipe::library::Library;
use crate::recipe::load::load;
use crate::recipe::model::Recipe;
use crate::report::findings;

impl Global {
    /// The recipes and files that this command line can reach.
    pub(super) fn library(&self) -> Library {
        Library::new(self.recipe_folders.iter().cloned())
    }
}

/// A recipe and all that is wrong with it.
pub(super) struct Checked {
    /// The recipe, as far as it could be read.
    pub(super) recipe: Option<Recipe>,
    /// What is wrong.
    pub(super) findings: Findings,
    /// The texts that were read.
    pub(super) sources: Sources,
}

/// Loads and checks one recipe, by its name or its file.
pub(super) fn checked(library: &Library, what: &str) -> Checked {
    checked_with(library, what, &Options::default(), None)
}

/// The same, measured against limits, those of a job included.
pub(super) fn checked_with(
    library: &Library,
    what: &str,
    options: &Options,
    job: Option<&SourceFile>,
) -> Checked {
    let mut loaded = load(library, what);
    let mut findings = loaded.findings;
    let mut options = options.clone();
    if let Some(job) = job {
        let id = loaded.sources.add(job.name.as_str(), job.text.as_str());
        options.agent = AgentLimits::read(&loaded.sources, id, &mut findings);
    }
    if let Some(recipe) = &loaded.recipe {
        let mut said = check::check_with(recipe, &options);
        if findings.has_errors() {
            // What was not loaded has not been looked at.
            said.0.retain(|finding| finding.code != Code::UnusedAllow);
        }
        findings.0.extend(said.0);
    }
    if findings.has_errors() {
        // What is worth knowing can wait until the recipe is right.
        findings
            .0
            .retain(|finding| finding.severity < Severity::Note);
    }
    findings.sort();
    Checked {
        recipe: loaded.recipe,
        findings,
        sources: loaded.sources,
    }
}

/// Loads and checks one recipe to be used: errors and warnings are said on standard error; `Err` with
/// the first error where it can't be used.
pub(super) fn usable(
    library: &Library,
    what: &str,
    streams: &mut Streams,
) -> Result<Recipe, String> {
    let Checked {
        recipe,
        mut findings,
        sources,
    } = checked(library, what);
    // Notes are for whoever writes a recipe, and asks `check`.
    findings
        .0
        .retain(|finding| finding.severity < Severity::Note);
    say(&sources, &findings, streams);
    match recipe {
        Some(recipe) if !findings.has_errors() => Ok(recipe),
        _ => Err(first_error(&findings)),
    }
}

/// Says findings on standard error.
pub(super) fn say(sources: &Sources, findings: &Findings, streams: &mut Streams) {
    let text = findings::render(sources, findings, streams.style());
    if findings.has_errors() {
        streams.err(&text);
    } else {
        streams.note(&text);
    }
}

/// The library as a recipe sees it: its own folder comes first.
pub(super) fn seen_from(library: &Library, what: &str) -> Library {
    match Path::new(what).parent() {
        Some(folder) if what.contains('/') => library.beside(folder),
        _ if what.ends_with(".yaml") || what.ends_with(".yml") => library.beside(Path::new(".")),
        _ => library.clone(),
    }
}

/// The first error, and how many more there are.
pub(super) fn first_error(findings: &Findings) -> String {
    let mut errors = findings
        .0
        .iter()
        .filter(|finding| finding.severity == Severity::Error);
    let first = errors
        .next()
        .map(|finding| finding.message.as_str())
        .unwrap_or_default();
    match errors.count() {
        0 => first.to_owned(),
        more => format!("{first} (and {})", plural(more, "more error")),
    }
}
