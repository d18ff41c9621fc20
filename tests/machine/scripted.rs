//! A world for the worked examples: tries end as a script says, time is virtual, and templates are
//! evaluated for real over values that only facts change.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tf_engine::machine::{
    AfterTry, Answer, AskId, AskKind, Chart, Decision, End, Event, Fact, Limit, Machine, Moment,
    Outcome, Signal, Site, StepId, TryId,
};
use tf_engine::recipe::ErrorKind;
use tf_engine::recipe::model::{Body, Items, Map, Recipe, Tree, TreeKind};
use tf_engine::recipe::template::Context;

/// What a try does.
#[derive(Clone, Copy, Debug)]
enum Does {
    Ok,
    Raises(ErrorKind),
    Hangs,
    Takes(Duration),
    Gets(Signal),
}

/// What came of a run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Played {
    /// The order of tries: `name:kind:item`.
    pub(crate) path: String,
    /// The exit status.
    pub(crate) exit: u8,
}

/// Runs the stage of a recipe, and tells its tries and how they ended; `events` is a script like
/// `a: exit 1, ok; b: timeout`.
pub(crate) fn play_tries(recipe: &Recipe, events: &str) -> (Played, Vec<(StepId, Outcome)>) {
    let mut tries = Vec::new();
    let chart = Arc::new(Chart::build(recipe, "provision").unwrap());
    let mut machine = Machine::new(Arc::clone(&chart), 1);
    let mut world = World {
        recipe,
        chart,
        script: script(events),
        tries: HashMap::new(),
        now: Moment::START,
        path: Vec::new(),
        calls: vec![Frame::default()],
        aside: HashMap::new(),
        running: None,
    };
    let mut event = Event::Begin;
    for _ in 0..10_000 {
        let turn = machine.advance(event, world.now);
        for fact in &turn.facts {
            world.apply(fact);
            if let Fact::TryEnded { step, outcome, .. } = fact {
                tries.push((*step, *outcome));
            }
        }
        event = match turn.next {
            Decision::Finish(ending) => {
                let played = Played {
                    path: world.path.join(" "),
                    exit: match ending.end {
                        End::Success => 0,
                        End::Failure { status } => status,
                        End::Unrecoverable => 46,
                        End::Cancelled(Signal::Int) => 130,
                        End::Cancelled(Signal::Term) => 143,
                    },
                };
                return (played, tries);
            }
            Decision::Ask(ask) => Event::Answer(world.answer(ask).ok_or(ErrorKind::Input)),
            Decision::Try { id, step, limit } => world.start(id, step, limit),
            Decision::Stop { id, .. } => Event::Ended {
                id,
                outcome: Outcome::Failed(ErrorKind::Cancelled),
            },
            Decision::Wait { until } => world.wait(until),
            Decision::Close { .. } => Event::Answer(Ok(Answer::Done)),
        };
    }
    panic!("it does not end");
}

/// `vars`, `error`, `params` and items of the stage or of one call.
#[derive(Default)]
struct Frame {
    vars: HashMap<String, Value>,
    params: Value,
    error: Option<ErrorKind>,
    raised: Option<ErrorKind>,
    items: Vec<(Site, Vec<Value>, usize)>,
    outcome: Option<Outcome>,
}

struct World<'r> {
    recipe: &'r Recipe,
    chart: Arc<Chart>,
    script: HashMap<String, Vec<Does>>,
    tries: HashMap<String, usize>,
    now: Moment,
    path: Vec<String>,
    calls: Vec<Frame>,
    aside: HashMap<StepId, Value>,
    running: Option<(TryId, StepId, Option<Moment>, Does)>,
}

fn script(events: &str) -> HashMap<String, Vec<Does>> {
    events
        .split(';')
        .filter_map(|line| line.split_once(':'))
        .map(|(name, tries)| {
            let does = tries.split(',').map(|words| match words.trim() {
                "ok" => Does::Ok,
                "timeout" => Does::Hangs,
                "exit 1" => Does::Raises(ErrorKind::Exit),
                "signal TERM" => Does::Gets(Signal::Term),
                "signal INT" => Does::Gets(Signal::Int),
                words => match words.split_once(' ') {
                    Some(("raise", kind)) => Does::Raises(kind.parse().unwrap()),
                    Some(("takes", n)) => Does::Takes(Duration::from_secs(n.parse().unwrap())),
                    _ => panic!("no event: {words}"),
                },
            });
            (name.trim().to_owned(), does.collect())
        })
        .collect()
}

impl World<'_> {
    fn frame(&mut self) -> &mut Frame {
        self.calls.last_mut().unwrap()
    }

    fn apply(&mut self, fact: &Fact) {
        match *fact {
            Fact::ItemBegun { of, index, .. } => {
                let items = &mut self.frame().items;
                let (site, _, at) = items.last_mut().unwrap();
                assert_eq!(*site, of);
                *at = index as usize;
            }
            Fact::ItemsEnded { of } => {
                let (site, ..) = self.frame().items.pop().unwrap();
                assert_eq!(site, of);
            }
            Fact::Raised { kind, .. } => self.frame().raised = Some(kind),
            Fact::Caught { kind, .. } => self.frame().error = Some(kind),
            Fact::ScopeLeaving { because, .. } => self.frame().outcome = Some(because),
            Fact::ScopeLeft { .. } => self.frame().outcome = None,
            Fact::CallEntered { step, .. } => self.calls.push(Frame {
                params: self.aside.remove(&step).unwrap_or_default(),
                ..Frame::default()
            }),
            Fact::CallLeft { .. } => {
                self.calls.pop();
            }
            Fact::TryEnded {
                step,
                then: AfterTry::Done,
                ..
            } => {
                if let Some(Value::Object(set)) = self.aside.remove(&step) {
                    self.frame().vars.extend(set);
                }
            }
            _ => {}
        }
    }

    fn context(&self) -> Context {
        let frame = self.calls.last().unwrap();
        let mut context = Context::new();
        context.set("vars", json!(frame.vars));
        context.set("params", frame.params.clone());
        let error = frame.error.map(|kind| json!({"kind": kind.word()}));
        context.set("error", error.unwrap_or_default());
        if let Some((_, items, at)) = frame.items.last() {
            context.set("item", items.get(*at).cloned().unwrap_or_default());
        }
        context
    }

    fn tree(&self, tree: &Tree) -> Option<Value> {
        match &tree.kind {
            TreeKind::Literal(value) => Some(value.clone()),
            TreeKind::Template(template) => Some(template.render(&self.context()).ok()?.value),
            _ => None,
        }
    }

    fn map(&self, map: &Map<Tree>) -> Option<serde_json::Map<String, Value>> {
        map.iter()
            .map(|(name, tree)| Some((name.clone(), self.tree(tree)?)))
            .collect()
    }

    fn answer(&mut self, ask: AskId) -> Option<Answer> {
        let ask = self.chart.ask(ask);
        let context = self.context();
        match (ask.kind, ask.of) {
            (AskKind::When, Site::State(state)) => {
                let when = self.chart.state(state).when.clone()?;
                Some(Answer::Truth(when.truth(&context).ok()?))
            }
            (AskKind::When, Site::Step(step)) => {
                let when = self.chart.step(step).when.clone()?;
                Some(Answer::Truth(when.truth(&context).ok()?))
            }
            (AskKind::Row(row), Site::State(state)) => {
                let rows = &self.chart.state(state).next;
                let when = rows.get(row as usize)?.when.clone()?;
                Some(Answer::Truth(when.truth(&context).ok()?))
            }
            (AskKind::Items, of) => {
                let items = match of {
                    Site::State(state) => self.chart.state(state).for_each.clone()?,
                    Site::Step(step) => self.chart.step(step).for_each.clone()?,
                };
                let items = match items {
                    Items::Expr(expr) => expr.evaluate(&context).ok()?.value,
                    Items::List(tree) => self.tree(&tree)?,
                };
                let items = items.as_array()?.clone();
                let count = u32::try_from(items.len()).ok()?;
                self.frame().items.push((of, items, 0));
                Some(Answer::Count(count))
            }
            (AskKind::Vars, Site::State(state)) => {
                let mut vars = self.map(&self.chart.state(state).vars)?;
                if state == self.chart.root() && self.frame().vars.is_empty() {
                    vars.extend(self.map(&self.recipe.vars)?);
                }
                self.frame().vars.extend(vars);
                Some(Answer::Done)
            }
            (AskKind::Arguments, Site::Step(step)) => {
                let with = self.chart.step(step).call.clone()?.with;
                let with = Value::Object(self.map(&with)?);
                self.aside.insert(step, with);
                Some(Answer::Done)
            }
            (AskKind::ExitStatus, Site::State(state)) => {
                let Body::End { exit_status, .. } = &self.chart.state(state).body else {
                    return None;
                };
                let status = exit_status.clone()?.evaluate(&context).ok()?.value;
                Some(Answer::Status(status.as_i64()?))
            }
            _ => None,
        }
    }

    fn start(&mut self, id: TryId, step: StepId, limit: Option<Limit>) -> Event {
        let node = Arc::clone(self.chart.step(step));
        if node.action.name == "set" {
            let values = self.map(&node.params);
            let outcome = match values {
                Some(values) => {
                    self.aside.insert(step, Value::Object(values));
                    Outcome::Ok
                }
                None => Outcome::Failed(ErrorKind::Input),
            };
            return Event::Ended { id, outcome };
        }
        let frame = self.calls.last().unwrap();
        let outcome = match frame.outcome {
            Some(Outcome::Failed(kind)) => kind.word(),
            Some(Outcome::Failure) => "failure",
            Some(Outcome::Unrecoverable) => "unrecoverable",
            Some(Outcome::Ok) => "ok",
            None => "none",
        };
        let name = node.name.trim_end_matches(['?', '!']);
        let mut shown = name.to_owned();
        if node.name.ends_with('?') {
            shown = format!("{shown}:{outcome}");
        }
        if node.name.ends_with('!') {
            let error = frame.error.map_or("none", ErrorKind::word);
            shown = format!("{shown}:{error}");
        }
        if let Some((_, items, at)) = frame.items.last() {
            shown = format!("{shown}:{}", items[*at].as_str().unwrap());
        }
        self.path.push(shown);
        let tries = self.tries.entry(name.to_owned()).or_default();
        let does = self
            .script
            .get(name)
            .map_or(Does::Ok, |script| script[(*tries).min(script.len() - 1)]);
        *tries += 1;
        self.running = Some((id, step, limit.map(|limit| limit.at), does));
        self.wait(limit.map(|limit| limit.at))
    }

    fn wait(&mut self, until: Option<Moment>) -> Event {
        if let Some((id, step, limit, does)) = self.running.take() {
            let outcome = match does {
                Does::Ok => Outcome::Ok,
                Does::Raises(kind) => Outcome::Failed(kind),
                Does::Gets(signal) => {
                    self.running = Some((id, step, limit, Does::Ok));
                    return Event::Cancel(signal);
                }
                Does::Takes(time) => {
                    let over = self.now.after(time);
                    if limit.is_none_or(|limit| over <= limit) {
                        self.now = over;
                        return Event::Ended {
                            id,
                            outcome: Outcome::Ok,
                        };
                    }
                    self.now = until.unwrap();
                    return Event::Due;
                }
                Does::Hangs => {
                    self.now = until.expect("a bound on a step that hangs");
                    return Event::Due;
                }
            };
            return Event::Ended { id, outcome };
        }
        self.now = self.now.max(until.expect("something to wait for"));
        Event::Due
    }
}
