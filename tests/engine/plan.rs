//! The dry run: what each step would send, with nothing opened and nothing written.

use tf_engine::engine::{Signals, plan};
use tf_engine::report::plan_text;

use crate::support::{recipe, request};

fn planned(stage: &str) -> String {
    let dir = tempfile::tempdir().expect("a folder");
    let run_dir = dir.path().join("not/there");
    let plan = plan(request(recipe(stage), run_dir.clone(), Signals::none())).expect("a plan");
    assert!(!run_dir.exists(), "nothing is written");
    plan_text(&plan)
}

#[tokio::test]
async fn what_is_known_is_rendered_and_what_is_not_says_where_it_comes_from() {
    let text = planned(
        "initial: s
states:
  s:
    vars: { n: 1 }
    initial: a
    states:
      a:
        do:
          - set: { n: \"{{ vars.n + 1 }}\" }
          - run: [touch, \"effect{{ vars.n }}\"]
            save: out
          - run: \"echo {{ vars.out.stdout }}\"
            timeout: \"{{ vars.n }}\"
        next: done
    exit:
      - run: echo out
    next: done
",
    );
    insta::assert_snapshot!(text, @r"
    provision of trial: what would be sent, if every step ends well
    /
    /s
    /s/a
      set: vars.n = 2
      run: touch effect2
      run: echo '‹vars.out.stdout›'
    /s
      run: echo out
    the stage succeeds
    ");
}

#[tokio::test]
async fn both_ways_of_a_guard_that_depends_on_an_output_are_told() {
    let text = planned(
        "initial: look
states:
  look:
    do:
      - run: cat state
        save: state
      - run: echo is on
        when: vars.state.stdout == 'on'
    next:
      - { when: vars.state.exit == 0, to: good }
      - { to: bad }
  good:
    do:
      - run: echo {{ item }}
        for_each: vars.state.lines
    next: done
  bad:
    do:
      - run: echo bad
      - fail: it is bad
",
    );
    insta::assert_snapshot!(text, @r"
    provision of trial: what would be sent, if every step ends well
    /
    /look
      run: cat state
      run: echo is on
    /good
      run: echo '‹item of vars.state.lines›'
    the stage succeeds

    if `vars.state.exit == 0` does not hold at /look
    /bad
      run: echo bad
      fail would fail with failed: it is bad
    the stage fails
    ");
}

#[tokio::test]
async fn loops_end_where_their_counters_are_known() {
    let text = planned(
        "vars: { n: 0 }
initial: again
states:
  again:
    max_visits: 5
    do:
      - set: { n: \"{{ vars.n + 1 }}\" }
      - run: echo try {{ vars.n }}
    next:
      - { when: vars.n < 3, to: again }
      - { to: done }
",
    );
    insta::assert_snapshot!(text, @r"
    provision of trial: what would be sent, if every step ends well
    /
    /again
      set: vars.n = 1
      run: echo try 1
    the stage succeeds
    ");
}

#[tokio::test]
async fn a_plan_obeys_no_one_who_writes_to_a_terminal() {
    let text = planned(
        "do:
  - run: \"echo a\\e[31mred\\a\"
  - fail: \"one\\e[2J\\r\\ntwo\"
",
    );
    assert!(
        !text
            .chars()
            .any(|letter| letter.is_control() && letter != '\n'),
        "{text:?}"
    );
    assert!(text.contains("two\n"), "{text:?}");
}

#[tokio::test]
async fn a_path_in_a_run_directory_that_is_not_there_yet_is_inside_it() {
    let text = planned(
        "initial: a
states:
  a:
    do:
      - write: { path: out/x, content: y, parents: true }
      - write: { path: ../x, content: y }
        allow_failure: true
    next: done
",
    );
    insta::assert_snapshot!(text, @r"
    provision of trial: what would be sent, if every step ends well
    /
    /a
      write 1 byte to out/x, mode 0644
      write would fail with input: `path` must be a path that does not lead out of the run directory, but is the text `../x`
    the stage succeeds
    ");
}
