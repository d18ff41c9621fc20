//! States, stages and procedures.

use std::collections::HashMap;
use std::sync::Arc;

use super::cx::Cx;
use super::defaults::Defaults;
use super::step::Place;
use crate::diagnostic::{Code, Finding, Span, Spanned, nearest};
use crate::recipe::model::{Body, EndKind, Map, State, Step};
use crate::recipe::places::Places;
use crate::recipe::template::Style;
use crate::recipe::vocabulary::key::names;
use crate::recipe::vocabulary::keys;
use crate::recipe::yaml::{Key, Kind, Node};

/// How deep scopes may nest; the machine's stack of activations is this deep at most per call.
pub(super) const MAX_NESTING: usize = 32;

pub(super) const LEAF: &[&str] = &names::<{ keys::LEAF.len() }>(keys::LEAF);
pub(super) const SCOPE: &[&str] = &names::<{ keys::SCOPE.len() }>(keys::SCOPE);
const CHOICE: &[&str] = &names::<{ keys::CHOICE.len() }>(keys::CHOICE);
const END: &[&str] = &names::<{ keys::END.len() }>(keys::END);

/// What a state is, told by its one telling key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Leaf,
    Scope,
    Choice,
    End,
}

impl Form {
    pub(super) fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Leaf => LEAF,
            Self::Scope => SCOPE,
            Self::Choice => CHOICE,
            Self::End => END,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Leaf => "a leaf",
            Self::Scope => "a scope",
            Self::Choice => "a choice",
            Self::End => "an end",
        }
    }
}

impl Cx<'_> {
    /// The states of a scope, by name.
    fn states(
        &mut self,
        node: &Node,
        scope: Option<&str>,
        depth: usize,
        defaults: &Defaults,
    ) -> Map<Arc<State>> {
        let mut states = Map::new();
        if !self.is_map("states", node) {
            return states;
        }
        if depth > MAX_NESTING {
            self.complain(
                Code::NestedTooDeep,
                node.span,
                format!("scopes nest more than {MAX_NESTING} deep"),
            );
            return states;
        }
        for (key, value) in node.entries() {
            if key.name == "done" {
                self.push(
                    Finding::new(Code::BadName, key.span, "no state can be called `done`")
                        .help("`done` is the target that completes a scope"),
                );
                continue;
            }
            self.is_name(&key.name, key.span);
            if value.is_null() {
                self.complain(
                    Code::MissingKey,
                    key.span,
                    format!("state `{}` is empty", key.name),
                );
                continue;
            }
            if !self.is_map(&key.name, value) {
                continue;
            }
            let Some(form) = self.form(key, value) else {
                continue;
            };
            let what = format!("state `{}` ({})", key.name, form.name());
            self.known_keys(value, &what, form.keys(), |name| {
                let elsewhere = [Form::Leaf, Form::Scope, Form::Choice, Form::End]
                    .into_iter()
                    .find(|other| other.keys().contains(&name));
                if ["params", "returns", "ensures"].contains(&name) {
                    return Some(format!("`{name}` stands on stages and procedures"));
                }
                elsewhere.map(|other| match (form, other) {
                    (Form::Choice, _) => {
                        "a choice only picks what is next: give the state `do` (perhaps `[]`) for more"
                            .to_owned()
                    }
                    (Form::End, _) => "an end only ends the stage or the call".to_owned(),
                    (_, other) => format!("it belongs to {}", other.name()),
                })
            });
            let name = Spanned::new(key.name.clone(), key.span);
            let state = self.state_of(name, value, form, depth, defaults);
            self.says_what_is_next(&state, value, scope);
            states.insert(key.name.clone(), Arc::new(state));
        }
        states
    }

    /// What a state is. Two telling keys are complained about, and none.
    pub(super) fn form(&mut self, key: &Key, node: &Node) -> Option<Form> {
        let telling = |name: &str| node.entry(name).map(|(key, _)| key);
        let found: Vec<(&Key, Form)> = [
            (telling("do"), Form::Leaf),
            (
                telling("states").or_else(|| telling("initial")),
                Form::Scope,
            ),
            (telling("end"), Form::End),
        ]
        .into_iter()
        .filter_map(|(key, form)| Some((key?, form)))
        .collect();
        match found.as_slice() {
            [(_, form)] => Some(*form),
            [] if node.entry("next").is_some() => Some(Form::Choice),
            [] => {
                let misspelt = node.entries().iter().find_map(|(key, _)| {
                    let known = LEAF.contains(&key.name.as_str());
                    let similar = nearest(&key.name, ["do", "states", "end", "next", "initial"])?;
                    (!known).then_some((key, similar))
                });
                let finding = match misspelt {
                    Some((key, similar)) => Finding::new(
                        Code::UnknownKey,
                        key.span,
                        format!("a state has no key `{}`", key.name),
                    )
                    .suggest(Some(similar)),
                    None => Finding::new(
                        Code::MissingKey,
                        key.span,
                        format!("`{}` has nothing that tells what it is", key.name),
                    )
                    .help("it has `do` (steps), `states` (states inside), `end`, or `next` alone"),
                };
                self.push(finding);
                None
            }
            [(first, form), (second, _), ..] => {
                let finding = Finding::new(
                    Code::OneOf,
                    second.span,
                    format!("`{}` and `{}` exclude each other", first.name, second.name),
                )
                .related(first.span, format!("this makes it {}", form.name()));
                self.push(finding);
                None
            }
        }
    }

    pub(super) fn state_of(
        &mut self,
        name: Spanned<String>,
        node: &Node,
        form: Form,
        depth: usize,
        outer: &Defaults,
    ) -> State {
        let defaults = self.defaults(outer, node.get("defaults"));
        let body = match form {
            Form::Leaf => self.leaf(node, &defaults),
            Form::Scope => self.scope(&name, node, depth, &defaults),
            Form::Choice => Body::Choice,
            Form::End => self.end(node),
        };
        let is_root = depth == 0;
        State {
            places: Places::of(node),
            summary: node
                .get("summary")
                .and_then(|node| self.literal("summary", node, "a text")),
            when: node.get("when").and_then(|node| self.expr("when", node)),
            body,
            next: node
                .get("next")
                .filter(|_| !is_root)
                .map_or_else(Vec::new, |node| self.next(node)),
            catch: node
                .get("catch")
                .filter(|_| !is_root)
                .map_or_else(Vec::new, |node| self.catch(node)),
            retry: node
                .get("retry")
                .and_then(|node| self.state_retry(node, &defaults)),
            timeout: node
                .get("timeout")
                .and_then(|node| self.duration("timeout", node, true)),
            max_visits: node
                .get("max_visits")
                .and_then(|node| self.count("max_visits", node, 1)),
            recovery: node
                .get("recovery")
                .and_then(|node| self.boolean("recovery", node))
                .unwrap_or(false),
            for_each: node.get("for_each").and_then(|node| self.items(node)),
            continue_on_item_error: node
                .get("on_item_error")
                .and_then(|node| {
                    self.word(
                        "on_item_error",
                        node,
                        &[("stop", false), ("continue", true)],
                    )
                })
                .unwrap_or(false),
            vars: self.named_trees("vars", node.get("vars")),
            verdict: node.get("verdict").and_then(|node| self.verdict(node)),
            name,
        }
    }

    fn leaf(&mut self, node: &Node, defaults: &Defaults) -> Body {
        let bounded = node.get("timeout").is_some();
        let steps = match node.entry("do") {
            Some((key, value)) if value.is_null() => {
                self.push(
                    Finding::new(Code::MissingKey, key.span, "`do` is empty")
                        .help("`do: []` does nothing"),
                );
                Vec::new()
            }
            Some((_, value)) => self.steps("do", value, Place::Do { bounded }, defaults),
            None => Vec::new(),
        };
        self.step_names(&[(node.get("do"), &steps)]);
        Body::Leaf { steps }
    }

    fn scope(
        &mut self,
        name: &Spanned<String>,
        node: &Node,
        depth: usize,
        defaults: &Defaults,
    ) -> Body {
        let owner = format!("scope `{}`", name.value);
        let enter = node.get("enter").map_or_else(Vec::new, |node| {
            self.steps("enter", node, Place::Enter, defaults)
        });
        let states = self
            .required(node, "states", &owner, name.span)
            .map_or_else(Map::new, |node| {
                let scope = (depth > 0).then_some(name.value.as_str());
                self.states(node, scope, depth + 1, defaults)
            });
        let initial = self
            .required(node, "initial", &owner, name.span)
            .and_then(|node| {
                let target = self.literal("initial", node, "the name of a state inside")?;
                Some(Spanned::new(target, node.span))
            })
            .unwrap_or_else(|| Spanned::new(String::new(), name.span));
        let exit = node.get("exit").map_or_else(Vec::new, |node| {
            self.steps("exit", node, Place::Exit, defaults)
        });
        self.step_names(&[(node.get("enter"), &enter), (node.get("exit"), &exit)]);
        Body::Scope {
            enter,
            initial,
            states,
            exit,
        }
    }

    /// Names that are given to steps are unique within a state.
    fn step_names(&mut self, lists: &[(Option<&Node>, &[Arc<Step>])]) {
        let mut seen: HashMap<&str, Span> = HashMap::new();
        for (node, _) in lists {
            for step in node.map_or(&[] as &[Node], Node::items) {
                let Some(name) = step.get("name") else {
                    continue;
                };
                let Some(text) = name.text() else { continue };
                if let Some(first) = seen.insert(text, name.span) {
                    let finding = Finding::new(
                        Code::NameTwice,
                        name.span,
                        format!("two steps of this state are called `{text}`"),
                    )
                    .related(first, "the first one");
                    self.push(finding);
                }
            }
        }
    }

    fn end(&mut self, node: &Node) -> Body {
        let words = [
            ("success", EndKind::Success),
            ("failure", EndKind::Failure),
            ("unrecoverable", EndKind::Unrecoverable),
        ];
        let end = match node.entry("end") {
            Some((key, value)) if value.is_null() => {
                self.complain(Code::MissingKey, key.span, "`end` is empty");
                None
            }
            Some((_, value)) => self.word("end", value, &words),
            None => None,
        }
        .unwrap_or(EndKind::Failure);
        let exit_status = node.get("exit_status").and_then(|status| {
            if end != EndKind::Failure {
                self.push(
                    Finding::new(
                        Code::Misplaced,
                        status.span,
                        "only `end: failure` has an `exit_status`",
                    )
                    .help("success is 0, unrecoverable is 46"),
                );
            }
            if let Kind::Int(number) = status.kind
                && (!matches!(number, 1 | 3..=255) || matches!(number, 46 | 130 | 143))
            {
                self.push(
                    Finding::new(
                        Code::BadValue,
                        status.span,
                        format!("{number} can't be the exit status of a failure"),
                    )
                    .help("it is 1 or 3 to 255, but not 46, 130 or 143"),
                );
            }
            self.expr("exit_status", status)
        });
        Body::End {
            end,
            message: node
                .get("message")
                .and_then(|node| self.text("message", node, Style::Printed)),
            exit_status,
        }
    }
}
