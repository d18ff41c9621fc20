//! Steps: one action and its modifiers.

use std::sync::Arc;
use std::time::Duration;

use super::cx::{Cx, Import};
use super::defaults::Defaults;
use crate::diagnostic::{Code, Finding, Span, Spanned, nearest};
use crate::recipe::Value;
use crate::recipe::model::{
    AllowFailure, Call, GearKind, Items, Map, Needs, Parse, Step, StepTimeout, Templated, Tree,
    TreeKind,
};
use crate::recipe::vocabulary::{self, ACTIONS, Action, LATER, MODIFIERS, Places, Shape};
use crate::recipe::yaml::{Key, Kind, Node};

/// Bound on one try of an exit step that has none.
const EXIT_TIMEOUT: Duration = Duration::from_secs(60);

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
    /// The steps of a `wait`: these actions alone.
    Probe(&'static [&'static str]),
}

/// Actions of drivers. (Later: `serial`, `snmp`, `tcp`.)
const DRIVER_ACTIONS: &[&str] = &["run", "commands", "http", "sleep"];
const DRIVER_MODIFIERS: &[&str] = &[
    "name",
    "when",
    "host",
    "env",
    "expect",
    "timeout",
    "allow_failure",
    "verdict",
];
const PROBE_MODIFIERS: &[&str] = &[
    "name",
    "when",
    "host",
    "for_each",
    "save",
    "timeout",
    "env",
    "expect",
    "allow_failure",
    "parse",
    "max_output",
];

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
    fn step(&mut self, node: &Node, place: Place, defaults: &Defaults) -> Option<Step> {
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
        let mut step = Step {
            span,
            name: action.name.to_owned(),
            action,
            params: Map::new(),
            inner: Vec::new(),
            call: None,
            when: None,
            host: None,
            for_each: None,
            continue_on_item_error: false,
            save: None,
            timeout: StepTimeout::None,
            stall: None,
            retry: None,
            expect: None,
            allow_failure: AllowFailure::No,
            env: None,
            parse: None,
            max_output: None,
            needs: Needs::new(),
            sets: Map::new(),
            recovery: false,
            verdict: None,
        };
        self.params(&mut step, key, value, node, defaults);
        self.modifiers(&mut step, node, key, place, defaults);
        let rules: Vec<Needs> = self
            .names
            .rules
            .iter()
            .filter(|(before, _)| before == action.name && place != Place::Driver)
            .map(|(_, needs)| needs.clone())
            .collect();
        for needs in rules {
            for (name, values) in needs {
                add_need(&mut step.needs, name, values);
            }
        }
        Some(step)
    }

    /// The one key of a step that names an action.
    fn action_of<'n>(
        &mut self,
        node: &Node,
        entries: &'n [(Key, Node)],
    ) -> Option<(&'n Key, &'n Node, &'static Action)> {
        let mut found: Option<(&Key, &Node, &'static Action)> = None;
        let mut stranger = None;
        for (key, value) in entries {
            if let Some(action) = vocabulary::action(&key.name) {
                if let Some((first, _, _)) = found {
                    let finding = Finding::new(
                        Code::OneOf,
                        key.span,
                        format!("a step has one action: `{}` or `{}`", first.name, key.name),
                    )
                    .related(first.span, "the first action")
                    .help("write two steps");
                    self.push(finding);
                } else {
                    found = Some((key, value, action));
                }
            } else if MODIFIERS.iter().all(|modifier| modifier.name != key.name) {
                stranger.get_or_insert((key, value));
            }
        }
        if found.is_some() {
            return found;
        }
        let Some((key, value)) = stranger else {
            self.push(
                Finding::new(Code::MissingKey, node.span, "this step has no action")
                    .help("a step is `ACTION: …`, with modifiers beside it"),
            );
            return None;
        };
        let name = key.name.as_str();
        if LATER.contains(&name) {
            self.push(
                Finding::new(
                    Code::NotYet,
                    key.span,
                    format!("`{name}` is not in this version"),
                )
                .help(if name == "serial" {
                    "`capture` logs a serial line"
                } else {
                    "`copy` and `write` put files on a host"
                }),
            );
        } else {
            let similar = nearest(name, ACTIONS.iter().map(|action| action.name));
            let mut finding = Finding::new(
                Code::UnknownAction,
                key.span,
                format!("unknown action `{name}`"),
            )
            .suggest(similar);
            if similar.is_none() {
                finding = finding.help(format!(
                    "actions are {}",
                    crate::diagnostic::list(ACTIONS.iter().map(|action| action.name), "and")
                ));
            }
            self.push(finding);
        }
        Some((key, value, &vocabulary::UNKNOWN))
    }

    /// Complains about an action in a list where it can't stand.
    fn placed(&mut self, key: &Key, action: &Action, place: Place) {
        let name = action.name;
        let allowed = match place {
            Place::Driver => Some(DRIVER_ACTIONS),
            Place::Probe(actions) => Some(actions),
            _ => None,
        };
        let message = match (place, action.places) {
            (Place::Driver | Place::Probe(_), _) if action.name != vocabulary::UNKNOWN.name => {
                let Some(allowed) = allowed.filter(|allowed| !allowed.contains(&name)) else {
                    return;
                };
                let what = if place == Place::Driver {
                    "a driver"
                } else {
                    "a probe"
                };
                format!(
                    "{what} is made of {}",
                    crate::diagnostic::list(allowed.iter().copied(), "and")
                )
            }
            (Place::Exit | Place::Between, Places::NotExit) => {
                format!("`{name}` stands in `do` and `enter` only")
            }
            (Place::Exit | Place::Between | Place::Do { .. }, Places::Enter) => {
                format!("`{name}` stands in `enter` only: it lives as long as its scope")
            }
            _ => return,
        };
        self.push(
            Finding::new(
                Code::Misplaced,
                key.span,
                format!("`{name}` has no place here"),
            )
            .help(message),
        );
    }

    /// Complains about keys that the action does not take.
    fn modifiers_fit(&mut self, node: &Node, at: &Key, action: &Action, place: Place) {
        for (key, value) in node.entries() {
            let name = key.name.as_str();
            if key == at || vocabulary::action(name).is_some() {
                continue;
            }
            let Some(modifier) = MODIFIERS.iter().find(|modifier| modifier.name == name) else {
                if self.is_split_expression(node, key, value) {
                    continue;
                }
                if action.name == vocabulary::UNKNOWN.name {
                    continue;
                }
                let known: Vec<&str> = action.modifiers().map(|modifier| modifier.name).collect();
                let mut finding = Finding::new(
                    Code::UnknownKey,
                    key.span,
                    format!("a step has no modifier `{name}`"),
                );
                finding = if action.fields.param(name).is_some() {
                    finding.help(format!(
                        "`{name}` is a parameter: write it inside `{}`, as in `{}: {{ {name}: … }}`",
                        action.name, action.name
                    ))
                } else {
                    let similar = nearest(name, known.iter().copied());
                    match similar {
                        Some(_) => finding.suggest(similar),
                        None => finding.help(format!(
                            "`{}` takes {}",
                            action.name,
                            crate::diagnostic::list(known, "and")
                        )),
                    }
                };
                self.push(finding);
                continue;
            };
            let allowed = match place {
                Place::Driver => DRIVER_MODIFIERS.contains(&name),
                Place::Probe(_) => PROBE_MODIFIERS.contains(&name),
                _ => true,
            };
            if action.name == vocabulary::UNKNOWN.name {
                continue;
            }
            if !action.takes(modifier) {
                self.push(
                    Finding::new(
                        Code::Misplaced,
                        key.span,
                        format!("`{}` takes no `{name}`", action.name),
                    )
                    .help(format!(
                        "`{}` takes {}",
                        action.name,
                        crate::diagnostic::list(
                            action.modifiers().map(|modifier| modifier.name),
                            "and"
                        )
                    )),
                );
            } else if !allowed {
                let what = if place == Place::Driver {
                    "a driver's steps are one try of the gear's step: put it there"
                } else {
                    "a probe's steps are one try of the `wait`: put it there"
                };
                self.push(
                    Finding::new(
                        Code::Misplaced,
                        key.span,
                        format!("`{name}` has no place here"),
                    )
                    .help(what),
                );
            }
        }
    }

    /// The action's parameters, and what follows from them.
    fn params(
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
            step.allow_failure = self.allow_failure(allow);
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

    /// The bound on one try: the step's own, the nearest default, or the action's.
    fn timeout(
        &mut self,
        step: &Step,
        node: &Node,
        key: &Key,
        place: Place,
        defaults: &Defaults,
    ) -> StepTimeout {
        let action = step.action;
        if let Some(own) = node.get("timeout") {
            if place == Place::Exit && own.text() == Some("none") {
                self.push(
                    Finding::new(
                        Code::MissingBound,
                        own.span,
                        "an exit step has a bound of its own",
                    )
                    .help("nothing else bounds it: leave `timeout` out for 60 s, or give one"),
                );
                return StepTimeout::After(Templated::Literal(EXIT_TIMEOUT));
            }
            return self.step_timeout(own).unwrap_or(StepTimeout::None);
        }
        match place {
            // `sleep` is a bound itself.
            Place::Exit if action.name != "sleep" => {
                return StepTimeout::After(Templated::Literal(EXIT_TIMEOUT));
            }
            Place::Exit | Place::Driver | Place::Probe(_) => {}
            Place::Do { .. } | Place::Enter | Place::Between => {
                if action.takes_defaults
                    && let Some(timeout) = &defaults.timeout
                {
                    return timeout.clone();
                }
            }
        }
        if action.bound_required {
            if !matches!(place, Place::Do { bounded: true }) {
                self.push(
                    Finding::new(
                        Code::MissingBound,
                        key.span,
                        format!("`{}` has no bound", action.name),
                    )
                    .help("give the step a `timeout` (or the leaf that it is in)"),
                );
            }
            return StepTimeout::None;
        }
        let follows = step.params.contains_key("follow");
        match action.timeout {
            Some(each) if action.name == "commands" => StepTimeout::PerLine(each),
            Some(bound) if !follows => StepTimeout::After(Templated::Literal(bound)),
            _ => StepTimeout::None,
        }
    }

    /// In exit steps `for_each` goes over a list whose length has a bound.
    fn bounded_items(&mut self, items: Option<&Items>, node: &Node) {
        let Some(Items::Expr(expr)) = items else {
            return;
        };
        if !self.names.limited_lists.contains(expr.text.trim()) {
            self.push(
                Finding::new(
                    Code::MissingBound,
                    node.span,
                    "in exit steps the number of items needs a bound",
                )
                .help("go over a literal list, or an input with `max_items`"),
            );
        }
    }
}

/// Adds to `needs`: where a name is there already, both must hold.
fn add_need(needs: &mut Needs, name: String, values: Spanned<Vec<String>>) {
    match needs.get_mut(&name) {
        Some(present) => present.value.retain(|value| values.value.contains(value)),
        None => {
            needs.insert(name, values);
        }
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
