//! What of a recipe's own file the scenarios took: states, transitions, catches.
//!
//! A recipe is charged for what is written in its own file, and what it inherits is its parent's. It
//! does not matter whose scenario takes a thing: all that are tried together count.

use std::collections::{BTreeSet, HashSet};

use crate::check::explore::{Options, explore};
use crate::diagnostic::{Position, SourceId, Span};
use crate::engine::scripted::Taken;
use crate::machine::{Chart, Transition};
use crate::recipe::model::{Body, Recipe, State};

/// A place in a recipe's file that a scenario can take. The same whichever recipe was read with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    file: String,
    at: u32,
}

/// How much of one recipe was taken.
#[derive(Clone, Debug)]
pub struct Coverage {
    /// The recipe's name.
    pub recipe: String,
    /// What was taken.
    pub taken: usize,
    /// Of how much.
    pub of: usize,
    /// What was not taken, by its place.
    pub missed: Vec<Missed>,
}

/// Something that no scenario takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// The file.
    pub file: String,
    /// Where in it.
    pub at: Position,
    /// What is not taken: "state `x` is not entered".
    pub what: String,
}

impl Coverage {
    /// The share that was taken, in percent, rounded down. All of nothing is 100.
    pub fn percent(&self) -> usize {
        (self.taken * 100).checked_div(self.of).unwrap_or(100)
    }
}

/// The places that a run took.
pub(super) fn marks<'t>(
    recipe: &Recipe,
    chart: &Chart,
    taken: impl IntoIterator<Item = &'t Taken>,
) -> BTreeSet<Mark> {
    let spans = taken.into_iter().filter_map(|taken| match *taken {
        Taken::State(state) => Some(chart.state(state).name.span),
        Taken::Next(state, row) => {
            let rows = &chart.state(state).next;
            let row = usize::try_from(row).unwrap_or(usize::MAX);
            rows.get(row).map(|row| row.to.span)
        }
        Taken::Catch(state, kind) => {
            let rows = &chart.state(state).catch;
            let exact = rows.iter().find(|row| row.kind == Some(kind));
            let any = || rows.iter().find(|row| row.kind.is_none());
            exact.or_else(any).map(|row| row.to.span)
        }
    });
    spans.filter_map(|span| mark(recipe, span)).collect()
}

fn mark(recipe: &Recipe, span: Span) -> Option<Mark> {
    Some(Mark {
        file: recipe.sources.get(span.source)?.name.clone(),
        at: span.start,
    })
}

/// How much of a recipe's own file these marks take.
pub(super) fn coverage(recipe: &Recipe, marks: &BTreeSet<Mark>) -> Coverage {
    let mut all = Vec::new();
    // A recipe is read before those that it inherits from.
    if let Some((own, _)) = recipe.sources.iter().next() {
        let stages = recipe.stages.values().map(|stage| &stage.root);
        let procedures = recipe.procedures.values().map(|procedure| &procedure.root);
        for root in stages.chain(procedures) {
            gather(own, root, &mut all);
        }
    }
    all.sort_by_key(|(span, _)| *span);
    let mut of = all.len();
    all.retain(|(span, _)| !mark(recipe, *span).is_some_and(|mark| marks.contains(&mark)));
    if !all.is_empty()
        && let Some(possible) = possible(recipe)
    {
        // What no run comes to is no scenario's to take.
        let missed = all.len();
        all.retain(|(span, _)| possible.contains(span));
        of -= missed - all.len();
    }
    let missed: Vec<Missed> = all
        .into_iter()
        .filter_map(|(span, what)| {
            Some(Missed {
                file: recipe.sources.get(span.source)?.name.clone(),
                at: recipe.sources.position(span)?,
                what,
            })
        })
        .collect();
    Coverage {
        recipe: recipe.name.clone(),
        taken: of - missed.len(),
        of,
        missed,
    }
}

/// The places that some run of a stage or procedure takes; `None` where that can't be told.
fn possible(recipe: &Recipe) -> Option<HashSet<Span>> {
    let options = Options {
        signals: false,
        ..Options::default()
    };
    let mut possible = HashSet::new();
    for stage in recipe.stages.keys() {
        let explored = explore(recipe, stage, options).ok()?;
        if !explored.complete {
            return None;
        }
        let chart = &explored.chart;
        let entered = chart.states().zip(&explored.entered);
        let entered = entered.filter(|(_, entered)| **entered);
        possible.extend(entered.map(|(state, _)| chart.state(state).name.span));
        for (state, transition) in &explored.taken {
            let state = chart.state(*state);
            possible.extend(match transition {
                Transition::Next(row) => {
                    let row = usize::try_from(*row).unwrap_or(usize::MAX);
                    state.next.get(row).map(|row| row.to.span)
                }
                Transition::Catch(kind) => {
                    let row = state.catch.iter().find(|row| row.kind == *kind);
                    row.map(|row| row.to.span)
                }
            });
        }
    }
    // A procedure that no stage calls may be given any arguments.
    for procedure in recipe.procedures.values() {
        let root = &procedure.root;
        if !possible.contains(&root.name.span) {
            let mut all = Vec::new();
            gather(root.name.span.source, root, &mut all);
            possible.extend(all.into_iter().map(|(span, _)| span));
        }
    }
    Some(possible)
}

/// What can be taken in a state and those inside it. Nesting is bounded by the loader.
fn gather(own: SourceId, state: &State, all: &mut Vec<(Span, String)>) {
    if state.name.span.source != own {
        return;
    }
    let name = &state.name.value;
    let verb = match state.body {
        Body::Leaf { .. } | Body::Scope { .. } => "entered",
        Body::Choice | Body::End { .. } => "reached",
    };
    all.push((state.name.span, format!("`{name}` is not {verb}")));
    for row in &state.next {
        let what = match &row.when {
            Some(when) => format!(
                "`{name}` does not go on to `{}` by `{}`",
                row.to.value, when.text
            ),
            None => format!("`{name}` does not go on to `{}`", row.to.value),
        };
        all.push((row.to.span, what));
    }
    for row in &state.catch {
        let kind = row.kind.map_or("any", |kind| kind.word());
        let what = format!(
            "`{name}` does not catch `{kind}`, which leads to `{}`",
            row.to.value
        );
        all.push((row.to.span, what));
    }
    if let Body::Scope { states, .. } = &state.body {
        for inner in states.values() {
            gather(own, inner, all);
        }
    }
}
