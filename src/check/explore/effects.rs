//! What facts tell about the values that guards read: a name was saved or set, an error was caught, an
//! outcome is fixed, an item begun. What a fact does not tell is forgotten, and asked anew.

use super::questions::scope;
use super::variables::{VarId, Variables};
use crate::machine::{AfterTry, Chart, Fact, Outcome, Site, StateId, StepId};
use crate::recipe::model::{Map, Recipe, Tree, TreeKind};
use crate::recipe::{ErrorKind, Value};

/// A variable and what it becomes: a value counted from 1, or 0 for "not known".
type Effect = (VarId, u8);

/// All effects of one stage's facts, by state, step and procedure.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// By step: committed after a success, and after a forgiven failure.
    steps: Vec<[Vec<Effect>; 2]>,
    /// By step: a call's procedure begins.
    calls: Vec<Vec<Effect>>,
    /// By state: its `vars` are set.
    entries: Vec<Vec<Effect>>,
    /// The recipe's own `vars`, at the first entry of the stage.
    beginning: Vec<Effect>,
    /// By state's procedure.
    procedures: Vec<OfProcedure>,
    /// By state: its place in `procedures`.
    of_state: Vec<usize>,
}

/// Variables of one procedure, or of the stage, that facts about the run change.
#[derive(Debug, Default)]
struct OfProcedure {
    name: Option<String>,
    items: Vec<VarId>,
    /// By kind.
    caught: Vec<Vec<Effect>>,
    /// By kind, then `ok`, `failure` and `unrecoverable`.
    outcome: Vec<Vec<Effect>>,
}

impl Effects {
    pub(super) fn new(chart: &Chart, variables: &Variables<'_>, recipe: &Recipe) -> Self {
        if variables.all.is_empty() {
            return Self::default();
        }
        let mut effects = Self::default();
        for state in chart.states() {
            let name = chart.procedure(state);
            let at = effects
                .procedures
                .iter()
                .position(|known| known.name.as_deref() == name)
                .unwrap_or_else(|| {
                    effects.procedures.push(OfProcedure::new(name, variables));
                    effects.procedures.len() - 1
                });
            effects.of_state.push(at);
            let vars = &chart.state(state).vars;
            effects.entries.push(set(vars, name, variables).collect());
        }
        effects.beginning = set(&recipe.vars, None, variables).collect();
        for step in chart.steps() {
            let owner = scope(chart, Site::Step(step));
            effects
                .steps
                .push(saved(chart, step, owner.procedure, variables));
            let called = chart
                .called(step)
                .map(|root| called(chart, step, root, recipe, variables));
            effects.calls.push(called.unwrap_or_default());
        }
        effects
    }

    /// What is known before anything has happened: no error was caught.
    pub(super) fn at_start(&self, variables: &Variables<'_>) -> Vec<u8> {
        let none = |(_, variable): &(VarId, &super::variables::Variable)| {
            variable.scope.is_none() && variable.reads("error", None)
        };
        let mut values = vec![0; variables.all.len()];
        for (var, variable) in (0..).zip(&variables.all).filter(none) {
            if let (Some(value), Some(_)) = (values.get_mut(usize::from(var)), &variable.path) {
                *value = variable.classify(&Value::Null);
            }
        }
        values
    }

    /// Follows one fact.
    pub(super) fn follow(&self, fact: &Fact, chart: &Chart, values: &mut [u8]) {
        if values.is_empty() {
            return;
        }
        match fact {
            Fact::StateEntered { state, attempt, .. } => {
                if *state == chart.root() && *attempt == 1 {
                    apply(&self.beginning, values);
                }
                if let Some(effects) = self.entries.get(index(*state)) {
                    apply(effects, values);
                }
            }
            Fact::TryEnded { step, then, .. }
            | Fact::TryRefused { step, then, .. }
            | Fact::RetryDropped { step, then, .. }
            | Fact::CallLeft { step, then, .. } => {
                let committed = self.steps.get(step.index());
                match (then, committed) {
                    (AfterTry::Done, Some([done, _])) => apply(done, values),
                    (AfterTry::Forgiven, Some([_, forgiven])) => apply(forgiven, values),
                    _ => {}
                }
            }
            Fact::CallEntered { step, .. } => {
                if let Some(effects) = self.calls.get(step.index()) {
                    apply(effects, values);
                }
            }
            Fact::ItemBegun { of, .. } | Fact::ItemsEnded { of } => {
                let state = super::questions::owner(chart, *of);
                for var in self.of(state).map_or(&[][..], |of| &of.items) {
                    apply(&[(*var, 0)], values);
                }
            }
            Fact::Caught { state, kind } => {
                let effects = self.of(*state).and_then(|of| of.caught.get(*kind as usize));
                apply(effects.map_or(&[], Vec::as_slice), values);
            }
            Fact::ScopeLeaving { state, because } => {
                let of = self.of(*state);
                let effects = of.and_then(|of| of.outcome.get(place(*because)));
                apply(effects.map_or(&[], Vec::as_slice), values);
            }
            _ => {}
        }
    }

    fn of(&self, state: StateId) -> Option<&OfProcedure> {
        self.procedures.get(*self.of_state.get(index(state))?)
    }
}

impl OfProcedure {
    fn new(name: Option<&str>, variables: &Variables<'_>) -> Self {
        let kinds = ErrorKind::ALL.iter().copied();
        let outcomes = kinds.clone().map(Outcome::Failed).chain([
            Outcome::Ok,
            Outcome::Failure,
            Outcome::Unrecoverable,
        ]);
        let items = (0..).zip(&variables.all).filter(|(_, variable)| {
            variable.scope.as_deref() == name
                && (variable.reads("item", None) || variable.reads("index", None))
        });
        Self {
            name: name.map(str::to_owned),
            items: items.map(|(var, _)| var).collect(),
            caught: kinds
                .map(|kind| told("error", kind.word(), name, variables))
                .collect(),
            outcome: outcomes
                .map(|outcome| told("outcome", word(outcome), name, variables))
                .collect(),
        }
    }
}

/// The word that `outcome.kind` is.
fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::Failed(kind) => kind.word(),
        Outcome::Failure => "failure",
        Outcome::Unrecoverable => "unrecoverable",
    }
}

/// Where [`OfProcedure::outcome`] has it.
fn place(outcome: Outcome) -> usize {
    match outcome {
        Outcome::Failed(kind) => kind as usize,
        Outcome::Ok => ErrorKind::ALL.len(),
        Outcome::Failure => ErrorKind::ALL.len() + 1,
        Outcome::Unrecoverable => ErrorKind::ALL.len() + 2,
    }
}

fn index(state: StateId) -> usize {
    state.index()
}

fn apply(effects: &[Effect], values: &mut [u8]) {
    for (var, value) in effects {
        if let Some(known) = values.get_mut(usize::from(*var)) {
            *known = *value;
        }
    }
}

/// `error` or `outcome` has this kind now; its other members are not known.
fn told(root: &str, kind: &str, procedure: Option<&str>, variables: &Variables<'_>) -> Vec<Effect> {
    let concerned = (0..).zip(&variables.all).filter(|(_, variable)| {
        variable.scope.as_deref() == procedure && variable.reads(root, None)
    });
    concerned
        .map(|(var, variable)| {
            let path = variable.path.as_deref().unwrap_or_default();
            let value = match path {
                [_] => variable.classify(&Value::String("there".to_owned())),
                [_, member] if member == "kind" => variable.classify(&kind.into()),
                _ => 0,
            };
            (var, value)
        })
        .collect()
}

/// `vars` set to what is written, or to something computed.
fn set<'v>(
    vars: &'v Map<Tree>,
    procedure: Option<&'v str>,
    variables: &'v Variables<'_>,
) -> impl Iterator<Item = Effect> + 'v {
    vars.iter().flat_map(move |(name, tree)| {
        let concerned = (0..).zip(&variables.all).filter(move |(_, variable)| {
            variable.scope.as_deref() == procedure && variable.reads("vars", Some(name))
        });
        concerned.map(move |(var, variable)| {
            let path = variable.path.as_deref();
            let value = path.and_then(|path| member(tree, path.get(2..).unwrap_or_default()));
            (var, value.map_or(0, |value| variable.classify(&value)))
        })
    })
}

/// A written value, or a part of it.
fn member(tree: &Tree, path: &[String]) -> Option<Value> {
    match (&tree.kind, path) {
        (TreeKind::Literal(value), _) => {
            let mut at = value;
            for name in path {
                at = at.get(name)?;
            }
            Some(at.clone())
        }
        (TreeKind::Map(members), [name, rest @ ..]) => member(members.get(name)?, rest),
        _ => None,
    }
}

/// What a step's end commits: after a success, and after a forgiven failure.
fn saved(
    chart: &Chart,
    step: StepId,
    procedure: Option<&str>,
    variables: &Variables<'_>,
) -> [Vec<Effect>; 2] {
    let declared = chart.step(step);
    let (mut done, mut forgiven) = (Vec::new(), Vec::new());
    if declared.action.name == "set" {
        done.extend(set(&declared.params, procedure, variables));
    }
    let Some(name) = declared.save.as_ref().map(|name| name.value.as_str()) else {
        return [done, forgiven];
    };
    for (var, variable) in (0..).zip(&variables.all) {
        if variable.scope.as_deref() != procedure || !variable.reads("vars", Some(name)) {
            continue;
        }
        let path = variable.path.as_deref().unwrap_or_default();
        let (well, badly) = match path.get(2..) {
            Some([]) if !path.is_empty() => {
                let there = variable.classify(&Value::String("there".to_owned()));
                (there, there)
            }
            Some([ok]) if ok == "ok" => (
                variable.classify(&true.into()),
                variable.classify(&false.into()),
            ),
            Some([error, ..]) if error == "error" => (0, 0),
            Some([_]) => (0, variable.classify(&Value::Null)),
            _ => (0, 0),
        };
        done.push((var, well));
        forgiven.push((var, badly));
    }
    [done, forgiven]
}

/// A call: the procedure's names begin anew, its parameters as far as they are written.
fn called(
    chart: &Chart,
    step: StepId,
    root: StateId,
    recipe: &Recipe,
    variables: &Variables<'_>,
) -> Vec<Effect> {
    let name = chart.procedure(root);
    let with = chart.step(step).call.as_ref().map(|call| &call.with);
    let params = name.and_then(|name| recipe.procedures.get(name));
    let params = params.map(|procedure| &procedure.params);
    let mine = variables.begun_anew(name);
    mine.map(|(var, variable)| {
        let value = match variable.path.as_deref() {
            Some([root, ..]) if root == "error" => Some(Value::Null),
            Some([root, param, rest @ ..]) if root == "params" => {
                match with.and_then(|with| with.get(param)) {
                    Some(tree) => member(tree, rest),
                    None => params
                        .and_then(|params| params.get(param))
                        .map(|input| input.default.clone().unwrap_or(Value::Null)),
                }
            }
            _ => None,
        };
        (var, value.map_or(0, |value| variable.classify(&value)))
    })
    .collect()
}
