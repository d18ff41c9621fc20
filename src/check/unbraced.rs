//! Texts that were meant as templates, and are none: braces that are missing, or the shell's own.

use std::ops::Range;

use super::scope::Scope;
use super::sites::{Literal, Space};
use super::whole::Whole;
use crate::diagnostic::{Code, Finding, Findings};
use crate::recipe::template::{Expr, ROOTS};
use crate::recipe::yaml::place;

/// Looks at every text of a recipe that is taken as it is written.
pub(super) fn check(whole: &Whole<'_>, findings: &mut Findings) {
    let sites = &whole.sites;
    for literal in &sites.literals {
        let found = of_the_shell(literal.text).or_else(|| bare(literal, &sites.spaces));
        if let Some((range, inner)) = found {
            let span = place(
                &whole.recipe.sources,
                literal.span,
                literal.text,
                range.clone(),
            );
            findings.push(
                Finding::new(
                    Code::Unbraced,
                    span,
                    "this is taken as it stands: it is no template",
                )
                .help(if range.len() == literal.text.len() {
                    format!("write `\"{{{{ {inner} }}}}\"`")
                } else {
                    format!("write `{{{{ {inner} }}}}`")
                }),
            );
        }
    }
}

/// `${device.x}`, which no shell can have: where it is, and what stands in it.
fn of_the_shell(text: &str) -> Option<(Range<usize>, &str)> {
    for (open, _) in text.match_indices("${") {
        let close = open + text.get(open..)?.find('}')?;
        let inner = text.get(open + 2..close)?.trim();
        let is_path = inner
            .split_once('.')
            .is_some_and(|(root, rest)| ROOTS.contains(&root) && rest.split('.').all(is_name));
        if is_path {
            return Some((open..close + 1, inner));
        }
    }
    None
}

fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.bytes().all(is_part)
}

/// A whole text that is an expression over what the recipe declares; `job.json` is a file's name
/// unless there is such an input.
fn bare<'r>(literal: &Literal<'r>, spaces: &[Space<'_>]) -> Option<(Range<usize>, &'r str)> {
    let inner = literal.text.trim();
    let (root, _) = inner.split_once('.')?;
    if !ROOTS.contains(&root) {
        return None;
    }
    let reads = Expr::parse(inner, literal.span).ok()?.reads();
    let known = |path: &[String]| match path {
        [root, name, ..] => is_declared(root, name, &literal.scope, spaces),
        _ => false,
    };
    (!reads.is_empty() && reads.iter().all(|read| known(&read.path)))
        .then_some((0..literal.text.len(), inner))
}

fn is_declared(root: &str, name: &str, scope: &Scope<'_>, spaces: &[Space<'_>]) -> bool {
    let space = scope.space.and_then(|space| spaces.get(space));
    match root {
        "device" => scope.home.device.members.contains_key(name),
        "job" => scope.home.job.members.contains_key(name),
        "let" => scope.home.lets.contains_key(name),
        "vars" => space.is_some_and(|space| space.vars.contains_key(name)),
        "params" => space
            .and_then(|space| space.params)
            .is_some_and(|params| params.contains_key(name)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::example::told;

    #[track_caller]
    fn case(step: &str, expected: &[&str]) {
        let text = format!(
            "recipe: example
summary: X
device:
  s: {{ type: string, default: x }}
stages:
  provision:
    timeout: 1h
    vars: {{ n: 0 }}
    do:
      - log: \"{{{{ device.s }}}} {{{{ vars.n }}}}\"
      - {step}
"
        );
        assert_eq!(told(&text), expected, "{text}");
    }

    #[test]
    fn what_looks_like_a_template_is_one() {
        case("set: { n: \"{{ vars.n + 1 }}\" }", &[]);
        case("set: { n: vars.n + 1 }", &["TF0409 vars.n + 1"]);
        case("log: device.s", &["TF0409 device.s"]);
        case("run: \"x ${device.s}\"", &["TF0409 ${device.s}"]);
    }

    #[test]
    fn other_braces_and_names_of_files_are_left_alone() {
        case("run: \"awk '{ print $1 }' ${HOME}/x\"", &[]);
        case("run: [cat, device.img, job.json]", &[]);
        case("log: device.s is here", &[]);
    }
}
