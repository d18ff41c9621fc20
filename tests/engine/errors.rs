//! How errors are told: their bound, output, try, verdict.

use tf_engine::machine::End;
use tf_engine::recipe::{ErrorKind, Verdict};

use crate::support::play;

#[tokio::test]
async fn a_bound_is_named_with_its_owner_and_length() {
    let played = play(
        "initial: slow
states:
  slow:
    timeout: 300ms
    do:
      - run: \"echo begun; sleep 60\"
    next: done
",
    )
    .await;
    let report = &played.report;
    assert_eq!(report.ending.end, End::Failure { status: 1 });
    assert_eq!(report.verdict, Verdict::Infra);
    assert!(
        report
            .reason
            .starts_with("the `timeout` of state `slow` (300ms) has passed: "),
        "{}",
        report.reason
    );
    let decided = report.decided.as_ref().expect("it failed");
    assert_eq!(decided.state.as_deref(), Some("/slow"));
    assert_eq!(decided.step.as_ref().map(|step| &*step.name), Some("run"));
    assert_eq!(decided.number, Some(1));
    assert_eq!(decided.kind, Some(ErrorKind::Timeout));
    assert_eq!(decided.tail, "begun\n");
}

#[tokio::test]
async fn silence_longer_than_stall_is_a_timeout_of_its_own() {
    let played = play(
        "do:
  - run: \"echo begun; sleep 60\"
    stall: 300ms
",
    )
    .await;
    assert_eq!(played.report.ending.kind, Some(ErrorKind::Timeout));
    assert!(
        played
            .report
            .reason
            .starts_with("there was no progress for 300ms, which is its `stall`"),
        "{}",
        played.report.reason
    );
    let played = play(
        "do:
  - run: \"for n in 1 2 3 4; do echo $n; sleep 0.5; done\"
    stall: 1500ms
",
    )
    .await;
    assert_eq!(played.report.ending.end, End::Success, "output is progress");
}

#[tokio::test]
async fn the_nearest_verdict_wins_and_an_end_has_its_message() {
    async fn verdict(stage: &str) -> (Verdict, String) {
        let played = play(stage).await;
        (played.report.verdict, played.report.reason)
    }
    let (found, _) = verdict("verdict: test\ndo:\n  - run: exit 1\n").await;
    assert_eq!(found, Verdict::Test);
    let (found, _) = verdict("verdict: test\ndo:\n  - run: exit 1\n    verdict: image\n").await;
    assert_eq!(found, Verdict::Image);
    let (found, reason) = verdict(
        "initial: e\nstates:\n  e: { end: failure, message: \"no {{ 1 + 1 }}\", verdict: job }\n",
    )
    .await;
    assert_eq!((found, reason.as_str()), (Verdict::Job, "no 2"));
    let (found, _) = verdict("do:\n  - assert: 1 == 2\n").await;
    assert_eq!(found, Verdict::Device);
}

#[tokio::test]
async fn a_forgiven_exit_step_leaves_the_error_what_it_is() {
    let played = play(
        "initial: s
states:
  s:
    initial: work
    states:
      work:
        do:
          - fail: the cable is loose
        next: done
    exit:
      - run: exit 3
        allow_failure: true
    catch: told
    next: done
  told:
    do:
      - fail: error
",
    )
    .await;
    assert_eq!(played.report.reason, "the cable is loose");
}

#[tokio::test]
async fn a_failed_recovery_has_its_cause() {
    let played = play(
        "initial: s
states:
  s:
    initial: a
    states:
      a:
        do:
          - run: exit 3
            name: work
        next: done
    exit:
      - run: exit 4
        name: give_back
        recovery: true
    next: done
",
    )
    .await;
    assert_eq!(played.report.ending.end, End::Unrecoverable);
    let decided = played.report.decided.as_ref().expect("it failed");
    assert_eq!(
        decided.step.as_ref().map(|step| &*step.name),
        Some("give_back")
    );
    assert_eq!(decided.causes.len(), 1);
    assert!(
        decided.causes[0].starts_with("exit at /s/a work: "),
        "{:?}",
        decided.causes
    );
}
