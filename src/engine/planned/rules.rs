//! What a plan says about a state or a step besides what is sent: bounds, tries, what is caught.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::machine::{Chart, StateId, StepId, Target, Transition};
use crate::recipe::model::{AllowFailure, Items, Retry, StepTimeout, Templated};
use crate::recipe::template::{Context, Typed};
use crate::recipe::{ErrorKind, duration};

/// What holds for a state. A value that is not known yet is the recipe's template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StateRules {
    /// Its guard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<Arc<str>>,
    /// The list that it is done for each item of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub for_each: Option<String>,
    /// The bound on all that is in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// Its tries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Tries>,
    /// Where errors go.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub catch: Vec<Caught>,
    /// How often it may be visited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_visits: Option<u32>,
    /// An error that leaves it means that a person must look at the board.
    #[serde(skip_serializing_if = "is_false")]
    pub recovery: bool,
}

/// A row of `catch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Caught {
    /// The kind of error; absent: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorKind>,
    /// The path of the state that is next, or `done`.
    pub to: String,
}

/// What holds for a step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StepRules {
    /// Its guard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<Arc<str>>,
    /// The list that it is done for each item of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub for_each: Option<String>,
    /// The bound on one try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// The bound on the time without progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stall: Option<String>,
    /// Its tries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Tries>,
    /// Which errors are forgiven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_failure: Option<Forgiven>,
    /// The name in `vars` of what it gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub save: Option<String>,
    /// An error of it means that a person must look at the board.
    #[serde(skip_serializing_if = "is_false")]
    pub recovery: bool,
}

/// Which errors are forgiven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Forgiven {
    /// All that can be.
    All,
    /// These kinds.
    Kinds(Vec<ErrorKind>),
}

/// The numbers of a `retry`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tries {
    /// All tries, the first included.
    pub attempts: String,
    /// Before the second.
    pub delay: String,
    /// Each delay is so many times the last; absent: all are the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<String>,
    /// Which errors; absent: all but `input` and `cancelled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<Vec<ErrorKind>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde wants it")]
fn is_false(it: &bool) -> bool {
    !it
}

impl StateRules {
    pub(super) fn of(chart: &Chart, id: StateId, context: &Context) -> Self {
        let state = chart.state(id);
        let catch = chart
            .transitions(id)
            .filter_map(|(why, to)| match why {
                Transition::Catch(error) => Some(Caught {
                    error,
                    to: match to {
                        Target::Done => "done".to_owned(),
                        Target::State(state) => chart.path(state).to_owned(),
                    },
                }),
                Transition::Next(_) => None,
            })
            .collect();
        Self {
            when: state.when.as_ref().map(|when| when.text.clone()),
            for_each: state.for_each.as_ref().map(items),
            timeout: state.timeout.as_ref().map(|bound| time(bound, context)),
            retry: state.retry.as_ref().map(|retry| tries(retry, context)),
            catch,
            max_visits: state.max_visits,
            recovery: state.recovery,
        }
    }
}

impl StepRules {
    pub(super) fn of(chart: &Chart, id: StepId, context: &Context) -> Self {
        let step = chart.step(id);
        Self {
            when: step.when.as_ref().map(|when| when.text.clone()),
            for_each: step.for_each.as_ref().map(items),
            timeout: match &step.timeout {
                StepTimeout::None => None,
                StepTimeout::After(bound) => Some(time(bound, context)),
                StepTimeout::PerLine(each) => Some(format!("{} a line", duration::print(*each))),
            },
            stall: step.stall.as_ref().map(|bound| time(bound, context)),
            retry: step.retry.as_ref().map(|retry| tries(retry, context)),
            allow_failure: match step.allow_failure {
                AllowFailure::No => None,
                AllowFailure::All => Some(Forgiven::All),
                AllowFailure::Kinds(kinds) => Some(Forgiven::Kinds(kinds.iter().collect())),
            },
            save: step.save.as_ref().map(|save| save.value.clone()),
            recovery: step.recovery,
        }
    }
}

fn items(items: &Items) -> String {
    match items {
        Items::Expr(expr) => expr.text.to_string(),
        Items::List(_) => "the list".to_owned(),
    }
}

fn time(bound: &Templated<Duration>, context: &Context) -> String {
    value(bound, context, |bound| duration::print(*bound))
}

fn value<T: Typed>(of: &Templated<T>, context: &Context, print: impl Fn(&T) -> String) -> String {
    match (of.get(context), of) {
        (Ok(value), _) => print(&value),
        (Err(_), Templated::Template(template)) => template.text.to_string(),
        (Err(_), Templated::Literal(value)) => print(value),
    }
}

fn tries(retry: &Retry, context: &Context) -> Tries {
    Tries {
        attempts: value(&retry.attempts, context, ToString::to_string),
        delay: time(&retry.delay, context),
        backoff: match &retry.backoff {
            Templated::Literal(factor) if *factor <= 1.0 => None,
            backoff => Some(value(backoff, context, ToString::to_string)),
        },
        errors: retry.errors.map(|errors| errors.iter().collect()),
    }
}
