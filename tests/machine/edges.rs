//! What the worked examples leave out, event by event: the first and last moments of a run, a lost
//! journal, second signals, long lists, jitter, values that the world can't give.

#![expect(
    unused_must_use,
    reason = "a script of events looks at some of the decisions"
)]

use std::sync::Arc;
use std::time::Duration;

use tf_engine::machine::{
    AfterTry, Answer, Bound, Chart, Decision, End, Event, Fact, Machine, Moment, Outcome, Signal,
    TrackValue, TryId,
};
use tf_engine::recipe::ErrorKind;
use tf_engine::recipe::model::{Recipe, Step};

use crate::notation::recipe;
use crate::rewrite::rewrite;

const TERM: Event = Event::Cancel(Signal::Term);
const INT: Event = Event::Cancel(Signal::Int);

struct Run {
    machine: Machine,
    now: Moment,
    facts: Vec<Fact>,
}

impl Run {
    fn of(recipe: &Recipe) -> Self {
        let chart = Chart::build(recipe, "provision").unwrap();
        Self {
            machine: Machine::new(Arc::new(chart), 42),
            now: Moment::START,
            facts: Vec::new(),
        }
    }

    fn new(stage: &str) -> Self {
        Self::of(&recipe(stage, "{}"))
    }

    fn tell(&mut self, event: Event) -> Decision {
        let turn = self.machine.advance(event, self.now);
        self.facts = turn.facts;
        turn.next
    }

    fn at(&mut self, millis: u64, event: Event) -> Decision {
        self.now = Moment(Duration::from_millis(millis));
        self.tell(event)
    }

    fn ended(&mut self, id: u32, outcome: Outcome) -> Decision {
        let id = TryId(id);
        self.tell(Event::Ended { id, outcome })
    }

    fn fails(&mut self, id: u32) -> Decision {
        self.ended(id, Outcome::Failed(ErrorKind::Exit))
    }

    fn answer(&mut self, answer: Answer) -> Decision {
        self.tell(Event::Answer(Ok(answer)))
    }
}

fn after(seconds: u64) -> Moment {
    Moment(Duration::from_secs(seconds))
}

#[track_caller]
fn tries(decision: &Decision, number: u32) {
    let expected = TryId(number);
    assert!(
        matches!(decision, Decision::Try { id, .. } if *id == expected),
        "{decision:?}"
    );
}

#[track_caller]
fn finishes(decision: &Decision, end: End) {
    match decision {
        Decision::Finish(ending) => assert_eq!(ending.end, end),
        other => panic!("not over: {other:?}"),
    }
}

#[track_caller]
fn asks(decision: &Decision) {
    assert!(matches!(decision, Decision::Ask(_)), "{decision:?}");
}

#[test]
fn before_it_begins_nothing_is_opened() {
    let mut run = Run::new("{do: [a]}");
    for event in [Event::Due, Event::Answer(Ok(Answer::Done))] {
        assert_eq!(run.tell(event), Decision::Wait { until: None });
        assert_eq!(run.facts, []);
    }
    let end = run.tell(TERM);
    finishes(&end, End::Cancelled(Signal::Term));
    assert_eq!(run.facts.len(), 2);
    let mut run = Run::new("{do: [a]}");
    finishes(&run.tell(Event::Unjournalled), End::Failure { status: 1 });
}

#[test]
fn after_its_end_nothing_happens() {
    let mut run = Run::new("{do: []}");
    let end = run.tell(Event::Begin);
    finishes(&end, End::Success);
    for event in [Event::Begin, Event::Due, TERM, Event::Unjournalled] {
        assert_eq!(run.tell(event), end);
        assert_eq!(run.facts, []);
    }
}

#[test]
fn a_try_that_goes_on_is_not_begun_again() {
    let mut run = Run::new("{do: [{a: {timeout: 5s}}]}");
    tries(&run.tell(Event::Begin), 0);
    let wait = Decision::Wait {
        until: Some(after(5)),
    };
    for event in [Event::Begin, Event::Due, Event::Answer(Ok(Answer::Done))] {
        assert_eq!(run.tell(event), wait);
    }
    assert_eq!(run.fails(7), wait);
    // A clock that steps back stands still.
    assert!(matches!(run.at(5000, Event::Due), Decision::Stop { .. }));
    run.at(1000, Event::Due);
    assert_eq!(run.machine.configuration().now(), after(5));
}

#[test]
fn a_second_signal_leaves_the_rest_open() {
    let stage = "{initial: a, states: {a: {do: [a], next: done}}, exit: [x]}";
    let mut run = Run::new(stage);
    run.tell(Event::Begin);
    let Decision::Stop { grace, why, .. } = run.tell(TERM) else {
        panic!("not stopped");
    };
    assert_eq!((grace, why), (after(5), Bound::Signal(Signal::Term)));
    let Decision::Stop { grace, .. } = run.at(500, INT) else {
        panic!("not stopped again");
    };
    assert_eq!(grace, Moment(Duration::from_millis(1500)));
    // A third one changes nothing.
    assert_eq!(run.tell(INT), Decision::Wait { until: Some(grace) });
    assert_eq!(run.facts, []);
    finishes(&run.at(1500, Event::Due), End::Cancelled(Signal::Term));

    // While an exit step runs.
    let mut run = Run::new(stage);
    run.tell(Event::Begin);
    run.tell(TERM);
    tries(&run.ended(0, Outcome::Ok), 1);
    assert!(matches!(run.tell(INT), Decision::Stop { .. }));
    finishes(&run.ended(1, Outcome::Ok), End::Cancelled(Signal::Term));
    assert!(
        !run.facts
            .iter()
            .any(|fact| matches!(fact, Fact::ScopeLeft { .. }))
    );

    // While an exit step waits for its retry.
    let mut run = Run::new(
        "{initial: a, states: {a: {do: [a], next: done}}, exit: [{x: {retry: {attempts: 2, delay: 9s}}}]}",
    );
    run.tell(Event::Begin);
    run.tell(TERM);
    run.ended(0, Outcome::Ok);
    run.fails(1);
    finishes(&run.tell(TERM), End::Cancelled(Signal::Term));
}

#[test]
fn a_second_signal_does_not_hide_a_failed_recovery() {
    let mut run =
        Run::new("{recovery: true, initial: a, states: {a: {do: [a], next: done}}, exit: [x]}");
    run.tell(Event::Begin);
    run.fails(0);
    run.tell(TERM);
    run.tell(TERM);
    finishes(&run.ended(1, Outcome::Ok), End::Unrecoverable);
    // Nor one whose scope has not left.
    let mut run = Run::new(
        "{initial: a, states: {a: {do: [a], next: done}}, exit: [{x: {recovery: true}}, y]}",
    );
    run.tell(Event::Begin);
    run.ended(0, Outcome::Ok);
    run.fails(1);
    run.tell(TERM);
    run.tell(TERM);
    finishes(&run.ended(2, Outcome::Ok), End::Unrecoverable);
}

#[test]
fn a_signal_drops_a_pause() {
    let forgiving = "{do: [{a: {retry: {attempts: 2, delay: 9s}, allow_failure: true}}, b]}";
    let mut run = Run::new(forgiving);
    run.tell(Event::Begin);
    assert_eq!(
        run.fails(0),
        Decision::Wait {
            until: Some(after(9))
        }
    );
    finishes(&run.tell(TERM), End::Cancelled(Signal::Term));
    let dropped = run.facts.iter().find_map(|fact| match fact {
        Fact::RetryDropped { then, .. } => Some(*then),
        _ => None,
    });
    assert_eq!(dropped, Some(AfterTry::Forgiven));

    // What was to be retried goes on, flag and all; a scope has left already.
    let mut run = Run::new(
        "{recovery: true, initial: a, states: {a: {do: [a], next: done}}, exit: [x],
          retry: {attempts: 2, delay: 9s, between: [b]}}",
    );
    run.tell(Event::Begin);
    run.fails(0);
    run.ended(1, Outcome::Ok);
    tries(&run.at(9000, Event::Due), 2);
    assert!(matches!(run.tell(TERM), Decision::Stop { .. }));
    finishes(&run.ended(2, Outcome::Ok), End::Unrecoverable);
}

#[test]
fn a_lost_journal_is_io_and_exit_steps_still_run() {
    let stage = "{initial: a, catch: a, states: {a: {do: [a, b], retry: 9, catch: done, next: done}}, exit: [x]}";
    // The try was not started.
    let mut run = Run::new(stage);
    run.tell(Event::Begin);
    tries(&run.tell(Event::Unjournalled), 1);
    assert!(run.facts.iter().any(|fact| matches!(
        fact,
        Fact::ScopeLeaving {
            because: Outcome::Failed(ErrorKind::Io),
            ..
        }
    )));
    finishes(&run.ended(1, Outcome::Ok), End::Failure { status: 1 });

    // The try had gone on for a while.
    let mut run = Run::new(stage);
    run.tell(Event::Begin);
    run.tell(Event::Due);
    let stop = run.tell(Event::Unjournalled);
    assert!(matches!(
        stop,
        Decision::Stop {
            why: Bound::Journal,
            ..
        }
    ));
    tries(&run.ended(0, Outcome::Ok), 1);

    // An exit step that was not started is owed all the same, with the same id.
    let mut run = Run::new(stage);
    run.tell(Event::Begin);
    run.ended(0, Outcome::Ok);
    let begun = run.ended(1, Outcome::Ok);
    tries(&begun, 2);
    assert_eq!(run.tell(Event::Unjournalled), begun);
    finishes(&run.ended(2, Outcome::Ok), End::Failure { status: 1 });

    // A stop that was not carried out is told again.
    let mut run = Run::new(stage);
    run.tell(Event::Begin);
    let stop = run.tell(TERM);
    assert_eq!(run.tell(Event::Unjournalled), stop);
}

#[test]
fn one_turn_is_bounded() {
    let mut run = Run::new("{do: [{a: {for_each: vars.many, when: vars.never}}]}");
    asks(&run.tell(Event::Begin));
    asks(&run.answer(Answer::Count(3)));

    let mut run = Run::new("{initial: l, states: {l: {for_each: vars.many, do: [], next: done}}}");
    asks(&run.tell(Event::Begin));
    let mut decision = run.answer(Answer::Count(1_000_000));
    let mut turns = 0;
    while let Decision::Wait { until } = decision {
        assert_eq!(until, Some(run.now));
        assert!(run.facts.len() < 50_000);
        turns += 1;
        assert_eq!(run.tell(Event::Begin), decision);
        decision = run.tell(Event::Due);
    }
    finishes(&decision, End::Success);
    assert!(turns > 10);

    let mut run = Run::new("{initial: l, states: {l: {for_each: vars.many, do: [], next: done}}}");
    run.tell(Event::Begin);
    run.answer(Answer::Count(1_000_000));
    finishes(&run.tell(INT), End::Cancelled(Signal::Int));
}

#[test]
fn jitter_is_by_seed_and_place() {
    let mut run = Run::new(
        "{initial: a, states: {a: {do: [a], retry: {attempts: 4, delay: 10s, jitter: 1}, next: done}}}",
    );
    run.tell(Event::Begin);
    let mut begun = 0;
    for (id, delay) in [(0, 286), (1, 6953), (2, 6306)] {
        let until = Moment(Duration::from_millis(begun + delay));
        assert_eq!(run.fails(id), Decision::Wait { until: Some(until) });
        begun += delay;
        tries(&run.at(begun, Event::Due), id + 1);
    }
}

#[test]
fn values_that_the_world_can_not_give_are_input() {
    // A guard of a step: neither retried nor forgiven.
    let mut run = Run::new("{do: [{a: {when: x, retry: 3, allow_failure: true}}]}");
    asks(&run.tell(Event::Begin));
    finishes(
        &run.tell(Event::Answer(Err(ErrorKind::Input))),
        End::Failure { status: 1 },
    );
    // An answer of another kind is no value.
    let mut run = Run::new("{do: [{a: {when: x}}]}");
    run.tell(Event::Begin);
    finishes(&run.answer(Answer::Count(1)), End::Failure { status: 1 });
    // The value of a call is part of its try: it is forgiven.
    let mut run = Run::new(
        "{procedures: {p: {do: [a], returns: vars.x}}, stage: {do: [{call: p, allow_failure: true}]}}",
    );
    asks(&run.tell(Event::Begin));
    tries(&run.answer(Answer::Done), 0);
    asks(&run.ended(0, Outcome::Ok));
    finishes(
        &run.tell(Event::Answer(Err(ErrorKind::Input))),
        End::Success,
    );
}

#[test]
fn a_bound_that_lapses_while_a_value_is_computed_is_seen() {
    let call =
        "{procedures: {p: {do: [a], returns: vars.x}}, stage: {timeout: 5s, do: [{call: p}]}}";
    let mut run = Run::new(call);
    run.tell(Event::Begin);
    run.answer(Answer::Done);
    asks(&run.ended(0, Outcome::Ok));
    finishes(
        &run.at(5000, Event::Answer(Ok(Answer::Done))),
        End::Failure { status: 1 },
    );
    let mut run = Run::new(call);
    asks(&run.tell(Event::Begin));
    finishes(
        &run.at(5000, Event::Answer(Ok(Answer::Done))),
        End::Failure { status: 1 },
    );
}

#[test]
fn tracked_values_are_what_steps_leave() {
    let recipe = recipe(
        "{ensures: {success: {card: dut}, always: {card: [dut]}}, do: [a, b]}",
        "{}",
    );
    let read = |value: Option<&'static str>| {
        rewrite(
            &recipe,
            |_, _| {},
            move |step: &mut Step, _| {
                if step.name == "a" {
                    step.sets
                        .insert("card".to_owned(), value.map(str::to_owned));
                }
            },
        )
    };
    // Told by the step's output; what is none of the values is unknown.
    for (value, end) in [(0, End::Success), (9, End::Failure { status: 1 })] {
        let mut run = Run::of(&read(None));
        run.tell(Event::Begin);
        asks(&run.ended(0, Outcome::Ok));
        tries(&run.answer(Answer::Reading(Some(value))), 1);
        finishes(&run.ended(1, Outcome::Ok), end);
    }
    // A value set by a try that failed is unknown; the end says so, and a signal stays what it is.
    let mut run = Run::of(&read(Some("dut")));
    run.tell(Event::Begin);
    run.tell(INT);
    finishes(&run.ended(0, Outcome::Ok), End::Cancelled(Signal::Int));
    assert!(run.facts.iter().any(|fact| matches!(
        fact,
        Fact::Raised {
            kind: ErrorKind::Mismatch,
            ..
        }
    )));
    let track = run.machine.chart().track(None, "card").unwrap();
    assert_eq!(
        run.machine.configuration().track(track),
        TrackValue::Unknown
    );
    // Untouched satisfies `always`, not `success`.
    let mut run = Run::of(&recipe);
    run.tell(Event::Begin);
    finishes(&run.fails(0), End::Failure { status: 1 });
    let raised = run
        .facts
        .iter()
        .filter(|fact| matches!(fact, Fact::Raised { .. }));
    assert_eq!(raised.count(), 1);
    let mut run = Run::of(&recipe);
    run.tell(Event::Begin);
    run.ended(0, Outcome::Ok);
    finishes(&run.ended(1, Outcome::Ok), End::Failure { status: 1 });
}

#[test]
fn work_that_lives_with_its_scope_is_closed_before_it_has_left() {
    let recipe = rewrite(
        &recipe(
            "{enter: [log, a], initial: b, states: {b: {do: [b], next: done}}, exit: [x]}",
            "{}",
        ),
        |_, _| {},
        |step, _| {
            if step.name == "log" {
                *step = crate::notation::step("log", "capture");
            }
        },
    );
    let mut run = Run::of(&recipe);
    run.tell(Event::Begin);
    run.ended(0, Outcome::Ok);
    // The next enter step fails: what was opened is closed all the same.
    tries(&run.fails(1), 2);
    let close = run.ended(2, Outcome::Ok);
    assert!(matches!(close, Decision::Close { .. }));
    assert_eq!(run.tell(TERM), close);
    finishes(&run.answer(Answer::Done), End::Cancelled(Signal::Term));
}

#[test]
fn what_a_try_says_of_itself_has_limits() {
    // Only the machine cancels, and only scopes end in failure.
    let mut run = Run::new("{do: [{a: {retry: {attempts: 3, errors: [lost, failed]}}}]}");
    run.tell(Event::Begin);
    tries(&run.ended(0, Outcome::Failed(ErrorKind::Cancelled)), 1);
    tries(&run.ended(1, Outcome::Unrecoverable), 2);
    finishes(&run.ended(2, Outcome::Failure), End::Failure { status: 1 });
}

#[test]
fn a_stage_without_states_or_limits_has_no_worst_case() {
    let chart = |stage| Chart::build(&recipe(stage, "{}"), "provision").unwrap();
    let secs = |n| Some(Duration::from_secs(n));
    assert_eq!(chart("{do: [a]}").worst_case(), None);
    assert_eq!(chart("{timeout: 60s, do: [a]}").worst_case(), secs(65));
    // (10 + 5) × 2 tries and 3 s between them.
    assert_eq!(
        chart("{do: [{a: {timeout: 10s, retry: {attempts: 2, delay: 3s}}}]}").worst_case(),
        secs(33)
    );
    // A cycle: `a` twice, `b` 1 + 3 times; the exit step (60 + 5) once.
    let cycle = "{initial: a, exit: [x], states: {
        a: {do: [{a: {timeout: 5s}}], max_visits: 2, next: b},
        b: {do: [{b: {timeout: 15s}}], next: a}}}";
    assert_eq!(chart(cycle).worst_case(), secs(2 * 10 + 4 * 20 + 65));
    assert_eq!(chart(cycle).worst_leaving(), secs(65));
    // A list of unknown length is limited by what is around it alone.
    assert_eq!(
        chart("{do: [{a: {timeout: 5s, for_each: vars.x}}]}").worst_case(),
        None
    );
    assert_eq!(
        chart("{do: [{a: {timeout: 5s, for_each: [p, q]}}]}").worst_case(),
        secs(20)
    );
    let call = "{procedures: {p: {timeout: 20s, do: [a]}}, stage: {do: [{call: p, retry: 2}]}}";
    assert_eq!(chart(call).worst_case(), secs(50));
}
