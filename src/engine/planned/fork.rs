//! One way through the machine: its memory, and what is not known on it.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Planned, UNKNOWN};
use crate::actions::{Output, Performed, Request, StepError};
use crate::diagnostic::Span;
use crate::engine::at_once;
use crate::engine::frames::Items;
use crate::engine::memory::Memory;
use crate::machine::{
    Answer, Ask, AskKind, Event, Fact, List, Machine, Moment, Outcome, RetryPlan, Site, StateId,
    StepId, TryId,
};
use crate::recipe::ErrorKind;
use crate::recipe::model::{self, Step};
use crate::recipe::reads::{Text, of_tree, of_trees};
use crate::recipe::template::{Context, Expr, Read};

/// One way through the machine.
pub(super) struct Fork {
    pub(super) machine: Machine,
    pub(super) memory: Memory,
    /// Names in `vars` that are not known, by frame.
    unknown: Vec<BTreeSet<String>>,
    pub(super) event: Event,
    pub(super) now: Moment,
    /// What the way is about; none for the first.
    pub(super) heading: Option<Planned>,
    failing: Option<Failing>,
    /// It goes on as if a scope had ended otherwise, so its end tells nothing.
    pub(super) supposed: bool,
}

/// All tries in a state fail so, until its `catch` or `retry` has taken the error.
#[derive(Clone, Copy)]
pub(super) struct Failing {
    pub(super) state: StateId,
    pub(super) error: ErrorKind,
    pub(super) until: Until,
}

/// How long tries fail.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// The state's `catch` has the error.
    Caught,
    /// The state is to be tried again.
    TriedAgain,
}

impl Fork {
    /// The way on which all goes well.
    pub(super) fn first(machine: Machine, memory: Memory) -> Self {
        Self {
            machine,
            memory,
            unknown: vec![BTreeSet::new()],
            event: Event::Begin,
            now: Moment::START,
            heading: None,
            failing: None,
            supposed: false,
        }
    }

    /// The same way up to here, where this happens instead.
    pub(super) fn branch(&self, event: Event, heading: Planned) -> Self {
        Self {
            machine: self.machine.clone(),
            memory: self.memory.clone(),
            unknown: self.unknown.clone(),
            event,
            now: self.now,
            heading: Some(heading),
            failing: self.failing,
            supposed: self.supposed,
        }
    }

    /// Lets this try, which is under way, fail, and those that follow.
    pub(super) fn fail(&mut self, id: TryId, failing: Failing) {
        self.failing = Some(failing);
        self.memory.hold(id, Err(unknown_error(failing.error)));
    }

    /// How a step fails on this way, if it does.
    pub(super) fn fails(&self, step: StepId) -> Option<StepError> {
        let failing = self.failing?;
        self.around(step)
            .contains(&failing.state)
            .then(|| unknown_error(failing.error))
    }

    pub(super) fn is_failing(&self) -> bool {
        self.failing.is_some()
    }

    /// The states that an error of this step would leave, innermost first, through the calls that lead to
    /// it; not those whose `exit` or `between` it is part of.
    pub(super) fn around(&self, step: StepId) -> Vec<StateId> {
        let chart = self.memory.chart();
        let mut states = Vec::new();
        for step in std::iter::once(&step).chain(self.memory.names.calls.iter().rev()) {
            if matches!(chart.position(*step).0, List::Exit | List::Between) {
                break;
            }
            states.extend(chart.chain(chart.owner(*step)));
        }
        states
    }

    /// The end of a try.
    pub(super) fn ended(&mut self, id: TryId, result: Performed) -> Event {
        let outcome = match &result {
            Ok(_) => Outcome::Ok,
            Err(error) => Outcome::Failed(error.kind),
        };
        self.memory.hold(id, result);
        Event::Ended { id, outcome }
    }

    /// Keeps which names are not known.
    pub(super) fn follow(&mut self, fact: &Fact) {
        match fact {
            Fact::CallEntered { .. } => self.unknown.push(BTreeSet::new()),
            Fact::CallLeft { step, .. } => {
                if self.unknown.len() > 1 {
                    self.unknown.pop();
                }
                self.saved(*step);
            }
            Fact::TryEnded { step, .. } => self.saved(*step),
            Fact::Caught { state, .. } => self.recovered(*state, Until::Caught),
            Fact::Retrying { state, .. } => self.recovered(*state, Until::TriedAgain),
            _ => {}
        }
    }

    fn recovered(&mut self, at: StateId, by: Until) {
        self.failing = self
            .failing
            .filter(|failing| failing.state != at || failing.until != by);
    }

    /// What a step gave is not known; what `set` computed of unknown values neither.
    fn saved(&mut self, step: StepId) {
        let declared = self.memory.chart().step(step).clone();
        let Some(unknown) = self.unknown.last_mut() else {
            return;
        };
        if let Some(save) = &declared.save {
            unknown.insert(save.value.clone());
        }
        if declared.action.name != "set" {
            return;
        }
        for (name, tree) in &declared.params {
            let mut depends = false;
            of_tree(tree, &mut |text| {
                depends = depends || reads_one_of(text, unknown);
            });
            if depends {
                unknown.insert(name.clone());
            } else {
                unknown.remove(name);
            }
        }
    }

    fn reads_unknown(&self, text: Text<'_>) -> bool {
        self.unknown
            .last()
            .is_some_and(|unknown| reads_one_of(text, unknown))
    }

    pub(super) fn reads_unknown_in(&self, step: &Step, id: StepId) -> bool {
        let mut depends = false;
        of_trees(&step.params, &mut |text| {
            depends = depends || self.reads_unknown(text);
        });
        depends || self.unknown_item(Site::Step(id))
    }

    /// Whether the item that a place sees is one of a list that is not known.
    fn unknown_item(&self, at: Site) -> bool {
        let context = self.memory.context_at(at, true);
        let item = Expr {
            text: "item".into(),
            span: Span::default(),
        };
        item.evaluate(&context).is_ok_and(|item| {
            item.value
                .as_str()
                .is_some_and(|text| text.starts_with(UNKNOWN[0]))
        })
    }

    fn guard(&self, ask: Ask) -> Option<&Expr> {
        let chart = self.memory.chart();
        match (ask.kind, ask.of) {
            (AskKind::When, Site::State(state)) => chart.state(state).when.as_ref(),
            (AskKind::When, Site::Step(step)) => chart.step(step).when.as_ref(),
            (AskKind::Row(row), Site::State(state)) => {
                let row = usize::try_from(row).unwrap_or(usize::MAX);
                chart
                    .state(state)
                    .next
                    .get(row)
                    .and_then(|row| row.when.as_ref())
            }
            _ => None,
        }
    }

    /// Whether a guard asks how a scope has ended.
    pub(super) fn is_of_outcome(&self, ask: Ask) -> bool {
        self.guard(ask).is_some_and(|guard| {
            let reads = Text::Expr(guard).reads();
            reads
                .iter()
                .any(|read| read.path.first().is_some_and(|root| root == "outcome"))
        })
    }

    /// A guard that goes another way in another run, and whether it holds on this one: as it does where
    /// that is known (an exit step that asks for the `outcome`), else yes.
    pub(super) fn open_guard(&self, ask: Ask) -> Option<(Arc<str>, bool)> {
        let guard = self.guard(ask)?;
        let text = Text::Expr(guard);
        if self.reads_unknown(text) || text.reads().iter().any(is_of_error) {
            return Some((guard.text.clone(), true));
        }
        if !self.is_of_outcome(ask) {
            return None;
        }
        let context = self.memory.context_at(ask.of, false);
        let holds = guard.truth(&context).unwrap_or(true);
        Some((guard.text.clone(), holds))
    }

    /// Answers as far as that can be known; else with what lets the walk go on.
    pub(super) fn answer(&mut self, ask: Ask) -> Result<Answer, ErrorKind> {
        let chart = Arc::clone(self.memory.chart());
        if ask.kind == AskKind::Items {
            let list = match ask.of {
                Site::State(state) => chart.state(state).for_each.clone(),
                Site::Step(step) => chart.step(step).for_each.clone(),
            };
            if let Some(model::Items::Expr(expr)) = &list
                && self.reads_unknown(Text::Expr(expr))
            {
                let items = Items {
                    values: vec![marked(&format!("item of {}", expr.text))],
                    first: 0,
                    lost: None,
                    secret: false,
                    index: 0,
                };
                self.memory.aside.items = Some((ask.of, items));
                return Ok(Answer::Count(1));
            }
        }
        let answer = self.memory.answer(ask);
        match (answer, ask.kind) {
            (Err(_), AskKind::Timeout) => Ok(Answer::After(None)),
            (Err(_), AskKind::Retry) => Ok(Answer::Retry(RetryPlan::ONCE)),
            (Err(_), AskKind::Arguments) => Ok(Answer::Done),
            (answer, _) => answer,
        }
    }

    /// How a step that touches nothing ends; `None` for all others, and for what is not known.
    pub(super) fn perform(
        &self,
        request: Box<dyn Request>,
        step: &Arc<Step>,
        context: &Context,
        depends: bool,
    ) -> Option<Performed> {
        if step.action.name == "log" || (depends && step.action.name == "assert") {
            return None;
        }
        at_once::performed(&self.memory, request, step, context.clone()).map(|(done, _)| done)
    }
}

fn reads_one_of(text: Text<'_>, unknown: &BTreeSet<String>) -> bool {
    text.reads().iter().any(|read| match read.path.as_slice() {
        [root, name, ..] => root == "vars" && unknown.contains(name),
        [root] => root == "vars" && !unknown.is_empty(),
        [] => false,
    })
}

/// Whether it is something of an error that only a real one has; its kind is chosen.
fn is_of_error(read: &Read) -> bool {
    match read.path.as_slice() {
        [root, part, ..] => root == "error" && part != "kind",
        _ => false,
    }
}

/// An error that only a real run knows more of.
fn unknown_error(kind: ErrorKind) -> StepError {
    let message = format!("{}error.message{}", UNKNOWN[0], UNKNOWN[1]);
    StepError::new(kind, message)
}

/// What stands for a value that only a real run knows.
fn marked(source: &str) -> Value {
    Value::from(format!("{}{source}{}", UNKNOWN[0], UNKNOWN[1]))
}

/// The fields of a step's output, each as where it will come from.
pub(super) fn unknown_output(step: &Step) -> Output {
    let mut fields = Map::new();
    if let Some(save) = &step.save {
        for field in step.action.output {
            let source = format!("vars.{}.{field}", save.value);
            fields.insert((*field).to_owned(), marked(&source));
        }
    }
    Output::of(fields)
}
