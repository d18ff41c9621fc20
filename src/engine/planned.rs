//! The dry run: a walk of the same machine in which every step ends well, that tells what each would
//! send. Nothing is opened, nothing is written.
//!
//! What a step would give is not known: it is printed as where it comes from, `‹vars.up.boot_id›`. Where
//! a guard depends on such a value the walk goes both ways: first as if it held, then, for what that
//! has not told yet, as if it did not. A list of unknown length is taken to have one item. `set`,
//! `assert` and `fail` touch nothing, and are performed where they depend on nothing unknown.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::at_once;
use super::frames::Items;
use super::memory::Memory;
use super::prepare::{Prepared, Refused, RunRequest};
use super::record::{NamedStep, What};
use crate::actions::{Output, Performed, PlanContext, Request, registry};
use crate::machine::{
    Answer, Ask, AskId, AskKind, Decision, Event, Fact, Machine, Moment, Outcome, Site, StepId,
    TryId,
};
use crate::recipe::ErrorKind;
use crate::recipe::model::{self, Step};
use crate::recipe::reads::{Text, of_tree, of_trees};

/// Turns of the machine in one plan; far more than a recipe of any size takes.
const TURNS: usize = 200_000;

/// Begins and ends what stands for a value that only a real run knows.
const UNKNOWN: [char; 2] = ['‹', '›'];

/// What a run would do.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The recipe's name.
    pub recipe: String,
    /// The stage.
    pub stage: String,
    /// In the order in which it would be done.
    pub entries: Vec<Planned>,
}

/// One entry of a plan.
#[derive(Clone, Debug, PartialEq)]
pub enum Planned {
    /// From here on, what would be done if this did not hold.
    Otherwise {
        /// The state or step whose guard it is.
        place: Arc<str>,
        /// The guard.
        guard: Arc<str>,
    },
    /// A state is entered.
    State {
        /// Its path.
        path: Arc<str>,
    },
    /// A step is done.
    Step {
        /// Which.
        step: NamedStep,
        /// Where; `None` for actions without a host.
        host: Option<Arc<str>>,
        /// What it sends, one entry per thing that is done; secrets are masked.
        sends: Vec<String>,
    },
    /// A step would fail.
    Fails {
        /// Which.
        step: NamedStep,
        /// How.
        kind: ErrorKind,
        /// Why.
        message: String,
    },
    /// The walk ends.
    Ends {
        /// Whether as a success.
        success: bool,
    },
}

/// Tells what a run would do.
///
/// # Errors
/// [`Refused`], as for a run.
pub fn plan(request: RunRequest) -> Result<Plan, Refused> {
    let prepared = Prepared::new(request)?;
    let first = Fork {
        machine: Machine::new(Arc::clone(&prepared.chart), prepared.seed),
        memory: prepared.memory(),
        unknown: vec![BTreeSet::new()],
        event: Event::Begin,
        now: Moment::START,
        otherwise: None,
    };
    let mut walk = Walk::default();
    let mut forks = vec![first];
    while let Some(fork) = forks.pop() {
        let from = walk.entries.len();
        let heading = fork.otherwise.clone();
        let mut found = walk.along(fork);
        // The walk goes on with the nearest guard first.
        found.reverse();
        forks.append(&mut found);
        let told = walk.entries[from..]
            .iter()
            .any(|entry| matches!(entry, Planned::Step { .. } | Planned::Fails { .. }));
        match heading {
            Some(heading) if told => walk.entries.insert(from, heading),
            Some(_) => walk.entries.truncate(from),
            None => {}
        }
    }
    Ok(Plan {
        recipe: prepared.recipe.name.clone(),
        stage: prepared.stage.clone(),
        entries: walk.entries,
    })
}

/// One way through the machine.
struct Fork {
    machine: Machine,
    memory: Memory,
    /// Names in `vars` that are not known, by frame.
    unknown: Vec<BTreeSet<String>>,
    event: Event,
    now: Moment,
    otherwise: Option<Planned>,
}

/// What was told so far.
#[derive(Default)]
struct Walk {
    entries: Vec<Planned>,
    told: HashSet<Arc<str>>,
    forked: HashSet<AskId>,
    turns: usize,
}

impl Walk {
    /// Goes to the end, and gives the other ways that were met.
    fn along(&mut self, mut fork: Fork) -> Vec<Fork> {
        let mut others = Vec::new();
        while self.turns < TURNS {
            self.turns += 1;
            let event = std::mem::replace(&mut fork.event, Event::Due);
            let turn = fork.machine.advance(event, fork.now);
            for fact in &turn.facts {
                let record = fork.memory.apply(fact, fork.now);
                fork.follow(fact);
                if let What::StateEntered { state, .. } = record.what
                    && self.told.insert(state.clone())
                {
                    self.entries.push(Planned::State { path: state });
                }
            }
            fork.event = match turn.next {
                Decision::Finish(ending) => {
                    let success = ending.end == crate::machine::End::Success;
                    self.entries.push(Planned::Ends { success });
                    return others;
                }
                Decision::Ask(id) => {
                    let ask = fork.memory.chart().ask(id);
                    match fork.unknown_guard(ask) {
                        Some(guard) => {
                            if self.forked.insert(id) {
                                let event = Event::Answer(Ok(Answer::Truth(false)));
                                others.push(fork.otherwise(ask.of, guard, event));
                            }
                            Event::Answer(Ok(Answer::Truth(true)))
                        }
                        None => Event::Answer(fork.answer(ask)),
                    }
                }
                Decision::Try { id, step, .. } => self.step(&mut fork, id, step),
                Decision::Wait { until: Some(until) } | Decision::Stop { grace: until, .. } => {
                    fork.now = fork.now.max(until);
                    Event::Due
                }
                Decision::Wait { until: None } => return others,
                Decision::Close { .. } => Event::Answer(Ok(Answer::Done)),
            };
        }
        others
    }

    /// Tells a step, once for each place, and how it ends.
    fn step(&mut self, fork: &mut Fork, id: TryId, step: StepId) -> Event {
        let memory = &fork.memory;
        let name = memory.names.step(step);
        let declared = memory.chart().step(step).clone();
        let depends = fork.reads_unknown_in(&declared, step);
        let context = memory.context_at(Site::Step(step), true);
        let home = memory.frames.last().and_then(|frame| frame.home.clone());
        let planned = registry::plan(&PlanContext {
            step: &declared,
            lab: &memory.lab,
            home: home.as_deref(),
            context: &context,
        });
        let new = self.told.insert(name.place.clone());
        let result = match planned {
            Ok(request) => {
                if new {
                    let mask = |part: &String| memory.lab.mask(part);
                    self.entries.push(Planned::Step {
                        step: name.clone(),
                        host: declared
                            .host
                            .as_ref()
                            .map(|host| host.value.as_str().into()),
                        sends: request.describe().iter().map(mask).collect(),
                    });
                }
                fork.perform(request, &declared, context, depends)
            }
            // A value of the wrong shape stands for one that is not known yet.
            Err(_) if depends => {
                if new {
                    self.entries.push(Planned::Step {
                        step: name.clone(),
                        host: declared
                            .host
                            .as_ref()
                            .map(|host| host.value.as_str().into()),
                        sends: as_written(&declared),
                    });
                }
                None
            }
            Err(error) => Some(Err(error)),
        };
        if let Some(Err(error)) = &result
            && new
        {
            // It says what it does.
            if self.told_last(&name) {
                self.entries.pop();
            }
            self.entries.push(Planned::Fails {
                step: name,
                kind: error.kind,
                message: memory.lab.mask(&error.message),
            });
        }
        let result = result.unwrap_or_else(|| Ok(unknown_output(&declared)));
        let outcome = match &result {
            Ok(_) => Outcome::Ok,
            Err(error) => Outcome::Failed(error.kind),
        };
        fork.memory.hold(id, result);
        Event::Ended { id, outcome }
    }
}

impl Walk {
    fn told_last(&self, name: &NamedStep) -> bool {
        matches!(self.entries.last(), Some(Planned::Step { step, .. }) if step == name)
    }
}

impl Fork {
    /// The same fork where a guard does not hold.
    fn otherwise(&self, of: Site, guard: Arc<str>, event: Event) -> Self {
        Self {
            machine: self.machine.clone(),
            memory: self.memory.clone(),
            unknown: self.unknown.clone(),
            event,
            now: self.now,
            otherwise: Some(Planned::Otherwise {
                place: self.memory.names.site(of),
                guard,
            }),
        }
    }

    /// Keeps which names are not known.
    fn follow(&mut self, fact: &Fact) {
        match fact {
            Fact::CallEntered { .. } => self.unknown.push(BTreeSet::new()),
            Fact::CallLeft { step, .. } => {
                if self.unknown.len() > 1 {
                    self.unknown.pop();
                }
                self.saved(*step);
            }
            Fact::TryEnded { step, .. } => self.saved(*step),
            _ => {}
        }
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

    fn reads_unknown_in(&self, step: &Step, id: StepId) -> bool {
        let mut depends = false;
        of_trees(&step.params, &mut |text| {
            depends = depends || self.reads_unknown(text);
        });
        depends || self.unknown_item(Site::Step(id))
    }

    /// Whether the item that a place sees is one of a list that is not known.
    fn unknown_item(&self, at: Site) -> bool {
        let context = self.memory.context_at(at, true);
        let item = crate::recipe::template::Expr {
            text: "item".into(),
            span: crate::diagnostic::Span::default(),
        };
        item.evaluate(&context).is_ok_and(|item| {
            item.value
                .as_str()
                .is_some_and(|text| text.starts_with(UNKNOWN[0]))
        })
    }

    /// A guard whose value only a real run knows.
    fn unknown_guard(&self, ask: Ask) -> Option<Arc<str>> {
        let chart = self.memory.chart();
        let guard = match (ask.kind, ask.of) {
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
        }?;
        self.reads_unknown(Text::Expr(guard))
            .then(|| guard.text.clone())
    }

    /// Answers as far as that can be known; else with what lets the walk go on.
    fn answer(&mut self, ask: Ask) -> Result<Answer, ErrorKind> {
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
            (Err(_), AskKind::Retry) => Ok(Answer::Retry(crate::machine::RetryPlan::ONCE)),
            (Err(_), AskKind::Arguments) => Ok(Answer::Done),
            (answer, _) => answer,
        }
    }

    /// How a step that touches nothing ends; `None` for all others, and for what is not known.
    fn perform(
        &self,
        request: Box<dyn Request>,
        step: &Arc<Step>,
        context: crate::recipe::template::Context,
        depends: bool,
    ) -> Option<Performed> {
        if step.action.name == "log" || (depends && step.action.name == "assert") {
            return None;
        }
        at_once::performed(&self.memory, request, step, context).map(|(done, _)| done)
    }
}

fn reads_one_of(text: Text<'_>, unknown: &BTreeSet<String>) -> bool {
    text.reads().iter().any(|read| match read.path.as_slice() {
        [root, name, ..] => root == "vars" && unknown.contains(name),
        [root] => root == "vars" && !unknown.is_empty(),
        [] => false,
    })
}

/// What stands for a value that only a real run knows.
fn marked(source: &str) -> Value {
    Value::from(format!("{}{source}{}", UNKNOWN[0], UNKNOWN[1]))
}

/// The fields of a step's output, each as where it will come from.
fn unknown_output(step: &Step) -> Output {
    let mut fields = Map::new();
    if let Some(save) = &step.save {
        for field in step.action.output {
            let source = format!("vars.{}.{field}", save.value);
            fields.insert((*field).to_owned(), marked(&source));
        }
    }
    Output::of(fields)
}

/// A step's parameters as the recipe has them.
fn as_written(step: &Step) -> Vec<String> {
    let mut texts = Vec::new();
    of_trees(&step.params, &mut |text| texts.push(text.text().to_owned()));
    let text = texts.join(", ");
    vec![format!("{} {text}", step.action.name)]
}
