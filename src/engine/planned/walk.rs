//! The walk: one way through the machine after the other, each telling what is new on it.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::SystemTime;

use super::fork::{Failing, Fork, Until, unknown_output};
use super::rules::{StateRules, StepRules};
use super::{Plan, Planned, PlannedProbe, Remote, UNKNOWN};
use crate::actions::{Look, PlanContext, registry};
use crate::diagnostic::Span;
use crate::engine::at_once;
use crate::engine::memory::Memory;
use crate::engine::prepare::{Circumstances, Prepared, Refused, RunRequest};
use crate::engine::record::{NamedStep, What};
use crate::machine::{
    Answer, AskId, AskKind, Decision, End, Event, Fact, Machine, Outcome, Site, StateId, StepId,
    Transition, TryId,
};
use crate::recipe::model::{AllowFailure, Step, StepTimeout};
use crate::recipe::reads::of_trees;
use crate::recipe::secret::HIDDEN;
use crate::recipe::template::{Context, Expr};
use crate::recipe::{ErrorKind, KindSet};
use crate::transport::PingMethod;

/// Turns of the machine in one plan; far more than a recipe of any size takes.
const TURNS: usize = 100_000;
/// Entries of one plan.
const ENTRIES: usize = 50_000;
/// Ways that wait to be walked. Each holds a copy of the run's memory.
const WAYS: usize = 500;
/// A step with ever other values is told so often.
const REPEATS: u32 = 20;

/// Kinds of error, the most telling first.
const LIKELY: [ErrorKind; 9] = [
    ErrorKind::Exit,
    ErrorKind::Http,
    ErrorKind::Failed,
    ErrorKind::Mismatch,
    ErrorKind::Unreachable,
    ErrorKind::Timeout,
    ErrorKind::Io,
    ErrorKind::Lost,
    ErrorKind::Auth,
];

pub(super) fn plan(request: RunRequest) -> Result<Plan, Refused> {
    let circumstances = Circumstances {
        time: SystemTime::now(),
        // A name that changes from plan to plan would hide what else has changed.
        id: format!("{}run.id{}", UNKNOWN[0], UNKNOWN[1]),
        // The machine that runs may be able to, whatever the one that plans can do.
        ping: Some(PingMethod::Datagram),
        lets: None,
    };
    let prepared = Prepared::under(request, circumstances)?;
    let mut walk = Walk::default();
    let mut next = Some(Fork::first(
        Machine::new(Arc::clone(&prepared.chart), prepared.seed),
        prepared.memory(),
    ));
    let blame = probes(&prepared.memory());
    while let Some(fork) = next {
        walk.way(fork);
        // The way goes on with the nearest guard first; errors come after all guards.
        next = walk
            .otherwise
            .pop()
            .or_else(|| walk.after_errors.pop_front());
    }
    Ok(Plan {
        recipe: prepared.recipe.name.clone(),
        stage: prepared.stage.clone(),
        cut: walk.cut,
        hosts: walk.hosts,
        entries: walk.entries,
        blame,
    })
}

/// What would be looked at after a failure.
fn probes(memory: &Memory) -> Vec<PlannedProbe> {
    let masked = |texts: Vec<String>| -> Vec<String> {
        texts.iter().map(|text| memory.lab.mask(text)).collect()
    };
    let all = memory.probes(SystemTime::now()).into_iter();
    all.map(|probe| {
        let sends = masked(probe.describe());
        let (deeds, not_known) = match &probe.looks {
            Ok(looks) => (looks.iter().flat_map(Look::deeds).collect(), None),
            Err(error) => (Vec::new(), Some(memory.lab.mask(&error.message))),
        };
        PlannedProbe {
            probe: probe.name,
            action: probe.step.action.name,
            verdict: probe.step.verdict,
            sends,
            deeds,
            not_known,
        }
    })
    .collect()
}

/// What was told so far, and what is still to be walked.
#[derive(Default)]
struct Walk {
    entries: Vec<Planned>,
    hosts: BTreeMap<String, Remote>,
    otherwise: Vec<Fork>,
    after_errors: VecDeque<Fork>,
    cut: bool,
    /// Places, each with what was told of it.
    told: HashSet<u64>,
    renderings: HashMap<Arc<str>, u32>,
    forked: HashSet<AskId>,
    caught: HashSet<(StateId, Option<ErrorKind>)>,
    retried: HashSet<StateId>,
    turns: usize,
    /// Where this way has joined what was told before.
    joined: Option<Arc<str>>,
}

impl Walk {
    /// Walks one way, and drops its heading where it has told nothing.
    fn way(&mut self, mut fork: Fork) {
        let from = self.entries.len();
        self.joined = None;
        let heading = fork.heading.take();
        let others = self.otherwise.len();
        self.along(fork);
        if let Some(met) = self.otherwise.get_mut(others..) {
            met.reverse();
        }
        let Some(heading) = heading else { return };
        let told = self.entries[from..].iter().any(|entry| match entry {
            Planned::Ends { end, .. } => *end != "success",
            Planned::AsBefore { .. } => false,
            _ => true,
        });
        if told {
            self.entries.insert(from, heading);
        } else {
            self.entries.truncate(from);
        }
    }

    fn along(&mut self, mut fork: Fork) {
        loop {
            if self.turns >= TURNS || self.entries.len() >= ENTRIES {
                self.cut = true;
                return;
            }
            self.turns += 1;
            let event = std::mem::replace(&mut fork.event, Event::Due);
            let turn = fork.machine.advance(event, fork.now);
            for fact in &turn.facts {
                self.fact(&mut fork, fact);
            }
            fork.event = match turn.next {
                Decision::Finish(ending) => {
                    if !fork.supposed {
                        self.ends(ending.end);
                    }
                    return;
                }
                Decision::Ask(id) => self.ask(&mut fork, id),
                Decision::Try { id, step, .. } => self.step(&mut fork, id, step),
                Decision::Wait { until: Some(until) } | Decision::Stop { grace: until, .. } => {
                    fork.now = fork.now.max(until);
                    Event::Due
                }
                Decision::Wait { until: None } => return,
                Decision::Close { .. } => Event::Answer(Ok(Answer::Done)),
            };
        }
    }

    fn fact(&mut self, fork: &mut Fork, fact: &Fact) {
        let record = fork.memory.apply(fact, fork.now);
        fork.follow(fact);
        match (record.what, fact) {
            (What::StateEntered { state: path, .. }, Fact::StateEntered { state, .. })
                if self.is_new((&path, "entered")) =>
            {
                let chart = fork.memory.chart();
                let context = fork.memory.context_at(Site::State(*state), true);
                let entered = Planned::State {
                    path,
                    summary: chart.state(*state).summary.clone(),
                    rules: StateRules::of(chart, *state, &context),
                };
                self.tell(entered);
            }
            (What::StatePassed { state: path, .. }, Fact::StatePassed { state, .. }) => {
                let when = fork.memory.chart().state(*state).when.clone();
                if let Some(when) = when
                    && self.is_new((&path, "passed"))
                {
                    let guard = when.text;
                    self.tell(Planned::Passed { path, guard });
                }
            }
            (What::StepSkipped { step }, Fact::StepSkipped { step: id }) => {
                let when = fork.memory.chart().step(*id).when.clone();
                if let Some(when) = when
                    && self.is_new((&step.place, "skipped"))
                {
                    let guard = when.text;
                    self.tell(Planned::Skipped { step, guard });
                }
            }
            (
                What::TryRefused {
                    step,
                    kind: error,
                    message,
                    ..
                },
                _,
            ) if self.is_new((&step.place, "refused", error)) => {
                self.tell(Planned::Fails {
                    step,
                    error,
                    message,
                });
            }
            (
                What::StateReached {
                    state: path,
                    end: Some(end),
                    message,
                    ..
                },
                _,
            ) if self.is_new((&path, "reached")) => {
                self.tell(Planned::Reached { path, end, message });
            }
            _ => {}
        }
    }

    fn ends(&mut self, end: End) {
        let (end, status) = match end {
            End::Success => ("success", None),
            End::Failure { status } => ("failure", Some(status)),
            End::Unrecoverable => ("unrecoverable", None),
            End::Cancelled(_) => return,
        };
        if end == "success" && self.joined.is_some() {
            self.say_joined();
            return;
        }
        self.entries.push(Planned::Ends { end, status });
    }

    fn ask(&mut self, fork: &mut Fork, id: AskId) -> Event {
        let ask = fork.memory.chart().ask(id);
        let Some((guard, holds)) = fork.open_guard(ask) else {
            return Event::Answer(fork.answer(ask));
        };
        if self.forked.insert(id) {
            if self.otherwise.len() < WAYS {
                let place = fork.memory.names.site(ask.of);
                if holds && ask.kind == AskKind::When {
                    // The heading says so.
                    let what = match ask.of {
                        Site::State(_) => "passed",
                        Site::Step(_) => "skipped",
                    };
                    self.is_new((&place, what));
                }
                if matches!(ask.kind, AskKind::Row(_)) && holds {
                    self.tell(Planned::Assumed {
                        place: place.clone(),
                        guard: guard.clone(),
                    });
                }
                let mut way = fork.branch(
                    Event::Answer(Ok(Answer::Truth(!holds))),
                    Planned::Otherwise {
                        place,
                        guard,
                        holds: !holds,
                    },
                );
                way.supposed |= fork.is_of_outcome(ask);
                self.otherwise.push(way);
            } else {
                self.cut = true;
            }
        }
        Event::Answer(Ok(Answer::Truth(holds)))
    }

    /// Tells a step, once for each place and what is sent there, and how it ends.
    fn step(&mut self, fork: &mut Fork, id: TryId, step: StepId) -> Event {
        let name = fork.memory.names.step(step);
        if let Some(error) = fork.fails(step) {
            return fork.ended(id, Err(error));
        }
        self.errors(fork, id, step, &name);
        let memory = &fork.memory;
        let declared = Arc::clone(memory.chart().step(step));
        let depends = fork.reads_unknown_in(&declared, step);
        let context = memory.context_at(Site::Step(step), true);
        let home = memory.frames.last().and_then(|frame| frame.home.clone());
        let planned = registry::plan(&PlanContext {
            step: &declared,
            lab: &memory.lab,
            home: home.as_deref(),
            context: &context,
        });
        let mask = |text: &str| memory.lab.mask(text);
        let (sent, result) = match planned {
            Ok(request) => {
                let sends = request.describe().iter().map(|text| mask(text)).collect();
                let deeds = request.deeds().into_iter();
                let sent = (sends, deeds.map(|deed| deed.masked(mask)).collect());
                let result = fork.perform(request, &declared, &context, depends);
                (Some(sent), result)
            }
            // A value of the wrong shape stands for one that is not known yet.
            Err(_) if depends => (Some((as_written(&declared), Vec::new())), None),
            Err(error) => (None, Some(Err(error))),
        };
        match (&result, sent) {
            (Some(Err(error)), _) => {
                if self.is_new((&name.place, "fails", &error.message)) {
                    self.tell(Planned::Fails {
                        step: name,
                        error: error.kind,
                        message: mask(&error.message),
                    });
                }
            }
            (_, Some((sends, deeds))) if self.is_new((&name.place, &sends)) => {
                let host = runs_on(&declared);
                self.remote(host, &context);
                self.done(Planned::Step {
                    list: memory.chart().position(step).0.word(),
                    action: declared.action.name,
                    sends: at_host(sends, host),
                    host: host.map(Arc::from),
                    deeds,
                    rules: StepRules::of(memory.chart(), step, &context),
                    step: name,
                });
            }
            _ => {
                if !fork.is_failing() {
                    self.joined.get_or_insert(name.state);
                }
            }
        }
        fork.ended(id, result.unwrap_or_else(|| Ok(unknown_output(&declared))))
    }

    /// Tells a step with values that it was not told with yet; not without end.
    fn done(&mut self, entry: Planned) {
        let Planned::Step { step, .. } = &entry else {
            return;
        };
        let often = self.renderings.entry(step.place.clone()).or_default();
        *often += 1;
        match (*often).cmp(&REPEATS) {
            Ordering::Less => self.tell(entry),
            Ordering::Equal => {
                let step = step.clone();
                self.tell(Planned::AndSoOn { step });
            }
            Ordering::Greater => {}
        }
    }

    /// Keeps the ways after errors of a step that were not met yet: one for each row of a `catch` that
    /// would take such an error, one for each `retry` that does something before it tries again.
    fn errors(&mut self, fork: &Fork, id: TryId, step: StepId, name: &NamedStep) {
        let chart = fork.memory.chart();
        let declared = chart.step(step);
        let mut inside: Vec<Option<ErrorKind>> = Vec::new();
        for state in fork.around(step) {
            let rows: Vec<Option<ErrorKind>> = chart
                .transitions(state)
                .filter_map(|(why, _)| match why {
                    Transition::Catch(error) => Some(error),
                    Transition::Next(_) => None,
                })
                .collect();
            let raised = |error: &ErrorKind| {
                can_raise(declared, *error)
                    && !inside.contains(&Some(*error))
                    && !inside.contains(&None)
            };
            if let Some(retry) = &chart.state(state).retry
                && !retry.between.is_empty()
                && let Some(error) = retry
                    .errors
                    .unwrap_or(KindSet::ALL.without(ErrorKind::Input))
                    .iter()
                    .find(raised)
                && self.retried.insert(state)
            {
                self.after_error(fork, id, name, state, error, Until::TriedAgain);
            }
            for row in &rows {
                let error = match row {
                    Some(error) => Some(*error).filter(raised),
                    None => LIKELY
                        .into_iter()
                        .filter(|error| !rows.contains(&Some(*error)))
                        .find(raised),
                };
                if let Some(error) = error
                    && self.caught.insert((state, *row))
                {
                    self.after_error(fork, id, name, state, error, Until::Caught);
                }
            }
            inside.extend(rows);
        }
    }

    fn after_error(
        &mut self,
        fork: &Fork,
        id: TryId,
        step: &NamedStep,
        state: StateId,
        error: ErrorKind,
        until: Until,
    ) {
        if self.after_errors.len() >= WAYS {
            self.cut = true;
            return;
        }
        let heading = Planned::AfterError {
            step: step.clone(),
            error,
            state: fork.memory.chart().path(state).into(),
            tried_again: until == Until::TriedAgain,
        };
        let event = Event::Ended {
            id,
            outcome: Outcome::Failed(error),
        };
        let mut way = fork.branch(event, heading);
        way.fail(
            id,
            Failing {
                state,
                error,
                until,
            },
        );
        self.after_errors.push_back(way);
    }

    fn remote(&mut self, host: Option<&str>, context: &Context) {
        let Some(name) = host.filter(|name| *name != "local") else {
            return;
        };
        if self.hosts.contains_key(name) {
            return;
        }
        let part = |part: &str| {
            let expr = Expr {
                text: format!("host.{part}").into(),
                span: Span::default(),
            };
            let value = expr.evaluate(context).ok()?;
            let hidden = value.secret.then(|| HIDDEN.to_owned());
            hidden.or_else(|| value.value.as_str().map(str::to_owned))
        };
        if let (Some(address), Some(user)) = (part("address"), part("user")) {
            self.hosts.insert(name.to_owned(), Remote { address, user });
        }
    }

    fn is_new(&mut self, what: impl Hash) -> bool {
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        self.told.insert(hasher.finish())
    }

    fn tell(&mut self, entry: Planned) {
        self.say_joined();
        self.entries.push(entry);
    }

    fn say_joined(&mut self) {
        if let Some(state) = self.joined.take() {
            self.entries.push(Planned::AsBefore { state });
        }
    }
}

/// Whether a try of this step can end so, and the error leaves the step.
fn can_raise(step: &Step, error: ErrorKind) -> bool {
    let forgiven = match step.allow_failure {
        AllowFailure::No => false,
        AllowFailure::All => true,
        AllowFailure::Kinds(kinds) => kinds.contains(error),
    };
    let remote = step.host.as_ref().is_some_and(|host| host.value != "local");
    let can = match error {
        // What touches nothing is not cut by a bound.
        ErrorKind::Timeout => {
            !matches!(step.timeout, StepTimeout::None)
                && !at_once::ACTIONS.contains(&step.action.name)
        }
        ErrorKind::Unreachable | ErrorKind::Lost | ErrorKind::Auth if remote => true,
        error => step.action.kinds.contains(error),
    };
    can && !forgiven
}

/// The host that a step runs on; a probe of the engine's own runs on none.
fn runs_on(step: &Step) -> Option<&str> {
    let host = step.host.as_ref()?;
    let of_the_engine =
        step.action.name == "wait" && step.inner.is_empty() && !step.params.contains_key("run");
    (!of_the_engine).then_some(host.value.as_str())
}

/// What is sent, without the name of the host that the step has.
fn at_host(sends: Vec<String>, host: Option<&str>) -> Vec<String> {
    let Some(host) = host else { return sends };
    let bare = |text: String| match text
        .strip_prefix(host)
        .and_then(|rest| rest.strip_prefix(": "))
    {
        Some(bare) => bare.to_owned(),
        None => text,
    };
    sends.into_iter().map(bare).collect()
}

/// A step's parameters as the recipe has them.
fn as_written(step: &Step) -> Vec<String> {
    let mut texts = Vec::new();
    of_trees(&step.params, &mut |text| texts.push(text.text().to_owned()));
    vec![format!("{} {}", step.action.name, texts.join(", "))]
}
