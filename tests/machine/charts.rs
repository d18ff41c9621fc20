//! Building charts: what is refused, and how places are called.

use std::sync::Arc;

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use tf_engine::machine::{Chart, ChartError, List, Site, Target, Transition};
use tf_engine::recipe::ErrorKind;
use tf_engine::recipe::model::{Body, Call, Map};

use crate::journey::{any_tape, travel};
use crate::laws::config;
use crate::notation::{empty, expr, recipe, spanned};
use crate::random::any_recipe;
use crate::rewrite::rewrite;

fn chart(text: &str) -> Result<Chart, ChartError> {
    Chart::build(&recipe(text, "{}"), "provision")
}

#[test]
fn what_the_machine_could_not_run_is_refused() {
    #[track_caller]
    fn case(text: &str, message: &str) {
        assert_eq!(chart(text).unwrap_err().to_string(), message);
    }
    let none = Chart::build(&empty(), "provision").unwrap_err();
    assert_eq!(none.to_string(), "there is no stage `provision`");
    case("{next: a}", "`provision` is neither a leaf nor a scope");
    case(
        "{initial: b, states: {a: {do: [], next: done}}}",
        "`/` leads to `b`, which is not a state beside it or around it",
    );
    // Nothing jumps into a scope.
    case(
        "{initial: a, states: {a: {do: [], next: c}, b: {initial: c, states: {c: {do: [], next: done}}, next: done}}}",
        "`/a` leads to `c`, which is not a state beside it or around it",
    );
    case(
        "{initial: a, states: {a: {do: [], next: [{when: x, to: done}]}}}",
        "`/a` has a `next` whose last row has a `when`, or none at all",
    );
    case(
        "{initial: a, states: {a: {initial: b, states: {b: {do: [], next: done}}}}}",
        "`/a` has a `next` whose last row has a `when`, or none at all",
    );
    case(
        "{do: [{call: p}]}",
        "`/:do.0` calls `p`, which does not exist",
    );
    case(
        "{procedures: {p: {do: []}}, stage: {initial: a, states: {a: {do: [], next: done}}, exit: [x, {call: p}]}}",
        "`/:exit.1` is a call: these stand in `do` and `enter` only",
    );
    case(
        "{procedures: {p: {do: [{call: p}]}}, stage: {do: [{call: p}]}}",
        "procedure `p` calls itself",
    );
}

#[test]
fn every_cycle_needs_a_counted_state() {
    #[track_caller]
    fn case(text: &str, cycle: Option<&[&str]>) {
        let cycle = cycle.map(|states| states.iter().map(|&path| path.to_owned()).collect());
        assert_eq!(chart(text).err(), cycle.map(ChartError::UnboundedCycle));
    }
    let itself = "{initial: a, states: {a: {do: [], catch: a, next: done}}}";
    case(itself, Some(&["/a"]));
    let two = "{initial: a, states: {a: {do: [], next: b}, b: {do: [], next: a}}}";
    case(two, Some(&["/a", "/b"]));
    // A target named deeper inside a child is the child's.
    let inner = "{initial: a, states: {a: {initial: b, next: done, states: {b: {do: [], next: c}}}, c: {do: [], next: a}}}";
    case(inner, Some(&["/a", "/c"]));
    let counted =
        "{initial: a, states: {a: {do: [], next: b, max_visits: 3}, b: {do: [], next: a}}}";
    case(counted, None);
    case(
        "{initial: a, states: {a: {do: [], next: [{when: x, to: a}, {to: done}], max_visits: 1}}}",
        None,
    );
}

#[test]
fn places_are_named_by_path_list_and_call() {
    let chart = chart(
        "{procedures: {p: {initial: c, enter: [x], states: {c: {do: [{call: q}], next: done}}}, q: {do: [y]}},
          stage: {initial: a, states: {a: {initial: b, next: done, exit: [z],
            states: {b: {do: [k, {call: p}], catch: {exit: a, any: done}, retry: {attempts: 2, between: [w]}, next: done}}}}}}",
    );
    // `b` leads to `a` around it: a cycle.
    assert!(matches!(chart, Err(ChartError::UnboundedCycle(_))));
    let chart = self::chart(
        "{procedures: {p: {initial: c, enter: [x], states: {c: {do: [{call: q}], next: done}}}, q: {do: [y]}},
          stage: {initial: a, states: {a: {initial: b, next: done, exit: [z], max_visits: 2,
            states: {b: {do: [k, {call: p}], catch: {exit: a, any: done}, retry: {attempts: 2, between: [w]}, next: done}}}}}}",
    )
    .unwrap();
    let names: Vec<_> = chart
        .steps()
        .map(|step| chart.step_name(step).to_string())
        .collect();
    assert_eq!(
        names,
        [
            "/a:exit.0",
            "/a/b:between.0",
            "/a/b:do.0",
            "/a/b:do.1",
            "p:enter.0",
            "p/c:do.0",
            "q:do.0",
        ]
    );
    for step in chart.steps() {
        let name = chart.step_name(step).to_string();
        assert_eq!(chart.find_step(&name), Some(step));
    }
    for state in chart.states() {
        assert_eq!(chart.find_state(chart.path(state)), Some(state));
    }
    for lost in [
        "",
        "/a",
        "/a:do",
        "/a:no.0",
        "/a:exit.9",
        "/a:exit.x",
        "/q:do.0",
    ] {
        assert_eq!(chart.find_step(lost), None);
    }
    let find = |name: &str| chart.find_step(name).unwrap();
    let calls = [find("/a/b:do.1"), find("p/c:do.0")];
    let step = Site::Step(find("q:do.0"));
    assert_eq!(chart.place(&calls, step), "/a/b:do.1>p/c:do.0>q:do.0");
    let c = chart.find_state("p/c").unwrap();
    assert_eq!(chart.place(&calls[..1], Site::State(c)), "/a/b:do.1>p/c");
    assert_eq!((chart.procedure(c), chart.home(c)), (Some("p"), None));
    assert_eq!(chart.called(calls[1]), chart.find_state("q"));

    let [a, b] = ["/a", "/a/b"].map(|path| chart.find_state(path).unwrap());
    assert_eq!(chart.chain(b).collect::<Vec<_>>(), [b, a, chart.root()]);
    assert_eq!(chart.children(a).collect::<Vec<_>>(), [b]);
    assert_eq!(
        (chart.stage(), chart.name(chart.root()), chart.name(b)),
        ("provision", "provision", "b")
    );
    assert_eq!(
        (chart.owner(calls[0]), chart.position(calls[0])),
        (b, (List::Do, 1))
    );
    assert_eq!(chart.steps_of(b, List::Enter).count(), 0);
    assert_eq!(
        chart.transitions(b).collect::<Vec<_>>(),
        [
            (Transition::Next(0), Target::Done),
            (Transition::Catch(Some(ErrorKind::Exit)), Target::State(a)),
            (Transition::Catch(None), Target::Done),
        ]
    );
}

proptest! {
    #![proptest_config(config())]

    /// Names that lead nowhere, cycles that nothing counts, calls of what does not exist: a chart is
    /// refused or it runs, and every place in it can be found by its name.
    #[test]
    fn any_recipe_is_refused_or_can_be_run(
        shape in any_recipe(),
        tape in any_tape(),
        wrong in any::<u8>(),
        at in any::<usize>(),
    ) {
        let mut n = 0;
        let mut here = || {
            n += 1;
            n == at % 8
        };
        let mut recipe = rewrite(
            &shape.recipe(),
            |state, _| match wrong % 8 {
                0 => state.max_visits = None,
                1 if here() => state.next.iter_mut().for_each(|row| row.to = spanned("nowhere")),
                2 if here() => state.catch.iter_mut().for_each(|row| row.to = spanned("nowhere")),
                3 if here() => state.next.iter_mut().for_each(|row| row.when = Some(expr("x"))),
                4 if here() => state.body = Body::Choice,
                5 if here() => {
                    if let Body::Scope { initial, .. } = &mut state.body {
                        *initial = spanned("nowhere");
                    }
                }
                _ => {}
            },
            |step, _| match wrong % 8 {
                6 => {
                    if let Some(call) = &mut step.call {
                        call.procedure = spanned("p0");
                    }
                }
                7 if step.call.is_none() => {
                    step.call = Some(Call {
                        procedure: spanned(["p0", "none"][at % 2]),
                        with: Map::new(),
                    });
                }
                _ => {}
            },
        );
        if wrong >= 250 {
            recipe.procedures.clear();
        }
        if let Ok(chart) = Chart::build(&recipe, "provision") {
            let chart = Arc::new(chart);
            let turns = travel(&chart, &tape, |_, _| {});
            prop_assert!(!turns.is_empty());
            for step in chart.steps() {
                let name = chart.step_name(step).to_string();
                prop_assert_eq!(chart.find_step(&name), Some(step));
                prop_assert_eq!(chart.place(&[], Site::Step(step)), name);
            }
            for state in chart.states() {
                prop_assert_eq!(chart.find_state(chart.path(state)), Some(state));
            }
        }
    }
}
