//! What an action is given, and what follows from it.

use super::cx::{Cx, Import};
use super::defaults::Defaults;
use super::step::{Place, add_need};
use crate::diagnostic::{Code, Finding, Span, Spanned};
use crate::recipe::GearKind;
use crate::recipe::Value;
use crate::recipe::model::{Call, Map, Step, Tree, TreeKind};
use crate::recipe::vocabulary::{self, Shape};
use crate::recipe::yaml::{Key, Node};

impl Cx<'_> {
    /// The action's parameters, and what follows from them.
    pub(super) fn params(
        &mut self,
        step: &mut Step,
        key: &Key,
        value: &Node,
        node: &Node,
        defaults: &Defaults,
    ) {
        let action = step.action;
        match action.name {
            "mux" => self.mux(step, key, value),
            "set" => {
                step.params = self.named_trees("set", Some(value));
                if value.is_null() {
                    self.complain(Code::MissingKey, key.span, "`set` is empty");
                }
            }
            "call" => self.call(step, value, node),
            "fail" if value.text() == Some("error") => {
                step.params
                    .insert("error".to_owned(), literal(value.span, true));
            }
            name if name == vocabulary::UNKNOWN.name => {}
            _ => {
                step.params = self.fields(action.name, &action.fields, value, key.span);
                if action.name == "power" {
                    self.power(step, key);
                }
            }
        }
        if action.name == "flash"
            && let Some(gear) = literal_text(step.params.get("to"))
        {
            let at = step.params.get("to").map_or(key.span, |tree| tree.span);
            let host = Spanned::new(vec!["host".to_owned()], at);
            if let Some((own, _)) = node.entry("host") {
                self.push(
                    Finding::new(
                        Code::Misplaced,
                        own.span,
                        format!("`host` beside `to`: the host is that of `{gear}`"),
                    )
                    .help("remove it"),
                );
            }
            add_need(&mut step.needs, gear.to_owned(), host);
        }
        if action.name == "wait"
            && let Some(steps) = value.get("steps")
            && let Some(Shape::Steps(actions)) =
                action.fields.param("steps").map(|param| &param.shape)
        {
            // A `host` beside the `wait` is that of its steps.
            let mut inner = defaults.clone();
            if let Some(host) = node.get("host").and_then(Node::text) {
                inner.host = Some(Spanned::new(host.to_owned(), key.span));
            }
            step.inner = self.steps("steps", steps, Place::Probe(actions), &inner);
            for needs in step.inner.iter().map(|inner| inner.needs.clone()) {
                for (name, values) in needs {
                    add_need(&mut step.needs, name, values);
                }
            }
        }
    }

    /// `mux: {GEAR: WHERE}`.
    fn mux(&mut self, step: &mut Step, key: &Key, value: &Node) {
        let [(gear, to)] = value.entries() else {
            self.push(
                Finding::new(
                    Code::WrongType,
                    key.span,
                    "`mux` takes one gear and where it goes",
                )
                .help("write `mux: { GEAR: host }`, `dut` or `read`"),
            );
            return;
        };
        self.is_gear(&gear.name, gear.span, GearKind::Mux);
        step.params
            .insert("gear".to_owned(), literal(gear.span, gear.name.as_str()));
        let words = [("host", "host"), ("dut", "dut"), ("read", "read")];
        let to = if to.is_null() {
            self.complain(
                Code::MissingKey,
                gear.span,
                format!("`{}` is empty", gear.name),
            );
            None
        } else {
            self.word(&gear.name, to, &words)
                .map(|word| (word, to.span))
        };
        if let Some((word, span)) = to {
            step.params.insert("to".to_owned(), literal(span, word));
            let known = (word != "read").then(|| word.to_owned());
            step.sets.insert(gear.name.clone(), known);
        }
    }

    /// The gear of a `power` step, and what it sets.
    fn power(&mut self, step: &mut Step, key: &Key) {
        if !step.params.contains_key("gear") {
            let mut gear = self
                .names
                .gear
                .iter()
                .filter(|(_, kind)| **kind == GearKind::Power)
                .map(|(name, _)| name.clone());
            match (gear.next(), gear.next()) {
                (Some(only), None) => {
                    step.params
                        .insert("gear".to_owned(), literal(key.span, only.as_str()));
                }
                (None, _) => {
                    drop(gear);
                    self.push(
                        Finding::new(Code::UnknownGear, key.span, "the recipe has no power gear")
                            .help("declare one: `gear: { NAME: { kind: power, … } }`"),
                    );
                }
                (Some(first), Some(second)) => {
                    drop(gear);
                    self.push(
                        Finding::new(
                            Code::UnknownGear,
                            key.span,
                            "the recipe has more than one power gear",
                        )
                        .help(format!(
                            "say which: `power: {{ gear: {first}, to: … }}` (or `{second}`)"
                        )),
                    );
                }
            }
        }
        let to = literal_text(step.params.get("to")).map(str::to_owned);
        if let (Some(gear), Some(to)) = (literal_text(step.params.get("gear")), to) {
            let known = match to.as_str() {
                "read" => None,
                "off" => Some("off".to_owned()),
                _ => Some("on".to_owned()),
            };
            step.sets.insert(gear.to_owned(), known);
        }
    }

    /// `call: NAME` and the `with` beside it.
    fn call(&mut self, step: &mut Step, value: &Node, node: &Node) {
        let with = match node.get("with") {
            Some(with) => self.named_trees("with", Some(with)),
            None => Map::new(),
        };
        if value.is_null() {
            self.complain(Code::MissingKey, value.span, "`call` is empty");
            return;
        }
        let Some(name) = self.literal("call", value, "the name of a procedure") else {
            return;
        };
        let names = self.names;
        let procedure = if let Some((recipe, procedure)) = name.split_once('.') {
            self.imports.push(Import {
                recipe: recipe.to_owned(),
                procedure: procedure.to_owned(),
                span: value.span,
            });
            name.clone()
        } else {
            if !names.procedures.contains(&name) {
                self.unknown(
                    Code::UnknownProcedure,
                    value.span,
                    "procedure",
                    &name,
                    names.procedures.iter().map(String::as_str),
                );
            }
            match self.prefix {
                Some(recipe) => format!("{recipe}.{name}"),
                None => name,
            }
        };
        step.call = Some(Call {
            procedure: Spanned::new(procedure, value.span),
            with,
        });
    }
}

fn literal(span: Span, value: impl Into<Value>) -> Tree {
    Tree {
        span,
        kind: TreeKind::Literal(value.into()),
    }
}

/// The text of a literal parameter.
pub(super) fn literal_text(tree: Option<&Tree>) -> Option<&str> {
    match &tree?.kind {
        TreeKind::Literal(Value::String(text)) => Some(text),
        _ => None,
    }
}
