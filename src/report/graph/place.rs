//! Where everything stands: one column of states on one vertical axis, in pixels.
//!
//! A scope's box holds its states in the order of the file. `next` to the state below runs straight
//! down the axis. Any other edge leaves its box sideways, runs up or down beside the column of the
//! scope that its target stands in, and comes in from the side: `next` at the right, `catch` and
//! `retry` at the left. Edges to one target share their vertical line. As nothing stands beside a
//! state, no line crosses a box.

use super::card::{self, Card, PORT_HEIGHT};
use super::model::{Goal, Graph, Why};
use super::tracks::{self, Side, Tracks, side};

/// Pixels between a box's upper or lower edge and its text.
const PAD: i32 = 8;
/// Pixels between two states, for the arrow.
const GAP: i32 = 24;
/// Pixels that the mark of a scope's start or completion takes.
const MARK: i32 = 14;
/// Pixels from a box's upper edge to where arrows come in from the side, and where a retry does.
const ENTRY: i32 = 17;
const RETRY_ENTRY: i32 = 27;
/// The radius of a start's mark, and the room around a completion's.
pub(super) const DOT: i32 = 5;
pub(super) const DONE: i32 = 9;
/// Pixels that a retry's loop takes beside its box.
const LOOP: i32 = 14;
/// Pixels of an edge that found no track.
const STUB: i32 = 16;
/// The least width of a picture: room for its title and legend.
pub(super) const LEAST_WIDTH: i32 = 420;
/// Pixels between two trees.
const BETWEEN: i32 = 32;

/// The places of all states and edges.
pub(super) struct Layout {
    pub(super) cards: Vec<Card>,
    pub(super) spots: Vec<Spot>,
    /// By edge.
    pub(super) routes: Vec<Route>,
    pub(super) axis: i32,
    pub(super) width: i32,
    pub(super) height: i32,
}

/// Where a state stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spot {
    pub(super) left: i32,
    pub(super) right: i32,
    pub(super) top: i32,
    pub(super) bottom: i32,
    /// Where its text begins, and where what stands below its states does.
    pub(super) head: i32,
    pub(super) foot: i32,
    /// Where its edges' rows begin.
    pub(super) ports: i32,
    /// The marks of a scope's start and completion, on the axis.
    pub(super) start: i32,
    pub(super) done: i32,
}

/// The way of an edge: corners of a line, the last at the arrow's tip.
#[derive(Clone, Debug, Default)]
pub(super) struct Route {
    pub(super) corners: Vec<(i32, i32)>,
}

/// Pixels at either side of the axis.
#[derive(Clone, Copy, Debug, Default)]
struct Reach {
    left: i32,
    right: i32,
}

impl Layout {
    /// Places a graph below `top` with `margin` around it.
    pub(super) fn new(graph: &Graph, top: i32, margin: i32) -> Self {
        let cards = card::cards(graph);
        let mut layout = Self {
            spots: vec![Spot::default(); cards.len()],
            cards,
            routes: Vec::new(),
            axis: 0,
            width: 0,
            height: 0,
        };
        layout.place_down(graph, top);
        let tracks = Tracks::new(graph, &layout);
        let columns = layout.place_across(graph, &tracks, margin);
        layout.routes = (0..graph.edges.len())
            .map(|edge| layout.route(graph, &tracks, &columns, edge))
            .collect();
        layout
    }

    /// Heights from the innermost states outward, then places from the outermost inward.
    fn place_down(&mut self, graph: &Graph, top: i32) {
        let mut heights = vec![0; graph.nodes.len()];
        for at in (0..graph.nodes.len()).rev() {
            // Places relative to the box's own upper edge, until the box has its place.
            let (card, node, spot) = (&self.cards[at], &graph.nodes[at], &mut self.spots[at]);
            spot.head = PAD;
            let mut y = PAD + card.head.iter().map(|line| line.height).sum::<i32>();
            if !node.children.is_empty() {
                y += MARK;
                spot.start = y - MARK / 2;
                for &child in &node.children {
                    y += GAP + heights[child];
                }
                if node.completes {
                    y += GAP + MARK;
                    spot.done = y - MARK / 2;
                }
                y += PAD;
            }
            spot.foot = y;
            y += card.foot.iter().map(|line| line.height).sum::<i32>();
            spot.ports = y;
            y += PORT_HEIGHT * i32::try_from(card.ports.len()).unwrap_or(0);
            heights[at] = y + PAD;
        }
        let mut y = top;
        for root in graph.roots().collect::<Vec<_>>() {
            self.spots[root].top = y;
            y += heights[root] + BETWEEN;
        }
        self.height = y - BETWEEN;
        for at in 0..graph.nodes.len() {
            let spot = &mut self.spots[at];
            let top = spot.top;
            spot.bottom = top + heights[at];
            for y in [
                &mut spot.head,
                &mut spot.foot,
                &mut spot.ports,
                &mut spot.start,
                &mut spot.done,
            ] {
                *y += top;
            }
            let mut y = spot.start + MARK / 2;
            for &child in &graph.nodes[at].children {
                self.spots[child].top = y + GAP;
                y += GAP + heights[child];
            }
        }
    }

    /// Widths from the innermost states outward; the axis is the same for all. Returns how far each
    /// scope's column of states reaches.
    fn place_across(&mut self, graph: &Graph, tracks: &Tracks, margin: i32) -> Vec<Reach> {
        let mut boxes = vec![Reach::default(); graph.nodes.len()];
        let mut columns = vec![Reach::default(); graph.nodes.len()];
        for at in (0..graph.nodes.len()).rev() {
            let half = self.cards[at].width / 2;
            let column = columns[at];
            let mut own = Reach {
                left: half,
                right: half,
            };
            if !graph.nodes[at].children.is_empty() {
                own.left = half.max(column.left + tracks.room(at, Side::Left));
                own.right = half.max(column.right + tracks.room(at, Side::Right));
            }
            boxes[at] = own;
            if let Some(scope) = graph.nodes[at].parent {
                let loops = if tracks.loops[at] { LOOP } else { 0 };
                let column = &mut columns[scope];
                column.left = column.left.max(own.left + loops);
                column.right = column.right.max(own.right);
            }
        }
        let roots = || graph.roots().map(|root| (boxes[root], tracks.loops[root]));
        let left = roots().map(|(own, loops)| own.left + if loops { LOOP } else { 0 });
        self.axis = margin + left.max().unwrap_or(0);
        self.width = self.axis + roots().map(|(own, _)| own.right).max().unwrap_or(0) + margin;
        if self.width < LEAST_WIDTH {
            self.axis += (LEAST_WIDTH - self.width) / 2;
            self.width = LEAST_WIDTH;
        }
        for (spot, own) in self.spots.iter_mut().zip(&boxes) {
            spot.left = self.axis - own.left;
            spot.right = self.axis + own.right;
        }
        columns
    }

    /// The height at which an edge leaves its box.
    pub(super) fn leaves(&self, graph: &Graph, tracks: &Tracks, edge: usize) -> i32 {
        let from = graph.edges[edge].from;
        match (graph.edges[edge].why, tracks.rows[edge]) {
            (Why::Initial, _) => self.spots[from].start,
            (_, Some(row)) => self.spots[from].ports + PORT_HEIGHT * row + PORT_HEIGHT / 2,
            (_, None) => self.spots[from].bottom,
        }
    }

    /// The height at which edges come to a goal from the side.
    pub(super) fn arrives(&self, goal: Goal) -> i32 {
        match goal {
            Goal::Node(node) => self.spots[node].top + ENTRY,
            Goal::Done(scope) => self.spots[scope].done,
        }
    }

    fn route(&self, graph: &Graph, tracks: &Tracks, columns: &[Reach], at: usize) -> Route {
        let edge = &graph.edges[at];
        let from = &self.spots[edge.from];
        let y = self.leaves(graph, tracks, at);
        if edge.straight {
            let (start, end) = match (edge.why, edge.to) {
                (Why::Initial, Goal::Node(to)) => (y + DOT, self.spots[to].top),
                (_, Goal::Node(to)) => (from.bottom, self.spots[to].top),
                (_, Goal::Done(scope)) => (from.bottom, self.spots[scope].done - DONE),
            };
            return Route {
                corners: vec![(self.axis, start), (self.axis, end)],
            };
        }
        if edge.why == Why::Retry {
            let (x, back) = (from.left - LOOP + 2, from.top + RETRY_ENTRY);
            return Route {
                corners: vec![(from.left, y), (x, y), (x, back), (from.left, back)],
            };
        }
        let side = side(edge.why);
        let away = if side == Side::Left { -1 } else { 1 };
        let start = match (edge.why, side) {
            (Why::Initial, _) => self.axis + DOT,
            (_, Side::Left) => from.left,
            (_, Side::Right) => from.right,
        };
        let track = tracks.of(graph, edge.to, side);
        let Some((scope, track)) = track else {
            return Route {
                corners: vec![(start, y), (start + away * STUB, y)],
            };
        };
        let (column, end) = match (side, edge.to) {
            (Side::Left, Goal::Node(to)) => (columns[scope].left, self.spots[to].left),
            (Side::Right, Goal::Node(to)) => (columns[scope].right, self.spots[to].right),
            (Side::Left, Goal::Done(_)) => (columns[scope].left, self.axis - DONE),
            (Side::Right, Goal::Done(_)) => (columns[scope].right, self.axis + DONE),
        };
        let x = self.axis + away * (column + tracks::distance(track));
        let arrives = self.arrives(edge.to);
        Route {
            corners: vec![(start, y), (x, y), (x, arrives), (end, arrives)],
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::graph::model::{Edge, Kind, Node};

    /// For each state whether it is inside the state before it, beside it, or so many scopes further
    /// out; for each edge where it starts, how far out its target is, which one, and why.
    fn graph(shape: &[u8], ways: &[(u16, u8, u16, u8)]) -> Graph {
        let mut parents: Vec<Option<usize>> = vec![None];
        for (at, step) in (1..).zip(shape) {
            let before = at - 1;
            let mut parent = match step {
                0..=2 => before,
                _ => parents[before].unwrap_or(0),
            };
            for _ in 4..*step {
                parent = parents[parent].unwrap_or(0);
            }
            parents.push(Some(parent));
        }
        let children = |scope| -> Vec<usize> {
            (0..parents.len())
                .filter(|&at| parents[at] == Some(scope))
                .collect()
        };
        let nodes: Vec<Node> = (0..parents.len())
            .map(|at| Node {
                path: format!("/{at}"),
                name: format!("s{at}"),
                parent: parents[at],
                children: children(at),
                kind: match children(at)[..] {
                    [] => Kind::Leaf,
                    [..] => Kind::Scope,
                },
                recovery: false,
                fails: false,
                summary: (at % 3 == 0).then(|| "A summary of some words".repeat(at % 7)),
                conditions: Vec::new(),
                bounds: Vec::new(),
                ending: None,
                first: Vec::new(),
                between: Vec::new(),
                exit: Vec::new(),
                completes: true,
                taken: 0,
            })
            .collect();
        let mut edges = Vec::new();
        for &(from, out, which, why) in ways {
            let from = usize::from(from) % nodes.len();
            let mut scope = nodes[from].parent;
            for _ in 0..out {
                scope = scope.and_then(|at| nodes[at].parent).or(scope);
            }
            let Some(scope) = scope else { continue };
            let beside = &nodes[scope].children;
            let why = [Why::Next, Why::Catch, Why::Retry][usize::from(why) % 3];
            let to = match (why, beside.get(usize::from(which) % (beside.len() + 1))) {
                (Why::Retry, _) => Goal::Node(from),
                (_, Some(&to)) => Goal::Node(to),
                (_, None) => Goal::Done(scope),
            };
            edges.push(Edge {
                from,
                to,
                why,
                label: "when".to_owned(),
                straight: false,
                taken: 0,
            });
        }
        edges.sort_by_key(|edge| edge.from);
        Graph {
            recipe: "example".to_owned(),
            summary: None,
            stage: "provision".to_owned(),
            nodes,
            edges,
            marked: false,
        }
    }

    fn graphs() -> impl Strategy<Value = Graph> {
        let shape = prop::collection::vec(0..8_u8, 1..40);
        let ways = prop::collection::vec((any::<u16>(), 0..3_u8, any::<u16>(), 0..3_u8), 0..60);
        (shape, ways).prop_map(|(shape, ways)| graph(&shape, &ways))
    }

    fn crosses((from, to): ((i32, i32), (i32, i32)), spot: &Spot) -> bool {
        let (left, right) = (from.0.min(to.0), from.0.max(to.0));
        let (top, bottom) = (from.1.min(to.1), from.1.max(to.1));
        right > spot.left && left < spot.right && bottom > spot.top && top < spot.bottom
    }

    proptest! {
        #[test]
        fn no_line_crosses_a_box_but_those_that_it_leaves(graph in graphs()) {
            let layout = Layout::new(&graph, 0, 10);
            for (edge, route) in graph.edges.iter().zip(&layout.routes) {
                for ends in route.corners.windows(2) {
                    prop_assert!(ends[0].0 == ends[1].0 || ends[0].1 == ends[1].1);
                    for (at, spot) in layout.spots.iter().enumerate() {
                        let around = at != edge.from && graph.is_within(edge.from, at);
                        let crossed = crosses((ends[0], ends[1]), spot);
                        prop_assert!(around || !crossed, "{edge:?} {ends:?} {at} {spot:?}");
                    }
                }
            }
        }

        #[test]
        fn boxes_are_inside_their_scopes_and_nowhere_else(graph in graphs()) {
            let layout = Layout::new(&graph, 0, 10);
            for (at, spot) in layout.spots.iter().enumerate() {
                prop_assert!(spot.left > 0 && spot.right < layout.width);
                prop_assert!(spot.bottom <= layout.height);
                prop_assert!(spot.right - spot.left >= layout.cards[at].width);
                if let Some(scope) = graph.nodes[at].parent {
                    let around = &layout.spots[scope];
                    prop_assert!(spot.left > around.left && spot.right < around.right);
                    prop_assert!(spot.top > around.top && spot.bottom < around.bottom);
                }
                for (other, beside) in layout.spots.iter().enumerate() {
                    let inside = graph.is_within(at, other) || graph.is_within(other, at);
                    let apart = beside.bottom <= spot.top || spot.bottom <= beside.top;
                    prop_assert!(inside || apart);
                }
            }
        }
    }
}
