//! How long a stage can last at most.
//!
//! Every try is taken to run to its bound and to need its grace, every retry to be used up, every
//! counted visit to be made. A bound or retry that is a template, and a list of unknown length, have no
//! such number unless somebody knows the greatest ([`Greatest`]): else only a bound around them limits
//! them. Of the states in a scope the longest walk counts that its edges allow.

use std::time::Duration;

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::chart::{Kind, Known};
use super::place::List;
use super::{Chart, EXIT_STEP, GRACE, RetryPlan, StateId, StepId};
use crate::recipe::duration;
use crate::recipe::model::{Items, Retry, Step, StepTimeout, Templated, TreeKind};

/// The greatest number that a text of a state can give, if somebody knows: seconds of a duration, a
/// count, the items of a list. The text is a template or an expression.
pub type Greatest<'a> = &'a dyn Fn(StateId, &str) -> Option<f64>;

/// A part of the longest that a stage can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// What takes the time.
    pub of: Costly,
    /// How deep it stands inside other shares; the stage itself is 0.
    pub depth: usize,
    /// How often it can be run in the stage; `None`: there is no bound.
    pub times: Option<u64>,
    /// How long one time takes; `None`: there is no bound.
    pub each: Option<Duration>,
    /// Its own bound counts: what is inside could take longer.
    pub is_cut: bool,
}

/// What takes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Costly {
    /// A state with everything in it.
    State(StateId),
    /// A step.
    Step(StepId),
    /// The delays between the tries of a state.
    Delays(StateId),
}

impl Share {
    /// All times together; `None`: there is no bound.
    pub fn total(&self) -> Option<Duration> {
        Span(self.each).times(self.times).0
    }
}

/// A time that may be without bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span(Option<Duration>);

impl Span {
    const ZERO: Self = Self(Some(Duration::ZERO));
    const UNBOUNDED: Self = Self(None);

    fn of(duration: Duration) -> Self {
        Self(Some(duration))
    }

    fn plus(self, other: Self) -> Self {
        Self(self.0.zip(other.0).map(|(a, b)| a.saturating_add(b)))
    }

    fn times(self, n: Option<u64>) -> Self {
        match (self.0, n) {
            (_, Some(0)) | (Some(Duration::ZERO), _) => Self::ZERO,
            (Some(each), Some(n)) => {
                let millis = each.as_millis().saturating_mul(u128::from(n));
                Self::of(Duration::from_millis(
                    u64::try_from(millis).unwrap_or(u64::MAX),
                ))
            }
            _ => Self::UNBOUNDED,
        }
    }

    fn min(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Some(a), Some(b)) => Self::of(a.min(b)),
            _ => Self(self.0.or(other.0)),
        }
    }

    fn max(self, other: Self) -> Self {
        Self(self.0.zip(other.0).map(|(a, b)| a.max(b)))
    }
}

/// What a state takes at most: to run, and to be left once nothing new begins.
#[derive(Clone, Copy)]
struct Worst {
    run: Span,
    leave: Span,
}

struct Estimate<'c> {
    chart: &'c Chart,
    greatest: Greatest<'c>,
    visits: Vec<u64>,
    /// Parts of the graph of moves, those that are led to first, and where each state leads.
    parts: Vec<Vec<StateId>>,
    /// The parts in each scope, and the part of each state.
    parts_of: Vec<Vec<usize>>,
    part: Vec<usize>,
    moves: Vec<Vec<StateId>>,
    known: Vec<Option<Worst>>,
}

/// A state's own numbers.
struct Sum {
    attempts: Option<u64>,
    delays: Span,
    items: Option<u64>,
    /// States in it that are visited on the longest walk.
    walk: Vec<StateId>,
    tried: Span,
    bound: Span,
    leave: Span,
}

impl Chart {
    /// The longest that the stage can run; `None`: nothing bounds it.
    pub fn worst_case(&self) -> Option<Duration> {
        self.worst_case_with(&|_, _| None)
    }

    /// The same, where somebody knows what templates give at most.
    pub fn worst_case_with(&self, greatest: Greatest<'_>) -> Option<Duration> {
        self.estimate(greatest).state(self.root()).run.0
    }

    /// What makes up the longest that the stage can run: the stage, then what is in it, each before
    /// what is inside it. Parts below a twentieth are left out.
    pub fn shares(&self, greatest: Greatest<'_>) -> Vec<Share> {
        let mut estimate = self.estimate(greatest);
        let root = self.root();
        let whole = estimate.state(root).run;
        let least = Span(whole.0.map(|whole| whole / 20));
        let mut shares = Vec::new();
        estimate.explain(root, Some(1), 0, least, &mut shares);
        shares
    }

    /// The longest that leaving all scopes can take after a signal, the running try's grace left out;
    /// `None`: nothing bounds it.
    pub fn worst_leaving(&self) -> Option<Duration> {
        self.estimate(&|_, _| None).state(self.root()).leave.0
    }

    /// For each state how long what is in it can take at most, its own bound left out; `None`: without
    /// end. A bound that is longer is never hit.
    pub fn worst_contents(&self) -> Vec<Option<Duration>> {
        let mut estimate = self.estimate(&|_, _| None);
        self.states()
            .map(|state| estimate.sum(state).tried.0)
            .collect()
    }

    fn estimate<'c>(&'c self, greatest: Greatest<'c>) -> Estimate<'c> {
        let mut graph = DiGraph::<(), ()>::new();
        for _ in self.states() {
            graph.add_node(());
        }
        let mut moves = vec![Vec::new(); self.graph.node_count()];
        for (from, to) in self.sibling_moves() {
            let [start, end] = [from, to].map(|state| NodeIndex::new(state.0 as usize));
            graph.add_edge(start, end, ());
            if let Some(moves) = moves.get_mut(from.0 as usize) {
                moves.push(to);
            }
        }
        let state = |at: &NodeIndex| StateId(u32::try_from(at.index()).unwrap_or(u32::MAX));
        let parts: Vec<Vec<StateId>> = tarjan_scc(&graph)
            .iter()
            .map(|part| part.iter().map(state).collect())
            .collect();
        let mut parts_of = vec![Vec::new(); self.graph.node_count()];
        let mut part = vec![0; self.graph.node_count()];
        for (at, states) in parts.iter().enumerate() {
            let scope = states.first().and_then(|state| self.parent(*state));
            if let Some(parts) = scope.and_then(|scope| parts_of.get_mut(scope.0 as usize)) {
                parts.push(at);
            }
            for state in states {
                part[state.0 as usize] = at;
            }
        }
        Estimate {
            chart: self,
            greatest,
            parts_of,
            part,
            visits: self.most_visits(&parts),
            parts,
            moves,
            known: vec![None; self.graph.node_count()],
        }
    }

    /// How often each state can do something per entry of the scope around it: its `max_visits`; one
    /// without, on a cycle, once more than its part of the graph counts.
    fn most_visits(&self, parts: &[Vec<StateId>]) -> Vec<u64> {
        let max = |at: &StateId| self.node(*at).state.max_visits.map(u64::from);
        let mut visits = vec![1; self.graph.node_count()];
        for part in parts {
            let counted = part.iter().filter_map(max).map(|max| max.saturating_add(1));
            let free = 1_u64.saturating_add(counted.fold(0, u64::saturating_add));
            for at in part {
                if let Some(most) = visits.get_mut(at.0 as usize) {
                    *most = match max(at) {
                        Some(max) => max,
                        None if part.len() > 1 => free,
                        None => 1,
                    };
                }
            }
        }
        visits
    }
}

impl Estimate<'_> {
    fn state(&mut self, state: StateId) -> Worst {
        let at = state.0 as usize;
        if let Some(Some(worst)) = self.known.get(at) {
            return *worst;
        }
        let sum = self.sum(state);
        let worst = Worst {
            run: sum.bound.min(sum.tried).times(sum.items),
            leave: sum.leave,
        };
        if let Some(known) = self.known.get_mut(at) {
            *known = Some(worst);
        }
        worst
    }

    fn sum(&mut self, state: StateId) -> Sum {
        let loaded = self.chart.state(state);
        let calls = self.chart.steps_of(state, List::Enter);
        let calls = calls.chain(self.chart.steps_of(state, List::Do));
        let mut leaving = Span::ZERO;
        for root in calls.filter_map(|step| self.chart.called(step)) {
            leaving = leaving.max(self.state(root).leave);
        }
        for child in self.chart.children(state) {
            leaving = leaving.max(self.state(child).leave);
        }
        let (inner, walk) = self.walk(state);
        let exits = self.list(state, List::Exit);
        let once = self
            .list(state, List::Enter)
            .plus(self.list(state, List::Do))
            .plus(inner);
        let leave = exits.plus(leaving);
        let (attempts, delays) = self.tries(state, loaded.retry.as_ref());
        let between = self.list(state, List::Between);
        let tried = once
            .plus(exits)
            .times(attempts)
            .plus(delays)
            .plus(between.times(attempts.map(|tries| tries.saturating_sub(1))));
        let own = self.duration(state, loaded.timeout.as_ref());
        Sum {
            attempts,
            delays,
            items: self.length(state, loaded.for_each.as_ref()),
            walk,
            tried,
            bound: own.plus(Span::of(GRACE)).plus(leave),
            leave,
        }
    }

    /// The longest walk through the states of a scope: parts of the graph are passed once, in each a
    /// state is visited as often as it may be.
    fn walk(&mut self, scope: StateId) -> (Span, Vec<StateId>) {
        let Some(initial) = self.chart.node(scope).initial else {
            return (Span::ZERO, Vec::new());
        };
        if self.chart.node(scope).kind != Kind::Scope {
            return (Span::ZERO, Vec::new());
        }
        let first = self.chart.children(scope).next().map_or(0, |child| child.0);
        let count = self.chart.children(scope).count();
        let place = |state: StateId| (state.0.checked_sub(first)).map(|at| at as usize);
        // By child: the rest of the walk from its part on, and the part that comes next.
        let mut rest: Vec<(Span, Option<usize>)> = vec![(Span::ZERO, None); count];
        let parts = self.parts_of.get(scope.0 as usize).cloned();
        for at in parts.unwrap_or_default() {
            let members = self.parts[at].clone();
            let mut own = Span::ZERO;
            let mut after: (Span, Option<usize>) = (Span::ZERO, None);
            for member in &members {
                let visits = self.visits.get(member.0 as usize).copied();
                own = own.plus(self.state(*member).run.times(visits));
                let moves = self
                    .moves
                    .get(member.0 as usize)
                    .map_or(&[][..], Vec::as_slice);
                for to in moves.iter().filter(|to| self.part[to.0 as usize] != at) {
                    let Some(to) = place(*to).filter(|to| *to < count) else {
                        continue;
                    };
                    let longer = match (rest[to].0.0, after.0.0) {
                        (None, Some(_)) => true,
                        (Some(new), Some(old)) => new > old,
                        (_, None) => false,
                    };
                    if longer || after.1.is_none() {
                        after = (rest[to].0, Some(to));
                    }
                }
            }
            for member in members {
                if let Some(child) = place(member).filter(|child| *child < count) {
                    rest[child] = (own.plus(after.0), after.1);
                }
            }
        }
        let mut walked = Vec::new();
        let mut next = place(initial).filter(|child| *child < count);
        let inner = next.map_or(Span::ZERO, |child| rest[child].0);
        while let Some(child) = next {
            let at = self.part[first as usize + child];
            walked.extend(self.parts[at].iter().copied());
            next = rest[child].1;
        }
        (inner, walked)
    }

    fn list(&mut self, state: StateId, list: List) -> Span {
        let steps = self.chart.steps_of(state, list);
        steps.fold(Span::ZERO, |sum, step| sum.plus(self.step(step)))
    }

    fn step(&mut self, step: StepId) -> Span {
        let node = self.chart.step_node(step);
        let (attempts, delays) = self.tries(node.owner, node.step.retry.as_ref());
        let items = self.length(node.owner, node.step.for_each.as_ref());
        self.one_try(step).times(attempts).plus(delays).times(items)
    }

    fn one_try(&mut self, step: StepId) -> Span {
        let node = self.chart.step_node(step);
        let mut bound = match (node.timeout, &node.step.timeout) {
            (Some(Known::Literal(after)), _) => Span::of(after),
            (Some(Known::Ask(_)), StepTimeout::After(timeout)) => {
                self.duration(node.owner, Some(timeout))
            }
            // It is a bound itself.
            _ if node.step.action.name == "sleep" => self.sleep(node.owner, &node.step),
            _ => Span::UNBOUNDED,
        };
        if node.list == List::Exit && node.timeout.is_none() {
            bound = Span::of(EXIT_STEP);
        }
        let once = bound.plus(Span::of(GRACE));
        match node.call {
            Some(call) => {
                let worst = self.state(call.root);
                once.plus(worst.leave).min(worst.run)
            }
            None => once,
        }
    }

    /// Adds a state that can be run `times` times, and what is inside it.
    fn explain(
        &mut self,
        state: StateId,
        times: Option<u64>,
        depth: usize,
        least: Span,
        shares: &mut Vec<Share>,
    ) {
        let sum = self.sum(state);
        let is_cut = sum.bound.max(sum.tried) == sum.tried && sum.bound != sum.tried;
        let times = product(times, sum.items);
        shares.push(Share {
            of: Costly::State(state),
            depth,
            times,
            each: sum.bound.min(sum.tried).0,
            is_cut,
        });
        // What is inside of a bound that counts is not what makes the number up.
        if is_cut && depth > 0 {
            return;
        }
        let depth = depth + 1;
        let tries = product(times, sum.attempts);
        let between = product(times, sum.attempts.map(|tries| tries.saturating_sub(1)));
        let lists = [
            (List::Enter, tries),
            (List::Do, tries),
            (List::Exit, tries),
            (List::Between, between),
        ];
        for (list, times) in lists {
            for step in self.chart.steps_of(state, list) {
                let share = self.step_share(step, times, depth);
                if !matters(share, least) {
                    continue;
                }
                shares.push(share);
                if let Some(root) = self.chart.called(step) {
                    self.explain(root, share.times, depth + 1, least, shares);
                }
            }
        }
        for child in sum.walk {
            let visits = self.visits.get(child.0 as usize).copied();
            let times = product(tries, visits);
            let share = Span::times(self.state(child).run, times);
            if share.0.is_none() || share.max(least) == share && share != Span::ZERO {
                self.explain(child, times, depth, least, shares);
            }
        }
        let delays = Share {
            of: Costly::Delays(state),
            depth,
            times,
            each: sum.delays.0,
            is_cut: false,
        };
        if matters(delays, least) {
            shares.push(delays);
        }
    }

    /// A step's tries; where there are delays between them, they count with the tries.
    fn step_share(&mut self, step: StepId, times: Option<u64>, depth: usize) -> Share {
        let node = self.chart.step_node(step);
        let (attempts, delays) = self.tries(node.owner, node.step.retry.as_ref());
        let items = self.length(node.owner, node.step.for_each.as_ref());
        let times = product(times, items);
        let once = self.one_try(step);
        let (times, each) = if delays == Span::ZERO {
            (product(times, attempts), once)
        } else {
            (times, once.times(attempts).plus(delays))
        };
        Share {
            of: Costly::Step(step),
            depth,
            times,
            each: each.0,
            is_cut: false,
        }
    }

    fn duration(&self, at: StateId, timeout: Option<&Templated<Duration>>) -> Span {
        match timeout {
            Some(Templated::Literal(after)) => Span::of(*after),
            Some(Templated::Template(template)) => {
                let greatest = (self.greatest)(at, &template.text);
                Span(greatest.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
            }
            None => Span::UNBOUNDED,
        }
    }

    fn sleep(&self, at: StateId, step: &Step) -> Span {
        let slept = step.params.values().next();
        Span(slept.and_then(|tree| match &tree.kind {
            TreeKind::Literal(value) => duration::of_value(value),
            TreeKind::Template(template) => {
                let seconds = (self.greatest)(at, &template.text)?;
                Duration::try_from_secs_f64(seconds).ok()
            }
            _ => None,
        }))
    }

    fn count(&self, at: StateId, text: &str) -> Option<u64> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast cuts what is too large, and what is below nought is nought"
        )]
        (self.greatest)(at, text).map(|count| count as u64)
    }

    /// How many tries there can be, and how long the delays between them are, without jitter.
    fn tries(&self, at: StateId, retry: Option<&Retry>) -> (Option<u64>, Span) {
        let Some(retry) = retry else {
            return (Some(1), Span::ZERO);
        };
        if let Some(plan) = RetryPlan::literal(retry) {
            return (Some(u64::from(plan.attempts)), Span::of(plan.delays()));
        }
        let attempts = match &retry.attempts {
            Templated::Literal(attempts) => Some(u64::from(*attempts)),
            Templated::Template(template) => self.count(at, &template.text),
        };
        // No delay is longer than the greatest, whatever the backoff.
        let grows = !matches!(retry.backoff, Templated::Literal(backoff) if backoff <= 1.0);
        let most = self.duration(at, Some(&retry.max_delay));
        let first = self.duration(at, Some(&retry.delay));
        let longest = if grows && first != Span::ZERO {
            most
        } else {
            first.min(most)
        };
        let delays = longest.times(attempts.map(|tries| tries.saturating_sub(1)));
        (attempts, delays)
    }

    fn length(&self, at: StateId, items: Option<&Items>) -> Option<u64> {
        match items {
            Some(Items::Expr(expr)) => self.count(at, &expr.text),
            items => length(items),
        }
    }
}

fn product(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    Some(a?.saturating_mul(b?))
}

/// Whether a part is one of those that make the whole up.
fn matters(share: Share, least: Span) -> bool {
    let total = Span(share.total());
    total.0.is_none() || total != Span::ZERO && total.max(least) == total
}

fn length(items: Option<&Items>) -> Option<u64> {
    match items {
        None => Some(1),
        Some(Items::List(tree)) => match &tree.kind {
            TreeKind::List(items) => u64::try_from(items.len()).ok(),
            TreeKind::Literal(value) => u64::try_from(value.as_array()?.len()).ok(),
            _ => None,
        },
        Some(Items::Expr(_)) => None,
    }
}
