//! The lab's equipment: `power`, `mux`, `capture`.

use std::time::Duration;

use serde_json::{Value, json};
use tf_engine::actions::Note;
use tf_engine::recipe::GearKind;
use tf_engine::recipe::model::{Gear, Step, Templated};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::bench::{Bench, Modify, driven, serial_line, step, tree};

fn sh(text: &str) -> Step {
    step("run", json!({"argv": ["sh", "-c", text]}))
}

/// A power switch that is a file, and reads itself back.
fn power() -> Gear {
    Gear {
        off_time: Some(Templated::Literal(Duration::from_millis(10))),
        ..driven(
            GearKind::Power,
            vec![
                ("turn_on", vec![sh("echo on >>log; echo on >state")]),
                ("turn_off", vec![sh("echo off >>log; echo off >state")]),
                ("read", vec![sh("echo the state is; cat state")]),
            ],
        )
    }
}

#[tokio::test]
async fn power_is_switched_and_read_back() {
    let bench = Bench::new().with_gear("power", power()).ready();
    let to = |to: &str| step("power", json!({"gear": "power", "to": to}));
    let done = bench.perform(to("on")).await;
    assert_eq!(
        (done.field("state"), done.field("verified")),
        (json!("on"), json!(true))
    );
    assert_eq!(bench.perform(to("read")).await.field("state"), "on");
    let done = bench.perform(to("cycle")).await;
    assert_eq!(done.field("state"), "on");
    assert_eq!(bench.file("log"), "on\noff\non\n");
    assert!(done.notes.contains(&Note::Doing("off for 10ms".to_owned())));
    let shown = bench.describe(to("cycle")).expect("it can be planned");
    assert_eq!(shown.len(), 4, "{shown:?}");
}

#[tokio::test]
async fn another_state_than_asked_for_is_a_mismatch() {
    let stuck = driven(
        GearKind::Power,
        vec![
            ("turn_on", vec![sh("true")]),
            ("turn_off", vec![sh("true")]),
            ("read", vec![sh("cat state")]),
        ],
    );
    let bench = Bench::new().with_gear("power", stuck).ready();
    let to = |params: Value| step("power", params);
    bench.put("state", "off\n");
    let on = json!({"gear": "power", "to": "on"});
    assert_eq!(
        bench.perform(to(on.clone())).await.error(),
        ("mismatch", "`power` was to be `on`, but it reads `off`")
    );
    let unverified = json!({"gear": "power", "to": "on", "verify": false});
    assert_eq!(bench.perform(to(unverified)).await.field("verified"), false);
    bench.put("state", "burnt\n");
    let (kind, message) = {
        let done = bench.perform(to(on)).await;
        let (kind, message) = done.error();
        (kind, message.to_owned())
    };
    assert_eq!(kind, "mismatch");
    assert!(
        message.contains("it can't be told: reading it printed `burnt`"),
        "{message}"
    );
    let read = bench
        .perform(to(json!({"gear": "power", "to": "read"})))
        .await;
    assert_eq!(read.field("state"), "unknown");
}

#[tokio::test]
async fn a_step_of_a_driver_has_its_own_bound_and_guard() {
    let slow = driven(
        GearKind::Power,
        vec![
            (
                "turn_on",
                vec![
                    sh("touch skipped").when("job.never"),
                    sh("exec sleep 60").timeout(50),
                    sh("touch after"),
                ],
            ),
            ("turn_off", vec![sh("exit 3")]),
        ],
    );
    let mut bench = Bench::new().with_gear("power", slow);
    bench.context.set("job", json!({"never": false}));
    let bench = bench.ready();
    let done = bench
        .perform(step("power", json!({"gear": "power", "to": "on"})))
        .await;
    let (kind, message) = done.error();
    assert_eq!(kind, "timeout");
    assert!(message.contains("50ms"), "{message}");
    assert!(!bench.dir().join("skipped").exists() && !bench.dir().join("after").exists());
    let done = bench
        .perform(step("power", json!({"gear": "power", "to": "off"})))
        .await;
    assert_eq!(done.error().0, "exit");
}

#[tokio::test]
async fn a_gear_that_is_absent_or_lacks_a_verb_is_an_input_error() {
    let bare = driven(GearKind::Power, vec![("turn_on", vec![sh("true")])]);
    let bench = Bench::new()
        .with_gear("power", bare)
        .with_gear("console", serial_line(json!(null), json!(23)))
        .ready();
    let off = step("power", json!({"gear": "power", "to": "off"}));
    assert_eq!(
        bench.perform(off).await.error(),
        ("input", "the driver of `power` has no `turn_off`")
    );
    let done = bench
        .perform(step("capture", json!({"gear": "console"})))
        .await;
    let (kind, message) = done.error();
    assert_eq!(kind, "input");
    assert!(
        message.starts_with("this lab has no gear `console`"),
        "{message}"
    );
    let present = step(
        "assert",
        json!({"that": "gear.power.present and not gear.console.present"}),
    );
    assert!(bench.perform(present).await.result.is_ok());
}

#[tokio::test]
async fn a_mux_tells_where_its_medium_is() {
    let mux = |to_host: &str| {
        driven(
            GearKind::Mux,
            vec![
                ("to_host", vec![sh(to_host)]),
                ("to_dut", vec![sh("echo dut >where")]),
                ("read", vec![sh("cat where")]),
            ],
        )
    };
    let declared = Gear {
        media: Some(tree("media", json!("{{ device.disk }}"))),
        ..mux("echo host >where")
    };
    let mut bench = Bench::new()
        .with_gear("card", declared)
        .with_gear(
            "printed",
            mux("echo host >where; echo; echo /dev/sdx; echo"),
        )
        .with_gear("mute", mux("echo host >where"));
    bench.context.set("device", json!({"disk": "/dev/mmcblk0"}));
    let bench = bench.ready();
    let to = |gear: &str, to: &str| step("mux", json!({"gear": gear, "to": to}));

    let done = bench.perform(to("card", "host")).await;
    assert_eq!(
        (done.field("state"), done.field("device")),
        (json!("host"), json!("/dev/mmcblk0"))
    );
    assert_eq!(bench.perform(to("card", "dut")).await.field("state"), "dut");
    assert_eq!(
        bench.perform(to("card", "read")).await.field("state"),
        "dut"
    );

    assert_eq!(bench.lab.media(None, "printed").expect("it is a mux"), None);
    let done = bench.perform(to("printed", "host")).await;
    assert_eq!(done.field("device"), "/dev/sdx");
    let known = bench.lab.media(None, "printed").expect("it is a mux");
    assert_eq!(known.as_deref(), Some("/dev/sdx"));
    assert_eq!(
        bench.perform(to("mute", "host")).await.error().0,
        "mismatch"
    );
}

#[tokio::test]
async fn a_serial_line_is_captured_byte_for_byte_until_its_scope_is_left() {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = server.local_addr().expect("an address").port();
    let line = serial_line(json!("127.0.0.1"), json!(port));
    let bench = Bench::new().with_gear("console", line).ready();
    let capture = step(
        "capture",
        json!({"gear": "console", "to": "logs/serial.log", "reconnect": 0}),
    );
    let done = bench.perform(capture).await;
    assert_eq!(done.field("path"), "logs/serial.log");
    let held = bench.scope.take().expect("work that goes on");

    let (mut first, _) = server.accept().await.expect("a connection");
    first
        .write_all(b"U-Boot\xff\0\r\n")
        .await
        .expect("it is read");
    drop(first);
    let (mut second, _) = server.accept().await.expect("it connects again");
    second.write_all(b"again\n").await.expect("it is read");
    second.shutdown().await.expect("all is sent");
    // The third connection shows that what came before it has been taken.
    let _third = server.accept().await.expect("it connects again");
    held.close.cancel();
    held.task.await.expect("it ends");
    let bytes = std::fs::read(bench.dir().join("logs/serial.log")).expect("the log");
    assert_eq!(bytes, b"U-Boot\xff\0\r\nagain\n");
}

#[tokio::test]
async fn a_line_that_is_down_is_one_warning() {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = server.local_addr().expect("an address").port();
    drop(server);
    let line = serial_line(json!("127.0.0.1"), json!(port));
    let bench = Bench::new().with_gear("console", line).ready();
    let done = bench
        .perform(step("capture", json!({"gear": "console"})))
        .await;
    assert_eq!(done.field("path"), "serial.log");
    let held = bench.scope.take().expect("work that goes on");
    held.close.cancel();
    held.task.await.expect("it ends");
    assert_eq!(bench.file("serial.log"), "");
}

#[tokio::test]
async fn a_serial_log_is_not_written_through_a_link_that_leads_out() {
    let line = serial_line(json!("127.0.0.1"), json!(1));
    let bench = Bench::new().with_gear("console", line).ready();
    let outside = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::symlink(
        outside.path().join("victim"),
        bench.dir().join("serial.log"),
    )
    .expect("a link");
    let done = bench
        .perform(step("capture", json!({"gear": "console"})))
        .await;
    assert_eq!(done.error().0, "input");
    assert!(!outside.path().join("victim").exists());
}
