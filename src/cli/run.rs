//! `run`: a stage of a recipe, against a board.

use std::collections::HashMap;
use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::output::Streams;
use super::{Children, Exit, Global, recipes};
use crate::diagnostic::{Code, Finding, Findings, SourceFile, Sources};
use crate::engine::journal::is_held;
use crate::engine::{Inputs, RunRequest, Signals, fresh_seed, plan, run};
use crate::recipe::Verdict;
use crate::recipe::inputs::{Bound, bind};
use crate::recipe::library::Library;
use crate::recipe::model::Recipe;
use crate::report::{Console, JsonLines, Look, Outcome, Reader, Readers, Writer, plan_text};
use crate::transport::{Local, SshKeys};

/// Device configs and job data are read up to this size; real ones have a few kilobytes.
const LARGEST_INPUT: u64 = 16 << 20;

/// How long threads of a run that is over may take to end.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// Run a stage of a recipe
///
/// Exit status: 0 the stage succeeded, 1 it failed, 2 rejected before anything was touched,
/// 46 recovery itself failed, 130 and 143 cancelled by SIGINT or SIGTERM.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// A recipe's name, or the path of its file
    recipe: String,
    /// The stage: provision, firmware_update, runtest, allocate, reserve or cleanup
    #[arg(long, default_value = "provision", value_name = "STAGE")]
    stage: String,
    /// The board's config (YAML); without it the config is empty
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The job data (JSON) [default: testflinger.json in the run directory, if it is there]
    #[arg(short = 'j', long = "job", value_name = "FILE")]
    job: Option<PathBuf>,
    /// Where the run's files go [default: the working directory]
    #[arg(
        long,
        value_name = "DIR",
        default_value = ".",
        hide_default_value = true
    )]
    run_dir: PathBuf,
    /// Print what each step would send; open no connection, write no file
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

/// Stages that succeed at once where a recipe does not have them; each is an extra of a job.
const OPTIONAL_STAGES: [&str; 2] = ["allocate", "cleanup"];

/// All stages that a recipe can have.
const STAGES: [&str; 6] = [
    "provision",
    "firmware_update",
    "runtest",
    "allocate",
    "reserve",
    "cleanup",
];

impl Run {
    pub(super) fn run(self, global: &Global, streams: &mut Streams, children: Children) -> Exit {
        let library = global.library();
        let checked = match self.ready(&library, streams) {
            Ok(ready) => ready,
            Err(refused) => return self.refuse(streams, &refused),
        };
        let Some((recipe, bound)) = checked else {
            streams.err(&format!(
                "tf-engine: {} has no stage `{}`: nothing to do\n",
                self.recipe, self.stage
            ));
            return Exit::Success;
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                return self.refuse(
                    streams,
                    &Refusal::infra(format!("no runtime can be started: {error}")),
                );
            }
        };
        let assets = recipes::seen_from(&library, &self.recipe);
        let request = self.request(recipe, bound, assets, children, &runtime);
        let exit = match request {
            Ok(request) if self.dry_run => {
                let _inside = runtime.enter();
                match plan(request) {
                    Ok(plan) => streams.out(&plan_text(&plan)),
                    Err(refused) => self.refuse(streams, &Refusal::infra(refused.0)),
                }
            }
            Ok(request) => runtime.block_on(self.perform(request, streams)),
            Err(refused) => self.refuse(streams, &refused),
        };
        // A thread that hangs in a dead disk must not keep the process.
        runtime.shutdown_timeout(SHUTDOWN);
        exit
    }

    /// Recipe and inputs, all that is wrong with them said; `None`: there is nothing to run.
    fn ready(
        &self,
        library: &Library,
        streams: &mut Streams,
    ) -> Result<Option<(Recipe, Bound)>, Refusal> {
        let recipe = recipes::usable(library, &self.recipe, streams).map_err(Refusal::infra)?;
        if !recipe.stages.contains_key(&self.stage) {
            return self.without_stage(&recipe);
        }
        if recipe.library {
            return Err(Refusal::infra(format!(
                "{} is a library: other recipes extend it",
                self.recipe
            )));
        }
        let mut missing = Findings::default();
        let device = self
            .config
            .as_deref()
            .and_then(|path| read(path, &mut missing));
        let job = match &self.job {
            Some(path) => read(path, &mut missing),
            None => {
                let path = self.run_dir.join("testflinger.json");
                path.exists().then(|| read(&path, &mut missing)).flatten()
            }
        };
        let binding = bind(&recipe, &self.stage, device, job, Some(&self.run_dir));
        recipes::say(&Sources::default(), &missing, streams);
        recipes::say(&binding.sources, &binding.findings, streams);
        let all = Findings([missing.0, binding.findings.0].concat());
        if all.has_errors() {
            return Err(Refusal {
                verdict: Verdict::Job,
                reason: recipes::first_error(&all),
            });
        }
        Ok(Some((recipe, binding.bound)))
    }

    fn without_stage(&self, recipe: &Recipe) -> Result<Option<(Recipe, Bound)>, Refusal> {
        if OPTIONAL_STAGES.contains(&self.stage.as_str()) {
            return Ok(None);
        }
        if !STAGES.contains(&self.stage.as_str()) {
            return Err(Refusal::infra(format!(
                "there is no stage `{}`: stages are {}",
                self.stage,
                STAGES.join(", ")
            )));
        }
        let own: Vec<&str> = recipe.stages.keys().map(String::as_str).collect();
        Err(Refusal::infra(format!(
            "the recipe {} has no stage `{}`; it has {}",
            self.recipe,
            self.stage,
            own.join(", ")
        )))
    }

    fn request(
        &self,
        recipe: Recipe,
        bound: Bound,
        assets: Library,
        children: Children,
        runtime: &tokio::runtime::Runtime,
    ) -> Result<RunRequest, Refusal> {
        let _inside = runtime.enter();
        // A dry run has no scopes to leave: a signal simply ends it.
        let signals = if self.dry_run {
            Signals::none()
        } else {
            Signals::of_the_process()
                .map_err(|error| Refusal::infra(format!("signals can't be handled: {error}")))?
        };
        let run_dir = std::path::absolute(&self.run_dir).map_err(|error| {
            Refusal::infra(format!(
                "the run directory {}: {error}",
                self.run_dir.display()
            ))
        })?;
        let local = match children {
            Children::Ours => Local::sole(&run_dir),
            Children::Shared => Local::new(&run_dir),
        };
        let own = |bound: &Bound| Inputs {
            device: bound.device.clone(),
            job: bound.job.clone(),
            secrets: bound.secrets.clone(),
        };
        let mut inputs = HashMap::from([(None, own(&bound))]);
        for (name, import) in &bound.imports {
            inputs.insert(Some(name.clone()), own(import));
        }
        Ok(RunRequest {
            recipe: Arc::new(recipe),
            stage: self.stage.clone(),
            inputs,
            documents: (bound.device_document, bound.job_document),
            run_dir,
            assets: Arc::new(move |name: &str| assets.asset(name).map(Arc::from)),
            local: Arc::new(local),
            keys: Arc::new(SshKeys::from_environment(|name| std::env::var_os(name))),
            env: environment(),
            seed: self.seed.unwrap_or_else(fresh_seed),
            signals,
        })
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
        let stem = Path::new(&self.recipe).file_stem();
        let name = stem.map_or(self.recipe.as_str().into(), |stem| stem.to_string_lossy());
        let outcome = Outcome::refused(
            &name,
            &self.stage,
            exit.status(),
            refused.verdict,
            &refused.reason,
        );
        streams.err(&format!("tf-engine: {}\n", refused.reason));
        // The outcome of a run that is at work there is not ours to write.
        if !self.dry_run && self.run_dir.is_dir() && !is_held(&self.run_dir) {
            // A directory that can't be written may be the very reason, and was named then.
            let _ = outcome.write(&self.run_dir);
        }
        exit
    }
}

/// Why nothing was begun, and whose fault that is.
struct Refusal {
    verdict: Verdict,
    reason: String,
}

impl Refusal {
    fn infra(reason: String) -> Self {
        Self {
            verdict: Verdict::Infra,
            reason,
        }
    }
}

/// The engine's environment; what is not UTF-8 is left out.
fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// A regular file of bounded size, as UTF-8.
fn read(path: &Path, findings: &mut Findings) -> Option<SourceFile> {
    let name = path.display().to_string();
    match read_text(path) {
        Ok(text) => Some(SourceFile { name, text }),
        Err(why) => {
            findings.push(Finding::new(
                Code::Unreadable,
                None,
                format!("`{name}` can't be read: {why}"),
            ));
            None
        }
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    let kind = fs::metadata(path).map_err(|error| error.to_string())?;
    if !kind.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(LARGEST_INPUT + 1).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LARGEST_INPUT {
        return Err(format!("it is larger than {} MiB", LARGEST_INPUT >> 20));
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}
