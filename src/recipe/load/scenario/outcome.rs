//! How tries end.

use crate::diagnostic::{Code, Finding, Spanned, list, nearest};
use crate::recipe::ErrorKind;
use crate::recipe::load::cx::Cx;
use crate::recipe::scenario::TryOutcome;
use crate::recipe::yaml::{Kind, Node};

impl Cx<'_> {
    pub(super) fn scripted_steps(
        &mut self,
        node: Option<&Node>,
    ) -> Vec<(Spanned<String>, Vec<TryOutcome>)> {
        let Some(node) = node else {
            return Vec::new();
        };
        if !self.is_map("steps", node) {
            return Vec::new();
        }
        let mut steps = Vec::new();
        for (key, value) in node.entries() {
            let outcomes: Vec<TryOutcome> = match &value.kind {
                Kind::Seq(items) => items
                    .iter()
                    .filter_map(|item| self.outcome(&key.name, item))
                    .collect(),
                Kind::Null => {
                    self.complain(
                        Code::MissingKey,
                        key.span,
                        format!("`{}` is empty", key.name),
                    );
                    continue;
                }
                _ => self.outcome(&key.name, value).into_iter().collect(),
            };
            steps.push((Spanned::new(key.name.clone(), key.span), outcomes));
        }
        steps
    }

    /// `ok`, a kind of error, or a map.
    fn outcome(&mut self, step: &str, node: &Node) -> Option<TryOutcome> {
        let mut outcome = TryOutcome {
            span: node.span,
            ..TryOutcome::default()
        };
        let Kind::Map(entries) = &node.kind else {
            let word = self.literal(step, node, "an outcome")?;
            if word != "ok" {
                outcome.error = Some(self.error_word(&word, node)?);
            }
            return Some(outcome);
        };
        for (key, value) in entries {
            match key.name.as_str() {
                "error" => {
                    let word = self.literal("error", value, "a kind of error")?;
                    outcome.error = Some(self.error_word(&word, value)?);
                }
                "takes" => outcome.takes = Some(self.fixed_duration("takes", value)?),
                "message" => outcome.message = Some(self.literal("message", value, "a text")?),
                _ => outcome.output.push((key.clone(), value.to_value())),
            }
        }
        if outcome.message.is_some() && outcome.error.is_none() {
            let at = node.entry("message").map_or(node.span, |(key, _)| key.span);
            self.push(
                Finding::new(
                    Code::Misplaced,
                    at,
                    "`message` has no place in an outcome without `error`",
                )
                .help("only an error says something"),
            );
        }
        Some(outcome)
    }

    fn error_word(&mut self, word: &str, node: &Node) -> Option<Spanned<ErrorKind>> {
        // `loop` comes of visits and `cancelled` of signals, never of a try.
        let kinds = ErrorKind::ALL
            .iter()
            .copied()
            .filter(|kind| !matches!(kind, ErrorKind::Loop | ErrorKind::Cancelled));
        if let Some(kind) = kinds.clone().find(|kind| kind.word() == word) {
            return Some(Spanned::new(kind, node.span));
        }
        let words = || std::iter::once("ok").chain(kinds.clone().map(ErrorKind::word));
        let similar = nearest(word, words());
        let mut finding = Finding::new(
            Code::UnknownKind,
            node.span,
            format!("no try ends with `{word}`"),
        )
        .suggest(similar);
        if similar.is_none() {
            finding = finding.help(format!("a try ends with {}", list(words(), "or")));
        }
        self.push(finding);
        None
    }
}
