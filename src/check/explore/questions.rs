//! What the explorer answers when the machine asks: guards by variables, lists by their lengths,
//! templated numbers by what the inputs' declarations say.

use std::time::Duration;

use super::formula::Formula;
use super::variables::{Scope, VarId, Variables};
use crate::machine::{Answer, Ask, AskKind, Chart, RetryPlan, Site, StateId};
use crate::recipe::model::{
    Body, Declared, Group, Input, Items, Recipe, Retry, StepTimeout, Templated, TreeKind,
};
use crate::recipe::template::{Expr, Logic, Template};
use crate::recipe::{Value, duration};

/// A templated bound of which nothing is known.
const SOME_TIME: Duration = Duration::from_secs(3600);

/// Templated attempts are taken as so many at most: what three tries can show, more can.
const MOST_ATTEMPTS: u32 = 3;

/// How one question is answered.
#[derive(Clone, Debug)]
pub(super) enum Rule {
    /// Always so.
    Fixed(Answer),
    /// A guard.
    Guard(Formula),
    /// As many as the variable says.
    Items(VarId),
    /// The exit status is the variable's value, where that is known.
    Status(VarId),
    /// Any of a tracked value's values, or none.
    Reading,
}

/// The rules of all questions, by their ids.
pub(super) struct Questions {
    pub(super) rules: Vec<Rule>,
}

/// A guard or list as it is noted first, compiled later.
enum Noted {
    Rule(Rule),
    Guard(Logic),
}

impl Questions {
    pub(super) fn new<'r>(
        chart: &'r Chart,
        variables: &mut Variables<'r>,
        recipe: &Recipe,
    ) -> Self {
        let asks: Vec<Ask> = chart.asks().map(|id| chart.ask(id)).collect();
        let noted: Vec<Noted> = asks
            .iter()
            .map(|ask| note(chart, variables, recipe, *ask))
            .collect();
        variables.settle();
        let rules = asks
            .iter()
            .zip(noted)
            .map(|(ask, noted)| match noted {
                Noted::Rule(rule) => rule,
                Noted::Guard(logic) => Rule::Guard(variables.compile(&logic, scope(chart, ask.of))),
            })
            .collect();
        Self { rules }
    }
}

/// The scope in which a state's or step's expressions are read.
pub(super) fn scope(chart: &Chart, of: Site) -> Scope<'_> {
    let state = owner(chart, of);
    Scope {
        procedure: chart.procedure(state),
        home: chart.home(state),
    }
}

pub(super) fn owner(chart: &Chart, of: Site) -> StateId {
    match of {
        Site::State(state) => state,
        Site::Step(step) => chart.owner(step),
    }
}

fn note<'r>(chart: &'r Chart, variables: &mut Variables<'r>, recipe: &Recipe, ask: Ask) -> Noted {
    let fixed = |answer| Noted::Rule(Rule::Fixed(answer));
    let at = scope(chart, ask.of);
    let home = at.home.and_then(|home| recipe.imports.get(home));
    let recipe = home.unwrap_or(recipe);
    match (ask.kind, ask.of) {
        (AskKind::When, Site::State(state)) => {
            guard(chart.state(state).when.as_ref(), variables, at)
        }
        (AskKind::When, Site::Step(step)) => guard(chart.step(step).when.as_ref(), variables, at),
        (AskKind::Row(row), _) => {
            let rows = &chart.state(owner(chart, ask.of)).next;
            let row = rows.get(row as usize).and_then(|row| row.when.as_ref());
            guard(row, variables, at)
        }
        (AskKind::Items, of) => {
            let items = match of {
                Site::State(state) => chart.state(state).for_each.as_ref(),
                Site::Step(step) => chart.step(step).for_each.as_ref(),
            };
            Noted::Rule(list(items, variables, at))
        }
        (AskKind::ExitStatus, of) => Noted::Rule(status(chart, variables, owner(chart, of))),
        (AskKind::Timeout, of) => fixed(Answer::After(Some(timeout(chart, recipe, of)))),
        (AskKind::Retry, of) => {
            let retry = match of {
                Site::State(state) => chart.state(state).retry.as_ref(),
                Site::Step(step) => chart.step(step).retry.as_ref(),
            };
            let plan = retry.map_or(RetryPlan::ONCE, |retry| plan(retry, recipe));
            fixed(Answer::Retry(plan))
        }
        (AskKind::Vars | AskKind::Arguments | AskKind::Returns, _) => fixed(Answer::Done),
        (AskKind::Reading(_), _) => Noted::Rule(Rule::Reading),
    }
}

fn guard(guard: Option<&Expr>, variables: &mut Variables<'_>, at: Scope<'_>) -> Noted {
    let Some(guard) = guard else {
        return Noted::Rule(Rule::Fixed(Answer::Truth(true)));
    };
    let logic = guard.logic().unwrap_or_else(|| Logic::Other {
        text: guard.text.as_ref().to_owned(),
        reads: Vec::new(),
    });
    let logic = variables.expanded(logic, at);
    variables.note(&logic, at);
    Noted::Guard(logic)
}

fn list(items: Option<&Items>, variables: &mut Variables<'_>, at: Scope<'_>) -> Rule {
    let known = |count: usize| Rule::Fixed(Answer::Count(u32::try_from(count).unwrap_or(u32::MAX)));
    let expr = match items {
        None => return known(0),
        Some(Items::List(tree)) => {
            return match &tree.kind {
                TreeKind::List(items) => known(items.len()),
                TreeKind::Literal(Value::Array(items)) => known(items.len()),
                _ => known(1),
            };
        }
        Some(Items::Expr(expr)) => expr,
    };
    let logic = expr.logic().map(|logic| variables.expanded(logic, at));
    match logic {
        Some(Logic::Constant(Value::Array(items))) => known(items.len()),
        Some(logic) => match variables.note_list(&logic, &expr.text, at) {
            Some(var) => Rule::Items(var),
            None => known(1),
        },
        None => known(1),
    }
}

fn status(chart: &Chart, variables: &mut Variables<'_>, state: StateId) -> Rule {
    let Body::End {
        exit_status: Some(expr),
        ..
    } = &chart.state(state).body
    else {
        return Rule::Fixed(Answer::Status(1));
    };
    let at = scope(chart, Site::State(state));
    let logic = expr.logic().map(|logic| variables.expanded(logic, at));
    match logic {
        Some(Logic::Constant(value)) => Rule::Fixed(Answer::Status(value.as_i64().unwrap_or(1))),
        Some(logic @ Logic::Path(_)) => {
            variables.note(&logic, at);
            match variables.note_status(&logic, at) {
                Some(var) => Rule::Status(var),
                None => Rule::Fixed(Answer::Status(1)),
            }
        }
        _ => Rule::Fixed(Answer::Status(1)),
    }
}

fn timeout(chart: &Chart, recipe: &Recipe, of: Site) -> Duration {
    let bound = match of {
        Site::State(state) => chart.state(state).timeout.as_ref(),
        Site::Step(step) => match &chart.step(step).timeout {
            StepTimeout::After(bound) => Some(bound),
            StepTimeout::PerLine(each) => return *each,
            StepTimeout::None => None,
        },
    };
    match bound {
        Some(Templated::Literal(after)) => *after,
        Some(Templated::Template(template)) => expected(template, recipe)
            .and_then(|value| seconds(&value))
            .filter(|after| !after.is_zero())
            .unwrap_or(SOME_TIME),
        None => SOME_TIME,
    }
}

fn plan(retry: &Retry, recipe: &Recipe) -> RetryPlan {
    let attempts = match &retry.attempts {
        Templated::Literal(attempts) => *attempts,
        Templated::Template(template) => expected(template, recipe)
            .and_then(|value| u32::try_from(value.as_u64()?).ok())
            .map_or(MOST_ATTEMPTS, |attempts| attempts.clamp(1, MOST_ATTEMPTS)),
    };
    let delay = match &retry.delay {
        Templated::Literal(delay) => *delay,
        Templated::Template(_) => Duration::from_secs(1),
    };
    RetryPlan {
        attempts,
        delay,
        ..RetryPlan::ONCE
    }
}

/// The default, else the greatest value, of the input that a template is.
fn expected(template: &Template, recipe: &Recipe) -> Option<Value> {
    let Logic::Path(path) = template.logic()? else {
        return None;
    };
    let (root, rest) = path.split_first()?;
    let group = match root.as_str() {
        "device" => &recipe.device,
        "job" => &recipe.job,
        _ => return None,
    };
    let input = input(group, rest)?;
    input.default.clone().or_else(|| Some(input.max?.into()))
}

fn input<'r>(group: &'r Group, path: &[String]) -> Option<&'r Input> {
    let (name, rest) = path.split_first()?;
    match (group.members.get(name)?, rest) {
        (Declared::Group(inner), rest) => input(inner, rest),
        (Declared::Input(input), []) => Some(input),
        (Declared::Input(_), _) => None,
    }
}

fn seconds(value: &Value) -> Option<Duration> {
    match value {
        Value::String(text) => duration::parse(text, 1).ok(),
        other => Duration::try_from_secs_f64(other.as_f64()?).ok(),
    }
}
