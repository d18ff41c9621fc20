//! What a picture tells of a state or an edge when a reader points at it: all that was shortened.

use super::model::{Edge, Graph, Node, StepLine, Why};
use super::xml::lines;

/// Steps of one list, at most.
const STEPS: usize = 40;

pub(super) fn node(graph: &Graph, at: usize) -> String {
    let node = &graph.nodes[at];
    let mut text = match node.parent {
        Some(_) => node.path.clone(),
        None => graph.heading(at),
    };
    let mut add = |line: String| {
        text.push('\n');
        text.push_str(&lines(&line));
    };
    if let Some(summary) = &node.summary {
        add(summary.clone());
    }
    for line in node
        .conditions
        .iter()
        .chain(&node.bounds)
        .chain(&node.ending)
    {
        add(line.clone());
    }
    if node.recovery {
        add("recovery: an error here ends in 46, unless it is caught".to_owned());
    }
    for line in steps(node) {
        add(line);
    }
    if graph.marked {
        add(match node.taken {
            0 => "not entered".to_owned(),
            1 => "entered once".to_owned(),
            times => format!("entered {times} times"),
        });
    }
    text
}

fn steps(node: &Node) -> Vec<String> {
    let first = if node.children.is_empty() {
        "do"
    } else {
        "enter"
    };
    let lists: [(&str, &[StepLine]); 3] = [
        (first, &node.first),
        ("between tries", &node.between),
        ("exit", &node.exit),
    ];
    let mut told = Vec::new();
    for (list, steps) in lists {
        told.extend(
            steps
                .iter()
                .take(STEPS)
                .map(|step| format!("{list}: {}", step.long)),
        );
        if steps.len() > STEPS {
            told.push(format!("{list}: {} more", steps.len() - STEPS));
        }
    }
    told
}

pub(super) fn edge(graph: &Graph, edge: &Edge) -> String {
    let from = &graph.nodes[edge.from].name;
    let to = graph.goal_name(edge.to);
    let mut text = match edge.why {
        Why::Initial => format!("{from} begins with {to}"),
        Why::Next => format!("{from} → {to}"),
        Why::Catch => format!("{from} → {to}, catch"),
        Why::Retry => format!("{from} again"),
    };
    if !edge.label.is_empty() {
        text.push_str(": ");
        text.push_str(&lines(&edge.label));
    }
    if graph.marked {
        text.push_str(&match edge.taken {
            0 => "\nnot taken".to_owned(),
            1 => "\ntaken once".to_owned(),
            times => format!("\ntaken {times} times"),
        });
    }
    text
}
