//! The probes of a recipe, ready to be tried.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::evidence::Evidence;
use crate::actions::{Look, StepError};
use crate::engine::memory::Memory;
use crate::recipe::ErrorKind;
use crate::recipe::model::{Items, Step};
use crate::recipe::template::Context;

/// A probe that is to be tried.
pub(in crate::engine) struct Probe {
    pub(in crate::engine) name: Arc<str>,
    pub(in crate::engine) step: Arc<Step>,
    /// What it does, once per item.
    pub(in crate::engine) looks: Result<Vec<Look>, StepError>,
}

impl Probe {
    /// What it does, as a person reads it.
    pub(in crate::engine) fn describe(&self) -> Vec<String> {
        self.looks.as_ref().map_or_else(
            |_| Vec::new(),
            |looks| looks.iter().flat_map(Look::describe).collect(),
        )
    }
}

impl Memory {
    /// The recipe's probes that have something to look at, in order.
    pub(in crate::engine) fn probes(&self, now: SystemTime) -> Vec<Probe> {
        let all = self.recipe.blame.iter();
        all.map(|(name, step)| Probe {
            name: name.as_str().into(),
            step: Arc::clone(step),
            looks: self.looks(step, now),
        })
        .filter(|probe| !matches!(&probe.looks, Ok(looks) if looks.is_empty()))
        .collect()
    }

    fn looks(&self, step: &Arc<Step>, now: SystemTime) -> Result<Vec<Look>, StepError> {
        let mut context = self.constants.get(&None).cloned().unwrap_or_default();
        context.set_now(now);
        if let Some(host) = &step.host {
            self.lab.introduce_host(None, &host.value, &mut context);
        }
        let mut looks = Vec::new();
        for context in each(step, context)? {
            let is_due = step.when.as_ref().map(|when| when.truth(&context));
            if is_due.transpose()? != Some(false) {
                looks.push(Look::plan(step, &self.lab, context)?);
            }
        }
        Ok(looks)
    }

    /// What a probe found, of how it ended.
    pub(in crate::engine) fn evidence(
        &self,
        name: &Arc<str>,
        step: &Step,
        sent: &[String],
        ended: Result<(), StepError>,
        took: Duration,
    ) -> Evidence {
        let (holds, verdict, message) = match ended {
            Ok(()) => (Some(true), None, sent.join("; ")),
            // It could not be made, or was stopped: that says nothing of what it looks at.
            Err(error) if matches!(error.kind, ErrorKind::Input | ErrorKind::Cancelled) => {
                (None, None, error.message)
            }
            Err(error) => {
                let verdict = self.verdict_of_probe(step, &error);
                (Some(false), Some(verdict), error.message)
            }
        };
        Evidence {
            probe: name.clone(),
            holds,
            verdict,
            message: self.lab.mask(&message),
            took,
        }
    }

    /// `lab_failure_status`, where it has a value.
    pub(super) fn lab_failure_status(&self) -> Option<i64> {
        let expr = self.recipe.lab_failure_status.as_ref()?;
        let constants = self.constants.get(&None)?;
        expr.evaluate(constants).ok()?.value.as_i64()
    }
}

/// What the names of a step's templates are, once per item.
fn each(step: &Step, context: Context) -> Result<Vec<Context>, StepError> {
    let items = match &step.for_each {
        None => return Ok(vec![context]),
        Some(Items::List(tree)) => tree.render(&context)?,
        Some(Items::Expr(expr)) => expr.evaluate(&context)?,
    };
    let Value::Array(list) = items.value else {
        return Err(StepError::input("`for_each` is no list"));
    };
    let contexts = list.into_iter().enumerate().map(|(index, item)| {
        let mut context = context.clone();
        context.set("item", item);
        if items.secret {
            context.mark_secret(["item"]);
        }
        context.set("index", json!(index));
        context
    });
    Ok(contexts.collect())
}
