//! Laws that compare two runs: a change to a recipe that must not change what happens.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::{any, prop_assert, prop_assert_eq, prop_assume, proptest};
use tf_engine::diagnostic::Span;
use tf_engine::machine::{Chart, Decision, End, Fact, Outcome};
use tf_engine::recipe::ErrorKind;
use tf_engine::recipe::model::{
    Body, Call, Catch, EndKind, Items, Map, Recipe, Retry, Row, State, Step, StepTimeout,
    Templated, Tree, TreeKind,
};

use crate::journey::{Tape, Turned, any_tape, travel};
use crate::laws::config;
use crate::notation::spanned;
use crate::random::any_recipe;
use crate::rewrite::{Place, rewrite};

/// What a run did, by names, and how it ended.
type Path = (Vec<String>, End);

fn run(recipe: &Recipe, tape: &Tape) -> (Arc<Chart>, Vec<Turned>) {
    let chart = Arc::new(Chart::build(recipe, "provision").unwrap());
    let turns = travel(&chart, tape, |_, _| {});
    (chart, turns)
}

fn path(recipe: &Recipe, tape: &Tape) -> Path {
    let (chart, turns) = run(recipe, tape);
    let facts = turns.iter().flat_map(|turn| &turn.facts);
    let path = facts.filter_map(|fact| match fact {
        Fact::TryStarted { step, number, .. } => {
            Some(format!("{} {number}", chart.step(*step).name))
        }
        Fact::TryEnded { step, outcome, .. } => {
            Some(format!("{} {outcome:?}", chart.step(*step).name))
        }
        _ => None,
    });
    (path.collect(), end(&turns))
}

fn end(turns: &[Turned]) -> End {
    match turns.last().map(|turn| &turn.next) {
        Some(Decision::Finish(ending)) => ending.end,
        other => panic!("no end: {other:?}"),
    }
}

fn nothing(_: &mut Step, _: Place) {}

fn runs(state: &State) -> bool {
    matches!(state.body, Body::Leaf { .. } | Body::Scope { .. })
}

fn one_item() -> Items {
    let tree = |kind| Tree {
        span: Span::default(),
        kind,
    };
    Items::List(tree(TreeKind::List(vec![tree(TreeKind::Literal(
        0.into(),
    ))])))
}

/// Steps and states of which a try failed that was the last.
fn used_up(chart: &Chart, turns: &[Turned]) -> HashSet<String> {
    let mut used = HashSet::new();
    let mut step_last = false;
    let mut states: Vec<(String, bool)> = Vec::new();
    for fact in turns.iter().flat_map(|turn| &turn.facts) {
        match fact {
            Fact::TryStarted { number, of, .. } => step_last = number == of,
            Fact::TryEnded { step, outcome, .. } if *outcome != Outcome::Ok && step_last => {
                used.insert(chart.step(*step).name.clone());
            }
            Fact::TryRefused {
                step, number, of, ..
            } if number == of => {
                used.insert(chart.step(*step).name.clone());
            }
            // Whether it was the last of a call is not kept: any failed call counts.
            Fact::CallLeft { step, outcome, .. } if *outcome != Outcome::Ok => {
                used.insert(chart.step(*step).name.clone());
            }
            Fact::StateEntered {
                state, attempt, of, ..
            } => {
                let name = chart.name(*state).to_owned();
                states.retain(|(known, _)| *known != name);
                states.push((name, attempt == of));
            }
            Fact::Retrying {
                state, attempt, of, ..
            } => {
                let name = chart.name(*state).to_owned();
                states.retain(|(known, _)| *known != name);
                states.push((name, attempt == of));
            }
            Fact::LeafLeft { state, because } | Fact::ScopeLeft { state, because } => {
                let name = chart.name(*state);
                let last = states.iter().any(|(known, last)| known == name && *last);
                // A failed exit step may follow a good outcome.
                if last && (*because != Outcome::Ok || chart.is_scope(*state)) {
                    used.insert(name.to_owned());
                }
            }
            _ => {}
        }
    }
    used
}

/// Puts procedures in the place of leaves that only call them, where that is what the law is about.
fn written_out(recipe: &Recipe) -> Option<(Recipe, Recipe)> {
    // Jitter depends on the place, which is another one.
    let calm_retry = |retry: &mut Retry| {
        retry.jitter = Templated::Literal(0.0);
        if let Templated::Template(_) = retry.attempts {
            retry.attempts = Templated::Literal(2);
        }
    };
    let mut calm = rewrite(
        recipe,
        |state, _| state.retry.iter_mut().for_each(calm_retry),
        |step, _| step.retry.iter_mut().for_each(calm_retry),
    );
    for procedure in calm.procedures.values_mut() {
        (procedure.params, procedure.returns) = (Map::new(), None);
        // Of a leaf it would also mark what is raised around it.
        Arc::make_mut(&mut procedure.root).recovery = false;
    }
    // Ends of a procedure mean something else in a scope.
    for procedure in calm.procedures.values_mut() {
        let mut one = recipe.clone();
        one.stages.clear();
        one.procedures = Map::new();
        one.procedures.insert("p".to_owned(), procedure.clone());
        let one = rewrite(
            &one,
            |state, _| {
                if let Body::End { .. } = state.body {
                    state.body = Body::Leaf { steps: Vec::new() };
                    state.next = vec![Row {
                        when: None,
                        to: spanned("done"),
                    }];
                }
            },
            nothing,
        );
        procedure.root = Arc::clone(&one.procedures.get("p")?.root);
    }
    let called = |state: &State| match &state.body {
        Body::Leaf { steps } => match &steps[..] {
            [step] if step.name.starts_with("call_") => step.call.clone(),
            _ => None,
        },
        _ => None,
    };
    // Every leaf of the stage that calls, and every other one besides, only calls.
    let first = calm.procedures.keys().next()?.clone();
    let mut any = false;
    let mut stage = calm.clone();
    stage.procedures = Map::new();
    let mut plain = rewrite(
        &stage,
        |state, root| {
            let Body::Leaf { steps } = &mut state.body else {
                return;
            };
            let call = steps.iter().find_map(|step| step.call.clone());
            if root || call.is_none() && any {
                return;
            }
            any = true;
            let call = call.unwrap_or(Call {
                procedure: spanned(&first),
                with: Map::new(),
            });
            *steps = vec![Arc::new(Step {
                call: Some(call),
                ..crate::notation::step(&format!("call_{}", state.name.value), "call")
            })];
            (state.retry, state.timeout, state.recovery) = (None, None, false);
            state.vars.clear();
            if state.next.is_empty() {
                state.next = vec![Row {
                    when: None,
                    to: spanned("done"),
                }];
            }
        },
        nothing,
    );
    if !any {
        return None;
    }
    let mut inline = rewrite(
        &plain,
        |state, root| {
            if root {
                return;
            }
            if let Some(call) = called(state)
                && let Some(procedure) = calm.procedures.get(&call.procedure.value)
            {
                let body = procedure.root.as_ref().clone();
                *state = State {
                    name: state.name.clone(),
                    when: state.when.clone(),
                    next: state.next.clone(),
                    catch: state.catch.clone(),
                    max_visits: state.max_visits,
                    for_each: state.for_each.clone(),
                    continue_on_item_error: state.continue_on_item_error,
                    ..body
                };
            }
        },
        nothing,
    );
    inline.procedures = calm.procedures.clone();
    plain.procedures = calm.procedures;
    Some((plain, inline))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nothing_marked_is_never_46(shape in any_recipe(), tape in any_tape()) {
        let recipe = rewrite(
            &shape.recipe(),
            |state, _| {
                state.recovery = false;
                if let Body::End { end, .. } = &mut state.body
                    && *end == EndKind::Unrecoverable
                {
                    *end = EndKind::Failure;
                }
            },
            |step, _| step.recovery = false,
        );
        let (_, turns) = run(&recipe, &tape);
        prop_assert!(end(&turns) != End::Unrecoverable);
    }

    #[test]
    fn a_mark_changes_only_the_exit(shape in any_recipe(), tape in any_tape(), pick in any::<usize>()) {
        let recipe = shape.recipe();
        let mut count = 0_usize;
        let mut names = Vec::new();
        let _ = rewrite(&recipe, |_, _| count += 1, |step, place| if place == Place::Other {
            names.push(step.name.clone());
        });
        let pick = pick % (count + names.len());
        let mut at = 0;
        let marked = rewrite(
            &recipe,
            |state, _| {
                state.recovery |= at == pick && runs(state);
                at += 1;
            },
            |step, _| step.recovery |= names.get(pick.wrapping_sub(count)) == Some(&step.name),
        );
        let (before, after) = (path(&recipe, &tape), path(&marked, &tape));
        prop_assert_eq!(before.0, after.0);
        if before.1 != after.1 {
            prop_assert_eq!(after.1, End::Unrecoverable);
            let may = matches!(before.1, End::Failure { status: 1 } | End::Cancelled(_));
            prop_assert!(may, "{:?}", before.1);
        }
    }

    #[test]
    fn a_mark_on_an_exit_step_that_does_not_fail_changes_nothing(
        shape in any_recipe(),
        tape in any_tape(),
    ) {
        let recipe = shape.recipe();
        let (chart, turns) = run(&recipe, &tape);
        let facts = turns.iter().flat_map(|turn| &turn.facts);
        let failed: HashSet<_> = facts
            .filter_map(|fact| match fact {
                Fact::ExitStepFailed { step, .. } => Some(chart.step(*step).name.clone()),
                _ => None,
            })
            .collect();
        let marked = rewrite(&recipe, |_, _| {}, |step, place| {
            step.recovery |= place == Place::Exit && !failed.contains(&step.name);
        });
        let (_, after) = run(&marked, &tape);
        prop_assert_eq!(turns, after);
    }

    #[test]
    fn a_catch_that_is_not_reached_changes_nothing(shape in any_recipe(), tape in any_tape()) {
        let recipe = shape.recipe();
        let caught = rewrite(&recipe, |state, root| {
            if !root && runs(state) {
                state.catch.push(Catch {
                    span: Span::default(),
                    kind: Some(ErrorKind::Http),
                    to: spanned("done"),
                });
            }
        }, nothing);
        prop_assert_eq!(run(&recipe, &tape).1, run(&caught, &tape).1);
    }

    #[test]
    fn attempts_that_are_not_used_up_change_nothing(shape in any_recipe(), tape in any_tape()) {
        let recipe = shape.recipe();
        let (chart, turns) = run(&recipe, &tape);
        let used = used_up(&chart, &turns);
        let more = |attempts: &mut Templated<u32>| {
            if let Templated::Literal(attempts) = attempts {
                *attempts += 3;
            }
        };
        let longer = rewrite(
            &recipe,
            |state, _| {
                if let Some(retry) = &mut state.retry
                    && !used.contains(&state.name.value)
                {
                    more(&mut retry.attempts);
                }
            },
            |step, _| {
                if let Some(retry) = &mut step.retry
                    && !used.contains(&step.name)
                {
                    more(&mut retry.attempts);
                }
            },
        );
        prop_assert_eq!(path(&recipe, &tape), path(&longer, &tape));
    }

    #[test]
    fn a_bound_that_is_not_hit_changes_nothing(shape in any_recipe(), tape in any_tape()) {
        let recipe = shape.recipe();
        let long = || Templated::Literal(Duration::from_secs(300 * 24 * 3600));
        let bounded = rewrite(
            &recipe,
            |state, _| {
                if runs(state) && state.timeout.is_none() {
                    state.timeout = Some(long());
                }
            },
            |step, place| {
                if place == Place::Other && matches!(step.timeout, StepTimeout::None) {
                    step.timeout = StepTimeout::After(long());
                }
            },
        );
        prop_assert_eq!(path(&recipe, &tape), path(&bounded, &tape));
    }

    #[test]
    fn for_each_over_one_item_changes_nothing(shape in any_recipe(), tape in any_tape()) {
        let recipe = shape.recipe();
        let once = rewrite(
            &recipe,
            |state, root| {
                if !root && runs(state) && state.for_each.is_none() {
                    state.for_each = Some(one_item());
                    state.continue_on_item_error = false;
                }
            },
            |step, _| {
                if step.for_each.is_none() {
                    step.for_each = Some(one_item());
                    step.continue_on_item_error = false;
                }
            },
        );
        prop_assert_eq!(path(&recipe, &tape), path(&once, &tape));
    }

    #[test]
    fn a_procedure_written_out_in_its_leafs_place_is_the_same(
        shape in any_recipe(),
        tape in any_tape(),
    ) {
        let pair = written_out(&shape.recipe());
        prop_assume!(pair.is_some());
        if let Some((called, inline)) = pair {
            prop_assert_eq!(path(&called, &tape), path(&inline, &tape));
        }
    }
}
