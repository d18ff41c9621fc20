//! `next` and `catch`.

use super::cx::Cx;
use super::value::has_template;
use crate::diagnostic::{Code, Finding, Spanned};
use crate::recipe::ErrorKind;
use crate::recipe::model::{Body, Catch, Row, State};
use crate::recipe::vocabulary::key::names;
use crate::recipe::vocabulary::keys;
use crate::recipe::yaml::{Kind, Node};

const ROW: &[&str] = &names::<{ keys::ROW.len() }>(keys::ROW);

impl Cx<'_> {
    /// All but ends, and leaves that end in `fail`, have `next`. `scope` is the name of the scope
    /// around; none for a stage or procedure.
    pub(super) fn says_what_is_next(&mut self, state: &State, node: &Node, scope: Option<&str>) {
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

    pub(super) fn next(&mut self, node: &Node) -> Vec<Row> {
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
            self.known_keys(item, "a row of `next`", ROW, |_| None);
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

    pub(super) fn catch(&mut self, node: &Node) -> Vec<Catch> {
        if let Some(to) = self.target("catch", node) {
            return vec![Catch {
                span: to.span,
                kind: None,
                to,
            }];
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
                rows.push(Catch {
                    span: key.span,
                    kind,
                    to,
                });
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
