//! Templates and expressions: minijinja, strict.

use std::sync::Arc;

use super::Value;
use crate::diagnostic::Span;

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
    /// As text in which none, lists and maps are printed (`log`, `message`).
    Printed,
    /// Each value quoted for the shell as one word, a list as one word per element.
    Shell,
    /// A value after `?` is URL-encoded.
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
