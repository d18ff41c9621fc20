//! The explorer: it finds the runs that there are, ends on any chart, and what it tells is true.

use std::sync::Arc;

use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use tf_engine::check::explore::{Breach, Choice, Options, admits, explore};
use tf_engine::machine::{Answer, AskKind, Chart, Decision, Event, Fact, Outcome, Site, StepId};
use tf_engine::recipe::model::{Items, Recipe};

use crate::journey::{Turned, any_tape, travel};
use crate::laws::config;
use crate::notation::recipe;
use crate::random::any_recipe;
use crate::scripted::play_tries;

pub(crate) use crate::scripted::Played;

/// Whatever a test's steps raise.
const ANY_KIND: Options = Options {
    max_states: 200_000,
    signals: true,
    places: false,
    any_kind: true,
};

/// A run that was seen is one of those that the explorer finds.
#[track_caller]
pub(crate) fn is_explored(recipe: &Recipe, tries: &[(StepId, Outcome)], exit: u8) {
    let admitted = admits(recipe, "provision", ANY_KIND, tries, exit).unwrap();
    assert_eq!(admitted, Some(true), "{tries:?} {exit}");
}

/// Plays a worked example in the mind; the explorer must find that run too.
pub(crate) fn play(recipe: &Recipe, events: &str) -> Played {
    let (played, tries) = play_tries(recipe, events);
    is_explored(recipe, &tries, played.exit);
    played
}

/// The exit statuses of a stage, and what it breaks.
fn found(stage: &str) -> (Vec<u8>, Vec<Breach>) {
    let found = explore(&recipe(stage, "{n: 0}"), "provision", Options::default()).unwrap();
    assert!(found.complete);
    let mut statuses: Vec<u8> = found.ways.iter().map(|way| way.status).collect();
    statuses.dedup();
    let breaches = found.breaches.into_iter().map(|(breach, _)| breach);
    (statuses, breaches.collect())
}

#[test]
fn every_exit_status_is_found() {
    #[track_caller]
    fn case(stage: &str, statuses: &[u8]) {
        assert_eq!(found(stage), (statuses.to_vec(), Vec::new()), "{stage}");
    }
    case("{do: []}", &[0]);
    case("{do: [a]}", &[0, 1, 143]);
    case("{do: [{a: {allow_failure: true}}]}", &[0, 143]);
    case(
        "{timeout: 5s, do: [{a: {allow_failure: true}}]}",
        &[0, 1, 143],
    );
    // A bound that what is in it can't fill is not hit.
    case(
        "{timeout: 50s, do: [{a: {timeout: 2s, allow_failure: true}}]}",
        &[0, 143],
    );
    case("{do: [{a: {recovery: true}}]}", &[0, 46, 143]);
    case(
        "{initial: a, states: {a: {do: [a], catch: f, next: done}, f: {end: failure, exit_status: '7'}}}",
        &[0, 7, 143],
    );
    // What is compared with the same name is never both.
    case(
        "{initial: a, states: {a: {next: [{when: vars.x == 'a', to: b}, {to: done}]}, b: {next: [{when: vars.x == 'b', to: c}, {to: done}]}, c: {end: failure}}}",
        &[0],
    );
    case(
        "{initial: a, states: {a: {next: [{when: vars.x, to: b}, {to: done}]}, b: {next: [{when: not vars.x, to: c}, {to: done}]}, c: {end: failure}}}",
        &[0],
    );
    // ... until it changes.
    case(
        "{initial: a, states: {a: {next: [{when: vars.x, to: b}, {to: done}]}, b: {do: [{set: {x: false}}], next: [{when: not vars.x, to: c}, {to: done}]}, c: {end: failure}}}",
        &[0, 1, 143],
    );
    // What is written is known.
    case(
        "{initial: a, states: {a: {next: [{when: vars.n == 0, to: done}, {to: c}]}, c: {end: failure}}}",
        &[0],
    );
    // So is an outcome.
    case(
        "{initial: s, states: {s: {initial: a, states: {a: {do: [{a: {allow_failure: true}}], next: done}}, exit: [{x: {when: 'outcome.kind == \"exit\"', recovery: true}}], next: done}}}",
        &[0, 143],
    );
}

#[test]
fn needs_and_ensures_are_proved_on_every_path() {
    let text = "{ensures: {success: {seal: whole}, always: {seal: whole}},
      do: [{a: {sets: {seal: whole}}}, {b: {needs: {seal: whole}, allow_failure: true}}, {c: {sets: {seal: broken}, allow_failure: true}}, {d: {needs: {seal: whole}}}]}";
    let mut tracked = recipe(text, "{}");
    tracked.tracks.insert(
        "seal".to_owned(),
        ["whole", "broken"].map(str::to_owned).to_vec(),
    );
    let found = explore(&tracked, "provision", Options::default()).unwrap();
    let name = |step: StepId| found.chart.step(step).name.as_str();
    let unmet: Vec<&str> = found.unmet.iter().map(|unmet| name(unmet.step)).collect();
    assert_eq!(unmet, ["d", "d"]);
    let never: Vec<&str> = found
        .chart
        .steps()
        .filter(|step| !found.tried[step.index()])
        .map(name)
        .collect();
    assert_eq!(never, ["d"]);
    // Nothing succeeds, so only `always` is broken, and the first try of `a` is enough for that.
    assert!(found.broken.iter().all(|broken| !broken.success));
    assert_eq!(found.broken[0].example.choices.len(), 1);
}

/// Whether no question was answered by chance: guards of one text are taken as one by the explorer, and
/// templated numbers as their declarations say.
fn is_certain(chart: &Chart, turns: &[Turned]) -> bool {
    turns.windows(2).all(|pair| {
        let Decision::Ask(ask) = pair[0].next else {
            return true;
        };
        let of = chart.ask(ask).of;
        let items = match of {
            Site::State(state) => &chart.state(state).for_each,
            Site::Step(step) => &chart.step(step).for_each,
        };
        match (chart.ask(ask).kind, pair[1].event) {
            (AskKind::Items, _) => matches!(items, Some(Items::List(_))),
            (AskKind::Vars | AskKind::Arguments | AskKind::Returns, Event::Answer(answer)) => {
                answer == Ok(Answer::Done)
            }
            (AskKind::Reading(_), Event::Answer(Ok(Answer::Reading(value)))) => {
                value.is_none_or(|value| value < 2)
            }
            _ => false,
        }
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn it_ends_and_breaks_nothing(shape in any_recipe()) {
        let recipe = shape.recipe();
        let options = Options { max_states: 20_000, ..ANY_KIND };
        let found = explore(&recipe, "provision", options).unwrap();
        let breaches: Vec<_> = found.breaches.iter().map(|(breach, _)| breach).collect();
        prop_assert!(breaches.is_empty(), "{breaches:?}");
        for way in &found.ways {
            // The story is a run: the same choices lead to the same end.
            let status = way.example.ending.map(|ending| ending.end.status());
            prop_assert_eq!(status, Some(way.status));
            prop_assert!(!way.example.choices.contains(&Choice::Reads(Some(u16::MAX))));
        }
    }

    #[test]
    fn it_finds_what_a_run_does(shape in any_recipe(), tape in any_tape()) {
        let recipe = shape.recipe();
        let chart = Arc::new(Chart::build(&recipe, "provision").unwrap());
        let turns = travel(&chart, &tape, |_, _| {});
        let facts = turns.iter().flat_map(|turn| &turn.facts);
        let tries: Vec<_> = facts.clone().filter_map(|fact| match *fact {
            Fact::TryEnded { step, outcome, .. } => Some((step, outcome)),
            _ => None,
        }).collect();
        let status = facts.clone().find_map(|fact| match fact {
            Fact::StageEnded { ending } => Some(ending.end.status()),
            _ => None,
        });
        let usual = tape.unjournalled.is_none() && tape.signals.len() < 2 && !tape.slow;
        if let (Some(status), true) = (status, usual && is_certain(&chart, &turns)) {
            let admitted = admits(&recipe, "provision", ANY_KIND, &tries, status).unwrap();
            prop_assert!(admitted != Some(false), "{tries:?} {status}");
        }
    }
}
