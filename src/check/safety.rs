//! What a recipe leaves behind on the bench.

use std::sync::Arc;
use std::time::Duration;

use super::whole::{Unit, UnitKind};
use crate::diagnostic::{Code, Finding, Findings, Span};
use crate::machine::{EXIT_STEP, GRACE, RetryPlan};
use crate::recipe::duration;
use crate::recipe::model::{Body, State, Step, StepTimeout, Templated, TreeKind};

/// Nothing else bounds an exit step, and nobody waits longer for a board to be put away.
const LONGEST_TRY: Duration = Duration::from_secs(15 * 60);

/// The same for all its tries.
const LONGEST_EXIT: Duration = Duration::from_secs(30 * 60);

pub(super) fn check(unit: &Unit<'_>, findings: &mut Findings) {
    for (at, placed) in unit.outline.states.iter().enumerate() {
        let state = placed.state;
        let Body::Scope { enter, exit, .. } = &state.body else {
            continue;
        };
        no_exit(state, enter, exit, findings);
        exit.iter().for_each(|step| hang(step, findings));
        handed_back(unit, at, enter, exit, findings);
        left_off(unit, enter, findings);
    }
}

/// Enter steps change something, and nothing changes it back.
fn no_exit(state: &State, enter: &[Arc<Step>], exit: &[Arc<Step>], findings: &mut Findings) {
    let Some(step) = enter
        .iter()
        .find(|step| changes(step))
        .filter(|_| exit.is_empty())
    else {
        return;
    };
    let span = state.places.key("enter").unwrap_or(state.name.span);
    findings.push(
        Finding::new(
            Code::NoExit,
            span,
            format!("`{}` has `enter` steps and no `exit`", state.name.value),
        )
        .related(step.span, "nothing undoes this when the scope is left")
        .help("undo it in `exit`, which runs whichever way the scope is left; steps with nothing to undo stand in the `do` of its first state"),
    );
}

/// Whether a step leaves something that should not stay.
fn changes(step: &Step) -> bool {
    match step.action.name {
        "power" => step.sets.values().flatten().any(|value| value == "off"),
        "mux" => step.sets.values().flatten().any(|value| value == "host"),
        // What is saved is read.
        "run" | "commands" => step.save.is_none(),
        _ => false,
    }
}

/// An exit step is bounded by nothing but itself.
fn hang(step: &Step, findings: &mut Findings) {
    let place = || step.places.value("timeout").unwrap_or(step.span);
    if step.action.name == "sleep" {
        sleep(step, findings);
        return;
    }
    let (after, span) = match &step.timeout {
        StepTimeout::After(Templated::Literal(after)) => (*after, place()),
        StepTimeout::None => (EXIT_STEP, step.span),
        _ => return,
    };
    let longest = |span: Span, message: String| {
        Finding::new(Code::LongExit, span, message).help(
            "exit steps are cut by no bound around them, and a cancelled run waits for them: give them minutes, not hours",
        )
    };
    if after > LONGEST_TRY {
        let message = format!("this exit step may take {}", duration::print(after));
        findings.push(longest(span, message));
        return;
    }
    let Some(retry) = &step.retry else {
        return;
    };
    let Some(plan) = RetryPlan::literal(retry) else {
        return;
    };
    let whole = (after + GRACE)
        .saturating_mul(plan.attempts)
        .saturating_add(plan.delays());
    if whole > LONGEST_EXIT {
        let span = retry.places.value("attempts").unwrap_or(retry.span);
        let message = format!(
            "all tries of this exit step may take {}",
            duration::print(whole)
        );
        findings.push(longest(span, message));
    }
}

/// A `sleep` has no `timeout`, and so no more than an exit step without one.
fn sleep(step: &Step, findings: &mut Findings) {
    for tree in step.params.values() {
        let TreeKind::Literal(value) = &tree.kind else {
            continue;
        };
        if duration::of_value(value).is_some_and(|slept| slept >= EXIT_STEP) {
            findings.push(
                Finding::new(
                    Code::NeverReached,
                    tree.span,
                    "this sleep never comes to its end",
                )
                .help("an exit step without a `timeout` is ended after 60 s, and `sleep` has none"),
            );
        }
    }
}

/// A medium that was being written is handed to the board whatever became of that.
fn handed_back(
    unit: &Unit<'_>,
    scope: usize,
    enter: &[Arc<Step>],
    exit: &[Arc<Step>],
    findings: &mut Findings,
) {
    let sets = |step: &Step, gear: &str, side: &str| {
        step.action.name == "mux"
            && step
                .sets
                .get(gear)
                .is_some_and(|value| value.as_deref() == Some(side))
    };
    for step in exit {
        let Some(gear) = step.sets.keys().find(|gear| sets(step, gear, "dut")) else {
            continue;
        };
        let taken = enter.iter().any(|step| sets(step, gear, "host"));
        if !taken || step.when.is_some() {
            continue;
        }
        if let Some(write) = written(unit, scope, gear) {
            findings.push(
                Finding::new(
                    Code::HandedBack,
                    step.span,
                    format!("`{gear}` goes back to the board although the write may have failed"),
                )
                .related(write, "this may fail half-way")
                .help("a board that must not start what is half written: `when: outcome.kind == 'ok'` here, or leave it switched off"),
            );
        }
    }
}

/// A `flash` to this gear inside a scope.
fn written(unit: &Unit<'_>, scope: usize, gear: &str) -> Option<Span> {
    let states = &unit.outline.states;
    let inside = |mut at: usize| loop {
        if at == scope {
            return true;
        }
        match states[at].parent {
            Some(parent) => at = parent,
            None => return false,
        }
    };
    states
        .iter()
        .enumerate()
        .filter(|(at, _)| inside(*at))
        .filter_map(|(_, placed)| match &placed.state.body {
            Body::Leaf { steps } => Some(steps),
            _ => None,
        })
        .flatten()
        .find(|step| {
            let to = step.params.get("to").map(|tree| &tree.kind);
            step.action.name == "flash"
                && matches!(to, Some(TreeKind::Literal(name)) if name.as_str() == Some(gear))
        })
        .map(|step| step.span)
}

/// A stage switches the board off and never on again.
fn left_off(unit: &Unit<'_>, enter: &[Arc<Step>], findings: &mut Findings) {
    if !matches!(unit.kind, UnitKind::Stage(_)) || unit.name == "cleanup" {
        return;
    }
    for step in enter.iter().filter(|step| step.action.name == "power") {
        let Some((gear, _)) = step
            .sets
            .iter()
            .find(|(_, value)| value.as_deref() == Some("off"))
        else {
            continue;
        };
        let calls = all_steps(unit).any(|step| step.call.is_some());
        let on = all_steps(unit).any(|step| {
            step.sets
                .get(gear)
                .is_some_and(|value| value.as_deref() == Some("on"))
        });
        if !calls && !on {
            findings.push(
                Finding::new(
                    Code::LeftOff,
                    step.span,
                    format!("nothing in this stage switches `{gear}` on again"),
                )
                .help(format!("an `exit` step such as `power: {{ gear: {gear}, to: \"on\" }}` leaves the board as it was found")),
            );
        }
    }
}

fn all_steps<'u>(unit: &'u Unit<'_>) -> impl Iterator<Item = &'u Arc<Step>> {
    unit.outline
        .states
        .iter()
        .flat_map(|placed| crate::recipe::reads::steps(placed.state))
}

#[cfg(test)]
mod tests {
    use super::super::example::unit_findings;

    #[track_caller]
    fn case(scope: &str, expected: &[&str]) {
        let found: Vec<String> = unit_findings(
            super::check,
            &format!("s: {{ {scope}, initial: a, states: {{ a: {{ do: [ {{ flash: {{ image: x, to: card }} }} ], next: done }} }}, next: done }}"),
        )
        .iter()
        .map(|it| it.split(':').next().unwrap_or_default().to_owned())
        .collect();
        assert_eq!(found, expected, "{scope}");
    }

    #[test]
    fn what_is_left_behind_is_told() {
        case("enter: [ { run: x } ]", &["TF0801 `enter`"]);
        case(
            "enter: [ { log: x }, { mux: { card: host } } ]",
            &["TF0801 `enter`"],
        );
        case("exit: [ { run: x, timeout: 20m } ]", &["TF0802 `20m`"]);
        case("exit: [ { sleep: 2m } ]", &["TF0502 `2m`"]);
        case(
            "exit: [ { run: x, timeout: 10m, retry: 4 } ]",
            &["TF0802 `4`"],
        );
        case(
            "enter: [ { mux: { card: host } } ], exit: [ { mux: { card: dut } } ]",
            &["TF0803 `mux"],
        );
        case(
            "enter: [ { power: \"off\" } ], exit: [ { run: x } ]",
            &["TF0804 `power"],
        );
    }

    #[test]
    fn what_is_put_back_is_not() {
        case("enter: [ { log: x }, { run: x, save: y } ]", &[]);
        case("enter: [ { power: \"on\" } ]", &[]);
        case("enter: [ { run: x } ], exit: [ { run: x, retry: 3 } ]", &[]);
        case(
            "enter: [ { mux: { card: host } } ], exit: [ { mux: { card: dut }, when: \"outcome.kind == 'ok'\" } ]",
            &[],
        );
        case(
            "enter: [ { power: \"off\" } ], exit: [ { power: \"on\" } ]",
            &[],
        );
    }
}
