//! A run that is killed at any moment, and what a later start does about it.

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use tf_engine::machine::{
    Activation, Chart, Decision, End, Event, Fact, Item, List, Machine, Moment, Outcome, Signal,
    Site, StateId,
};
use tf_engine::recipe::ErrorKind;

use crate::journey::{Tape, World, any_tape, travel};
use crate::laws::config;
use crate::notation::recipe;
use crate::random::any_recipe;

/// The machine of a run after so many turns, and the activations around its innermost open scope.
fn killed(chart: &Arc<Chart>, tape: &Tape, after: usize) -> Option<(Machine, Vec<Activation>)> {
    let mut items = HashMap::new();
    let mut found = None;
    let mut turns = 0;
    travel(chart, tape, |machine, turned| {
        if turns > after {
            return;
        }
        turns += 1;
        for fact in &turned.facts {
            match fact {
                Fact::ItemBegun { of, index, count } => {
                    let (index, count) = (*index, *count);
                    items.insert(*of, Item { index, count });
                }
                Fact::ItemsEnded { of } => {
                    items.remove(of);
                }
                _ => {}
            }
        }
        found = Some((machine.clone(), items.clone()));
    });
    let (machine, items) = found?;
    let standings: Vec<_> = machine.configuration().standings().collect();
    let innermost = machine.open_scopes().last();
    let depth = standings
        .iter()
        .position(|at| Some(at.state) == innermost)
        .map_or(0, |at| at + 1);
    let stack = (0..depth).map(|at| {
        let here = &standings[at];
        let inside = standings.get(at + 1).filter(|_| at + 1 < depth);
        let calls = inside.is_some_and(|inside| chart.parent(inside.state).is_none());
        Activation {
            state: here.state,
            item: items.get(&Site::State(here.state)).copied(),
            call: calls.then(|| (here.step, items.get(&Site::Step(here.step)).copied())),
        }
    });
    let stack = stack.collect();
    Some((machine, stack))
}

/// Runs a machine by a tape; gives its facts, and how it ended.
fn leave(machine: &mut Machine, tape: &Tape) -> (Vec<Fact>, End) {
    leave_on(machine, tape, Event::Begin)
}

fn leave_on(machine: &mut Machine, tape: &Tape, first: Event) -> (Vec<Fact>, End) {
    let chart = Arc::clone(machine.chart());
    let mut world = World::new(&chart, tape);
    let mut facts = Vec::new();
    let mut event = first;
    loop {
        let turn = machine.advance(event, world.now);
        facts.extend(turn.facts);
        if let Decision::Finish(ending) = turn.next {
            return (facts, ending.end);
        }
        (event, _) = world.next(&turn.next);
    }
}

proptest! {
    #![proptest_config(config())]

    /// The scopes that were open at the kill are left, innermost first, with the outcome `cancelled`;
    /// their exit steps run in order, once each, and nothing else does.
    #[test]
    fn what_was_open_is_left(
        shape in any_recipe(),
        tape in any_tape(),
        after in 0..80_usize,
        later in any_tape(),
    ) {
        let chart = Arc::new(Chart::build(&shape.recipe(), "provision").unwrap());
        let Some((killed, stack)) = killed(&chart, &tape, after) else {
            return Ok(());
        };
        let mut open: Vec<StateId> = killed.open_scopes().collect();
        let Some(mut machine) = Machine::reopen(chart.clone(), 7, &stack) else {
            prop_assert!(open.is_empty(), "{stack:?}");
            return Ok(());
        };
        prop_assert_eq!(machine.open_scopes().collect::<Vec<_>>(), open.clone());
        let (facts, end) = leave(&mut machine, &later);
        let (mut leaving, mut begun) = (None, None);
        let (mut marked, mut abandoned, mut cancelled) = (false, false, None);
        for fact in &facts {
            match fact {
                Fact::ScopeLeaving { state, because } => {
                    prop_assert_eq!(leaving.replace(*state), None);
                    prop_assert_eq!(open.last(), Some(state));
                    let lends = marked && *because != Outcome::Failed(ErrorKind::Cancelled);
                    prop_assert!(lends || *because == Outcome::Failed(ErrorKind::Cancelled));
                    begun = None;
                }
                Fact::ScopeLeft { state, .. } => {
                    prop_assert_eq!(leaving.take(), Some(*state));
                    open.pop();
                }
                Fact::TryStarted { step, number, .. } => {
                    prop_assert_eq!(leaving, Some(chart.owner(*step)));
                    prop_assert_eq!(chart.position(*step).0, List::Exit);
                    if *number == 1 && chart.step(*step).for_each.is_none() {
                        prop_assert!(begun < Some(*step), "it begins once, in its turn");
                    }
                    begun = Some(*step);
                }
                Fact::ExitStepFailed { step, .. } => marked |= chart.step(*step).recovery,
                Fact::Cancelled { number: 2, .. } => abandoned = true,
                Fact::Cancelled { signal, .. } => cancelled = Some(*signal),
                Fact::StateEntered { .. }
                | Fact::StateReached { .. }
                | Fact::Moved { .. }
                | Fact::Caught { .. }
                | Fact::Retrying { .. }
                | Fact::CallEntered { .. } => prop_assert!(false, "{fact:?}"),
                _ => {}
            }
        }
        prop_assert!(open.is_empty() || abandoned);
        match end {
            End::Unrecoverable => prop_assert!(marked),
            End::Cancelled(signal) => prop_assert_eq!(cancelled, Some(signal)),
            End::Failure { status } => prop_assert!(status == 1 && cancelled.is_none()),
            End::Success => prop_assert!(false, "a run that was killed"),
        }
    }

    /// Killed again in the middle, a third start leaves what is still open, and no more.
    #[test]
    fn a_recovery_that_is_killed_goes_on_where_it_was(
        shape in any_recipe(),
        tape in any_tape(),
        after in 0..80_usize,
        kept in any::<u8>(),
    ) {
        let chart = Arc::new(Chart::build(&shape.recipe(), "provision").unwrap());
        let Some((_, stack)) = killed(&chart, &tape, after) else {
            return Ok(());
        };
        // What is left of the stack is again a stack, where its last is a scope.
        let fewer = usize::from(kept) % stack.len().max(1);
        let mut rest = stack.get(..fewer).unwrap_or_default().to_vec();
        if let Some(last) = rest.last_mut() {
            last.call = None;
        }
        let is_scope = rest.last().is_some_and(|last| chart.is_scope(last.state));
        let reopened = Machine::reopen(chart, 7, &rest);
        prop_assert_eq!(reopened.is_some(), is_scope);
        if let Some(mut machine) = reopened {
            let (facts, _) = leave(&mut machine, &Tape::default());
            let left = facts.iter().filter(|fact| matches!(fact, Fact::ScopeLeft { .. }));
            prop_assert_eq!(left.count(), rest.iter().filter(|at| machine.chart().is_scope(at.state)).count());
        }
    }
}

#[test]
fn where_no_run_can_have_stood_is_refused() {
    let text = "{procedures: {p: {initial: c, states: {c: {do: [x], next: done}}}},
        stage: {initial: a, states: {a: {do: [k, {call: p}], next: b},
            b: {initial: d, next: done, states: {d: {do: [y], next: done}}}}}}";
    let chart = Arc::new(Chart::build(&recipe(text, "{}"), "provision").unwrap());
    let at = |path: &str, call: Option<&str>| Activation {
        state: chart.find_state(path).unwrap(),
        item: None,
        call: call.map(|call| (chart.find_step(call).unwrap(), None)),
    };
    let stands = |stack: &[Activation]| Machine::reopen(chart.clone(), 7, stack).is_some();
    assert!(stands(&[at("/", None)]));
    assert!(stands(&[at("/", None), at("/b", None)]));
    assert!(stands(&[
        at("/", None),
        at("/a", Some("/a:do.1")),
        at("p", None)
    ]));
    assert!(!stands(&[]));
    assert!(!stands(&[at("/b", None)]), "it begins with the stage");
    assert!(
        !stands(&[at("/", None), at("/a", None)]),
        "it ends with a scope"
    );
    assert!(!stands(&[at("/", None), at("/b", None), at("/b", None)]));
    assert!(!stands(&[
        at("/", None),
        at("/a", Some("/a:do.0")),
        at("p", None)
    ]));
    assert!(!stands(&[
        at("/", None),
        at("/b", Some("/a:do.1")),
        at("p", None)
    ]));
    assert!(!stands(&[at("/", None), at("p", None)]));
}

#[test]
fn a_signal_before_it_begins_leaves_the_scopes_all_the_same() {
    let text = "{initial: a, states: {a: {do: [a], next: done}}, exit: [x]}";
    let chart = Arc::new(Chart::build(&recipe(text, "{}"), "provision").unwrap());
    let stack = [Activation {
        state: chart.root(),
        item: None,
        call: None,
    }];
    let mut machine = Machine::reopen(chart, 7, &stack).unwrap();
    let waits = machine.advance(Event::Cancel(Signal::Term), Moment::START);
    assert_eq!(
        waits.next,
        Decision::Wait {
            until: Some(Moment::START)
        }
    );
    let (facts, end) = leave_on(&mut machine, &Tape::default(), Event::Due);
    let tries = facts
        .iter()
        .filter(|fact| matches!(fact, Fact::TryStarted { .. }));
    assert_eq!((tries.count(), end), (1, End::Cancelled(Signal::Term)));
}

#[test]
fn a_marked_exit_step_that_fails_is_46_and_the_rest_still_run() {
    let text = "{initial: s, states: {s: {initial: a, catch: h, exit: [{x: {recovery: true}}],
        states: {a: {do: [a], next: done}}, next: done}, h: {do: [h], next: done}}, exit: [y]}";
    let chart = Arc::new(Chart::build(&recipe(text, "{}"), "provision").unwrap());
    let stack = ["/", "/s"].map(|path| Activation {
        state: chart.find_state(path).unwrap(),
        item: None,
        call: None,
    });
    let mut machine = Machine::reopen(chart.clone(), 7, &stack).unwrap();
    // The first try fails, the second does not.
    let tape = Tape {
        numbers: vec![4, 0],
        ..Tape::default()
    };
    let (facts, end) = leave(&mut machine, &tape);
    let tried: Vec<_> = facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::TryStarted { step, .. } => Some(chart.step_name(*step).to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(tried, ["/s:exit.0", "/:exit.0"]);
    assert_eq!(end, End::Unrecoverable);
}
