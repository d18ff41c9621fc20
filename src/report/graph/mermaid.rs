//! A graph for pages that render Mermaid: a `stateDiagram-v2`, scopes as composite states.
//!
//! The stage's own states stand at the top level, each procedure is a composite state beside them.
//! Names of states get a prefix: Mermaid's words (`end`, `state`, `note`) would be read as such.

use std::fmt::Write as _;

use super::measure::{COLUMN, Font, shorten};
use super::model::{Edge, Goal, Graph, Kind, StepLine, Why};
use super::xml::one_line;
use crate::recipe::model::EndKind;

/// The extent of a label.
const LABEL_ROOM: i32 = 48 * COLUMN;

/// Colours that are readable on light and on dark pages.
const CLASSES: &str = "  classDef recovery fill:#fff3d1,stroke:#bf8700,color:#1f2328
  classDef fails fill:#ffebe9,stroke:#cf222e,color:#1f2328
  classDef success fill:#dafbe1,stroke:#1a7f37,color:#1f2328
  classDef unrecoverable fill:#a40e26,stroke:#82071e,color:#ffffff
  classDef taken stroke:#0969da,stroke-width:3px
";

/// The graph as a Mermaid file, which ends with a line break.
pub fn mermaid(graph: &Graph) -> String {
    let mut edges: Vec<Vec<&Edge>> = graph.nodes.iter().map(|_| Vec::new()).collect();
    for edge in &graph.edges {
        // An edge stands in the scope of both its ends: a state that is named first elsewhere would be
        // drawn there.
        let scope = match edge.why {
            Why::Initial => Some(edge.from),
            Why::Next | Why::Catch | Why::Retry => graph.scope_of(edge.to),
        };
        if let Some(scope) = scope {
            edges[scope].push(edge);
        }
    }
    let mut file = File {
        graph,
        edges,
        out: String::new(),
    };
    file.out.push_str("---\ntitle: ");
    let title = format!("{}: stage {}", graph.recipe, graph.stage);
    file.out
        .push_str(&serde_json::Value::from(title).to_string());
    file.out.push_str("\n---\nstateDiagram-v2\n");
    file.out.push_str(CLASSES);
    for root in graph.roots() {
        match graph.nodes[root].kind {
            Kind::Scope if root == 0 => file.inside(root, 1),
            _ => file.state(root, 1),
        }
    }
    file.calls();
    file.classes();
    file.out
}

struct File<'g> {
    graph: &'g Graph,
    /// By the scope that they are written in.
    edges: Vec<Vec<&'g Edge>>,
    out: String,
}

impl File<'_> {
    /// Writes a state and what is in it. A recipe's scopes nest to a bounded depth.
    fn state(&mut self, at: usize, depth: usize) {
        let node = &self.graph.nodes[at];
        let (indent, id) = ("  ".repeat(depth), self.id(at));
        let label = escaped(&self.label(at));
        let _ = writeln!(self.out, r#"{indent}state "{label}" as {id}"#);
        if node.kind == Kind::Scope {
            let _ = writeln!(self.out, "{indent}state {id} {{");
            self.inside(at, depth + 1);
            let _ = writeln!(self.out, "{indent}}}");
        }
    }

    fn inside(&mut self, scope: usize, depth: usize) {
        for &child in &self.graph.nodes[scope].children {
            self.state(child, depth);
        }
        let indent = "  ".repeat(depth);
        for edge in std::mem::take(&mut self.edges[scope]) {
            self.edge(edge, &indent);
        }
    }

    /// Name, conditions and bounds; of a scope the steps on its way in and out too.
    fn label(&self, at: usize) -> String {
        let node = &self.graph.nodes[at];
        let mut parts = vec![self.graph.heading(at)];
        parts.extend(node.conditions.iter().chain(&node.ending).cloned());
        parts.extend(node.bounds.iter().cloned());
        if node.recovery {
            parts.push("recovery".to_owned());
        }
        let mut list = |name: &str, steps: &[StepLine]| {
            if let [first, rest @ ..] = steps {
                let recovery = if first.recovery { ", recovery" } else { "" };
                let more = if rest.is_empty() { "" } else { ", …" };
                parts.push(format!("{name}: {}{recovery}{more}", first.text));
            }
        };
        if node.kind == Kind::Scope {
            list("enter", &node.first);
            list("exit", &node.exit);
        } else {
            list("do", &node.first);
        }
        let parts = parts
            .iter()
            .map(|part| shorten(&one_line(part), LABEL_ROOM, Font::Mono));
        // The title of a composite state has room for one line only.
        let between = if node.kind == Kind::Scope {
            " · "
        } else {
            "\n"
        };
        parts.collect::<Vec<_>>().join(between)
    }

    fn edge(&mut self, edge: &Edge, indent: &str) {
        let from = match edge.why {
            Why::Initial => "[*]".to_owned(),
            Why::Next | Why::Catch | Why::Retry => self.id(edge.from),
        };
        let to = match edge.to {
            Goal::Done(_) => "[*]".to_owned(),
            Goal::Node(to) => self.id(to),
        };
        let mut label = shorten(&one_line(&edge.label), LABEL_ROOM, Font::Mono);
        if edge.why == Why::Catch {
            label = format!("catch {label}");
        }
        if edge.taken > 0 {
            let _ = write!(label, " ({}×)", edge.taken);
        }
        let label = escaped(label.trim());
        let colon = if label.is_empty() { "" } else { ": " };
        let _ = writeln!(self.out, "{indent}{from} --> {to}{colon}{label}");
    }

    fn calls(&mut self) {
        for (at, node) in self.graph.nodes.iter().enumerate() {
            let mut called: Vec<usize> = node.first.iter().filter_map(|step| step.calls).collect();
            called.sort_unstable();
            called.dedup();
            // The stage is the page itself, and no state to draw a line from.
            for root in called
                .into_iter()
                .filter(|_| at != 0 || node.kind != Kind::Scope)
            {
                let _ = writeln!(self.out, "  {} --> {}: call", self.id(at), self.id(root));
            }
        }
    }

    /// Mermaid does not style composite states.
    fn classes(&mut self) {
        for (at, node) in self.graph.nodes.iter().enumerate() {
            let class = match node.kind {
                Kind::Scope => continue,
                Kind::End(EndKind::Success) => Some("success"),
                Kind::End(EndKind::Failure) => Some("fails"),
                Kind::End(EndKind::Unrecoverable) => Some("unrecoverable"),
                Kind::Leaf | Kind::Choice if node.recovery => Some("recovery"),
                Kind::Leaf | Kind::Choice if node.fails => Some("fails"),
                Kind::Leaf | Kind::Choice => None,
            };
            let taken = (node.taken > 0).then_some("taken");
            for class in class.into_iter().chain(taken) {
                let _ = writeln!(self.out, "  class {} {class}", self.id(at));
            }
        }
    }

    /// Names are unique in a stage; in a procedure paths are, whose slashes Mermaid takes.
    fn id(&self, at: usize) -> String {
        let node = &self.graph.nodes[at];
        if node.path.starts_with('/') {
            format!("s_{}", node.name)
        } else {
            format!("p_{}", node.path)
        }
    }
}

/// A text inside quotes, or after a colon: what Mermaid or Markdown could read as its own goes as a
/// character code.
fn escaped(text: &str) -> String {
    let mut safe = String::new();
    for c in text.chars() {
        match c {
            '\n' => safe.push_str("<br/>"),
            '"' | '#' | ';' | '<' | '>' | '&' | ':' | '{' | '}' | '\\' | '`' | '*' | '_' | '%'
            | '[' | ']' | '(' | ')' | '~' | '$' => {
                let _ = write!(safe, "#{};", u32::from(c));
            }
            c => safe.push(c),
        }
    }
    safe
}
