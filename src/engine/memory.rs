//! What a run remembers: `vars`, `error`, `outcome`, `item`, errors with their stories, open scopes.
//!
//! A fold of facts. A try's output is held aside when the try ends, and committed by the fact that the
//! step is done: what came too late or after a signal is never seen.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Map, Value};

use super::frames::{Frame, Items, Kept};
use super::incident::Incident;
use super::names::Names;
use super::record::{Noted, Record, outcome_word};
use super::recovery::ExitReads;
use crate::actions::{Lab, Output, Performed};
use crate::machine::{
    AfterTry, Bound, Chart, Fact, Limit, Moment, Outcome, Reason, Signal, Site, StateId, StepId,
    TryId,
};
use crate::recipe::model::{Body, EndKind, Recipe};
use crate::recipe::template::Context;
use crate::recipe::{ErrorKind, Verdict};

/// What a run remembers. A clone is a fork of the run's memory.
#[derive(Clone)]
pub(super) struct Memory {
    pub(super) names: Names,
    pub(super) recipe: Arc<Recipe>,
    pub(super) lab: Arc<Lab>,
    /// The constants of the run, by the recipe that uses them.
    pub(super) constants: HashMap<Option<String>, Context>,
    /// The stage's frame, and one for each call under way. Never empty.
    pub(super) frames: Vec<Frame>,
    /// Computed, and not yet true.
    pub(super) aside: Aside,
    began: SystemTime,
    pub(super) trying: Option<Trying>,
    held: Option<(TryId, Performed)>,
    /// When the first try of a step, or of a call, began.
    pub(super) begun: HashMap<StepId, (Moment, u32)>,
    /// How the last failed try failed.
    pub(super) last: Option<(StepId, Incident)>,
    /// Exit steps that failed in the scope that leaves.
    pub(super) failed_exits: Vec<(StepId, Incident)>,
    pub(super) in_flight: Option<Incident>,
    /// The error that a state is tried again for.
    retried: Option<Incident>,
    /// What the end that was reached says, where it stands, whose fault it is.
    pub(super) end: Option<Reached>,
    pub(super) cancelled: Option<Signal>,
    /// An image was written: what then does not answer may be its fault.
    pub(super) flashed: bool,
    pub(super) open: Vec<Arc<str>>,
    /// What exit steps read: the journal keeps it for a later start. `None`: there is no journal.
    pub(super) exits: Option<Arc<ExitReads>>,
    /// Values that came with the fact that is folded, for the journal.
    pub(super) noted: BTreeMap<String, Noted>,
}

/// What was computed for a fact that has not come.
#[derive(Clone, Default)]
pub(super) struct Aside {
    pub(super) items: Option<(Site, Items)>,
    pub(super) vars: Option<(StateId, Vec<(String, Kept)>)>,
    pub(super) arguments: Option<(StepId, Vec<(String, Kept)>)>,
    pub(super) returns: Option<(StepId, Kept)>,
    /// Why the last question had no answer.
    pub(super) no_answer: Option<String>,
    pub(super) recipe_vars_set: bool,
}

/// An end that was reached.
#[derive(Clone)]
pub(super) struct Reached {
    pub(super) state: Arc<str>,
    pub(super) end: EndKind,
    pub(super) message: Option<String>,
    pub(super) verdict: Option<Verdict>,
}

/// The try that goes on.
#[derive(Clone)]
pub(super) struct Trying {
    pub(super) id: TryId,
    pub(super) step: StepId,
    pub(super) number: u32,
    pub(super) began: Moment,
    pub(super) limit: Option<Limit>,
    pub(super) stopped: Option<Bound>,
}

impl Memory {
    /// Before a run. `constants` are `device`, `job`, `env`, `run`, `let`, by home.
    pub(super) fn new(
        chart: Arc<Chart>,
        recipe: Arc<Recipe>,
        lab: Arc<Lab>,
        mut constants: HashMap<Option<String>, Context>,
        began: SystemTime,
    ) -> Self {
        for (home, context) in &mut constants {
            lab.introduce_gear(home.as_deref(), context);
        }
        let stage = Frame::new(None, constants.get(&None).cloned().unwrap_or_default());
        Self {
            names: Names::new(chart),
            recipe,
            lab,
            constants,
            frames: vec![stage],
            aside: Aside::default(),
            began,
            trying: None,
            held: None,
            begun: HashMap::new(),
            last: None,
            failed_exits: Vec::new(),
            in_flight: None,
            retried: None,
            end: None,
            cancelled: None,
            flashed: false,
            open: Vec::new(),
            exits: None,
            noted: BTreeMap::new(),
        }
    }

    pub(super) fn chart(&self) -> &Arc<Chart> {
        &self.names.chart
    }

    /// The same moment as a time of day.
    pub(super) fn time(&self, at: Moment) -> SystemTime {
        self.began.checked_add(at.0).unwrap_or(self.began)
    }

    /// Keeps what a try gave until a fact says what becomes of it.
    pub(super) fn hold(&mut self, id: TryId, result: Performed) {
        self.held = Some((id, result));
    }

    /// What the try that just ended gave, if it ended well.
    pub(super) fn held_output(&self) -> Option<&Output> {
        self.held
            .as_ref()
            .and_then(|(_, result)| result.as_ref().ok())
    }

    /// Scopes that were entered and not left, outermost first.
    pub(super) fn open_scopes(&self) -> &[Arc<str>] {
        &self.open
    }

    pub(super) fn frame(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            let constants = self.constants.get(&None).cloned().unwrap_or_default();
            self.frames.push(Frame::new(None, constants));
        }
        let top = self.frames.len() - 1;
        &mut self.frames[top]
    }

    /// What templates of a place see.
    pub(super) fn context_at(&self, at: Site, inside: bool) -> Context {
        let Some(frame) = self.frames.last() else {
            return Context::new();
        };
        let mut context = frame.context_at(self.chart(), at, inside);
        if let Site::Step(step) = at
            && let Some(host) = &self.chart().step(step).host
        {
            self.lab
                .introduce_host(frame.home.as_deref(), &host.value, &mut context);
        }
        context
    }

    /// Folds a fact, and gives it with names.
    pub(super) fn apply(&mut self, fact: &Fact, at: Moment) -> Record {
        // A procedure's name is part of its facts' paths, that of its call is not.
        let what = match fact {
            Fact::CallLeft { .. } => {
                self.fold_call_left(fact, at);
                self.what(fact, at)
            }
            Fact::CallEntered { .. } => {
                let what = self.what(fact, at);
                self.fold(fact, at);
                what
            }
            _ => {
                self.fold(fact, at);
                self.what(fact, at)
            }
        };
        if let Fact::TryEnded { .. } = fact {
            self.trying = None;
        }
        Record {
            at,
            time: self.time(at),
            what,
            values: std::mem::take(&mut self.noted),
        }
    }

    fn fold(&mut self, fact: &Fact, at: Moment) {
        match fact {
            Fact::StateEntered { state, .. } => self.state_entered(*state),
            Fact::StateReached { state, .. } => self.state_reached(*state),
            Fact::ScopeLeaving { state, because } => self.scope_leaving(*state, *because),
            Fact::ScopeLeft { state, .. } => {
                self.frame().context.unset("outcome");
                let path = self.names.state(*state);
                if let Some(at) = self.open.iter().rposition(|open| *open == path) {
                    self.open.truncate(at);
                }
            }
            Fact::ItemBegun { of, index, .. } => self.item_begun(*of, *index),
            Fact::ItemsEnded { of } => self.items_ended(*of),
            Fact::TryStarted {
                id,
                step,
                number,
                limit,
                ..
            } => {
                self.held = None;
                self.begin(*step, *number, at);
                self.trying = Some(Trying {
                    id: *id,
                    step: *step,
                    number: *number,
                    began: at,
                    limit: *limit,
                    stopped: None,
                });
            }
            Fact::TryStopping { id, why } => {
                if let Some(trying) = self.trying.as_mut().filter(|trying| trying.id == *id) {
                    // What stopped it first is why; a signal outranks nothing that came before.
                    trying.stopped.get_or_insert(*why);
                }
            }
            Fact::TryEnded {
                id,
                step,
                outcome,
                then,
            } => self.try_ended(*id, *step, *outcome, *then, at),
            Fact::TryRefused {
                step,
                number,
                kind,
                reason,
                then,
                ..
            } => {
                self.begin(*step, *number, at);
                let incident = self.incident_without_try(Some(*step), None, *kind, None, reason);
                self.last = Some((*step, incident));
                self.failed(*step, *then, at);
            }
            Fact::RetryDropped { step, then, .. } => self.failed(*step, *then, at),
            Fact::Raised {
                kind,
                state,
                step,
                bound,
                cause,
                reason,
                ..
            } => self.raised(*kind, *state, *step, *bound, *cause, reason),
            Fact::ExitStepFailed { step, .. } => {
                if let Some((of, incident)) = self.last.take()
                    && of == *step
                {
                    self.failed_exits.push((of, incident));
                }
            }
            Fact::Caught { state, kind } => {
                let error = match self.in_flight.take() {
                    Some(error) => error,
                    None => {
                        self.incident_without_try(None, Some(*state), *kind, None, &Reason::Itself)
                    }
                };
                self.retried = None;
                let value = error.value();
                self.note_error(&value);
                self.frame().context.set("error", value);
            }
            Fact::Retrying { .. } => self.retried = self.in_flight.take(),
            Fact::ItemFailed { .. } => self.in_flight = None,
            Fact::CallEntered {
                step,
                procedure,
                number,
                ..
            } => self.call_entered(*step, *procedure, *number, at),
            Fact::Cancelled { signal, number: 1 } => self.cancelled = Some(*signal),
            Fact::CallLeft { .. }
            | Fact::StatePassed { .. }
            | Fact::StatusReplaced { .. }
            | Fact::Moved { .. }
            | Fact::LeafLeft { .. }
            | Fact::StepSkipped { .. }
            | Fact::Tracked { .. }
            | Fact::Cancelled { .. }
            | Fact::StageEnded { .. } => {}
        }
    }

    fn state_entered(&mut self, state: StateId) {
        if let Some((of, vars)) = self.aside.vars.take_if(|(of, _)| *of == state) {
            if of == self.chart().root() {
                self.aside.recipe_vars_set = true;
            }
            for (name, kept) in &vars {
                self.set_var(name, kept);
            }
        }
        if self.chart().is_scope(state) {
            let path = self.names.state(state);
            self.open.push(path);
        }
    }

    fn state_reached(&mut self, state: StateId) {
        let declared = self.chart().state(state).clone();
        let Body::End { end, message, .. } = &declared.body else {
            return;
        };
        let message = message.as_ref().map(|message| {
            let context = self.context_at(Site::State(state), true);
            match message.render(&context) {
                Ok(rendered) if rendered.secret => crate::recipe::secret::HIDDEN.to_owned(),
                Ok(rendered) => text(&rendered.value),
                Err(error) => format!("(its message has no value: {error})"),
            }
        });
        self.end = Some(Reached {
            state: self.names.state(state),
            end: *end,
            message: message.map(|message| self.lab.mask(&message)),
            verdict: self.written_verdict(None, state),
        });
    }

    fn scope_leaving(&mut self, state: StateId, because: Outcome) {
        self.failed_exits.clear();
        let mut outcome = Map::new();
        outcome.insert("kind".into(), outcome_word(because).into());
        let path = self.names.state(state);
        let (message, at, step) = match because {
            Outcome::Failed(kind) => {
                let caught = self.retried.as_ref().or(self.in_flight.as_ref());
                match caught.filter(|error| error.kind == kind) {
                    Some(error) => (
                        Value::from(error.message.clone()),
                        error.state.clone(),
                        error.step.as_ref().map(|step| step.name.clone()),
                    ),
                    None => (Value::from(kind.meaning()), path, None),
                }
            }
            Outcome::Failure | Outcome::Unrecoverable => match &self.end {
                Some(end) => (
                    end.message.clone().map_or(Value::Null, Value::from),
                    end.state.clone(),
                    None,
                ),
                None => (Value::Null, path, None),
            },
            Outcome::Ok => (Value::Null, path, None),
        };
        outcome.insert("message".into(), message);
        outcome.insert("state".into(), Value::from(at.as_ref()));
        outcome.insert(
            "step".into(),
            step.as_deref().map_or(Value::Null, Value::from),
        );
        self.frame().context.set("outcome", Value::Object(outcome));
    }

    fn begin(&mut self, step: StepId, number: u32, at: Moment) {
        let begun = self.begun.entry(step).or_insert((at, number));
        if number == 1 {
            begun.0 = at;
        }
        begun.1 = number;
    }

    fn try_ended(&mut self, id: TryId, step: StepId, outcome: Outcome, then: AfterTry, at: Moment) {
        let held = self
            .held
            .take_if(|(of, _)| *of == id)
            .map(|(_, result)| result);
        match outcome {
            Outcome::Ok => {
                self.flashed |= self.chart().step(step).action.name == "flash";
                let output = held.and_then(Result::ok).unwrap_or_default();
                self.commit(step, output, at);
            }
            Outcome::Failed(kind) => {
                let error = held.and_then(Result::err);
                let incident = self.incident_of_try(step, kind, error, at);
                self.last = Some((step, incident));
                self.failed(step, then, at);
            }
            Outcome::Failure | Outcome::Unrecoverable => {}
        }
    }

    fn call_entered(&mut self, step: StepId, procedure: StateId, number: u32, at: Moment) {
        self.begin(step, number, at);
        let home = self.chart().home(procedure).map(str::to_owned);
        let constants = self.constants.get(&home).cloned().unwrap_or_default();
        let mut frame = Frame::new(home, constants);
        frame.context.set("params", Value::Object(Map::new()));
        if let Some((_, arguments)) = self.aside.arguments.take_if(|(of, _)| *of == step) {
            for (name, kept) in arguments {
                self.note("params", &name, &kept);
                frame
                    .context
                    .set_member("params", &name, &kept.value, kept.secret);
            }
        }
        self.frames.push(frame);
        self.names.calls.push(step);
    }

    fn fold_call_left(&mut self, fact: &Fact, at: Moment) {
        let Fact::CallLeft {
            step,
            outcome,
            then,
        } = fact
        else {
            return;
        };
        if self.frames.len() > 1 {
            self.frames.pop();
        }
        self.names.calls.pop();
        match outcome {
            Outcome::Ok => {
                let returns = self.aside.returns.take_if(|(of, _)| of == step);
                let returns = returns.map_or(
                    Kept {
                        value: Value::Null,
                        secret: false,
                    },
                    |(_, kept)| kept,
                );
                let mut fields = Map::new();
                fields.insert("value".into(), returns.value);
                let mut output = Output::of(fields);
                output.secret = returns.secret;
                self.commit(*step, output, at);
            }
            Outcome::Failed(_) => {
                if let Some(error) = self.in_flight.clone() {
                    self.last = Some((*step, error));
                }
                self.failed(*step, *then, at);
            }
            Outcome::Failure | Outcome::Unrecoverable => {}
        }
    }

    fn raised(
        &mut self,
        kind: ErrorKind,
        state: StateId,
        step: Option<StepId>,
        bound: Option<Bound>,
        cause: Option<ErrorKind>,
        reason: &Reason,
    ) {
        if let (Reason::Ensures { .. }, Some(_)) = (reason, &self.in_flight) {
            return; // reported beside what had failed before
        }
        let of_call = step.is_some_and(|step| self.chart().called(step).is_some());
        let same = |incident: &Incident| incident.kind == kind;
        if of_call
            && cause.is_none()
            && matches!(reason, Reason::Itself)
            && self.in_flight.as_ref().is_some_and(same)
        {
            return; // the story of where it arose says more than the call's
        }
        let before = self.in_flight.take().or_else(|| self.retried.take());
        let own = step.and_then(|step| {
            let at = self.failed_exits.iter().position(|(of, _)| *of == step);
            match at {
                Some(at) => Some(self.failed_exits.remove(at).1),
                None => self.last.take_if(|(of, _)| *of == step).map(|(_, own)| own),
            }
        });
        let incident = match (own, reason) {
            (Some(own), Reason::Itself) if same(&own) => own,
            (own, reason) => {
                let mut new = self.incident_without_try(step, Some(state), kind, bound, reason);
                if let Some(own) = own {
                    new.number = own.number;
                    new.output = own.output;
                    new.tail = own.tail;
                }
                new
            }
        };
        self.in_flight = Some(incident.instead_of(before.filter(|_| cause.is_some())));
    }
}

/// A value as a message prints it.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
