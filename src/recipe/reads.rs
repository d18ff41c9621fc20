//! What parts of a recipe read: which inputs a stage needs, and what a lint must look at.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::Value;
use super::model::{
    Body, Driver, Gear, Host, Items, Map, Recipe, Retry, State, Step, StepTimeout, Templated, Tree,
    TreeKind,
};
use super::template::{Expr, Read, Template};
use crate::diagnostic::Span;

/// An expression or a template of a recipe.
#[derive(Clone, Copy, Debug)]
pub enum Text<'a> {
    /// A bare expression.
    Expr(&'a Expr),
    /// A text that holds templates.
    Template(&'a Template),
}

impl Text<'_> {
    /// The names that it reads.
    pub fn reads(&self) -> Vec<Read> {
        match self {
            Self::Expr(expr) => expr.reads(),
            Self::Template(template) => template.reads(),
        }
    }

    /// The text itself.
    pub fn text(&self) -> &str {
        match self {
            Self::Expr(expr) => &expr.text,
            Self::Template(template) => &template.text,
        }
    }

    /// Where it stands.
    pub fn span(&self) -> Span {
        match self {
            Self::Expr(expr) => expr.span,
            Self::Template(template) => template.span,
        }
    }
}

/// Visits all texts of a tree.
pub fn of_tree<'a>(tree: &'a Tree, visit: &mut impl FnMut(Text<'a>)) {
    match &tree.kind {
        TreeKind::Literal(_) => {}
        TreeKind::Template(template) => visit(Text::Template(template)),
        TreeKind::Expr(expr) | TreeKind::Deferred(expr) => visit(Text::Expr(expr)),
        TreeKind::List(items) => items.iter().for_each(|item| of_tree(item, visit)),
        TreeKind::Map(members) => members.values().for_each(|member| of_tree(member, visit)),
    }
}

/// Visits all texts of trees by name.
pub fn of_trees<'a>(trees: &'a Map<Tree>, visit: &mut impl FnMut(Text<'a>)) {
    trees.values().for_each(|tree| of_tree(tree, visit));
}

/// Visits the text of a value that may be a template.
pub fn of_templated<'a, T>(value: &'a Templated<T>, visit: &mut impl FnMut(Text<'a>)) {
    if let Templated::Template(template) = value {
        visit(Text::Template(template));
    }
}

/// Visits the texts of a `for_each`.
pub fn of_items<'a>(items: &'a Items, visit: &mut impl FnMut(Text<'a>)) {
    match items {
        Items::List(tree) => of_tree(tree, visit),
        Items::Expr(expr) => visit(Text::Expr(expr)),
    }
}

/// Visits the texts of a retry, but not those of its `between` steps.
pub fn of_retry<'a>(retry: &'a Retry, visit: &mut impl FnMut(Text<'a>)) {
    of_templated(&retry.attempts, visit);
    of_templated(&retry.delay, visit);
    of_templated(&retry.backoff, visit);
    of_templated(&retry.max_delay, visit);
    of_templated(&retry.jitter, visit);
}

/// Visits all texts of a step, those of a probe's steps included.
pub fn of_step<'a>(step: &'a Step, visit: &mut impl FnMut(Text<'a>)) {
    of_step_itself(step, visit);
    for inner in &step.inner {
        of_step(inner, visit);
    }
}

/// Visits the texts of a step, but not those of a probe's steps.
pub fn of_step_itself<'a>(step: &'a Step, visit: &mut impl FnMut(Text<'a>)) {
    if let Some(when) = &step.when {
        visit(Text::Expr(when));
    }
    if let Some(items) = &step.for_each {
        of_items(items, visit);
    }
    if let StepTimeout::After(bound) = &step.timeout {
        of_templated(bound, visit);
    }
    if let Some(stall) = &step.stall {
        of_templated(stall, visit);
    }
    if let Some(retry) = &step.retry {
        of_retry(retry, visit);
    }
    if let Some(size) = &step.max_output {
        of_templated(size, visit);
    }
    of_trees(&step.params, visit);
    if let Some(env) = &step.env {
        of_tree(env, visit);
    }
    if let Some(call) = &step.call {
        of_trees(&call.with, visit);
    }
}

/// Visits the texts of a state itself, but not those of its steps and the states inside.
pub fn of_state<'a>(state: &'a State, visit: &mut impl FnMut(Text<'a>)) {
    if let Some(when) = &state.when {
        visit(Text::Expr(when));
    }
    if let Some(items) = &state.for_each {
        of_items(items, visit);
    }
    if let Some(bound) = &state.timeout {
        of_templated(bound, visit);
    }
    if let Some(retry) = &state.retry {
        of_retry(retry, visit);
    }
    of_trees(&state.vars, visit);
    for row in &state.next {
        if let Some(when) = &row.when {
            visit(Text::Expr(when));
        }
    }
    if let Body::End {
        message,
        exit_status,
        ..
    } = &state.body
    {
        if let Some(message) = message {
            of_tree(message, visit);
        }
        if let Some(status) = exit_status {
            visit(Text::Expr(status));
        }
    }
}

/// The steps of a state itself: `enter` or `do`, `exit`, `between`.
pub fn steps(state: &State) -> impl Iterator<Item = &Arc<Step>> {
    let (first, exit): (&[Arc<Step>], &[Arc<Step>]) = match &state.body {
        Body::Leaf { steps } => (steps, &[]),
        Body::Scope { enter, exit, .. } => (enter, exit),
        Body::Choice | Body::End { .. } => (&[], &[]),
    };
    let between: &[Arc<Step>] = state.retry.as_ref().map_or(&[], |retry| &retry.between);
    first.iter().chain(between).chain(exit)
}

/// A state and all states inside, outer before inner.
pub fn states(root: &State) -> Vec<&State> {
    let mut found = vec![root];
    let mut at = 0;
    while let Some(state) = found.get(at).copied() {
        if let Body::Scope { states, .. } = &state.body {
            found.extend(states.values().map(AsRef::as_ref));
        }
        at += 1;
    }
    found
}

/// Visits all texts of a host.
pub fn of_host<'a>(host: &'a Host, visit: &mut impl FnMut(Text<'a>)) {
    let Some(login) = &host.login else { return };
    of_tree(&login.address, visit);
    for tree in [&login.port, &login.user, &login.password, &login.identity]
        .into_iter()
        .flatten()
    {
        of_tree(tree, visit);
    }
    if let Some(bound) = &login.connect_timeout {
        of_templated(bound, visit);
    }
}

/// Visits all texts of a gear, its driver's steps included.
pub fn of_gear<'a>(gear: &'a Gear, visit: &mut impl FnMut(Text<'a>)) {
    match &gear.driver {
        Some(Driver::Steps(verbs)) => {
            for step in verbs.values().flatten() {
                of_step(step, visit);
            }
        }
        Some(Driver::Named(tree)) => of_tree(tree, visit),
        None => {}
    }
    if let Some(bound) = &gear.off_time {
        of_templated(bound, visit);
    }
    for tree in [
        &gear.verify,
        &gear.media,
        &gear.address,
        &gear.port,
        &gear.tty,
        &gear.baud,
        &gear.command,
    ]
    .into_iter()
    .flatten()
    {
        of_tree(tree, visit);
    }
}

/// Everything that one stage reads and uses, directly or through procedures, hosts, gear and
/// constants.
#[derive(Clone, Debug, Default)]
pub struct Used {
    /// Paths by the recipe whose names they are: `None` for the recipe itself, else one of its
    /// imports.
    paths: HashSet<(Option<String>, Vec<String>)>,
    hosts: HashSet<(Option<String>, String)>,
    gear: HashSet<(Option<String>, String)>,
    procedures: HashSet<String>,
}

impl Used {
    /// What the stage of this name uses.
    pub fn by_stage(recipe: &Recipe, stage: &str) -> Self {
        let mut used = Self::default();
        if let Some(stage) = recipe.stages.get(stage) {
            used.trees(recipe, None, &recipe.vars);
            used.root(recipe, None, &stage.root);
        }
        used
    }

    /// The paths that are read of a recipe's names (`device.x`, `job.y.z`), sorted.
    pub fn paths<'a>(&'a self, home: Option<&'a str>) -> BTreeSet<&'a [String]> {
        self.paths
            .iter()
            .filter(|(of, _)| of.as_deref() == home)
            .map(|(_, path)| path.as_slice())
            .collect()
    }

    /// Whether this path, something in it, or a whole that holds it is read.
    pub fn reads(&self, home: Option<&str>, path: &[&str]) -> bool {
        self.paths(home)
            .iter()
            .any(|read| read.iter().zip(path).all(|(a, b)| a == b))
    }

    /// The procedures that are called, by their keys.
    pub fn procedures(&self) -> impl Iterator<Item = &str> {
        self.procedures.iter().map(String::as_str)
    }

    fn root(&mut self, recipe: &Recipe, home: Option<&str>, root: &State) {
        for state in states(root) {
            of_state(state, &mut |text| self.text(recipe, home, text));
            for step in steps(state) {
                self.step(recipe, home, step);
            }
        }
    }

    fn step(&mut self, recipe: &Recipe, home: Option<&str>, step: &Step) {
        of_step(step, &mut |text| self.text(recipe, home, text));
        if let Some(host) = &step.host {
            self.host(recipe, home, &host.value);
        }
        for (key, tree) in &step.params {
            let TreeKind::Literal(Value::String(text)) = &tree.kind else {
                continue;
            };
            match (step.action.name, key.as_str()) {
                ("authorize", "host") | ("wait", "ssh") => self.host(recipe, home, text),
                ("flash", "to") | (_, "gear") => self.gear(recipe, home, text),
                ("copy", "from" | "to") => {
                    if let Some((host, _)) = text.split_once(':') {
                        self.host(recipe, home, host);
                    }
                }
                _ => {}
            }
        }
        for inner in &step.inner {
            self.step(recipe, home, inner);
        }
        if let Some(call) = &step.call
            && let Some(procedure) = recipe.procedures.get(&call.procedure.value)
            && self.procedures.insert(call.procedure.value.clone())
        {
            let home = procedure.home.as_deref();
            if let Some(returns) = &procedure.returns {
                self.text(recipe, home, Text::Expr(returns));
            }
            self.root(recipe, home, &procedure.root);
        }
    }

    fn trees(&mut self, recipe: &Recipe, home: Option<&str>, trees: &Map<Tree>) {
        of_trees(trees, &mut |text| self.text(recipe, home, text));
    }

    fn text(&mut self, recipe: &Recipe, home: Option<&str>, text: Text<'_>) {
        for read in text.reads() {
            let path = read.path;
            if let Some(name) = path.get(1) {
                match path[0].as_str() {
                    "gear" => self.gear(recipe, home, name),
                    "let" => self.constant(recipe, home, name),
                    _ => {}
                }
            }
            self.paths.insert((home.map(str::to_owned), path));
        }
    }

    fn constant(&mut self, recipe: &Recipe, home: Option<&str>, name: &str) {
        let path = vec!["let".to_owned(), name.to_owned()];
        // A constant that was looked at is not looked at again: they can't read each other in a circle
        // in a recipe that may run, and this must end for one that may not.
        if !self.paths.insert((home.map(str::to_owned), path)) {
            return;
        }
        if let Some(tree) = owner(recipe, home).and_then(|recipe| recipe.lets.get(name)) {
            of_tree(tree, &mut |text| self.text(recipe, home, text));
        }
    }

    fn host(&mut self, recipe: &Recipe, home: Option<&str>, name: &str) {
        if !self
            .hosts
            .insert((home.map(str::to_owned), name.to_owned()))
        {
            return;
        }
        let Some(host) = owner(recipe, home).and_then(|recipe| recipe.hosts.get(name)) else {
            return;
        };
        of_host(host, &mut |text| self.text(recipe, home, text));
        if let Some(via) = host.login.as_ref().and_then(|login| login.via.as_ref()) {
            self.host(recipe, home, &via.value);
        }
    }

    fn gear(&mut self, recipe: &Recipe, home: Option<&str>, name: &str) {
        if !self.gear.insert((home.map(str::to_owned), name.to_owned())) {
            return;
        }
        let Some(gear) = owner(recipe, home).and_then(|recipe| recipe.gear.get(name)) else {
            return;
        };
        of_gear(gear, &mut |text| self.text(recipe, home, text));
        if let Some(host) = &gear.host {
            self.host(recipe, home, &host.value);
        }
        if let Some(Driver::Steps(verbs)) = &gear.driver {
            for step in verbs.values().flatten() {
                if let Some(host) = &step.host {
                    self.host(recipe, home, &host.value);
                }
            }
        }
    }
}

/// The recipe whose hosts, gear and constants are meant.
fn owner<'a>(recipe: &'a Recipe, home: Option<&str>) -> Option<&'a Recipe> {
    match home {
        None => Some(recipe),
        Some(home) => recipe.imports.get(home),
    }
}
