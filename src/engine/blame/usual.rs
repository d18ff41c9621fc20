//! Whose fault a failure is by what failed: action, host, kind of error.

use std::collections::HashSet;

use crate::actions::StepError;
use crate::engine::memory::Memory;
use crate::machine::{StateId, StepId};
use crate::recipe::model::{Map, Recipe, Role, Step, Tree, TreeKind};
use crate::recipe::reads::{Text, of_tree, of_trees};
use crate::recipe::{ErrorKind, Verdict};

/// Actions that work the lab's gear, whatever host the gear's steps run on.
const GEAR: &[&str] = &["power", "mux", "capture"];

impl Memory {
    /// The `verdict` nearest to a step or state: its own, that of a state around, and so on outward
    /// through the calls that lead there.
    pub(in crate::engine) fn written_verdict(
        &self,
        step: Option<StepId>,
        state: StateId,
    ) -> Option<Verdict> {
        let chart = self.chart();
        let around = |state: StateId| chart.chain(state).find_map(|at| chart.state(at).verdict);
        let of_step = |step: StepId| chart.step(step).verdict;
        step.and_then(of_step)
            .or_else(|| around(state))
            .or_else(|| {
                self.names
                    .calls
                    .iter()
                    .rev()
                    .find_map(|call| of_step(*call).or_else(|| around(chart.owner(*call))))
            })
    }

    /// Of an error that no step raised.
    pub(in crate::engine) fn verdict_of_state(&self, state: StateId, kind: ErrorKind) -> Verdict {
        self.written_verdict(None, state).unwrap_or(match kind {
            ErrorKind::Mismatch | ErrorKind::Loop | ErrorKind::Failed => Verdict::Device,
            ErrorKind::Input => Verdict::Job,
            ErrorKind::Cancelled => Verdict::Cancelled,
            _ => Verdict::Infra,
        })
    }

    /// Of a step's error: as written, else as the action knows it, else by its kind.
    pub(in crate::engine) fn verdict_of_step(
        &self,
        step: StepId,
        kind: ErrorKind,
        error: Option<&StepError>,
    ) -> Verdict {
        if let Some(written) = self.written_verdict(Some(step), self.chart().owner(step)) {
            return written;
        }
        self.verdict_by_kind(self.chart().step(step), kind, error)
    }

    /// Of a probe that does not hold.
    pub(super) fn verdict_of_probe(&self, probe: &Step, error: &StepError) -> Verdict {
        probe
            .verdict
            .unwrap_or_else(|| self.verdict_by_kind(probe, error.kind, Some(error)))
    }

    fn verdict_by_kind(
        &self,
        declared: &Step,
        kind: ErrorKind,
        error: Option<&StepError>,
    ) -> Verdict {
        let action = declared.action.name;
        let known = error.and_then(|error| error.verdict);
        let verdict = known.unwrap_or_else(|| self.usual(declared, kind, error));
        // The board does not answer after it was given an image: the image is the news.
        if kind == ErrorKind::Timeout
            && action == "wait"
            && verdict == Verdict::Device
            && self.flashed
        {
            return Verdict::Image;
        }
        verdict
    }

    fn usual(&self, step: &Step, kind: ErrorKind, error: Option<&StepError>) -> Verdict {
        match kind {
            ErrorKind::Timeout
            | ErrorKind::Unreachable
            | ErrorKind::Lost
            | ErrorKind::Auth
            | ErrorKind::Exit => self.by_role(step),
            ErrorKind::Http => {
                let status = error.and_then(|error| error.output.get("status")?.as_u64());
                let refused = status.is_some_and(|status| (400..500).contains(&status));
                if refused && reads(&self.recipe, &step.params, "job") {
                    Verdict::Job
                } else {
                    Verdict::Infra
                }
            }
            ErrorKind::Mismatch if ["flash", "download"].contains(&step.action.name) => {
                Verdict::Infra
            }
            ErrorKind::Mismatch | ErrorKind::Loop | ErrorKind::Failed => Verdict::Device,
            ErrorKind::Input => {
                if reads(&self.recipe, &step.params, "device")
                    && !reads(&self.recipe, &step.params, "job")
                {
                    Verdict::Infra
                } else {
                    Verdict::Job
                }
            }
            ErrorKind::Io => Verdict::Infra,
            ErrorKind::Cancelled => Verdict::Cancelled,
        }
    }

    fn by_role(&self, step: &Step) -> Verdict {
        if GEAR.contains(&step.action.name) {
            return Verdict::Infra;
        }
        let home = self.frames.last().and_then(|frame| frame.home.as_deref());
        let probed = match step.params.get("ssh").map(|tree| &tree.kind) {
            Some(TreeKind::Literal(host)) if step.action.name == "wait" => host.as_str(),
            _ => None,
        };
        let host = probed.or_else(|| step.host.as_ref().map(|host| host.value.as_str()));
        match host.map(|host| self.lab.role(home, host)) {
            Some(Role::Device) => Verdict::Device,
            Some(Role::Lab) | None => Verdict::Infra,
        }
    }
}

/// Whether a parameter reads something of `root`, directly or by way of constants.
fn reads(recipe: &Recipe, params: &Map<Tree>, root: &str) -> bool {
    let mut texts: Vec<Text<'_>> = Vec::new();
    of_trees(params, &mut |text| texts.push(text));
    // Each is looked at once, however many others read it.
    let mut constants = HashSet::new();
    while let Some(text) = texts.pop() {
        for read in text.reads() {
            match read.path.as_slice() {
                [first, name, ..] if first == "let" => {
                    if let Some(tree) = recipe.lets.get(name)
                        && constants.insert(name.clone())
                    {
                        of_tree(tree, &mut |text| texts.push(text));
                    }
                }
                [first, ..] if first == root => return true,
                _ => {}
            }
        }
    }
    false
}
