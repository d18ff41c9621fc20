//! The second half of building: procedures that steps call, and names of targets.

use std::collections::HashMap;
use std::sync::Arc;

use petgraph::algo::toposort;
use petgraph::graph::NodeIndex;

use super::build::{Builder, ChartError};
use super::chart::{CallRule, CatchRule, Home, Kind, RowRule, Target};
use super::place::List;
use super::{AskKind, Site, StateId, StepId};
use crate::recipe::model::Body;

impl Builder<'_> {
    /// Adds the procedures that steps call, each once, and refuses those that call themselves.
    pub(super) fn add_called(&mut self) -> Result<(), ChartError> {
        let stage = self.calls.add_node(String::new());
        let mut callers = HashMap::from([(None::<String>, stage)]);
        let mut at = 0;
        while at < self.chart.steps.len() {
            let node = &self.chart.steps[at];
            let (step, owner, list) = (Arc::clone(&node.step), node.owner, node.list);
            let id = StepId(u32::try_from(at).map_err(|_| ChartError::TooLarge)?);
            at += 1;
            let Some(call) = &step.call else { continue };
            let name = &call.procedure.value;
            if !matches!(list, List::Enter | List::Do) {
                return Err(ChartError::MisplacedCall(
                    self.chart.step_name(id).to_string(),
                ));
            }
            let procedure =
                self.recipe
                    .procedures
                    .get(name)
                    .ok_or_else(|| ChartError::NoProcedure {
                        at: self.chart.step_name(id).to_string(),
                        procedure: name.clone(),
                    })?;
            let root = match self.procedures.get(name) {
                Some(&root) => root,
                None => {
                    let home = Arc::new(Home {
                        procedure: name.clone(),
                        recipe: procedure.home.clone(),
                    });
                    let root = self.add_tree(&procedure.root, Some(&home))?;
                    self.procedures.insert(name.clone(), root);
                    root
                }
            };
            let caller = self.chart.procedure(owner).map(str::to_owned);
            let [from, to] = [caller, Some(name.clone())].map(|key| {
                *callers
                    .entry(key.clone())
                    .or_insert_with(|| self.calls.add_node(key.unwrap_or_default()))
            });
            self.calls.update_edge(from, to, ());
            let of = Site::Step(id);
            let rule = CallRule {
                root,
                arguments: self.ask_if(!procedure.params.is_empty(), AskKind::Arguments, of)?,
                returns: self.ask_if(procedure.returns.is_some(), AskKind::Returns, of)?,
            };
            self.chart.steps[at - 1].call = Some(rule);
        }
        toposort(&self.calls, None)
            .map(drop)
            .map_err(|cycle| ChartError::CallCycle(self.calls[cycle.node_id()].clone()))
    }

    pub(super) fn resolve_targets(&mut self) -> Result<(), ChartError> {
        for id in self.chart.states() {
            let state = Arc::clone(self.chart.state(id));
            let parent = self.chart.parent(id);
            let initial = match &state.body {
                Body::Scope { initial, .. } => Some(
                    self.child(id, &initial.value)
                        .ok_or_else(|| self.lost(id, &initial.value))?,
                ),
                _ => None,
            };
            let mut rows = Vec::new();
            let mut catch = Vec::new();
            if parent.is_some() {
                for (n, row) in (0..).zip(&state.next) {
                    let asked = row.when.is_some();
                    rows.push(RowRule {
                        when: self.ask_if(asked, AskKind::Row(n), Site::State(id))?,
                        to: self.target(id, &row.to.value)?,
                    });
                }
                for row in &state.catch {
                    catch.push(CatchRule {
                        kind: row.kind,
                        to: self.target(id, &row.to.value)?,
                    });
                }
            }
            // Only a leaf may have none: one that ends in `fail` never completes.
            let kind = self.chart.node(id).kind;
            let open = match rows.last() {
                Some(row) => row.when.is_some(),
                None => parent.is_some() && matches!(kind, Kind::Scope | Kind::Choice),
            };
            if open {
                return Err(ChartError::OpenNext(self.chart.path(id).to_owned()));
            }
            let node = &mut self.chart.graph[NodeIndex::new(id.0 as usize)];
            (node.initial, node.rows, node.catch) = (initial, rows, catch);
            let edges: Vec<_> = self.chart.transitions(id).collect();
            for (transition, target) in edges {
                if let Target::State(to) = target {
                    let [from, to] = [id, to].map(|state| NodeIndex::new(state.0 as usize));
                    self.chart.graph.add_edge(from, to, transition);
                }
            }
        }
        Ok(())
    }

    /// Looks a name up among a state's siblings, then outward.
    fn target(&self, from: StateId, name: &str) -> Result<Target, ChartError> {
        if name == "done" {
            return Ok(Target::Done);
        }
        self.chart
            .chain(from)
            .skip(1)
            .find_map(|scope| self.child(scope, name))
            .map(Target::State)
            .ok_or_else(|| self.lost(from, name))
    }

    fn child(&self, scope: StateId, name: &str) -> Option<StateId> {
        let node = self.chart.node(scope);
        let Body::Scope { states, .. } = &node.state.body else {
            return None;
        };
        let at = u32::try_from(states.get_index_of(name)?).ok()?;
        Some(StateId(node.children.start + at))
    }

    fn lost(&self, at: StateId, target: &str) -> ChartError {
        ChartError::NoTarget {
            at: self.chart.path(at).to_owned(),
            target: target.to_owned(),
        }
    }
}
