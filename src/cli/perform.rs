//! A stage, from what a command line asks for to its exit status.

use std::path::Path;
use std::time::Duration;

use super::output::Streams;
use super::stage::{Refusal, StageArgs, runtime};
use super::{Children, Exit};
use crate::engine::journal::is_held;
use crate::engine::{RunReport, RunRequest, Signals, fresh_seed, pending, recover, run};
use crate::recipe::library::Library;
use crate::report::{Outcome, Readers};

/// How long threads of a run that is over may take to end.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// A stage to be run, and who is told of it.
pub(super) struct Performance<'a> {
    pub(super) stage: &'a StageArgs,
    pub(super) library: &'a Library,
    pub(super) children: Children,
    /// A fresh one where not given.
    pub(super) seed: Option<u64>,
    pub(super) readers: Readers,
}

/// How it went.
pub(super) struct Performed {
    pub(super) exit: Exit,
    /// `None` where there was nothing to run.
    pub(super) outcome: Option<Outcome>,
    /// How it came to fail, or what is wrong with it, line by line; empty where it went well.
    pub(super) story: Vec<String>,
}

impl Performance<'_> {
    /// Runs it to its end.
    pub(super) fn run(mut self, streams: &mut Streams) -> Performed {
        let ready = match self.stage.ready(self.library, streams) {
            Ok(Some(ready)) => ready,
            Ok(None) => {
                let recovered = self.recover(&self.stage.stage, streams);
                return recovered.unwrap_or(Performed {
                    exit: Exit::Success,
                    outcome: None,
                    story: Vec::new(),
                });
            }
            Err(refused) => {
                // For a fault of the stage that follows, a board is not left as a kill left it.
                return match self.recover("recovery", streams) {
                    Some(performed) if performed.exit != Exit::Success => performed,
                    _ => self.refuse(streams, refused),
                };
            }
        };
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(refused) => return self.refuse(streams, refused),
        };
        let seed = self.seed.unwrap_or_else(fresh_seed);
        let request = {
            let _inside = runtime.enter();
            signals().and_then(|signals| {
                self.stage
                    .request(ready, self.library, self.children, seed, signals)
            })
        };
        let performed = match request {
            Ok(request) => runtime.block_on(self.perform(request, streams)),
            Err(refused) => self.refuse(streams, refused),
        };
        // A thread that hangs in a dead disk must not keep the process.
        runtime.shutdown_timeout(SHUTDOWN);
        performed
    }

    async fn perform(&mut self, request: RunRequest, streams: &mut Streams) -> Performed {
        let run_dir = request.run_dir.clone();
        match run(request, &mut self.readers).await {
            Ok(report) => self.ended(&report, &run_dir, streams),
            Err(refused) => self.refuse(streams, Refusal::infra(refused.0)),
        }
    }

    /// Leaves what earlier runs in the directory were killed in, where no stage follows, and tells that
    /// as the end of `stage`. `None`: there is nothing to leave.
    fn recover(&mut self, stage: &str, streams: &mut Streams) -> Option<Performed> {
        let run_dir = &self.stage.run_dir;
        if pending(run_dir).is_empty() {
            return None;
        }
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(refused) => return Some(self.refuse(streams, refused)),
        };
        let ready = {
            let _inside = runtime.enter();
            let means = self.stage.means(self.library, self.children);
            means.and_then(|means| Ok((means, signals()?)))
        };
        let recovered = match ready {
            Ok((means, signals)) => {
                let recipe = &self.stage.recipe;
                let recovering = recover(means, recipe, stage, signals, &mut self.readers);
                let recovered = runtime.block_on(recovering);
                recovered.map_err(|refused| Refusal::infra(refused.0))
            }
            Err(refused) => Err(refused),
        };
        let performed = match recovered {
            Ok(None) => None,
            Ok(Some(report)) => Some(self.ended(&report, run_dir, streams)),
            Err(refused) => Some(self.refuse(streams, refused)),
        };
        runtime.shutdown_timeout(SHUTDOWN);
        performed
    }

    /// Tells how a run ended, in `outcome.json` and to the readers.
    fn ended(&mut self, report: &RunReport, run_dir: &Path, streams: &mut Streams) -> Performed {
        let exit = Exit::from(report.ending.end);
        let outcome = Outcome::of(report, exit.status());
        // The file first: whoever reads the last line may look for it at once.
        let written = outcome.write(run_dir);
        let story = self.readers.conclude(report, &outcome);
        if let Err(error) = written {
            streams.err(&format!(
                "tf-engine: outcome.json can't be written in {}: {error}\n",
                run_dir.display()
            ));
        }
        Performed {
            exit,
            outcome: Some(outcome),
            story,
        }
    }

    /// Nothing was touched: said on standard error and, where that can be, in `outcome.json`.
    fn refuse(&self, streams: &mut Streams, refused: Refusal) -> Performed {
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
            refused.reason.as_str(),
        );
        streams.err(&format!("tf-engine: {}\n", refused.reason));
        // The outcome of a run that is at work there is not ours to write.
        let run_dir = &self.stage.run_dir;
        if run_dir.is_dir() && !is_held(run_dir) {
            // A directory that can't be written may be the very reason, and was named then.
            let _ = outcome.write(run_dir);
        }
        Performed {
            exit,
            outcome: Some(outcome),
            story: refused.story,
        }
    }
}

fn signals() -> Result<Signals, Refusal> {
    Signals::of_the_process()
        .map_err(|error| Refusal::infra(format!("signals can't be handled: {error}")))
}
