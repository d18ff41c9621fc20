//! `commands`: lines of a device config, each by `sh -c`, in order, to the first failure.

use std::time::Duration;

use serde_json::{Value, json};

use super::bounded::within;
use super::exec::{Prepared, brief, run};
use super::fields::{Fields, Text};
use super::modifiers::{Modifiers, warn_truncated};
use super::output::Keep;
use super::place::Place;
use super::{
    Deed, Line, Note, Output, Performed, Performing, PlanContext, Request, StepContext, StepError,
};
use crate::recipe::{ErrorKind, duration};
use crate::transport::{Command, Program};

struct Commands {
    place: Place,
    lines: Vec<Text>,
    /// Bound on each line.
    each: Option<Duration>,
    modifiers: Modifiers,
}

pub(super) fn plan(cx: &PlanContext) -> Result<Box<dyn Request>, StepError> {
    let fields = Fields::render(&cx.step.params, cx.context)?;
    let lines = fields.need("lines")?;
    let lines: Vec<Text> = if lines.is_list() {
        lines
            .list()?
            .iter()
            .map(|line| line.text())
            .collect::<Result<_, _>>()?
    } else {
        vec![lines.text()?]
    };
    if lines.is_empty() && !fields.boolean("allow_empty", false)? {
        return Err(StepError::input(
            "`lines` is an empty list: there is nothing to run",
        ));
    }
    Ok(Box::new(Commands {
        place: Place::of(cx)?,
        lines,
        each: fields.duration_or_none("each", None)?,
        modifiers: Modifiers::of(cx.step, cx.context, &[0])?,
    }))
}

impl Commands {
    async fn execute(self, cx: &StepContext) -> Performed {
        let mut results = Vec::new();
        let of = self.lines.len();
        for (at, line) in self.lines.iter().enumerate() {
            let shown = cx.lab.mask(line.shown());
            if of > 1 {
                cx.notes.say(Note::Doing(self.place.describe(&shown))).await;
            }
            let prepared = Prepared {
                command: Command::new(Program::Line(line.value.clone())),
                shown: shown.clone(),
            }
            .with_env(&self.modifiers.env);
            let keep = Keep {
                max: self.modifiers.max_output,
                ..Keep::default()
            };
            let (answer, expired) = within(self.each, &cx.stop, |stop| {
                let cx = StepContext { stop, ..cx.clone() };
                let (place, expect) = (&self.place, &self.modifiers.expect);
                async move { run(place, prepared, expect, keep, &cx).await }
            })
            .await;
            let failed = |error: StepError| StepError {
                message: if of > 1 {
                    format!("line {} of {of}: {}", at + 1, error.message)
                } else {
                    error.message
                },
                output: Box::new(merged(*error.output, &results)),
                ..error
            };
            let answer = match answer {
                Err(error) if expired && !cx.stop.ask.is_cancelled() => {
                    return Err(failed(StepError {
                        kind: ErrorKind::Timeout,
                        message: format!(
                            "`{}`{} had not ended after {} (`each`) and was stopped",
                            brief(&shown),
                            self.place.suffix(),
                            duration::print(self.each.unwrap_or_default())
                        ),
                        ..error
                    }));
                }
                answer => answer.map_err(failed)?,
            };
            if answer.kept.truncated {
                warn_truncated(self.modifiers.max_output, cx).await;
            }
            let mut fields = serde_json::Map::new();
            fields.insert("command".to_owned(), json!(shown));
            fields.extend(answer.fields());
            results.push(Value::Object(fields));
        }
        let mut fields = serde_json::Map::new();
        fields.insert("results".to_owned(), Value::Array(results));
        Ok(Output::of(fields))
    }
}

/// The output of a line that failed, with the results of those before it.
fn merged(output: Value, results: &[Value]) -> Value {
    let mut fields = match output {
        Value::Object(fields) => fields,
        _ => serde_json::Map::new(),
    };
    fields.insert("results".to_owned(), Value::Array(results.to_vec()));
    Value::Object(fields)
}

impl Request for Commands {
    fn describe(&self) -> Vec<String> {
        self.lines
            .iter()
            .map(|line| self.place.describe(line.shown()))
            .collect()
    }

    fn deeds(&self) -> Vec<Deed> {
        let command = |line: &Text| Deed::Command {
            host: self.place.name.clone(),
            line: Line::Shell(line.shown().to_owned()),
            cwd: None,
            env: self.modifiers.shown_env(),
            input: None,
        };
        self.lines.iter().map(command).collect()
    }

    fn perform(self: Box<Self>, cx: StepContext) -> Performing {
        Box::pin(async move { self.execute(&cx).await })
    }
}
