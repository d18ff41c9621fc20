//! Every state leads to an end, and every mark and handler does something.

use std::collections::{HashMap, HashSet};

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::outline::{Outline, Target};
use super::raises::Dealt;
use super::whole::Whole;
use crate::diagnostic::{Code, Finding, Findings, Severity};
use crate::recipe::model::{Body, Catch, State};

/// Looks at the recipe's own stages and procedures.
pub(super) fn check(whole: &Whole<'_>, findings: &mut Findings) {
    for unit in whole.units.iter().filter(|unit| unit.home().is_none()) {
        let outline = &unit.outline;
        endless(outline, findings);
        let dealt = whole.raises.of_states(None, outline);
        let caught: HashSet<usize> = handlers(outline);
        for (at, dealt) in dealt.iter().enumerate() {
            mark(outline.states[at].state, dealt, findings);
            by_hand(outline, at, findings);
            if caught.contains(&at) {
                handler(outline.states[at].state, findings);
            }
        }
    }
}

/// Complains about states that go round and lead nowhere else.
fn endless(outline: &Outline<'_>, findings: &mut Findings) {
    let leaves = leaving(outline);
    let mut edges: Vec<_> = outline.sibling_edges().into_iter().collect();
    edges.sort_unstable_by_key(|(scope, _)| *scope);
    for (_, edges) in edges {
        let mut graph: DiGraph<usize, ()> = DiGraph::new();
        let mut nodes: HashMap<usize, NodeIndex> = HashMap::new();
        for (from, to) in &edges {
            let mut node = |state| *nodes.entry(state).or_insert_with(|| graph.add_node(state));
            let (from, to) = (node(*from), node(*to));
            graph.add_edge(from, to, ());
        }
        // A circle without a way out. Components come in an order in which each is after those that
        // it leads to, so only those that lead to no other are to be looked at.
        for component in kosaraju_scc(&graph) {
            let inside: HashSet<NodeIndex> = component.iter().copied().collect();
            let is_closed = component
                .iter()
                .all(|node| graph.neighbors(*node).all(|to| inside.contains(&to)));
            let is_circle = component
                .iter()
                .any(|node| graph.neighbors(*node).next().is_some());
            let mut states: Vec<usize> = component.iter().map(|node| graph[*node]).collect();
            states.sort_unstable();
            if is_closed && is_circle && !states.iter().any(|state| leaves[*state]) {
                findings.push(circle(outline, &states));
            }
        }
    }
}

fn circle(outline: &Outline<'_>, states: &[usize]) -> Finding {
    let name = |state: usize| outline.states[state].state.name.value.as_str();
    let first = states.first().copied().unwrap_or(0);
    // The last one's way back is where something else was most likely meant.
    let back = states.iter().rev().find_map(|state| {
        let row = outline.states[*state].state.next.last()?;
        Some(row.to.span)
    });
    const SHOWN: usize = 6;
    let mut names: Vec<&str> = states
        .iter()
        .take(SHOWN)
        .map(|state| name(*state))
        .collect();
    if states.len() > SHOWN {
        names.push("…");
    }
    let message = match states {
        [only] => format!("`{}` leads to nothing but itself", name(*only)),
        _ => format!("from `{}` no end can be reached", name(first)),
    };
    let span = back.unwrap_or(outline.states[first].state.name.span);
    let mut finding = Finding::new(Code::NoWayOut, span, message);
    if states.len() > 1 {
        finding = finding.label(format!("{} lead to each other alone", names.join(", ")));
    }
    finding.help("`max_visits` ends this with the error `loop`: lead one of them to `done`, to an end or to another state")
}

/// States that end, complete or leave the scope that they are in, or that hold one that leaves it.
fn leaving(outline: &Outline<'_>) -> Vec<bool> {
    let mut leaves = vec![false; outline.states.len()];
    // The number of scopes around each.
    let mut depth = vec![0_usize; outline.states.len()];
    for at in 1..outline.states.len() {
        depth[at] = outline.states[at]
            .parent
            .map_or(0, |parent| depth[parent] + 1);
    }
    // The least depth of a scope that something inside each goes on in.
    let mut outermost = vec![usize::MAX; outline.states.len()];
    for at in (0..outline.states.len()).rev() {
        let state = outline.states[at].state;
        let ends = match &state.body {
            Body::End { .. } => true,
            // A `fail` at the end.
            Body::Leaf { .. } => state.next.is_empty(),
            Body::Scope { .. } | Body::Choice => false,
        };
        if ends {
            outermost[at] = 0;
        }
        for edge in outline.edges(at) {
            match outline.target(at, &edge.to.value) {
                Target::State(to) => outermost[at] = outermost[at].min(depth[to]),
                Target::Done | Target::Inside(_) | Target::Nowhere => leaves[at] = true,
            }
        }
        leaves[at] |= outermost[at] < depth[at] || ends;
        if let Some(parent) = outline.states[at].parent {
            outermost[parent] = outermost[parent].min(outermost[at]);
        }
    }
    leaves
}

/// `recovery: true` where nothing can fail.
fn mark(state: &State, dealt: &Dealt, findings: &mut Findings) {
    if !state.recovery || !dealt.caught.is_empty() || matches!(state.body, Body::Choice) {
        return;
    }
    let span = state.places.key("recovery").unwrap_or(state.name.span);
    let message = format!(
        "nothing in `{}` can fail, so `recovery` marks nothing",
        state.name.value
    );
    findings.push(
        Finding::new(Code::IdleRecovery, span, message)
            .help("mark the state or step that brings the board back"),
    );
}

/// States that only errors lead to.
fn handlers(outline: &Outline<'_>) -> HashSet<usize> {
    let mut caught = HashSet::new();
    let mut other: HashSet<usize> = HashSet::new();
    for at in 0..outline.states.len() {
        other.extend(outline.initial(at));
        for edge in outline.edges(at) {
            if let Target::State(to) = outline.target(at, &edge.to.value) {
                if edge.is_catch {
                    caught.insert(to);
                } else {
                    other.insert(to);
                }
            }
        }
    }
    &caught - &other
}

/// A handler that does nothing.
fn handler(state: &State, findings: &mut Findings) {
    let Body::Leaf { steps } = &state.body else {
        return;
    };
    let [row] = state.next.as_slice() else { return };
    if !steps.is_empty() {
        return;
    }
    let name = &state.name.value;
    let mut finding = Finding::new(
        Code::IdleRecovery,
        state.name.span,
        format!("errors lead to `{name}`, which does nothing about them"),
    );
    finding.severity = Severity::Note;
    findings.push(finding.help(format!(
        "add the steps that bring the board back, or catch to `{}`",
        row.to.value
    )));
}

/// A leaf that goes back to itself by its own `catch`: that is a retry.
fn by_hand(outline: &Outline<'_>, at: usize, findings: &mut Findings) {
    let state = outline.states[at].state;
    if !matches!(state.body, Body::Leaf { .. }) || state.retry.is_some() {
        return;
    }
    let Some(visits) = state.max_visits else {
        return;
    };
    let back: Vec<&Catch> = state
        .catch
        .iter()
        .filter(|row| outline.target(at, &row.to.value) == Target::State(at))
        .collect();
    let Some(row) = back.first() else { return };
    let message = format!("`{}` is tried again by its own `catch`", state.name.value);
    let kinds: Option<Vec<&str>> = back.iter().map(|row| Some(row.kind?.word())).collect();
    let errors = match kinds {
        Some(kinds) => format!("{{ attempts: {visits}, errors: [{}] }}", kinds.join(", ")),
        None => visits.to_string(),
    };
    findings.push(
        Finding::new(Code::RetryByHand, row.to.span, message).help(format!(
            "write `retry: {errors}`: the last error then stays what it is, and does not become `loop`"
        )),
    );
}

#[cfg(test)]
mod tests {
    use super::super::example::of_stage;

    #[track_caller]
    fn case(states: &[&str], expected: &[&str]) {
        let states: String = states
            .iter()
            .map(|state| format!("      {state}\n"))
            .collect();
        let stage = format!("    initial: a\n    states:\n{states}");
        assert_eq!(of_stage(&stage), expected, "{stage}");
    }

    #[test]
    fn every_state_leads_to_an_end() {
        let a = "a: { do: [ { run: x } ], max_visits: 3, next: b }";
        case(&[a, "b: { do: [ { run: x } ], next: a }"], &["TF0325 a"]);
        case(&[a, "b: { do: [ { run: x } ], next: done }"], &[]);
        case(&[a, "b: { do: [ { run: x } ], catch: done, next: a }"], &[]);
        case(
            &[
                a,
                "b: { next: [ { when: run.id, to: a }, { to: c } ] }",
                "c: { end: failure }",
            ],
            &[],
        );
        case(
            &[
                a,
                "b: { do: [ { run: x } ], catch: c, next: a }",
                "c: { do: [ { fail: x } ] }",
            ],
            &[],
        );
        // A scope that never leads to its end, but out of it.
        case(
            &[
                "a: { initial: i, states: { i: { do: [ { run: x } ], max_visits: 2, next: i } }, next: b }",
                "b: { do: [ { run: x } ], next: done }",
            ],
            &["TF0325 i"],
        );
        case(
            &[
                "a: { initial: i, states: { i: { do: [ { run: x } ], next: b } }, next: b }",
                "b: { do: [ { run: x } ], next: done }",
            ],
            &[],
        );
    }

    #[test]
    fn a_state_that_tries_itself_again_is_a_retry() {
        case(
            &["a: { do: [ { run: x } ], max_visits: 3, catch: { exit: a }, next: done }"],
            &["TF0326 a"],
        );
        case(
            &[
                "a: { do: [ { run: x } ], max_visits: 3, catch: b, next: done }",
                "b: { do: [ { run: y } ], next: a }",
            ],
            &[],
        );
    }

    #[test]
    fn a_recovery_does_something() {
        case(
            &["a: { recovery: true, do: [ { log: x } ], next: done }"],
            &["TF0327 recovery"],
        );
        case(
            &["a: { recovery: true, do: [ { run: x } ], next: done }"],
            &[],
        );
        case(
            &[
                "a: { do: [ { run: x } ], catch: b, next: done }",
                "b: { do: [], next: done }",
            ],
            &["TF0327 b"],
        );
        case(
            &[
                "a: { do: [ { run: x } ], catch: b, next: b }",
                "b: { do: [], next: done }",
            ],
            &[],
        );
    }
}
