//! What guards read, as variables with a few possible values each.
//!
//! A boolean or `enum` input has the values that it can have. Of anything else only matters whether it
//! counts as true and which written values it is compared with: those are its values, "something else"
//! being one more. So `x`, `not x`, `x == 'a'` and `x in ['a', 'b']` never contradict each other. What
//! is no plain name (`a > 3`, `x | trim`) is a variable under its own text.

use std::collections::HashMap;

use super::formula::{Formula, equal_to, paths};
use crate::recipe::Value;
use crate::recipe::model::{Declared, Group, Input, InputType, Map, Recipe};
use crate::recipe::template::{Logic, truth};

/// A place in [`Variables`].
pub(super) type VarId = u16;

/// More written values than that are "something else".
const MOST_VALUES: usize = 40;

/// One of the things a variable can be.
#[derive(Clone, Debug, PartialEq)]
pub enum Possible {
    /// None, false, 0, or empty.
    Absent,
    /// This value.
    Exactly(Value),
    /// Something that counts as true and that nothing compares it with; where a list is wanted, what
    /// is none.
    Something,
    /// A list of so many items.
    Items(u32),
}

impl Possible {
    fn is_true(&self) -> bool {
        match self {
            Self::Absent => false,
            Self::Exactly(value) => truth(value),
            Self::Something => true,
            Self::Items(count) => *count > 0,
        }
    }

    fn equals(&self, written: &Value) -> bool {
        match self {
            Self::Exactly(value) => same(value, written),
            Self::Absent | Self::Something | Self::Items(_) => false,
        }
    }
}

/// Something that guards read.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    /// As a recipe writes it.
    pub(super) text: String,
    /// The procedure in which it has this meaning, or for constants the recipe; `None`: the running one.
    pub(super) scope: Option<String>,
    /// The names it is made of.
    pub(super) reads: Vec<Vec<String>>,
    /// The name itself, where it is a plain one.
    pub(super) path: Option<Vec<String>>,
    /// Never empty once made.
    pub(super) values: Vec<Possible>,
    is_list: bool,
    compared: Vec<Value>,
}

impl Variable {
    /// Whether it reads this member of this name: `vars`, `a`.
    pub(super) fn reads(&self, root: &str, member: Option<&str>) -> bool {
        self.reads.iter().any(|path| {
            path.first().is_some_and(|first| first == root)
                && match (member, path.get(1)) {
                    (Some(member), Some(read)) => member == read,
                    _ => true,
                }
        })
    }

    /// The written values that it is compared with.
    pub(super) fn compared(&self) -> &[Value] {
        &self.compared
    }

    /// Which of its values a known one is, counted from 1; 0 where that can't be told.
    pub(super) fn classify(&self, value: &Value) -> u8 {
        let at = self.values.iter().position(|possible| match possible {
            Possible::Items(count) => value
                .as_array()
                .is_some_and(|items| u32::try_from(items.len()) == Ok(*count)),
            other => other.equals(value),
        });
        let rough = || {
            let alike = if truth(value) {
                Possible::Something
            } else {
                Possible::Absent
            };
            self.values.iter().position(|possible| *possible == alike)
        };
        let at = at.or_else(rough).and_then(|at| u8::try_from(at).ok());
        at.map_or(0, |at| at.saturating_add(1))
    }

    /// A bit for each of its values that satisfies `test`.
    fn mask(&self, test: impl Fn(&Possible) -> bool) -> u64 {
        let bits = (0..64).zip(&self.values);
        bits.filter(|(_, possible)| test(possible))
            .fold(0, |mask, (bit, _)| mask | 1 << bit)
    }
}

/// Where an expression stands: the procedure, and the recipe whose inputs it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scope<'r> {
    pub(super) procedure: Option<&'r str>,
    pub(super) home: Option<&'r str>,
}

/// All variables of one stage.
#[derive(Debug)]
pub(super) struct Variables<'r> {
    recipe: &'r Recipe,
    stage: &'r str,
    pub(super) all: Vec<Variable>,
    known: HashMap<(Option<String>, String), VarId>,
}

impl<'r> Variables<'r> {
    pub(super) fn new(recipe: &'r Recipe, stage: &'r str) -> Self {
        Self {
            recipe,
            stage,
            all: Vec::new(),
            known: HashMap::new(),
        }
    }

    /// Those that begin anew with each call of a procedure: its own names and its arguments.
    pub(super) fn begun_anew(
        &self,
        procedure: Option<&str>,
    ) -> impl Iterator<Item = (VarId, &Variable)> {
        (0..).zip(&self.all).filter(move |(_, variable)| {
            variable.scope.as_deref() == procedure
                && ["vars", "params", "error", "outcome", "item", "index"]
                    .iter()
                    .any(|root| variable.reads(root, None))
        })
    }

    /// An expression with the recipe's constants written out.
    pub(super) fn expanded(&self, logic: Logic, scope: Scope<'_>) -> Logic {
        self.expand(logic, scope, 32)
    }

    fn expand(&self, logic: Logic, scope: Scope<'_>, depth: u8) -> Logic {
        let Some(depth) = depth.checked_sub(1) else {
            return logic;
        };
        let inner = |logic: Box<Logic>| Box::new(self.expand(*logic, scope, depth));
        match logic {
            Logic::Path(path) => {
                let [root, name] = path.as_slice() else {
                    return Logic::Path(path);
                };
                let tree = match root.as_str() {
                    "let" => self.recipe_of(scope).lets.get(name),
                    _ => None,
                };
                match tree.map(|tree| &tree.kind) {
                    Some(crate::recipe::model::TreeKind::Literal(value)) => {
                        Logic::Constant(value.clone())
                    }
                    Some(crate::recipe::model::TreeKind::Template(template)) => {
                        match template.logic() {
                            Some(logic) => self.expand(logic, scope, depth),
                            None => Logic::Path(path),
                        }
                    }
                    _ => Logic::Path(path),
                }
            }
            Logic::Not(of) => Logic::Not(inner(of)),
            Logic::And(a, b) => Logic::And(inner(a), inner(b)),
            Logic::Or(a, b) => Logic::Or(inner(a), inner(b)),
            Logic::Choice(parts) => Logic::Choice(Box::new(
                (*parts).map(|part| self.expand(part, scope, depth)),
            )),
            Logic::Equal(of, value) => equal_to(self.expand(*of, scope, depth), &value),
            Logic::Constant(_) | Logic::Other { .. } => logic,
        }
    }

    /// Notes what an expanded expression reads. All must be noted before any is compiled.
    pub(super) fn note(&mut self, logic: &Logic, scope: Scope<'_>) {
        match logic {
            Logic::Constant(_) => {}
            Logic::Path(_) | Logic::Other { .. } => {
                self.var(logic, scope);
            }
            Logic::Not(of) => self.note(of, scope),
            Logic::And(a, b) | Logic::Or(a, b) => {
                self.note(a, scope);
                self.note(b, scope);
            }
            Logic::Choice(parts) => parts.iter().for_each(|part| self.note(part, scope)),
            Logic::Equal(of, value) => {
                if let Some(var) = self.var(of, scope)
                    && let Some(variable) = self.all.get_mut(usize::from(var))
                    && !variable.compared.iter().any(|known| same(known, value))
                    && variable.compared.len() < MOST_VALUES
                {
                    variable.compared.push(value.clone());
                }
            }
        }
    }

    /// Notes a list that is gone over.
    pub(super) fn note_list(
        &mut self,
        logic: &Logic,
        text: &str,
        scope: Scope<'_>,
    ) -> Option<VarId> {
        let var = match logic {
            Logic::Path(_) | Logic::Other { .. } => self.var(logic, scope),
            _ => {
                let mut reads = Vec::new();
                paths(logic, &mut reads);
                let text = text.to_owned();
                self.var(&Logic::Other { text, reads }, scope)
            }
        };
        if let Some(variable) = var.and_then(|var| self.all.get_mut(usize::from(var))) {
            variable.is_list = true;
        }
        var
    }

    /// The variable that an expanded and noted name is.
    pub(super) fn note_status(&mut self, logic: &Logic, scope: Scope<'_>) -> Option<VarId> {
        self.var(logic, scope)
    }

    fn var(&mut self, logic: &Logic, scope: Scope<'_>) -> Option<VarId> {
        let (text, reads, path) = match logic {
            Logic::Path(path) => (path.join("."), vec![path.clone()], Some(path.clone())),
            Logic::Other { text, reads } => (text.clone(), reads.clone(), None),
            _ => return None,
        };
        let is_constant = |path: &Vec<String>| {
            let root = path.first().map_or("", String::as_str);
            ["device", "job", "env", "run", "gear", "let"].contains(&root)
        };
        let owner = if reads.iter().all(is_constant) {
            scope.home
        } else {
            scope.procedure
        };
        let key = (owner.map(str::to_owned), text);
        if let Some(var) = self.known.get(&key) {
            return Some(*var);
        }
        let var = VarId::try_from(self.all.len()).ok()?;
        self.all.push(Variable {
            text: key.1.clone(),
            scope: key.0.clone(),
            reads,
            path,
            values: Vec::new(),
            is_list: false,
            compared: Vec::new(),
        });
        self.known.insert(key, var);
        Some(var)
    }

    /// Gives all noted variables their values.
    pub(super) fn settle(&mut self) {
        for at in 0..self.all.len() {
            if let Some(variable) = self.all.get(at) {
                let values = self.possible(variable);
                if let Some(variable) = self.all.get_mut(at) {
                    variable.values = values;
                }
            }
        }
    }

    fn possible(&self, variable: &Variable) -> Vec<Possible> {
        let exactly = |value: &Value| Possible::Exactly(value.clone());
        let declared = variable
            .path
            .as_deref()
            .and_then(|path| self.declared(variable, path));
        if let Some(path) = variable.path.as_deref()
            && let [root, name, rest @ ..] = path
        {
            let given = match (root.as_str(), rest) {
                ("gear", [what]) if what == "present" => {
                    return vec![exactly(&true.into()), exactly(&false.into())];
                }
                ("gear", [what]) if what == "kind" => {
                    let recipe = self.home(variable.scope.as_deref());
                    recipe.gear.get(name).map(|gear| gear.kind.word().into())
                }
                ("run", []) if name == "stage" => Some(self.stage.into()),
                _ => None,
            };
            if let Some(value) = given {
                return vec![Possible::Exactly(value)];
            }
        }
        let must_be_list = declared.is_some_and(|input| input.types == [InputType::List]);
        if variable.is_list || must_be_list {
            let mut values = counts(declared);
            if !must_be_list {
                values.push(Possible::Something);
            }
            return values;
        }
        if let Some(input) = declared {
            let mut values: Vec<Possible> = if input.types == [InputType::Boolean] {
                vec![exactly(&true.into()), exactly(&false.into())]
            } else {
                input.allowed.iter().map(exactly).collect()
            };
            if !values.is_empty() {
                if !input.required && input.default.is_none() {
                    values.push(Possible::Exactly(Value::Null));
                }
                return values;
            }
        }
        let mut values = vec![Possible::Something];
        values.extend(variable.compared.iter().map(exactly));
        values.push(Possible::Absent);
        values
    }

    fn declared(&self, variable: &Variable, path: &[String]) -> Option<&'r Input> {
        let (root, rest) = path.split_first()?;
        match root.as_str() {
            "device" => of_group(&self.home(variable.scope.as_deref()).device, rest),
            "job" => of_group(&self.home(variable.scope.as_deref()).job, rest),
            "params" => {
                let procedure = self.recipe.procedures.get(variable.scope.as_deref()?)?;
                of_inputs(&procedure.params, rest)
            }
            _ => None,
        }
    }

    fn home(&self, home: Option<&str>) -> &'r Recipe {
        home.and_then(|home| self.recipe.imports.get(home))
            .unwrap_or(self.recipe)
    }

    fn recipe_of(&self, scope: Scope<'_>) -> &'r Recipe {
        self.home(scope.home)
    }

    /// A condition, all of whose variables were noted.
    pub(super) fn compile(&self, logic: &Logic, scope: Scope<'_>) -> Formula {
        let is = |of: &Logic, test: &dyn Fn(&Possible) -> bool| {
            let var = self.find(of, scope);
            let var = var.and_then(|var| Some((var, self.all.get(usize::from(var))?)));
            match var {
                Some((var, variable)) => Formula::Is(var, variable.mask(test)),
                None => Formula::Constant(true),
            }
        };
        match logic {
            Logic::Constant(value) => Formula::Constant(truth(value)),
            Logic::Path(_) | Logic::Other { .. } => is(logic, &Possible::is_true),
            Logic::Equal(of, value) => is(of, &|possible| possible.equals(value)),
            Logic::Not(of) => Formula::Not(Box::new(self.compile(of, scope))),
            Logic::And(a, b) => {
                Formula::And(Box::new([self.compile(a, scope), self.compile(b, scope)]))
            }
            Logic::Or(a, b) => {
                Formula::Or(Box::new([self.compile(a, scope), self.compile(b, scope)]))
            }
            Logic::Choice(parts) => Formula::Choice(Box::new([
                self.compile(&parts[0], scope),
                self.compile(&parts[1], scope),
                self.compile(&parts[2], scope),
            ])),
        }
    }

    fn find(&self, logic: &Logic, scope: Scope<'_>) -> Option<VarId> {
        let text = match logic {
            Logic::Path(path) => path.join("."),
            Logic::Other { text, .. } => text.clone(),
            _ => return None,
        };
        [scope.procedure, scope.home].into_iter().find_map(|owner| {
            let key = (owner.map(str::to_owned), text.clone());
            self.known.get(&key).copied()
        })
    }
}

/// Lists are taken with 0, 1 and 2 items, as far as their declaration allows.
fn counts(declared: Option<&Input>) -> Vec<Possible> {
    let bound = |bound: Option<usize>, none: u32| {
        bound.map_or(none, |bound| u32::try_from(bound).unwrap_or(u32::MAX))
    };
    let least = bound(declared.and_then(|input| input.min_items), 0);
    let most = bound(declared.and_then(|input| input.max_items), u32::MAX);
    let mut counts: Vec<u32> = [1, 0, 2]
        .into_iter()
        .filter(|count| (least..=most).contains(count))
        .collect();
    if counts.is_empty() {
        counts.push(least);
    }
    counts.into_iter().map(Possible::Items).collect()
}

fn of_group<'r>(group: &'r Group, path: &[String]) -> Option<&'r Input> {
    let (name, rest) = path.split_first()?;
    match group.members.get(name)? {
        Declared::Group(inner) => of_group(inner, rest),
        Declared::Input(input) => of_input(input, rest),
    }
}

fn of_inputs<'r>(inputs: &'r Map<Input>, path: &[String]) -> Option<&'r Input> {
    let (name, rest) = path.split_first()?;
    of_input(inputs.get(name)?, rest)
}

fn of_input<'r>(input: &'r Input, rest: &[String]) -> Option<&'r Input> {
    match rest {
        [] => Some(input),
        _ => of_inputs(input.keys.as_ref()?, rest),
    }
}

pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b).is_eq(),
        _ => a == b,
    }
}
