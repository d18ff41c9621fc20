//! `# tf-engine: allow TF0305 because …`: a finding that somebody has thought about.
//!
//! Such a comment silences one code on one line: its own, or where it has a line to itself the next
//! one that holds more than a comment. On the line on which a text of several lines begins it
//! silences what is said anywhere in that text. What would refuse the recipe is never silenced.

use std::collections::BTreeMap;

use crate::diagnostic::{Code, Finding, Findings, Severity, SourceId, Sources, Span, nearest};
use crate::recipe::yaml::{Comment, Comments};

/// What begins such a comment.
const MARK: &str = "tf-engine";

/// How it is written.
const FORM: &str = "write `# tf-engine: allow CODE because REASON`";

/// A comment that silences a code.
struct Allow {
    /// The comment.
    span: Span,
    code: Code,
    /// Where the code is written.
    at: Span,
    has_reason: bool,
    silences: bool,
    /// It stands at an error.
    at_error: bool,
}

/// Takes away what comments allow, and complains about comments that don't do what they say.
///
/// A comment that silences nothing is complained about in the first text alone, the recipe's own: of
/// a parent not everything is used.
pub(super) fn apply(sources: &Sources, findings: &mut Findings) {
    let mut said = Findings::default();
    let mut allows: Vec<Allow> = Vec::new();
    // The ends of what each is about, and its place in `allows`, by where that begins.
    let mut about: BTreeMap<(SourceId, Code, usize), (usize, usize)> = BTreeMap::new();
    for (source, file) in sources.iter() {
        if !file.text.contains(MARK) {
            continue;
        }
        for comment in Comments::of(sources, source).all {
            match read(sources.text(comment.span), &comment) {
                Ok(None) => {}
                Ok(Some(allow)) => {
                    about
                        .entry((source, allow.code, comment.about.start))
                        .or_insert((comment.about.end, allows.len()));
                    allows.push(allow);
                }
                Err(finding) => said.push(*finding),
            }
        }
    }
    if allows.is_empty() && said.0.is_empty() {
        return;
    }
    findings.0.retain(|finding| {
        let Some(span) = finding.span else {
            return true;
        };
        let start = span.start as usize;
        let from = (span.source, finding.code, 0);
        let to = (span.source, finding.code, start);
        let allow = about
            .range(from..=to)
            .next_back()
            .filter(|(_, (end, _))| start < *end)
            .and_then(|(_, (_, n))| allows.get_mut(*n));
        let Some(allow) = allow else {
            return true;
        };
        if finding.severity == Severity::Error {
            allow.at_error = true;
            return true;
        }
        allow.silences = true;
        false
    });
    let is_whole = !findings.has_errors();
    let own = sources.iter().next().map(|(source, _)| source);
    for allow in allows {
        said.0.extend(complaint(&allow, is_whole, own));
    }
    findings.0.extend(said.0);
}

fn complaint(allow: &Allow, is_whole: bool, own: Option<SourceId>) -> Option<Finding> {
    let number = allow.code.number();
    if allow.at_error || !allow.silences && allow.code.severity() == Severity::Error {
        return Some(
            Finding::new(
                Code::AllowedError,
                allow.at,
                format!("`{number}` is an error and can't be allowed"),
            )
            .help("only warnings and notes can be: mend what it complains about"),
        );
    }
    if !allow.has_reason {
        return Some(
            Finding::new(
                Code::BadAllow,
                allow.span,
                format!("`{number}` is allowed without a reason"),
            )
            .help(format!("write `# tf-engine: allow {number} because …`")),
        );
    }
    // Where something is refused, not every lint has looked.
    let is_idle = !allow.silences && is_whole && own == Some(allow.span.source);
    is_idle.then(|| {
        Finding::new(
            Code::UnusedAllow,
            allow.span,
            format!("this silences nothing: there is no `{number}` here"),
        )
        .help(
            "remove it, or put it on the line that is underlined or on a line of its own before that",
        )
    })
}

/// Reads a comment; nothing if it is none of ours.
fn read(text: &str, comment: &Comment) -> Result<Option<Allow>, Box<Finding>> {
    let bad =
        |message: &str| Box::new(Finding::new(Code::BadAllow, comment.span, message).help(FORM));
    let Some(rest) = text.trim_start_matches('#').trim_start().strip_prefix(MARK) else {
        return Ok(None);
    };
    let Some(rest) = rest.strip_prefix(':') else {
        return match rest.trim_start().starts_with("allow TF") {
            true => Err(bad("a `:` is missing after `tf-engine`")),
            false => Ok(None),
        };
    };
    let Some(rest) = rest.trim_start().strip_prefix("allow") else {
        return Err(bad("`tf-engine:` in a comment goes on with `allow`"));
    };
    let written = rest.trim_start();
    let (word, reason) = written
        .split_once(char::is_whitespace)
        .unwrap_or((written, ""));
    if word.is_empty() || word == "because" {
        return Err(bad("this comment names no code"));
    }
    if word.contains(',') || reason.trim_start().starts_with("TF") {
        return Err(bad("one comment allows one code"));
    }
    let start = comment.span.start as usize + text.len() - written.len();
    let at = Span::new(comment.span.source, start, start + word.len());
    let known = || Code::ALL.iter().map(|code| code.number());
    let Some(code) = Code::ALL.iter().find(|code| code.number() == word) else {
        let similar = nearest(word, known());
        return Err(Box::new(
            Finding::new(Code::UnknownAllow, at, format!("there is no code `{word}`"))
                .help("`tf-engine explain --list` lists all codes")
                .suggest(similar),
        ));
    };
    let reason = reason.trim_start().strip_prefix("because").map(str::trim);
    Ok(Some(Allow {
        span: comment.span,
        code: *code,
        at,
        has_reason: reason.is_some_and(|reason| reason.chars().any(char::is_alphanumeric)),
        silences: false,
        at_error: false,
    }))
}

#[cfg(test)]
mod tests {
    use crate::check::check;
    use crate::recipe::library::Library;
    use crate::recipe::load::load_text;

    /// A recipe whose state `b` nothing leads to, which is TF0305 at `b`.
    fn said(before: &str, beside: &str) -> Vec<String> {
        let text = format!(
            "recipe: x\nsummary: X\nstages:\n  provision:\n    timeout: 1m\n    initial: a\n    states:\n      a: {{ do: [], next: done }}\n{before}      b: {{ do: [], next: done }}{beside}\n"
        );
        let loaded = load_text(&Library::default(), "x", &text);
        let recipe = loaded.recipe.expect("it is a recipe");
        check(&recipe)
            .0
            .iter()
            .map(|finding| {
                let at = finding.span.map_or("", |span| loaded.sources.text(span));
                format!("{} {at}", finding.code.number())
            })
            .collect()
    }

    #[test]
    fn one_code_is_silenced_on_one_line() {
        #[track_caller]
        fn case(before: &str, beside: &str, expected: &[&str]) {
            assert_eq!(said(before, beside), expected, "{before}{beside}");
        }
        case("", "", &["TF0305 b"]);
        case("", " # tf-engine: allow TF0305 because it comes later", &[]);
        case(
            "# tf-engine: allow TF0305 because it comes later\n",
            "",
            &[],
        );
        case(
            "# tf-engine: allow TF0305 because it comes later\n\n      # Another comment\n",
            "",
            &[],
        );
        // Words about the engine are no orders to it.
        case("# tf-engine knows this\n", "", &["TF0305 b"]);
        case(
            "",
            " # tf-engine: allow TF0305",
            &["TF0901 # tf-engine: allow TF0305"],
        );
        case(
            "",
            " # tf-engine: allow TF0305 because",
            &["TF0901 # tf-engine: allow TF0305 because"],
        );
        case(
            "",
            " # tf-engine: allow TF0305 it comes later",
            &["TF0901 # tf-engine: allow TF0305 it comes later"],
        );
        case(
            "",
            " # tf-engine: alow TF0305 because it comes later",
            &[
                "TF0305 b",
                "TF0901 # tf-engine: alow TF0305 because it comes later",
            ],
        );
        case(
            "",
            " # tf-engine allow TF0305 because it comes later",
            &[
                "TF0305 b",
                "TF0901 # tf-engine allow TF0305 because it comes later",
            ],
        );
        case(
            "",
            " # tf-engine: allow TF0305, TF0304 because of that",
            &[
                "TF0305 b",
                "TF0901 # tf-engine: allow TF0305, TF0304 because of that",
            ],
        );
        case(
            "",
            " # tf-engine: allow TF9305 because it comes later",
            &["TF0305 b", "TF0902 TF9305"],
        );
        // On another line, of another code, twice.
        case(
            "",
            "\n# tf-engine: allow TF0305 because it comes later",
            &[
                "TF0305 b",
                "TF0903 # tf-engine: allow TF0305 because it comes later",
            ],
        );
        case(
            "# tf-engine: allow TF0305 because it comes later\n",
            " # tf-engine: allow TF0305 because it comes later",
            &["TF0903 # tf-engine: allow TF0305 because it comes later"],
        );
        // What the machine can't run stays refused.
        case(
            "      c: { do: [], next: c } # tf-engine: allow TF0304 because the mux is slow\n",
            "",
            &["TF0304 c", "TF0904 TF0304"],
        );
    }
}
