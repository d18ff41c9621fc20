//! `defaults`: what steps take where they say nothing themselves.

use super::cx::Cx;
use super::value::has_template;
use crate::diagnostic::Spanned;
use crate::recipe::model::{Retry, StepTimeout, Tree};
use crate::recipe::vocabulary::key::names;
use crate::recipe::vocabulary::keys;
use crate::recipe::yaml::Node;

/// The nearest `defaults` that have each key.
#[derive(Clone, Debug, Default)]
pub(super) struct Defaults {
    pub(super) timeout: Option<Spanned<StepTimeout>>,
    pub(super) retry: Option<Retry>,
    pub(super) host: Option<Spanned<String>>,
    pub(super) env: Option<Tree>,
}

const KEYS: &[&str] = &names::<{ keys::DEFAULTS.len() }>(keys::DEFAULTS);

impl Cx<'_> {
    /// These defaults, and those of a `defaults` key inside them.
    pub(super) fn defaults(&mut self, outer: &Defaults, node: Option<&Node>) -> Defaults {
        let mut defaults = outer.clone();
        let Some(node) = node.filter(|node| !node.is_null()) else {
            return defaults;
        };
        if !self.is_map("defaults", node) {
            return defaults;
        }
        self.known_keys(node, "`defaults`", KEYS, |_| None);
        if let Some(timeout) = node.get("timeout") {
            defaults.timeout = self
                .step_timeout(timeout)
                .map(|bound| Spanned::new(bound, timeout.span))
                .or(defaults.timeout);
        }
        if let Some(retry) = node.get("retry") {
            defaults.retry = self.step_retry(retry).or(defaults.retry);
        }
        if let Some(host) = node.get("host") {
            defaults.host = self.host("host", host).or(defaults.host);
        }
        if let Some(env) = node.get("env") {
            defaults.env = self.env(env).or(defaults.env);
        }
        defaults
    }

    /// `timeout` of a step: a duration, or `none`.
    pub(super) fn step_timeout(&mut self, node: &Node) -> Option<StepTimeout> {
        match node.text() {
            Some("none") => Some(StepTimeout::None),
            Some(text) if !has_template(text) && text.is_empty() => None,
            _ => self.duration("timeout", node, true).map(StepTimeout::After),
        }
    }
}
