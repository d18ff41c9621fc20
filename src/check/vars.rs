//! Every variable is set on every path that reads it.
//!
//! A forward analysis over the states of one stage or procedure: for each state the names that are
//! set whenever it is entered, which is what all paths to it have in common. Branches are not
//! correlated. An error may come from a state's first step, so its handler has no more than the
//! state itself had. Exit steps run whatever came before, so they have only what is set at the entry
//! of their scope and of those around it.

use std::collections::{HashMap, HashSet};

use super::outline::{Outline, Target};
use super::whole::{Unit, UnitKind};
use crate::diagnostic::{Code, Finding, Findings, Sources, Span};
use crate::recipe::model::{AllowFailure, Body, Map, State, Step, Tree};
use crate::recipe::reads::{self, Text};
use crate::recipe::template::Read;
use crate::recipe::yaml::place;

/// Looks at a stage (with the recipe's `vars`) or a procedure (with what it returns).
pub(super) fn check(unit: &Unit<'_>, findings: &mut Findings) {
    let Unit {
        recipe, outline, ..
    } = unit;
    let sources = &recipe.sources;
    let (vars, returns) = match unit.kind {
        UnitKind::Stage(_) => (Some(&recipe.vars), None),
        UnitKind::Procedure(procedure) => (None, procedure.returns.as_ref()),
    };
    let mut flow = Flow::new(outline, vars);
    flow.declared_twice(findings);
    flow.solve();
    let mut complaints = Complaints {
        flow: &flow,
        sources,
        reported: HashSet::new(),
        in_exit: false,
        guarded: false,
        findings,
    };
    for at in 0..outline.states.len() {
        complaints.state(at);
    }
    if let (Some(returns), Some(set)) = (returns, &flow.at_return) {
        complaints.text(Text::Expr(returns), set);
    }
}

/// The caught error among the names; no variable is called so.
const ERROR: &str = "(error)";

/// Names by number, as bits.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Set(Vec<u64>);

impl Set {
    fn add(&mut self, name: usize) {
        if let Some(word) = self.0.get_mut(name / 64) {
            *word |= 1 << (name % 64);
        }
    }

    fn has(&self, name: usize) -> bool {
        self.0
            .get(name / 64)
            .is_some_and(|word| word & (1 << (name % 64)) != 0)
    }

    /// Keeps what both have; says whether anything went.
    fn meet(&mut self, other: &Self) -> bool {
        let mut changed = false;
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            let both = *word & other;
            changed |= both != *word;
            *word = both;
        }
        changed
    }
}

struct Flow<'o, 'r> {
    outline: &'o Outline<'r>,
    names: HashMap<&'r str, usize>,
    /// What is set when a state is entered; `None` while no path is known to lead there.
    entry: Vec<Option<Set>>,
    /// What is set where a scope has come to `done`.
    done: Vec<Option<Set>>,
    /// What is set wherever the whole ends well.
    at_return: Option<Set>,
    open: Vec<usize>,
    waiting: HashSet<usize>,
}

impl<'o, 'r> Flow<'o, 'r> {
    fn new(outline: &'o Outline<'r>, vars: Option<&'r Map<Tree>>) -> Self {
        let mut names: HashMap<&str, usize> = HashMap::new();
        let mut number = |name: &'r str| {
            let next = names.len();
            names.entry(name).or_insert(next);
        };
        vars.into_iter()
            .flat_map(Map::keys)
            .for_each(|name| number(name));
        for placed in &outline.states {
            placed.state.vars.keys().for_each(|name| number(name));
            for step in reads::steps(placed.state) {
                assigned(step).for_each(&mut number);
                for inner in &step.inner {
                    assigned(inner).for_each(&mut number);
                }
            }
        }
        // The caught error is followed like a variable: a `catch` sets it.
        number(ERROR);
        let mut initial = Set(vec![0; names.len().div_ceil(64)]);
        for name in vars.into_iter().flat_map(Map::keys) {
            initial.add(names[name.as_str()]);
        }
        let count = outline.states.len();
        let mut entry = vec![None; count];
        entry[0] = Some(initial);
        Self {
            outline,
            names,
            entry,
            done: vec![None; count],
            at_return: None,
            open: vec![0],
            waiting: HashSet::from([0]),
        }
    }

    /// A variable is declared once in a stage.
    fn declared_twice(&self, findings: &mut Findings) {
        let mut seen: HashMap<&str, Span> = HashMap::new();
        for placed in &self.outline.states {
            for (name, tree) in &placed.state.vars {
                if let Some(first) = seen.insert(name, tree.span) {
                    findings.push(
                        Finding::new(
                            Code::NameTwice,
                            tree.span,
                            format!("`vars.{name}` is declared twice"),
                        )
                        .related(first, "the first one")
                        .help("variables of a stage have one space: `set` gives a new value"),
                    );
                }
            }
        }
    }

    fn solve(&mut self) {
        while let Some(at) = self.open.pop() {
            self.waiting.remove(&at);
            self.visit(at);
        }
    }

    fn visit(&mut self, at: usize) {
        let Some(before) = self.entry[at].clone() else {
            return;
        };
        let outline = self.outline;
        let state = outline.states[at].state;
        let inside = self.declared(state, &before);
        let after = match &state.body {
            Body::End { end, .. } => {
                if *end == crate::recipe::model::EndKind::Success {
                    self.returned(&before);
                }
                return;
            }
            Body::Choice => Some(before.clone()),
            Body::Leaf { steps } => {
                let mut set = inside;
                steps.iter().for_each(|step| self.step(step, &mut set));
                Some(set)
            }
            Body::Scope { enter, exit, .. } => {
                let mut set = inside;
                enter.iter().for_each(|step| self.step(step, &mut set));
                if let Some(initial) = outline.initial(at) {
                    self.reach(initial, &set);
                }
                self.done[at].clone().map(|mut set| {
                    exit.iter().for_each(|step| self.step(step, &mut set));
                    set
                })
            }
        };
        if outline.states[at].parent.is_none() {
            if let Some(after) = after {
                self.returned(&after);
            }
            return;
        }
        // A state that is passed over, or that goes over no items, has set nothing.
        let may_do_nothing = state.when.is_some() || state.for_each.is_some();
        let after = if may_do_nothing {
            Some(before.clone())
        } else {
            after
        };
        let mut caught = before.clone();
        caught.add(self.names[ERROR]);
        for edge in outline.edges(at) {
            let set = if edge.is_catch {
                Some(&caught)
            } else {
                after.as_ref()
            };
            let Some(set) = set else { continue };
            match outline.target(at, &edge.to.value) {
                Target::Done => self.complete(at, set),
                Target::State(to) => self.reach(to, set),
                Target::Inside(_) | Target::Nowhere => {}
            }
        }
    }

    /// What is set once a state's own `vars` are.
    fn declared(&self, state: &State, before: &Set) -> Set {
        let mut set = before.clone();
        for name in state.vars.keys() {
            if let Some(name) = self.names.get(name.as_str()) {
                set.add(*name);
            }
        }
        set
    }

    /// Adds what a step sets in any case.
    fn step(&self, step: &Step, set: &mut Set) {
        if step.when.is_some() {
            return;
        }
        // A forgiven failure still has an output, but has set nothing.
        let fails = step.allow_failure != AllowFailure::No;
        let may_do_nothing = fails || step.for_each.is_some();
        if !(step.action.name == "set" && may_do_nothing) {
            for name in assigned(step) {
                set.add(self.names[name]);
            }
        }
        if !fails {
            step.inner.iter().for_each(|inner| self.step(inner, set));
        }
    }

    fn reach(&mut self, state: usize, set: &Set) {
        if narrow(&mut self.entry[state], set) {
            self.again(state);
        }
    }

    fn complete(&mut self, child: usize, set: &Set) {
        if let Some(scope) = self.outline.states[child].parent
            && narrow(&mut self.done[scope], set)
        {
            self.again(scope);
        }
    }

    fn returned(&mut self, set: &Set) {
        narrow(&mut self.at_return, set);
    }

    fn again(&mut self, state: usize) {
        if self.waiting.insert(state) {
            self.open.push(state);
        }
    }
}

/// Takes one more path into account; says whether that changed anything.
fn narrow(known: &mut Option<Set>, set: &Set) -> bool {
    match known {
        Some(known) => known.meet(set),
        None => {
            *known = Some(set.clone());
            true
        }
    }
}

/// The names that a step gives a value.
fn assigned(step: &Step) -> impl Iterator<Item = &str> {
    let saved = step.save.as_ref().map(|name| name.value.as_str());
    let set = (step.action.name == "set").then_some(&step.params);
    saved
        .into_iter()
        .chain(set.into_iter().flat_map(Map::keys).map(String::as_str))
}

fn is_error(read: &Read) -> bool {
    read.path.first().is_some_and(|root| root == "error")
}

/// Whether `error` itself is looked at, and not only a member.
fn asks_for_error(reads: &[Read]) -> bool {
    reads
        .iter()
        .any(|read| is_error(read) && read.path.len() == 1)
}

struct Complaints<'a, 'o, 'r> {
    flow: &'a Flow<'o, 'r>,
    sources: &'a Sources,
    reported: HashSet<(Span, usize)>,
    in_exit: bool,
    /// Whether a `when` around asks whether there is an error.
    guarded: bool,
    findings: &'a mut Findings,
}

impl Complaints<'_, '_, '_> {
    fn state(&mut self, at: usize) {
        let flow = self.flow;
        // What nothing leads to has a complaint of its own.
        let Some(before) = &flow.entry[at] else {
            return;
        };
        let state = flow.outline.states[at].state;
        let inside = flow.declared(state, before);
        if let Some(when) = &state.when {
            self.text(Text::Expr(when), before);
        }
        if let Some(items) = &state.for_each {
            reads::of_items(items, &mut |text| self.text(text, before));
        }
        reads::of_trees(&state.vars, &mut |text| self.text(text, before));
        if let Some(bound) = &state.timeout {
            reads::of_templated(bound, &mut |text| self.text(text, &inside));
        }
        if let Some(retry) = &state.retry {
            reads::of_retry(retry, &mut |text| self.text(text, &inside));
            let mut set = inside.clone();
            self.steps(&retry.between, &mut set);
        }
        let mut after = inside;
        match &state.body {
            Body::Leaf { steps } => self.steps(steps, &mut after),
            Body::Scope { enter, exit, .. } => {
                self.steps(enter, &mut after);
                let mut set = self.always(at);
                self.in_exit = true;
                self.steps(exit, &mut set);
                self.in_exit = false;
                if let Some(done) = &flow.done[at] {
                    after = done.clone();
                    exit.iter().for_each(|step| flow.step(step, &mut after));
                }
            }
            Body::End {
                message,
                exit_status,
                ..
            } => {
                if let Some(message) = message {
                    reads::of_tree(message, &mut |text| self.text(text, before));
                }
                if let Some(status) = exit_status {
                    self.text(Text::Expr(status), before);
                }
            }
            Body::Choice => {}
        }
        if state.when.is_some() || state.for_each.is_some() {
            after = before.clone();
        }
        for row in &state.next {
            if let Some(when) = &row.when {
                self.text(Text::Expr(when), &after);
            }
        }
    }

    /// What is set at the entry of a scope, however it was come to: the recipe's `vars`, its own,
    /// and those of the scopes around it.
    fn always(&self, scope: usize) -> Set {
        let flow = self.flow;
        let mut set = flow.entry[0].clone().unwrap_or(Set(Vec::new()));
        // What was caught before it was entered stays.
        let entry = flow.entry[scope].as_ref();
        if entry.is_some_and(|entry| entry.has(flow.names[ERROR])) {
            set.add(flow.names[ERROR]);
        }
        let mut around = Some(scope);
        while let Some(at) = around {
            set = flow.declared(flow.outline.states[at].state, &set);
            around = flow.outline.states[at].parent;
        }
        set
    }

    fn steps(&mut self, steps: &[std::sync::Arc<Step>], set: &mut Set) {
        for step in steps {
            let mut inner = set.clone();
            for probe in &step.inner {
                reads::of_step(probe, &mut |text| self.text(text, &inner));
                self.flow.step(probe, &mut inner);
            }
            let set_here = if step.inner.is_empty() { &*set } else { &inner };
            self.guarded = step
                .when
                .as_ref()
                .is_some_and(|when| asks_for_error(&when.reads()));
            reads::of_step_itself(step, &mut |text| self.text(text, set_here));
            self.guarded = false;
            self.flow.step(step, set);
        }
    }

    /// A member of `error` where none was caught on some path, and nothing asks whether there is
    /// one.
    fn error(&mut self, text: Text<'_>, reads: &[Read], set: &Set) {
        let number = self.flow.names[ERROR];
        if set.has(number) || self.guarded || asks_for_error(reads) {
            return;
        }
        let Some(read) = reads.iter().find(|read| is_error(read) && !read.optional) else {
            return;
        };
        if !self.reported.insert((text.span(), number)) {
            return;
        }
        let at = place(self.sources, text.span(), text.text(), read.range.clone());
        self.findings.push(
            Finding::new(Code::ErrorMaybeNone, at, "no error may have been caught here").help(
                "`error` is none until a `catch` has taken one: let errors alone lead here, or guard \
                 this with `when: error`",
            ),
        );
    }

    fn text(&mut self, text: Text<'_>, set: &Set) {
        let reads = text.reads();
        self.error(text, &reads, set);
        for read in reads {
            let [root, name, ..] = read.path.as_slice() else {
                continue;
            };
            if root != "vars" || read.optional {
                continue;
            }
            // A name that nothing sets is the templates' complaint.
            let Some(number) = self.flow.names.get(name.as_str()).copied() else {
                continue;
            };
            if set.has(number) || !self.reported.insert((text.span(), number)) {
                continue;
            }
            let at = place(self.sources, text.span(), text.text(), read.range);
            self.findings.push(
                Finding::new(
                    Code::MaybeUnset,
                    at,
                    format!("`vars.{name}` may not be set here"),
                )
                .help(if self.in_exit {
                    "exit steps run whatever came before: give it an initial value in `vars`"
                } else {
                    "give it an initial value in `vars`, or set it on every path that leads here"
                }),
            );
        }
    }
}
