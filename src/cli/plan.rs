//! `plan`: what a run would do, step by step, with nothing opened and nothing written.

use clap::{Args, ValueEnum};

use super::output::Streams;
use super::stage::{Refusal, StageArgs, runtime};
use super::{Children, Exit, Global};
use crate::engine::{Signals, pending, plan};
use crate::report::{plan_json, plan_text};

/// What the jitter of a plan's delays is made of; it shows none of them.
const SEED: u64 = 0;

/// Show what a run would do, step by step
///
/// Every step is shown in order as it would be sent, with the board's config and the job's data; what
/// only a real run knows is shown as where it comes from: ‹vars.card.device›. No connection is opened
/// and no file written. Exit status: 0, or 2 where recipe, config or job are wrong.
#[derive(Debug, Args)]
pub(super) struct Plan {
    #[command(flatten)]
    stage: StageArgs,
    /// How the plan is written
    #[arg(long, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    format: Format,
}

/// How a plan is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Human,
    /// One JSON object: recipe, stage, hosts, and entries in order
    Json,
}

impl Plan {
    pub(super) fn run(self, global: &Global, streams: &mut Streams) -> Exit {
        show(&self.stage, self.format, global, streams)
    }
}

/// Prints a plan.
pub(super) fn show(
    stage: &StageArgs,
    format: Format,
    global: &Global,
    streams: &mut Streams,
) -> Exit {
    match planned(stage, format, global, streams) {
        Ok(Some(text)) => streams.out(&text),
        Ok(None) => Exit::Success,
        Err(refused) => {
            streams.err(&format!("tf-engine: {}\n", refused.reason));
            Exit::Rejected
        }
    }
}

fn planned(
    stage: &StageArgs,
    format: Format,
    global: &Global,
    streams: &mut Streams,
) -> Result<Option<String>, Refusal> {
    let library = global.library();
    for killed in pending(&stage.run_dir) {
        streams.err(&format!(
            "tf-engine: {killed}; a run in this directory first runs their exit steps\n"
        ));
    }
    let Some(ready) = stage.ready(&library, streams)? else {
        return Ok(None);
    };
    let runtime = runtime()?;
    let _inside = runtime.enter();
    let request = stage.request(ready, &library, Children::Shared, SEED, Signals::none())?;
    let plan = plan(request).map_err(|refused| Refusal::infra(refused.0))?;
    Ok(Some(match format {
        Format::Human => plan_text(&plan),
        Format::Json => plan_json(&plan),
    }))
}
