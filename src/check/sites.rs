//! Every text of a recipe that is evaluated, with what is visible there.

use std::collections::BTreeMap;

use super::scope::{Names, Scope, Site, Text, bare};
use crate::diagnostic::Span;
use crate::recipe::GearKind;
use crate::recipe::model::{
    Body, Driver, Input, Items, Map, Parse, Recipe, Retry, State, Step, StepTimeout, Templated,
    Tree, TreeKind,
};
use crate::recipe::template::{Expr, Template};
use crate::recipe::vocabulary::Action;

/// A stage or a procedure: a namespace.
#[derive(Default)]
pub(super) struct Space<'r> {
    /// A procedure's parameters.
    pub(super) params: Option<&'r Map<Input>>,
    /// What may set each name of `vars`.
    pub(super) vars: BTreeMap<&'r str, Vec<Setter>>,
}

/// What sets a name of `vars`.
#[derive(Clone, Copy)]
pub(super) enum Setter {
    /// A value of the recipe's own making.
    Value,
    /// The output of an action, and how it is read.
    Output(&'static Action, Parse),
    /// A list of outputs, one per item.
    Outputs,
}

/// A value that goes from texts to a name.
pub(super) struct Flow<'r> {
    pub(super) to: Target,
    pub(super) from: Vec<Site<'r>>,
    /// Saved output goes there.
    pub(super) output: bool,
}

/// A name of one namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Target {
    /// Of `vars` in this space.
    Var(usize, String),
    /// Of `params` in this space.
    Param(usize, String),
}

/// A command line for a host's shell.
pub(super) struct ShellText<'r> {
    pub(super) text: &'r str,
    pub(super) span: Span,
    /// The same, where it holds templates.
    pub(super) template: Option<&'r Template>,
    pub(super) scope: Scope<'r>,
}

/// A text that is taken as it is written.
pub(super) struct Literal<'r> {
    pub(super) text: &'r str,
    pub(super) span: Span,
    pub(super) scope: Scope<'r>,
}

/// All texts of a recipe.
#[derive(Default)]
pub(super) struct Sites<'r> {
    pub(super) all: Vec<Site<'r>>,
    pub(super) literals: Vec<Literal<'r>>,
    pub(super) spaces: Vec<Space<'r>>,
    /// The texts that each `for_each` is made of.
    pub(super) items: Vec<Vec<Site<'r>>>,
    pub(super) flows: Vec<Flow<'r>>,
    pub(super) shells: Vec<ShellText<'r>>,
    /// The lines of `commands`.
    pub(super) commands: Vec<Site<'r>>,
    /// The same as shell text.
    pub(super) lines: Vec<ShellText<'r>>,
    /// Templates of programs and their arguments.
    pub(super) arguments: Vec<Site<'r>>,
    /// Procedures by their keys in the recipe.
    procedures: BTreeMap<&'r str, usize>,
}

impl<'r> Sites<'r> {
    pub(super) fn of(recipe: &'r Recipe) -> Self {
        let mut sites = Self::default();
        sites.surroundings(recipe);
        for (name, procedure) in &recipe.procedures {
            sites.procedures.insert(name, sites.spaces.len());
            sites.spaces.push(Space {
                params: Some(&procedure.params),
                ..Space::default()
            });
        }
        for (name, procedure) in &recipe.procedures {
            let home = procedure
                .home
                .as_ref()
                .and_then(|home| recipe.imports.get(home))
                .unwrap_or(recipe);
            let scope = Scope {
                names: Names::PROCEDURE,
                place: "in a procedure",
                space: sites.procedures.get(name.as_str()).copied(),
                ..bare(home)
            };
            sites.state(&procedure.root, scope);
            sites.expr(procedure.returns.as_ref(), scope);
        }
        for stage in recipe.stages.values() {
            let space = sites.spaces.len();
            sites.spaces.push(Space::default());
            let scope = Scope {
                names: Names::STAGE,
                place: "in a stage",
                space: Some(space),
                ..bare(recipe)
            };
            for (name, value) in &recipe.vars {
                let first = Scope {
                    names: Names::CONSTANTS,
                    place: "in the recipe's `vars`",
                    ..scope
                };
                sites.declare(name, value, first);
            }
            sites.state(&stage.root, scope);
        }
        let after = Scope {
            names: Names::CONSTANTS,
            place: "in `blame`",
            ..bare(recipe)
        };
        for probe in recipe.blame.values() {
            sites.step(probe, after);
        }
        sites.expr(recipe.lab_failure_status.as_ref(), after);
        for import in recipe.imports.values() {
            sites.surroundings(import);
        }
        sites
    }

    /// Hosts, gear and constants.
    fn surroundings(&mut self, recipe: &'r Recipe) {
        for value in recipe.lets.values() {
            let scope = Scope {
                place: "in `let`",
                ..bare(recipe)
            };
            self.tree(value, scope);
        }
        for host in recipe.hosts.values() {
            let scope = Scope {
                names: Names::CONSTANTS,
                place: "in `hosts`",
                ..bare(recipe)
            };
            if let Some(login) = &host.login {
                self.tree(&login.address, scope);
                let parts = [&login.port, &login.user, &login.password, &login.identity];
                parts
                    .into_iter()
                    .flatten()
                    .for_each(|part| self.tree(part, scope));
                self.templated(login.connect_timeout.as_ref(), scope);
            }
        }
        for gear in recipe.gear.values() {
            let scope = Scope {
                place: "in `gear`",
                ..bare(recipe)
            };
            let parts = [
                &gear.verify,
                &gear.media,
                &gear.address,
                &gear.port,
                &gear.tty,
                &gear.baud,
                &gear.command,
            ];
            parts
                .into_iter()
                .flatten()
                .for_each(|part| self.tree(part, scope));
            if let Some(command) = &gear.command {
                self.commands.extend(texts(command, scope));
            }
            self.templated(gear.off_time.as_ref(), scope);
            match &gear.driver {
                Some(Driver::Steps(verbs)) => {
                    let mut at = scope;
                    at.host = gear.host.as_ref().map(|host| host.value.as_str());
                    for steps in verbs.values() {
                        steps.iter().for_each(|step| self.step(step, at));
                    }
                }
                Some(Driver::Named(driver)) => self.tree(driver, scope),
                None => {}
            }
        }
    }

    fn state(&mut self, state: &'r State, outer: Scope<'r>) {
        self.expr(state.when.as_ref(), outer);
        let inner = self.for_each(state.for_each.as_ref(), outer);
        for (name, value) in &state.vars {
            self.declare(name, value, inner);
        }
        self.templated(state.timeout.as_ref(), inner);
        self.retry(state.retry.as_ref(), inner);
        match &state.body {
            Body::Leaf { steps } => steps.iter().for_each(|step| self.step(step, inner)),
            Body::Scope {
                enter,
                states,
                exit,
                ..
            } => {
                enter.iter().for_each(|step| self.step(step, inner));
                states.values().for_each(|child| self.state(child, inner));
                let leaving = inner.with(Names::of(&["outcome"]));
                exit.iter().for_each(|step| self.step(step, leaving));
            }
            Body::Choice => {}
            Body::End {
                message,
                exit_status,
                ..
            } => {
                if let Some(message) = message {
                    self.tree(message, inner);
                }
                self.expr(exit_status.as_ref(), inner);
            }
        }
        for row in &state.next {
            self.expr(row.when.as_ref(), outer);
        }
    }

    fn step(&mut self, step: &'r Step, around: Scope<'r>) {
        let mut outer = around;
        // A step inside another is where that one is.
        outer.host = match &step.host {
            Some(host) => Some(host.value.as_str()),
            None => around.host.filter(|_| step.action.on_host),
        };
        if outer.host.is_some() {
            outer = outer.with(Names::of(&["host"]));
        }
        let scope = self.for_each(step.for_each.as_ref(), outer);
        self.expr(step.when.as_ref(), scope);
        if step.action.name == "set" {
            for (name, value) in &step.params {
                self.declare(name, value, scope);
            }
        } else {
            step.params
                .values()
                .for_each(|value| self.tree(value, scope));
        }
        let program = match step.action.name {
            "run" => Some(&step.params),
            "wait" => step.params.get("run").and_then(|run| match &run.kind {
                TreeKind::Map(members) => Some(members),
                _ => None,
            }),
            _ => None,
        };
        if let Some(program) = program {
            self.shells
                .extend(program.get("shell").and_then(|tree| shell(tree, scope)));
            for part in ["shell", "argv", "args"]
                .into_iter()
                .filter_map(|part| program.get(part))
            {
                self.arguments.extend(texts(part, scope));
            }
        }
        if step.action.name == "commands"
            && let Some(lines) = step.params.get("lines")
        {
            self.commands.extend(texts(lines, scope));
            let each = match &lines.kind {
                TreeKind::List(items) => items.as_slice(),
                _ => std::slice::from_ref(lines),
            };
            self.lines
                .extend(each.iter().filter_map(|line| shell(line, scope)));
        }
        step.inner.iter().for_each(|inner| self.step(inner, scope));
        if let Some(call) = &step.call {
            let callee = self.procedures.get(call.procedure.value.as_str()).copied();
            for (name, value) in &call.with {
                self.tree(value, scope);
                if let Some(callee) = callee {
                    self.flows.push(Flow {
                        to: Target::Param(callee, name.clone()),
                        from: texts(value, scope),
                        output: false,
                    });
                }
            }
        }
        if let Some(env) = &step.env {
            self.tree(env, scope);
        }
        if let StepTimeout::After(timeout) = &step.timeout {
            self.templated(Some(timeout), scope);
        }
        self.templated(step.stall.as_ref(), scope);
        self.templated(step.max_output.as_ref(), scope);
        self.retry(step.retry.as_ref(), scope);
        if let (Some(save), Some(space)) = (&step.save, scope.space) {
            let setter = if step.for_each.is_some() {
                Setter::Outputs
            } else {
                Setter::Output(step.action, step.parse.unwrap_or_default())
            };
            self.set(space, &save.value, setter);
            self.flows.push(Flow {
                to: Target::Var(space, save.value.clone()),
                from: Vec::new(),
                output: true,
            });
        }
    }

    /// A name of `vars` gets a value.
    fn declare(&mut self, name: &'r str, value: &'r Tree, scope: Scope<'r>) {
        self.tree(value, scope);
        if let Some(space) = scope.space {
            self.set(space, name, Setter::Value);
            self.flows.push(Flow {
                to: Target::Var(space, name.to_owned()),
                from: texts(value, scope),
                output: false,
            });
        }
    }

    fn set(&mut self, space: usize, name: &'r str, setter: Setter) {
        if let Some(space) = self.spaces.get_mut(space) {
            space.vars.entry(name).or_default().push(setter);
        }
    }

    fn for_each(&mut self, items: Option<&'r Items>, outer: Scope<'r>) -> Scope<'r> {
        let made_of = match items {
            None => return outer,
            Some(Items::List(list)) => {
                self.tree(list, outer);
                texts(list, outer)
            }
            Some(Items::Expr(expr)) => {
                self.expr(Some(expr), outer);
                vec![Site {
                    text: Text::Expr(expr),
                    scope: outer,
                }]
            }
        };
        self.items.push(made_of);
        Scope {
            item: Some(self.items.len() - 1),
            ..outer.with(Names::of(&["item", "index"]))
        }
    }

    fn retry(&mut self, retry: Option<&'r Retry>, scope: Scope<'r>) {
        let Some(retry) = retry else {
            return;
        };
        self.templated(Some(&retry.attempts), scope);
        self.templated(Some(&retry.delay), scope);
        self.templated(Some(&retry.backoff), scope);
        self.templated(Some(&retry.max_delay), scope);
        self.templated(Some(&retry.jitter), scope);
        retry.between.iter().for_each(|step| self.step(step, scope));
    }

    fn templated<T>(&mut self, value: Option<&'r Templated<T>>, scope: Scope<'r>) {
        if let Some(Templated::Template(template)) = value {
            self.all.push(Site {
                text: Text::Template(template),
                scope,
            });
        }
    }

    fn expr(&mut self, expr: Option<&'r Expr>, scope: Scope<'r>) {
        self.all.extend(expr.map(|expr| Site {
            text: Text::Expr(expr),
            scope,
        }));
    }

    fn tree(&mut self, tree: &'r Tree, scope: Scope<'r>) {
        self.all.extend(texts(tree, scope));
        let mut left = vec![tree];
        while let Some(tree) = left.pop() {
            match &tree.kind {
                TreeKind::Literal(value) => {
                    self.literals.extend(value.as_str().map(|text| Literal {
                        text,
                        span: tree.span,
                        scope,
                    }));
                }
                TreeKind::List(items) => left.extend(items),
                TreeKind::Map(members) => left.extend(members.values()),
                TreeKind::Template(_) | TreeKind::Expr(_) | TreeKind::Deferred(_) => {}
            }
        }
    }
}

/// A value as shell text.
fn shell<'r>(tree: &'r Tree, scope: Scope<'r>) -> Option<ShellText<'r>> {
    let (text, span, template) = match &tree.kind {
        TreeKind::Literal(value) => (value.as_str()?, tree.span, None),
        TreeKind::Template(template) => (template.text.as_ref(), template.span, Some(template)),
        _ => return None,
    };
    Some(ShellText {
        text,
        span,
        template,
        scope,
    })
}

/// The texts in a value.
pub(super) fn texts<'r>(tree: &'r Tree, scope: Scope<'r>) -> Vec<Site<'r>> {
    let mut found = Vec::new();
    let mut left = vec![tree];
    while let Some(tree) = left.pop() {
        let text = match &tree.kind {
            TreeKind::Literal(_) => continue,
            TreeKind::List(items) => {
                left.extend(items.iter().rev());
                continue;
            }
            TreeKind::Map(members) => {
                left.extend(members.values().rev());
                continue;
            }
            TreeKind::Template(template) => Site {
                text: Text::Template(template),
                scope,
            },
            TreeKind::Expr(expr) => Site {
                text: Text::Expr(expr),
                scope,
            },
            TreeKind::Deferred(expr) => Site {
                text: Text::Expr(expr),
                scope: scope.with(Names::of(&["result"])),
            },
        };
        found.push(text);
    }
    found
}

/// The fields of `gear.NAME`.
pub(super) fn gear_fields(kind: GearKind) -> &'static [&'static str] {
    match kind {
        GearKind::Mux => &["present", "kind", "media"],
        GearKind::Power | GearKind::Serial => &["present", "kind"],
    }
}
