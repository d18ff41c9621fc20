//! `vars`, `item`, `error`, `outcome`, arguments and results: a fold of facts.

use tf_engine::machine::End;

use crate::support::{parsed, play, play_with};

#[tokio::test]
async fn a_saved_output_has_its_own_fields_and_the_engines() {
    let played = play(
        "do:
  - run: \"echo hello; exit 7\"
    expect: 7
    save: out
  - run: exit 1
    allow_failure: true
    retry: 2
    save: bad
  - log: \"{{ vars.bad.error.output.stdout | tojson }} {{ vars.out.signal is none }}\"
  - log: \"{{ vars.out.stdout | trim }} {{ vars.out.exit }} {{ vars.out.ok }} {{ vars.out.tries }} {{ vars.out.error is none }}\"
  - log: \"{{ vars.bad.ok }} {{ vars.bad.error.kind }} {{ vars.bad.tries }} {{ vars.bad.stdout is none }}\"
",
    )
    .await;
    assert_eq!(played.report.ending.end, End::Success);
    assert_eq!(
        played.seen.lines,
        [
            "hello",
            "\"\" true",
            "hello 7 true 1 true",
            "false exit 2 true"
        ]
    );
}

#[tokio::test]
async fn every_field_of_an_output_is_there() {
    let played = play(
        "do:
  - read: { path: nothing, optional: true }
    save: one
  - read: { glob: \"*.nothing\", optional: true }
    save: more
  - log: \"{{ vars.one.exists }} {{ vars.one.paths is none }} {{ vars.more.paths }} {{ vars.more.text is none }}\"
",
    )
    .await;
    assert_eq!(played.report.ending.end, End::Success);
    assert_eq!(played.seen.lines, ["false true [] true"]);
}

#[tokio::test]
async fn a_list_grows_in_order_and_failed_items_are_in_it() {
    let played = play(
        "vars: { all: [] , none: 1 }
do:
  - run: [sh, -c, \"exit $0\", \"{{ item }}\"]
    for_each: [0, 3, 0]
    on_item_error: continue
    save: all
  - run: \"true\"
    for_each: []
    save: none
  - log: \"{% for one in vars.all %}{{ one.index }}:{{ one.item }}:{{ one.ok }} {% endfor %}{{ vars.none }}\"
",
    )
    .await;
    assert_eq!(played.report.ending.end, End::Success);
    assert_eq!(played.seen.lines, ["0:0:true 1:3:false 2:0:true []"]);
}

#[tokio::test]
async fn set_computes_all_from_the_old_values() {
    let played = play(
        "vars: { a: 1, b: 2 }
do:
  - set: { a: \"{{ vars.b }}\", b: \"{{ vars.a }}\" }
  - log: \"{{ vars.a }} {{ vars.b }}\"
",
    )
    .await;
    assert_eq!(played.seen.lines, ["2 1"]);
}

#[tokio::test]
async fn a_handler_sees_the_caught_error_and_exit_steps_the_outcome() {
    let played = play(
        "initial: s
states:
  s:
    initial: a
    states:
      a:
        do:
          - run: \"echo spoiled >&2; exit 9\"
            name: spoil
        next: done
    exit:
      - log: \"{{ outcome.kind }} {{ outcome.state }} {{ outcome.step }}\"
    catch: h
    next: done
  h:
    do:
      - log: \"{{ error.kind }} {{ error.state }} {{ error.step }} {{ error.output.exit }} {{ error.cause is none }}\"
    next: done
",
    )
    .await;
    assert_eq!(played.report.ending.end, End::Success);
    assert_eq!(
        played.seen.lines,
        ["exit /s/a spoil", "exit /s/a spoil 9 true"]
    );
}

#[tokio::test]
async fn items_of_a_state_are_seen_inside_it_and_steps_have_their_own() {
    let played = play(
        "initial: s
states:
  s:
    for_each: [x, y]
    initial: a
    states:
      a:
        do:
          - log: \"{{ index }}{{ item }}\"
          - log: \"{{ index }}{{ item }}\"
            for_each: [\"{{ item }}1\"]
        next: done
    exit:
      - log: \"out {{ item }}\"
    next: done
",
    )
    .await;
    assert_eq!(
        played.seen.lines,
        ["0x", "0x1", "out x", "1y", "0y1", "out y"]
    );
}

#[tokio::test]
async fn a_call_has_arguments_names_of_its_own_and_a_result() {
    let recipe = parsed(
        "procedures:
  greet:
    params:
      whom: { type: string, required: true }
      how: { type: string, default: hello }
    vars: { text: none }
    returns: vars.text
    do:
      - set: { text: \"{{ params.how }} {{ params.whom }}\" }
stages:
  provision:
    timeout: 1m
    vars: { text: mine }
    do:
      - call: greet
        with: { whom: \"{{ vars.text }}\" }
        save: greeted
      - log: \"{{ vars.greeted.value }}, {{ vars.text }}\"
",
    );
    let played = play_with(recipe, &[]).await;
    assert_eq!(played.report.ending.end, End::Success);
    assert_eq!(played.seen.lines, ["hello mine, mine"]);
}

#[tokio::test]
async fn the_output_of_a_try_that_came_too_late_is_not_seen() {
    let played = play(
        "initial: a
states:
  a:
    vars: { out: nothing }
    do:
      - run: \"trap 'echo late; exit 0' TERM; while :; do sleep 0.05; done\"
        timeout: 300ms
        save: out
    catch: h
    next: done
  h:
    do:
      - log: \"{{ vars.out }} {{ error.kind }}\"
    next: done
",
    )
    .await;
    assert_eq!(played.seen.lines, ["late", "nothing timeout"]);
}

#[tokio::test]
async fn computed_bounds_and_retries_are_checked() {
    #[track_caller]
    fn case(reason: &str, part: &str) {
        assert!(reason.contains(part), "{reason}");
    }
    let stage = |key: &str| format!("vars: {{ n: 0 }}\ndo:\n  - run: \"true\"\n    {key}\n");
    let played = play(&stage("timeout: \"{{ vars.n }}\"")).await;
    case(&played.report.reason, "a `timeout` of 0");
    let played = play(&stage("retry: \"{{ vars.n }}\"")).await;
    case(&played.report.reason, "`attempts` from 1");
    let played = play(&stage("for_each: vars.n")).await;
    case(
        &played.report.reason,
        "`for_each` needs a list, and got `0`",
    );
    let played = play(&stage("stall: \"{{ vars.n }}\"")).await;
    case(&played.report.reason, "a `stall` of 0");
}
