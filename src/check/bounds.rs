//! Bounds that say nothing: an outer one always comes first.

use std::time::Duration;

use super::whole::Unit;
use crate::diagnostic::{Code, Finding, Findings, Span};
use crate::machine::RetryPlan;
use crate::recipe::duration;
use crate::recipe::model::{Body, Retry, State, Step, StepTimeout, Templated, Tree, TreeKind};
use crate::recipe::{ErrorKind, KindSet};

/// A bound of a state around something.
#[derive(Clone, Copy)]
struct Outer<'r> {
    after: Duration,
    span: Option<Span>,
    name: &'r str,
}

pub(super) fn check(unit: &Unit<'_>, findings: &mut Findings) {
    let outline = &unit.outline;
    // The least bound around and on each state; parents come before what is in them.
    let mut least: Vec<Option<Outer<'_>>> = Vec::with_capacity(outline.states.len());
    for placed in &outline.states {
        let state = placed.state;
        let around = placed
            .parent
            .and_then(|parent| least.get(parent).copied().flatten());
        let own = literal(state.timeout.as_ref()).map(|after| Outer {
            after,
            span: state.places.value("timeout"),
            name: &state.name.value,
        });
        if let (Some(own), Some(around)) = (own, around)
            && own.after > around.after
            && let Some(span) = own.span
        {
            findings.push(cut(span, "this bound is never reached", &around));
        }
        let inner = match (own, around) {
            (Some(own), Some(around)) if around.after <= own.after => Some(around),
            (own, around) => own.or(around),
        };
        least.push(inner);
        if let (Some(inner), Some(retry)) = (inner, &state.retry) {
            tries(retry, None, &inner, findings);
        }
        for (steps, is_exit) in lists(state) {
            for step in steps {
                of_step(step, inner.filter(|_| !is_exit), findings);
            }
        }
    }
}

/// The lists of a state's steps, and whether no outer bound cuts them.
fn lists(state: &State) -> Vec<(&[std::sync::Arc<Step>], bool)> {
    let mut lists: Vec<(&[_], bool)> = match &state.body {
        Body::Leaf { steps } => vec![(steps, false)],
        Body::Scope { enter, exit, .. } => vec![(enter, false), (exit, true)],
        Body::Choice | Body::End { .. } => Vec::new(),
    };
    lists.extend(
        state
            .retry
            .iter()
            .map(|retry| (retry.between.as_slice(), false)),
    );
    lists
}

fn of_step(step: &Step, outer: Option<Outer<'_>>, findings: &mut Findings) {
    let own = match &step.timeout {
        StepTimeout::After(Templated::Literal(after)) => Some(*after),
        _ => None,
    };
    // What `defaults` gives is not this step's own mistake.
    let written = step
        .places
        .key("timeout")
        .filter(|key| Some(*key) != step.places.value("timeout"));
    if let (Some(outer), Some(own), Some(_)) = (outer, own, written)
        && own > outer.after
        && let Some(span) = step.places.value("timeout")
    {
        findings.push(cut(span, "this bound is never reached", &outer));
    }
    if let Some(outer) = outer {
        if let Some(retry) = &step.retry {
            tries(retry, own, &outer, findings);
        }
        if step.action.name == "sleep"
            && let Some((after, span)) = step.params.values().find_map(time)
            && after >= outer.after
        {
            findings.push(cut(span, "this sleep never comes to its end", &outer));
        }
    }
    // The step's own bound is around what the step does.
    let bound = own.map(|after| Outer {
        after,
        span: step.places.value("timeout"),
        name: &step.name,
    });
    let bound = match (bound, outer) {
        (Some(bound), Some(outer)) if outer.after < bound.after => Some(outer),
        (bound, outer) => bound.or(outer),
    };
    let Some(bound) = bound else {
        return;
    };
    if let (Some(Templated::Literal(stall)), Some(span)) = (&step.stall, step.places.value("stall"))
        && *stall > bound.after
    {
        findings.push(cut(span, "this bound is never reached", &bound));
    }
    if step.action.name == "wait" {
        if let Some((each, span)) = step.params.get("each").and_then(time)
            && each > bound.after
        {
            findings.push(cut(span, "this bound is never reached", &bound));
        }
        if let Some((every, span)) = step.params.get("every").and_then(time)
            && every >= bound.after
        {
            findings.push(cut(span, "there is never a second probe", &bound));
        }
    }
}

/// Tries that can never begin, as the delays alone take too long; with `errors: [timeout]` the tries
/// too.
fn tries(retry: &Retry, each: Option<Duration>, outer: &Outer<'_>, findings: &mut Findings) {
    let Some(plan) = RetryPlan::literal(retry) else {
        return;
    };
    let only_timeouts = KindSet::NONE.with(ErrorKind::Timeout);
    let each = each
        .filter(|_| retry.errors == Some(only_timeouts))
        .unwrap_or_default();
    let Some(begin) = plan.tries_within(each, outer.after) else {
        return;
    };
    let span = retry.places.value("attempts").unwrap_or(retry.span);
    let message = match begin {
        1 => "no second try ever begins".to_owned(),
        _ => format!("of {} tries no more than {begin} ever begin", plan.attempts),
    };
    findings.push(cut(span, message, outer));
}

fn cut(span: Span, message: impl Into<String>, outer: &Outer<'_>) -> Finding {
    let after = duration::print(outer.after);
    let finding = Finding::new(Code::NeverReached, span, message).help(format!(
        "the bound of `{}` comes first: make it longer than {after}, or this one shorter",
        outer.name
    ));
    match outer.span {
        Some(at) => finding.related(at, format!("ends it after {after}")),
        None => finding,
    }
}

fn literal(timeout: Option<&Templated<Duration>>) -> Option<Duration> {
    match timeout {
        Some(Templated::Literal(after)) => Some(*after),
        _ => None,
    }
}

/// A duration that is written.
fn time(tree: &Tree) -> Option<(Duration, Span)> {
    match &tree.kind {
        TreeKind::Literal(value) => Some((duration::of_value(value)?, tree.span)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::example::unit_findings;

    /// Findings about the states of a stage of an hour.
    #[track_caller]
    fn case(states: &str, expected: &[&str]) {
        let found: Vec<String> = unit_findings(super::check, states)
            .iter()
            .map(|it| it.split(':').next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(found, expected, "{states}");
    }

    fn leaf(more: &str, step: &str) -> String {
        format!("a: {{ {more} do: [ {{ {step} }} ], next: done }}")
    }

    #[test]
    fn bounds_that_never_come_are_told() {
        case(&leaf("", "run: x, timeout: 2h"), &["TF0502 `2h`"]);
        case(
            &leaf("timeout: 5m,", "run: x, timeout: 6m"),
            &["TF0502 `6m`"],
        );
        case(&leaf("timeout: 2h,", "run: x"), &["TF0502 `2h`"]);
        case(&leaf("timeout: 5m,", "sleep: 5m"), &["TF0502 `5m`"]);
        case(
            &leaf("", "run: x, timeout: 1m, stall: 2m"),
            &["TF0502 `2m`"],
        );
        case(
            &leaf("", "wait: { tcp: 'x:1', every: 5m }, timeout: 1m"),
            &["TF0502 `5m`"],
        );
        case(
            &leaf("", "wait: { tcp: 'x:1', each: 5m }, timeout: 1m"),
            &["TF0502 `5m`"],
        );
        case(
            &leaf("timeout: 5m,", "run: x, retry: { attempts: 9, delay: 1m }"),
            &["TF0502 `9`"],
        );
        case(
            &leaf("timeout: 5m, retry: { attempts: 2, delay: 6m },", "run: x"),
            &["TF0502 `2`"],
        );
        case(
            &leaf(
                "timeout: 5m,",
                "run: x, timeout: 3m, retry: { attempts: 3, errors: [timeout] }",
            ),
            &["TF0502 `3`"],
        );
    }

    #[test]
    fn bounds_that_may_come_are_not() {
        case(&leaf("timeout: 5m,", "run: x, timeout: 5m"), &[]);
        case(&leaf("timeout: 1m,", "run: x"), &[]);
        case(
            &leaf("timeout: 5m,", "run: x, retry: { attempts: 4, delay: 1m }"),
            &[],
        );
        case(&leaf("timeout: 5m,", "run: x, timeout: 3m, retry: 3"), &[]);
        case(
            &leaf(
                "timeout: 5m,",
                "run: x, retry: { attempts: 9, delay: 1m, jitter: 1 }",
            ),
            &[],
        );
        case(
            &leaf("", "wait: { tcp: 'x:1', every: 5s }, timeout: 1m"),
            &[],
        );
        case(
            &leaf("defaults: { timeout: 10m }, timeout: 5m,", "run: x"),
            &[],
        );
        // Exit steps outlive every bound around them.
        case(
            "a: { timeout: 1m, initial: b, states: { b: { do: [], next: done } }, exit: [ { run: x, timeout: 5m } ], next: done }",
            &[],
        );
    }
}
