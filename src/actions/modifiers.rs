//! The modifiers of a step that say how its commands and requests are made, and what becomes of
//! their answers.

use std::collections::BTreeMap;

use serde_json::json;

use super::fields::{Field, Text};
use super::{Note, StepContext, StepError};
use crate::recipe::model::{Expect, Parse, Step, Templated};
use crate::recipe::template::Context;
use crate::recipe::{ErrorKind, Value};

/// As much of each stream as is kept for `save` where `max_output` is not given.
const MAX_OUTPUT: u64 = 1024 * 1024;

/// The modifiers of a step that say how its commands run and what is made of their answers.
#[derive(Clone, Debug)]
pub(super) struct Modifiers {
    pub(super) env: Vec<(String, Option<Text>)>,
    pub(super) expect: Expect,
    pub(super) parse: Parse,
    /// In bytes.
    pub(super) max_output: usize,
}

impl Modifiers {
    /// Those of a step. `expected` is what counts as success where the step doesn't say.
    pub(super) fn of(step: &Step, cx: &Context, expected: &[u32]) -> Result<Self, StepError> {
        let mut env = Vec::new();
        if let Some(tree) = &step.env {
            let field = Field::render("env", tree, cx)?;
            if !field.is_none() {
                for (name, value) in field.map()? {
                    let value = (!value.is_none()).then(|| value.text()).transpose()?;
                    env.push((name.clone(), value));
                }
            }
        }
        let max_output = match &step.max_output {
            None => MAX_OUTPUT,
            Some(Templated::Literal(size)) => *size,
            Some(Templated::Template(template)) => {
                let rendered = template.render(cx).map_err(|error| {
                    StepError::new(ErrorKind::Input, format!("`max_output`: {error}"))
                })?;
                Field::from_value("max_output", rendered.value, rendered.secret).size()?
            }
        };
        Ok(Self {
            env,
            expect: step.expect.clone().unwrap_or_else(|| Expect {
                statuses: expected.to_vec(),
                ..Expect::default()
            }),
            parse: step.parse.unwrap_or_default(),
            max_output: usize::try_from(max_output).unwrap_or(usize::MAX),
        })
    }

    /// The environment, secrets hidden.
    pub(super) fn shown_env(&self) -> BTreeMap<String, Option<String>> {
        let shown = |value: &Text| value.shown().to_owned();
        self.env
            .iter()
            .map(|(name, value)| (name.clone(), value.as_ref().map(shown)))
            .collect()
    }
}

/// Adds the field that `parse` asks for.
pub(super) fn parse_into(
    fields: &mut serde_json::Map<String, Value>,
    what: &str,
    text: &str,
    truncated: bool,
    parse: Parse,
) -> Result<(), StepError> {
    let mismatch = |message: String| Err(StepError::new(ErrorKind::Mismatch, message));
    match parse {
        Parse::Text => return Ok(()),
        _ if truncated => {
            return mismatch(format!(
                "{what} is longer than `max_output`, so it can't be parsed"
            ));
        }
        Parse::Lines => {
            let lines: Vec<&str> = text.lines().collect();
            fields.insert("lines".to_owned(), json!(lines));
        }
        Parse::Json => match serde_json::from_str::<Value>(text) {
            Ok(value) => {
                fields.insert("json".to_owned(), value);
            }
            Err(error) => return mismatch(format!("{what} is no JSON: {error}")),
        },
    }
    Ok(())
}

/// Says that output was cut.
pub(super) async fn warn_truncated(max: usize, cx: &StepContext) {
    let warning = format!("the output is longer than `max_output`: {max} bytes of it are kept");
    cx.notes.say(Note::Warning(warning)).await;
}
