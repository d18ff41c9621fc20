//! What is written in a state's box, and how much room it takes.

use super::measure::{COLUMN, Font, extent, pixels, shorten, wrap};
use super::model::{Goal, Graph, Kind, Node, StepLine, Why};
use super::xml::one_line;

/// The extent of a name, of a text in small print, of a target's name in a row.
const NAME_ROOM: i32 = 40 * COLUMN;
const SMALL_ROOM: i32 = 54 * COLUMN;
const TARGET_ROOM: i32 = 26 * COLUMN;
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
    pub(super) tone: Tone,
    pub(super) text: String,
    /// The state that it refers to.
    pub(super) link: Option<usize>,
}

/// What a text is, which decides how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Name,
    Summary,
    Step,
    /// The name of a list of steps.
    List,
    /// Bounds, arrows, asides.
    Aside,
    Guard,
    Target,
    Catch,
    Retry,
    Recovery,
    /// How often the marked run came here.
    Taken,
}

impl Tone {
    /// The class in the picture's style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Name => "n",
            Self::Summary => "p",
            Self::Step => "s",
            Self::List => "k",
            Self::Aside => "m",
            Self::Guard => "c",
            Self::Target => "t",
            Self::Catch => "ca",
            Self::Retry => "re",
            Self::Recovery => "rec",
            Self::Taken => "on",
        }
    }

    fn font(self) -> Font {
        match self {
            Self::Summary => Font::Prose,
            _ => Font::Mono,
        }
    }

    fn size(self) -> i32 {
        match self {
            Self::Name => NAME_SIZE,
            _ => SMALL_SIZE,
        }
    }
}

/// The row of an edge.
pub(super) struct Port {
    pub(super) edge: usize,
    pub(super) spans: Vec<Span>,
    /// Errors leave at the left, other edges at the right.
    pub(super) left: bool,
}

impl Span {
    fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self {
            tone,
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
        let right = match self.right[..] {
            [] => 0,
            [..] => APART + width(&self.right),
        };
        self.indent + width(&self.left) + right
    }
}

fn width(spans: &[Span]) -> i32 {
    let width = |span: &Span| pixels(extent(&span.text, span.tone.font()), span.tone.size());
    spans.iter().map(width).sum()
}

/// The card of every state.
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
        let lines = wrap(&one_line(summary), SMALL_ROOM, SUMMARY_LINES, Font::Prose);
        head.extend(
            lines
                .into_iter()
                .map(|line| Line::small(vec![Span::new(Tone::Summary, line)])),
        );
    }
    let conditions = node.conditions.iter().map(|text| (Tone::Guard, text));
    let ending = node.ending.iter().map(|text| (Tone::Step, text));
    for (tone, text) in conditions.chain(ending) {
        let text = shorten(&one_line(text), SMALL_ROOM, Font::Mono);
        head.push(Line::small(vec![Span::new(tone, text)]));
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
    let rows = ports.iter().map(|port| width(&port.spans));
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
        right.push(Span::new(Tone::Taken, format!("{}× here", node.taken)));
    }
    if node.recovery {
        right.push(Span::new(Tone::Recovery, "recovery"));
    }
    if !node.bounds.is_empty() {
        let bounds = shorten(&one_line(&node.bounds.join(", ")), TARGET_ROOM, Font::Mono);
        right.push(Span::new(Tone::Aside, bounds));
    }
    for at in (1..right.len()).rev() {
        right.insert(at, Span::new(Tone::Aside, " · "));
    }
    Line {
        left: vec![Span::new(
            Tone::Name,
            shorten(&graph.heading(at), NAME_ROOM, Font::Mono),
        )],
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
    let title = if list.is_empty() {
        String::new()
    } else {
        format!("{list} ")
    };
    let taken = extent(&title, Font::Mono);
    let indent = pixels(taken, SMALL_SIZE);
    let mut lines: Vec<Line> = steps[..shown]
        .iter()
        .map(|step| {
            let mut line = Line::small(self::step(step, SMALL_ROOM - taken));
            line.indent = indent;
            line
        })
        .collect();
    if steps.len() > shown {
        let more = format!("+ {} more steps", steps.len() - shown);
        let mut line = Line::small(vec![Span::new(Tone::Aside, more)]);
        line.indent = indent;
        lines.push(line);
    }
    if let Some(first) = lines.first_mut().filter(|_| !list.is_empty()) {
        first.left.insert(0, Span::new(Tone::List, title));
        first.indent = 0;
    }
    lines
}

/// A step in so much room; what is cut is never a modifier.
fn step(step: &StepLine, room: i32) -> Vec<Span> {
    let mut asides = Vec::new();
    if step.conditional {
        asides.push(Span::new(Tone::Aside, " (if…)"));
    }
    if let Some(tries) = &step.tries {
        asides.push(Span::new(Tone::Aside, format!(", {}", one_line(tries))));
    }
    if step.recovery {
        asides.push(Span::new(Tone::Aside, ", "));
        asides.push(Span::new(Tone::Recovery, "recovery"));
    }
    let taken: i32 = asides
        .iter()
        .map(|span| extent(&span.text, Font::Mono))
        .sum();
    let mut spans = vec![Span {
        tone: Tone::Step,
        text: shorten(&one_line(&step.text), room - taken, Font::Mono),
        link: step.calls,
    }];
    spans.append(&mut asides);
    spans
}

/// The row of an edge; what leads straight down without a condition needs none.
fn port(graph: &Graph, at: usize) -> Option<Port> {
    let edge = &graph.edges[at];
    if edge.why == Why::Initial || (edge.straight && edge.label.is_empty()) {
        return None;
    }
    let target = shorten(graph.goal_name(edge.to), TARGET_ROOM, Font::Mono);
    let room = SMALL_ROOM - extent(&target, Font::Mono) - 4 * COLUMN;
    let label = shorten(&one_line(&edge.label), room, Font::Mono);
    let tone = match edge.why {
        Why::Initial | Why::Next => Tone::Guard,
        Why::Catch => Tone::Catch,
        Why::Retry => Tone::Retry,
    };
    let mut spans = Vec::new();
    if !label.is_empty() {
        spans.push(Span::new(tone, label));
    }
    if edge.why != Why::Retry {
        let arrow = if edge.straight { " ↓ " } else { " → " };
        spans.push(Span::new(Tone::Aside, arrow));
        spans.push(Span {
            tone: Tone::Target,
            text: target,
            link: match edge.to {
                Goal::Node(node) => Some(node),
                Goal::Done(_) => None,
            },
        });
    }
    if edge.taken > 1 && !edge.straight {
        spans.push(Span::new(Tone::Taken, format!(" {}×", edge.taken)));
    }
    Some(Port {
        edge: at,
        spans,
        left: matches!(edge.why, Why::Catch | Why::Retry),
    })
}
