//! `retry`.

use std::time::Duration;

use super::cx::Cx;
use super::defaults::Defaults;
use super::step::Place;
use crate::recipe::model::{Retry, Templated};
use crate::recipe::places::Places;
use crate::recipe::vocabulary::key::names;
use crate::recipe::vocabulary::keys;
use crate::recipe::yaml::{Kind, Node};

const KEYS: &[&str] = &names::<{ keys::RETRY.len() }>(keys::RETRY);
const STATE_KEYS: &[&str] = &names::<{ keys::STATE_RETRY.len() }>(keys::STATE_RETRY);

/// The longest delay where a recipe gives none.
const MAX_DELAY: Duration = Duration::from_secs(60 * 60);

impl Cx<'_> {
    /// The `retry` of a step, which has no `between`.
    pub(super) fn step_retry(&mut self, node: &Node) -> Option<Retry> {
        self.retry(node, KEYS)
    }

    /// The `retry` of a leaf, scope or stage.
    pub(super) fn state_retry(&mut self, node: &Node, defaults: &Defaults) -> Option<Retry> {
        let mut retry = self.retry(node, STATE_KEYS)?;
        if let Some(between) = node.get("between") {
            retry.between = self.steps("between", between, Place::Between, defaults);
        }
        Some(retry)
    }

    fn retry(&mut self, node: &Node, keys: &[&str]) -> Option<Retry> {
        let mut retry = Retry {
            places: Places::of(node),
            span: node.span,
            attempts: Templated::Literal(1),
            delay: Templated::Literal(Duration::ZERO),
            backoff: Templated::Literal(1.0),
            max_delay: Templated::Literal(MAX_DELAY),
            jitter: Templated::Literal(0.0),
            errors: None,
            named: Vec::new(),
            between: Vec::new(),
        };
        if !matches!(node.kind, Kind::Map(_)) {
            retry.attempts = self.templated_count("retry", node, 1)?;
            return Some(retry);
        }
        self.known_keys(node, "`retry`", keys, |key| {
            (key == "between")
                .then(|| "`between` stands in the `retry` of a leaf, scope or stage".to_owned())
        });
        if let Some(attempts) = self.required(node, "attempts", "`retry`", node.span)
            && let Some(attempts) = self.templated_count("attempts", attempts, 1)
        {
            retry.attempts = attempts;
        }
        if let Some(delay) = node.get("delay") {
            retry.delay = self.duration("delay", delay, false).unwrap_or(retry.delay);
        }
        if let Some(backoff) = node.get("backoff") {
            retry.backoff = self
                .number("backoff", backoff, 1.0, f64::MAX)
                .unwrap_or(retry.backoff);
        }
        if let Some(most) = node.get("max_delay") {
            retry.max_delay = self
                .duration("max_delay", most, false)
                .unwrap_or(retry.max_delay);
        }
        if let Some(jitter) = node.get("jitter") {
            retry.jitter = self
                .number("jitter", jitter, 0.0, 1.0)
                .unwrap_or(retry.jitter);
        }
        if let Some(errors) = node.get("errors") {
            retry.named = self.kinds("errors", errors);
            retry.errors = Some(retry.named.iter().map(|named| named.value).collect());
        }
        Some(retry)
    }
}
