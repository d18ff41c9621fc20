//! One stage of a recipe as a graph: its states and those of every procedure that it can reach.
//!
//! Each procedure is there once, however many steps call it: the stack of activations is the call
//! stack. Steps lie in one table, a list's steps side by side. The edges are the transitions; the
//! graph library's indices stay in this room.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use petgraph::graph::{DiGraph, NodeIndex};

use super::place::{List, StepName};
use super::{Ask, AskId, RetryPlan, StateId, StepId, TrackId};
use crate::recipe::model::{AllowFailure, EndKind, State, Step};
use crate::recipe::{ErrorKind, KindSet};

/// A stage, ready to run. Immutable; ids are of this chart alone, and one of another chart may panic.
#[derive(Clone, Debug)]
pub struct Chart {
    pub(super) stage: String,
    pub(super) graph: DiGraph<Node, Transition>,
    pub(super) steps: Vec<StepNode>,
    pub(super) asks: Vec<Ask>,
    pub(super) tracks: Vec<Track>,
    pub(super) ensures_success: Vec<Need>,
    pub(super) ensures_always: Vec<Need>,
}

/// A state and what the machine asks about it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) state: Arc<State>,
    pub(super) path: String,
    /// The procedure that it belongs to, and the recipe whose inputs, hosts and gear that one uses.
    pub(super) procedure: Option<Arc<Home>>,
    pub(super) parent: Option<StateId>,
    /// Its place among its siblings.
    pub(super) child: u32,
    pub(super) children: Range<u32>,
    pub(super) initial: Option<StateId>,
    pub(super) kind: Kind,
    pub(super) when: Option<AskId>,
    pub(super) items: Option<AskId>,
    pub(super) vars: Option<AskId>,
    pub(super) timeout: Option<Known<Duration>>,
    pub(super) retry: Option<RetryRule>,
    pub(super) rows: Vec<RowRule>,
    pub(super) catch: Vec<CatchRule>,
    /// `enter` or `do`.
    pub(super) first: Range<u32>,
    pub(super) exit: Range<u32>,
    pub(super) between: Range<u32>,
}

/// A procedure by name.
#[derive(Clone, Debug)]
pub(super) struct Home {
    pub(super) procedure: String,
    pub(super) recipe: Option<String>,
}

/// What a state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Leaf,
    Scope,
    Choice,
    End { end: EndKind, status: Option<AskId> },
}

/// A number that is written, or one that the world computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Known<T> {
    Literal(T),
    Ask(AskId),
}

/// `retry`.
#[derive(Clone, Copy, Debug)]
pub(super) struct RetryRule {
    pub(super) plan: Known<RetryPlan>,
    /// The kinds that it takes.
    pub(super) errors: KindSet,
}

/// A row of `next`.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowRule {
    pub(super) when: Option<AskId>,
    pub(super) to: Target,
}

/// A row of `catch`; no kind: any.
#[derive(Clone, Copy, Debug)]
pub(super) struct CatchRule {
    pub(super) kind: Option<ErrorKind>,
    pub(super) to: Target,
}

/// Where a transition leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// `done`: the scope around is complete.
    Done,
    /// A sibling, or a sibling of a scope around.
    State(StateId),
}

/// Why a transition is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transition {
    /// A row of `next`, by its place.
    Next(u32),
    /// A row of `catch`; `None`: any kind.
    Catch(Option<ErrorKind>),
}

/// A step and what the machine asks about it.
#[derive(Clone, Debug)]
pub(super) struct StepNode {
    pub(super) step: Arc<Step>,
    pub(super) owner: StateId,
    pub(super) list: List,
    pub(super) index: u32,
    pub(super) when: Option<AskId>,
    pub(super) items: Option<AskId>,
    pub(super) timeout: Option<Known<Duration>>,
    pub(super) retry: Option<RetryRule>,
    pub(super) call: Option<CallRule>,
    pub(super) needs: Vec<Need>,
    pub(super) sets: Vec<Set>,
    pub(super) forgives: KindSet,
    /// Work that is open until its scope has left.
    pub(super) lives_with_scope: bool,
}

/// `call`.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallRule {
    pub(super) root: StateId,
    pub(super) arguments: Option<AskId>,
    pub(super) returns: Option<AskId>,
}

/// One tracked value and what it may be.
#[derive(Clone, Debug)]
pub(super) struct Need {
    pub(super) track: TrackId,
    pub(super) any_of: Vec<u16>,
}

/// One tracked value that a step changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Set {
    pub(super) track: TrackId,
    pub(super) to: SetTo,
}

/// What a step leaves a tracked value at.
#[derive(Clone, Copy, Debug)]
pub(super) enum SetTo {
    Value(u16),
    /// Its output tells.
    Reading(AskId),
}

/// A tracked value.
#[derive(Clone, Debug)]
pub(super) struct Track {
    /// The recipe whose gear it is; `None`: this recipe's, or one of `tracks`.
    pub(super) home: Option<String>,
    pub(super) name: String,
    pub(super) values: Vec<String>,
}

/// What `allow_failure` takes.
pub(super) fn forgiven_kinds(allow: AllowFailure) -> KindSet {
    match allow {
        AllowFailure::No => KindSet::NONE,
        AllowFailure::All => KindSet::ALL
            .without(ErrorKind::Cancelled)
            .without(ErrorKind::Loop),
        AllowFailure::Kinds(kinds) => kinds.without(ErrorKind::Cancelled),
    }
}

impl Chart {
    /// The stage's name.
    pub fn stage(&self) -> &str {
        &self.stage
    }

    /// The stage itself, as a state.
    pub fn root(&self) -> StateId {
        StateId(0)
    }

    /// All states: the stage's, then those of each procedure that it reaches.
    pub fn states(&self) -> impl Iterator<Item = StateId> + use<> {
        (0..u32::try_from(self.graph.node_count()).unwrap_or(u32::MAX)).map(StateId)
    }

    /// All steps.
    pub fn steps(&self) -> impl Iterator<Item = StepId> + use<> {
        (0..u32::try_from(self.steps.len()).unwrap_or(u32::MAX)).map(StepId)
    }

    /// All questions that the machine may ask.
    pub fn asks(&self) -> impl Iterator<Item = AskId> + use<> {
        (0..u32::try_from(self.asks.len()).unwrap_or(u32::MAX)).map(AskId)
    }

    pub(super) fn node(&self, state: StateId) -> &Node {
        &self.graph[NodeIndex::new(state.0 as usize)]
    }

    pub(super) fn step_node(&self, step: StepId) -> &StepNode {
        &self.steps[step.0 as usize]
    }

    /// The state as it was loaded.
    pub fn state(&self, id: StateId) -> &Arc<State> {
        &self.node(id).state
    }

    /// The step as it was loaded.
    pub fn step(&self, id: StepId) -> &Arc<Step> {
        &self.step_node(id).step
    }

    /// What is asked for.
    pub fn ask(&self, id: AskId) -> Ask {
        self.asks[id.0 as usize]
    }

    /// A state's path in its stage or procedure: `/`, `/outer/a`, `reboot`, `reboot/cycle`.
    pub fn path(&self, state: StateId) -> &str {
        &self.node(state).path
    }

    /// A state's own name; the stage's or procedure's for its root.
    pub fn name(&self, state: StateId) -> &str {
        &self.node(state).state.name.value
    }

    /// A step's name.
    pub fn step_name(&self, step: StepId) -> StepName<'_> {
        let node = self.step_node(step);
        StepName {
            path: self.path(node.owner),
            list: node.list,
            index: node.index,
        }
    }

    /// The state that a step belongs to.
    pub fn owner(&self, step: StepId) -> StateId {
        self.step_node(step).owner
    }

    /// The list that a step stands in, and its place there.
    pub fn position(&self, step: StepId) -> (List, u32) {
        let node = self.step_node(step);
        (node.list, node.index)
    }

    /// The steps of one list of a state; none where it has no such list.
    pub fn steps_of(&self, state: StateId, list: List) -> impl Iterator<Item = StepId> + use<> {
        self.range(state, list).map(StepId)
    }

    pub(super) fn range(&self, state: StateId, list: List) -> Range<u32> {
        let node = self.node(state);
        match (list, node.kind) {
            (List::Enter, Kind::Scope) | (List::Do, Kind::Leaf) => node.first.clone(),
            (List::Exit, _) => node.exit.clone(),
            (List::Between, _) => node.between.clone(),
            (List::Enter | List::Do, _) => 0..0,
        }
    }

    /// The scope around a state; none around a stage or procedure.
    pub fn parent(&self, state: StateId) -> Option<StateId> {
        self.node(state).parent
    }

    /// The state itself and the scopes around it, innermost first, to the stage's or procedure's root.
    pub fn chain(&self, state: StateId) -> impl Iterator<Item = StateId> {
        std::iter::successors(Some(state), |&at| self.parent(at))
    }

    /// The states right inside a scope, in the order of the file.
    pub fn children(&self, state: StateId) -> impl Iterator<Item = StateId> + use<> {
        self.node(state).children.clone().map(StateId)
    }

    /// Whether a state is a scope: it owes exit steps once entered.
    pub fn is_scope(&self, state: StateId) -> bool {
        self.node(state).kind == Kind::Scope
    }

    /// The key in [`crate::recipe::model::Recipe::procedures`] of the procedure that a state belongs to;
    /// `None`: the stage.
    pub fn procedure(&self, state: StateId) -> Option<&str> {
        let home = self.node(state).procedure.as_ref()?;
        Some(&home.procedure)
    }

    /// The imported recipe whose inputs, hosts and gear a state uses; `None`: the running one.
    pub fn home(&self, state: StateId) -> Option<&str> {
        self.node(state).procedure.as_ref()?.recipe.as_deref()
    }

    /// The root of the procedure that a step calls.
    pub fn called(&self, step: StepId) -> Option<StateId> {
        self.step_node(step).call.map(|call| call.root)
    }

    /// Where a state leads: its `next` in order, then its `catch`.
    pub fn transitions(&self, state: StateId) -> impl Iterator<Item = (Transition, Target)> + '_ {
        let node = self.node(state);
        let next = (0..)
            .zip(&node.rows)
            .map(|(n, row)| (Transition::Next(n), row.to));
        let catch = node
            .catch
            .iter()
            .map(|row| (Transition::Catch(row.kind), row.to));
        next.chain(catch)
    }

    /// All tracked values: those of `tracks`, then gear.
    pub fn tracks(&self) -> impl Iterator<Item = TrackId> + use<> {
        (0..u16::try_from(self.tracks.len()).unwrap_or(u16::MAX)).map(TrackId)
    }

    /// A tracked value's name.
    pub fn track_name(&self, track: TrackId) -> &str {
        &self.tracks[usize::from(track.0)].name
    }

    /// What a tracked value can be; a known value is a place in this list.
    pub fn track_values(&self, track: TrackId) -> &[String] {
        &self.tracks[usize::from(track.0)].values
    }

    /// The tracked value of this name, as the states of `home` call it.
    pub fn track(&self, home: Option<&str>, name: &str) -> Option<TrackId> {
        let at = self
            .tracks
            .iter()
            .position(|track| track.name == name && track.home.as_deref() == home)
            .or_else(|| {
                self.tracks
                    .iter()
                    .position(|track| track.name == name && track.home.is_none())
            })?;
        u16::try_from(at).ok().map(TrackId)
    }

    /// Where a state's `catch` sends an error of this kind: an exact row goes before `any`.
    pub(super) fn caught(&self, state: StateId, kind: ErrorKind) -> Option<Target> {
        let rows = &self.node(state).catch;
        rows.iter()
            .find(|row| row.kind == Some(kind))
            .or_else(|| rows.iter().find(|row| row.kind.is_none()))
            .map(|row| row.to)
    }
}

/// Kinds that a `retry` without `errors` takes.
pub(super) const RETRIED: KindSet = KindSet::ALL
    .without(ErrorKind::Input)
    .without(ErrorKind::Cancelled);
