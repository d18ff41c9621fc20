//! `blame`: what is looked at after a failure, and what exit status that may lead to.

use std::sync::Arc;
use std::time::Duration;

use super::cx::Cx;
use super::defaults::Defaults;
use super::sections::entries;
use super::step::Place;
use crate::diagnostic::{Code, Finding, Span};
use crate::recipe::Value;
use crate::recipe::model::{Map, Step, StepTimeout, Templated, Tree, TreeKind};
use crate::recipe::template::Expr;
use crate::recipe::yaml::{Key, Kind, Node};

/// The longest that one probe may take.
const LONGEST: Duration = Duration::from_secs(30);

/// Methods that change nothing (RFC 9110, section 9.2.1).
const SAFE: &[&str] = &["GET", "HEAD", "OPTIONS"];

impl Cx<'_> {
    /// All probes, in order.
    pub(super) fn blame(&mut self, section: Option<&Node>) -> Map<Arc<Step>> {
        let mut probes = Map::new();
        for (key, node) in entries(section) {
            if self.declared(key)
                && let Some(probe) = self.probe(key, node)
            {
                probes.insert(key.name.clone(), Arc::new(probe));
            }
        }
        probes
    }

    fn probe(&mut self, key: &Key, node: &Node) -> Option<Step> {
        let mut step = self.step(node, Place::Blame, &Defaults::default())?;
        step.name.clone_from(&key.name);
        if let StepTimeout::After(Templated::Literal(bound)) = step.timeout
            && bound > LONGEST
        {
            let span = step.places.value("timeout").unwrap_or(key.span);
            self.complain(
                Code::BadValue,
                span,
                "a probe of `blame` takes at most 30 s: whoever waits for the run waits for it too",
            );
        }
        self.changes_nothing(&step);
        Some(step)
    }

    /// A probe only looks: whatever the run has left is left as it is.
    fn changes_nothing(&mut self, step: &Step) {
        if let Some(tree) = step.params.get("authorize")
            && !matches!(tree.kind, TreeKind::Literal(Value::Bool(false)))
        {
            self.changes(tree.span, "`authorize` puts a key on the host");
        }
        self.reads_only(&step.params);
        if let Some(TreeKind::Map(request)) = step.params.get("http").map(|tree| &tree.kind) {
            self.reads_only(request);
        }
        for inner in &step.inner {
            self.reads_only(&inner.params);
        }
    }

    /// The method of a request; without one a body makes it a POST.
    fn reads_only(&mut self, request: &Map<Tree>) {
        if let Some(method) = request.get("method") {
            let safe = match &method.kind {
                TreeKind::Literal(Value::String(method)) => SAFE.contains(&method.as_str()),
                _ => false,
            };
            if !safe {
                self.changes(method.span, "its request is a `GET` or a `HEAD`");
            }
        }
        for body in ["json", "body", "form", "multipart"] {
            if let Some(body) = request.get(body) {
                self.changes(body.span, "its request has no body");
            }
        }
    }

    fn changes(&mut self, span: Span, help: &str) {
        self.push(
            Finding::new(Code::Misplaced, span, "a probe of `blame` changes nothing").help(help),
        );
    }

    /// `lab_failure_status`: 1 or 46, or an expression that gives one of them.
    pub(super) fn lab_failure_status(&mut self, node: &Node) -> Option<Expr> {
        if let Kind::Int(number) = node.kind
            && !matches!(number, 1 | 46)
        {
            self.complain(
                Code::BadValue,
                node.span,
                format!("`lab_failure_status` is 1 or 46, not {number}"),
            );
        }
        self.expr("lab_failure_status", node)
    }
}
