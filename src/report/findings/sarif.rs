//! Findings as a SARIF 2.1.0 log, which code scanning services and editors read.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::place::{Place, Texts};
use super::{from_root, message_and_help};
use crate::diagnostic::{Code, Finding, Findings, Sources};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

pub(super) fn written(all: &[(&Sources, &Findings)], root: &Path) -> String {
    let codes: BTreeSet<Code> = all
        .iter()
        .flat_map(|(_, findings)| findings.0.iter().map(|finding| finding.code))
        .collect();
    let codes: Vec<Code> = codes.into_iter().collect();
    let mut results = Vec::new();
    for (sources, findings) in all {
        let log = Log {
            texts: Texts::new(sources),
            codes: &codes,
            root,
        };
        results.extend(findings.0.iter().map(|finding| log.result(finding)));
    }
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {
                "driver": {
                    "name": "tf-engine",
                    "semanticVersion": env!("CARGO_PKG_VERSION"),
                    "rules": codes.iter().copied().map(rule).collect::<Vec<_>>(),
                },
            },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{log:#}\n")
}

/// A code as SARIF describes a rule. Severities and SARIF's levels have the same names.
fn rule(code: Code) -> Value {
    let page = code.page();
    let first = page.split("\n\n").next().unwrap_or_default();
    json!({
        "id": code.number(),
        "name": format!("{code:?}"),
        "shortDescription": { "text": code.summary() },
        "fullDescription": { "text": first.split_whitespace().collect::<Vec<_>>().join(" ") },
        "help": { "text": page, "markdown": page },
        "defaultConfiguration": { "level": code.severity().name() },
    })
}

struct Log<'a> {
    texts: Texts<'a>,
    /// The rules of the log, in their order.
    codes: &'a [Code],
    root: &'a Path,
}

impl Log<'_> {
    fn result(&self, finding: &Finding) -> Value {
        let mut result = Map::new();
        result.insert("ruleId".into(), finding.code.number().into());
        if let Ok(index) = self.codes.binary_search(&finding.code) {
            result.insert("ruleIndex".into(), index.into());
        }
        result.insert("level".into(), finding.severity.name().into());
        result.insert("message".into(), message(&message_and_help(finding)));
        if let Some(place) = finding.span.and_then(|span| self.texts.place(span)) {
            let mut location = self.location(&place);
            if let Some(label) = &finding.label {
                location.insert("message".into(), message(label));
            }
            result.insert("locations".into(), json!([location]));
        }
        let related: Vec<Value> = finding
            .related
            .iter()
            .enumerate()
            .filter_map(|(n, related)| {
                let mut location = self.location(&self.texts.place(related.span)?);
                location.insert("id".into(), n.into());
                location.insert("message".into(), message(&related.label));
                Some(location.into())
            })
            .collect();
        if !related.is_empty() {
            result.insert("relatedLocations".into(), related.into());
        }
        result.into()
    }

    fn location(&self, place: &Place<'_>) -> Map<String, Value> {
        let physical = json!({
            "artifactLocation": { "uri": uri(&from_root(place.name, self.root)) },
            "region": {
                "startLine": place.start.line,
                "startColumn": place.start.column,
                "endLine": place.end.line,
                "endColumn": place.end.column,
            },
        });
        Map::from_iter([("physicalLocation".to_owned(), physical)])
    }
}

/// A message. Braces enclose placeholders there, so that literal ones are doubled (section 3.11.5 of
/// the standard).
fn message(text: &str) -> Value {
    json!({ "text": text.replace('{', "{{").replace('}', "}}") })
}

/// A file's name as a URI (RFC 3986), relative where the name is.
fn uri(name: &str) -> String {
    let mut uri = if name.starts_with('/') {
        "file://".to_owned()
    } else {
        String::new()
    };
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn a_name_becomes_a_uri() {
        assert_eq!(uri("recipes/pi 4.yaml"), "recipes/pi%204.yaml");
        assert_eq!(uri("c:x.yaml"), "c%3Ax.yaml");
        assert_eq!(uri("/srv/ü.yaml"), "file:///srv/%C3%BC.yaml");
    }
}
