//! Expectations of new scenarios, written from what happened, for the author to read.
//!
//! The file is edited as a text: everything that stands in it stays as it is.

use super::play::Played;
use super::suite::Suite;
use crate::recipe::duration;

/// A scenario file with expectations added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The whole file.
    pub text: String,
    /// The scenarios whose expectations were added.
    pub scenarios: Vec<String>,
    /// Those that are written on one line, where nothing can be added.
    pub left_out: Vec<String>,
}

/// Adds an `expect` to each of these scenarios that has none.
pub fn written<'p>(
    suite: &Suite,
    played: impl IntoIterator<Item = (&'p str, &'p Played)>,
) -> Written {
    let text = suite.text();
    let mut additions = Vec::new();
    let mut written = Written {
        text: text.to_owned(),
        scenarios: Vec::new(),
        left_out: Vec::new(),
    };
    for (name, played) in played {
        let Some(scenario) = suite.scenario(name).filter(|it| it.expect.is_none()) else {
            continue;
        };
        let (start, end) = (scenario.span.start as usize, scenario.span.end as usize);
        let line = text
            .get(..start)
            .map_or(0, |before| before.rfind('\n').map_or(0, |at| at + 1));
        let indent = text.get(line..start).unwrap_or_default();
        if !indent.chars().all(|c| c == ' ') {
            written.left_out.push(name.to_owned());
            continue;
        }
        let rest = text.get(end..).unwrap_or_default();
        let at = rest.find('\n').map_or(text.len(), |at| end + at + 1);
        // A block's place may end after the line ends that follow it.
        let at = match text.get(..end) {
            Some(before) if before.ends_with('\n') => {
                let written = before.trim_end().len();
                before[written..]
                    .find('\n')
                    .map_or(end, |at| written + at + 1)
            }
            _ => at,
        };
        additions.push((at.min(text.len()), expectations(played, indent)));
        written.scenarios.push(name.to_owned());
    }
    additions.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    for (at, mut addition) in additions {
        if !written.text[..at].ends_with('\n') {
            addition.insert(0, '\n');
        }
        written.text.insert_str(at, &addition);
    }
    written
}

/// `expect`, as a block of these lines.
fn expectations(played: &Played, indent: &str) -> String {
    let mut lines = vec!["expect:".to_owned(), format!("  exit: {}", played.exit)];
    if played.report.is_none() || played.exit != 0 {
        lines.push(format!("  reason: {}", scalar(&played.reason)));
    }
    if played.report.is_some() {
        lines.push(format!("  path: [{}]", played.path.join(", ")));
        if !played.commands.is_empty() {
            lines.push("  commands:".to_owned());
            lines.push("    exactly:".to_owned());
            for command in &played.commands {
                lines.push(format!("      - {}", scalar(command)));
            }
        }
        lines.push(format!("  duration: {}", duration::print(played.took)));
    }
    let lines: Vec<String> = lines
        .iter()
        .map(|line| format!("{indent}{line}\n"))
        .collect();
    lines.concat()
}

/// A text as YAML: bare where that can be read only one way.
fn scalar(text: &str) -> String {
    let text = text.trim_end();
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| !c.is_control())
        && !text.ends_with(':')
        && ![": ", " #", "{{", "{%", "{#"]
            .iter()
            .any(|part| text.contains(part))
        && !["true", "false", "null"].contains(&text.to_lowercase().as_str());
    if is_plain {
        return text.to_owned();
    }
    // Escapes of JSON are escapes of YAML.
    serde_json::Value::from(text).to_string()
}
