//! Every cycle has a state that counts its visits: what makes runs end.

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::chart::Target;
use super::{Chart, ChartError, StateId};

impl Chart {
    /// For each scope, who of its children leads to whom: a target named deeper inside a child counts
    /// as the child's.
    pub fn sibling_moves(&self) -> impl Iterator<Item = (StateId, StateId)> + '_ {
        self.states().flat_map(move |from| {
            self.transitions(from).filter_map(move |(_, to)| {
                let Target::State(to) = to else { return None };
                let beside = self
                    .chain(from)
                    .find(|&at| self.parent(at) == self.parent(to));
                Some((beside?, to))
            })
        })
    }

    /// Refuses a cycle of siblings none of which has `max_visits`.
    pub(super) fn refuse_unbounded_cycles(&self) -> Result<(), ChartError> {
        let bounded = |state: StateId| self.state(state).max_visits.is_some();
        let mut free = DiGraph::<(), ()>::with_capacity(self.graph.node_count(), 0);
        for _ in self.states() {
            free.add_node(());
        }
        for (from, to) in self.sibling_moves() {
            if !bounded(from) && !bounded(to) {
                let [from, to] = [from, to].map(|state| NodeIndex::new(state.0 as usize));
                free.add_edge(from, to, ());
            }
        }
        for part in tarjan_scc(&free) {
            let cyclic = match part[..] {
                [alone] => free.contains_edge(alone, alone),
                _ => true,
            };
            if cyclic {
                let mut states: Vec<_> = part
                    .iter()
                    .filter_map(|at| u32::try_from(at.index()).ok())
                    .collect();
                states.sort_unstable();
                let path = |state| self.path(StateId(state)).to_owned();
                return Err(ChartError::UnboundedCycle(
                    states.into_iter().map(path).collect(),
                ));
            }
        }
        Ok(())
    }
}
