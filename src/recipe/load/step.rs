//! Steps: one action and its modifiers.

use std::sync::Arc;

use super::cx::Cx;
use super::defaults::Defaults;
use crate::diagnostic::{Code, Finding, Span, Spanned};
use crate::recipe::model::{Needs, Parse, Step, Templated};
use crate::recipe::places::Places;
use crate::recipe::vocabulary::{self, MODIFIERS};
use crate::recipe::yaml::{Key, Kind, Node};

/// Which list of steps a step stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `do` of a leaf; whether the leaf has a `timeout`.
    Do { bounded: bool },
    /// `enter` of a scope.
    Enter,
    /// `exit` of a scope.
    Exit,
    /// `between` of a retry.
    Between,
    /// A verb of a gear's driver.
    Driver,
    /// A probe of `blame`.
    Blame,
    /// The steps of a `wait`: these actions alone.
    Probe(&'static [&'static str]),
}

impl Cx<'_> {
    /// A list of steps.
    pub(super) fn steps(
        &mut self,
        key: &str,
        node: &Node,
        place: Place,
        defaults: &Defaults,
    ) -> Vec<Arc<Step>> {
        match &node.kind {
            Kind::Seq(items) => items
                .iter()
                .filter_map(|item| self.step(item, place, defaults))
                .map(Arc::new)
                .collect(),
            Kind::Null => Vec::new(),
            _ => {
                self.push(
                    Finding::new(
                        Code::WrongType,
                        node.span,
                        format!("`{key}` must be a list of steps, not {}", node.what()),
                    )
                    .help("each step begins with `- `"),
                );
                Vec::new()
            }
        }
    }

    /// One step. An unknown action is complained about, and stands in the model as one that does
    /// nothing, so that what the step saves is not unknown too.
    pub(super) fn step(&mut self, node: &Node, place: Place, defaults: &Defaults) -> Option<Step> {
        let Kind::Map(entries) = &node.kind else {
            let mut finding = Finding::new(
                Code::WrongType,
                node.span,
                format!("a step must be a map with an action, not {}", node.what()),
            );
            if let Some(action) = node.text().and_then(vocabulary::action) {
                finding = finding.help(format!("write `{}: …`", action.name));
            }
            self.push(finding);
            return None;
        };
        let (key, value, action) = self.action_of(node, entries)?;
        let span = Span::new(
            key.span.source,
            key.span.start as usize,
            value.span.end as usize,
        );
        let span = if value.span.source == key.span.source && value.span.start >= key.span.start {
            span
        } else {
            key.span
        };
        self.placed(key, action, place);
        self.modifiers_fit(node, key, action, place);
        let mut step = Step::new(action, span);
        step.places = Places::of(node);
        self.params(&mut step, key, value, node, defaults);
        self.modifiers(&mut step, node, key, place, defaults);
        let rules: Vec<Needs> = self
            .names
            .rules
            .iter()
            .filter(|(before, _)| {
                before == action.name && !matches!(place, Place::Driver | Place::Blame)
            })
            .map(|(_, needs)| needs.clone())
            .collect();
        for needs in rules {
            for (name, values) in needs {
                add_need(&mut step.needs, name, values);
            }
        }
        Some(step)
    }

    fn modifiers(
        &mut self,
        step: &mut Step,
        node: &Node,
        key: &Key,
        place: Place,
        defaults: &Defaults,
    ) {
        let action = step.action;
        if let Some(name) = node.get("name")
            && let Some(name) = self.literal("name", name, "a text")
        {
            step.name = name;
        }
        if let Some(when) = node.get("when") {
            step.when = self.expr("when", when);
        }
        if let Some(items) = node.get("for_each") {
            step.for_each = self.items(items);
            if place == Place::Exit {
                self.bounded_items(step.for_each.as_ref(), items);
            }
        }
        if let Some(on_error) = node.get("on_item_error") {
            let words = [("stop", false), ("continue", true)];
            step.continue_on_item_error = self
                .word("on_item_error", on_error, &words)
                .unwrap_or(false);
        }
        if action.on_host {
            let own = node.get("host").and_then(|host| self.host("host", host));
            // Steps of a driver are where their gear is, those of a probe where the `wait` is.
            let given = if matches!(place, Place::Driver | Place::Probe(_)) {
                own
            } else {
                own.or_else(|| defaults.host.clone())
            };
            step.host = match (given, place) {
                (None, Place::Driver | Place::Probe(_)) => None,
                (given, _) => {
                    Some(given.unwrap_or_else(|| Spanned::new("local".to_owned(), key.span)))
                }
            };
        }
        if let Some(save) = node.get("save")
            && let Some(name) = self.literal("save", save, "a name")
            && self.is_name(&name, save.span)
        {
            step.save = Some(Spanned::new(name, save.span));
        }
        step.timeout = self.timeout(step, node, key, place, defaults);
        step.stall = match node.get("stall") {
            Some(stall) => self.duration("stall", stall, true),
            None => action.stall.map(Templated::Literal),
        };
        step.retry = match node.get("retry") {
            Some(retry) => self.step_retry(retry),
            None if action.takes_defaults
                && !matches!(place, Place::Exit | Place::Driver | Place::Probe(_)) =>
            {
                defaults.retry.clone()
            }
            None => None,
        };
        if let Some(expect) = node.get("expect") {
            step.expect = self.expect(expect);
        }
        if let Some(allow) = node.get("allow_failure") {
            (step.allow_failure, step.forgiven) = self.allow_failure(allow);
        }
        let takes_env = MODIFIERS
            .iter()
            .any(|modifier| modifier.name == "env" && action.takes(modifier));
        step.env = match node.get("env") {
            Some(env) => self.env(env),
            None if takes_env && place != Place::Driver => defaults.env.clone(),
            None => None,
        };
        if let Some(parse) = node.get("parse") {
            let words = [
                ("json", Parse::Json),
                ("lines", Parse::Lines),
                ("text", Parse::Text),
            ];
            step.parse = self.word("parse", parse, &words);
        }
        if let Some(size) = node.get("max_output") {
            step.max_output = self.size("max_output", size);
        }
        if let Some(needs) = node.get("needs") {
            for (name, values) in self.needs("needs", needs) {
                add_need(&mut step.needs, name, values);
            }
        }
        if let Some(sets) = node.get("sets") {
            step.sets.extend(self.sets(sets));
        }
        if let Some(recovery) = node.get("recovery") {
            step.recovery = self.boolean("recovery", recovery).unwrap_or(false);
        }
        if let Some(verdict) = node.get("verdict") {
            step.verdict = self.verdict(verdict);
        }
    }
}

/// Adds to `needs`: where a name is there already, both must hold.
pub(super) fn add_need(needs: &mut Needs, name: String, values: Spanned<Vec<String>>) {
    match needs.get_mut(&name) {
        Some(present) => present.value.retain(|value| values.value.contains(value)),
        None => {
            needs.insert(name, values);
        }
    }
}
