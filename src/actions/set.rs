//! `set`: gives names in `vars` new values, all computed from the old ones.

use super::fields::Fields;
use super::{Assigned, Output, Performing, PlanContext, Request, StepContext, StepError};
use crate::recipe::Value;

struct Set {
    vars: Vec<Assigned>,
    shown: Vec<String>,
}

pub(super) fn plan(cx: &PlanContext) -> Result<Box<dyn Request>, StepError> {
    let fields = Fields::render(&cx.step.params, cx.context)?;
    let mut set = Set {
        vars: Vec::new(),
        shown: Vec::new(),
    };
    for (name, field) in fields.iter() {
        set.shown.push(format!("vars.{name} = {}", field.shown()));
        set.vars.push(Assigned {
            name: name.to_owned(),
            value: field.value(),
            secret: field.is_secret(),
        });
    }
    Ok(Box::new(set))
}

impl Request for Set {
    fn describe(&self) -> Vec<String> {
        self.shown.clone()
    }

    fn perform(self: Box<Self>, _cx: StepContext) -> Performing {
        Box::pin(async move {
            Ok(Output {
                value: Value::Null,
                secret: false,
                vars: self.vars,
            })
        })
    }
}
