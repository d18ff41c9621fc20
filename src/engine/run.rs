//! A run from beginning to end: the journal is opened, the machine driven, the end reported.

use std::sync::Arc;

use tokio::time::Instant;

use super::blame;
use super::driver::drive;
use super::journal::{self, FILE_NAME, Journal};
use super::live::Live;
use super::prepare::{Prepared, Refused, RunRequest};
use super::sink::{Opening, Sink};
use super::summary::RunReport;
use crate::machine::Machine;

/// What a run came to, in the run directory; written by whoever knows the exit status.
pub const OUTCOME_FILE: &str = "outcome.json";

/// Runs a stage. Once it has begun it always comes to an end that is reported: what fails is in the
/// report.
///
/// # Errors
/// [`Refused`]: the stage is no state machine, a constant has no value, or the run directory can't be
/// written. Nothing was touched.
pub async fn run(request: RunRequest, report: &mut dyn Sink) -> Result<RunReport, Refused> {
    let prepared = Prepared::new(request)?;
    let began = Instant::now();
    let run_dir = prepared.run_dir.clone();
    std::fs::create_dir_all(&run_dir).map_err(|error| {
        Refused(format!(
            "the run directory {} can't be made: {error}",
            run_dir.display()
        ))
    })?;
    let warnings = earlier(&run_dir);
    let mut journal = Journal::open(&run_dir, &prepared.header())
        .map_err(|error| Refused(format!("the run can't be journalled: {error}")))?;
    // Whoever finds one must not take an earlier run's for this one's, should this one be killed.
    let _ = std::fs::remove_file(run_dir.join(OUTCOME_FILE));
    let opening = Opening {
        recipe: prepared.recipe.name.as_str().into(),
        stage: prepared.stage.as_str().into(),
        run_id: prepared.id.as_str().into(),
        run_dir,
        time: prepared.time,
        warnings,
    };
    report.open(&opening);
    let memory = prepared.memory();
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

/// What the reader should know of earlier runs in this directory.
fn earlier(run_dir: &std::path::Path) -> Vec<String> {
    let path = run_dir.join(FILE_NAME);
    if !path.exists() {
        return Vec::new();
    }
    match journal::read_back(&path) {
        Err(damage) => vec![format!("an earlier run's journal is damaged: {damage}")],
        Ok(runs) => {
            let open = runs.last().map(journal::Journalled::open_scopes);
            match open.filter(|open| !open.is_empty()) {
                None => Vec::new(),
                Some(open) => vec![format!(
                    "the last run in this directory left {} open: their exit steps were not run",
                    open.join(", ")
                )],
            }
        }
    }
}
