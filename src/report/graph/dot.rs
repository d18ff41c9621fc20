//! A graph for Graphviz: scopes as clusters.
//!
//! An edge of DOT joins two nodes. One that joins a scope goes to the mark of the scope's start, or
//! from that of its completion, and `lhead` and `ltail` cut it off at the cluster's border.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::card::{Card, Line, Span, cards};
use super::measure::{COLUMN, Font, shorten};
use super::model::{Edge, Goal, Graph, Kind, Why};
use super::svg::rescues;
use super::tooltip;
use super::xml::one_line;
use crate::recipe::model::EndKind;

/// The extent of an edge's label.
const LABEL_ROOM: i32 = 40 * COLUMN;

/// What every picture begins with.
const HEAD: &str = r##"  compound=true
  rankdir=TB
  fontname="monospace" fontsize=11
  node [shape=box style="rounded,filled" fillcolor="#f6f8fa" color="#8c959f" fontname="monospace" fontsize=11 margin="0.12,0.08"]
  edge [color="#57606a" fontcolor="#57606a" fontname="monospace" fontsize=10 arrowsize=0.7]
"##;

/// The colour of what a run took.
const TAKEN: &str = "#0969da";

/// The graph as a DOT file, which ends with a line break.
pub fn dot(graph: &Graph) -> String {
    let retries = graph.edges.iter().filter(|edge| edge.why == Why::Retry);
    let tries = retries
        .filter(|edge| graph.nodes[edge.from].kind == Kind::Scope)
        .map(|edge| (edge.from, edge.label.as_str()));
    let mut file = File {
        graph,
        cards: cards(graph),
        tries: tries.collect(),
        out: String::new(),
    };
    let title = format!("{}: stage {}", graph.recipe, graph.stage);
    let _ = writeln!(file.out, "digraph {} {{", quoted(&title));
    file.out.push_str(HEAD);
    for root in graph.roots() {
        file.state(root, 1);
    }
    for edge in &graph.edges {
        file.edge(edge);
    }
    file.calls();
    file.out.push_str("}\n");
    file.out
}

struct File<'g> {
    graph: &'g Graph,
    cards: Vec<Card>,
    /// The tries of scopes: a line from a cluster to itself would lie on its border.
    tries: BTreeMap<usize, &'g str>,
    out: String,
}

impl File<'_> {
    /// Writes a state and what is in it. A recipe's scopes nest to a bounded depth.
    fn state(&mut self, at: usize, depth: usize) {
        let node = &self.graph.nodes[at];
        let indent = "  ".repeat(depth);
        let tip = escaped(&tooltip::node(self.graph, at), "\\n");
        if node.kind != Kind::Scope {
            let label = self.label(at);
            let look = self.look(at);
            let _ = writeln!(
                self.out,
                r#"{indent}{} [label="{label}" tooltip="{tip}"{look}]"#,
                quoted(&node.path)
            );
            return;
        }
        let _ = writeln!(self.out, "{indent}subgraph {} {{", cluster(&node.path));
        let label = self.label(at);
        let (color, width) = match (node.taken, node.recovery) {
            (1.., _) => (TAKEN, 2),
            (0, true) => ("#bf8700", 1),
            (0, false) => ("#afb8c1", 1),
        };
        let _ = writeln!(
            self.out,
            r#"{indent}  label="{label}" labeljust=l tooltip="{tip}" style=rounded color="{color}" penwidth={width}"#
        );
        let _ = writeln!(
            self.out,
            r##"{indent}  {} [shape=circle label="" width=0.12 style=filled fillcolor="#57606a" tooltip="start"]"##,
            mark(&node.path, "start")
        );
        for &child in &node.children {
            self.state(child, depth + 1);
        }
        if node.completes {
            let _ = writeln!(
                self.out,
                r##"{indent}  {} [shape=doublecircle label="" width=0.1 style=filled fillcolor="#57606a" tooltip="done"]"##,
                mark(&node.path, "done")
            );
        }
        let _ = writeln!(self.out, "{indent}}}");
    }

    /// The lines of a state's card, each ended by `\l`: set at the left.
    fn label(&self, at: usize) -> String {
        let card = &self.cards[at];
        let mut label = String::new();
        for line in card.head.iter().chain(&card.foot) {
            label.push_str(&escaped(&text_of(line), " "));
            label.push_str("\\l");
        }
        if let Some(tries) = self.tries.get(&at) {
            label.push_str(&escaped(tries, " "));
            label.push_str("\\l");
        }
        label
    }

    fn look(&self, at: usize) -> String {
        let node = &self.graph.nodes[at];
        let mut look = match node.kind {
            Kind::End(EndKind::Success) => r##" fillcolor="#dafbe1" color="#1a7f37""##,
            Kind::End(EndKind::Failure) => r##" fillcolor="#ffebe9" color="#cf222e""##,
            Kind::End(EndKind::Unrecoverable) => {
                r##" fillcolor="#a40e26" color="#82071e" fontcolor=white"##
            }
            _ if node.recovery => r##" fillcolor="#fff3d1" color="#bf8700""##,
            _ if node.fails => r##" fillcolor="#fff0ee" color="#cf222e""##,
            Kind::Choice => r##" style="filled,dashed""##,
            Kind::Leaf | Kind::Scope => "",
        }
        .to_owned();
        if node.taken > 0 {
            let _ = write!(look, r#" color="{TAKEN}" penwidth=2.5"#);
        }
        look
    }

    fn edge(&mut self, edge: &Edge) {
        let graph = self.graph;
        let from = &graph.nodes[edge.from];
        let scope = from.kind == Kind::Scope;
        if scope && edge.why == Why::Retry {
            return;
        }
        let tail = match (scope, edge.why) {
            (false, _) => quoted(&from.path),
            (true, Why::Next) if from.completes => mark(&from.path, "done"),
            (true, _) => mark(&from.path, "start"),
        };
        let mut more = String::new();
        if scope && edge.why != Why::Initial && edge.to != Goal::Node(edge.from) {
            let _ = write!(more, " ltail={}", cluster(&from.path));
        }
        let head = match edge.to {
            Goal::Done(of) => mark(&graph.nodes[of].path, "done"),
            Goal::Node(to) if graph.nodes[to].kind == Kind::Scope => {
                let path = &graph.nodes[to].path;
                if !graph.is_within(edge.from, to) {
                    let _ = write!(more, " lhead={}", cluster(path));
                }
                mark(path, "start")
            }
            Goal::Node(to) => quoted(&graph.nodes[to].path),
        };
        if let Goal::Node(to) = edge.to
            && to <= edge.from
        {
            more.push_str(" constraint=false");
        }
        more.push_str(match edge.why {
            Why::Initial | Why::Next => "",
            Why::Catch if rescues(graph, edge) => r##" color="#b07800" fontcolor="#8a5a00""##,
            Why::Catch => r##" color="#d1580d" fontcolor="#a3410a""##,
            Why::Retry => r##" color="#8250df" fontcolor="#7340c4" style=dashed"##,
        });
        let mut label = shorten(&one_line(&edge.label), LABEL_ROOM, Font::Mono);
        if edge.taken > 0 {
            let _ = write!(more, r#" color="{TAKEN}" penwidth=2.5"#);
        }
        if edge.taken > 1 {
            let _ = write!(label, " {}×", edge.taken);
        }
        let label = escaped(label.trim(), " ");
        let tip = escaped(&tooltip::edge(graph, edge), "\\n");
        let _ = writeln!(
            self.out,
            r#"  {tail} -> {head} [label="{label}" tooltip="{tip}"{more}]"#
        );
    }

    /// Dotted lines from each state to the procedures that it calls.
    fn calls(&mut self) {
        for node in &self.graph.nodes {
            let mut called: Vec<usize> = node.first.iter().filter_map(|step| step.calls).collect();
            called.sort_unstable();
            called.dedup();
            for root in called {
                let procedure = &self.graph.nodes[root];
                let tail = match node.kind {
                    Kind::Scope => mark(&node.path, "start"),
                    _ => quoted(&node.path),
                };
                let (head, cut) = match procedure.kind {
                    Kind::Scope => (
                        mark(&procedure.path, "start"),
                        format!(" lhead={}", cluster(&procedure.path)),
                    ),
                    _ => (quoted(&procedure.path), String::new()),
                };
                let _ = writeln!(
                    self.out,
                    r#"  {tail} -> {head} [label="call" style=dotted arrowhead=open{cut}]"#
                );
            }
        }
    }
}

fn text_of(line: &Line) -> String {
    let join = |spans: &[Span]| -> String { spans.iter().map(|span| span.text.as_str()).collect() };
    match line.right[..] {
        [] => join(&line.left),
        [..] => format!("{}   {}", join(&line.left), join(&line.right)),
    }
}

fn cluster(path: &str) -> String {
    quoted(&format!("cluster {path}"))
}

fn mark(path: &str, what: &str) -> String {
    quoted(&format!("{path} {what}"))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text, " "))
}

/// A text inside quotes; Graphviz reads a backslash and what follows as an escape, and `&` as the
/// beginning of an entity.
fn escaped(text: &str, line_break: &str) -> String {
    let mut safe = String::new();
    for c in text.chars() {
        match c {
            '"' => safe.push_str("\\\""),
            '\\' => safe.push_str("\\\\"),
            '&' => safe.push_str("&amp;"),
            '\n' => safe.push_str(line_break),
            c => safe.push(c),
        }
    }
    safe
}
