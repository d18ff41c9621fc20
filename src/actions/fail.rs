//! `fail`: raises an error, or the caught one again.

use std::sync::Arc;

use super::assert::{kind_of, message};
use super::fields::Fields;
use super::{Performing, PlanContext, Request, StepContext, StepError};
use crate::diagnostic::Span;
use crate::recipe::template::{Context, Expr};
use crate::recipe::{ErrorKind, Value};

struct Fail(StepError);

pub(super) fn plan(cx: &PlanContext) -> Result<Box<dyn Request>, StepError> {
    let fields = Fields::render(&cx.step.params, cx.context)?;
    if fields.boolean("error", false)? {
        return Ok(Box::new(Fail(caught(cx.context, cx.step.span)?)));
    }
    let kind = kind_of(cx.step, cx.context)?.unwrap_or(ErrorKind::Failed);
    let message = message(cx.step, cx.context)?
        .ok_or_else(|| StepError::input("`message` is required, but is none"))?;
    Ok(Box::new(Fail(StepError::new(kind, message))))
}

/// The caught error, as it was.
fn caught(cx: &Context, span: Span) -> Result<StepError, StepError> {
    let error = Expr {
        text: Arc::from("error"),
        span,
    };
    let error = error.evaluate(cx)?.value;
    let text = |key: &str| error.get(key).and_then(Value::as_str);
    let kind = text("kind")
        .and_then(|word| word.parse::<ErrorKind>().ok())
        .ok_or_else(|| StepError::input("no error has been caught that could be raised again"))?;
    let output = error.get("output").cloned().unwrap_or_default();
    Ok(StepError::new(kind, text("message").unwrap_or_default()).with_output(output))
}

impl Request for Fail {
    fn describe(&self) -> Vec<String> {
        vec![format!("fail with {}: {}", self.0.kind, self.0.message)]
    }

    fn perform(self: Box<Self>, cx: StepContext) -> Performing {
        Box::pin(async move {
            Err(StepError {
                message: cx.lab.mask(&self.0.message),
                ..self.0
            })
        })
    }
}
