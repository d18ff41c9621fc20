//! Every cycle has a state with `max_visits`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::outline::Outline;
use super::whole::Unit;
use crate::diagnostic::{Code, Finding, Findings};

/// Looks at each scope's children. Without those that have `max_visits` nothing may go in a circle.
pub(super) fn check(unit: &Unit<'_>, findings: &mut Findings) {
    let outline = &unit.outline;
    let mut scopes: Vec<(usize, Vec<(usize, usize)>)> =
        outline.sibling_edges().into_iter().collect();
    scopes.sort_unstable_by_key(|(scope, _)| *scope);
    for (_, edges) in scopes {
        let mut graph: DiGraph<usize, ()> = DiGraph::new();
        let mut nodes: HashMap<usize, NodeIndex> = HashMap::new();
        let is_bounded = |state: usize| outline.states[state].state.max_visits.is_some();
        for (from, to) in edges {
            if is_bounded(from) || is_bounded(to) {
                continue;
            }
            let mut node = |state| *nodes.entry(state).or_insert_with(|| graph.add_node(state));
            let (from, to) = (node(from), node(to));
            graph.add_edge(from, to, ());
        }
        // Without recursion, whatever the number of states.
        for component in kosaraju_scc(&graph) {
            let is_cycle = match component.as_slice() {
                [only] => graph.contains_edge(*only, *only),
                _ => true,
            };
            if is_cycle {
                findings.push(finding(outline, &graph, &component));
            }
        }
    }
}

fn finding(outline: &Outline<'_>, graph: &DiGraph<usize, ()>, component: &[NodeIndex]) -> Finding {
    let cycle = shortest(graph, component);
    let names: Vec<&str> = cycle
        .iter()
        .map(|state| outline.states[*state].state.name.value.as_str())
        .collect();
    let first = outline.states[cycle[0]].state;
    let path = match names.as_slice() {
        [only] => format!("`{only}` leads to itself"),
        _ => format!("{} → {}", names.join(" → "), names[0]),
    };
    Finding::new(
        Code::UnboundedCycle,
        first.name.span,
        "this cycle of states has no bound",
    )
    .label(path)
    .help("give one of its states `max_visits`")
}

/// A shortest cycle through the first state of the component, as states; never empty.
fn shortest(graph: &DiGraph<usize, ()>, component: &[NodeIndex]) -> Vec<usize> {
    let Some(start) = component.iter().copied().min_by_key(|node| graph[*node]) else {
        return vec![0];
    };
    let mut came_from: HashMap<NodeIndex, NodeIndex> = HashMap::new();
    let mut level = vec![start];
    while !level.is_empty() {
        let mut next = Vec::new();
        for at in level {
            for to in graph.neighbors(at) {
                if to == start {
                    let mut path = vec![graph[at]];
                    let mut back = at;
                    while back != start {
                        back = came_from[&back];
                        path.push(graph[back]);
                    }
                    path.reverse();
                    return path;
                }
                if let Entry::Vacant(place) = came_from.entry(to) {
                    place.insert(at);
                    next.push(to);
                }
            }
        }
        level = next;
    }
    vec![graph[start]]
}
