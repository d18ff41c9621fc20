//! `explore`: every run that a recipe can have.

use clap::{Args, ValueEnum};

use super::output::Streams;
use super::{Exit, Global, recipes};
use crate::check::explore::{Exploration, Options, explore};
use crate::report::explore::{Verdict, explored, explored_json};

/// Go through every outcome of every step of a recipe, without running anything
#[derive(Debug, Args)]
pub(super) struct Explore {
    /// A recipe's name, or the path of its file
    recipe: String,
    /// Only this stage
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,
    /// These exit statuses can occur, and no others (130 and 143 are not looked at unless named)
    #[arg(long, value_name = "STATUS", value_delimiter = ',')]
    expect_exit: Vec<u8>,
    /// This exit status can't occur
    #[arg(long, value_name = "STATUS", value_delimiter = ',')]
    never: Vec<u8>,
    /// List all ways to this exit status
    #[arg(long, value_name = "STATUS")]
    from_status: Option<u8>,
    /// The most situations to look at per stage
    #[arg(long, value_name = "COUNT", default_value_t = 2_000_000)]
    max_states: usize,
    /// How to print what was found
    #[arg(long, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    format: Format,
}

/// How to print what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a person
    Human,
    /// One JSON object
    Json,
}

impl Explore {
    pub(super) fn run(self, global: &Global, streams: &mut Streams) -> Exit {
        let Ok(recipe) = recipes::usable(&global.library(), &self.recipe, streams) else {
            return Exit::Rejected;
        };
        let stages: Vec<&str> = match &self.stage {
            Some(stage) if !recipe.stages.contains_key(stage) => {
                streams.err(&format!(
                    "tf-engine: `{}` has no stage `{stage}`\n",
                    recipe.name
                ));
                return Exit::Rejected;
            }
            Some(stage) => vec![stage],
            None => recipe.stages.keys().map(String::as_str).collect(),
        };
        let options = Options {
            max_states: self.max_states,
            places: self.from_status.is_some(),
            ..Options::default()
        };
        let mut all = Vec::new();
        for stage in stages {
            match explore(&recipe, stage, options) {
                Ok(found) => all.push(found),
                Err(error) => {
                    streams.err(&format!("tf-engine: {error}\n"));
                    return Exit::Rejected;
                }
            }
        }
        let mut holds = true;
        let (mut text, mut json) = (String::new(), Vec::new());
        for (n, found) in all.iter().enumerate() {
            let verdict = self.verdict(found, &all);
            holds &= verdict.complaints.is_empty()
                && found.breaches.is_empty()
                && found.broken.is_empty();
            match self.format {
                Format::Human => {
                    if n > 0 {
                        text.push('\n');
                    }
                    text.push_str(&explored(found, self.from_status, &verdict));
                }
                Format::Json => json.push(explored_json(found, &verdict)),
            }
        }
        if self.format == Format::Json {
            let whole = serde_json::json!({ "recipe": recipe.name, "stages": json });
            text = format!("{whole:#}\n");
        }
        match streams.out(&text) {
            Exit::Success if !holds => Exit::Failure(1),
            said => said,
        }
    }

    /// What the command line expects of one stage. An expected status may occur in any of them.
    fn verdict(&self, found: &Exploration, all: &[Exploration]) -> Verdict {
        let mut complaints = Vec::new();
        if !found.complete {
            complaints.push(format!(
                "there are more than {} situations: raise --max-states",
                self.max_states
            ));
        }
        let occurs =
            |status: u8, found: &Exploration| found.ways.iter().any(|way| way.status == status);
        for way in &found.ways {
            let status = way.status;
            let by_signal = matches!(status, 130 | 143);
            let wanted = self.expect_exit.is_empty()
                || self.expect_exit.contains(&status)
                || by_signal && !self.expect_exit.iter().any(|at| matches!(at, 130 | 143));
            let told = format!("exit {status} can occur");
            if (!wanted || self.never.contains(&status)) && !complaints.contains(&told) {
                complaints.push(told);
            }
        }
        for &status in &self.expect_exit {
            // SIGINT is as SIGTERM is.
            let explored = if status == 130 { 143 } else { status };
            if !all.iter().any(|found| occurs(explored, found)) {
                complaints.push(format!("exit {status} can't occur"));
            }
        }
        Verdict { complaints }
    }
}
