//! Stages and procedures: a leaf or scope that is entered once.

use std::sync::Arc;

use super::cx::Cx;
use super::defaults::Defaults;
use super::state::{Form, LEAF, SCOPE};
use crate::diagnostic::{Code, Finding, Spanned};
use crate::recipe::model::{Ensures, Map, Procedure, Stage, State};
use crate::recipe::vocabulary::key::names;
use crate::recipe::vocabulary::keys;
use crate::recipe::yaml::{Key, Node};

const ROOT: &[&str] = &names::<{ keys::ROOT.len() }>(keys::ROOT);
const STAGE: &[&str] = &names::<{ keys::STAGE.len() }>(keys::STAGE);
const PROCEDURE: &[&str] = &names::<{ keys::PROCEDURE.len() }>(keys::PROCEDURE);
const ENSURES: &[&str] = &names::<{ keys::ENSURES.len() }>(keys::ENSURES);

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
            self.known_keys(node, "`ensures`", ENSURES, |_| None);
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
}
