//! `until` and `abort_when` read what the probe gives.

use super::scope::Text;
use super::whole::Whole;
use crate::diagnostic::{Code, Finding, Findings};
use crate::recipe::model::{Parse, Step, TreeKind};
use crate::recipe::reads;

/// Looks at every `wait`.
pub(super) fn check(whole: &Whole<'_>, findings: &mut Findings) {
    for unit in whole.units.iter().filter(|unit| unit.home().is_none()) {
        for placed in &unit.outline.states {
            for step in reads::steps(placed.state).filter(|step| step.action.name == "wait") {
                unparsed(whole, step, findings);
            }
        }
    }
    let after = whole.recipe.blame.values();
    for step in after.filter(|step| step.action.name == "wait") {
        unparsed(whole, step, findings);
    }
}

/// A parsed field of an answer that nobody parses.
fn unparsed(whole: &Whole<'_>, step: &Step, findings: &mut Findings) {
    let (parse, place) = match step.inner.last() {
        Some(last) if matches!(last.action.name, "run" | "read" | "http") => {
            (last.parse, "on the last of its `steps`")
        }
        Some(_) => return,
        None => (step.parse, "beside `wait`"),
    };
    let parse = parse.unwrap_or_default();
    for key in ["until", "abort_when"] {
        let Some(TreeKind::Deferred(expr)) = step.params.get(key).map(|tree| &tree.kind) else {
            continue;
        };
        for read in expr.reads() {
            let [root, field, ..] = read.path.as_slice() else {
                continue;
            };
            let is_there = match field.as_str() {
                "json" => matches!(parse, Parse::Json),
                "lines" => matches!(parse, Parse::Lines),
                _ => true,
            };
            if root == "result" && !is_there {
                let span = Text::Expr(expr).place(&whole.recipe.sources, read.range.clone());
                findings.push(
                    Finding::new(
                        Code::UnknownName,
                        span,
                        format!("`result` has no `{field}`"),
                    )
                    .help(format!("it is there with `parse: {field}` {place}")),
                );
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::example::of_stage;

    #[track_caller]
    fn case(wait: &str, expected: &[&str]) {
        let text = format!("    do:\n      - wait: {{ {wait}\n        timeout: 1m\n");
        assert_eq!(of_stage(&text), expected, "{text}");
    }

    #[test]
    fn what_is_read_is_parsed() {
        let http = "http: \"http://a/\"";
        case(
            &format!("{http}, until: result.json.ready }}"),
            &["TF0403 result.json.ready"],
        );
        case(
            &format!("{http}, until: result.json.ready }}\n        parse: json"),
            &[],
        );
        case(&format!("{http}, until: result.status == 200 }}"), &[]);
        case(
            "steps: [ { run: x } ], until: result.lines }",
            &["TF0403 result.lines"],
        );
        case(
            "steps: [ { run: x, parse: lines } ], until: result.lines }",
            &[],
        );
    }
}
