//! What is written in a state's box, and how much room it takes.

use super::measure::{columns, shorten, width, wrap};
use super::model::{Graph, Kind, Node, StepLine, Why};
use super::xml::one_line;

/// Columns of a name, of a text in small print, of a target's name in a row.
const NAME_COLUMNS: usize = 40;
const SMALL_COLUMNS: usize = 54;
const TARGET_COLUMNS: usize = 26;
/// Lines of a summary, and of a list of steps.
const SUMMARY_LINES: usize = 2;
const STEP_LINES: usize = 4;
/// Pixels between a box's edge and its text.
pub(super) const PAD: i32 = 12;
/// Font sizes: of names, and of all else.
const NAME_SIZE: i32 = 13;
const SMALL_SIZE: i32 = 11;
/// Pixels from one line to the next.
const NAME_HEIGHT: i32 = 19;
const SMALL_HEIGHT: i32 = 15;
pub(super) const PORT_HEIGHT: i32 = 16;
/// Pixels between the texts at the two ends of a line.
const APART: i32 = 16;
/// The least width of a box.
const LEAST_WIDTH: i32 = 128;
/// Pixels that the mark before a choice's name takes.
pub(super) const MARK: i32 = 15;

/// A state's texts.
pub(super) struct Card {
    /// Above what is inside: name, summary, conditions, `enter` or `do`.
    pub(super) head: Vec<Line>,
    /// Below it: `exit`.
    pub(super) foot: Vec<Line>,
    /// Its edges that need a row: each is a place where an edge leaves the box.
    pub(super) ports: Vec<Port>,
    /// Pixels that all of it takes, its edges' pads included; even.
    pub(super) width: i32,
}

/// One line of text.
pub(super) struct Line {
    pub(super) left: Vec<Span>,
    pub(super) right: Vec<Span>,
    pub(super) height: i32,
    /// Further in by so many pixels.
    pub(super) indent: i32,
}

/// Text in one style.
pub(super) struct Span {
    /// A class of the picture's style sheet.
    pub(super) class: &'static str,
    pub(super) text: String,
    /// The state that it refers to.
    pub(super) link: Option<usize>,
}

/// The row of an edge.
pub(super) struct Port {
    pub(super) edge: usize,
    pub(super) spans: Vec<Span>,
    /// Errors leave at the left, other edges at the right.
    pub(super) left: bool,
}

impl Span {
    fn new(class: &'static str, text: impl Into<String>) -> Self {
        Self {
            class,
            text: text.into(),
            link: None,
        }
    }
}

impl Line {
    fn small(left: Vec<Span>) -> Self {
        Self {
            left,
            right: Vec::new(),
            height: SMALL_HEIGHT,
            indent: 0,
        }
    }

    fn width(&self) -> i32 {
        let size = if self.height == NAME_HEIGHT {
            NAME_SIZE
        } else {
            SMALL_SIZE
        };
        let right = match self.right[..] {
            [] => 0,
            [..] => APART + spans_width(&self.right, SMALL_SIZE),
        };
        self.indent + spans_width(&self.left, size) + right
    }
}

fn spans_width(spans: &[Span], size: i32) -> i32 {
    width(spans.iter().map(|span| columns(&span.text)).sum(), size)
}

/// The card of every state; `edges` are the numbers of those that leave each.
pub(super) fn cards(graph: &Graph) -> Vec<Card> {
    let mut ports: Vec<Vec<Port>> = graph.nodes.iter().map(|_| Vec::new()).collect();
    for edge in 0..graph.edges.len() {
        if let Some(port) = port(graph, edge) {
            ports[graph.edges[edge].from].push(port);
        }
    }
    let nodes = graph.nodes.iter().enumerate().zip(ports);
    nodes
        .map(|((at, node), ports)| card(graph, at, node, ports))
        .collect()
}

fn card(graph: &Graph, at: usize, node: &Node, ports: Vec<Port>) -> Card {
    let mut head = vec![name(graph, at, node)];
    if let Some(summary) = &node.summary {
        let lines = wrap(&one_line(summary), SMALL_COLUMNS, SUMMARY_LINES);
        head.extend(
            lines
                .into_iter()
                .map(|line| Line::small(vec![Span::new("p", line)])),
        );
    }
    for condition in &node.conditions {
        let text = shorten(&one_line(condition), SMALL_COLUMNS);
        head.push(Line::small(vec![Span::new("c", text)]));
    }
    if let Some(ending) = &node.ending {
        let text = shorten(&one_line(ending), SMALL_COLUMNS);
        head.push(Line::small(vec![Span::new("c", text)]));
    }
    let list = if node.kind == Kind::Scope {
        "enter"
    } else {
        ""
    };
    head.extend(steps(list, &node.first));
    head.extend(steps("between tries", &node.between));
    let foot = steps("exit", &node.exit);
    let lines = head.iter().chain(&foot).map(Line::width);
    let rows = ports
        .iter()
        .map(|port| spans_width(&port.spans, SMALL_SIZE));
    let text = lines.chain(rows).max().unwrap_or(0);
    let round = if matches!(node.kind, Kind::End(_)) {
        2 * PAD
    } else {
        0
    };
    let width = (text + 2 * PAD + round).max(LEAST_WIDTH);
    Card {
        head,
        foot,
        ports,
        width: width + width % 2,
    }
}

fn name(graph: &Graph, at: usize, node: &Node) -> Line {
    let mut right = Vec::new();
    if node.taken > 1 {
        right.push(Span::new("on", format!("{}× here", node.taken)));
    }
    if node.recovery {
        right.push(Span::new("rec", "recovery"));
    }
    if !node.bounds.is_empty() {
        let bounds = shorten(&one_line(&node.bounds.join(", ")), TARGET_COLUMNS);
        right.push(Span::new("m", bounds));
    }
    for at in (1..right.len()).rev() {
        right.insert(at, Span::new("m", " · "));
    }
    Line {
        left: vec![Span::new("n", shorten(&graph.heading(at), NAME_COLUMNS))],
        right,
        height: NAME_HEIGHT,
        indent: if node.kind == Kind::Choice { MARK } else { 0 },
    }
}

/// One line for each step, the first after the list's name; of a long list the first ones.
fn steps(list: &'static str, steps: &[StepLine]) -> Vec<Line> {
    let shown = if steps.len() > STEP_LINES {
        STEP_LINES - 1
    } else {
        steps.len()
    };
    let indent = width(columns(list) + usize::from(!list.is_empty()), SMALL_SIZE);
    let room = SMALL_COLUMNS - columns(list);
    let mut lines: Vec<Line> = steps[..shown]
        .iter()
        .map(|step| {
            let mut line = Line::small(vec![Span {
                class: "s",
                text: shorten(&one_line(&step.text), room),
                link: step.calls,
            }]);
            line.indent = indent;
            line
        })
        .collect();
    if steps.len() > shown {
        let more = format!("+ {} more steps", steps.len() - shown);
        let mut line = Line::small(vec![Span::new("m", more)]);
        line.indent = indent;
        lines.push(line);
    }
    if let Some(first) = lines.first_mut().filter(|_| !list.is_empty()) {
        first.left.insert(0, Span::new("k", format!("{list} ")));
        first.indent = 0;
    }
    lines
}

/// The row of an edge; what leads straight down without a condition needs none.
fn port(graph: &Graph, at: usize) -> Option<Port> {
    let edge = &graph.edges[at];
    if edge.why == Why::Initial || (edge.straight && edge.label.is_empty()) {
        return None;
    }
    let target = shorten(graph.goal_name(edge.to), TARGET_COLUMNS);
    let room = SMALL_COLUMNS - columns(&target) - 4;
    let label = shorten(&one_line(&edge.label), room);
    let class = match edge.why {
        Why::Initial | Why::Next => "c",
        Why::Catch => "ca",
        Why::Retry => "re",
    };
    let mut spans = Vec::new();
    if !label.is_empty() {
        spans.push(Span::new(class, label));
    }
    if edge.why != Why::Retry {
        let arrow = if edge.straight { " ↓ " } else { " → " };
        spans.push(Span::new("m", arrow));
        spans.push(Span {
            class: "t",
            text: target,
            link: match edge.to {
                super::model::Goal::Node(node) => Some(node),
                super::model::Goal::Done(_) => None,
            },
        });
    }
    if edge.taken > 1 && !edge.straight {
        spans.push(Span::new("on", format!(" {}×", edge.taken)));
    }
    Some(Port {
        edge: at,
        spans,
        left: matches!(edge.why, Why::Catch | Why::Retry),
    })
}
