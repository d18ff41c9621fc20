//! `run`: a stage of a recipe, against a board.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::output::Streams;
use super::stage::{Refusal, StageArgs, runtime};
use super::{Children, Exit, Global, plan};
use crate::engine::journal::is_held;
use crate::engine::{RunRequest, Signals, fresh_seed, run};
use crate::report::{Console, JsonLines, Look, Outcome, Reader, Readers, Writer};

/// How long threads of a run that is over may take to end.
const SHUTDOWN: Duration = Duration::from_secs(2);

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
        let library = global.library();
        let ready = match self.stage.ready(&library, streams) {
            Ok(Some(ready)) => ready,
            Ok(None) => return Exit::Success,
            Err(refused) => return self.refuse(streams, &refused),
        };
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(refused) => return self.refuse(streams, &refused),
        };
        let seed = self.seed.unwrap_or_else(fresh_seed);
        let request = {
            let _inside = runtime.enter();
            Signals::of_the_process()
                .map_err(|error| Refusal::infra(format!("signals can't be handled: {error}")))
                .and_then(|signals| self.stage.request(ready, &library, children, seed, signals))
        };
        let exit = match request {
            Ok(request) => runtime.block_on(self.perform(request, streams)),
            Err(refused) => self.refuse(streams, &refused),
        };
        // A thread that hangs in a dead disk must not keep the process.
        runtime.shutdown_timeout(SHUTDOWN);
        exit
    }

    async fn perform(&self, request: RunRequest, streams: &mut Streams) -> Exit {
        let run_dir = request.run_dir.clone();
        let live = io::stderr().is_terminal() && self.log_format == LogFormat::Human;
        let writer = Writer::standard(live);
        let reader: Box<dyn Reader> = match self.log_format {
            LogFormat::Human => Box::new(Console::new(
                writer,
                Look {
                    colour: streams.color_on_stderr(),
                    live,
                },
            )),
            LogFormat::Json => Box::new(JsonLines::new(writer)),
        };
        let mut readers = Readers::new(vec![reader]);
        let report = match run(request, &mut readers).await {
            Ok(report) => report,
            Err(refused) => return self.refuse(streams, &Refusal::infra(refused.0)),
        };
        let exit = Exit::from(report.ending.end);
        let outcome = Outcome::of(&report, exit.status());
        // The file first: whoever reads the last line may look for it at once.
        let written = outcome.write(&run_dir);
        readers.conclude(&report, &outcome);
        if let Err(error) = written {
            streams.err(&format!(
                "tf-engine: outcome.json can't be written in {}: {error}\n",
                run_dir.display()
            ));
        }
        exit
    }

    /// Nothing was touched: said on standard error and, where that can be, in `outcome.json`.
    fn refuse(&self, streams: &mut Streams, refused: &Refusal) -> Exit {
        let exit = Exit::Rejected;
        // A recipe is called as its file.
        let stem = Path::new(&self.stage.recipe).file_stem();
        let name = stem.map_or(self.stage.recipe.as_str().into(), |stem| {
            stem.to_string_lossy()
        });
        let outcome = Outcome::refused(
            &name,
            &self.stage.stage,
            exit.status(),
            refused.verdict,
            &refused.reason,
        );
        streams.err(&format!("tf-engine: {}\n", refused.reason));
        // The outcome of a run that is at work there is not ours to write.
        let run_dir = &self.stage.run_dir;
        if run_dir.is_dir() && !is_held(run_dir) {
            // A directory that can't be written may be the very reason, and was named then.
            let _ = outcome.write(run_dir);
        }
        exit
    }
}
