//! `wait`: probes until something holds.
//!
//! The first probe comes at once, then one every `every`; none is an attempt to change anything. A
//! probe that fails is "not yet". The machine ends the waiting by its bound, so what the last probe
//! saw is in the error that is given when the try is told to stop.

mod probe;

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use self::probe::{Probe, Seen};
use super::fields::{Field, Fields};
use super::{
    Deed, Note, Output, Performed, Performing, PlanContext, Progress, Request, StepContext,
    StepError,
};
use crate::recipe::model::{Step, TreeKind};
use crate::recipe::template::{Context, Expr};
use crate::recipe::{ErrorKind, KindSet, Value, duration};

/// Between the beginnings of two probes, where `every` does not say; and the bound on one, where
/// `each` does not.
const EVERY: Duration = Duration::from_secs(5);
const EACH: Duration = Duration::from_secs(10);
/// However short `every` is, as long as this is left to the rest of the machine.
const LEAST: Duration = Duration::from_millis(10);

struct Wait {
    probe: Probe,
    until: Option<Expr>,
    abort_when: Option<Expr>,
    abort_on: KindSet,
    every: Duration,
    each: Option<Duration>,
}

pub(super) fn plan(cx: &PlanContext) -> Result<Box<dyn Request>, StepError> {
    let fields = Fields::render(&cx.step.params, cx.context)?;
    let mut abort_on = KindSet::NONE;
    if let Some(field) = fields.get("abort_on") {
        let one = std::slice::from_ref(field);
        for kind in if field.is_list() { field.list()? } else { one } {
            abort_on = abort_on.with(kind_of(kind)?);
        }
    }
    let each = fields.duration_or_none("each", Some(EACH))?;
    Ok(Box::new(Wait {
        probe: Probe::plan(&fields, cx)?,
        until: deferred(cx.step, "until"),
        abort_when: deferred(cx.step, "abort_when"),
        abort_on,
        every: fields.duration("every", EVERY)?,
        each,
    }))
}

fn kind_of(field: &Field) -> Result<ErrorKind, StepError> {
    field
        .text()?
        .value
        .parse()
        .map_err(|()| field.wrong("a kind of error"))
}

fn deferred(step: &Step, key: &str) -> Option<Expr> {
    match &step.params.get(key)?.kind {
        TreeKind::Deferred(expr) => Some(expr.clone()),
        _ => None,
    }
}

/// What is remembered from probe to probe.
struct Watch {
    begun: Instant,
    probes: u64,
    last: String,
    output: Value,
}

impl Wait {
    async fn execute(mut self, cx: &StepContext) -> Performed {
        let what = self.probe.what();
        let verdict = self.probe.verdict();
        let mut watch = Watch {
            begun: Instant::now(),
            probes: 0,
            last: "none has ended".to_owned(),
            output: Value::Null,
        };
        let blamed = |error: StepError| StepError {
            verdict: error.verdict.or(verdict),
            ..error
        };
        loop {
            let next = Instant::now() + self.every.max(LEAST);
            watch.probes += 1;
            let seen = self.probe.look(self.each, cx).await;
            if cx.stop.ask.is_cancelled() || cx.stop.kill.is_cancelled() {
                return Err(blamed(watch.expired(&what)));
            }
            match seen {
                Ok(seen) => {
                    if let Some(done) = self.weigh(&mut watch, seen, &what, cx)? {
                        return Ok(done);
                    }
                }
                Err(error) if self.abort_on.contains(error.kind) => {
                    return Err(blamed(StepError {
                        message: format!(
                            "waiting for {what} was given up (`abort_on`): {}",
                            error.message
                        ),
                        ..error
                    }));
                }
                Err(error) => {
                    watch.last = error.message;
                    watch.output = *error.output;
                }
            }
            cx.notes.offer(Note::Progress(Progress {
                done: watch.probes,
                total: None,
            }));
            let shown = format!("probe {}: not yet: {}", watch.probes, watch.last);
            cx.notes.say(Note::Doing(cx.lab.mask(&shown))).await;
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = cx.stop.wanted() => return Err(blamed(watch.expired(&what))),
            }
        }
    }

    /// Whether a probe that ended well is enough.
    fn weigh(
        &self,
        watch: &mut Watch,
        seen: Seen,
        what: &str,
        cx: &StepContext,
    ) -> Result<Option<Output>, StepError> {
        let mut context = self.probe.context(&cx.context);
        context.set("result", seen.output.value.clone());
        if seen.output.secret {
            context.mark_secret(["result"]);
        }
        let holds = |expr: &Expr, key: &str| -> Result<bool, StepError> {
            expr.truth(&context)
                .map_err(|error| StepError::input(format!("`{key}`: {}", error.message)))
        };
        if let Some(abort) = &self.abort_when
            && holds(abort, "abort_when")?
        {
            return Err(StepError::new(
                ErrorKind::Mismatch,
                format!(
                    "waiting for {what} was given up: `{}` holds (`abort_when`)",
                    abort.text
                ),
            )
            .with_output(seen.output.value));
        }
        if let Some(until) = &self.until
            && !holds(until, "until")?
        {
            watch.last = format!("{}, but `{}` does not hold", seen.told, until.text);
            watch.output = seen.output.value;
            return Ok(None);
        }
        let mut fields = match seen.output.value {
            Value::Object(fields) => fields,
            _ => serde_json::Map::new(),
        };
        let elapsed = watch.begun.elapsed().as_secs_f64();
        fields.insert("elapsed".to_owned(), json!(elapsed));
        fields.insert("probes".to_owned(), json!(watch.probes));
        Ok(Some(Output {
            value: Value::Object(fields),
            secret: seen.output.secret,
            vars: seen.output.vars,
        }))
    }
}

impl Watch {
    /// What is said when the waiting is told to stop.
    fn expired(self, what: &str) -> StepError {
        let elapsed = self.begun.elapsed();
        let waited = match elapsed.as_secs() {
            0..10 => Duration::from_secs_f64((elapsed.as_secs_f64() * 10.0).round() / 10.0),
            seconds => Duration::from_secs(seconds),
        };
        let probes =
            crate::diagnostic::plural(self.probes.try_into().unwrap_or(usize::MAX), "probe");
        StepError::new(
            ErrorKind::Cancelled,
            format!(
                "waited {} for {what} ({probes}); the last probe: {}",
                duration::print(waited),
                self.last
            ),
        )
        .with_output(self.output)
    }
}

impl Request for Wait {
    fn describe(&self) -> Vec<String> {
        let every = duration::print(self.every);
        let mut shown = vec![format!("wait for {}, every {every}", self.probe.what())];
        shown.extend(self.probe.describe());
        if let Some(until) = &self.until {
            shown.push(format!("until {}", until.text));
        }
        shown
    }

    fn deeds(&self) -> Vec<Deed> {
        self.probe.deeds()
    }

    fn perform(self: Box<Self>, cx: StepContext) -> Performing {
        Box::pin(async move { self.execute(&cx).await })
    }
}

impl Probe {
    /// The names that `until` sees, but for `result`.
    fn context(&self, outer: &Context) -> Context {
        match self {
            Self::Steps(steps) => steps.context.clone(),
            _ => outer.clone(),
        }
    }
}
