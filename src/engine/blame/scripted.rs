//! The probes of a failed run in a scenario: each ends as the scenario says, else well.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::ask::probed;
use super::decide::{is_open, lay};
use super::evidence::Evidence;
use super::probe::Probe;
use crate::actions::{Look, StepError};
use crate::engine::driver::World;
use crate::engine::record::{Record, What};
use crate::engine::scripted::Scripted;
use crate::engine::sink::Sink;
use crate::engine::summary::RunReport;
use crate::recipe::scenario::TryOutcome;

impl Scripted {
    /// Looks for what explains a failed run, as the scenario has it.
    pub(in crate::engine) fn ask(&mut self, report: &mut RunReport, sink: &mut dyn Sink) {
        if !is_open(report) {
            return;
        }
        let probes = self.memory.probes(self.memory.time(self.now()));
        if probes.is_empty() {
            return;
        }
        self.tell(
            What::Probing {
                probes: probes.iter().map(|probe| probe.name.clone()).collect(),
                limit: 0,
            },
            sink,
        );
        let mut evidence: Vec<Evidence> = Vec::new();
        for probe in probes {
            let sent = probe.describe();
            self.happened.probes.insert(probe.name.to_string());
            let outcomes = self.script.probes.get(&*probe.name);
            let ended = ends(&probe, outcomes.and_then(|outcomes| outcomes.first()));
            let found =
                self.memory
                    .evidence(&probe.name, &probe.step, &sent, ended, Duration::ZERO);
            self.tell(probed(&found), sink);
            evidence.push(found);
        }
        if let Some(blamed) = lay(&self.memory, report, evidence) {
            self.tell(blamed, sink);
        }
    }

    fn tell(&self, what: What, sink: &mut dyn Sink) {
        let at = self.now();
        sink.fact(&Record {
            values: BTreeMap::new(),
            at,
            time: self.memory.time(at),
            what,
        });
    }
}

/// How a probe ends: what can't be planned ends so whatever the scenario says.
fn ends(probe: &Probe, outcome: Option<&TryOutcome>) -> Result<(), StepError> {
    let looks = probe.looks.as_ref().map_err(StepError::clone)?;
    let outcome = outcome.cloned().unwrap_or_default();
    let given: Map<String, Value> = outcome
        .output
        .iter()
        .map(|(key, value)| (key.name.clone(), value.clone()))
        .collect();
    if let Some(error) = outcome.error {
        let message = outcome.message.unwrap_or_else(|| {
            format!("the scenario ends `{}` with `{}`", probe.name, error.value)
        });
        return Err(StepError::new(error.value, message).with_output(Value::Object(given)));
    }
    looks
        .iter()
        .try_for_each(|look: &Look| look.as_if(given.clone()).map(|_| ()))
}
