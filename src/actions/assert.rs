//! `assert`: fails where an expression does not hold.

use super::fields::{Field, Fields};
use super::{Output, Performing, PlanContext, Request, StepContext, StepError};
use crate::recipe::model::{Step, TreeKind};
use crate::recipe::secret::HIDDEN;
use crate::recipe::template::{Context, truth};
use crate::recipe::{ErrorKind, Value};

struct Assert {
    /// The expression's text.
    that: String,
    holds: Result<(), (ErrorKind, String)>,
}

pub(super) fn plan(cx: &PlanContext) -> Result<Box<dyn Request>, StepError> {
    let step = cx.step;
    let (that, value) = match step.params.get("that") {
        Some(tree) => {
            let text = match &tree.kind {
                TreeKind::Expr(expr) => expr.text.to_string(),
                _ => "that".to_owned(),
            };
            (text, Field::render("that", tree, cx.context)?.value())
        }
        None => return Err(StepError::input("`that` is required, but is missing")),
    };
    let holds = if truth(&value) {
        Ok(())
    } else {
        // Only now: a message may name what is not there as long as all is well.
        let message = message(step, cx.context)?;
        let kind = kind_of(step, cx.context)?.unwrap_or(ErrorKind::Mismatch);
        Err((
            kind,
            message.unwrap_or_else(|| format!("`{that}` does not hold")),
        ))
    };
    Ok(Box::new(Assert { that, holds }))
}

/// The `message` of a step, as it may be shown.
pub(super) fn message(step: &Step, cx: &Context) -> Result<Option<String>, StepError> {
    let Some(tree) = step.params.get("message") else {
        return Ok(None);
    };
    let field = Field::render("message", tree, cx)?;
    Ok(match field.value() {
        Value::Null => None,
        _ if field.is_secret() => Some(HIDDEN.to_owned()),
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    })
}

/// The `kind` of a step.
pub(super) fn kind_of(step: &Step, cx: &Context) -> Result<Option<ErrorKind>, StepError> {
    let fields = Fields::render(&step.params, cx)?;
    let Some(field) = fields.get("kind") else {
        return Ok(None);
    };
    let words: Vec<(&str, ErrorKind)> = ErrorKind::ALL
        .iter()
        .filter(|kind| {
            !matches!(
                kind,
                ErrorKind::Cancelled | ErrorKind::Loop | ErrorKind::Timeout
            )
        })
        .map(|kind| (kind.word(), *kind))
        .collect();
    field.word(&words).map(Some)
}

impl Request for Assert {
    fn describe(&self) -> Vec<String> {
        vec![format!("assert {}", self.that)]
    }

    fn perform(self: Box<Self>, cx: StepContext) -> Performing {
        Box::pin(async move {
            match self.holds {
                Ok(()) => Ok(Output::default()),
                Err((kind, message)) => Err(StepError::new(kind, cx.lab.mask(&message))),
            }
        })
    }
}
