//! `sleep`: waits for a fixed time.

use std::time::Duration;

use super::exec::stopped;
use super::fields::Fields;
use super::{Output, Performing, PlanContext, Request, StepContext, StepError};
use crate::recipe::duration;

struct Sleep(Duration);

pub(super) fn plan(cx: &PlanContext) -> Result<Box<dyn Request>, StepError> {
    let fields = Fields::render(&cx.step.params, cx.context)?;
    Ok(Box::new(Sleep(fields.need("duration")?.duration()?)))
}

impl Request for Sleep {
    fn describe(&self) -> Vec<String> {
        vec![format!("sleep {}", duration::print(self.0))]
    }

    fn perform(self: Box<Self>, cx: StepContext) -> Performing {
        Box::pin(async move {
            tokio::select! {
                () = tokio::time::sleep(self.0) => Ok(Output::default()),
                () = cx.stop.wanted() => {
                    Err(stopped(&format!("a sleep of {}", duration::print(self.0))))
                }
            }
        })
    }
}
