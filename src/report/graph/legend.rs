//! What the colours of a picture mean: only of those that are in it.

use std::fmt::Write as _;

use super::measure::{Font, extent, pixels};
use super::model::{Graph, Kind, Why};
use super::stroke;
use super::svg::rescues;
use crate::recipe::model::EndKind;

/// Pixels: of a sample, from it to its text, between two entries, of a row, above the first.
const SAMPLE: i32 = 24;
const SPACE: i32 = 7;
const APART: i32 = 18;
const ROW: i32 = 19;
const ABOVE: i32 = 18;
/// The font size.
const SIZE: i32 = 11;

/// The entries, placed.
pub(super) struct Legend {
    entries: Vec<(i32, i32, Entry)>,
    pub(super) height: i32,
}

#[derive(Clone, Copy)]
struct Entry {
    /// Classes of the style sheet.
    class: &'static str,
    line: bool,
    text: &'static str,
}

impl Legend {
    /// Entries side by side, in rows of at most `room` pixels.
    pub(super) fn new(graph: &Graph, room: i32) -> Self {
        let mut entries = Vec::new();
        let (mut x, mut y) = (0, ABOVE);
        for entry in entries_of(graph) {
            let wide = SAMPLE + SPACE + pixels(extent(entry.text, Font::Mono), SIZE);
            if x > 0 && x + wide > room {
                (x, y) = (0, y + ROW);
            }
            entries.push((x, y, entry));
            x += wide + APART;
        }
        let height = if entries.is_empty() { 0 } else { y + ROW };
        Self { entries, height }
    }

    pub(super) fn write(&self, out: &mut String, left: i32, top: i32) {
        for &(x, y, entry) in &self.entries {
            let (x, y) = (left + x, top + y);
            let _ = writeln!(out, r#"<g class="{}">"#, entry.class);
            if entry.line {
                stroke::arrow(out, &[(x, y + 6), (x + SAMPLE, y + 6)]);
            } else {
                let _ = writeln!(
                    out,
                    r#"<rect class="b" x="{x}" y="{y}" width="{SAMPLE}" height="12" rx="4"/>"#
                );
            }
            out.push_str("</g>\n");
            let _ = writeln!(
                out,
                r#"<text class="m" x="{}" y="{}">{}</text>"#,
                x + SAMPLE + SPACE,
                y + 10,
                entry.text
            );
        }
    }
}

fn entries_of(graph: &Graph) -> Vec<Entry> {
    let edge = |why: Why| graph.edges.iter().any(|edge| edge.why == why);
    let ends = |end| graph.nodes.iter().any(|node| node.kind == Kind::End(end));
    let rescue = |wanted| {
        let mut caught = graph.edges.iter().filter(|edge| edge.why == Why::Catch);
        caught.any(|edge| rescues(graph, edge) == wanted)
    };
    let line = |class, text| Entry {
        class,
        line: true,
        text,
    };
    let area = |class, text| Entry {
        class,
        line: false,
        text,
    };
    let all = [
        (edge(Why::Next), line("e next", "next")),
        (rescue(false), line("e catch", "catch")),
        (rescue(true), line("e catch rescue", "catch, to a recovery")),
        (edge(Why::Retry), line("e retry", "retry")),
        (
            graph.nodes.iter().any(|node| node.recovery),
            area("recovery", "recovery: its error ends in 46, unless caught"),
        ),
        (
            graph.nodes.iter().any(|node| node.fails),
            area("fails", "always fails"),
        ),
        (ends(EndKind::Success), area("success", "success")),
        (ends(EndKind::Failure), area("failure", "failure")),
        (
            ends(EndKind::Unrecoverable),
            area("unrecoverable", "unrecoverable: 46"),
        ),
        (graph.marked, line("e next on", "taken by this run")),
    ];
    let shown = all.into_iter().filter(|(shown, _)| *shown);
    shown.map(|(_, entry)| entry).collect()
}
