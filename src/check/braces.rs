//! A template with a brace too few: `{ vars.x }}` is plain text to the engine, and nobody sees that
//! before the board does.

use std::sync::LazyLock;

use regex_lite::Regex;

use super::whole::Whole;
use crate::diagnostic::{Code, Finding, Findings, SourceId, Span};
use crate::recipe::yaml::Comments;

/// One brace, a name of the language with a member, and braces at the end.
static LONELY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\{\s*(?:device|job|let|vars|params|env|run|gear|item|error|outcome|host|result)\.[a-z_][^{}\n]*\}+")
        .expect("a test matches with it")
});

/// Warns about each in the recipe's own text.
pub(super) fn check(whole: &Whole<'_>, findings: &mut Findings) {
    let sources = &whole.recipe.sources;
    let Some((source, file)) = sources.iter().next() else {
        return;
    };
    let mut comments = None;
    for found in LONELY.find_iter(&file.text) {
        let before = &file.text[..found.start()];
        // `${x.y}` is the shell's affair.
        if before.ends_with(['{', '$', '%', '#']) {
            continue;
        }
        let comments = comments.get_or_insert_with(|| Comments::of(sources, source).all);
        let inside = |comment: &crate::recipe::yaml::Comment| {
            (comment.span.start as usize..comment.span.end as usize).contains(&found.start())
        };
        if comments.iter().any(inside) {
            continue;
        }
        findings.push(lonely(source, found.start(), found.as_str()));
    }
}

fn lonely(source: SourceId, start: usize, text: &str) -> Finding {
    let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let span = Span {
        source,
        start: place(start),
        end: place(start + text.len()),
    };
    let name = text.trim_matches(['{', '}']).trim();
    Finding::new(
        Code::LonelyBrace,
        span,
        "one brace makes no template: this is sent as it stands",
    )
    .help(format!("write `{{{{ {name} }}}}`"))
}

#[cfg(test)]
mod tests {
    use crate::diagnostic::Code;
    use crate::recipe::library::Library;
    use crate::recipe::load::load_text;

    fn said(steps: &str) -> Vec<String> {
        let text = format!(
            "recipe: x\nsummary: X\nvars: {{ a: 1 }}\nstages:\n  provision:\n    timeout: 1m\n    do:\n{steps}      - log: \"{{{{ vars.a }}}}\"\n"
        );
        let loaded = load_text(&Library::default(), "x", &text);
        let found = loaded.recipe.map(|recipe| crate::check::check(&recipe));
        found
            .unwrap_or_default()
            .0
            .iter()
            .filter(|finding| finding.code == Code::LonelyBrace)
            .filter_map(|finding| Some(loaded.sources.text(finding.span?).to_owned()))
            .collect()
    }

    #[test]
    fn one_brace_is_told_and_look_alikes_are_not() {
        #[track_caller]
        fn case(steps: &str, expected: &[&str]) {
            assert_eq!(said(steps), expected, "{steps}");
        }
        case("      - log: \"{ vars.a }}\"\n", &["{ vars.a }}"]);
        case("      - log: \"is {vars.a}\"\n", &["{vars.a}"]);
        case(
            "      - log: \"{{ vars.a }} {% if vars.a %}b{% endif %}\"\n",
            &[],
        );
        case("      - log: a # { vars.a }}\n", &[]);
        case("      # { vars.a }}\n", &[]);
        case("      - run: \"echo ${HOME} ${run.x}\"\n", &[]);
        case("      - log: \"awk '{ print $1 }' {}\"\n", &[]);
    }
}
