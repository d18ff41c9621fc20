//! A step that is done by itself, once: a probe after a failure.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::bounded::{late, within};
use super::driver::limit;
use super::{
    Deed, Lab, Notes, Performed, PlanContext, Request, ScopeWork, StepContext, StepError, registry,
    stand_in,
};
use crate::recipe::model::Step;
use crate::recipe::template::Context;
use crate::transport::Stop;

/// The longest that one may take, whatever a template says.
const LONGEST: Duration = Duration::from_secs(30);

/// A step outside of any state, ready to be done.
pub struct Look {
    step: Arc<Step>,
    lab: Arc<Lab>,
    context: Context,
    request: Box<dyn Request>,
    limit: Duration,
}

impl Look {
    /// Makes it of a step of the running recipe; `context` has the names that its templates see.
    ///
    /// # Errors
    /// A parameter has no value, or a wrong one.
    pub fn plan(step: &Arc<Step>, lab: &Arc<Lab>, context: Context) -> Result<Self, StepError> {
        let request = registry::plan(&PlanContext {
            step,
            lab,
            home: None,
            context: &context,
        })?;
        Ok(Self {
            limit: limit(step, &context)?.map_or(LONGEST, |limit| limit.min(LONGEST)),
            step: Arc::clone(step),
            lab: Arc::clone(lab),
            context,
            request,
        })
    }

    /// What it does, as a person reads it; secrets are not masked yet.
    pub fn describe(&self) -> Vec<String> {
        self.request.describe()
    }

    /// The same for a program.
    pub fn deeds(&self) -> Vec<Deed> {
        self.request.deeds()
    }

    /// What it would give of a lab in which all goes well, but for what `given` says.
    ///
    /// # Errors
    /// As the action would raise them of that.
    pub fn as_if(&self, given: Map<String, Value>) -> Performed {
        let cx = PlanContext {
            step: &self.step,
            lab: &self.lab,
            home: None,
            context: &self.context,
        };
        stand_in::performed(&cx, &self.describe(), given)
    }

    /// Does it, within the step's bound. What it says meanwhile is dropped.
    ///
    /// # Errors
    /// As the action raises them; `timeout` where the bound was hit.
    pub async fn perform(self, stop: &Stop) -> Performed {
        // Nobody listens, so nothing waits for a listener.
        let (notes, _) = Notes::channel(1);
        let (done, expired) = within(Some(self.limit), stop, |stop| {
            self.request.perform(StepContext {
                step: self.step,
                lab: self.lab,
                home: None,
                context: self.context,
                stop,
                notes,
                scope: ScopeWork::default(),
            })
        })
        .await;
        match done {
            Err(error) if expired && !stop.ask.is_cancelled() => Err(late(error, self.limit)),
            done => done,
        }
    }
}
