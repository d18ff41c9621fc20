//! A run from beginning to end: the journal is opened, what earlier runs left is recovered, the machine
//! driven, the end reported.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;

use super::blame;
use super::driver::drive;
use super::live::Live;
use super::prepare::{Prepared, Refused, RunRequest};
use super::recovery::{Means, Recovered, held, leave, unjournalled};
use super::sink::{Opening, Sink};
use super::summary::RunReport;
use crate::machine::Machine;

/// What a run came to, in the run directory; written by whoever knows the exit status.
pub const OUTCOME_FILE: &str = "outcome.json";

/// Runs a stage. Scopes that an earlier run in the directory was killed in are left first; if that
/// fails for good, or is cancelled, the stage does not begin, and that is its end. Once it has begun it
/// always comes to an end that is reported: what fails is in the report.
///
/// # Errors
/// [`Refused`]: the stage is no state machine, a constant has no value, or the run directory can't be
/// written. Nothing of the stage was touched.
pub async fn run(request: RunRequest, report: &mut dyn Sink) -> Result<RunReport, Refused> {
    let mut means = Means::of(&request);
    let mut prepared = Prepared::new(request)?;
    let run_dir = prepared.run_dir.clone();
    means.run_dir.clone_from(&run_dir);
    std::fs::create_dir_all(&run_dir).map_err(|error| {
        Refused(format!(
            "the run directory {} can't be made: {error}",
            run_dir.display()
        ))
    })?;
    let mut journal = held(&run_dir)?;
    // Whoever finds one must not take an earlier run's for this one's, should this one be killed.
    let _ = std::fs::remove_file(run_dir.join(OUTCOME_FILE));
    let recovered = leave(&mut journal, &means, &mut prepared.signals, report).await?;
    prepared.time = SystemTime::now();
    let mut opening = Opening {
        recipe: prepared.recipe.name.as_str().into(),
        stage: prepared.stage.as_str().into(),
        run_id: prepared.id.as_str().into(),
        run_dir,
        time: prepared.time,
        warnings: Vec::new(),
    };
    match recovered {
        Recovered::Left(told) => opening.warnings = told,
        Recovered::Stopped(stopped) => return Ok(stopped.report(opening)),
    }
    journal.begin(&prepared.header()).map_err(unjournalled)?;
    report.open(&opening);
    let began = Instant::now();
    let mut memory = prepared.memory();
    memory.note_values();
    let mut machine = Machine::new(Arc::clone(&prepared.chart), prepared.seed);
    let mut world = Live::new(memory, began, prepared.signals);
    let ending = drive(&mut machine, &mut world, &mut journal, report).await;
    let mut ended = world
        .memory
        .report(opening, ending, began.elapsed(), journal.broken());
    blame::ask(&mut world, &mut ended, &mut journal, report).await;
    ended.took = began.elapsed();
    world.finish(report).await;
    Ok(ended)
}
