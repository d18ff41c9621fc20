//! How errors are told: their bound, output, try, verdict.

use std::time::SystemTime;

use tf_engine::engine::{Opening, Record, Saying, Signals, Sink, run};
use tf_engine::machine::{End, Moment};
use tf_engine::recipe::{ErrorKind, Verdict};

use crate::support::{play, recipe, request};

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
    assert_eq!(decided.step.as_deref(), Some("run"));
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
  - run: \"for n in 1 2 3 4 5 6; do echo $n; sleep 0.1; done\"
    stall: 400ms
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
    assert_eq!(decided.step.as_deref(), Some("give_back"));
    assert_eq!(decided.causes.len(), 1);
    assert!(
        decided.causes[0].starts_with("exit at /s/a work: "),
        "{:?}",
        decided.causes
    );
}

/// A reader that keeps nothing.
struct Nobody;

impl Sink for Nobody {
    fn open(&mut self, _: &Opening) {}
    fn fact(&mut self, _: &Record) {}
    fn say(&mut self, _: &Saying) {}
    fn tick(&mut self, _: Moment, _: SystemTime) {}
}

#[tokio::test]
async fn output_without_end_is_read_in_bounded_memory() {
    let recipe = recipe(
        "do:
  - run: \"(yes || true) | head -c 50000000; head -c 100000000 /dev/zero\"
    max_output: 1kB
    save: out
  - assert: vars.out.truncated
",
    );
    let dir = tempfile::tempdir().expect("a folder");
    let before = resident();
    let request = request(recipe, dir.path().to_owned(), Signals::none());
    let report = run(request, &mut Nobody).await.expect("it can be begun");
    assert_eq!(report.ending.end, End::Success, "{}", report.reason);
    // The other tests of this process run meanwhile; what must not happen is 150 MB.
    let grown = resident().saturating_sub(before);
    assert!(grown < 48 << 20, "grown by {} MiB", grown >> 20);
}

/// Bytes of this process in memory, at most so far (`proc(5)`, `VmHWM`).
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmHWM:")?
                .trim()
                .strip_suffix(" kB")?
                .parse()
                .ok()
        })
        .map_or(0, |kib: u64| kib << 10)
}
