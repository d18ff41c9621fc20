//! `graph`: a stage drawn.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::bounded::read_text;
use super::output::Streams;
use super::{Exit, Global, recipes};
use crate::check::explore::{Options, explore};
use crate::diagnostic::list;
use crate::engine::journal;
use crate::machine::Chart;
use crate::recipe::model::Recipe;
use crate::report::graph::{self, Trail};

/// Draw a stage: its states in their nesting, and every way from one to another
#[derive(Debug, Args)]
pub(super) struct Graph {
    /// A recipe's name, or the path of its file
    recipe: String,
    /// Which stage; not needed where there is only one, or one called `provision`
    #[arg(long)]
    stage: Option<String>,
    /// What to write
    #[arg(long, value_enum, default_value_t = Format::Svg)]
    format: Format,
    /// Write to this file, not to standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Mark what one run took: its run directory, what `explore --format json` printed, or a file that
    /// names states in their order
    #[arg(long, value_name = "RUN")]
    path: Option<PathBuf>,
    /// Mark the shortest run that ends with this exit status: of the runs in `--path`, else of all
    /// that the recipe can have
    #[arg(long, value_name = "STATUS")]
    exit: Option<u8>,
}

/// What to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A picture with a layout of its own, for any browser
    Svg,
    /// For Graphviz
    Dot,
    /// For pages that render Mermaid
    Mermaid,
}

impl Graph {
    pub(super) fn run(self, global: &Global, streams: &mut Streams) -> Exit {
        let Ok(recipe) = recipes::usable(&global.library(), &self.recipe, streams) else {
            // What is wrong was shown with its places.
            return Exit::Rejected;
        };
        let text = match self.draw(&recipe) {
            Ok(text) => text,
            Err(why) => {
                streams.err(&format!("tf-engine: {why}\n"));
                return Exit::Rejected;
            }
        };
        let Some(file) = &self.output else {
            return streams.out(&text);
        };
        match fs::write(file, text) {
            Ok(()) => Exit::Success,
            Err(error) => {
                streams.err(&format!(
                    "tf-engine: {} can't be written: {error}\n",
                    file.display()
                ));
                Exit::Failure(1)
            }
        }
    }

    fn draw(&self, recipe: &Recipe) -> Result<String, String> {
        let stage = self.stage_of(recipe)?;
        let chart = Chart::build(recipe, stage).map_err(|error| error.to_string())?;
        let mut graph = graph::Graph::new(recipe, &chart);
        match (&self.path, self.exit) {
            (Some(path), exit) => {
                let trail = trail(path, stage, exit)?;
                graph
                    .mark(&trail)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
            }
            (None, Some(exit)) => {
                let trail = explored(recipe, stage, exit)?;
                graph.mark(&trail).map_err(|error| error.to_string())?;
            }
            (None, None) => {}
        }
        Ok(match self.format {
            Format::Svg => graph::svg(&graph),
            Format::Dot => graph::dot(&graph),
            Format::Mermaid => graph::mermaid(&graph),
        })
    }

    fn stage_of<'r>(&'r self, recipe: &'r Recipe) -> Result<&'r str, String> {
        if let Some(stage) = &self.stage {
            return Ok(stage);
        }
        let mut stages = recipe.stages.keys().map(String::as_str);
        match (stages.next(), stages.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(format!("`{}` has no stage", recipe.name)),
            _ if recipe.stages.contains_key("provision") => Ok("provision"),
            _ => Err(format!(
                "which stage? --stage takes {}",
                list(recipe.stages.keys().map(String::as_str), "or")
            )),
        }
    }
}

/// The shortest run with this exit status.
fn explored(recipe: &Recipe, stage: &str, exit: u8) -> Result<Trail, String> {
    let options = Options {
        signals: matches!(exit, 130 | 143),
        ..Options::default()
    };
    let found = explore(recipe, stage, options).map_err(|error| error.to_string())?;
    // Either signal ends the same runs, and one of them stands for both.
    let wanted = if exit == 130 { 143 } else { exit };
    match found.ways.iter().find(|way| way.status == wanted) {
        Some(way) => Ok(Trail::of_example(&found.chart, &way.example)),
        None => Err(format!("no run of stage `{stage}` ends with {exit}")),
    }
}

/// The way of a run: by the journal of a run directory, by what `explore` printed, or by a text that
/// names its states.
fn trail(path: &Path, stage: &str, exit: Option<u8>) -> Result<Trail, String> {
    if path.is_dir() {
        return journalled(&path.join(journal::FILE_NAME), stage);
    }
    if path
        .file_name()
        .is_some_and(|name| name == journal::FILE_NAME)
    {
        return journalled(path, stage);
    }
    let text = read_text(path).map_err(|why| format!("{} can't be read: {why}", path.display()))?;
    if text.trim_start().starts_with('{') {
        return printed(&text, stage, exit).map_err(|error| format!("{}: {error}", path.display()));
    }
    let words = text.split([',', '→']).flat_map(str::split_whitespace);
    let trail = Trail::of_states(words.filter(|word| *word != "->"));
    if trail.is_empty() {
        return Err(format!("{} names no state", path.display()));
    }
    Ok(trail)
}

/// A way that `explore --format json` printed: the first of the stage, or with this exit status.
fn printed(text: &str, stage: &str, exit: Option<u8>) -> Result<Trail, String> {
    let found: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let rows = |of: &Value, key: &str| of[key].as_array().cloned().unwrap_or_default();
    let stages = rows(&found, "stages");
    let of_stage = stages.iter().find(|found| found["stage"] == stage);
    let ways = of_stage
        .map(|found| rows(found, "ways"))
        .unwrap_or_default();
    let way = ways
        .iter()
        .find(|way| exit.is_none_or(|exit| way["exit"] == exit))
        .ok_or_else(|| match exit {
            Some(exit) => format!("it tells of no run of stage `{stage}` that ends with {exit}"),
            None => format!("it tells of no run of stage `{stage}`"),
        })?;
    let states = rows(way, "path");
    Ok(Trail::of_states(states.iter().filter_map(Value::as_str)))
}

/// The last run of a stage in a journal.
fn journalled(path: &Path, stage: &str) -> Result<Trail, String> {
    let runs = journal::read_back(path)?;
    let of_stage = |run: &&journal::Journalled| {
        let named = run
            .header
            .fields
            .get("stage")
            .and_then(|name| name.as_str());
        named == Some(stage)
    };
    match runs.iter().rev().find(of_stage) {
        Some(run) => Ok(Trail::of_records(&run.records)),
        None => Err(format!(
            "{} tells of no run of stage `{stage}`",
            path.display()
        )),
    }
}
