//! The tracks beside the columns: which vertical lines there are, and where each runs.
//!
//! Edges to one target share a line, which spans from the outermost of their ends to the other.

use std::collections::BTreeMap;

use super::lanes;
use super::model::{Goal, Graph, Why};
use super::place::Layout;

/// Pixels from a column to its first track, from one to the next, and from the last to the scope's edge.
const FIRST_TRACK: i32 = 14;
const TRACK: i32 = 9;
const LAST_TRACK: i32 = 12;
/// Pixels between a column without tracks and the scope's edge.
const NO_TRACK: i32 = 16;
/// Which side of the column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    Left,
    Right,
}

/// Pixels from a column to a track beside it.
pub(super) fn distance(track: i32) -> i32 {
    FIRST_TRACK + TRACK * track
}

/// Errors leave and arrive at the left, everything else at the right.
pub(super) fn side(why: Why) -> Side {
    match why {
        Why::Initial | Why::Next => Side::Right,
        Why::Catch | Why::Retry => Side::Left,
    }
}

/// The tracks that edges take beside the columns.
pub(super) struct Tracks {
    /// By goal and side; none where there was no room.
    taken: BTreeMap<(Goal, Side), Option<i32>>,
    /// How many tracks each scope's column has at its left and its right.
    counts: Vec<(i32, i32)>,
    /// By edge: its row in its state's card.
    pub(super) rows: Vec<Option<i32>>,
    /// Whether a state has a retry, which loops beside its box.
    pub(super) loops: Vec<bool>,
}

impl Tracks {
    pub(super) fn new(graph: &Graph, layout: &Layout) -> Self {
        let mut tracks = Self {
            taken: BTreeMap::new(),
            counts: vec![(0, 0); graph.nodes.len()],
            rows: vec![None; graph.edges.len()],
            loops: vec![false; graph.nodes.len()],
        };
        for card in &layout.cards {
            for (row, port) in (0..).zip(&card.ports) {
                tracks.rows[port.edge] = Some(row);
            }
        }
        // The height that the edges to a goal span together.
        let mut spans: BTreeMap<(usize, Side), BTreeMap<Goal, (i32, i32)>> = BTreeMap::new();
        for (at, edge) in graph.edges.iter().enumerate() {
            if edge.why == Why::Retry {
                tracks.loops[edge.from] = true;
                continue;
            }
            let Some(scope) = graph.scope_of(edge.to).filter(|_| !edge.straight) else {
                continue;
            };
            let ends = (layout.leaves(graph, &tracks, at), layout.arrives(edge.to));
            let (top, bottom) = (ends.0.min(ends.1), ends.0.max(ends.1));
            let beside = spans.entry((scope, side(edge.why))).or_default();
            let span = beside.entry(edge.to).or_insert((top, bottom));
            *span = (span.0.min(top), span.1.max(bottom));
        }
        for ((scope, side), beside) in spans {
            let lines: Vec<(i32, i32)> = beside.values().copied().collect();
            let assigned = lanes::assign(&lines);
            let count = assigned.iter().flatten().max().map_or(0, |most| most + 1);
            match side {
                Side::Left => tracks.counts[scope].0 = count,
                Side::Right => tracks.counts[scope].1 = count,
            }
            let goals = beside.into_keys().map(|goal| (goal, side));
            tracks.taken.extend(goals.zip(assigned));
        }
        tracks
    }

    /// Pixels between a scope's column and its edge.
    pub(super) fn room(&self, scope: usize, side: Side) -> i32 {
        let (left, right) = self.counts[scope];
        match if side == Side::Left { left } else { right } {
            0 => NO_TRACK,
            tracks => distance(tracks - 1) + LAST_TRACK,
        }
    }

    /// The track of the edges to a goal, and the scope that it is in.
    pub(super) fn of(&self, graph: &Graph, goal: Goal, side: Side) -> Option<(usize, i32)> {
        let track = self.taken.get(&(goal, side)).copied().flatten()?;
        Some((graph.scope_of(goal)?, track))
    }
}
