//! At a start: which runs left scopes open, and their recovery, one run after the other.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::super::driver::drive;
use super::super::identity::{fresh_seed, run_id};
use super::super::journal::{FILE_NAME, Header, Journal, Journalled, RECOVERS, is_held, read_back};
use super::super::live::Live;
use super::super::prepare::{Refused, RunRequest};
use super::super::record::{Record, What, utc};
use super::super::signals::Signals;
use super::super::sink::{Opening, Saying, Sink};
use super::super::summary::RunReport;
use super::left::Left;
use super::rebuild::{Rebuilt, rebuild};
use crate::machine::{End, Ending, Moment};
use crate::recipe::Verdict;
use crate::recipe::template::Assets;
use crate::transport::{Local, SshKeys};

/// With what a recovery is done. It is the new start's, but for what the journal tells.
#[derive(Clone)]
pub struct Means {
    /// The device config and job data of the new start, as they came; null where there are none.
    /// Secrets are taken from them.
    pub documents: (Value, Value),
    /// The run directory.
    pub run_dir: PathBuf,
    /// Shipped files by name.
    pub assets: Assets,
    /// The engine's machine as a place where commands run.
    pub local: Arc<Local>,
    /// The engine's own SSH keys.
    pub keys: Arc<SshKeys>,
    /// The engine's environment.
    pub env: Vec<(String, String)>,
}

impl Means {
    pub(in crate::engine) fn of(request: &RunRequest) -> Self {
        Self {
            documents: request.documents.clone(),
            run_dir: request.run_dir.clone(),
            assets: request.assets.clone(),
            local: request.local.clone(),
            keys: request.keys.clone(),
            env: request.env.clone(),
        }
    }
}

/// A run that was killed with scopes open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its `run.id`.
    pub run_id: String,
    /// Its recipe.
    pub recipe: String,
    /// Its stage.
    pub stage: String,
    /// The scopes, outermost first, by path.
    pub open: Vec<Arc<str>>,
}

impl Pending {
    fn of(run: &Journalled) -> Option<Self> {
        let open = run.open_scopes();
        (!open.is_empty()).then(|| Self {
            run_id: run.run_id().to_owned(),
            recipe: run.header.text("recipe").to_owned(),
            stage: run.header.text("stage").to_owned(),
            open,
        })
    }

    /// "run k2j3… (provision of muxpi)".
    fn name(&self) -> String {
        format!("run {} ({} of {})", self.run_id, self.stage, self.recipe)
    }

    /// The scopes as they are left: "/storage, /".
    fn scopes(&self) -> String {
        let scopes: Vec<&str> = self.open.iter().rev().map(AsRef::as_ref).collect();
        scopes.join(", ")
    }
}

impl std::fmt::Display for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} was killed and left open {}",
            self.name(),
            self.scopes()
        )
    }
}

/// What a start in this directory would recover, the latest run first. Nothing is written. A journal
/// that can't be read, or that a run at work holds, tells of none.
pub fn pending(run_dir: &Path) -> Vec<Pending> {
    if is_held(run_dir) {
        return Vec::new();
    }
    let runs = read_back(&run_dir.join(FILE_NAME)).unwrap_or_default();
    runs.iter().rev().filter_map(Pending::of).collect()
}

/// What came of the earlier runs of a directory.
pub(in crate::engine) enum Recovered {
    /// The new run may begin; these are its reader's to know.
    Left(Vec<String>),
    /// It may not: a recovery failed for good or was cancelled.
    Stopped(Box<Stopped>),
}

/// Why a new run does not begin.
pub(in crate::engine) struct Stopped {
    /// How the recovery ended, told as the end of the new run.
    report: RunReport,
}

impl Stopped {
    /// As the end of the run that does not begin.
    pub(in crate::engine) fn report(self: Box<Self>, opening: Opening) -> RunReport {
        RunReport {
            opening,
            ..self.report
        }
    }
}

/// Recovers what earlier runs in a directory left open where no stage follows. Gives how that went, as a
/// run of `stage`; `None` where nothing was open.
///
/// # Errors
/// [`Refused`]: another run is at work there, or the journal can't be read or written.
pub async fn recover(
    means: Means,
    recipe: &str,
    stage: &str,
    mut signals: Signals,
    report: &mut dyn Sink,
) -> Result<Option<RunReport>, Refused> {
    if !means.run_dir.join(FILE_NAME).exists() {
        return Ok(None);
    }
    let began = Instant::now();
    let time = SystemTime::now();
    let mut journal = held(&means.run_dir)?;
    let mut opening = Opening {
        recipe: recipe.into(),
        stage: stage.into(),
        run_id: run_id(time, fresh_seed()).into(),
        run_dir: means.run_dir.clone(),
        time,
        warnings: Vec::new(),
    };
    let told = match leave(&mut journal, &means, &mut signals, report).await? {
        Recovered::Stopped(stopped) => return Ok(Some(stopped.report(opening))),
        Recovered::Left(told) => told,
    };
    if told.is_empty() {
        return Ok(None);
    }
    opening.warnings = told;
    report.open(&opening);
    Ok(Some(RunReport {
        reason: opening.warnings.join("; "),
        opening,
        ending: Ending {
            end: End::Success,
            state: None,
            step: None,
            kind: None,
        },
        verdict: Verdict::Ok,
        decided: None,
        blamed: None,
        evidence: Vec::new(),
        took: began.elapsed(),
        left_open: Vec::new(),
    }))
}

/// The journal of a directory, held.
pub(in crate::engine) fn held(run_dir: &Path) -> Result<Journal, Refused> {
    Journal::open(run_dir).map_err(unjournalled)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it stands where an error is mapped"
)]
pub(in crate::engine) fn unjournalled(why: String) -> Refused {
    Refused(format!("the run can't be journalled: {why}"))
}

/// Recovers what earlier runs left open, the latest first.
///
/// # Errors
/// [`Refused`]: the journal can't be written.
pub(in crate::engine) async fn leave(
    journal: &mut Journal,
    means: &Means,
    signals: &mut Signals,
    report: &mut dyn Sink,
) -> Result<Recovered, Refused> {
    let runs = match read_back(&means.run_dir.join(FILE_NAME)) {
        Ok(runs) => runs,
        Err(damage) => {
            // In its place, the journal of the run that begins could not be read back either.
            let unreadable = std::mem::replace(journal, Journal::nowhere());
            let (new, name) = unreadable.set_aside().map_err(unjournalled)?;
            *journal = new;
            return Ok(Recovered::Left(vec![format!(
                "what earlier runs left open is not known, for their journal can't be read: {damage}; it is now {}",
                name.display()
            )]));
        }
    };
    let mut told = Vec::new();
    for run in runs.iter().rev() {
        let (Some(left), Some(pending)) = (Left::of(&run.records), Pending::of(run)) else {
            continue;
        };
        match rebuild(run, &left, means) {
            Ok(rebuilt) => {
                match leave_run(rebuilt, &pending, journal, means, signals, report).await? {
                    Ok(text) => told.push(text),
                    Err(stopped) => return Ok(Recovered::Stopped(Box::new(stopped))),
                }
            }
            Err(why) => told.push(format!("{pending}; its exit steps were not run: {why}")),
        }
    }
    Ok(Recovered::Left(told))
}

/// Leaves what one run left open. Gives what is to be told of it.
async fn leave_run(
    rebuilt: Rebuilt,
    pending: &Pending,
    journal: &mut Journal,
    means: &Means,
    signals: &mut Signals,
    report: &mut dyn Sink,
) -> Result<Result<String, Stopped>, Refused> {
    let time = SystemTime::now();
    let mut fields = Map::new();
    fields.insert("t".into(), utc(time).into());
    fields.insert(RECOVERS.into(), pending.run_id.clone().into());
    fields.insert("engine".into(), env!("CARGO_PKG_VERSION").into());
    fields.insert("pid".into(), std::process::id().into());
    journal.begin(&Header { fields }).map_err(unjournalled)?;
    let opening = Opening {
        recipe: pending.recipe.as_str().into(),
        stage: pending.stage.as_str().into(),
        run_id: pending.run_id.as_str().into(),
        run_dir: means.run_dir.clone(),
        time,
        warnings: vec![format!(
            "it was killed and left open {}: their exit steps run now",
            pending.scopes()
        )],
    };
    report.open(&opening);
    let Rebuilt {
        mut machine,
        memory,
    } = rebuilt;
    let began = Instant::now();
    let mut world = Live::new(memory, began, std::mem::replace(signals, Signals::none()));
    let mut watched = Watched {
        report,
        failed: Vec::new(),
    };
    let ending = drive(&mut machine, &mut world, journal, &mut watched).await;
    let took = began.elapsed();
    world.finish(&mut watched).await;
    let failed = watched.failed;
    let (memory, back) = world.into_parts();
    *signals = back;
    let mut ended = memory.report(opening, ending, took, journal.broken());
    Ok(match ending.end {
        End::Unrecoverable | End::Cancelled(_) => {
            ended.reason = format!(
                "the recovery of {}, which was killed: {}",
                pending.name(),
                ended.reason
            );
            Err(Stopped { report: ended })
        }
        End::Success | End::Failure { .. } => {
            let mut text = format!("recovered {}: left {}", pending.name(), pending.scopes());
            for failure in failed {
                text.push_str(&format!("; {failure}"));
            }
            Ok(text)
        }
    })
}

/// Remembers which exit steps failed.
struct Watched<'r> {
    report: &'r mut dyn Sink,
    failed: Vec<String>,
}

impl Sink for Watched<'_> {
    fn open(&mut self, opening: &Opening) {
        self.report.open(opening);
    }

    fn fact(&mut self, record: &Record) {
        if let What::ExitStepFailed { step, message, .. } = &record.what {
            let text = format!("its exit step `{}` failed: {message}", step.name);
            self.failed.push(text);
        }
        self.report.fact(record);
    }

    fn say(&mut self, saying: &Saying) {
        self.report.say(saying);
    }

    fn tick(&mut self, now: Moment, time: SystemTime) {
        self.report.tick(now, time);
    }

    fn behind(&self) -> bool {
        self.report.behind()
    }
}
