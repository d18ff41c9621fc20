//! How long a stage can last at most.
//!
//! Every try is taken to run to its bound and to need its grace, every retry to be used up, every
//! counted visit to be made. A bound or retry that is a template, and a list of unknown length, have no
//! such number: only a bound around them limits them.

use std::time::Duration;

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::chart::{Kind, Known, RetryRule};
use super::place::List;
use super::{Chart, EXIT_STEP, GRACE, StateId, StepId};
use crate::recipe::model::{Items, TreeKind};

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

/// What one entry of a state takes at most without its bound, and what leaving it does.
struct Contents {
    tried: Span,
    leave: Span,
}

struct Estimate<'c> {
    chart: &'c Chart,
    visits: Vec<u64>,
    known: Vec<Option<Worst>>,
}

impl Chart {
    /// The longest that the stage can run; `None`: nothing bounds it.
    pub fn worst_case(&self) -> Option<Duration> {
        self.estimate().state(self.root()).run.0
    }

    /// The longest that leaving all scopes can take after a signal, the running try's grace left out;
    /// `None`: nothing bounds it.
    pub fn worst_leaving(&self) -> Option<Duration> {
        self.estimate().state(self.root()).leave.0
    }

    /// For each state how long what is in it can take at most, its own bound left out; `None`: without
    /// end. A bound that is longer is never hit.
    pub fn worst_contents(&self) -> Vec<Option<Duration>> {
        let mut estimate = self.estimate();
        self.states()
            .map(|state| estimate.contents(state).tried.0)
            .collect()
    }

    fn estimate(&self) -> Estimate<'_> {
        Estimate {
            chart: self,
            visits: self.most_visits(),
            known: vec![None; self.graph.node_count()],
        }
    }

    /// How often each state can do something per entry of the scope around it: its `max_visits`; one
    /// without, on a cycle, once more than its part of the graph counts.
    fn most_visits(&self) -> Vec<u64> {
        let mut moves = DiGraph::<(), ()>::new();
        for _ in self.states() {
            moves.add_node(());
        }
        for (from, to) in self.sibling_moves() {
            let [from, to] = [from, to].map(|state| NodeIndex::new(state.0 as usize));
            moves.add_edge(from, to, ());
        }
        let max = |at: &NodeIndex| {
            let node = self.graph.node_weight(*at)?;
            node.state.max_visits.map(u64::from)
        };
        let mut visits = vec![1; self.graph.node_count()];
        for part in tarjan_scc(&moves) {
            let counted = part.iter().filter_map(max).map(|max| max.saturating_add(1));
            let free = 1_u64.saturating_add(counted.fold(0, u64::saturating_add));
            for at in &part {
                if let Some(most) = visits.get_mut(at.index()) {
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
        let worst = self.compute(state);
        if let Some(known) = self.known.get_mut(at) {
            *known = Some(worst);
        }
        worst
    }

    fn compute(&mut self, state: StateId) -> Worst {
        let Contents { tried, leave } = self.contents(state);
        let node = self.chart.node(state);
        let bound = literal(node.timeout).plus(Span::of(GRACE)).plus(leave);
        let items = length(node.state.for_each.as_ref());
        Worst {
            run: bound.min(tried).times(items),
            leave,
        }
    }

    fn contents(&mut self, state: StateId) -> Contents {
        let node = self.chart.node(state);
        let calls = self.chart.steps_of(state, List::Enter);
        let calls = calls.chain(self.chart.steps_of(state, List::Do));
        let mut inner = Span::ZERO;
        for root in calls.filter_map(|step| self.chart.called(step)) {
            inner = inner.max(self.state(root).leave);
        }
        let mut once = self
            .list(state, List::Enter)
            .plus(self.list(state, List::Do));
        let exits = self.list(state, List::Exit);
        if node.kind == Kind::Scope {
            for child in self.chart.children(state) {
                let worst = self.state(child);
                let visits = self.visits.get(child.0 as usize).copied();
                inner = inner.max(worst.leave);
                once = once.plus(worst.run.times(visits));
            }
        }
        let leave = exits.plus(inner);
        let (attempts, delays) = tries(node.retry);
        let between = self.list(state, List::Between);
        let tried = once
            .plus(exits)
            .times(attempts)
            .plus(delays)
            .plus(between.times(attempts.map(|tries| tries.saturating_sub(1))));
        Contents { tried, leave }
    }

    fn list(&mut self, state: StateId, list: List) -> Span {
        let steps = self.chart.steps_of(state, list);
        steps.fold(Span::ZERO, |sum, step| sum.plus(self.step(step)))
    }

    fn step(&mut self, step: StepId) -> Span {
        let node = self.chart.step_node(step);
        let (attempts, delays) = tries(node.retry);
        let mut bound = literal(node.timeout);
        if node.list == List::Exit && node.timeout.is_none() {
            bound = Span::of(EXIT_STEP);
        }
        let once = bound.plus(Span::of(GRACE));
        let once = match node.call {
            Some(call) => {
                let worst = self.state(call.root);
                once.plus(worst.leave).min(worst.run)
            }
            None => once,
        };
        let items = length(node.step.for_each.as_ref());
        once.times(attempts).plus(delays).times(items)
    }
}

fn literal(timeout: Option<Known<Duration>>) -> Span {
    match timeout {
        Some(Known::Literal(after)) => Span::of(after),
        Some(Known::Ask(_)) | None => Span::UNBOUNDED,
    }
}

/// How many tries there can be, and how long the delays between them are, without jitter.
fn tries(retry: Option<RetryRule>) -> (Option<u64>, Span) {
    match retry.map(|rule| rule.plan) {
        None => (Some(1), Span::ZERO),
        Some(Known::Literal(plan)) => (Some(u64::from(plan.attempts)), Span::of(plan.delays())),
        Some(Known::Ask(_)) => (None, Span::UNBOUNDED),
    }
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
