//! Findings as JSON lines.

use serde_json::{Value, json};

use super::place::{Place, Texts};
use crate::diagnostic::{Finding, Findings, Sources};

/// Longer lines are left out: job data are often one line of any length.
const LONGEST_LINE: usize = 1000;

pub(super) fn written(all: &[(&Sources, &Findings)]) -> String {
    let mut lines = String::new();
    for (sources, findings) in all {
        let texts = Texts::new(sources);
        for finding in &findings.0 {
            lines.push_str(&object(&texts, finding).to_string());
            lines.push('\n');
        }
    }
    lines
}

fn object(texts: &Texts<'_>, finding: &Finding) -> Value {
    let related: Vec<Value> = finding
        .related
        .iter()
        .map(|related| {
            json!({
                "label": related.label,
                "place": texts.place(related.span).as_ref().map(place),
            })
        })
        .collect();
    json!({
        "code": finding.code.number(),
        "severity": finding.severity.name(),
        "message": finding.message,
        "help": finding.help,
        "label": finding.label,
        "place": finding.span.and_then(|span| texts.place(span)).as_ref().map(place),
        "related": related,
    })
}

fn place(place: &Place<'_>) -> Value {
    json!({
        "file": place.name,
        "line": place.start.line,
        "column": place.start.column,
        "end_line": place.end.line,
        "end_column": place.end.column,
        "start_byte": place.bytes.start,
        "end_byte": place.bytes.end,
        "source": (place.line.len() <= LONGEST_LINE).then_some(place.line),
    })
}
