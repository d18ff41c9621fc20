//! What is drawn: states, their nesting, the edges between them.

use std::collections::BTreeMap;

use super::labels;
use crate::machine::{Chart, List, StateId, Target, Transition};
use crate::recipe::ErrorKind;
use crate::recipe::model::{Body, EndKind, Recipe};

/// A stage and the procedures that it reaches.
#[derive(Clone, Debug)]
pub struct Graph {
    /// The recipe's name.
    pub(super) recipe: String,
    /// The recipe's summary.
    pub(super) summary: Option<String>,
    /// The stage's name.
    pub(super) stage: String,
    /// The stage, its states, then each procedure and its states; a scope before what is in it.
    pub(super) nodes: Vec<Node>,
    /// By the state that they leave, each state's in the order of the recipe.
    pub(super) edges: Vec<Edge>,
    /// Whether a run's trail is marked.
    pub(super) marked: bool,
}

/// A state.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Its path in its stage or procedure, as a journal names it.
    pub(super) path: String,
    pub(super) name: String,
    pub(super) parent: Option<usize>,
    pub(super) children: Vec<usize>,
    pub(super) kind: Kind,
    /// An error raised here ends in 46 unless it is caught.
    pub(super) recovery: bool,
    /// Its last step always fails.
    pub(super) fails: bool,
    pub(super) summary: Option<String>,
    /// `if …`, `for each …`: what stands between its arrival and its work.
    pub(super) conditions: Vec<String>,
    /// `≤ 40m`, `≤ 5 visits`.
    pub(super) bounds: Vec<String>,
    /// What an end says of the run: `success`, `exit 3`.
    pub(super) ending: Option<String>,
    /// Steps of `enter` or `do`.
    pub(super) first: Vec<StepLine>,
    /// Steps of `between`.
    pub(super) between: Vec<StepLine>,
    pub(super) exit: Vec<StepLine>,
    /// Whether a state inside completes it by `done`.
    pub(super) completes: bool,
    /// How often the marked run was here.
    pub(super) taken: u32,
}

/// What a state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Leaf,
    Scope,
    Choice,
    End(EndKind),
}

/// A step in a few words.
#[derive(Clone, Debug)]
pub(super) struct StepLine {
    /// What it does: `flash image.xz`.
    pub(super) text: String,
    /// It has a `when`.
    pub(super) conditional: bool,
    /// `3 tries`.
    pub(super) tries: Option<String>,
    /// The same with modifiers: `flash image.xz, on control, 3 tries`.
    pub(super) long: String,
    /// Its own error ends in 46 unless it is caught.
    pub(super) recovery: bool,
    /// The root of the procedure that it calls.
    pub(super) calls: Option<usize>,
}

/// A way from a state to another.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: Goal,
    pub(super) why: Why,
    /// The guard, `else`, error kinds, `3 tries`; empty where it is always taken.
    pub(super) label: String,
    /// It leads to what is drawn right below.
    pub(super) straight: bool,
    /// How often the marked run took it.
    pub(super) taken: u32,
}

/// Where an edge leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Goal {
    Node(usize),
    /// The completion of a scope.
    Done(usize),
}

/// Why an edge is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// A scope was entered.
    Initial,
    Next,
    Catch,
    Retry,
}

impl Graph {
    /// The drawing of one stage of a recipe; `chart` is that stage's.
    pub fn new(recipe: &Recipe, chart: &Chart) -> Self {
        let mut graph = Self {
            recipe: recipe.name.clone(),
            summary: recipe.summary.clone(),
            stage: chart.stage().to_owned(),
            nodes: chart.states().map(|state| node(chart, state)).collect(),
            edges: Vec::new(),
            marked: false,
        };
        for state in chart.states() {
            graph.add_edges(chart, state);
        }
        for at in 0..graph.edges.len() {
            if let Goal::Done(scope) = graph.edges[at].to {
                graph.nodes[scope].completes = true;
            }
        }
        graph
    }

    /// The stage, then the procedures.
    pub(super) fn roots(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.nodes.len()).filter(|&at| self.nodes[at].parent.is_none())
    }

    /// The state that a goal stands beside: siblings share a scope, `done` stands in it.
    pub(super) fn scope_of(&self, goal: Goal) -> Option<usize> {
        match goal {
            Goal::Node(node) => self.nodes[node].parent,
            Goal::Done(scope) => Some(scope),
        }
    }

    /// Whether a state is another one, or lies inside it.
    pub(super) fn is_within(&self, state: usize, scope: usize) -> bool {
        std::iter::successors(Some(state), |&at| self.nodes[at].parent).any(|at| at == scope)
    }

    /// `stage provision`, `procedure reboot`, or a state's own name.
    pub(super) fn heading(&self, at: usize) -> String {
        let node = &self.nodes[at];
        match node.parent {
            Some(_) => node.name.clone(),
            None if at == 0 => format!("stage {}", node.name),
            None => format!("procedure {}", node.path),
        }
    }

    /// What a goal is called in a sentence or at an arrow.
    pub(super) fn goal_name(&self, goal: Goal) -> &str {
        match goal {
            Goal::Node(node) => &self.nodes[node].name,
            Goal::Done(_) => "done",
        }
    }

    fn add_edges(&mut self, chart: &Chart, id: StateId) {
        let from = index(id);
        let state = chart.state(id);
        if let Some(initial) = initial(chart, id) {
            self.edges.push(Edge {
                from,
                to: Goal::Node(initial),
                why: Why::Initial,
                label: String::new(),
                straight: self.nodes[from].children.first() == Some(&initial),
                taken: 0,
            });
        }
        // One edge for all kinds of error that go the same way, where its first kind stands.
        let mut caught: BTreeMap<Goal, usize> = BTreeMap::new();
        let rows = state.next.len();
        for (transition, target) in chart.transitions(id) {
            let to = match (target, self.nodes[from].parent) {
                (Target::State(to), _) => Goal::Node(index(to)),
                (Target::Done, Some(scope)) => Goal::Done(scope),
                (Target::Done, None) => continue,
            };
            match transition {
                Transition::Next(row) => {
                    let guard = state
                        .next
                        .get(row as usize)
                        .and_then(|row| row.when.as_ref());
                    let label = match guard {
                        Some(guard) => format!("if {}", guard.text),
                        None if rows > 1 => "else".to_owned(),
                        None => String::new(),
                    };
                    let straight = self.is_below(from, to);
                    self.edges.push(Edge {
                        from,
                        to,
                        why: Why::Next,
                        label,
                        straight,
                        taken: 0,
                    });
                }
                Transition::Catch(kind) => {
                    let word = kind.map_or("any error", ErrorKind::word);
                    if let Some(&at) = caught.get(&to) {
                        let label = &mut self.edges[at].label;
                        label.push_str(", ");
                        label.push_str(word);
                        continue;
                    }
                    caught.insert(to, self.edges.len());
                    self.edges.push(Edge {
                        from,
                        to,
                        why: Why::Catch,
                        label: word.to_owned(),
                        straight: false,
                        taken: 0,
                    });
                }
            }
        }
        if let Some(retry) = &state.retry {
            self.edges.push(Edge {
                from,
                to: Goal::Node(from),
                why: Why::Retry,
                label: labels::retry(retry),
                straight: false,
                taken: 0,
            });
        }
    }

    /// Whether a goal is drawn right below a state.
    fn is_below(&self, from: usize, to: Goal) -> bool {
        let Some(scope) = self.nodes[from].parent else {
            return false;
        };
        let beside = &self.nodes[scope].children;
        match to {
            // Siblings are numbered side by side.
            Goal::Node(to) => to == from + 1 && beside.last().is_some_and(|&last| to <= last),
            Goal::Done(of) => of == scope && beside.last() == Some(&from),
        }
    }
}

fn index(id: StateId) -> usize {
    id.0 as usize
}

fn initial(chart: &Chart, id: StateId) -> Option<usize> {
    let Body::Scope {
        initial, states, ..
    } = &chart.state(id).body
    else {
        return None;
    };
    let at = states.get_index_of(&initial.value)?;
    chart.children(id).nth(at).map(index)
}

fn node(chart: &Chart, id: StateId) -> Node {
    let state = chart.state(id);
    let lines = |list| -> Vec<StepLine> {
        let steps = chart.steps_of(id, list);
        steps
            .map(|step| {
                let calls = chart.called(step).map(index);
                labels::step(chart.step(step), calls)
            })
            .collect()
    };
    let kind = kind(&state.body);
    let first = match kind {
        Kind::Scope => lines(List::Enter),
        _ => lines(List::Do),
    };
    Node {
        path: chart.path(id).to_owned(),
        name: state.name.value.clone(),
        parent: chart.parent(id).map(index),
        children: chart.children(id).map(index).collect(),
        kind,
        recovery: state.recovery,
        fails: fails(&state.body),
        summary: state.summary.clone(),
        conditions: labels::conditions(state),
        bounds: labels::bounds(state),
        ending: labels::ending(&state.body),
        first,
        between: lines(List::Between),
        exit: lines(List::Exit),
        completes: false,
        taken: 0,
    }
}

fn kind(body: &Body) -> Kind {
    match body {
        Body::Leaf { .. } => Kind::Leaf,
        Body::Scope { .. } => Kind::Scope,
        Body::Choice => Kind::Choice,
        Body::End { end, .. } => Kind::End(*end),
    }
}

fn fails(body: &Body) -> bool {
    let Body::Leaf { steps } = body else {
        return false;
    };
    let last = steps.last();
    last.is_some_and(|step| step.action.name == "fail" && step.when.is_none())
}
