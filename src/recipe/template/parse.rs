//! Checking texts when they are loaded, and what they read.

use std::ops::Range;

use super::survey::{Compared, Survey};
use super::{Expr, Problem, Read, Style, Template, Use, shell, syntax};
use crate::diagnostic::{Code, Span};

/// What a template or an expression reads and uses.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Analysis {
    /// The names read, in the order of the text; names that the template itself gives (`for`, `set`)
    /// are not among them.
    pub reads: Vec<Read>,
    /// The filters.
    pub filters: Vec<Use>,
    /// The functions; what they are called with is under `reads`.
    pub functions: Vec<Use>,
    /// Names that are compared with a literal.
    pub comparisons: Vec<Compared>,
}

impl Expr {
    /// Checks an expression and keeps it.
    ///
    /// # Errors
    /// All that is wrong with it: braces, its syntax, unknown filters, tests and functions. Whether
    /// the names that it reads are there is not known here.
    pub fn parse(text: &str, span: Span) -> Result<Self, Vec<Problem>> {
        if let Some(inner) = braced(text) {
            return Err(vec![
                Problem::new(
                    Code::BracesInExpression,
                    inner.range,
                    "this is an expression already, without braces",
                )
                .help(match inner.expression {
                    Some(expression) => format!("write `{expression}`"),
                    None => "`~` joins texts: `'a' ~ x`".into(),
                }),
            ]);
        }
        match syntax::expression(text) {
            Ok(_) => Ok(Self {
                text: text.into(),
                span,
            }),
            Err(problems) => Err(problems
                .into_iter()
                .map(|problem| foreign_operator(problem, text))
                .collect()),
        }
    }

    /// What it reads and uses; nothing if it was never parsed and is wrong.
    pub fn analyse(&self) -> Analysis {
        syntax::expression(&self.text)
            .map(|(_, survey)| survey.into())
            .unwrap_or_default()
    }

    /// The names that it reads.
    pub fn reads(&self) -> Vec<Read> {
        self.analyse().reads
    }
}

impl Template {
    /// Whether a text holds a template at all; if not, it is a literal.
    pub fn is_in(text: &str) -> bool {
        syntax::has_template(text)
    }

    /// Checks a text with templates and keeps it.
    ///
    /// # Errors
    /// All that is wrong with it: its syntax, unknown filters, tests and functions; with
    /// [`Style::Shell`] also values that stand where they can't be quoted. Whether the names that it
    /// reads are there is not known here.
    pub fn parse(text: &str, span: Span, style: Style) -> Result<Self, Vec<Problem>> {
        let (parsed, _) = syntax::template(text).map_err(|problems| {
            problems
                .into_iter()
                .map(|problem| foreign_operator(problem, text))
                .collect::<Vec<Problem>>()
        })?;
        if style == Style::Shell {
            let problems = shell::problems(&parsed);
            if !problems.is_empty() {
                return Err(problems);
            }
        }
        Ok(Self {
            text: text.into(),
            span,
            style,
        })
    }

    /// What it reads and uses; nothing if it was never parsed and is wrong.
    pub fn analyse(&self) -> Analysis {
        syntax::template(&self.text)
            .map(|(_, survey)| survey.into())
            .unwrap_or_default()
    }

    /// The names that it reads.
    pub fn reads(&self) -> Vec<Read> {
        self.analyse().reads
    }
}

impl From<Survey<'_>> for Analysis {
    fn from(survey: Survey<'_>) -> Self {
        Self {
            reads: survey.reads,
            filters: survey.filters,
            functions: survey.functions,
            comparisons: survey.comparisons,
        }
    }
}

struct Braced {
    range: Range<usize>,
    /// What is inside, where the braces are round the whole.
    expression: Option<String>,
}

/// The first `{{ … }}` of a text that should be an expression. (A map in a map begins with `{{` too,
/// but a map can't be a key.)
fn braced(text: &str) -> Option<Braced> {
    let start = text.find("{{").or_else(|| text.find("{%"))?;
    // Inside quotes it is text.
    if syntax::expression(text).is_ok() {
        return None;
    }
    let end = text[start..]
        .find("}}")
        .or_else(|| text[start..].find("%}"))
        .map_or(text.len(), |end| start + end + 2);
    let inside = text
        .trim()
        .strip_prefix("{{")
        .and_then(|rest| rest.strip_suffix("}}"))
        .map(|inside| inside.trim_matches('-').trim())
        .filter(|inside| !inside.contains("{{"));
    Some(Braced {
        range: start..end,
        expression: inside.map(str::to_owned),
    })
}

/// Adds what the language has in place of an operator of another language.
fn foreign_operator(mut problem: Problem, text: &str) -> Problem {
    const OPERATORS: &[(&str, &str)] = &[
        ("&&", "`and`"),
        ("||", "`or`"),
        ("===", "`==`"),
        ("!==", "`!=`"),
        ("?", "`a if condition else b`"),
        ("!", "`not`"),
        ("=", "`==` to compare"),
    ];
    if problem.help.is_some() || problem.code != Code::BadTemplate {
        return problem;
    }
    // The operator is at or right before the place where reading failed.
    let near = text
        .get(..problem.range.end.min(text.len()))
        .unwrap_or_default();
    let before = near.trim_end_matches(|c: char| c.is_alphanumeric() || " _'\"(".contains(c));
    let after = text.get(problem.range.start..).unwrap_or_default();
    let is_ours = ["==", "!=", "<=", ">="]
        .iter()
        .any(|own| (after.starts_with(own) && !after.starts_with("===")) || before.ends_with(own));
    problem.help = OPERATORS
        .iter()
        .filter(|_| !is_ours)
        .find(|(operator, _)| after.starts_with(operator) || before.ends_with(operator))
        .map(|(operator, ours)| format!("the language has no `{operator}`: write {ours}"));
    problem
}

#[cfg(test)]
mod tests {
    use super::super::{Expr, Style, Template};
    use crate::diagnostic::{Code, Span};

    fn expr(text: &str) -> Result<Expr, Vec<super::Problem>> {
        Expr::parse(text, Span::default())
    }

    #[test]
    fn problems_have_a_place_and_say_what_would_be_right() {
        #[track_caller]
        fn case(text: &str, code: Code, place: &str, message: &str, help: Option<&str>) {
            let problems = expr(text).err().unwrap_or_default();
            let [problem] = problems.as_slice() else {
                unreachable!("{text}: {problems:?}");
            };
            assert_eq!(
                (
                    problem.code,
                    &text[problem.range.clone()],
                    problem.message.as_str(),
                    problem.help.as_deref()
                ),
                (code, place, message, help),
                "{text}"
            );
        }
        case(
            "{{ device.ip }}",
            Code::BracesInExpression,
            "{{ device.ip }}",
            "this is an expression already, without braces",
            Some("write `device.ip`"),
        );
        case(
            "x == '{{' or {{ y }}",
            Code::BracesInExpression,
            "{{' or {{ y }}",
            "this is an expression already, without braces",
            Some("`~` joins texts: `'a' ~ x`"),
        );
        case(
            "job.url | basnaem",
            Code::UnknownFilter,
            "basnaem",
            "unknown filter `basnaem`",
            Some("did you mean `basename`?"),
        );
        case(
            "basename(job.url)",
            Code::UnknownFilter,
            "basename",
            "unknown function `basename`",
            Some("`basename` is a filter: write `value | basename`"),
        );
        case(
            "job.url is nonee",
            Code::UnknownFilter,
            "nonee",
            "unknown test `nonee`",
            Some("did you mean `none`?"),
        );
        case(
            "job.url.startswith('a')",
            Code::BadTemplate,
            "job.url.startswith('a')",
            "values have no methods such as `startswith()`",
            Some("write `value is startingwith('…')`"),
        );
        case(
            "a &&  b",
            Code::BadTemplate,
            "&",
            "unexpected character",
            Some("the language has no `&&`: write `and`"),
        );
        case(
            "a = 1",
            Code::BadTemplate,
            "=",
            "unexpected input after expression",
            Some("the language has no `=`: write `==` to compare"),
        );
        case(
            "a ==",
            Code::BadTemplate,
            "==",
            "unexpected end of input, expected expression",
            None,
        );
        case(
            "",
            Code::BadTemplate,
            "",
            "unexpected end of input, expected expression",
            None,
        );
    }

    #[test]
    fn all_unknown_filters_are_told_at_once() {
        let problems = Template::parse(
            "{{ a | one }} {{ b | two(c | three) }}",
            Span::default(),
            Style::Value,
        );
        assert_eq!(problems.err().map(|problems| problems.len()), Some(3));
    }

    #[test]
    fn reads_have_their_paths_places_and_roles() {
        let text = "{% for c in job.cmds %}{{ c.x ~ vars['up'].id | default('') }}{% endfor %}\
                    {{ let.a if device.b else gear.c.present }}{{ params[item] }}\
                    {{ error is defined }}{{ device.l[0].x == env.E }}{% set d = 1 %}{{ d }}";
        let reads = Template::parse(text, Span::default(), Style::Value)
            .map(|template| template.reads())
            .unwrap_or_default();
        let told: Vec<String> = reads
            .iter()
            .map(|read| {
                format!(
                    "{} `{}`{}{}{}",
                    read.path.join("/"),
                    &text[read.range.clone()],
                    if read.optional { " optional" } else { "" },
                    if read.control { " control" } else { "" },
                    match &read.computed {
                        Some(range) => format!(" by `{}`", &text[range.clone()]),
                        None => String::new(),
                    }
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                "job/cmds `job.cmds`",
                "vars/up/id `vars['up'].id` optional",
                "device/b `device.b` control",
                "let/a `let.a`",
                "gear/c/present `gear.c.present`",
                "item `item` control",
                "params `params[item]` by `item`",
                "error `error` optional control",
                "device/l/0/x `device.l[0].x` control",
                "env/E `env.E` control",
            ]
        );
    }
}
