//! `log`: says what the recipe's author has to say.

use super::fields::Fields;
use super::{LogLevel, Note, Output, Performing, PlanContext, Request, StepContext, StepError};
use crate::recipe::Value;
use crate::recipe::secret::HIDDEN;

struct Log {
    level: LogLevel,
    text: String,
    plain: bool,
}

pub(super) fn plan(cx: &PlanContext) -> Result<Box<dyn Request>, StepError> {
    let fields = Fields::render(&cx.step.params, cx.context)?;
    let text = fields.need("text")?;
    Ok(Box::new(Log {
        level: match fields.get("level") {
            None => LogLevel::Info,
            Some(level) => level.word(&[
                ("info", LogLevel::Info),
                ("warn", LogLevel::Warn),
                ("debug", LogLevel::Debug),
            ])?,
        },
        text: match text.value() {
            _ if text.is_secret() => HIDDEN.to_owned(),
            Value::String(text) => text,
            other => other.to_string(),
        },
        plain: fields.boolean("plain", false)?,
    }))
}

impl Request for Log {
    fn describe(&self) -> Vec<String> {
        vec![format!("log: {}", self.text.trim_end())]
    }

    fn perform(self: Box<Self>, cx: StepContext) -> Performing {
        Box::pin(async move {
            let note = Note::Log {
                level: self.level,
                text: cx.lab.mask(&self.text),
                plain: self.plain,
            };
            cx.notes.say(note).await;
            Ok(Output::default())
        })
    }
}
