//! What one run took of a graph: which states and edges, how often.

use std::collections::{BTreeSet, HashMap};

use super::model::{Goal, Graph, Why};
use crate::check::explore::{Example, Happening};
use crate::engine::{Record, What};
use crate::machine::Chart;

/// The way of one run, as far as it names states.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    marks: Vec<Mark>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Mark {
    /// A state was entered, or a choice or an end was reached.
    State(String),
    /// A transition was taken, to a path or to `done`.
    Moved {
        from: String,
        to: String,
        caught: bool,
    },
    /// A state will be tried again.
    Retried(String),
}

/// A trail names a state that the graph does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the path goes through `{0}`, which is no state of this stage or of a procedure that it calls"
)]
pub struct UnknownState(pub String);

impl Trail {
    /// The way that a run's facts tell.
    pub fn of_records(records: &[Record]) -> Self {
        let mut marks = Vec::new();
        let mut caught: Option<&str> = None;
        for record in records {
            match &record.what {
                What::StateEntered { state, .. } | What::StateReached { state, .. } => {
                    marks.push(Mark::State(own_path(state)));
                }
                What::Caught { state, .. } => caught = Some(state),
                What::Moved { state, to } => {
                    marks.push(Mark::Moved {
                        from: own_path(state),
                        to: own_path(to),
                        caught: caught.take() == Some(state.as_ref()),
                    });
                }
                What::Retrying { state, .. } => marks.push(Mark::Retried(own_path(state))),
                _ => {}
            }
        }
        Self { marks }
    }

    /// The way of an explored run over this chart.
    pub fn of_example(chart: &Chart, example: &Example) -> Self {
        let path = |state| chart.path(state).to_owned();
        let mut marks = Vec::new();
        let mut caught = None;
        for event in &example.events {
            match *event {
                Happening::Entered { state, .. } | Happening::Reached { state } => {
                    marks.push(Mark::State(path(state)));
                }
                Happening::Caught { state, .. } => caught = Some(state),
                Happening::Moved { from, to } => marks.push(Mark::Moved {
                    from: path(from),
                    to: to.map_or_else(|| "done".to_owned(), path),
                    caught: caught.take() == Some(from),
                }),
                Happening::Retrying { state, .. } => marks.push(Mark::Retried(path(state))),
                _ => {}
            }
        }
        Self { marks }
    }

    /// The way through these states, each by its path or its name, in order. Which edges were taken
    /// between them follows where only one way leads from one to the next.
    pub fn of_states<'n>(states: impl IntoIterator<Item = &'n str>) -> Self {
        let states = states.into_iter().map(|state| Mark::State(own_path(state)));
        Self {
            marks: states.collect(),
        }
    }

    /// Whether it names no state.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }
}

/// The path in the stage or procedure, without the calls that lead there.
fn own_path(place: &str) -> String {
    let path = place.rsplit('>').next().unwrap_or(place);
    path.to_owned()
}

impl Graph {
    /// Marks what a run took.
    ///
    /// # Errors
    /// The trail is another recipe's, or another stage's.
    pub fn mark(&mut self, trail: &Trail) -> Result<(), UnknownState> {
        let named = self.names();
        let find = |name: &str| {
            let found = named.get(name).copied();
            found.ok_or_else(|| UnknownState(name.to_owned()))
        };
        let told = |mark: &Mark| matches!(mark, Mark::Moved { .. });
        let edges_told = trail.marks.iter().any(told);
        let mut marker = Marker::new(self);
        for mark in &trail.marks {
            match mark {
                Mark::State(name) => marker.state(find(name)?, !edges_told),
                Mark::Retried(name) => {
                    let state = find(name)?;
                    marker.edge(state, Goal::Node(state), &[Why::Retry]);
                }
                Mark::Moved { from, to, caught } => {
                    let from = find(from)?;
                    let goal = match (to.as_str(), marker.graph.nodes[from].parent) {
                        ("done", Some(scope)) => Goal::Done(scope),
                        ("done", None) => continue,
                        (to, _) => Goal::Node(find(to)?),
                    };
                    let why = if *caught { Why::Catch } else { Why::Next };
                    marker.edge(from, goal, &[why]);
                }
            }
        }
        self.marked = true;
        Ok(())
    }

    /// States by path, and by name where the stage or one procedure alone has it.
    fn names(&self) -> HashMap<String, usize> {
        let mut names = HashMap::new();
        // From the back: the stage's names go before those of procedures.
        for (at, node) in self.nodes.iter().enumerate().rev() {
            names.insert(node.name.clone(), at);
        }
        for (at, node) in self.nodes.iter().enumerate() {
            names.insert(node.path.clone(), at);
        }
        names
    }
}

/// Counts what is taken.
struct Marker<'g> {
    graph: &'g mut Graph,
    /// By state: its first edge; edges lie side by side by the state that they leave.
    edges: Vec<usize>,
    /// Scopes that were entered, and whose first state was not yet.
    entering: BTreeSet<usize>,
    last: Option<usize>,
}

impl<'g> Marker<'g> {
    fn new(graph: &'g mut Graph) -> Self {
        let mut edges = vec![0; graph.nodes.len() + 1];
        for edge in &graph.edges {
            edges[edge.from + 1] += 1;
        }
        for at in 1..edges.len() {
            edges[at] += edges[at - 1];
        }
        Self {
            graph,
            edges,
            entering: BTreeSet::new(),
            last: None,
        }
    }

    fn state(&mut self, at: usize, guess_edges: bool) {
        if guess_edges {
            self.guess(at);
        }
        let node = &mut self.graph.nodes[at];
        node.taken = node.taken.saturating_add(1);
        if let Some(scope) = node.parent
            && self.entering.remove(&scope)
        {
            self.edge(scope, Goal::Node(at), &[Why::Initial]);
        }
        if !self.graph.nodes[at].children.is_empty() {
            self.entering.insert(at);
        }
        self.last = Some(at);
    }

    /// Counts an edge; whether there is one.
    fn edge(&mut self, from: usize, to: Goal, why: &[Why]) -> bool {
        let range = self.edges[from]..self.edges[from + 1];
        let edge = self.graph.edges[range]
            .iter_mut()
            .find(|edge| edge.to == to && why.contains(&edge.why));
        match edge {
            Some(edge) => {
                edge.taken = edge.taken.saturating_add(1);
                true
            }
            None => false,
        }
    }

    /// The edges from the state before to this one: its own or those of a scope around it, which
    /// `done` may have completed.
    fn guess(&mut self, to: usize) {
        let mut at = self.last;
        if at == Some(to) && self.edge(to, Goal::Node(to), &[Why::Retry]) {
            return;
        }
        while let Some(from) = at {
            if self.edge(from, Goal::Node(to), &[Why::Next, Why::Catch]) {
                return;
            }
            at = self.graph.nodes[from].parent;
            if let Some(scope) = at {
                if self.graph.is_within(to, scope) {
                    return;
                }
                self.edge(from, Goal::Done(scope), &[Why::Next]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::library::Library;
    use crate::recipe::load::load_text;

    fn graph() -> Graph {
        let text = "
recipe: example
summary: An example
stages:
  provision:
    timeout: 1h
    initial: outer
    states:
      outer:
        initial: a
        states:
          a: { do: [], retry: 2, next: b }
          b: { do: [], catch: fix, next: done }
        next: last
      fix: { do: [], next: last }
      last: { do: [], next: done }
";
        let loaded = load_text(&Library::new([]), "example", text);
        let recipe = loaded.recipe.expect("a recipe");
        let chart = Chart::build(&recipe, "provision").expect("a chart");
        Graph::new(&recipe, &chart)
    }

    /// Edges that were taken, as `from → to`, with how often.
    fn taken(graph: &Graph) -> Vec<String> {
        let taken = graph.edges.iter().filter(|edge| edge.taken > 0);
        taken
            .map(|edge| {
                let from = &graph.nodes[edge.from].name;
                format!("{from} → {} {}", graph.goal_name(edge.to), edge.taken)
            })
            .collect()
    }

    #[test]
    fn edges_between_named_states_are_found_through_scopes_that_are_complete() {
        let mut graph = graph();
        let states = ["/outer", "/outer/a", "a", "b", "last"];
        graph
            .mark(&Trail::of_states(states))
            .expect("states of this graph");
        assert_eq!(
            taken(&graph),
            [
                "outer → a 1",
                "outer → last 1",
                "a → b 1",
                "a → a 1",
                "b → done 1"
            ]
        );
        let again = graph.nodes.iter().find(|node| node.path == "/outer/a");
        assert_eq!(again.map(|node| node.taken), Some(2));
    }

    #[test]
    fn a_catch_leads_out_of_its_scope() {
        let mut graph = graph();
        let states = ["/", "outer", "a", "b", "fix", "/last"];
        graph
            .mark(&Trail::of_states(states))
            .expect("states of this graph");
        assert_eq!(
            taken(&graph),
            [
                "provision → outer 1",
                "outer → a 1",
                "fix → last 1",
                "a → b 1",
                "b → fix 1"
            ]
        );
    }

    #[test]
    fn a_state_of_another_recipe_is_refused() {
        let trail = Trail::of_states(["a", "elsewhere"]);
        assert_eq!(
            graph().mark(&trail),
            Err(UnknownState("elsewhere".to_owned()))
        );
        assert!(Trail::of_states([]).is_empty());
    }
}
