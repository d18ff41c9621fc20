//! The states of one stage or procedure side by side, with what is around each.

use std::collections::HashMap;

use crate::diagnostic::Spanned;
use crate::recipe::model::{Body, State};

/// A stage's or procedure's states; the first is its root.
pub(super) struct Outline<'r> {
    pub(super) states: Vec<Placed<'r>>,
    /// Each name's first state.
    names: HashMap<&'r str, usize>,
}

/// A state among the others.
pub(super) struct Placed<'r> {
    pub(super) state: &'r State,
    /// The scope around it.
    pub(super) parent: Option<usize>,
    /// States inside, by name.
    pub(super) children: HashMap<&'r str, usize>,
}

/// What a target names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// `done`.
    Done,
    /// A state that can be gone to.
    State(usize),
    /// A state inside another scope.
    Inside(usize),
    /// Nothing.
    Nowhere,
}

/// A transition that a state names.
pub(super) struct Edge<'r> {
    pub(super) to: &'r Spanned<String>,
    pub(super) is_catch: bool,
}

impl<'r> Outline<'r> {
    pub(super) fn new(root: &'r State) -> Self {
        let mut states = vec![Placed {
            state: root,
            parent: None,
            children: HashMap::new(),
        }];
        let mut at = 0;
        while at < states.len() {
            if let Body::Scope { states: inside, .. } = &states[at].state.body {
                for (name, state) in inside {
                    let index = states.len();
                    states[at].children.insert(name, index);
                    states.push(Placed {
                        state,
                        parent: Some(at),
                        children: HashMap::new(),
                    });
                }
            }
            at += 1;
        }
        let mut names = HashMap::new();
        for (at, placed) in states.iter().enumerate().skip(1) {
            names.entry(placed.state.name.value.as_str()).or_insert(at);
        }
        Self { states, names }
    }

    /// What `name` means as a target in the state `from`: a sibling, or a sibling of a scope around.
    pub(super) fn target(&self, from: usize, name: &str) -> Target {
        if name == "done" {
            return Target::Done;
        }
        let mut scope = self.states[from].parent;
        while let Some(at) = scope {
            if let Some(found) = self.states[at].children.get(name) {
                return Target::State(*found);
            }
            scope = self.states[at].parent;
        }
        self.names
            .get(name)
            .map_or(Target::Nowhere, |at| Target::Inside(*at))
    }

    /// The transitions of a state.
    pub(super) fn edges(&self, state: usize) -> impl Iterator<Item = Edge<'r>> {
        let state = self.states[state].state;
        let next = state.next.iter().map(|row| Edge {
            to: &row.to,
            is_catch: false,
        });
        let catch = state.catch.iter().map(|row| Edge {
            to: &row.to,
            is_catch: true,
        });
        next.chain(catch)
    }

    /// The first state of a scope.
    pub(super) fn initial(&self, scope: usize) -> Option<usize> {
        match &self.states[scope].state.body {
            Body::Scope { initial, .. } => self.states[scope]
                .children
                .get(initial.value.as_str())
                .copied(),
            _ => None,
        }
    }

    /// For each scope the edges between its children: `(child, sibling)`, a target named inside a
    /// child being the child's. Each edge once, in the order of the states.
    pub(super) fn sibling_edges(&self) -> HashMap<usize, Vec<(usize, usize)>> {
        let mut edges: HashMap<usize, Vec<(usize, usize)>> = HashMap::new();
        for from in 0..self.states.len() {
            for edge in self.edges(from) {
                let Target::State(to) = self.target(from, &edge.to.value) else {
                    continue;
                };
                let Some(scope) = self.states[to].parent else {
                    continue;
                };
                if let Some(child) = self.child_around(scope, from) {
                    edges.entry(scope).or_default().push((child, to));
                }
            }
        }
        for list in edges.values_mut() {
            list.sort_unstable();
            list.dedup();
        }
        edges
    }

    /// The child of `scope` that is the state or is around it.
    fn child_around(&self, scope: usize, state: usize) -> Option<usize> {
        let mut at = state;
        while let Some(parent) = self.states[at].parent {
            if parent == scope {
                return Some(at);
            }
            at = parent;
        }
        None
    }
}
