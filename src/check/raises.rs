//! Which kinds of error a step can raise, and which of them a state has to deal with.
//!
//! What is told here is never too little: a kind that is not in a set can't be raised there. It may
//! be too much, since a template is taken to fail whatever it reads. `cancelled` is in no set:
//! nothing raises, retries or catches it.

use std::collections::{HashMap, HashSet};

use super::outline::Outline;
use crate::recipe::model::{
    AllowFailure, Body, Driver, EndKind, Gear, Host, Items, Login, Parse, Recipe, State, Step,
    StepTimeout, Templated, Tree, TreeKind,
};
use crate::recipe::reads;
use crate::recipe::template::Expr;
use crate::recipe::{ErrorKind, KindSet, Value};

/// Every kind but `cancelled`.
const ANY: KindSet = KindSet::ALL.without(ErrorKind::Cancelled);

/// What a login by SSH can fail with.
const BY_SSH: KindSet = KindSet::of(&[ErrorKind::Unreachable, ErrorKind::Lost, ErrorKind::Auth]);

/// The kinds of error that the steps of one recipe can raise.
pub(crate) struct Raises<'r> {
    recipe: &'r Recipe,
    /// What leaves each procedure, without what its caller's step adds.
    procedures: HashMap<&'r str, KindSet>,
}

/// The kinds of error that one state has to deal with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dealt {
    /// What its `retry` is asked about: what comes out of its steps, or the states inside.
    pub(crate) retried: KindSet,
    /// What its `catch` is asked about: those, its exit and `between` steps' errors, its own bound's
    /// `timeout`, `loop`, and the `input` of its own guards.
    pub(crate) caught: KindSet,
    /// What its `catch` leaves to the scope around it.
    pub(crate) left: KindSet,
}

impl<'r> Raises<'r> {
    /// Looks at all procedures of a recipe, called ones before their callers.
    pub(crate) fn of(recipe: &'r Recipe) -> Self {
        let mut raises = Self {
            recipe,
            procedures: HashMap::new(),
        };
        for name in called_first(recipe) {
            if let Some(procedure) = recipe.procedures.get(name) {
                let outline = Outline::new(&procedure.root);
                let states = raises.of_states(procedure.home.as_deref(), &outline);
                let mut kinds = states.first().map_or(KindSet::NONE, |root| root.left);
                if outline.states.iter().any(|placed| fails(placed.state)) {
                    kinds = kinds.with(ErrorKind::Failed);
                }
                if procedure.returns.as_ref().is_some_and(may_fail) {
                    kinds = kinds.with(ErrorKind::Input);
                }
                raises.procedures.insert(name, kinds);
            }
        }
        raises
    }

    /// What one try of a step can end with. `home`: the recipe among the imports whose hosts and
    /// gear it uses.
    pub(crate) fn of_try(&self, home: Option<&str>, step: &Step) -> KindSet {
        let owner = home
            .and_then(|home| self.recipe.imports.get(home))
            .unwrap_or(self.recipe);
        self.own(owner, step)
    }

    /// What comes out of a step after its `retry`, its `allow_failure` and its `on_item_error`.
    pub(crate) fn of_step(&self, home: Option<&str>, step: &Step) -> KindSet {
        let kinds = self.of_try(home, step);
        let kinds = after(step, kinds);
        let list_fails = match &step.for_each {
            Some(Items::Expr(_)) => true,
            Some(Items::List(tree)) => is_templated(tree),
            None => false,
        };
        if list_fails || step.when.as_ref().is_some_and(may_fail) {
            kinds.with(ErrorKind::Input)
        } else {
            kinds
        }
    }

    /// What each state of a stage or procedure has to deal with.
    pub(super) fn of_states(&self, home: Option<&str>, outline: &Outline<'_>) -> Vec<Dealt> {
        let mut dealt = vec![Dealt::default(); outline.states.len()];
        // What comes out of the states inside each; they stand after it.
        let mut inside = vec![KindSet::NONE; outline.states.len()];
        for at in (0..outline.states.len()).rev() {
            let placed = &outline.states[at];
            dealt[at] = self.of_state(home, placed.state, inside[at]);
            if let Some(parent) = placed.parent {
                inside[parent] = inside[parent].and(dealt[at].left);
                // A bounded state's second `loop` is its scope's.
                if placed.state.max_visits.is_some() {
                    inside[parent] = inside[parent].with(ErrorKind::Loop);
                }
            }
        }
        dealt
    }

    fn of_state(&self, home: Option<&str>, state: &State, inside: KindSet) -> Dealt {
        let of_steps = |steps: &[std::sync::Arc<Step>]| {
            steps.iter().fold(KindSet::NONE, |kinds, step| {
                kinds.and(self.of_step(home, step))
            })
        };
        let (retried, leaving) = match &state.body {
            Body::Leaf { steps } => (of_steps(steps), KindSet::NONE),
            Body::Scope { enter, exit, .. } => (inside.and(of_steps(enter)), of_steps(exit)),
            Body::Choice | Body::End { .. } => (KindSet::NONE, KindSet::NONE),
        };
        let mut of_item = retried.and(leaving);
        if let Some(retry) = &state.retry {
            of_item = of_item.and(of_steps(&retry.between));
        }
        if state.timeout.is_some() {
            of_item = of_item.with(ErrorKind::Timeout);
        }
        if values_fail(state) {
            of_item = of_item.with(ErrorKind::Input);
        }
        let mut caught = if state.for_each.is_some() && state.continue_on_item_error {
            KindSet::NONE
        } else {
            of_item
        };
        if state.max_visits.is_some() {
            caught = caught.with(ErrorKind::Loop);
        }
        let guards = state
            .when
            .iter()
            .chain(state.next.iter().filter_map(|row| row.when.as_ref()));
        let list_fails = match &state.for_each {
            Some(Items::Expr(_)) => true,
            Some(Items::List(tree)) => is_templated(tree),
            None => false,
        };
        if list_fails || guards.into_iter().any(may_fail) {
            caught = caught.with(ErrorKind::Input);
        }
        let left = state.catch.iter().fold(caught, |left, row| match row.kind {
            Some(kind) => left.without(kind),
            None => KindSet::NONE,
        });
        Dealt {
            retried,
            caught,
            left,
        }
    }

    fn own(&self, owner: &Recipe, step: &Step) -> KindSet {
        let mut kinds = self.of_action(owner, step);
        let in_process = matches!(
            step.action.name,
            "set" | "assert" | "log" | "fail" | "sleep"
        );
        // What is computed in no time can hit no bound but one around it.
        if !in_process && (has_bound(step) || step.stall.is_some()) {
            kinds = kinds.with(ErrorKind::Timeout);
        }
        if !step.needs.is_empty() {
            kinds = kinds.with(ErrorKind::Mismatch);
        }
        let mut templated = false;
        reads::of_step(step, &mut |_| templated = true);
        if templated {
            kinds = kinds.with(ErrorKind::Input);
        }
        kinds
    }

    fn of_action(&self, owner: &Recipe, step: &Step) -> KindSet {
        let mut kinds = step.action.kinds;
        let parses = !matches!(step.parse, None | Some(Parse::Text));
        let host = step
            .host
            .as_ref()
            .and_then(|host| owner.hosts.get(&host.value));
        match step.action.name {
            "run" | "commands" => {
                kinds = kinds.and(by_host(host));
                // A signal ends programs on this machine too, and one that is not there can't start.
                kinds = kinds.with(ErrorKind::Lost);
                if !step.params.contains_key("shell") && step.action.name == "run" {
                    kinds = kinds.with(ErrorKind::Unreachable);
                }
                if let Some(expect) = &step.expect {
                    if expect.any {
                        kinds = kinds.without(ErrorKind::Exit);
                    }
                    // Of a link that drops, the exit status is not known: that is no `any`.
                    if expect.lost || (expect.any && !is_remote(host)) {
                        kinds = kinds.without(ErrorKind::Lost);
                    }
                }
                if !parses {
                    kinds = kinds.without(ErrorKind::Mismatch);
                }
            }
            "read" => {
                kinds = kinds.and(by_host(host));
                if !parses {
                    kinds = kinds.without(ErrorKind::Mismatch);
                }
            }
            "write" => kinds = kinds.and(by_host(host)),
            "flash" => {
                kinds = kinds.and(of_flash(owner, step, host));
                let image = step.params.get("image").map(|tree| &tree.kind);
                let is_url = match image {
                    Some(TreeKind::Literal(value)) => {
                        value.as_str().is_some_and(|text| text.contains("://"))
                    }
                    _ => true,
                };
                if !is_url {
                    kinds = kinds.without(ErrorKind::Http);
                }
            }
            "copy" => {
                for key in ["from", "to"] {
                    let host = step.params.get(key).and_then(host_of_path);
                    kinds = kinds.and(by_host(host.and_then(|host| owner.hosts.get(host))));
                }
            }
            "authorize" => {
                let host = text(step, "host").and_then(|host| owner.hosts.get(host));
                if !is_remote(host) {
                    kinds = KindSet::of(&[ErrorKind::Io]);
                }
            }
            "http" if step.expect.as_ref().is_some_and(|expect| expect.any) => {
                kinds = kinds.without(ErrorKind::Http);
            }
            "power" | "mux" => {
                let gear = text(step, "gear").and_then(|gear| owner.gear.get(gear));
                if let Some(gear) = gear {
                    kinds = self.of_gear(owner, step, gear);
                }
            }
            "capture" => {
                let gear = text(step, "gear").and_then(|gear| owner.gear.get(gear));
                let ends = |gear: &Gear| {
                    [&gear.address, &gear.port, &gear.tty, &gear.command]
                        .into_iter()
                        .flatten()
                        .any(is_templated)
                };
                kinds = kinds.with(ErrorKind::Io);
                if gear.is_none_or(ends) {
                    kinds = kinds.with(ErrorKind::Input);
                }
            }
            "wait" => kinds = of_wait(step),
            "assert" => {
                let kind = text(step, "kind").and_then(|kind| kind.parse().ok());
                kinds = KindSet::NONE.with(kind.unwrap_or(ErrorKind::Mismatch));
            }
            "fail" => {
                let again = step.params.get("error").and_then(boolean) == Some(true);
                let kind = text(step, "kind").and_then(|kind| kind.parse().ok());
                kinds = if again {
                    ANY
                } else {
                    KindSet::NONE.with(kind.unwrap_or(ErrorKind::Failed))
                };
            }
            "call" => {
                let called = step.call.as_ref().map(|call| call.procedure.value.as_str());
                kinds = called
                    .and_then(|called| self.procedures.get(called))
                    .copied()
                    .unwrap_or(KindSet::NONE);
            }
            _ => {}
        }
        kinds
    }

    /// What driving a piece of gear can fail with.
    fn of_gear(&self, owner: &Recipe, step: &Step, gear: &Gear) -> KindSet {
        let host = gear
            .host
            .as_ref()
            .and_then(|host| owner.hosts.get(&host.value));
        let Some(Driver::Steps(verbs)) = &gear.driver else {
            // A driver file, which may not be there, or none at all.
            return step
                .action
                .kinds
                .and(by_host(host))
                .with(ErrorKind::Mismatch)
                .with(ErrorKind::Input);
        };
        let wanted = text(step, "to").unwrap_or_default();
        let used: &[&str] = match wanted {
            "on" => &["turn_on", "read"],
            "off" => &["turn_off", "read"],
            "cycle" if verbs.contains_key("cycle") => &["cycle", "read"],
            "cycle" => &["turn_off", "turn_on", "read"],
            "host" => &["to_host", "read"],
            "dut" => &["to_dut", "read"],
            _ => &["read"],
        };
        let mut kinds = KindSet::NONE;
        for verb in used {
            match verbs.get(*verb) {
                Some(steps) => {
                    for driving in steps {
                        let placed;
                        let driving = match (&driving.host, &gear.host) {
                            (None, Some(host)) if driving.action.on_host => {
                                placed = Step {
                                    host: Some(host.clone()),
                                    ..Step::clone(driving)
                                };
                                &placed
                            }
                            _ => driving.as_ref(),
                        };
                        kinds = kinds.and(after(driving, self.own(owner, driving)));
                    }
                }
                None if *verb == "read" && wanted != "read" => {}
                None => kinds = kinds.with(ErrorKind::Input),
            }
        }
        // It is read back, and compared.
        if verbs.contains_key("read") && wanted != "read" {
            kinds = kinds.with(ErrorKind::Mismatch);
        }
        kinds
    }
}

/// Procedures, each after those that it calls. Where they call each other in a circle, in any order.
fn called_first(recipe: &Recipe) -> Vec<&str> {
    let calls = |name: &str| -> Vec<&str> {
        recipe.procedures.get(name).map_or_else(Vec::new, |it| {
            reads::states(&it.root)
                .into_iter()
                .flat_map(reads::steps)
                .filter_map(|step| step.call.as_ref())
                .map(|call| call.procedure.value.as_str())
                .collect()
        })
    };
    let mut ordered = Vec::new();
    let mut seen: HashSet<&str> = HashSet::new();
    for start in recipe.procedures.keys() {
        if !seen.insert(start) {
            continue;
        }
        let mut path = vec![(start.as_str(), calls(start).into_iter())];
        while let Some((name, called)) = path.last_mut() {
            match called.next() {
                Some(next) => {
                    if seen.insert(next) {
                        path.push((next, calls(next).into_iter()));
                    }
                }
                None => {
                    ordered.push(*name);
                    path.pop();
                }
            }
        }
    }
    ordered
}

fn fails(state: &State) -> bool {
    let Body::End { end, .. } = &state.body else {
        return false;
    };
    *end == EndKind::Failure
}

/// What a step's `allow_failure` and `on_item_error: continue` leave of its errors.
fn after(step: &Step, kinds: KindSet) -> KindSet {
    let all = |kinds: KindSet| kinds.common(KindSet::of(&[ErrorKind::Loop]));
    let mut left = match step.allow_failure {
        AllowFailure::No => kinds,
        AllowFailure::All => all(kinds),
        AllowFailure::Kinds(forgiven) => kinds.minus(forgiven),
    };
    if step.for_each.is_some() && step.continue_on_item_error {
        left = all(left);
    }
    // What must hold before a step is not forgiven.
    if !step.needs.is_empty() {
        left = left.with(ErrorKind::Mismatch);
    }
    left
}

/// Whether an expression may have no value: `input`. One that only compares and combines names
/// always has one.
fn may_fail(expr: &Expr) -> bool {
    let simple = |c: char| c.is_ascii_alphanumeric() || " _.()'\"=!\n".contains(c);
    !expr.text.chars().all(simple) || expr.text.contains(" in ") || {
        let members = |read: &crate::recipe::template::Read| {
            let root = read.path.first().map_or("", String::as_str);
            match root {
                "device" | "params" | "let" | "run" | "env" => read.path.len() <= 2,
                "vars" | "gear" | "outcome" => read.path.len() <= 3,
                "job" => true,
                "index" | "item" => read.path.len() == 1,
                _ => false,
            }
        };
        !expr.reads().iter().all(members)
    }
}

fn values_fail(state: &State) -> bool {
    let mut templated = state
        .timeout
        .as_ref()
        .is_some_and(|bound| matches!(bound, Templated::Template(_)));
    if let Some(retry) = &state.retry {
        reads::of_retry(retry, &mut |_| templated = true);
    }
    templated || state.vars.values().any(is_templated)
}

fn is_templated(tree: &Tree) -> bool {
    let mut found = false;
    reads::of_tree(tree, &mut |_| found = true);
    found
}

fn has_bound(step: &Step) -> bool {
    !matches!(step.timeout, StepTimeout::None)
}

fn is_remote(host: Option<&Host>) -> bool {
    host.is_some_and(|host| host.login.is_some())
}

/// What a host adds; a login that is computed may have no value.
fn by_host(host: Option<&Host>) -> KindSet {
    let Some(login) = host.and_then(|host| host.login.as_ref()) else {
        return KindSet::NONE;
    };
    if computed(login) {
        BY_SSH.with(ErrorKind::Input)
    } else {
        BY_SSH
    }
}

fn computed(login: &Login) -> bool {
    let parts = [&login.port, &login.user, &login.password, &login.identity];
    is_templated(&login.address) || parts.into_iter().flatten().any(is_templated)
}

fn text<'s>(step: &'s Step, key: &str) -> Option<&'s str> {
    match &step.params.get(key)?.kind {
        TreeKind::Literal(value) => value.as_str(),
        _ => None,
    }
}

fn boolean(tree: &Tree) -> Option<bool> {
    match &tree.kind {
        TreeKind::Literal(value) => value.as_bool(),
        _ => None,
    }
}

/// The host of `HOST:path`, which is never a template.
fn host_of_path(tree: &Tree) -> Option<&str> {
    let text = match &tree.kind {
        TreeKind::Literal(Value::String(text)) => text.as_str(),
        TreeKind::Template(template) => template.text.as_ref(),
        _ => return None,
    };
    text.split_once(':').map(|(host, _)| host)
}

fn of_flash(owner: &Recipe, step: &Step, host: Option<&Host>) -> KindSet {
    let gear = text(step, "to").and_then(|gear| owner.gear.get(gear));
    let host = match gear {
        Some(gear) => gear
            .host
            .as_ref()
            .and_then(|host| owner.hosts.get(&host.value)),
        None => host,
    };
    let media = gear.and_then(|gear| gear.media.as_ref());
    let mut kinds = by_host(host);
    // Without `media` the path is what the driver printed, which may be nothing.
    if gear.is_some() && media.is_none_or(is_templated) {
        kinds = kinds.with(ErrorKind::Input);
    }
    kinds
}

fn of_wait(step: &Step) -> KindSet {
    let mut kinds = KindSet::NONE;
    if let Some(TreeKind::Literal(Value::Array(words))) =
        step.params.get("abort_on").map(|tree| &tree.kind)
    {
        for word in words {
            if let Some(kind) = word.as_str().and_then(|word| word.parse().ok()) {
                kinds = kinds.with(kind);
            }
        }
    }
    if step.params.contains_key("abort_when") {
        kinds = kinds.with(ErrorKind::Mismatch);
    }
    // A machine may be unable to ping.
    if step.params.contains_key("ping") {
        kinds = kinds.with(ErrorKind::Input);
    }
    kinds
}
