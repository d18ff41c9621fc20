//! What touches nothing outside the run: `set`, `assert`, `log`, `fail`, `sleep`.

use serde_json::json;
use tf_engine::actions::{LogLevel, Note};
use tf_engine::transport::Stop;

use crate::bench::{Bench, step};

#[tokio::test]
async fn set_computes_all_values_from_the_old_ones() {
    let mut bench = Bench::new();
    bench.context.set("vars", json!({"a": 1, "b": 2}));
    let bench = bench.ready();
    let set = step(
        "set",
        json!({"a": "{{ vars.b }}", "b": "{{ vars.a }}", "c": [1, "{{ vars.a }}x"]}),
    );
    let output = bench.perform(set).await.result.expect("it goes well");
    let given: Vec<_> = output
        .vars
        .iter()
        .map(|var| (var.name.as_str(), var.value.clone()))
        .collect();
    assert_eq!(
        given,
        [("a", json!(2)), ("b", json!(1)), ("c", json!([1, "1x"]))]
    );
}

#[tokio::test]
async fn what_is_set_from_a_secret_is_secret() {
    let mut bench = Bench::new();
    bench.context.set("device", json!({"pw": "word"}));
    bench.context.mark_secret(["device", "pw"]);
    let bench = bench.ready();
    let set = || step("set", json!({"a": "x{{ device.pw }}", "b": 1}));
    assert_eq!(
        bench.describe(set()).expect("it can be planned"),
        ["vars.a = \"•••\"", "vars.b = 1"]
    );
    let output = bench.perform(set()).await.result.expect("it goes well");
    let secret: Vec<bool> = output.vars.iter().map(|var| var.secret).collect();
    assert_eq!(secret, [true, false]);
}

#[tokio::test]
async fn an_assertion_says_what_does_not_hold() {
    let mut bench = Bench::new();
    bench.context.set("vars", json!({"a": 1}));
    let bench = bench.ready();
    let held = step(
        "assert",
        json!({"that": "vars.a == 1", "message": "{{ vars.nothing }}"}),
    );
    assert!(bench.perform(held).await.result.is_ok());
    let plain = step("assert", json!({"that": "vars.a > 1"}));
    assert_eq!(
        bench.perform(plain).await.error(),
        ("mismatch", "`vars.a > 1` does not hold")
    );
    let told = step(
        "assert",
        json!({"that": "false", "message": "it is {{ vars.a }}", "kind": "io"}),
    );
    assert_eq!(bench.perform(told).await.error(), ("io", "it is 1"));
}

#[tokio::test]
async fn a_log_is_said_as_it_is_written() {
    let mut bench = Bench::new().with_secret("long-secret");
    bench
        .context
        .set("vars", json!({"list": [1], "said": "a long-secret"}));
    let bench = bench.ready();
    let log = step(
        "log",
        json!({"text": "{{ vars.list }} {{ vars.said }}", "level": "warn"}),
    );
    assert_eq!(
        bench.perform(log).await.logged(),
        [(LogLevel::Warn, "[1] a •••")]
    );
    let plain = bench
        .perform(step("log", json!({"text": "x\n", "plain": true})))
        .await;
    let expected = Note::Log {
        level: LogLevel::Info,
        text: "x\n".to_owned(),
        plain: true,
    };
    assert_eq!(plain.notes, [expected]);
}

#[tokio::test]
async fn fail_raises_an_error_of_its_own_or_the_caught_one() {
    let mut bench = Bench::new();
    bench.context.set("vars", json!({"n": 3}));
    bench.context.set(
        "error",
        json!({"kind": "http", "message": "no", "output": {"status": 503}}),
    );
    let caught = bench.ready();
    let done = caught
        .perform(step("fail", json!({"message": "{{ vars.n }} boards"})))
        .await;
    assert_eq!(done.error(), ("failed", "3 boards"));
    let kind = step("fail", json!({"message": "x", "kind": "auth"}));
    assert_eq!(caught.perform(kind).await.error().0, "auth");
    let again = caught.perform(step("fail", json!({"error": true}))).await;
    assert_eq!(again.error(), ("http", "no"));
    let error = again.result.expect_err("it fails");
    assert_eq!(error.output["status"], 503);

    let mut nothing = Bench::new();
    nothing.context.set("error", json!(null));
    let done = nothing
        .ready()
        .perform(step("fail", json!({"error": true})))
        .await;
    assert_eq!(done.error().0, "input");
}

#[tokio::test]
async fn a_sleep_ends_when_it_is_told_to() {
    let bench = Bench::new().ready();
    let stop = Stop::new();
    stop.ask.cancel();
    let done = bench
        .perform_until(step("sleep", json!({"duration": "1h"})), stop)
        .await;
    assert_eq!(
        done.error(),
        ("cancelled", "a sleep of 1h had not ended and was stopped")
    );
    let none = bench.perform(step("sleep", json!({"duration": 0}))).await;
    assert!(none.result.is_ok());
}

#[tokio::test]
async fn a_value_of_a_wrong_type_is_named_with_what_it_must_be() {
    let mut bench = Bench::new();
    bench
        .context
        .set("vars", json!({"list": [1, 2], "none": null}));
    let bench = bench.ready();
    let cases = [
        (
            step("sleep", json!({"duration": "{{ vars.list }}"})),
            "`duration` must be a duration, such as 90s or 1m30s, in whole milliseconds and at \
             most 366d, but is a list of 2 items",
        ),
        (
            step("sleep", json!({"duration": "{{ vars.none }}"})),
            "`duration` is required, but is none",
        ),
        (
            step(
                "write",
                json!({"path": "x", "content": "y", "mode": "{{ 'rw' }}"}),
            ),
            "`mode` must be a file mode in octal digits, as a text, such as \"0644\", but is the \
             text `rw`",
        ),
        (
            step(
                "http",
                json!({"url": "http://h/", "headers": {"A": "{{ vars.list }}"}}),
            ),
            "`headers.A` must be a text, but is a list of 2 items",
        ),
    ];
    for (step, message) in cases {
        assert_eq!(bench.perform(step).await.error(), ("input", message));
    }
}
