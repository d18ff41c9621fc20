//! What every reader of a part of a recipe shares.

use indexmap::{IndexMap, IndexSet};

use crate::diagnostic::{Code, Finding, Findings, Sources, Span, nearest};
use crate::recipe::GearKind;
use crate::recipe::library::Library;
use crate::recipe::model::{Map, Needs};
use crate::recipe::yaml::{Key, Kind, Node};

/// After so many findings names are no longer looked up for similar ones: many names times many
/// mistakes take long, and nobody reads them.
pub(super) const MOST_SUGGESTED: usize = 200;

/// Names that steps refer to, gathered before any step is read.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) hosts: IndexSet<String>,
    pub(super) gear: IndexMap<String, GearKind>,
    pub(super) tracks: Map<Vec<String>>,
    pub(super) procedures: IndexSet<String>,
    /// `needs` by the action that they hold before.
    pub(super) rules: Vec<(String, Needs)>,
    /// Names of inputs with `max_items`, as paths (`device.disks`).
    pub(super) limited_lists: IndexSet<String>,
}

/// A call of another recipe's procedure.
#[derive(Clone, Debug)]
pub(super) struct Import {
    pub(super) recipe: String,
    pub(super) procedure: String,
    pub(super) span: Span,
}

/// Reads the parts of one recipe, and goes on after each complaint.
pub(super) struct Cx<'a> {
    pub(super) library: &'a Library,
    pub(super) sources: &'a Sources,
    pub(super) findings: &'a mut Findings,
    pub(super) names: &'a Names,
    /// The recipe's name where it is read for its procedures alone: they are called by
    /// `RECIPE.NAME`, also by each other.
    pub(super) prefix: Option<&'a str>,
    pub(super) imports: Vec<Import>,
}

impl Cx<'_> {
    pub(super) fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    pub(super) fn complain(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.push(Finding::new(code, span, message));
    }

    /// Complains that a value is of another type than its key takes.
    pub(super) fn wrong_type(&mut self, key: &str, node: &Node, must_be: &str) {
        let finding = Finding::new(
            Code::WrongType,
            node.span,
            format!("`{key}` must be {must_be}, not {}", node.what()),
        );
        self.push(finding);
    }

    /// Whether a node is a map; complains where it is not.
    pub(super) fn is_map(&mut self, key: &str, node: &Node) -> bool {
        let is_map = matches!(node.kind, Kind::Map(_));
        if !is_map {
            self.wrong_type(key, node, "a map");
        }
        is_map
    }

    /// Complains about each key of a map that is not among `known`. `elsewhere` says where a key
    /// that the language has belongs instead.
    pub(super) fn known_keys(
        &mut self,
        node: &Node,
        owner: &str,
        known: &[&str],
        elsewhere: impl Fn(&str) -> Option<String>,
    ) {
        for (key, value) in node.entries() {
            if known.contains(&key.name.as_str()) {
                continue;
            }
            if self.is_split_expression(node, key, value) {
                continue;
            }
            if let Some(help) = elsewhere(&key.name) {
                self.push(
                    Finding::new(
                        Code::Misplaced,
                        key.span,
                        format!("`{}` has no place in {owner}", key.name),
                    )
                    .help(help),
                );
                continue;
            }
            let similar = nearest(&key.name, known.iter().copied());
            let mut finding = Finding::new(
                Code::UnknownKey,
                key.span,
                format!("{owner} has no key `{}`", key.name),
            )
            .suggest(similar);
            if similar.is_none() {
                finding = finding.help(format!(
                    "its keys are {}",
                    crate::diagnostic::list(known.iter().copied(), "and")
                ));
            }
            self.push(finding);
        }
    }

    /// Complains about a key that is the rest of an expression: `{ when: x in range(0, 3), to: a }`
    /// has a key `3)` without a value.
    pub(super) fn is_split_expression(&mut self, map: &Node, key: &Key, value: &Node) -> bool {
        let is_split =
            value.is_null() && self.sources.text(map.span).starts_with('{') && !is_name(&key.name);
        if is_split {
            self.push(
                Finding::new(
                    Code::YamlTrap,
                    key.span,
                    "YAML split this expression at a comma",
                )
                .help("put it in quotes, or write one key per line"),
            );
        }
        is_split
    }

    /// A member that must be there and not be null. `span` is the place of what lacks it.
    pub(super) fn required<'n>(
        &mut self,
        node: &'n Node,
        key: &str,
        owner: &str,
        span: Span,
    ) -> Option<&'n Node> {
        match node.entry(key) {
            Some((_, value)) if !value.is_null() => Some(value),
            Some((key, _)) => {
                self.complain(
                    Code::MissingKey,
                    key.span,
                    format!("`{}` is empty", key.name),
                );
                None
            }
            None => {
                self.complain(
                    Code::MissingKey,
                    span,
                    format!("{owner} has no `{key}`, which it needs"),
                );
                None
            }
        }
    }

    /// Whether a name has the form of one; complains where it has not.
    pub(super) fn is_name(&mut self, name: &str, span: Span) -> bool {
        let fine = is_name(name);
        if !fine {
            self.push(
                Finding::new(Code::BadName, span, format!("`{name}` is no name"))
                    .help("a name is a lower-case letter, then letters, digits and `_`"),
            );
        }
        fine
    }

    /// Complains about a name that is not there.
    pub(super) fn unknown<'n>(
        &mut self,
        code: Code,
        span: Span,
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'n str> + Clone,
    ) {
        let mut finding = Finding::new(code, span, format!("there is no {what} `{name}`"));
        if self.findings.0.len() > MOST_SUGGESTED {
            self.push(finding);
            return;
        }
        let similar = nearest(name, known.clone());
        finding = finding.suggest(similar);
        if similar.is_none() {
            let all = crate::diagnostic::list(known, "and");
            finding = finding.help(if all.is_empty() {
                format!("the recipe has no {what} at all")
            } else {
                format!("there is {all}")
            });
        }
        self.push(finding);
    }
}

/// Whether a text has the form of a name: `[a-z][a-z0-9_]*`.
pub fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
