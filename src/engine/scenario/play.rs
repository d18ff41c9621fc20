//! One scenario, run.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use serde_json::Value;

use super::judge::{self, Problem};
use super::procedure;
use super::resolve::Resolved;
use crate::diagnostic::{Findings, Sources};
use crate::engine::driver::drive;
use crate::engine::journal::Journal;
use crate::engine::prepare::{Circumstances, Inputs, Prepared, Refused, RunRequest};
use crate::engine::record::Record;
use crate::engine::scripted::{Happened, Scripted};
use crate::engine::signals::Signals;
use crate::engine::sink::{Opening, Saying, Sink};
use crate::engine::summary::RunReport;
use crate::machine::{Chart, End, Machine, Moment};
use crate::recipe::inputs::{Bound, bind_maps};
use crate::recipe::model::Recipe;
use crate::recipe::scenario::Scenario;
use crate::recipe::template::Assets;
use crate::transport::{Local, PingMethod, SshKeys};

/// When every scenario begins: 2026-01-01T00:00:00Z, in seconds since 1970.
const BEGIN: Duration = Duration::from_secs(1_767_225_600);

/// What `run.id` is in every scenario.
const RUN_ID: &str = "000000000000";

/// What `run.dir` is in every scenario. Nothing is read or written there.
const RUN_DIR: &str = "/run-directory";

/// Exit statuses, which are the command line's to choose.
#[derive(Clone, Copy, Debug)]
pub struct Statuses {
    /// That of a run.
    pub of: fn(End) -> u8,
    /// That of inputs which are refused.
    pub refused: u8,
}

/// What came of a scenario.
#[derive(Clone, Debug)]
pub struct Played {
    /// The exit status.
    pub exit: u8,
    /// Why it ended so, in one sentence.
    pub reason: String,
    /// How the run ended; `None`: the inputs were refused.
    pub report: Option<RunReport>,
    /// What is different from what was expected.
    pub problems: Vec<Problem>,
    /// States that were entered and ends that were reached, as scenarios call them.
    pub path: Vec<String>,
    /// All that was sent, in order.
    pub commands: Vec<String>,
    /// How long it took on the virtual clock.
    pub took: Duration,
    /// What became true and what was said, in order, for whoever tells the story.
    pub log: Vec<Logged>,
}

/// One entry of the log of a run.
#[derive(Clone, Debug)]
pub enum Logged {
    /// A fact.
    Fact(Record),
    /// Something that was said.
    Saying(Saying),
}

/// What a scenario runs on.
pub(super) struct Stand<'a> {
    pub(super) recipe: &'a Arc<Recipe>,
    pub(super) stage: &'a str,
    pub(super) chart: &'a Arc<Chart>,
    pub(super) sources: &'a Sources,
    pub(super) assets: &'a Assets,
}

/// Keeps what a run tells.
#[derive(Default)]
struct Log(Vec<Logged>);

impl Sink for Log {
    fn open(&mut self, _: &Opening) {}

    fn fact(&mut self, record: &Record) {
        self.0.push(Logged::Fact(record.clone()));
    }

    fn say(&mut self, saying: &Saying) {
        self.0.push(Logged::Saying(saying.clone()));
    }

    fn tick(&mut self, _: Moment, _: SystemTime) {}
}

/// Runs it. `Err`: its inputs are wrong, and it does not expect that.
pub(super) fn play(
    stand: &Stand<'_>,
    scenario: &Scenario,
    resolved: Resolved,
    statuses: Statuses,
) -> Result<(Played, Happened), Findings> {
    let (bound, findings) = bind_maps(
        stand.recipe,
        stand.stage,
        scenario.device.clone(),
        scenario.job.clone(),
        stand.sources,
    );
    let refusal = scenario
        .expect
        .as_ref()
        .is_some_and(|expect| expect.exit.value == statuses.refused);
    if findings.has_errors() {
        if !refusal {
            return Err(findings);
        }
        let first = findings.0.first().map(|finding| finding.message.clone());
        return Ok((
            refused(scenario, first.unwrap_or_default(), statuses),
            Happened::default(),
        ));
    }
    let prepared = match prepared(stand, scenario, &bound) {
        Ok(prepared) => prepared,
        Err(Refused(why)) => return Ok((refused(scenario, why, statuses), Happened::default())),
    };
    let mut machine = Machine::new(Arc::clone(&prepared.chart), prepared.seed);
    let never = resolved.never;
    let path = resolved.path;
    let mut world = Scripted::new(prepared.memory(), resolved.script);
    let mut log = Log::default();
    let mut journal = Journal::nowhere();
    // No future of this world waits for anything.
    let ending = drive(&mut machine, &mut world, &mut journal, &mut log).now_or_never();
    let took = crate::engine::driver::World::now(&world).0;
    let opening = Opening {
        recipe: prepared.recipe.name.as_str().into(),
        stage: stand.stage.into(),
        run_id: prepared.id.as_str().into(),
        run_dir: prepared.run_dir.clone(),
        time: prepared.time,
        warnings: Vec::new(),
    };
    let report = ending.map(|ending| {
        let mut report = world.memory.report(opening, ending, took, None);
        world.ask(&mut report, &mut log);
        report
    });
    let places = super::places::Places::new(stand.chart);
    let named = world.happened.path.iter();
    let mut played = Played {
        exit: report
            .as_ref()
            .map_or(statuses.refused, |report| (statuses.of)(report.ending.end)),
        reason: report
            .as_ref()
            .map_or_else(String::new, |report| report.reason.clone()),
        report,
        problems: Vec::new(),
        path: named
            .filter(|state| !procedure::is_caller(stand.chart, **state))
            .map(|state| places.state(*state).to_owned())
            .collect(),
        commands: world.happened.commands.clone(),
        took,
        log: log.0,
    };
    judge::ran(
        &mut played,
        scenario,
        &judge::Found {
            places: &places,
            path: &path,
            never: &never,
            script: &world.script,
            happened: &world.happened,
        },
    );
    Ok((played, world.happened))
}

/// The inputs were refused: nothing was begun.
fn refused(scenario: &Scenario, reason: String, statuses: Statuses) -> Played {
    let mut played = Played {
        exit: statuses.refused,
        reason,
        report: None,
        problems: Vec::new(),
        path: Vec::new(),
        commands: Vec::new(),
        took: Duration::ZERO,
        log: Vec::new(),
    };
    judge::refused(&mut played, scenario);
    played
}

fn prepared(stand: &Stand<'_>, scenario: &Scenario, bound: &Bound) -> Result<Prepared, Refused> {
    let own = |bound: &Bound| Inputs {
        device: bound.device.clone(),
        job: bound.job.clone(),
        secrets: bound.secrets.clone(),
    };
    let mut inputs: HashMap<Option<String>, Inputs> = HashMap::from([(None, own(bound))]);
    for (name, import) in &bound.imports {
        inputs.insert(Some(name.clone()), own(import));
    }
    let documents: (Value, Value) = (bound.device_document.clone(), bound.job_document.clone());
    Prepared::under(
        RunRequest {
            recipe: Arc::clone(stand.recipe),
            stage: stand.stage.to_owned(),
            inputs,
            documents,
            run_dir: PathBuf::from(RUN_DIR),
            assets: Arc::clone(stand.assets),
            local: Arc::new(Local::new(RUN_DIR)),
            keys: Arc::new(SshKeys::from_environment(|_| None)),
            env: scenario.env.clone(),
            seed: 0,
            signals: Signals::none(),
        },
        Circumstances {
            time: SystemTime::UNIX_EPOCH + BEGIN,
            id: RUN_ID.to_owned(),
            lets: None,
            ping: Some(PingMethod::Datagram),
        },
    )
}
