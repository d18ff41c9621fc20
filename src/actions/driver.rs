//! Several steps as one try: what drives a piece of gear, and the probe `wait: {steps}`.
//!
//! They run one after the other, each under its own bound, and none is tried again. The machine
//! sees one try; notes name each step inside it.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use super::bounded::{late, within};
use super::{
    Assigned, Deed, Lab, Note, Output, Performed, PlanContext, Request, StepContext, StepError,
    registry,
};
use crate::diagnostic::Spanned;
use crate::recipe::ErrorKind;
use crate::recipe::model::{AllowFailure, Driver, Items, Step, StepTimeout};
use crate::recipe::template::Context;

/// One step, ready to be done.
pub(super) struct Part {
    step: Arc<Step>,
    request: Box<dyn Request>,
    limit: Option<Duration>,
}

impl Part {
    fn plan(cx: &PlanContext) -> Result<Self, StepError> {
        let located = |error: StepError| StepError {
            message: format!("step `{}`: {}", cx.step.name, error.message),
            ..error
        };
        Ok(Self {
            step: Arc::clone(cx.step),
            limit: limit(cx.step, cx.context).map_err(located)?,
            request: registry::plan(cx).map_err(located)?,
        })
    }

    /// Does it. A forgiven failure is no error, but no output either.
    async fn perform(self, cx: &StepContext) -> Result<Performed, StepError> {
        for what in self.request.describe() {
            cx.notes.say(Note::Doing(cx.lab.mask(&what))).await;
        }
        let (done, expired) = within(self.limit, &cx.stop, |stop| {
            self.request.perform(StepContext {
                stop,
                step: Arc::clone(&self.step),
                ..cx.clone()
            })
        })
        .await;
        let error = match done {
            Ok(output) => return Ok(Ok(output)),
            Err(error) if expired && !cx.stop.ask.is_cancelled() => {
                late(error, self.limit.unwrap_or_default())
            }
            Err(error) => error,
        };
        let forgiven = match self.step.allow_failure {
            AllowFailure::No => false,
            AllowFailure::All => error.kind != ErrorKind::Cancelled,
            AllowFailure::Kinds(kinds) => kinds.contains(error.kind),
        };
        if forgiven {
            let warning = format!("forgiven: {}", error.message);
            cx.notes.say(Note::Warning(warning)).await;
            return Ok(Err(error));
        }
        Err(StepError {
            message: format!("step `{}`: {}", self.step.name, error.message),
            verdict: self.step.verdict.or(error.verdict),
            ..error
        })
    }
}

/// The bound on one try of a step.
pub(super) fn limit(step: &Step, cx: &Context) -> Result<Option<Duration>, StepError> {
    Ok(match &step.timeout {
        StepTimeout::None => None,
        StepTimeout::After(limit) => Some(limit.get(cx)?),
        StepTimeout::PerLine(each) => {
            let lines = step.params.get("lines").map(|tree| tree.render(cx));
            let count = match lines.transpose()?.map(|lines| lines.value) {
                Some(Value::Array(lines)) => u32::try_from(lines.len()).unwrap_or(u32::MAX),
                _ => 1,
            };
            Some(each.saturating_mul(count.max(1)))
        }
    })
}

/// What a piece of gear is told to do.
pub(super) struct Drive {
    parts: Vec<Part>,
}

impl Drive {
    /// One verb of a gear's driver; `None` where the driver lacks it.
    pub(super) fn plan(
        cx: &PlanContext,
        gear: &str,
        verb: &str,
    ) -> Result<Option<Self>, StepError> {
        let steps = match &cx.lab.present_gear(cx.home, gear)?.driver {
            Some(Driver::Steps(verbs)) => verbs.get(verb),
            Some(Driver::Named(_)) => {
                return Err(StepError::input(format!(
                    "the driver of `{gear}` is a driver file, and this version has none: write its \
                     steps in the recipe"
                )));
            }
            None => None,
        };
        let Some(steps) = steps else {
            return Ok(None);
        };
        let mut context = cx.lab.home(cx.home)?.context.clone();
        context.set_now(SystemTime::now());
        let own = cx.lab.gear(cx.home, gear)?.host.as_ref();
        let mut parts = Vec::new();
        for step in steps {
            let step = &placed(step, own);
            introduce_host(cx.lab, cx.home, step, &mut context);
            let runs = step.when.as_ref().map(|when| when.truth(&context));
            if runs.transpose()? == Some(false) {
                continue;
            }
            parts.push(Part::plan(&PlanContext {
                step,
                context: &context,
                ..*cx
            })?);
        }
        Ok(Some(Self { parts }))
    }

    /// The same, of a driver that must have the verb.
    pub(super) fn must(cx: &PlanContext, gear: &str, verb: &str) -> Result<Self, StepError> {
        Self::plan(cx, gear, verb)?
            .ok_or_else(|| StepError::input(format!("the driver of `{gear}` has no `{verb}`")))
    }

    pub(super) fn describe(&self) -> Vec<String> {
        self.parts
            .iter()
            .flat_map(|part| part.request.describe())
            .collect()
    }

    pub(super) fn deeds(&self) -> Vec<Deed> {
        self.parts
            .iter()
            .flat_map(|part| part.request.deeds())
            .collect()
    }

    /// Does it; answers with what the last step that ran printed.
    pub(super) async fn perform(self, cx: &StepContext) -> Result<String, StepError> {
        let mut printed = String::new();
        for part in self.parts {
            if let Ok(output) = part.perform(cx).await? {
                printed = printed_by(&output.value);
            }
        }
        Ok(printed)
    }
}

/// The standard output of a step, or what comes nearest to it.
fn printed_by(output: &Value) -> String {
    let last = output
        .get("results")
        .and_then(Value::as_array)
        .and_then(|results| results.last());
    let of = last.unwrap_or(output);
    ["stdout", "body"]
        .iter()
        .find_map(|key| of.get(key).and_then(Value::as_str))
        .unwrap_or_default()
        .to_owned()
}

/// The last line of an output that has something on it.
pub(super) fn last_line(printed: &str) -> &str {
    printed
        .lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty())
        .unwrap_or_default()
}

/// A step with the host that it has where it names none.
fn placed(step: &Arc<Step>, host: Option<&Spanned<String>>) -> Arc<Step> {
    match host {
        Some(host) if step.action.on_host && step.host.is_none() => Arc::new(Step {
            host: Some(host.clone()),
            ..Step::clone(step)
        }),
        _ => Arc::clone(step),
    }
}

fn introduce_host(lab: &Lab, home: Option<&str>, step: &Step, context: &mut Context) {
    let host = step.host.as_ref().map_or("local", |host| &host.value);
    lab.introduce_host(home, host, context);
}

/// Steps in order, each planned when it is its turn, since it may read what those before it saved.
/// What they save is an overlay: the caller keeps it, or drops it.
pub(super) struct Steps {
    pub(super) steps: Vec<Arc<Step>>,
    pub(super) context: Context,
    pub(super) vars: Vec<Assigned>,
}

impl Steps {
    /// Does them all; answers with the output of the last one that ran.
    pub(super) async fn perform(&mut self, cx: &StepContext) -> Result<Output, StepError> {
        let mut last = Output::default();
        for step in self.steps.clone() {
            let step = placed(&step, cx.step.host.as_ref());
            if let Some(output) = self.step(&step, cx).await? {
                last = output;
            }
        }
        Ok(last)
    }

    /// Does one step; answers with its output, the last item's of a list.
    async fn step(
        &mut self,
        step: &Arc<Step>,
        cx: &StepContext,
    ) -> Result<Option<Output>, StepError> {
        let Some(items) = &step.for_each else {
            let begun = Instant::now();
            let Some(done) = self.once(step, cx).await? else {
                return Ok(None);
            };
            if let Some(name) = &step.save {
                let secret = done.as_ref().is_ok_and(|output| output.secret);
                let value = saved(step, &done, begun.elapsed(), None);
                self.assign(&name.value, value, secret);
            }
            return Ok(done.ok());
        };
        let items = match items {
            Items::List(tree) => tree.render(&self.context)?,
            Items::Expr(expr) => expr.evaluate(&self.context)?,
        };
        let Value::Array(list) = items.value else {
            let message = format!("step `{}`: `for_each` is no list", step.name);
            return Err(StepError::input(message));
        };
        let before = self.context.clone();
        let mut all = Vec::new();
        let mut last = None;
        let mut secret = items.secret;
        for (index, item) in list.iter().enumerate() {
            self.context.set("item", item.clone());
            if items.secret {
                self.context.mark_secret(["item"]);
            }
            self.context.set("index", json!(index));
            let begun = Instant::now();
            let done = match self.once(step, cx).await {
                Ok(None) => continue,
                Ok(Some(done)) => done,
                Err(error) if step.continue_on_item_error && error.kind != ErrorKind::Cancelled => {
                    Err(error)
                }
                Err(error) => return Err(error),
            };
            secret |= done.as_ref().is_ok_and(|output| output.secret);
            all.push(saved(step, &done, begun.elapsed(), Some((index, item))));
            last = done.ok().or(last);
        }
        // `item` and `index` are those of a `for_each` around the whole again.
        self.context = before;
        for assigned in &self.vars {
            let Assigned {
                name,
                value,
                secret,
            } = assigned;
            self.context.set_member("vars", name, value, *secret);
        }
        if let Some(name) = &step.save {
            self.assign(&name.value, Value::Array(all), secret);
        }
        Ok(last)
    }

    /// One item, or the step as a whole; `None` where its guard does not hold.
    async fn once(
        &mut self,
        step: &Arc<Step>,
        cx: &StepContext,
    ) -> Result<Option<Performed>, StepError> {
        introduce_host(&cx.lab, cx.home.as_deref(), step, &mut self.context);
        let runs = step.when.as_ref().map(|when| when.truth(&self.context));
        if runs.transpose()? == Some(false) {
            return Ok(None);
        }
        let part = Part::plan(&PlanContext {
            step,
            lab: &cx.lab,
            home: cx.home.as_deref(),
            context: &self.context,
        })?;
        let within = StepContext {
            context: self.context.clone(),
            ..cx.clone()
        };
        let done = part.perform(&within).await?;
        if let Ok(output) = &done {
            for assigned in output.vars.clone() {
                self.assign(&assigned.name, assigned.value, assigned.secret);
            }
        }
        Ok(Some(done))
    }

    fn assign(&mut self, name: &str, value: Value, secret: bool) {
        self.context.set_member("vars", name, &value, secret);
        self.vars.retain(|assigned| assigned.name != name);
        self.vars.push(Assigned {
            name: name.to_owned(),
            value,
            secret,
        });
    }
}

/// What came of a step, as it is saved.
fn saved(step: &Step, done: &Performed, took: Duration, item: Option<(usize, &Value)>) -> Value {
    let mut fields = match done {
        Ok(Output {
            value: Value::Object(fields),
            ..
        }) => fields.clone(),
        Ok(_) => serde_json::Map::new(),
        Err(_) => {
            let none = step.action.output.iter();
            none.map(|field| ((*field).to_owned(), Value::Null))
                .collect()
        }
    };
    let error = match done {
        Ok(_) => Value::Null,
        Err(error) => json!({
            "kind": error.kind.word(),
            "message": error.message,
            "step": step.name,
            "output": error.output,
        }),
    };
    fields.insert("ok".to_owned(), json!(done.is_ok()));
    fields.insert("error".to_owned(), error);
    fields.insert("duration".to_owned(), json!(took.as_secs_f64()));
    fields.insert("tries".to_owned(), json!(1));
    if let Some((index, item)) = item {
        fields.insert("item".to_owned(), item.clone());
        fields.insert("index".to_owned(), json!(index));
    }
    Value::Object(fields)
}
