//! What is visible at a place of a recipe.

use std::ops::Range;

use crate::diagnostic::{Sources, Span};
use crate::recipe::model::{Host, Recipe};
use crate::recipe::template::{Analysis, Expr, ROOTS, Template};
use crate::recipe::yaml::place;

/// A set of the names in [`ROOTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Names(u16);

impl Names {
    /// In hosts, and the first values of `vars`.
    pub(super) const CONSTANTS: Self = Self::of(&["device", "job", "env", "run", "gear", "let"]);
    /// In gear and `let`.
    const BARE: Self = Self::of(&["device", "job", "env", "run", "let"]);
    pub(super) const STAGE: Self = Self::CONSTANTS.and(Self::of(&["vars", "error"]));
    pub(super) const PROCEDURE: Self = Self::STAGE.and(Self::of(&["params"]));

    /// Those of [`ROOTS`] among `names`.
    pub(super) const fn of(names: &[&str]) -> Self {
        let mut bits = 0;
        let mut n = 0;
        while n < names.len() {
            bits |= bit(names[n]);
            n += 1;
        }
        Self(bits)
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn contains(self, name: &str) -> bool {
        self.0 & bit(name) != 0
    }

    pub(super) fn iter(self) -> impl Iterator<Item = &'static str> {
        ROOTS
            .iter()
            .copied()
            .filter(move |root| self.contains(root))
    }
}

const fn bit(name: &str) -> u16 {
    let mut n = 0;
    while n < ROOTS.len() {
        if equal(ROOTS[n].as_bytes(), name.as_bytes()) {
            return 1 << n;
        }
        n += 1;
    }
    0
}

const fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut n = 0;
    while n < a.len() {
        if a[n] != b[n] {
            return false;
        }
        n += 1;
    }
    true
}

/// A text that is evaluated.
#[derive(Clone, Copy)]
pub(super) enum Text<'r> {
    Expr(&'r Expr),
    Template(&'r Template),
}

impl Text<'_> {
    pub(super) fn analyse(self) -> Analysis {
        match self {
            Text::Expr(expr) => expr.analyse(),
            Text::Template(template) => template.analyse(),
        }
    }

    /// The place in the file of a range of the text.
    pub(super) fn place(self, sources: &Sources, range: Range<usize>) -> Span {
        match self {
            Text::Expr(expr) => place(sources, expr.span, &expr.text, range),
            Text::Template(template) => place(sources, template.span, &template.text, range),
        }
    }
}

/// What is visible at a place.
#[derive(Clone, Copy)]
pub(super) struct Scope<'r> {
    /// The recipe whose inputs, constants, hosts and gear are seen.
    pub(super) home: &'r Recipe,
    pub(super) names: Names,
    /// Where it is, for messages: `in a stage`.
    pub(super) place: &'static str,
    /// Whose `vars` and `params` are seen: an index of `Sites::spaces`.
    pub(super) space: Option<usize>,
    /// What `item` is of: an index of `Sites::items`.
    pub(super) item: Option<usize>,
    /// The step's host.
    pub(super) host: Option<&'r str>,
}

impl<'r> Scope<'r> {
    pub(super) fn with(mut self, names: Names) -> Self {
        self.names = self.names.and(names);
        self
    }

    /// The host of the step, as declared.
    pub(super) fn host(&self) -> Option<&'r Host> {
        self.home.hosts.get(self.host?)
    }
}

/// A text and what it sees.
#[derive(Clone, Copy)]
pub(super) struct Site<'r> {
    pub(super) text: Text<'r>,
    pub(super) scope: Scope<'r>,
}

/// What is visible in gear and `let`.
pub(super) fn bare(home: &Recipe) -> Scope<'_> {
    Scope {
        home,
        names: Names::BARE,
        place: "here",
        space: None,
        item: None,
        host: None,
    }
}
