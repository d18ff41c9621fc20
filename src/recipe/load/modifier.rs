//! Modifiers of steps that have a form of their own.

use super::cx::Cx;
use super::value::is_whole_template;
use crate::diagnostic::{Code, Finding, Span, Spanned, list};
use crate::recipe::model::{AllowFailure, Expect, Map, Needs, Tree, TreeKind};
use crate::recipe::template::Style;
use crate::recipe::yaml::{Kind, Node};
use crate::recipe::{ErrorKind, Value, Verdict};

impl Cx<'_> {
    /// `expect`: a status, `lost`, `any`, or a list.
    pub(super) fn expect(&mut self, node: &Node) -> Option<Expect> {
        let items = match &node.kind {
            Kind::Seq(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut expect = Expect::default();
        for item in items {
            match (&item.kind, item.text()) {
                (Kind::Int(status), _) => match u32::try_from(*status) {
                    Ok(status) if status < 1000 => expect.statuses.push(status),
                    _ => self.complain(
                        Code::BadValue,
                        item.span,
                        format!("{status} is no exit status or HTTP status"),
                    ),
                },
                (_, Some("lost")) => expect.lost = true,
                (_, Some("any")) => expect.any = true,
                (_, Some(text)) => self.complain(
                    Code::BadValue,
                    item.span,
                    format!("`expect` takes statuses, `lost` or `any`, not `{text}`"),
                ),
                _ => self.wrong_type(
                    "expect",
                    item,
                    "a status, `lost` or `any`, or a list of these",
                ),
            }
        }
        Some(expect)
    }

    /// `allow_failure`: a boolean, or kinds; and those kinds as written.
    pub(super) fn allow_failure(&mut self, node: &Node) -> (AllowFailure, Vec<Spanned<ErrorKind>>) {
        let allow = match &node.kind {
            Kind::Bool(true) => AllowFailure::All,
            Kind::Bool(false) => AllowFailure::No,
            Kind::Seq(_) => {
                let named = self.kinds("allow_failure", node);
                let kinds = named.iter().map(|kind| kind.value).collect();
                return (AllowFailure::Kinds(kinds), named);
            }
            _ => {
                self.wrong_type(
                    "allow_failure",
                    node,
                    "`true`, `false` or a list of kinds of error",
                );
                AllowFailure::No
            }
        };
        (allow, Vec::new())
    }

    /// `env`: names with texts, or a template of such a map.
    pub(super) fn env(&mut self, node: &Node) -> Option<Tree> {
        let Kind::Map(entries) = &node.kind else {
            if node.text().is_some_and(is_whole_template) {
                return self.tree(node, Style::Value);
            }
            self.wrong_type("env", node, "a map, or one whole template of a map");
            return None;
        };
        let mut variables = Map::new();
        for (key, value) in entries {
            if key.name.is_empty() || key.name.contains(['=', '\0']) {
                self.complain(
                    Code::BadName,
                    key.span,
                    format!("`{}` is no name of an environment variable", key.name),
                );
                continue;
            }
            let variable = if value.is_null() {
                Some(Tree {
                    span: key.span,
                    kind: TreeKind::Literal(Value::Null),
                })
            } else {
                self.text(&key.name, value, Style::Value)
            };
            if let Some(variable) = variable {
                variables.insert(key.name.clone(), variable);
            }
        }
        Some(Tree {
            span: node.span,
            kind: TreeKind::Map(variables),
        })
    }

    /// `verdict`.
    pub(super) fn verdict(&mut self, node: &Node) -> Option<Verdict> {
        self.word("verdict", node, Verdict::IN_RECIPES)
    }

    /// `needs`, and the parts of `ensures`: `{NAME: value}` or `{NAME: [a, b]}`.
    pub(super) fn needs(&mut self, key: &str, node: &Node) -> Needs {
        let mut needs = Needs::new();
        if !self.is_map(key, node) {
            return needs;
        }
        for (name, value) in node.entries() {
            let items = match &value.kind {
                Kind::Seq(items) => items.as_slice(),
                _ => std::slice::from_ref(value),
            };
            let allowed = self.tracked(&name.name, name.span);
            let mut values = Vec::new();
            for item in items {
                if let Some(text) = self.tracked_value(&name.name, item, allowed.as_deref()) {
                    values.push(text);
                }
            }
            needs.insert(name.name.clone(), Spanned::new(values, name.span));
        }
        needs
    }

    /// `sets`: `{NAME: value}`.
    pub(super) fn sets(&mut self, node: &Node) -> Map<Option<String>> {
        let mut sets = Map::new();
        if !self.is_map("sets", node) {
            return sets;
        }
        for (name, value) in node.entries() {
            let allowed = self.tracked(&name.name, name.span);
            if let Some(text) = self.tracked_value(&name.name, value, allowed.as_deref()) {
                sets.insert(name.name.clone(), Some(text));
            }
        }
        sets
    }

    /// The values that a tracked value can have; complains where there is no such name.
    fn tracked(&mut self, name: &str, span: Span) -> Option<Vec<String>> {
        let names = self.names;
        if let Some(values) = names.tracks.get(name) {
            return Some(values.clone());
        }
        let gear = names.gear.get(name).map(|kind| kind.values());
        if let Some(values) = gear.filter(|values| !values.is_empty()) {
            return Some(values.iter().map(|value| (*value).to_owned()).collect());
        }
        let known: Vec<&str> = names
            .tracks
            .keys()
            .chain(
                names
                    .gear
                    .iter()
                    .filter(|(_, kind)| !kind.values().is_empty())
                    .map(|(name, _)| name),
            )
            .map(String::as_str)
            .collect();
        self.unknown(Code::UnknownTrack, span, "tracked value", name, known);
        None
    }

    fn tracked_value(
        &mut self,
        name: &str,
        node: &Node,
        allowed: Option<&[String]>,
    ) -> Option<String> {
        if let Kind::Bool(truth) = node.kind {
            self.push(
                Finding::new(
                    Code::YamlTrap,
                    node.span,
                    format!("a value of `{name}` is a text, not a boolean"),
                )
                .help(if truth {
                    "write \"on\""
                } else {
                    "write \"off\""
                }),
            );
            return None;
        }
        if node.is_null() {
            self.complain(Code::MissingKey, node.span, format!("`{name}` is empty"));
            return None;
        }
        let text = self.literal(name, node, "a value of the list in `tracks`")?;
        if let Some(allowed) = allowed
            && !allowed.contains(&text)
        {
            self.push(
                Finding::new(
                    Code::UnknownTrack,
                    node.span,
                    format!("`{name}` is never `{text}`"),
                )
                .help(format!(
                    "it is {}",
                    list(allowed.iter().map(String::as_str), "or")
                )),
            );
            return None;
        }
        Some(text)
    }
}
