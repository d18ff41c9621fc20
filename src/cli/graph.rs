//! `graph`: a stage drawn.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::output::Streams;
use super::{Exit, Global, recipes};
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
    /// Mark what one run took: its run directory, or a file that names states in their order
    #[arg(long, value_name = "RUN")]
    path: Option<PathBuf>,
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
        if let Some(path) = &self.path {
            let trail = trail(path, stage)?;
            graph
                .mark(&trail)
                .map_err(|error| format!("{}: {error}", path.display()))?;
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

/// The way of a run: by the journal of a run directory, or by a text that names its states.
fn trail(path: &Path, stage: &str) -> Result<Trail, String> {
    if path.is_dir() {
        return journalled(&path.join(journal::FILE_NAME), stage);
    }
    if path
        .file_name()
        .is_some_and(|name| name == journal::FILE_NAME)
    {
        return journalled(path, stage);
    }
    let text = fs::read_to_string(path)
        .map_err(|error| format!("{} can't be read: {error}", path.display()))?;
    let words = text.split([',', '→']).flat_map(str::split_whitespace);
    let trail = Trail::of_states(words.filter(|word| *word != "->"));
    if trail.is_empty() {
        return Err(format!("{} names no state", path.display()));
    }
    Ok(trail)
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
