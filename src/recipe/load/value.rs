//! Single values: literals, expressions, templates, and trees of these.

use std::time::Duration;

use super::cx::Cx;
use crate::diagnostic::{Code, Finding, Span, Spanned, list, nearest};
use crate::recipe::model::{Map, Templated, Tree, TreeKind};
use crate::recipe::template::{Style, Template};
use crate::recipe::yaml::{Kind, Node};
use crate::recipe::{ErrorKind, Value, duration, size};

/// Whether a text holds a template.
pub(super) fn has_template(text: &str) -> bool {
    Template::is_in(text)
}

/// Whether a text is one whole `{{ expr }}`, which keeps its value's type.
pub(super) fn is_whole_template(text: &str) -> bool {
    let text = text.trim();
    text.starts_with("{{") && text.ends_with("}}") && text.matches("{{").count() == 1
}

impl Cx<'_> {
    /// A scalar as it was written: `0644` stays `0644`.
    pub(super) fn written(&self, node: &Node) -> String {
        match &node.kind {
            Kind::Str { text, .. } => text.clone(),
            Kind::Null => "null".to_owned(),
            _ => self.sources.text(node.span).to_owned(),
        }
    }

    /// A text without templates.
    pub(super) fn literal(&mut self, key: &str, node: &Node, must_be: &str) -> Option<String> {
        let Some(text) = node.text() else {
            self.wrong_type(key, node, must_be);
            return None;
        };
        if has_template(text) {
            self.push(
                Finding::new(
                    Code::NotLiteral,
                    node.span,
                    format!("`{key}` can't hold a template"),
                )
                .help(format!("`{key}` is fixed before a run: write {must_be}")),
            );
            return None;
        }
        Some(text.to_owned())
    }

    /// True or false, without templates.
    pub(super) fn boolean(&mut self, key: &str, node: &Node) -> Option<bool> {
        match &node.kind {
            Kind::Bool(value) => Some(*value),
            Kind::Str { text, .. } if has_template(text) => {
                self.literal(key, node, "`true` or `false`");
                None
            }
            _ => {
                self.wrong_type(key, node, "`true` or `false`");
                None
            }
        }
    }

    /// A whole number from `least` on, without templates.
    pub(super) fn count(&mut self, key: &str, node: &Node, least: u32) -> Option<u32> {
        let must_be = format!("a whole number, {least} or more");
        match &node.kind {
            Kind::Int(value) => match u32::try_from(*value) {
                Ok(value) if value >= least => Some(value),
                _ => {
                    self.complain(
                        Code::BadValue,
                        node.span,
                        format!("`{key}` must be {must_be}"),
                    );
                    None
                }
            },
            Kind::Str { text, .. } if has_template(text) => {
                self.literal(key, node, &must_be);
                None
            }
            _ => {
                self.wrong_type(key, node, &must_be);
                None
            }
        }
    }

    /// One of a set of words, without templates.
    pub(super) fn word<T: Copy>(
        &mut self,
        key: &str,
        node: &Node,
        words: &[(&str, T)],
    ) -> Option<T> {
        let all = list(words.iter().map(|(word, _)| *word), "or");
        let text = self.literal(key, node, &all)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            self.push(
                Finding::new(
                    Code::BadValue,
                    node.span,
                    format!("`{key}` must be {all}, not `{text}`"),
                )
                .suggest(nearest(&text, words.iter().map(|(word, _)| *word))),
            );
        }
        found.map(|(_, value)| *value)
    }

    /// A whole-value template in the place of a value of another type.
    fn stand_in(&mut self, key: &str, node: &Node, must_be: &str) -> Option<Option<Template>> {
        let Some(text) = node.text().filter(|text| has_template(text)) else {
            return Some(None);
        };
        if is_whole_template(text) {
            return Some(self.template(node, text, Style::Value));
        }
        self.push(
            Finding::new(
                Code::WrongType,
                node.span,
                format!("`{key}` must be {must_be}, not a text with a template in it"),
            )
            .help("one whole `{{ … }}` keeps its value's type"),
        );
        None
    }

    fn templated<T>(
        &mut self,
        key: &str,
        node: &Node,
        must_be: &str,
        literal: impl FnOnce(&mut Self, &Node) -> Option<T>,
    ) -> Option<Templated<T>> {
        match self.stand_in(key, node, must_be)? {
            Some(template) => Some(Templated::Template(template)),
            None => literal(self, node).map(Templated::Literal),
        }
    }

    /// A duration; more than nothing where `positive`.
    pub(super) fn duration(
        &mut self,
        key: &str,
        node: &Node,
        positive: bool,
    ) -> Option<Templated<Duration>> {
        self.templated(key, node, "a duration, such as `90s`", |cx, node| {
            let read = match &node.kind {
                Kind::Str { .. } | Kind::Int(_) | Kind::Float(_) => {
                    duration::parse(&cx.written(node), 1)
                }
                _ => {
                    cx.wrong_type(key, node, "a duration, such as `90s`");
                    return None;
                }
            };
            match read {
                Ok(read) if positive && read.is_zero() => {
                    cx.complain(
                        Code::BadValue,
                        node.span,
                        format!("`{key}` must be more than 0"),
                    );
                    None
                }
                Ok(read) => Some(read),
                Err(message) => {
                    cx.complain_bad(key, node, &message);
                    None
                }
            }
        })
    }

    /// A message of the form "`x` is wrong: write y" as message and help.
    fn complain_bad(&mut self, key: &str, node: &Node, message: &str) {
        let (wrong, help) = match message.split_once(": ") {
            Some((wrong, help)) => (wrong, Some(help)),
            None => (message, None),
        };
        let mut finding = Finding::new(Code::BadValue, node.span, format!("`{key}`: {wrong}"));
        if let Some(help) = help {
            finding = finding.help(help);
        }
        self.push(finding);
    }

    /// A size in bytes.
    pub(super) fn size(&mut self, key: &str, node: &Node) -> Option<Templated<u64>> {
        self.templated(key, node, "a size, such as `1MiB`", |cx, node| {
            let read = match &node.kind {
                Kind::Str { .. } | Kind::Int(_) | Kind::Float(_) => {
                    size::parse(&cx.written(node), 1)
                }
                _ => {
                    cx.wrong_type(key, node, "a size, such as `1MiB`");
                    return None;
                }
            };
            read.map_err(|message| cx.complain_bad(key, node, &message))
                .ok()
        })
    }

    /// A number within bounds.
    pub(super) fn number(
        &mut self,
        key: &str,
        node: &Node,
        least: f64,
        most: f64,
    ) -> Option<Templated<f64>> {
        self.templated(key, node, "a number", |cx, node| {
            let value = match &node.kind {
                #[expect(clippy::cast_precision_loss, reason = "compared with small bounds")]
                Kind::Int(value) => *value as f64,
                Kind::Float(value) => *value,
                _ => {
                    cx.wrong_type(key, node, "a number");
                    return None;
                }
            };
            if (least..=most).contains(&value) {
                return Some(value);
            }
            let bounds = if most == f64::MAX {
                format!("{least} or more")
            } else {
                format!("from {least} to {most}")
            };
            cx.complain(
                Code::BadValue,
                node.span,
                format!("`{key}` must be {bounds}"),
            );
            None
        })
    }

    /// A whole number from `least` on, or a template of one.
    pub(super) fn templated_count(
        &mut self,
        key: &str,
        node: &Node,
        least: u32,
    ) -> Option<Templated<u32>> {
        self.templated(key, node, "a whole number", |cx, node| {
            cx.count(key, node, least)
        })
    }

    /// A text as a tree: literal, or a template of this style. Numbers and booleans are taken as
    /// they were written.
    pub(super) fn text(&mut self, key: &str, node: &Node, style: Style) -> Option<Tree> {
        let kind = match &node.kind {
            Kind::Str { text, .. } if has_template(text) => {
                TreeKind::Template(self.template(node, text, style)?)
            }
            Kind::Str { text, .. } => TreeKind::Literal(Value::String(text.clone())),
            Kind::Bool(_) | Kind::Int(_) | Kind::Float(_) => {
                TreeKind::Literal(Value::String(self.written(node)))
            }
            Kind::Null | Kind::Seq(_) | Kind::Map(_) => {
                self.wrong_type(key, node, "a text");
                return None;
            }
        };
        Some(Tree {
            span: node.span,
            kind,
        })
    }

    /// A value of any shape whose texts may be templates.
    pub(super) fn tree(&mut self, node: &Node, style: Style) -> Option<Tree> {
        let kind = match &node.kind {
            Kind::Str { text, .. } if has_template(text) => {
                TreeKind::Template(self.template(node, text, style)?)
            }
            Kind::Seq(items) => TreeKind::List(
                items
                    .iter()
                    .filter_map(|item| self.tree(item, style))
                    .collect(),
            ),
            Kind::Map(entries) => TreeKind::Map(
                entries
                    .iter()
                    .filter_map(|(key, value)| Some((key.name.clone(), self.tree(value, style)?)))
                    .collect(),
            ),
            _ => TreeKind::Literal(node.to_value()),
        };
        Some(Tree {
            span: node.span,
            kind,
        })
    }

    /// A map from names to values, as in `vars`.
    pub(super) fn named_trees(&mut self, key: &str, node: Option<&Node>) -> Map<Tree> {
        let mut trees = Map::new();
        let Some(node) = node else { return trees };
        if !self.is_map(key, node) {
            return trees;
        }
        for (name, value) in node.entries() {
            if !self.is_name(&name.name, name.span) {
                continue;
            }
            // A value with a complaint leaves the name, or each use of it would be one more.
            let mut tree = self.tree(value, Style::Value).unwrap_or(Tree {
                span: value.span,
                kind: TreeKind::Literal(Value::Null),
            });
            if value.is_null() {
                tree.span = name.span;
            }
            trees.insert(name.name.clone(), tree);
        }
        trees
    }

    /// A list of kinds of error. One kind alone is a list of one.
    pub(super) fn kinds(&mut self, key: &str, node: &Node) -> Vec<Spanned<ErrorKind>> {
        let items = match &node.kind {
            Kind::Seq(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut kinds: Vec<Spanned<ErrorKind>> = Vec::new();
        for item in items {
            let Some(word) = self.literal(key, item, "a kind of error") else {
                continue;
            };
            let Some(kind) = self.kind(&word, item.span) else {
                continue;
            };
            match kinds.iter().find(|first| first.value == kind) {
                Some(first) => self.push(
                    Finding::new(
                        Code::KindTwice,
                        item.span,
                        format!("`{kind}` stands here twice"),
                    )
                    .related(first.span, "the first one")
                    .help("remove one of them, or write the kind that was meant"),
                ),
                None => kinds.push(Spanned::new(kind, item.span)),
            }
        }
        kinds
    }

    /// A kind of error that a recipe may name.
    pub(super) fn kind(&mut self, word: &str, span: Span) -> Option<ErrorKind> {
        let known = ErrorKind::ALL
            .iter()
            .copied()
            .filter(|kind| *kind != ErrorKind::Cancelled);
        if let Some(kind) = known.clone().find(|kind| kind.word() == word) {
            return Some(kind);
        }
        let finding = match word {
            "cancelled" => Finding::new(
                Code::UnknownKind,
                span,
                "`cancelled` can't be named in a recipe",
            )
            .help("a signal ends the run: nothing retries, forgives or catches it"),
            "any" => Finding::new(Code::UnknownKind, span, "`any` has no place here")
                .help("`any` stands in `catch` only"),
            _ => {
                let similar = nearest(word, known.clone().map(ErrorKind::word));
                let finding = Finding::new(
                    Code::UnknownKind,
                    span,
                    format!("there is no kind of error `{word}`"),
                );
                match similar {
                    Some(_) => finding.suggest(similar),
                    None => finding.help(format!(
                        "kinds are {}",
                        list(known.map(ErrorKind::word), "and")
                    )),
                }
            }
        };
        self.push(finding);
        None
    }

    /// A host of the recipe.
    pub(super) fn host(
        &mut self,
        key: &str,
        node: &Node,
    ) -> Option<crate::diagnostic::Spanned<String>> {
        let name = self.literal(key, node, "the name of a host")?;
        let names = self.names;
        if !names.hosts.contains(&name) {
            self.unknown(
                Code::UnknownHost,
                node.span,
                "host",
                &name,
                names.hosts.iter().map(String::as_str),
            );
        }
        Some(crate::diagnostic::Spanned::new(name, node.span))
    }

    /// `for_each`: a literal list, or an expression.
    pub(super) fn items(&mut self, node: &Node) -> Option<crate::recipe::model::Items> {
        use crate::recipe::model::Items;
        match &node.kind {
            Kind::Seq(_) => self.tree(node, Style::Value).map(Items::List),
            Kind::Str { .. } => self.expr("for_each", node).map(Items::Expr),
            _ => {
                self.wrong_type("for_each", node, "a list, or an expression that gives one");
                None
            }
        }
    }
}
