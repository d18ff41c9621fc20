//! Breadth first through all situations, each once: the first way to one is a shortest.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use super::walk::{Choice, Listener, Pending, Setting, Walk};
use super::watch::{Breach, Told};
use crate::machine::{Chart, Ending, Fact, StateId, StepId, TrackId, TrackValue, Transition};

/// Runs that wait to be gone on with; more are too many to hold.
const MOST_WAITING: usize = 200_000;

/// A situation in the order in which it was found; 0 is the beginning.
pub(super) type NodeId = u32;

/// Where something was seen first: in a situation, or on the way out of one by a choice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) node: NodeId,
    pub(super) choice: Option<Choice>,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    parent: NodeId,
    choice: Choice,
}

/// A way out of a situation.
#[derive(Clone, Copy, Debug)]
struct Edge {
    to: NodeId,
    /// How many kinds of error it stands for.
    kinds: u8,
}

/// A run's end, in a situation of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) node: NodeId,
    pub(super) ending: Ending,
    pub(super) computed: bool,
}

/// What was found.
pub(super) struct Search {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    /// By situation: where its edges begin.
    first_edge: Vec<u32>,
    pub(super) ends: Vec<End>,
    pub(super) seen: Discovered,
    /// Every situation was gone on with.
    pub(super) complete: bool,
}

/// What facts told on the way.
#[derive(Default)]
pub(super) struct Discovered {
    pub(super) transitions: HashSet<(StateId, Transition)>,
    /// By state.
    pub(super) entered: Vec<bool>,
    /// By step.
    pub(super) tried: Vec<bool>,
    pub(super) breaches: BTreeMap<Breach, Seen>,
    pub(super) unmet: Vec<(StepId, TrackId, TrackValue, Seen)>,
    pub(super) broken: Vec<(TrackId, TrackValue, bool, Seen)>,
}

/// Hears one run's facts.
struct Ear<'s> {
    chart: &'s Chart,
    seen: &'s mut Discovered,
    at: Seen,
    caught: Option<(StateId, Transition)>,
    broken: Option<(TrackId, TrackValue)>,
    ending: Option<Ending>,
}

impl Listener for Ear<'_> {
    fn hear(&mut self, fact: &Fact, row: Option<u32>) {
        match *fact {
            Fact::StateEntered { state, .. }
            | Fact::StateReached { state, .. }
            | Fact::StatePassed { state, .. } => {
                if let Some(entered) = self.seen.entered.get_mut(state.index()) {
                    *entered = true;
                }
            }
            Fact::TryStarted { step, .. } | Fact::CallEntered { step, .. } => {
                if let Some(tried) = self.seen.tried.get_mut(step.index()) {
                    *tried = true;
                }
            }
            Fact::Caught { state, kind } => {
                let mut rows = self.chart.transitions(state).map(|(row, _)| row);
                let exact = Transition::Catch(Some(kind));
                let row = if rows.any(|row| row == exact) {
                    exact
                } else {
                    Transition::Catch(None)
                };
                self.caught = Some((state, row));
            }
            Fact::Moved { from, .. } => {
                let caught = self.caught.take().filter(|(state, _)| *state == from);
                let row = caught.map(|(_, row)| row).or(row.map(Transition::Next));
                let row = row.or_else(|| unguarded(self.chart, from));
                if let Some(row) = row {
                    self.seen.transitions.insert((from, row));
                }
            }
            Fact::StageEnded { ending } => self.ending = Some(ending),
            _ => {}
        }
    }

    fn tell(&mut self, told: Told) {
        let at = self.at;
        match told {
            Told::Breach(breach) => {
                self.seen.breaches.entry(breach).or_insert(at);
            }
            Told::Unmet(step, track, value) => {
                let known = |(known, of, was, _): &(StepId, TrackId, TrackValue, Seen)| {
                    (*known, *of, *was) == (step, track, value)
                };
                if !self.seen.unmet.iter().any(known) {
                    self.seen.unmet.push((step, track, value, at));
                }
            }
            Told::Broken(track, value) => self.broken = Some((track, value)),
        }
    }
}

/// The row of `next` that is taken where no guard holds.
fn unguarded(chart: &Chart, state: StateId) -> Option<Transition> {
    let rows = &chart.state(state).next;
    let at = rows.iter().position(|row| row.when.is_none())?;
    u32::try_from(at).ok().map(Transition::Next)
}

impl Search {
    /// Explores until all is seen, or `most` situations are.
    pub(super) fn run(setting: &Setting, most: usize) -> Self {
        let mut search = Self {
            nodes: Vec::new(),
            edges: Vec::new(),
            first_edge: Vec::new(),
            ends: Vec::new(),
            seen: Discovered {
                entered: vec![false; setting.chart.states().count()],
                tried: vec![false; setting.chart.steps().count()],
                ..Discovered::default()
            },
            complete: true,
        };
        let most = most.min(u32::MAX as usize - 1);
        let mut known: Known = HashMap::default();
        let mut waiting: VecDeque<Walk> = VecDeque::new();
        let (mut facts, mut kinds, mut choices) = (Vec::new(), Vec::new(), Vec::new());

        let start = Seen {
            node: 0,
            choice: None,
        };
        let mut walk = search.listen(setting, start, |ear| setting.begin(&mut facts, ear));
        let key = setting.settle(&mut walk);
        search.arrive(&mut known, key, &walk, start);
        waiting.push_back(walk);

        // Situations wait in the order of their numbers; an end has none behind it.
        let mut at: NodeId = 0;
        while let Some(walk) = waiting.pop_front() {
            search.first_edge.push(length(search.edges.len()));
            setting.choices(&walk, &mut kinds, &mut choices);
            for &choice in &choices {
                let here = Seen {
                    node: at,
                    choice: Some(choice),
                };
                let mut next = walk.clone();
                search.listen(setting, here, |ear| {
                    setting.take(&mut next, choice, &mut facts, ear);
                });
                let key = setting.settle(&mut next);
                let (to, new) = search.arrive(&mut known, key, &next, here);
                search.edges.push(Edge {
                    to,
                    kinds: match choice {
                        Choice::Fails(kinds) => u8::try_from(kinds.count()).unwrap_or(u8::MAX),
                        _ => 1,
                    },
                });
                if new {
                    waiting.push_back(next);
                }
            }
            at += 1;
            if search.nodes.len() > most || waiting.len() > MOST_WAITING {
                search.complete = waiting.is_empty();
                break;
            }
        }
        search
    }

    /// Lets a run go on, and notes what its facts tell.
    fn listen<T>(&mut self, setting: &Setting, at: Seen, go: impl FnOnce(&mut Ear<'_>) -> T) -> T {
        let mut ear = Ear {
            chart: &setting.chart,
            seen: &mut self.seen,
            at,
            caught: None,
            broken: None,
            ending: None,
        };
        let gone = go(&mut ear);
        if let (Some((track, value)), Some(ending)) = (ear.broken, ear.ending) {
            // A success is a failure then, by this error of the stage.
            let of_success = ending.kind == Some(crate::recipe::ErrorKind::Mismatch)
                && ending.state == Some(setting.chart.root())
                && ending.step.is_none();
            let known =
                self.seen.broken.iter().any(|(of, was, success, _)| {
                    (*of, *was, *success) == (track, value, of_success)
                });
            if !known {
                self.seen.broken.push((track, value, of_success, at));
            }
        }
        gone
    }

    /// The situation's number, and whether it is new.
    fn arrive(&mut self, known: &mut Known, key: u128, walk: &Walk, from: Seen) -> (NodeId, bool) {
        match known.entry(key) {
            Entry::Occupied(known) => (*known.get(), false),
            Entry::Vacant(place) => {
                let id = length(self.nodes.len());
                place.insert(id);
                self.nodes.push(Node {
                    parent: from.node,
                    choice: from.choice.unwrap_or(Choice::GoesOn),
                });
                if let Pending::End(ending) = walk.pending {
                    self.ends.push(End {
                        node: id,
                        ending,
                        computed: walk.computed,
                    });
                }
                (id, true)
            }
        }
    }

    /// How many situations were found.
    pub(super) fn count(&self) -> usize {
        self.nodes.len()
    }

    /// The choices that lead to where something was seen.
    pub(super) fn way_to(&self, seen: Seen) -> Vec<Choice> {
        let mut way: Vec<Choice> = seen.choice.into_iter().collect();
        let mut at = seen.node;
        while at != 0 {
            let Some(node) = self.nodes.get(at as usize) else {
                break;
            };
            way.push(node.choice);
            at = node.parent;
        }
        way.reverse();
        way
    }

    /// By situation, how many ways lead to it; and one that is on a circle, where there is one.
    pub(super) fn ways(&self) -> (Vec<f64>, Option<NodeId>) {
        let mut missing = vec![0_u32; self.nodes.len()];
        for edge in &self.edges {
            if let Some(missing) = missing.get_mut(edge.to as usize) {
                *missing += 1;
            }
        }
        let mut ways = vec![0.0; self.nodes.len()];
        if let Some(first) = ways.first_mut() {
            *first = 1.0;
        }
        let mut ready: Vec<NodeId> = vec![0];
        while let Some(at) = ready.pop() {
            let here = ways.get(at as usize).copied().unwrap_or_default();
            for edge in self.edges_of(at) {
                if let Some(there) = ways.get_mut(edge.to as usize) {
                    *there += here * f64::from(edge.kinds);
                }
                if let Some(missing) = missing.get_mut(edge.to as usize) {
                    *missing = missing.saturating_sub(1);
                    if *missing == 0 {
                        ready.push(edge.to);
                    }
                }
            }
        }
        let circle = missing.iter().position(|missing| *missing > 0);
        (ways, circle.map(length))
    }

    fn edges_of(&self, node: NodeId) -> &[Edge] {
        let from = self.first_edge.get(node as usize);
        let to = self.first_edge.get(node as usize + 1).copied();
        let to = to.unwrap_or_else(|| length(self.edges.len()));
        from.and_then(|from| self.edges.get(*from as usize..to as usize))
            .unwrap_or_default()
    }
}

fn length(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

type Known = HashMap<u128, NodeId, BuildHasherDefault<Taken>>;

/// A fingerprint is a hash already.
#[derive(Default)]
struct Taken(u64);

impl Hasher for Taken {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "half of it is enough")]
    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}
