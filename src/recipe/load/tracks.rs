//! What a recipe keeps track of, and rules about it.

use super::cx::{Cx, Names};
use super::sections::entries;
use crate::diagnostic::{Code, Finding, Spanned};
use crate::recipe::extends::Document;
use crate::recipe::model::{Map, Rule};
use crate::recipe::vocabulary::key::names;
use crate::recipe::vocabulary::{self, ACTIONS, keys};
use crate::recipe::yaml::{Kind, Node};

const KEYS: &[&str] = &names::<{ keys::RULE.len() }>(keys::RULE);

impl Cx<'_> {
    /// `tracks`: names with the values that each can have.
    pub(super) fn tracks(&mut self, node: Option<&Node>, names: &Names) -> Map<Vec<String>> {
        let mut tracks = Map::new();
        for (key, value) in entries(node) {
            if !self.declared(key) {
                continue;
            }
            if names
                .gear
                .get(&key.name)
                .is_some_and(|kind| !kind.values().is_empty())
            {
                self.push(
                    Finding::new(
                        Code::NameTwice,
                        key.span,
                        format!("`{}` is a gear, and so a tracked value already", key.name),
                    )
                    .help("give one of them another name"),
                );
                continue;
            }
            let Kind::Seq(items) = &value.kind else {
                self.wrong_type(&key.name, value, "a list of values");
                continue;
            };
            let mut values = Vec::new();
            for item in items {
                if let Kind::Bool(truth) = item.kind {
                    self.push(
                        Finding::new(
                            Code::YamlTrap,
                            item.span,
                            "a tracked value is a text, not a boolean",
                        )
                        .help(format!("put it in quotes: \"{truth}\"")),
                    );
                    continue;
                }
                if let Some(text) = self.literal(&key.name, item, "a text") {
                    values.push(text);
                }
            }
            tracks.insert(key.name.clone(), values);
        }
        tracks
    }

    /// The rules of all files.
    pub(super) fn rules(&mut self, documents: &[Document]) -> Vec<Rule> {
        let mut rules = Vec::new();
        for document in documents {
            let Some(node) = document.node.get("rules") else {
                continue;
            };
            let Kind::Seq(items) = &node.kind else {
                self.wrong_type("rules", node, "a list of `{before, needs}`");
                continue;
            };
            for item in items {
                if !self.is_map("a rule", item) {
                    continue;
                }
                self.known_keys(item, "a rule", KEYS, |_| None);
                let before = self.required(item, "before", "a rule", item.span);
                let needs = self.required(item, "needs", "a rule", item.span);
                let (Some(before), Some(needs)) = (before, needs) else {
                    continue;
                };
                let needs = self.needs("needs", needs);
                let Some(action) = self.literal("before", before, "the name of an action") else {
                    continue;
                };
                if vocabulary::action(&action).is_none() {
                    self.unknown(
                        Code::UnknownAction,
                        before.span,
                        "action",
                        &action,
                        ACTIONS.iter().map(|action| action.name),
                    );
                    continue;
                }
                rules.push(Rule {
                    before: Spanned::new(action, before.span),
                    needs,
                });
            }
        }
        rules
    }
}
