//! The picture itself: one SVG file that needs nothing else.
//!
//! Colours follow the reader's light or dark setting. Texts are texts, so that they can be selected,
//! searched and read out; a tooltip tells what was shortened. All numbers are whole pixels, and
//! nothing depends on the hour or on a hash, so the file can be committed and compared.

use std::fmt::Write as _;

use super::card::{Line, PAD, PORT_HEIGHT, Span};
use super::legend::Legend;
use super::measure::{Font, shorten, wrap};
use super::model::{Edge, Goal, Graph, Kind, Node, Why};
use super::place::{DOT, LEAST_WIDTH, Layout};
use super::xml::{escape, one_line};
use super::{stroke, tooltip};
use crate::diagnostic::plural;
use crate::recipe::model::EndKind;

/// Pixels around everything.
const MARGIN: i32 = 16;
/// The title's baseline, and the summary's first.
const TITLE: i32 = 32;
const SUMMARY: i32 = 50;
const SUMMARY_LINE: i32 = 16;
/// The extent of the summary's lines: what fits the narrowest picture.
const SUMMARY_ROOM: i32 = (LEAST_WIDTH - 2 * MARGIN) * 100 / 12;
/// The font size of the title.
const TITLE_SIZE: i32 = 17;
/// Pixels from a line's upper edge to its text's baseline, before its lower edge.
const DESCENT: i32 = 4;
/// What makes a text end where it is placed.
const END: &str = r#" text-anchor="end""#;

/// The graph as an SVG file, which ends with a line break.
pub fn svg(graph: &Graph) -> String {
    let summary = graph.summary.as_deref().map(one_line).unwrap_or_default();
    let summary = wrap(&summary, SUMMARY_ROOM, 2, Font::Prose);
    let below = SUMMARY + SUMMARY_LINE * i32::try_from(summary.len()).unwrap_or(0);
    let layout = Layout::new(graph, below, MARGIN);
    let legend = Legend::new(graph, layout.width - 2 * MARGIN);
    let height = layout.height + legend.height + MARGIN;
    let mut picture = Picture {
        graph,
        layout: &layout,
        out: String::new(),
    };
    picture.open(height);
    picture.title(&summary);
    for at in 0..graph.nodes.len() {
        picture.node(at);
    }
    // What a run took lies above what it did not.
    let mut edges: Vec<usize> = (0..graph.edges.len()).collect();
    edges.sort_by_key(|&at| graph.edges[at].taken > 0);
    for at in edges {
        picture.edge(at);
    }
    legend.write(&mut picture.out, MARGIN, layout.height);
    picture.out.push_str("</svg>\n");
    picture.out
}

struct Picture<'g> {
    graph: &'g Graph,
    layout: &'g Layout,
    out: String,
}

impl Picture<'_> {
    fn open(&mut self, height: i32) {
        let width = self.layout.width;
        // No path has two slashes.
        let id = self.id(0);
        let _ = writeln!(
            self.out,
            r#"<svg xmlns="http://www.w3.org/2000/svg" class="tfg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" aria-labelledby="{id}//title {id}//desc">"#
        );
        let title = format!("{}: stage {}", self.graph.recipe, self.graph.stage);
        self.element(&format!(r#"title id="{id}//title""#), &title);
        self.element(&format!(r#"desc id="{id}//desc""#), &self.description());
        self.out.push_str("<style>\n");
        self.out.push_str(include_str!("style.css"));
        self.out.push_str("</style>\n");
        let _ = writeln!(
            self.out,
            r#"<rect class="bg" width="{width}" height="{height}" rx="6"/>"#
        );
    }

    fn element(&mut self, tag: &str, text: &str) {
        let name = tag.split(' ').next().unwrap_or(tag);
        let _ = write!(self.out, "<{tag}>");
        escape(&mut self.out, text);
        let _ = writeln!(self.out, "</{name}>");
    }

    fn description(&self) -> String {
        let inside = |node: &&Node| node.parent.is_some();
        let states = self.graph.nodes.iter().filter(inside).count();
        let scopes = self.graph.nodes.iter().filter(inside);
        let scopes = scopes.filter(|node| node.kind == Kind::Scope).count();
        let procedures = self.graph.roots().count() - 1;
        let recovery = self.graph.nodes.iter().filter(|node| node.recovery).count();
        let mut text = format!(
            "A state diagram with {}, {} of them with states inside, and {}.",
            plural(states, "state"),
            scopes,
            plural(procedures, "procedure")
        );
        if recovery > 0 {
            let _ = write!(
                text,
                " An error that is not caught in {} ends in 46.",
                plural(recovery, "recovery state")
            );
        }
        text
    }

    /// What links to a state point at.
    fn id(&self, at: usize) -> String {
        let Graph { recipe, stage, .. } = self.graph;
        let path = &self.graph.nodes[at].path;
        let between = if path.starts_with('/') { "" } else { "." };
        let mut id = String::new();
        escape(&mut id, &format!("{recipe}.{stage}{between}{path}"));
        id
    }

    fn title(&mut self, summary: &[String]) {
        let room = (self.layout.width - 2 * MARGIN) * 100 / TITLE_SIZE;
        let title = format!("{} · {}", self.graph.recipe, self.graph.stage);
        self.text(MARGIN, TITLE, "h", &shorten(&title, room, Font::Mono));
        for (row, line) in (0..).zip(summary) {
            self.text(MARGIN, SUMMARY + SUMMARY_LINE * row, "h2", line);
        }
    }

    fn text(&mut self, x: i32, y: i32, class: &str, text: &str) {
        self.element(&format!(r#"text x="{x}" y="{y}" class="{class}""#), text);
    }

    fn node(&mut self, at: usize) {
        let (node, spot) = (&self.graph.nodes[at], self.layout.spots[at]);
        let mut class = match node.kind {
            Kind::Leaf => "leaf",
            Kind::Scope => "scope",
            Kind::Choice => "choice",
            Kind::End(EndKind::Success) => "end success",
            Kind::End(EndKind::Failure) => "end failure",
            Kind::End(EndKind::Unrecoverable) => "end unrecoverable",
        }
        .to_owned();
        let marks = [
            (node.parent.is_none(), " tree"),
            (node.fails, " fails"),
            (node.recovery, " recovery"),
            (node.taken > 0, " on"),
            (self.graph.marked && node.taken == 0, " off"),
        ];
        for (_, mark) in marks.iter().filter(|(holds, _)| *holds) {
            class.push_str(mark);
        }
        let _ = writeln!(self.out, r#"<g id="{}" class="{class}">"#, self.id(at));
        self.element("title", &tooltip::node(self.graph, at));
        let (width, height) = (spot.right - spot.left, spot.bottom - spot.top);
        let round = if matches!(node.kind, Kind::End(_)) {
            20
        } else {
            6
        };
        let _ = writeln!(
            self.out,
            r#"<rect class="b" x="{}" y="{}" width="{width}" height="{height}" rx="{round}"/>"#,
            spot.left, spot.top
        );
        if node.kind == Kind::Choice {
            let (x, y) = (spot.left + PAD, spot.head + 10);
            let _ = writeln!(
                self.out,
                r#"<path class="diamond" d="M{x} {y}l5 -5l5 5l-5 5z"/>"#
            );
        }
        let card = &self.layout.cards[at];
        self.lines(at, spot.head, &card.head);
        self.lines(at, spot.foot, &card.foot);
        let mut y = spot.ports;
        for port in &card.ports {
            y += PORT_HEIGHT;
            if port.left {
                self.spans(spot.left + PAD, y - DESCENT, "", &port.spans);
            } else {
                self.spans(spot.right - PAD, y - DESCENT, END, &port.spans);
            }
        }
        if node.kind == Kind::Scope {
            self.dots(at);
        }
        self.out.push_str("</g>\n");
    }

    fn lines(&mut self, at: usize, mut y: i32, lines: &[Line]) {
        let spot = &self.layout.spots[at];
        let inset = match self.graph.nodes[at].kind {
            Kind::End(_) => 2 * PAD,
            _ => PAD,
        };
        for line in lines {
            y += line.height;
            self.spans(spot.left + inset + line.indent, y - DESCENT, "", &line.left);
            self.spans(spot.right - inset, y - DESCENT, END, &line.right);
        }
    }

    fn spans(&mut self, x: i32, y: i32, more: &str, spans: &[Span]) {
        if spans.is_empty() {
            return;
        }
        let _ = write!(self.out, r#"<text x="{x}" y="{y}"{more}>"#);
        for span in spans {
            if let Some(to) = span.link {
                let _ = write!(self.out, r##"<a href="#{}">"##, self.id(to));
            }
            let _ = write!(self.out, r#"<tspan class="{}">"#, span.tone.class());
            escape(&mut self.out, &span.text);
            self.out.push_str("</tspan>");
            if span.link.is_some() {
                self.out.push_str("</a>");
            }
        }
        self.out.push_str("</text>\n");
    }

    /// Where a scope starts and where it is complete.
    fn dots(&mut self, at: usize) {
        let (x, spot) = (self.layout.axis, &self.layout.spots[at]);
        let _ = writeln!(
            self.out,
            r#"<circle class="dot" cx="{x}" cy="{}" r="{}"/>"#,
            spot.start,
            DOT - 1
        );
        if self.graph.nodes[at].completes {
            let _ = writeln!(
                self.out,
                r#"<circle class="ring" cx="{x}" cy="{y}" r="7"/><circle class="dot done" cx="{x}" cy="{y}" r="4"/>"#,
                y = spot.done
            );
        }
    }

    fn edge(&mut self, at: usize) {
        let edge = &self.graph.edges[at];
        let class = match edge.why {
            Why::Initial => "initial",
            Why::Next => "next",
            Why::Catch if rescues(self.graph, edge) => "catch rescue",
            Why::Catch => "catch",
            Why::Retry => "retry",
        };
        let mark = match (edge.taken, self.graph.marked) {
            (0, true) => " off",
            (0, false) => "",
            _ => " on",
        };
        let _ = writeln!(self.out, r#"<g class="e {class}{mark}">"#);
        self.element("title", &tooltip::edge(self.graph, edge));
        let corners = &self.layout.routes[at].corners;
        stroke::arrow(&mut self.out, corners);
        if let [(x, top), (_, bottom)] = corners[..]
            && edge.straight
            && edge.taken > 1
        {
            let y = (top + bottom) / 2 + DESCENT;
            self.text(x + 9, y, "on", &format!("{}×", edge.taken));
        }
        self.out.push_str("</g>\n");
    }
}

/// Whether an error is caught by a recovery state.
pub(super) fn rescues(graph: &Graph, edge: &Edge) -> bool {
    match edge.to {
        Goal::Node(to) => edge.why == Why::Catch && graph.nodes[to].recovery,
        Goal::Done(_) => false,
    }
}
