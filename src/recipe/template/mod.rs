//! Templates and expressions: minijinja, strict, and cut down to what the language has.
//!
//! [`Expr`] and [`Template`] are plain data, a text and its place. A text is checked when the recipe
//! is loaded (`parse`, which tells every problem and its range) and compiled again each time it is
//! evaluated against a [`Context`]: compiling takes microseconds, and nothing has to be kept alive.
//! Texts that were never loaded (an asset rendered by `write`) meet the same limits when they are
//! evaluated.
//!
//! The bounds, so that no text can hold up or bring down a run: the length of a template, the
//! tokens of one expression (deep nesting would overflow the stack of whoever walks it), the work
//! of one evaluation ("fuel"), the size and depth of what it gives. There is no `include`, no macro
//! and no recursion.

use std::sync::Arc;

use super::Value;
use crate::diagnostic::Span;

mod context;
mod control_host;
mod convert;
mod environment;
mod evaluate;
mod filters;
mod firmware;
mod functions;
#[cfg(test)]
mod hostile;
mod legacy;
mod logic;
mod parse;
mod quote;
mod scan;
mod shell;
mod survey;
mod syntax;
mod tree;
mod version;

pub use context::{Assets, Context, ROOTS};
pub use environment::{FILTERS, FUNCTIONS, TESTS};
pub use evaluate::truth;
pub use logic::Logic;
pub use parse::Analysis;
pub use quote::{shell_word, url_encoded};
pub use shell::pipes;
pub use survey::{Compared, Read, Use};
pub use syntax::Problem;
pub use tree::Typed;

/// A bare expression, as in `when`. Plain data: it is compiled each time it is evaluated.
#[derive(Clone, Debug)]
pub struct Expr {
    /// The expression's text, without braces.
    pub text: Arc<str>,
    /// Where it stands.
    pub span: Span,
}

/// A text that holds templates.
#[derive(Clone, Debug)]
pub struct Template {
    /// The text, with its braces.
    pub text: Arc<str>,
    /// Where it stands.
    pub span: Span,
    /// What becomes of interpolated values.
    pub style: Style,
}

/// What becomes of the values in a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Style {
    /// One whole `{{ expr }}` keeps its type; else text, in which none, lists and maps are refused.
    Value,
    /// Always text; none, lists and maps are printed (`log`, `message`).
    Printed,
    /// Each value quoted for the shell as one word, a list as one word per element.
    Shell,
    /// A value after `?` is URL-encoded; else as [`Style::Value`].
    Url,
}

/// What a template or expression gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// The value.
    pub value: Value,
    /// Whether something secret went into it.
    pub secret: bool,
}

/// Why a template has no value: error kind `input`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RenderError {
    /// A sentence about the template, with what was missing or wrong.
    pub message: String,
    /// The place in the recipe.
    pub span: Span,
}
