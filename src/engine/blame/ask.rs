//! The probes of a failed run, tried side by side.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::decide::{is_open, lay};
use super::evidence::Evidence;
use super::probe::Probe;
use crate::actions::StepError;
use crate::engine::driver::World;
use crate::engine::journal::Journal;
use crate::engine::live::Live;
use crate::engine::record::{Record, What, millis};
use crate::engine::sink::Sink;
use crate::engine::summary::RunReport;
use crate::recipe::model::Step;
use crate::transport::Stop;

/// Bounds all probes of a run together.
const TOGETHER: Duration = Duration::from_secs(60);

/// How long probes that are killed may take to end; then their tasks are cut off.
const KILLED: Duration = Duration::from_secs(1);

/// A probe that has ended.
struct Ended {
    name: Arc<str>,
    step: Arc<Step>,
    sent: Vec<String>,
    result: Result<(), StepError>,
    took: Duration,
}

/// Looks for what explains a failed run, and writes what was found into its report. A signal ends
/// the looking; what was found until then counts.
pub(in crate::engine) async fn ask(
    world: &mut Live,
    report: &mut RunReport,
    journal: &mut Journal,
    sink: &mut dyn Sink,
) {
    if !is_open(report) {
        return;
    }
    let probes = world.memory.probes(SystemTime::now());
    if probes.is_empty() {
        return;
    }
    let names: Vec<Arc<str>> = probes.iter().map(|probe| probe.name.clone()).collect();
    let what = What::Probing {
        probes: names.clone(),
        limit: millis(TOGETHER),
    };
    tell(world, what, journal, sink).await;
    let stop = Stop::new();
    let mut looking = JoinSet::new();
    for probe in probes {
        looking.spawn(look(probe, stop.clone()));
    }
    let due = Instant::now() + TOGETHER;
    let mut evidence: Vec<Evidence> = Vec::new();
    loop {
        let ended = tokio::select! {
            biased;
            Some(_) = world.signals.next() => break,
            ended = looking.join_next() => ended,
            () = sleep_until(due) => break,
        };
        let Some(ended) = ended else { break };
        // A probe that panics is a fault of ours, and says nothing.
        let Ok(ended) = ended else { continue };
        let found = world.memory.evidence(
            &ended.name,
            &ended.step,
            &ended.sent,
            ended.result,
            ended.took,
        );
        tell(world, probed(&found), journal, sink).await;
        evidence.push(found);
    }
    stop.ask.cancel();
    stop.kill.cancel();
    let _ = timeout(KILLED, async {
        while looking.join_next().await.is_some() {}
    })
    .await;
    // In the recipe's order, whichever was quickest.
    evidence.sort_by_key(|one| names.iter().position(|name| *name == one.probe));
    if let Some(blamed) = lay(&world.memory, report, evidence) {
        tell(world, blamed, journal, sink).await;
    }
}

async fn look(probe: Probe, stop: Stop) -> Ended {
    let begun = Instant::now();
    let sent = probe.describe();
    let result = match probe.looks {
        Err(error) => Err(error),
        Ok(looks) => {
            let mut all = Ok(());
            for look in looks {
                all = look.perform(&stop).await.map(|_| ());
                if all.is_err() {
                    break;
                }
            }
            all
        }
    };
    Ended {
        name: probe.name,
        step: probe.step,
        sent,
        result,
        took: begun.elapsed(),
    }
}

/// The fact of what a probe found.
pub(in crate::engine) fn probed(found: &Evidence) -> What {
    What::Probed {
        probe: found.probe.clone(),
        holds: found.holds,
        verdict: found.verdict,
        message: found.message.clone(),
        took: millis(found.took),
    }
}

async fn tell(world: &Live, what: What, journal: &mut Journal, sink: &mut dyn Sink) {
    let at = world.now();
    let record = Record {
        values: BTreeMap::new(),
        at,
        time: world.memory.time(at),
        what,
    };
    // A journal that can't be written any more is told of in the report.
    let _ = journal.append(std::slice::from_ref(&record)).await;
    sink.fact(&record);
}
