//! Answers to what the machine asks: guards, lists, bounds, retries, values of a state.

use std::time::Duration;

use serde_json::Value;

use super::frames::{Items, Kept};
use super::memory::Memory;
use crate::machine::{Answer, Ask, AskKind, RetryPlan, Site, StepId, TrackId};
use crate::recipe::ErrorKind;
use crate::recipe::inputs::{bind_params, hides};
use crate::recipe::model::{self, Body, Map, Retry, StepTimeout, Templated, Tree};
use crate::recipe::template::{Context, Expr, RenderError, Rendered};

/// Why a question has no answer: a sentence. The kind is always `input`.
type Answered = Result<Answer, String>;

impl Memory {
    /// Answers a question, and keeps aside what it computed.
    ///
    /// # Errors
    /// `input`, and why is kept for the fact that follows.
    pub(super) fn answer(&mut self, ask: Ask) -> Result<Answer, ErrorKind> {
        self.answered(ask).map_err(|why| {
            self.aside.no_answer = Some(why);
            ErrorKind::Input
        })
    }

    fn answered(&mut self, ask: Ask) -> Answered {
        if let Site::Step(step) = ask.of
            && let Some(why) = self.missing(step)
        {
            return Err(why);
        }
        match (ask.kind, ask.of) {
            (AskKind::When, at) => {
                let inside = matches!(at, Site::Step(_));
                let guard = match at {
                    Site::State(state) => self.chart().state(state).when.clone(),
                    Site::Step(step) => self.chart().step(step).when.clone(),
                };
                self.guard(guard.as_ref(), at, inside)
            }
            (AskKind::Row(row), Site::State(state)) => {
                let row = usize::try_from(row).unwrap_or(usize::MAX);
                let rows = &self.chart().state(state).next;
                let guard = rows.get(row).and_then(|row| row.when.clone());
                self.guard(guard.as_ref(), ask.of, false)
            }
            (AskKind::Items, at) => self.items(at),
            (AskKind::Timeout, at) => self.timeout(at),
            (AskKind::Retry, at) => {
                let retry = match at {
                    Site::State(state) => self.chart().state(state).retry.clone(),
                    Site::Step(step) => self.chart().step(step).retry.clone(),
                };
                match retry {
                    Some(retry) => retry_plan(&retry, &self.context_at(at, true)),
                    None => Ok(Answer::Retry(RetryPlan::ONCE)),
                }
            }
            (AskKind::ExitStatus, Site::State(state)) => {
                let declared = self.chart().state(state).clone();
                let Body::End {
                    exit_status: Some(status),
                    ..
                } = &declared.body
                else {
                    return Ok(Answer::Status(1));
                };
                let value = evaluate(status, &self.context_at(ask.of, true))?.value;
                match value.as_i64() {
                    Some(status) => Ok(Answer::Status(status)),
                    None => Err(format!("`exit_status` gave `{value}`, which is no integer")),
                }
            }
            (AskKind::Vars, Site::State(state)) => {
                let mut vars = Vec::new();
                let mut context = self.context_at(ask.of, true);
                if state == self.chart().root() && !self.aside.recipe_vars_set {
                    let recipe = self.recipe.clone();
                    for (name, kept) in rendered(&recipe.vars, &context)? {
                        context.set_member("vars", &name, &kept.value, kept.secret);
                        vars.push((name, kept));
                    }
                }
                let declared = self.chart().state(state).clone();
                vars.extend(rendered(&declared.vars, &context)?);
                self.aside.vars = Some((state, vars));
                Ok(Answer::Done)
            }
            (AskKind::Arguments, Site::Step(step)) => self.arguments(step),
            (AskKind::Returns, Site::Step(step)) => self.returns(step),
            (AskKind::Reading(track), Site::Step(_)) => Ok(self.reading(track)),
            (kind, _) => Err(format!(
                "tf-engine asks itself a question it can't answer: {kind:?}"
            )),
        }
    }

    fn guard(&self, guard: Option<&Expr>, at: Site, inside: bool) -> Answered {
        let Some(guard) = guard else {
            return Ok(Answer::Truth(true));
        };
        guard
            .truth(&self.context_at(at, inside))
            .map(Answer::Truth)
            .map_err(|error| why(&error))
    }

    fn items(&mut self, at: Site) -> Answered {
        let list = match at {
            Site::State(state) => self.chart().state(state).for_each.clone(),
            Site::Step(step) => self.chart().step(step).for_each.clone(),
        };
        let context = self.context_at(at, false);
        let rendered = match &list {
            None => return Ok(Answer::Count(0)),
            Some(model::Items::List(tree)) => tree.render(&context).map_err(|error| why(&error))?,
            Some(model::Items::Expr(expr)) => evaluate(expr, &context)?,
        };
        let Value::Array(values) = rendered.value else {
            let what = if rendered.secret {
                crate::recipe::secret::HIDDEN.to_owned()
            } else {
                shortened(&rendered.value)
            };
            return Err(format!("`for_each` needs a list, and got {what}"));
        };
        let count = u32::try_from(values.len())
            .map_err(|_| format!("`for_each` got a list of {} items", values.len()))?;
        let items = Items {
            values,
            first: 0,
            lost: None,
            secret: rendered.secret,
            index: 0,
        };
        self.aside.items = Some((at, items));
        Ok(Answer::Count(count))
    }

    fn timeout(&mut self, at: Site) -> Answered {
        let context = self.context_at(at, true);
        let bound = match at {
            Site::State(state) => match self.chart().state(state).timeout.clone() {
                Some(bound) => bound.get(&context).map_err(|error| why(&error))?,
                None => return Ok(Answer::After(None)),
            },
            Site::Step(step) => {
                let declared = self.chart().step(step).clone();
                match &declared.timeout {
                    StepTimeout::None => return Ok(Answer::After(None)),
                    StepTimeout::After(bound) => {
                        bound.get(&context).map_err(|error| why(&error))?
                    }
                    StepTimeout::PerLine(each) => {
                        let lines = match declared.params.get("lines") {
                            Some(lines) => lines.render(&context).map_err(|error| why(&error))?,
                            None => return Ok(Answer::After(Some(*each))),
                        };
                        let count = match lines.value {
                            Value::Array(lines) => lines.len().max(1),
                            _ => 1,
                        };
                        each.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX))
                            .min(crate::recipe::duration::MAX)
                    }
                }
            }
        };
        if bound.is_zero() {
            return Err("a `timeout` of 0 leaves no time at all".to_owned());
        }
        self.names.note_timeout(at, bound);
        Ok(Answer::After(Some(bound)))
    }

    fn arguments(&mut self, step: StepId) -> Answered {
        let declared = self.chart().step(step).clone();
        let Some(call) = &declared.call else {
            return Ok(Answer::Done);
        };
        let recipe = self.recipe.clone();
        let Some(procedure) = recipe.procedures.get(&call.procedure.value) else {
            return Err(format!("there is no procedure `{}`", call.procedure.value));
        };
        let context = self.context_at(Site::Step(step), true);
        let given = rendered(&call.with, &context)?;
        let values = given
            .iter()
            .map(|(name, kept)| (name.clone(), kept.value.clone()))
            .collect();
        let bound = bind_params(&procedure.params, &values).map_err(|(_, why)| why)?;
        let is_secret = |name: &str| {
            let given = given
                .iter()
                .any(|(other, kept)| other == name && kept.secret);
            given || procedure.params.get(name).is_some_and(hides)
        };
        let arguments = bound
            .into_iter()
            .map(|(name, value)| {
                let secret = is_secret(&name);
                (name, Kept { value, secret })
            })
            .collect();
        self.aside.arguments = Some((step, arguments));
        Ok(Answer::Done)
    }

    fn returns(&mut self, step: StepId) -> Answered {
        let declared = self.chart().step(step).clone();
        let key = declared.call.as_ref().map(|call| &call.procedure.value);
        let recipe = self.recipe.clone();
        let procedure = key.and_then(|key| recipe.procedures.get(key));
        let Some(returns) = procedure.and_then(|procedure| procedure.returns.as_ref()) else {
            return Ok(Answer::Done);
        };
        let root = self.chart().called(step);
        let context = match root {
            Some(root) => self.context_at(Site::State(root), true),
            None => Context::new(),
        };
        let value = evaluate(returns, &context)?;
        self.aside.returns = Some((step, kept(value)));
        Ok(Answer::Done)
    }

    fn reading(&self, track: TrackId) -> Answer {
        let state = self
            .held_output()
            .and_then(|output| output.value.get("state")?.as_str());
        let values = self.chart().track_values(track);
        let at = state.and_then(|state| values.iter().position(|value| value == state));
        Answer::Reading(at.and_then(|at| u16::try_from(at).ok()))
    }

    /// The bound on the time without progress of a try that begins now.
    ///
    /// # Errors
    /// Why it has no value.
    pub(super) fn stall(
        &self,
        step: StepId,
        context: &Context,
    ) -> Result<Option<Duration>, String> {
        let Some(stall) = &self.chart().step(step).stall else {
            return Ok(None);
        };
        let stall = stall.get(context).map_err(|error| why(&error))?;
        if stall.is_zero() {
            return Err("a `stall` of 0 leaves no time at all".to_owned());
        }
        Ok(Some(stall))
    }
}

fn retry_plan(retry: &Retry, context: &Context) -> Answered {
    fn get<T: crate::recipe::template::Typed>(
        value: &Templated<T>,
        context: &Context,
    ) -> Result<T, String> {
        value.get(context).map_err(|error| why(&error))
    }
    let plan = RetryPlan {
        attempts: get(&retry.attempts, context)?,
        delay: get(&retry.delay, context)?,
        backoff_milli: RetryPlan::milli(get(&retry.backoff, context)?),
        max_delay: get(&retry.max_delay, context)?,
        jitter_milli: RetryPlan::milli(get(&retry.jitter, context)?),
    };
    if !plan.is_valid() {
        return Err(
            "`retry` needs `attempts` from 1, `backoff` from 1 and `jitter` from 0 to 1".to_owned(),
        );
    }
    Ok(Answer::Retry(plan))
}

fn evaluate(expr: &Expr, context: &Context) -> Result<Rendered, String> {
    expr.evaluate(context).map_err(|error| why(&error))
}

fn rendered(trees: &Map<Tree>, context: &Context) -> Result<Vec<(String, Kept)>, String> {
    trees
        .iter()
        .map(|(name, tree)| match tree.render(context) {
            Ok(value) => Ok((name.clone(), kept(value))),
            Err(error) => Err(format!("`{name}`: {}", why(&error))),
        })
        .collect()
}

fn kept(rendered: Rendered) -> Kept {
    Kept {
        value: rendered.value,
        secret: rendered.secret,
    }
}

fn why(error: &RenderError) -> String {
    error.message.clone()
}

fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}
