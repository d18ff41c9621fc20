//! The semantics a second time, written straight down: functions that call each other and wait for the
//! world, where the machine is a value that is told events. Both must do the same.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::{prop_assert_eq, proptest};
use tf_engine::machine::{
    Answer, AskKind, Chart, End, Fact, List, Moment, Outcome, RetryPlan, Signal, Site, StateId,
    Target, Transition,
};
use tf_engine::recipe::ErrorKind;
use tf_engine::recipe::model::{Body, EndKind, Recipe, Retry, Templated};

use crate::journey::{Tape, World, any_tape, travel};
use crate::laws::config;
use crate::random::any_recipe;
use crate::rewrite::rewrite;
use steps::{kinds, next_delay};

#[path = "reference_steps.rs"]
mod steps;

/// An error on its way.
#[derive(Clone, Copy, Debug)]
struct Error {
    kind: ErrorKind,
    flag: bool,
    /// How many activations there were when the bound's owner was pushed.
    bound: Option<usize>,
    from_exit: Option<usize>,
    halting: bool,
}

impl Error {
    fn inherit(mut self, cause: Self) -> Self {
        self.flag |= cause.flag && !self.halting;
        self
    }
}

/// What leaves a state, a step or a list in another way than by completing.
#[derive(Clone, Copy, Debug)]
enum Flow {
    Error(Error),
    Move(StateId, Option<Error>),
    End(EndKind, u8),
    /// A second signal.
    Abandon,
}

/// How a step's try failed: with an error that its modifiers may take, or otherwise.
enum Failure {
    Own(Error),
    Other(Flow),
}

impl From<Flow> for Failure {
    fn from(flow: Flow) -> Self {
        Self::Other(flow)
    }
}

struct Activation {
    limit: Option<Moment>,
}

struct Reference<'r> {
    recipe: &'r Recipe,
    chart: &'r Chart,
    world: World<'r>,
    stack: Vec<Activation>,
    /// `recovery` of each activation and calling step.
    flags: Vec<bool>,
    tracks: HashMap<String, Option<String>>,
    exiting: bool,
    halt: Option<ErrorKind>,
    signal: Option<Signal>,
    unjournalled: bool,
    tries: u32,
    log: Vec<String>,
    /// A failed recovery exit step of the scope that is leaving.
    failed_recovery: bool,
    error: Option<Error>,
}

type Done<T> = Result<T, Flow>;

impl Reference<'_> {
    /// Pushes one activation of a leaf or scope, tries it, pops it.
    fn activation(&mut self, state: StateId, call: Option<Duration>, from: Moment) -> Done<()> {
        let model = Arc::clone(self.chart.state(state));
        let of = Site::State(state);
        let around = |this: &Self| Flow::Error(this.plain(ErrorKind::Input, model.recovery));
        let own = match &model.timeout {
            None => None,
            Some(Templated::Literal(after)) => Some(*after),
            Some(_) => match self.ask(AskKind::Timeout, of)? {
                Some(Answer::After(after)) if after != Some(Duration::ZERO) => after,
                _ => return Err(around(self)),
            },
        };
        let literal = model
            .retry
            .as_ref()
            .map_or(Some(RetryPlan::ONCE), RetryPlan::literal);
        let plan = match literal {
            Some(plan) => plan,
            None => match self.ask(AskKind::Retry, of)? {
                Some(Answer::Retry(plan)) if plan.is_valid() => plan,
                _ => return Err(around(self)),
            },
        };
        let has_vars =
            !model.vars.is_empty() || state == self.chart.root() && !self.recipe.vars.is_empty();
        if has_vars && self.ask(AskKind::Vars, of)? != Some(Answer::Done) {
            return Err(around(self));
        }
        let bound = match (own, call) {
            (Some(own), Some(call)) => Some(own.min(call)),
            (own, call) => own.or(call),
        };
        let from = if self.stack.is_empty() {
            from
        } else {
            self.now()
        };
        self.stack.push(Activation {
            limit: bound.map(|bound| from.after(bound)),
        });
        self.flags.push(model.recovery);
        let mut again = None;
        let result = self.tried(state, &plan, has_vars, &mut again);
        self.stack.pop();
        self.flags.pop();
        match again {
            // A scope's values at its re-entry: raised around it.
            Some(error) => Err(Flow::Error(
                self.plain(ErrorKind::Input, model.recovery).inherit(error),
            )),
            None => result,
        }
    }

    fn tried(
        &mut self,
        state: StateId,
        plan: &RetryPlan,
        has_vars: bool,
        not_entered: &mut Option<Error>,
    ) -> Done<()> {
        let model = Arc::clone(self.chart.state(state));
        let here = self.stack.len() - 1;
        let mut number = 1;
        let mut delay = None;
        loop {
            let result = match model.body {
                Body::Scope { .. } => self.scope(state),
                _ => self.list(state, List::Do),
            };
            let error = match result {
                Err(Flow::Error(error)) => error,
                other => return other,
            };
            let taken = kinds(model.retry.as_ref()).contains(error.kind);
            if !taken
                || number >= plan.attempts
                || self.outside(&error)
                || error.from_exit == Some(here)
                || self.halt.is_some()
            {
                return Err(Flow::Error(error));
            }
            let waited = self.wait_between(state, plan, &mut delay);
            match waited {
                Err(Flow::Error(other)) if other.halting => return Err(Flow::Error(error)),
                Err(Flow::Error(other)) => return Err(Flow::Error(other.inherit(error))),
                Err(flow) => return Err(flow),
                Ok(()) => {}
            }
            number += 1;
            if has_vars && self.chart.is_scope(state) {
                match self.ask(AskKind::Vars, Site::State(state)) {
                    Ok(Some(Answer::Done)) => {}
                    Ok(_) => {
                        *not_entered = Some(error);
                        return Ok(());
                    }
                    Err(Flow::Error(_)) => return Err(Flow::Error(error)),
                    Err(flow) => return Err(flow),
                }
            }
        }
    }

    fn wait_between(
        &mut self,
        state: StateId,
        plan: &RetryPlan,
        delay: &mut Option<Duration>,
    ) -> Done<()> {
        if let Some(lapsed) = self.lapsed() {
            return Err(Flow::Error(lapsed));
        }
        let next = next_delay(plan, *delay);
        *delay = Some(next);
        let at = self.now().after(next);
        self.pause(at)?;
        self.check()?;
        self.list(state, List::Between)
    }

    /// One entry of a scope: in, through its children, and out.
    fn scope(&mut self, state: StateId) -> Done<()> {
        let inside = self.inside(state);
        if let Err(Flow::Abandon) = inside {
            return inside;
        }
        let outcome = match inside {
            Ok(()) | Err(Flow::End(EndKind::Success, _) | Flow::Move(_, None)) => Outcome::Ok,
            Err(Flow::Error(error) | Flow::Move(_, Some(error))) => Outcome::Failed(error.kind),
            Err(Flow::End(EndKind::Failure, _)) => Outcome::Failure,
            Err(_) => Outcome::Unrecoverable,
        };
        let here = self.stack.len() - 1;
        let mut failed: Option<(bool, Error)> = None;
        self.exiting = true;
        self.error = match inside {
            Err(Flow::Error(error)) => Some(error),
            _ => None,
        };
        let unrecoverable = matches!(inside, Err(Flow::End(EndKind::Unrecoverable, _)));
        let steps: Vec<_> = self.chart.steps_of(state, List::Exit).collect();
        for step in steps {
            let marked = self.chart.step(step).recovery;
            match self.step(step) {
                Err(Flow::Error(error)) => {
                    let error = Error {
                        from_exit: Some(here),
                        ..error
                    };
                    if failed.is_none_or(|(before, _)| marked && !before) {
                        failed = Some((marked, error));
                    }
                    self.failed_recovery |= marked;
                }
                Err(flow) => {
                    self.failed_recovery |= unrecoverable;
                    return Err(flow);
                }
                Ok(()) => {}
            }
        }
        self.exiting = false;
        self.failed_recovery = false;
        self.error = None;
        self.log
            .push(format!("left {} {outcome:?}", self.chart.name(state)));
        match failed {
            Some((true, error)) if !unrecoverable => match inside {
                Err(Flow::Error(cause) | Flow::Move(_, Some(cause))) => {
                    Err(Flow::Error(error.inherit(cause)))
                }
                _ => Err(Flow::Error(error)),
            },
            Some((_, error)) if outcome == Outcome::Ok => Err(Flow::Error(error)),
            _ => inside,
        }
    }

    fn inside(&mut self, scope: StateId) -> Done<()> {
        self.list(scope, List::Enter)?;
        let Body::Scope { initial, .. } = &self.chart.state(scope).body else {
            return Ok(());
        };
        let children: Vec<_> = self.chart.children(scope).collect();
        let mut at = children
            .into_iter()
            .find(|child| self.chart.name(*child) == initial.value)
            .unwrap();
        let mut visits = HashMap::new();
        self.check()?;
        loop {
            let visit = visits.entry(at).or_insert(0_u32);
            *visit += 1;
            let max = self.chart.state(at).max_visits.unwrap_or(u32::MAX);
            if *visit - 1 > max {
                return Err(Flow::Error(self.plain(ErrorKind::Loop, false)));
            }
            let over = *visit > max;
            let (to, caught) = match self.visit(at, over) {
                Ok(Target::Done) => {
                    self.check()?;
                    return Ok(());
                }
                Ok(Target::State(to)) => (to, None),
                Err(Flow::Move(to, caught)) => (to, caught),
                Err(Flow::End(EndKind::Success, status)) => {
                    self.check()?;
                    return Err(Flow::End(EndKind::Success, status));
                }
                Err(Flow::Error(error)) => match self.catch(at, error)? {
                    Target::Done => {
                        self.check()?;
                        return Ok(());
                    }
                    Target::State(to) => (to, Some(error)),
                },
                Err(flow) => return Err(flow),
            };
            if let Err(Flow::Error(error)) = self.check() {
                let lent = caught.map_or(error, |caught| error.inherit(caught));
                return Err(Flow::Error(lent));
            }
            if self.chart.parent(to) != Some(scope) {
                return Err(Flow::Move(to, caught));
            }
            at = to;
        }
    }

    fn catch(&mut self, state: StateId, error: Error) -> Done<Target> {
        let out = Err(Flow::Error(error));
        if self.halt.is_some() || self.outside(&error) {
            return out;
        }
        let rows: Vec<_> = self.chart.transitions(state).collect();
        let row = |kind| {
            let mut rows = rows.iter();
            rows.find(|(row, _)| *row == Transition::Catch(kind))
                .map(|(_, to)| *to)
        };
        let Some(to) = row(Some(error.kind)).or_else(|| row(None)) else {
            return out;
        };
        match self.lapsed() {
            Some(lapsed) => Err(Flow::Error(lapsed.inherit(error))),
            None => Ok(to),
        }
    }

    fn visit(&mut self, state: StateId, over: bool) -> Done<Target> {
        let model = Arc::clone(self.chart.state(state));
        let of = Site::State(state);
        let around = |this: &Self, kind| Err(Flow::Error(this.plain(kind, model.recovery)));
        if over {
            return around(self, ErrorKind::Loop);
        }
        let mut passed = false;
        if model.when.is_some() {
            match self.ask(AskKind::When, of)? {
                Some(Answer::Truth(holds)) => passed = !holds,
                _ => return around(self, ErrorKind::Input),
            }
        }
        match &model.body {
            _ if passed => {}
            Body::Choice => {}
            Body::End {
                end, exit_status, ..
            } => {
                let mut status = 1;
                if *end == EndKind::Failure
                    && exit_status.is_some()
                    && let Some(Answer::Status(asked)) = self.ask(AskKind::ExitStatus, of)?
                    && matches!(asked, 1 | 3..=255)
                    && ![46, 130, 143].contains(&asked)
                {
                    status = u8::try_from(asked).unwrap();
                }
                return Err(Flow::End(*end, status));
            }
            Body::Leaf { .. } | Body::Scope { .. } => {
                let mut count = 1;
                if model.for_each.is_some() {
                    match self.ask(AskKind::Items, of)? {
                        Some(Answer::Count(items)) => count = items,
                        _ => return around(self, ErrorKind::Input),
                    }
                }
                for _ in 0..count {
                    self.check()?;
                    match self.activation(state, None, Moment::START) {
                        Err(Flow::Error(error))
                            if model.for_each.is_some()
                                && model.continue_on_item_error
                                && !self.outside(&error)
                                && self.halt.is_none() => {}
                        other => other?,
                    }
                }
                self.check()?;
            }
        }
        for (n, row) in (0..).zip(&model.next) {
            let holds = match row.when {
                None => true,
                Some(_) => {
                    self.check()?;
                    match self.ask(AskKind::Row(n), of)? {
                        Some(Answer::Truth(holds)) => holds,
                        _ => return around(self, ErrorKind::Input),
                    }
                }
            };
            if holds {
                let mut rows = self.chart.transitions(state);
                return Ok(rows.nth(usize::try_from(n).unwrap()).unwrap().1);
            }
        }
        around(self, ErrorKind::Failed)
    }

    /// The whole run.
    fn run(mut self) -> (Vec<String>, End) {
        let begun = self.now();
        let result = self.activation(self.chart.root(), None, begun);
        let failed = self.failed_recovery || self.error.is_some_and(|error| error.flag);
        let end = match (result, self.signal) {
            (Err(Flow::End(EndKind::Unrecoverable, _)), _) => End::Unrecoverable,
            (Err(Flow::Error(error)), _) if error.flag => End::Unrecoverable,
            (Err(Flow::Abandon), _) if failed => End::Unrecoverable,
            (_, Some(signal)) => End::Cancelled(signal),
            (Err(Flow::Error(_)), _) => End::Failure { status: 1 },
            (Err(Flow::End(EndKind::Failure, status)), _) => End::Failure { status },
            // As a signal in the last exit step would: it is no success.
            _ if self.unjournalled => End::Failure { status: 1 },
            _ => {
                let stage = &self.recipe.stages["provision"];
                let always = stage.ensures.always.iter();
                let mut touched = always.filter(|(track, _)| self.tracks.contains_key(*track));
                let one = |(track, values): (&String, &_)| {
                    self.met(&[(track.clone(), Clone::clone(values))].into())
                };
                match self.met(&stage.ensures.success) && touched.all(one) {
                    true => End::Success,
                    false => End::Failure { status: 1 },
                }
            }
        };
        (self.log, end)
    }
}

fn by_machine(chart: &Arc<Chart>, tape: &Tape) -> (Vec<String>, End) {
    let turns = travel(chart, tape, |_, _| {});
    let facts = turns.iter().flat_map(|turn| &turn.facts);
    let mut end = None;
    let log = facts.filter_map(|fact| match fact {
        Fact::TryStarted { step, number, .. } => {
            Some(format!("{} {number}", chart.step(*step).name))
        }
        Fact::ScopeLeft { state, because } => {
            Some(format!("left {} {because:?}", chart.name(*state)))
        }
        Fact::StageEnded { ending } => {
            end = Some(ending.end);
            None
        }
        _ => None,
    });
    let log = log.collect();
    (log, end.unwrap())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn both_do_the_same(shape in any_recipe(), mut tape in any_tape()) {
        // A journal lost before the first try is told apart by the machine alone.
        if tape.unjournalled == Some(0) {
            tape.unjournalled = None;
        }
        let calm = |retry: &mut Retry| {
            retry.jitter = Templated::Literal(0.0);
            if let Templated::Template(_) = retry.attempts {
                retry.attempts = Templated::Literal(2);
            }
        };
        let recipe = rewrite(
            &shape.recipe(),
            |state, _| state.retry.iter_mut().for_each(calm),
            |step, _| step.retry.iter_mut().for_each(calm),
        );
        let chart = Arc::new(Chart::build(&recipe, "provision").unwrap());
        let reference = Reference {
            recipe: &recipe,
            chart: &chart,
            world: World::new(&chart, &tape),
            stack: Vec::new(),
            flags: Vec::new(),
            tracks: HashMap::new(),
            exiting: false,
            halt: None,
            signal: None,
            unjournalled: false,
            tries: 0,
            log: Vec::new(),
            failed_recovery: false,
            error: None,
        };
        prop_assert_eq!(reference.run(), by_machine(&chart, &tape));
    }
}
