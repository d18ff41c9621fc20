//! A run from beginning to end: the journal is opened, the machine driven, the end reported.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;

use super::driver::drive;
use super::journal::{self, FILE_NAME, Journal};
use super::live::Live;
use super::prepare::{Prepared, Refused, RunRequest};
use super::sink::{Opening, Sink};
use super::summary::RunReport;
use crate::machine::Machine;

/// A seed from the clock and the process.
pub fn fresh_seed() -> u64 {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let nanos = u64::try_from(now.as_nanos() & u128::from(u64::MAX)).unwrap_or_default();
    mixed(nanos ^ (u64::from(std::process::id()) << 32))
}

/// `run.id`: 12 characters of `[0-9a-z]`. The first eight count milliseconds, so ids sort by time (to
/// the year 2059); the last four come of the seed, so that runs begun at once differ.
pub fn run_id(time: SystemTime, seed: u64) -> String {
    let millis = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, super::record::millis);
    let mut id = base36(millis % 36_u64.pow(8), 8);
    id.push_str(&base36(mixed(seed) % 36_u64.pow(4), 4));
    id
}

fn base36(mut number: u64, digits: usize) -> String {
    let mut text = vec!['0'; digits];
    for digit in text.iter_mut().rev() {
        let value = u32::try_from(number % 36).unwrap_or_default();
        *digit = char::from_digit(value, 36).unwrap_or('0');
        number /= 36;
    }
    text.into_iter().collect()
}

/// The finaliser of SplitMix64: neighbouring numbers give unlike ones.
fn mixed(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

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
    let took = began.elapsed();
    world.finish(report).await;
    Ok(world.memory.report(opening, ending, took, journal.broken()))
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn ids_are_twelve_characters_and_sort_by_time() {
        let at = |secs| SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
        let first = run_id(at(1_795_528_800), 1);
        assert_eq!(first.len(), 12);
        assert!(
            first
                .chars()
                .all(|c| c.is_ascii_digit() || c.is_ascii_lowercase())
        );
        assert!(first < run_id(at(1_795_528_801), 0));
        assert_ne!(first, run_id(at(1_795_528_800), 2));
        assert_eq!(first, run_id(at(1_795_528_800), 1));
    }
}
