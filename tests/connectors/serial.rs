//! The log of a board's serial line, whatever the line comes from.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::json;

use crate::connector_bench::ConnectorBench;

/// What a board may say that is no text.
const SAID: &[u8] = b"U-Boot 2024.01\r\n\x00\x03\xff\x1b[2J bye";

/// Tests that end once the board has said all.
fn bench() -> ConnectorBench {
    let mut bench = ConnectorBench::new();
    bench.job(
        "test_data",
        json!({"test_cmds": "echo ready\nuntil grep -q bye test-serial.log; do sleep 0.02; done"}),
    );
    bench
}

fn log(bench: &ConnectorBench) -> Vec<u8> {
    std::fs::read(bench.run_dir().join("test-serial.log")).expect("the log")
}

#[test]
fn a_console_server_s_port() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a reader");
        stream.write_all(SAID).expect("it reads");
        // Until it goes.
        let _ = stream.read(&mut [0]);
    });
    let mut bench = bench();
    bench
        .device("serial_host", "127.0.0.1")
        .device("serial_port", port);
    bench.run("fake_connector", "runtest").ends_with(0);
    assert_eq!(log(&bench), SAID);
    server.join().expect("the server is done");
}

#[test]
fn a_line_that_is_down_is_told_once_and_stops_nothing() {
    let mut bench = ConnectorBench::new();
    bench
        .device("serial_host", "127.0.0.1")
        .device("serial_port", 1)
        .job("test_data", json!({"test_cmds": "true"}));
    let ran = bench.run("fake_connector", "runtest");
    ran.ends_with(0);
    assert_eq!(ran.stderr().matches("is down").count(), 1);
    assert_eq!(log(&bench), b"");
}

/// A pseudoterminal; what is written to it comes out at its other end, a serial port to others.
struct Terminal {
    child: Child,
    to: ChildStdin,
    path: String,
}

impl Terminal {
    fn open() -> Terminal {
        let mut child = Command::new("script")
            .args(["-q", "-c", "tty; exec sleep infinity", "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script (bsdutils)");
        let mut path = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        BufReader::new(stdout)
            .read_line(&mut path)
            .expect("its name");
        Terminal {
            to: child.stdin.take().expect("a pipe"),
            child,
            path: path.trim().to_owned(),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[cfg_attr(not(have = "script"), ignore = "needs script (bsdutils)")]
fn a_port_of_this_machine() {
    let mut terminal = Terminal::open();
    let mut bench = bench();
    bench
        .device("serial_tty", terminal.path.clone())
        .device("serial_baud", 9600);
    let mut child = bench
        .command("fake_connector", "runtest")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("tf-engine can be executed");
    let mut ready = [0; 6];
    let stdout = child.stdout.as_mut().expect("a pipe");
    stdout.read_exact(&mut ready).expect("the test runs");
    terminal.to.write_all(SAID).expect("it is open");
    terminal.to.flush().expect("it is open");
    assert!(child.wait().expect("an end").success());
    assert_eq!(log(&bench), SAID);
}

#[test]
fn a_port_that_is_not_there_is_told() {
    let mut bench = ConnectorBench::new();
    bench
        .device("serial_tty", "/dev/ttyNowhere")
        .job("test_data", json!({"test_cmds": "true"}));
    let ran = bench.run("fake_connector", "runtest");
    ran.ends_with(0);
    assert!(ran.stderr().contains("/dev/ttyNowhere is down"));
}

#[test]
fn a_command_that_prints_it() {
    let mut bench = bench();
    bench.stand_in(
        "console",
        "trap 'echo ended >>\"$BENCH/calls\"; exit' TERM
printf 'U-Boot 2024.01\\r\\n\\000\\003\\377\\033[2J bye'
echo 'no board says this' >&2
while :; do sleep 0.02; done",
    );
    bench.device("serial_command", "console board-7 | cat");
    bench.run("fake_connector", "runtest").ends_with(0);
    assert_eq!(log(&bench), SAID);
    assert_eq!(bench.calls(), ["console board-7", "ended"]);
}

#[test]
fn a_command_that_ends_is_told_once() {
    let mut bench = ConnectorBench::new();
    bench.stand_in("console", "echo bye; exit 3");
    bench.device("serial_command", "console").job(
        "test_data",
        json!({"test_cmds": "until grep -q bye test-serial.log; do sleep 0.02; done; sleep 0.2"}),
    );
    let ran = bench.run("fake_connector", "runtest");
    ran.ends_with(0);
    assert_eq!(log(&bench), b"bye\n");
    assert_eq!(bench.calls(), ["console"]);
    let told = "by `console` is down: it ended with exit status 3";
    assert_eq!(ran.stderr().matches(told).count(), 1, "{}", ran.stderr());
}
