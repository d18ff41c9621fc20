//! From text to minijinja's parsed form, within bounds.
//!
//! minijinja's parser and compiler recurse over an expression without a bound in several places
//! (`not not …`, `- - …`, `a if b else …`, `elif` chains, and any long row of operators when it is
//! dropped), so the tokens are counted before anything is built.

use std::ops::Range;
use std::sync::LazyLock;

use minijinja::machinery::{self, Token, ast};
use minijinja::syntax::SyntaxConfig;

use super::survey::Survey;
use crate::diagnostic::Code;

/// The longest template, in bytes.
const MAX_TEXT: usize = 1 << 20;

/// The most tokens in one `{{ … }}`, one `{% … %}` or one bare expression.
const MAX_TOKENS: usize = 600;

/// The most `elif` in one template.
const MAX_ELIF: usize = 100;

/// Something wrong with a template or an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind of complaint.
    pub code: Code,
    /// Where, in bytes of the text that was parsed.
    pub range: Range<usize>,
    /// What is wrong: a lower-case fragment.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl Problem {
    pub(super) fn new(code: Code, range: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            code,
            range,
            message: message.into(),
            help: None,
        }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Nothing is trimmed: a template's last line keeps its end. `{#`, a comment in other uses of
/// minijinja, is plain text, because shells have `${#name}`; a comment has to have delimiters, so it
/// gets some that could begin nothing else.
pub(super) static SYNTAX: LazyLock<SyntaxConfig> = LazyLock::new(|| {
    SyntaxConfig::builder()
        .keep_trailing_newline(true)
        .comment_delimiters("{{#", "#}}")
        .build()
        // Only empty or equal delimiters are refused.
        .unwrap_or_default()
});

/// Whether anything in `text` is a template at all.
pub(super) fn has_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

/// The parsed template with what it reads, or all that is wrong with it.
pub(super) fn template(text: &str) -> Result<(ast::Stmt<'_>, Survey<'_>), Vec<Problem>> {
    bounded(text, false).map_err(|problem| vec![problem])?;
    let parsed = machinery::parse(text, "template", SYNTAX.clone())
        .map_err(|error| vec![problem(&error, text)])?;
    let survey = Survey::of_template(&parsed);
    checked(parsed, survey)
}

/// The parsed expression with what it reads, or all that is wrong with it.
pub(super) fn expression(text: &str) -> Result<(ast::Expr<'_>, Survey<'_>), Vec<Problem>> {
    bounded(text, true).map_err(|problem| vec![problem])?;
    let parsed = machinery::parse_expr(text).map_err(|error| vec![problem(&error, text)])?;
    let survey = Survey::of_expression(&parsed);
    checked(parsed, survey)
}

fn checked<'a, T>(parsed: T, mut survey: Survey<'a>) -> Result<(T, Survey<'a>), Vec<Problem>> {
    if survey.problems.is_empty() {
        Ok((parsed, survey))
    } else {
        Err(std::mem::take(&mut survey.problems))
    }
}

/// The expression of a template that is one whole `{{ … }}`: its bytes in the text.
pub(super) fn whole(parsed: &ast::Stmt<'_>) -> Option<Range<usize>> {
    let ast::Stmt::Template(template) = parsed else {
        return None;
    };
    match template.children.as_slice() {
        [ast::Stmt::EmitExpr(emit)] => Some(super::survey::range(emit.span())),
        _ => None,
    }
}

fn bounded(text: &str, is_expression: bool) -> Result<(), Problem> {
    if text.len() > MAX_TEXT {
        return Err(Problem::new(
            Code::BadTemplate,
            0..0,
            format!("a template is at most {MAX_TEXT} bytes long"),
        ));
    }
    let mut tokens = 0;
    let mut elifs = 0;
    for token in machinery::tokenize(text, is_expression, SYNTAX.clone()) {
        let (token, span) = token.map_err(|error| problem(&error, text))?;
        match token {
            Token::TemplateData(_) | Token::VariableStart | Token::BlockStart => tokens = 0,
            Token::Ident("elif") => elifs += 1,
            _ => tokens += 1,
        }
        if tokens > MAX_TOKENS {
            return Err(Problem::new(
                Code::BadTemplate,
                super::survey::range(span),
                format!("an expression has at most {MAX_TOKENS} words and signs"),
            )
            .help("`let` and `set` give names to its parts"));
        }
        if elifs > MAX_ELIF {
            return Err(Problem::new(
                Code::BadTemplate,
                super::survey::range(span),
                format!("a template has at most {MAX_ELIF} `elif`"),
            ));
        }
    }
    Ok(())
}

fn problem(error: &minijinja::Error, text: &str) -> Problem {
    let message = error
        .detail()
        .map_or_else(|| error.kind().to_string(), str::to_owned);
    let range = error.range().unwrap_or(0..text.len());
    let start = floor(text, range.start);
    let end = floor(text, range.end).max(start);
    Problem::new(Code::BadTemplate, start..end, message)
}

/// The last boundary of a character at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}
