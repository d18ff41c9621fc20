//! Which variables may still be read. What nothing reads any more is forgotten, so that runs which
//! differ in it alone become one again.

use super::questions::{Questions, Rule};
use super::variables::Variables;
use crate::machine::{AskKind, Chart, List, Site, Standing, StateId, StepId};

/// A bit for each of the first 128 variables. Those beyond are forgotten at once, and so taken anew
/// at each place: more runs than there are, never fewer.
type Mask = u128;

/// What may be read, by place.
#[derive(Debug)]
pub(super) struct Liveness {
    /// By state: everything in it and around it.
    whole: Vec<Mask>,
    /// By state: its rows.
    rows: Vec<Mask>,
    /// By state: what its siblings read that can come after it.
    after: Vec<Mask>,
    /// By step, its call included.
    steps: Vec<Mask>,
}

impl Liveness {
    pub(super) fn new(chart: &Chart, questions: &Questions, variables: &Variables<'_>) -> Self {
        let states = chart.states().count();
        let mut live = Self {
            whole: vec![0; states],
            rows: vec![0; states],
            after: vec![0; states],
            steps: vec![0; chart.steps().count()],
        };
        for (ask, rule) in chart.asks().zip(&questions.rules) {
            let mut mask = 0;
            let mut add = |var| mask |= bit(var);
            match rule {
                Rule::Guard(formula) => formula.variables(&mut add),
                Rule::Items(var) | Rule::Status(var) => add(*var),
                Rule::Fixed(_) | Rule::Reading => {}
            }
            let ask = chart.ask(ask);
            let place = match ask.of {
                Site::State(state) => live.whole.get_mut(state.index()),
                Site::Step(step) => live.steps.get_mut(step.index()),
            };
            if let Some(place) = place {
                *place |= mask;
            }
            if let (AskKind::Row(_), Site::State(state)) = (ask.kind, ask.of)
                && let Some(rows) = live.rows.get_mut(state.index())
            {
                *rows |= mask;
            }
        }
        // A procedure's states come after those that call it, children after their scopes; a call
        // within a procedure may lead to an earlier one, so it is repeated until nothing changes.
        loop {
            let before = (live.whole.clone(), live.steps.clone());
            for step in chart.steps() {
                // What begins anew with the call is not read as it was before.
                let called = chart.called(step).map(|root| {
                    let anew = variables.begun_anew(chart.procedure(root));
                    live.whole_of(root) & !anew.fold(0, |mask, (var, _)| mask | bit(var))
                });
                if let (Some(mask), Some(called)) = (live.steps.get_mut(step.index()), called) {
                    *mask |= called;
                }
            }
            let states: Vec<StateId> = chart.states().collect();
            for &state in states.iter().rev() {
                let lists = [List::Enter, List::Do, List::Exit, List::Between];
                let steps = lists.iter().flat_map(|list| chart.steps_of(state, *list));
                let steps = steps.fold(0, |mask, step| mask | live.step(step));
                let inside = chart
                    .children(state)
                    .fold(0, |mask, child| mask | live.whole_of(child));
                if let Some(mask) = live.whole.get_mut(state.index()) {
                    *mask |= steps | inside;
                }
            }
            if before == (live.whole.clone(), live.steps.clone()) {
                break;
            }
        }
        live.follow_moves(chart);
        live
    }

    fn follow_moves(&mut self, chart: &Chart) {
        let moves: Vec<(StateId, StateId)> = chart.sibling_moves().collect();
        loop {
            let mut changed = false;
            for &(from, to) in moves.iter().rev() {
                let reached = self.whole_of(to) | self.after_of(to);
                if let Some(mask) = self.after.get_mut(from.index())
                    && *mask | reached != *mask
                {
                    *mask |= reached;
                    changed = true;
                }
            }
            if !changed {
                return;
            }
        }
    }

    fn whole_of(&self, state: StateId) -> Mask {
        self.whole.get(state.index()).copied().unwrap_or_default()
    }

    fn after_of(&self, state: StateId) -> Mask {
        self.after.get(state.index()).copied().unwrap_or_default()
    }

    fn step(&self, step: StepId) -> Mask {
        self.steps.get(step.index()).copied().unwrap_or_default()
    }

    /// What may still be read where a run stands. `asked`: the question that is pending.
    pub(super) fn of<'s>(
        &self,
        chart: &Chart,
        standings: impl DoubleEndedIterator<Item = Standing> + 's,
        asked: Option<AskKind>,
    ) -> Mask {
        let mut mask = 0;
        let mut inner: Option<StateId> = None;
        for at in standings.rev() {
            mask |= self.rows.get(at.state.index()).copied().unwrap_or_default();
            let is_top = inner.is_none();
            mask |= if at.has_more_items || at.can_retry || at.is_between {
                self.whole_of(at.state)
            } else if at.active {
                self.active(chart, &at, inner, is_top && asked.is_some())
            } else if is_top && !matches!(asked, Some(AskKind::Row(_))) {
                self.whole_of(at.state)
            } else {
                0
            };
            inner = Some(at.state);
        }
        mask
    }

    fn active(&self, chart: &Chart, at: &Standing, inner: Option<StateId>, asks: bool) -> Mask {
        let rest = |list: List, from: StepId| {
            let steps = chart.steps_of(at.state, list);
            steps
                .filter(|step| *step >= from)
                .fold(0, |mask, step| mask | self.step(step))
        };
        let exits = || {
            let steps = chart.steps_of(at.state, List::Exit);
            steps.fold(0, |mask, step| mask | self.step(step))
        };
        // The guard of the step in hand has been answered, unless it is gone through again.
        let again = asks || at.step_comes_again;
        let from = if again { at.step } else { at.step.next() };
        match at.list {
            List::Do | List::Between => rest(at.list, from),
            List::Exit => rest(List::Exit, from),
            List::Enter => {
                let child = inner.filter(|inner| chart.parent(*inner) == Some(at.state));
                let states = match child {
                    Some(child) => self.after_of(child),
                    None => chart
                        .children(at.state)
                        .fold(0, |mask, child| mask | self.whole_of(child)),
                };
                rest(List::Enter, from) | states | exits()
            }
        }
    }

    /// Forgets what is not read any more.
    pub(super) fn forget(mask: Mask, values: &mut [u8]) {
        for (var, value) in (0..).zip(values) {
            if mask & bit(var) == 0 {
                *value = 0;
            }
        }
    }
}

fn bit(var: u16) -> Mask {
    1_u128.checked_shl(u32::from(var)).unwrap_or_default()
}
