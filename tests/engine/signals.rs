//! SIGINT and SIGTERM in each phase of a run.

use tf_engine::engine::{Signals, run};
use tf_engine::machine::{End, Signal};
use tokio::sync::mpsc;

use crate::support::{Seen, play_with, recipe, request};

/// A command that goes on until it is told to end, and says so.
const OBEDIENT: &str = "trap 'echo told; exit 3' TERM; echo ready; while :; do sleep 0.05; done";

#[tokio::test]
async fn in_a_step_the_command_is_told_to_end_and_all_scopes_are_left() {
    let stage = format!(
        "initial: s
states:
  s:
    enter:
      - run: echo in
        name: in
    initial: a
    states:
      a:
        do:
          - run: \"{OBEDIENT}\"
            name: work
            retry: 3
          - run: echo never
        catch: done
        next: done
    exit:
      - run: echo {{{{ outcome.kind }}}}
        name: out
    next: done
exit:
  - log: \"outcome {{{{ outcome.kind }}}}\"
    name: last
"
    );
    for (signal, end) in [
        (Signal::Term, End::Cancelled(Signal::Term)),
        (Signal::Int, End::Cancelled(Signal::Int)),
    ] {
        let played = play_with(recipe(&stage), &[("ready", signal)]).await;
        assert_eq!(played.report.ending.end, end);
        assert_eq!(
            played.path(),
            [
                "enter /",
                "enter /s",
                "in ok",
                "enter /s/a",
                "work cancelled",
                "out ok",
                "left /s cancelled",
                "last ok",
                "left / cancelled",
            ]
        );
        assert!(played.seen.lines.contains(&"told".to_owned()));
        assert!(played.seen.lines.contains(&"outcome cancelled".to_owned()));
        assert!(played.report.left_open.is_empty());
    }
}

#[tokio::test]
async fn in_an_exit_step_it_goes_on_and_the_rest_run() {
    let played = play_with(
        recipe(
            "initial: a
states:
  a: { do: [], next: done }
exit:
  - run: \"echo ready; sleep 0.3; echo first\"
    name: x
  - run: echo second {{ outcome.kind }}
    name: y
",
        ),
        &[("ready", Signal::Int)],
    )
    .await;
    assert_eq!(played.report.ending.end, End::Cancelled(Signal::Int));
    assert_eq!(played.seen.lines, ["ready", "first", "second ok"]);
}

#[tokio::test]
async fn a_second_signal_leaves_open_scopes_to_the_next_start() {
    // The first signal is answered after more than the time within which two are one.
    let played = play_with(
        recipe(
            "initial: s
states:
  s:
    initial: a
    states:
      a:
        do:
          - run: \"trap 'sleep 0.3; echo deaf' TERM; echo ready; while :; do sleep 0.05; done\"
            name: work
        next: done
    exit:
      - run: echo out
    next: done
",
        ),
        &[("ready", Signal::Term), ("deaf", Signal::Int)],
    )
    .await;
    assert_eq!(played.report.ending.end, End::Cancelled(Signal::Term));
    let open: Vec<&str> = played.report.left_open.iter().map(AsRef::as_ref).collect();
    assert_eq!(open, ["/", "/s"]);
    assert_eq!(played.journal().open_scopes(), played.report.left_open);
    assert_eq!(played.seen.lines, ["ready", "deaf"]);
}

#[tokio::test]
async fn two_at_once_are_one() {
    let played = play_with(
        recipe(&format!(
            "do:
  - run: \"{OBEDIENT}\"
"
        )),
        &[("ready", Signal::Term), ("ready", Signal::Int)],
    )
    .await;
    assert_eq!(played.report.ending.end, End::Cancelled(Signal::Term));
    assert!(played.report.left_open.is_empty());
}

#[tokio::test]
async fn in_a_pause_nothing_is_tried_again() {
    // The log's text is the cue, so the signal is there before the pause begins or soon after.
    let played = play_with(
        recipe(
            "initial: a
states:
  a:
    do:
      - log: ready
      - fail: { kind: lost, message: no luck }
    retry: { attempts: 2, delay: 30s }
    next: done
exit:
  - log: out
",
        ),
        &[("ready", Signal::Term)],
    )
    .await;
    assert_eq!(played.report.ending.end, End::Cancelled(Signal::Term));
    assert_eq!(played.seen.lines, ["ready", "out"]);
}

#[tokio::test]
async fn before_the_beginning_nothing_is_opened() {
    let (sender, raw) = mpsc::channel(1);
    sender.send(Signal::Term).await.expect("there is room");
    let signals = Signals::merged(raw);
    // The signal is past the merging, and waits.
    while !signals.is_waiting() {
        tokio::task::yield_now().await;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let mut seen = Seen::default();
    let recipe = recipe("do:\n  - log: never\n");
    let report = run(request(recipe, dir.path().to_owned(), signals), &mut seen)
        .await
        .expect("it can be begun");
    assert_eq!(report.ending.end, End::Cancelled(Signal::Term));
    assert!(seen.lines.is_empty());
}
