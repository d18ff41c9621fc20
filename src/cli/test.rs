//! `test`: scenarios of recipes, on a virtual clock.

use std::path::Path;

use clap::{Args, ValueEnum};

use super::output::Streams;
use super::parallel::all;
use super::{Exit, Global, recipes};
use crate::engine::scenario::{Opened, Played, Statuses, Suite, cover, files, written};
use crate::recipe::library::Library;
use crate::recipe::scenario::{Pattern, SUFFIX};
use crate::report::scenarios::{Covered, Tested, human, json, junit, tap};

/// Run the scenarios of recipes; no board is touched
///
/// Exit status: 0 all is as expected, 1 something is not or too little is covered, 2 a file is
/// refused.
#[derive(Debug, Args)]
pub(super) struct Test {
    /// Recipes, scenario files (NAME.test.yaml), or folders of them [default: all recipes that have
    /// scenarios]
    what: Vec<String>,
    /// Only scenarios whose name is like this; `*` stands for any text
    #[arg(long, value_name = "PATTERN")]
    only: Option<String>,
    /// How the results are written
    #[arg(long, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    format: Format,
    /// Report the states, transitions and catches that no scenario takes
    #[arg(long)]
    coverage: bool,
    /// Fail where a recipe's scenarios take less of it, in percent
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    min_coverage: Option<u8>,
    /// Write what happened into scenarios that do not say yet what must follow
    #[arg(long)]
    update: bool,
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line per scenario, and what is different
    Human,
    /// JUnit's XML
    Junit,
    /// Test Anything Protocol, version 14
    Tap,
    /// One JSON object
    Json,
}

const STATUSES: Statuses = Statuses {
    of: |end| Exit::from(end).status(),
    refused: 2,
};

impl Test {
    pub(super) fn run(self, global: &Global, streams: &mut Streams) -> Exit {
        let library = global.library();
        let opened: Vec<Opened> = self
            .named(&library)
            .iter()
            .map(|what| Suite::open(&library, what))
            .collect();
        for Opened {
            sources, findings, ..
        } in &opened
        {
            recipes::say(sources, findings, streams);
        }
        let refused = opened.iter().any(|opened| opened.suite.is_none());
        let suites: Vec<Suite> = opened.into_iter().filter_map(|it| it.suite).collect();
        let tested = self.tested(&suites);
        if self.update {
            return self.update(&suites, &tested, refused, streams);
        }
        let covered = (self.coverage || self.min_coverage.is_some()).then(|| Covered {
            recipes: cover(&suites, tested.iter().flat_map(|tested| &tested.tried)),
            least: self.min_coverage.map(usize::from),
        });
        let text = match self.format {
            Format::Human => human(&tested, covered.as_ref(), streams.color_on_stdout()),
            Format::Junit => junit(&tested),
            Format::Tap => tap(&tested),
            Format::Json => json(&tested, covered.as_ref()),
        };
        let said = streams.out(&text);
        let failed = tested
            .iter()
            .flat_map(|tested| &tested.tried)
            .any(|tried| !tried.passed());
        if refused {
            Exit::Rejected
        } else if failed || covered.is_some_and(|covered| covered.falls_short()) {
            Exit::Failure(1)
        } else {
            said
        }
    }

    /// The scenario files that the command line names.
    fn named(&self, library: &Library) -> Vec<String> {
        if self.what.is_empty() {
            return library.tested();
        }
        self.what
            .iter()
            .flat_map(|what| match files(Path::new(what)) {
                Ok(files) => files
                    .iter()
                    .map(|file| file.to_string_lossy().into_owned())
                    .collect(),
                Err(_) => vec![beside(what)],
            })
            .collect()
    }

    /// Runs all scenarios that are asked for, on as many threads as there are processors.
    fn tested(&self, suites: &[Suite]) -> Vec<Tested> {
        let only = self.only.clone().map(Pattern);
        let jobs: Vec<(usize, usize)> = suites
            .iter()
            .enumerate()
            .flat_map(|(suite, of)| {
                let names = of.names().enumerate();
                let wanted = names
                    .filter(|(_, name)| only.as_ref().is_none_or(|pattern| pattern.matches(name)));
                wanted.map(move |(at, _)| (suite, at))
            })
            .collect();
        let tried = all(&jobs, |(suite, at)| suites[*suite].run(*at, STATUSES));
        let mut tested: Vec<Tested> = suites
            .iter()
            .map(|suite| Tested {
                label: suite.label.clone(),
                recipe: suite.recipe.name.clone(),
                sources: suite.sources().clone(),
                tried: Vec::new(),
            })
            .collect();
        for ((suite, _), tried) in jobs.iter().zip(tried) {
            tested[*suite].tried.extend(tried);
        }
        tested
    }

    /// Writes expectations into the files.
    fn update(
        &self,
        suites: &[Suite],
        tested: &[Tested],
        refused: bool,
        streams: &mut Streams,
    ) -> Exit {
        let mut failed = refused;
        for (suite, tested) in suites.iter().zip(tested) {
            let played: Vec<(&str, &Played)> = tested
                .tried
                .iter()
                .filter_map(|tried| Some((tried.name.as_str(), tried.played.as_ref().ok()?)))
                .collect();
            for tried in tested.tried.iter().filter(|tried| !tried.expects) {
                if let Err(findings) = &tried.played {
                    failed = true;
                    recipes::say(&tested.sources, findings, streams);
                }
            }
            let written = written(suite, played);
            for name in &written.left_out {
                failed = true;
                streams.err(&format!(
                    "tf-engine: {}: `{name}` stands on one line: write it as a block\n",
                    suite.label
                ));
            }
            if written.scenarios.is_empty() {
                continue;
            }
            let Some(path) = &suite.path else {
                failed = true;
                streams.err(&format!("tf-engine: {} can't be written\n", suite.label));
                continue;
            };
            if let Err(error) = std::fs::write(path, &written.text) {
                failed = true;
                streams.err(&format!(
                    "tf-engine: {} can't be written: {error}\n",
                    suite.label
                ));
                continue;
            }
            for name in &written.scenarios {
                streams.out(&format!(
                    "{}: `{name}` now expects what happened: read it\n",
                    suite.label
                ));
            }
        }
        if failed {
            Exit::Rejected
        } else {
            Exit::Success
        }
    }
}

/// A recipe's file stands for the scenarios beside it.
fn beside(what: &str) -> String {
    match what.strip_suffix(".yaml") {
        Some(stem) if !what.ends_with(SUFFIX) => format!("{stem}{SUFFIX}"),
        _ => what.to_owned(),
    }
}
