//! A stage of a recipe with a board's config and a job's data, as `run` and `plan` take it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tokio::runtime::Runtime;

use super::bounded::read_text;
use super::output::Streams;
use super::{Children, recipes};
use crate::diagnostic::{Code, Finding, Findings, Severity, SourceFile, Sources};
use crate::engine::{Inputs, Means, RunRequest, Signals};
use crate::recipe::inputs::{Bound, OPTIONAL_STAGES, bind};
use crate::recipe::library::Library;
use crate::recipe::model::Recipe;
use crate::recipe::template::Assets;
use crate::recipe::vocabulary::keys::STAGES;
use crate::recipe::yaml::{self, Dialect};
use crate::recipe::{Value, Verdict};
use crate::report::findings::{self, Style};
use crate::transport::{Local, SshKeys};

/// Columns of findings that are kept for a file.
const STORY_WIDTH: usize = 100;

/// What is to be run, and on which board.
#[derive(Debug, Args)]
pub(super) struct StageArgs {
    /// A recipe's name, or the path of its file
    pub(super) recipe: String,
    /// The stage: provision, firmware_update, runtest, allocate, reserve or cleanup
    #[arg(long, default_value = "provision", value_name = "STAGE")]
    pub(super) stage: String,
    /// The board's config (YAML); without it the config is empty
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The job data (JSON) [default: testflinger.json in the run directory, if it is there]
    #[arg(short = 'j', long = "job", value_name = "FILE")]
    pub(super) job: Option<PathBuf>,
    /// Where the run's files go [default: the working directory]
    #[arg(
        long,
        value_name = "DIR",
        default_value = ".",
        hide_default_value = true
    )]
    pub(super) run_dir: PathBuf,
}

impl StageArgs {
    /// Recipe and inputs, all that is wrong with them said; `None`: there is nothing to run, which was
    /// said too.
    pub(super) fn ready(
        &self,
        library: &Library,
        streams: &mut Streams,
    ) -> Result<Option<(Recipe, Bound)>, Refusal> {
        let recipe = recipes::usable(library, &self.recipe, streams).map_err(Refusal::infra)?;
        if !recipe.stages.contains_key(&self.stage) {
            return self.without_stage(&recipe, streams);
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
        let config = device.as_ref().map(|file| file.name.clone());
        let binding = bind(&recipe, &self.stage, device, job, Some(&self.run_dir));
        recipes::say(&Sources::default(), &missing, streams);
        recipes::say(&binding.sources, &binding.findings, streams);
        let all = Findings([missing.0, binding.findings.0].concat());
        if all.has_errors() {
            let style = Style {
                color: false,
                width: STORY_WIDTH,
            };
            let shown = findings::render(&binding.sources, &all, style);
            // A board's config is the lab's, a job whoever submitted it.
            let is_of_the_lab = |finding: &Finding| {
                let file = finding
                    .span
                    .and_then(|span| binding.sources.get(span.source));
                file.is_some_and(|file| Some(&file.name) == config.as_ref())
                    || finding.message.starts_with("`device.")
            };
            let mut errors = all.0.iter().filter(|it| it.severity == Severity::Error);
            return Err(Refusal {
                verdict: if errors.all(is_of_the_lab) {
                    Verdict::Infra
                } else {
                    Verdict::Job
                },
                reason: recipes::first_error(&all),
                story: shown.lines().map(str::to_owned).collect(),
            });
        }
        Ok(Some((recipe, binding.bound)))
    }

    /// With what a recovery is done where no stage follows. What is wrong with the config or the job is
    /// not said: only secrets are taken from them.
    pub(super) fn means(&self, library: &Library, children: Children) -> Result<Means, Refusal> {
        let found = self.run_dir.join("testflinger.json");
        let job = self.job.as_deref().or(found.exists().then_some(&*found));
        let given = |path: Option<&Path>| path.and_then(document).unwrap_or_default();
        Ok(Means {
            documents: (given(self.config.as_deref()), given(job)),
            local: Arc::new(children.local(&self.run_dir()?)),
            run_dir: self.run_dir()?,
            assets: self.assets(library),
            keys: Arc::new(SshKeys::from_environment(|name| std::env::var_os(name))),
            env: environment(),
        })
    }

    fn run_dir(&self) -> Result<PathBuf, Refusal> {
        std::path::absolute(&self.run_dir).map_err(|error| {
            Refusal::infra(format!(
                "the run directory {}: {error}",
                self.run_dir.display()
            ))
        })
    }

    fn assets(&self, library: &Library) -> Assets {
        let assets = recipes::seen_from(library, &self.recipe);
        Arc::new(move |name: &str| assets.asset(name).map(Arc::from))
    }

    fn without_stage(
        &self,
        recipe: &Recipe,
        streams: &mut Streams,
    ) -> Result<Option<(Recipe, Bound)>, Refusal> {
        if OPTIONAL_STAGES.contains(&self.stage.as_str()) {
            streams.note(&format!(
                "tf-engine: {} has no stage `{}`: nothing to do\n",
                self.recipe, self.stage
            ));
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

    /// The request of a run, or of a plan.
    pub(super) fn request(
        &self,
        (recipe, bound): (Recipe, Bound),
        library: &Library,
        children: Children,
        seed: u64,
        signals: Signals,
    ) -> Result<RunRequest, Refusal> {
        let run_dir = self.run_dir()?;
        let local = children.local(&run_dir);
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
            assets: self.assets(library),
            local: Arc::new(local),
            keys: Arc::new(SshKeys::from_environment(|name| std::env::var_os(name))),
            env: environment(),
            seed,
            signals,
        })
    }
}

/// Why nothing was begun, and whose fault that is.
pub(super) struct Refusal {
    pub(super) verdict: Verdict,
    pub(super) reason: String,
    /// All that is wrong, with its places, line by line; a person was told already.
    pub(super) story: Vec<String>,
}

impl Refusal {
    pub(super) fn infra(reason: String) -> Self {
        Self {
            verdict: Verdict::Infra,
            reason,
            story: Vec::new(),
        }
    }
}

impl Children {
    /// The engine's machine as a place where commands run.
    fn local(self, run_dir: &Path) -> Local {
        match self {
            Self::Ours => Local::sole(run_dir),
            Self::Shared => Local::new(run_dir),
        }
    }
}

/// What a run's work goes on in.
pub(super) fn runtime() -> Result<Runtime, Refusal> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Refusal::infra(format!("no runtime can be started: {error}")))
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

/// A config or a job as it stands. What is wrong with it is said when a stage is made ready; `None` where
/// it can't be read.
pub(super) fn document(path: &Path) -> Option<Value> {
    let mut sources = Sources::default();
    let id = sources.add(path.display().to_string(), read_text(path).ok()?);
    let node = yaml::read(&sources, id, Dialect::Data, &mut Findings::default())?;
    Some(node.to_value())
}
