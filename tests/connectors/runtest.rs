//! Test commands: what they are given, what becomes of their output, and of their end.

use std::io::{Read, Write};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::connector_bench::ConnectorBench;

fn bench(test_cmds: impl Into<Value>) -> ConnectorBench {
    let mut bench = ConnectorBench::new();
    bench
        .device("agent_name", "board-7")
        .device("device_ip", "127.0.0.1")
        .job("test_data", json!({ "test_cmds": test_cmds.into() }));
    bench
}

#[test]
fn the_output_is_passed_on_as_it_is() {
    let script = "#!/bin/sh\nprintf 'one\\ntwo '; printf 'on stderr ' >&2; printf 'three\\377'";
    let bench = bench(script);
    let ran = bench.run("fake_connector", "runtest");
    ran.ends_with(0);
    assert_eq!(ran.stdout(), "one\ntwo on stderr three\u{fffd}");
    assert!(ran.stderr().contains("BEGIN testrun"), "{}", ran.stderr());
    assert!(ran.stderr().contains("END testrun"), "{}", ran.stderr());
    assert!(!bench.run_dir().join("tf_cmd_script").exists());
}

#[test]
fn output_comes_before_the_end_of_its_line() {
    let bench = bench("printf 'ready? '\nread -r answer <\"$ANSWER\"\nprintf '%s' \"$answer\"");
    let fifo = bench.path("answer");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .expect("a named pipe");
    let mut command = bench.command("fake_connector", "runtest");
    let mut child = command
        .env("ANSWER", &fifo)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("tf-engine can be executed");
    let mut stdout = child.stdout.take().expect("a pipe");
    let mut asked = [0; 7];
    stdout.read_exact(&mut asked).expect("the question");
    assert_eq!(&asked, b"ready? ");
    let mut answer = std::fs::OpenOptions::new()
        .write(true)
        .open(&fifo)
        .expect("the pipe");
    answer.write_all(b"yes\n").expect("an answer");
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("the rest");
    assert_eq!(rest, "yes");
    assert!(child.wait().expect("an end").success());
}

#[test]
fn the_first_status_that_is_not_0_is_given_back() {
    let bench = bench(json!(["echo first", "exit 3", "exit 4", "echo last"]));
    let ran = bench.run("fake_connector", "runtest");
    ran.ends_with(3);
    assert_eq!(ran.stdout(), "first\nlast\n");
    assert!(ran.stderr().contains("Tests failed, rc=3"));
    assert!(ran.stderr().contains("Tests failed, rc=4"));
    assert_eq!(ran.outcome["verdict"], "test");
}

#[test]
fn a_test_can_take_no_board_out_of_service() {
    for status in [2, 46, 130, 143] {
        let ran = bench(format!("exit {status}")).run("fake_connector", "runtest");
        ran.ends_with(1);
        assert_eq!(ran.outcome["verdict"], "test");
        let told = format!("rc={status}");
        assert!(ran.stderr().contains(&told), "{}", ran.stderr());
    }
    bench("kill -KILL $$")
        .run("fake_connector", "runtest")
        .ends_with(137);
}

#[test]
fn tests_have_the_environment_of_old_and_no_input() {
    let mut bench = bench("true");
    bench
        .device("reboot_script", json!(["off", "on"]))
        .device("env", json!({"FROM_LAB": 22, "GONE": ""}))
        .env("GONE", "inherited")
        .job(
            "test_data",
            json!({
                "test_cmds": "echo \"$AGENT_NAME|$REBOOT_SCRIPT|$FROM_LAB|${GONE-unset}\"; cat; printf '%s' \"$TOKEN\"",
                "secrets": {"TOKEN": "correct horse battery"},
            }),
        );
    let ran = bench.run("fake_connector", "runtest");
    ran.ends_with(0);
    assert_eq!(ran.stdout(), "board-7|off;on|22|unset\n•••");
    for said in [ran.stderr(), ran.outcome.to_string()] {
        assert!(!said.contains("correct horse"), "{said}");
    }
}

#[test]
fn any_amount_of_output_passes() {
    let bench = bench("yes 0123456789abcdef0123456789abcde | head -c 64M");
    let mut command = bench.command("fake_connector", "runtest");
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("tf-engine can be executed");
    let mut stdout = child.stdout.take().expect("a pipe");
    let mut buffer = vec![0; 1 << 20];
    let mut total = 0;
    loop {
        match stdout.read(&mut buffer).expect("output") {
            0 => break,
            read => total += read,
        }
    }
    assert_eq!(total, 64 << 20);
    let peak = peak_memory(child.id());
    assert!(child.wait().expect("an end").success());
    // It may have ended before it was looked at.
    assert!(peak.is_none_or(|kib| kib < 128 * 1024), "{peak:?} KiB");
}

/// The most memory that a process has had (`proc(5)`, `VmHWM`), in KiB.
fn peak_memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn what_is_no_test_is_refused_with_its_place() {
    for (test_data, word) in [
        (Value::Null, "test_cmds"),
        (json!({}), "test_cmds"),
        (json!({"test_cmds": null}), "test_cmds"),
        (json!({"test_cmds": []}), "test_cmds"),
        (json!({"test_cmds": {"a": "b"}}), "test_cmds"),
        (json!({"test_cmds": ["true", ["false"]]}), "test_cmds"),
    ] {
        let mut bench = ConnectorBench::new();
        bench
            .device("device_ip", "127.0.0.1")
            .job("test_data", test_data);
        let ran = bench.run("fake_connector", "runtest");
        ran.ends_with(2);
        assert!(ran.stderr().contains(word), "{}", ran.stderr());
        assert!(
            ran.stderr().contains("testflinger.json"),
            "{}",
            ran.stderr()
        );
    }
}

#[test]
fn json_has_the_output_as_events() {
    let bench = bench("printf 'no end'");
    let output = bench
        .command("fake_connector", "runtest")
        .args(["--log-format", "json"])
        .output()
        .expect("tf-engine can be executed");
    assert_eq!(output.stdout, b"no end");
    let events = String::from_utf8_lossy(&output.stderr);
    let texts: Vec<Value> = events
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|event| event["note"] == "text")
        .collect();
    assert_eq!(texts.len(), 1, "{events}");
    assert_eq!(texts[0]["text"], "no end");
}
