//! `run`: a stage of a recipe, against a board.

use std::io::{self, IsTerminal};

use clap::{Args, ValueEnum};

use super::output::Streams;
use super::perform::Performance;
use super::stage::StageArgs;
use super::{Children, Exit, Global, plan};
use crate::report::{Console, JsonLines, Look, Reader, Readers, Writer};

/// Run a stage of a recipe
///
/// Exit status: 0 the stage succeeded, 1 it failed, 2 rejected before anything was touched,
/// 46 recovery itself failed, 130 and 143 cancelled by SIGINT or SIGTERM.
#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    stage: StageArgs,
    /// Only print what each step would send, as `plan` does
    #[arg(long)]
    dry_run: bool,
    /// How the log is written
    #[arg(long, value_enum, default_value_t = LogFormat::Human, value_name = "FORMAT")]
    log_format: LogFormat,
    /// What the jitter of retries is made of, to repeat a run's delays
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// A line per event, for people
    Human,
    /// A JSON object per event
    Json,
}

impl Run {
    pub(super) fn run(self, global: &Global, streams: &mut Streams, children: Children) -> Exit {
        if self.dry_run {
            return plan::show(&self.stage, plan::Format::Human, global, streams);
        }
        let reader = self.reader(streams);
        Performance {
            stage: &self.stage,
            library: &global.library(),
            children,
            seed: self.seed,
            readers: Readers::new(vec![reader]),
        }
        .run(streams)
        .exit
    }

    fn reader(&self, streams: &Streams) -> Box<dyn Reader> {
        let live = io::stderr().is_terminal() && self.log_format == LogFormat::Human;
        let writer = Writer::standard(live);
        match self.log_format {
            LogFormat::Human => Box::new(Console::new(
                writer,
                Look {
                    colour: streams.color_on_stderr(),
                    live,
                },
            )),
            LogFormat::Json => Box::new(JsonLines::new(writer)),
        }
    }
}
