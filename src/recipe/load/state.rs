//! States, stages and procedures.

use std::collections::HashMap;
use std::sync::Arc;

use super::cx::Cx;
use super::defaults::Defaults;
use super::step::Place;
use super::value::has_template;
use crate::diagnostic::{Code, Finding, Span, Spanned, nearest};
use crate::recipe::ErrorKind;
use crate::recipe::model::{
    Body, Catch, EndKind, Ensures, Map, Procedure, Row, Stage, State, Step,
};
use crate::recipe::template::Style;
use crate::recipe::yaml::{Key, Kind, Node};

/// How deep scopes may nest; the machine's stack of activations is this deep at most per call.
pub(super) const MAX_NESTING: usize = 32;

const LEAF: &[&str] = &[
    "summary",
    "when",
    "do",
    "next",
    "catch",
    "retry",
    "timeout",
    "max_visits",
    "recovery",
    "for_each",
    "on_item_error",
    "vars",
    "defaults",
    "verdict",
];
const SCOPE: &[&str] = &[
    "summary",
    "when",
    "initial",
    "states",
    "enter",
    "exit",
    "next",
    "catch",
    "retry",
    "timeout",
    "max_visits",
    "recovery",
    "for_each",
    "on_item_error",
    "vars",
    "defaults",
    "verdict",
];
const CHOICE: &[&str] = &["summary", "next", "max_visits"];
const END: &[&str] = &["summary", "end", "message", "exit_status", "verdict"];
/// What a stage and a procedure have in common with a leaf or scope.
const ROOT: &[&str] = &[
    "summary", "do", "initial", "states", "enter", "exit", "retry", "timeout", "recovery", "vars",
    "defaults", "verdict",
];
const STAGE: &[&str] = &["ensures"];
const PROCEDURE: &[&str] = &["params", "returns"];

/// What a state is, told by its one telling key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Leaf,
    Scope,
    Choice,
    End,
}

impl Form {
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Leaf => LEAF,
            Self::Scope => SCOPE,
            Self::Choice => CHOICE,
            Self::End => END,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Leaf => "a leaf",
            Self::Scope => "a scope",
            Self::Choice => "a choice",
            Self::End => "an end",
        }
    }
}

impl Cx<'_> {
    /// A stage.
    pub(super) fn stage(&mut self, key: &Key, node: &Node, defaults: &Defaults) -> Option<Stage> {
        if !self.is_map(&key.name, node) {
            return None;
        }
        let root = self.root(key, node, "a stage", STAGE, defaults)?;
        if self
            .required(node, "timeout", "a stage", key.span)
            .is_none()
            && let Some(finding) = self.findings.0.last_mut()
        {
            finding.code = Code::MissingBound;
            finding.help = Some("a stage has a bound, such as `timeout: 2h`".to_owned());
        }
        let mut ensures = Ensures::default();
        if let Some(node) = node.get("ensures")
            && self.is_map("ensures", node)
        {
            self.known_keys(node, "`ensures`", &["success", "always"], |_| None);
            if let Some(needs) = node.get("success") {
                ensures.success = self.needs("success", needs);
            }
            if let Some(needs) = node.get("always") {
                ensures.always = self.needs("always", needs);
            }
        }
        Some(Stage {
            root: Arc::new(root),
            ensures,
        })
    }

    /// A procedure.
    pub(super) fn procedure(
        &mut self,
        key: &Key,
        node: &Node,
        defaults: &Defaults,
    ) -> Option<Procedure> {
        if !self.is_map(&key.name, node) {
            return None;
        }
        let root = self.root(key, node, "a procedure", PROCEDURE, defaults)?;
        let params = match node.get("params") {
            Some(params) => self.inputs("params", params),
            None => Map::new(),
        };
        let returns = node
            .get("returns")
            .and_then(|node| self.expr("returns", node));
        Some(Procedure {
            root: Arc::new(root),
            params,
            returns,
            home: self.prefix.map(str::to_owned),
        })
    }

    fn root(
        &mut self,
        key: &Key,
        node: &Node,
        what: &str,
        own: &[&str],
        defaults: &Defaults,
    ) -> Option<State> {
        let form = match self.form(key, node)? {
            form @ (Form::Leaf | Form::Scope) => form,
            Form::Choice | Form::End => {
                self.push(
                    Finding::new(Code::MissingKey, key.span, format!("{what} has no steps"))
                        .help("it has `do`, or `initial` and `states`"),
                );
                return None;
            }
        };
        let known: Vec<&str> = ROOT
            .iter()
            .chain(own)
            .copied()
            .filter(|name| form.keys().contains(name) || own.contains(name))
            .collect();
        self.known_keys(node, what, &known, |name| {
            if SCOPE.contains(&name) && !ROOT.contains(&name) {
                Some(format!(
                    "{what} is entered once, and nothing comes after it"
                ))
            } else if LEAF.contains(&name) || SCOPE.contains(&name) {
                Some(format!("it has `do`, so it is {}", form.name()))
            } else {
                None
            }
        });
        let name = Spanned::new(key.name.clone(), key.span);
        Some(self.state_of(name, node, form, 0, defaults))
    }

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

    /// All but ends, and leaves that end in `fail`, have `next`. `scope` is the name of the scope
    /// around; none for a stage or procedure.
    fn says_what_is_next(&mut self, state: &State, node: &Node, scope: Option<&str>) {
        let is_given = node.get("next").is_some();
        if is_given || ends_in_fail(state) || matches!(state.body, Body::End { .. }) {
            return;
        }
        let (span, message) = match node.entry("next") {
            Some((key, _)) => (key.span, "`next` is empty".to_owned()),
            None => (
                state.name.span,
                format!("`{}` does not say what is next", state.name.value),
            ),
        };
        let completed = match scope {
            Some(scope) => format!("`next: done` completes `{scope}`"),
            None => "`next: done` completes the stage or procedure".to_owned(),
        };
        self.push(Finding::new(Code::MissingNext, span, message).help(completed));
    }

    /// What a state is. Two telling keys are complained about, and none.
    fn form(&mut self, key: &Key, node: &Node) -> Option<Form> {
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

    fn state_of(
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

    fn next(&mut self, node: &Node) -> Vec<Row> {
        if let Some(to) = self.target("next", node) {
            return vec![Row { when: None, to }];
        }
        let Kind::Seq(items) = &node.kind else {
            if node.text().is_none() {
                self.wrong_type(
                    "next",
                    node,
                    "a state's name, `done`, or a list of `{when, to}`",
                );
            }
            return Vec::new();
        };
        let mut rows: Vec<Row> = Vec::new();
        for (at, item) in items.iter().enumerate() {
            if !matches!(item.kind, Kind::Map(_)) {
                self.push(
                    Finding::new(
                        Code::WrongType,
                        item.span,
                        format!("a row of `next` must be a map, not {}", item.what()),
                    )
                    .help("write `{ when: …, to: … }`, and `{ to: … }` for the last"),
                );
                continue;
            }
            self.known_keys(item, "a row of `next`", &["when", "to"], |_| None);
            let when = item.get("when").and_then(|node| self.expr("when", node));
            let guarded = item.entry("when").is_some();
            let is_last = at + 1 == items.len();
            if is_last && guarded {
                self.push(
                    Finding::new(
                        Code::MissingNext,
                        item.span,
                        "the last row of `next` has a `when`",
                    )
                    .help("add a row without `when`: something must follow in any case"),
                );
            } else if !is_last && !guarded {
                self.push(
                    Finding::new(
                        Code::NeverTaken,
                        item.span,
                        "rows after this one are never taken",
                    )
                    .help("a row without `when` comes last"),
                );
            }
            let Some(to) = self.required(item, "to", "a row of `next`", item.span) else {
                continue;
            };
            if let Some(to) = self.target("to", to) {
                rows.push(Row { when, to });
            } else if to.text().is_none() {
                self.wrong_type("to", to, "a state's name or `done`");
            }
        }
        if items.is_empty() {
            self.push(
                Finding::new(Code::MissingNext, node.span, "`next` has no rows")
                    .help("`next: done` completes the scope around"),
            );
        }
        rows
    }

    /// A literal target; `None` with a complaint where it holds a template, and without one where
    /// it is no text.
    fn target(&mut self, key: &str, node: &Node) -> Option<Spanned<String>> {
        let text = node.text()?;
        if has_template(text) {
            self.push(
                Finding::new(
                    Code::NotLiteral,
                    node.span,
                    format!("`{key}` can't hold a template"),
                )
                .help("write rows with `when` and `to`"),
            );
            return None;
        }
        Some(Spanned::new(text.to_owned(), node.span))
    }

    fn catch(&mut self, node: &Node) -> Vec<Catch> {
        if let Some(to) = self.target("catch", node) {
            return vec![Catch { kind: None, to }];
        }
        let Kind::Map(entries) = &node.kind else {
            if node.text().is_none() {
                self.wrong_type(
                    "catch",
                    node,
                    "a state's name, or a map from kinds to states",
                );
            }
            return Vec::new();
        };
        let mut rows = Vec::new();
        for (key, value) in entries {
            let kind: Option<ErrorKind> = if key.name == "any" {
                None
            } else {
                match self.kind(&key.name, key.span) {
                    Some(kind) => Some(kind),
                    None => continue,
                }
            };
            if value.is_null() {
                self.complain(
                    Code::MissingKey,
                    key.span,
                    format!("`{}` is empty", key.name),
                );
            } else if let Some(to) = self.target(&key.name, value) {
                rows.push(Catch { kind, to });
            } else if value.text().is_none() {
                self.wrong_type(&key.name, value, "a state's name or `done`");
            }
        }
        rows
    }
}

/// Whether a leaf's last step is a `fail` without condition.
fn ends_in_fail(state: &State) -> bool {
    let Body::Leaf { steps } = &state.body else {
        return false;
    };
    steps.last().is_some_and(|step| {
        step.action.name == "fail" && step.when.is_none() && step.for_each.is_none()
    })
}
