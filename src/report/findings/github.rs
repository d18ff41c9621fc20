//! Findings as GitHub's workflow commands: a line that the runner reads from a job's output.
//!
//! The form and its escapes are those of `@actions/core` (`command.ts`): in the message `%`, CR and LF
//! are written as `%25`, `%0D`, `%0A`; in properties `:` and `,` too.

use std::path::Path;

use super::place::Texts;
use super::{from_root, message_and_help};
use crate::diagnostic::{Finding, Findings, Severity, Sources};

pub(super) fn written(all: &[(&Sources, &Findings)], root: &Path) -> String {
    let mut lines = String::new();
    for (sources, findings) in all {
        let texts = Texts::new(sources);
        for finding in &findings.0 {
            lines.push_str(&command(&texts, finding, root));
            lines.push('\n');
        }
    }
    lines
}

fn command(texts: &Texts<'_>, finding: &Finding, root: &Path) -> String {
    let name = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let mut properties = String::new();
    if let Some(place) = finding.span.and_then(|span| texts.place(span)) {
        properties = format!(
            "file={},line={},endLine={},",
            property(&from_root(place.name, root)),
            place.start.line,
            place.end.line
        );
        // GitHub takes columns only within one line.
        if place.start.line == place.end.line {
            properties.push_str(&format!(
                "col={},endColumn={},",
                place.start.column, place.end.column
            ));
        }
    }
    let mut message = message_and_help(finding);
    for related in &finding.related {
        if let Some(place) = texts.place(related.span) {
            message.push_str(&format!(
                "\n{}: {}:{}",
                related.label, place.name, place.start.line
            ));
        }
    }
    format!(
        "::{name} {properties}title={}::{}",
        finding.code.number(),
        data(&message)
    )
}

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
