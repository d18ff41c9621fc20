//! Whose fault a failure was, with real gear that is broken: ports that refuse, an OpenSSH server as
//! the board, commands that hang.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Stdio;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::connector_bench::{ConnectorBench, Ran, read_json};
use crate::sshd::Sshd;

/// A board that is power-cycled, and then reached; both are its recovery.
const RECIPE: &str = "\
recipe: lab_board
summary: A board that is power-cycled and reached
extends: base
stages:
  provision:
    timeout: 10m
    initial: boot
    states:
      boot:
        do:
          - call: reboot
        next: up
      up:
        recovery: true
        do:
          - wait: { ssh: dut, every: 1s }
            timeout: 2s
        next: done
";

/// A port of this machine that refuses connections for as long as the value lives: it is taken, and
/// nobody listens.
struct Refusing {
    taken: TcpStream,
    _other_end: TcpListener,
}

impl Refusing {
    fn new() -> Self {
        let other_end = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let taken = TcpStream::connect(other_end.local_addr().expect("an address"));
        Self {
            taken: taken.expect("a connection"),
            _other_end: other_end,
        }
    }

    fn port(&self) -> u16 {
        self.taken.local_addr().expect("an address").port()
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }
}

/// A bench with the recipe, a board at this port, and commands that do not go well.
fn bench(board: u16, more: &str) -> ConnectorBench {
    let mut bench = ConnectorBench::new();
    fs::write(bench.path("lab_board.yaml"), format!("{RECIPE}{more}")).expect("the recipe");
    bench
        .device("device_ip", "127.0.0.1")
        .device("device_port", board)
        .device("reboot_script", json!(["switch off", "switch on"]));
    bench
}

/// Lets the engine into the board by its key.
fn with_key(bench: &ConnectorBench, board: &Sshd) {
    let folder = bench.path("home/.ssh");
    fs::create_dir(&folder).expect("a folder");
    fs::copy(board.client_key(), folder.join("id_ed25519")).expect("the key");
}

fn provision(bench: &ConnectorBench) -> Ran {
    bench.run(&bench.path("lab_board.yaml").to_string_lossy(), "provision")
}

/// What a probe found, without how long it took.
fn found(outcome: &Value, probe: &str) -> Value {
    let all = outcome["evidence"].as_array().expect("a list");
    let mut one = all
        .iter()
        .find(|one| one["probe"] == probe)
        .cloned()
        .unwrap_or_else(|| panic!("no `{probe}` in {outcome:#}"));
    let fields = one.as_object_mut().expect("a map");
    assert!(
        fields
            .shift_remove("seconds")
            .is_some_and(|seconds| seconds.is_f64())
    );
    one
}

#[test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd")]
fn a_healthy_board_behind_a_dead_power_switch_is_not_to_blame() {
    let board = Sshd::start();
    let switch = Refusing::new();
    let mut bench = bench(board.port(), "");
    with_key(&bench, &board);
    bench.stand_in("switch", "echo 'Timeout: No Response' >&2; exit 1");
    bench
        .device("power_switch", switch.address())
        .job("test_data", json!({"test_username": board.user()}));
    let ran = provision(&bench);
    ran.ends_with(46);
    assert_eq!(ran.outcome["verdict"], "infra");
    assert_eq!(ran.outcome["retry_elsewhere"], true);
    let power = found(&ran.outcome, "power_switch");
    assert_eq!(power["holds"], false);
    assert_eq!(power["verdict"], "infra");
    assert_eq!(power["decisive"], true);
    let message = power["message"].as_str().unwrap_or_default();
    assert!(message.contains(&switch.address()), "{message}");
    assert!(message.contains("refused"), "{message}");
    let healthy = found(&ran.outcome, "board");
    assert_eq!(healthy["holds"], true, "{healthy}");
    assert_eq!(healthy["verdict"], Value::Null);
    let last = ran.stderr().lines().last().unwrap_or_default().to_owned();
    assert!(last.contains("verdict infra (power switch: "), "{last}");
    assert!(
        ran.stderr().contains("probe     board: well"),
        "{}",
        ran.stderr()
    );

    // The same lab, which wants to keep such a board.
    bench.device("on_lab_failure", 1);
    let ran = provision(&bench);
    ran.ends_with(1);
    assert_eq!(ran.outcome["exit_status"], 1);
    assert_eq!(ran.outcome["verdict"], "infra");
    assert!(
        ran.stderr().contains("exit status 1 in the place of 46"),
        "{}",
        ran.stderr()
    );
    // No probe touches the switch: each run has called it once, and been refused.
    assert_eq!(bench.calls(), ["switch off", "switch off"]);
}

#[test]
fn a_dead_board_behind_a_good_power_switch_is_out_of_service() {
    let board = Refusing::new();
    let switch = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let mut bench = bench(board.port(), "");
    bench.stand_in("switch", "");
    bench
        .device(
            "power_switch",
            switch.local_addr().expect("an address").to_string(),
        )
        .device("on_lab_failure", 1);
    let ran = provision(&bench);
    ran.ends_with(46);
    assert_eq!(ran.outcome["verdict"], "device");
    assert_eq!(found(&ran.outcome, "power_switch")["holds"], true);
    let dead = found(&ran.outcome, "board");
    assert_eq!(dead["holds"], false);
    assert_eq!(dead["verdict"], "device");
    assert_eq!(dead["decisive"], true);
}

#[test]
fn the_switch_is_found_in_the_lab_s_own_commands() {
    let board = Refusing::new();
    let switch = Refusing::new();
    let mut bench = bench(board.port(), "");
    bench.stand_in("curl", "");
    bench.device(
        "reboot_script",
        json!([format!(
            "curl -s http://admin:hunter2@{}/off",
            switch.address()
        )]),
    );
    let ran = provision(&bench);
    ran.ends_with(46);
    // The commands seemed to work, and the board does not come back: it has not been power-cycled.
    assert_eq!(ran.outcome["verdict"], "infra");
    let power = found(&ran.outcome, "power_switch");
    assert_eq!(power["decisive"], true);
    assert!(!power.to_string().contains("hunter2"), "{power}");
}

#[test]
fn a_control_host_that_is_gone_is_named_first() {
    let board = Refusing::new();
    let control = Refusing::new();
    let switch = Refusing::new();
    let mut bench = bench(board.port(), "");
    bench.stand_in("switch", "");
    bench
        .device("control_host", "127.0.0.1")
        .device("control_port", control.port())
        .device("power_switch", switch.address())
        .device("on_lab_failure", 1);
    let ran = provision(&bench);
    ran.ends_with(1);
    let probes: Vec<&str> = ran.outcome["evidence"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["probe"].as_str())
        .collect();
    assert_eq!(probes, ["control_host", "power_switch", "board"]);
    assert_eq!(found(&ran.outcome, "control_host")["decisive"], true);
    assert_eq!(found(&ran.outcome, "power_switch")["decisive"], false);
}

#[test]
fn a_failed_test_asks_nobody() {
    let board = Refusing::new();
    let mut bench = bench(board.port(), "");
    bench.job("test_data", json!({"test_cmds": "exit 3"}));
    let ran = bench.run("noprovision", "runtest");
    ran.ends_with(3);
    assert_eq!(ran.outcome["verdict"], "test");
    assert_eq!(ran.outcome["evidence"], json!([]));
}

#[test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd")]
fn a_board_that_is_used_as_it_is_goes_out_of_service_unless_the_lab_says_otherwise() {
    let mut board = Sshd::start();
    let switch = Refusing::new();
    let mut bench = bench(board.port(), "");
    with_key(&bench, &board);
    bench.stand_in("switch", "exit 1");
    bench
        .device("power_switch", switch.address())
        .job("test_data", json!({"test_username": board.user()}));
    bench.run("noprovision", "provision").ends_with(0);
    assert!(bench.calls().is_empty(), "{:?}", bench.calls());

    board.stop();
    let ran = bench.run("noprovision", "provision");
    ran.ends_with(46);
    assert_eq!(ran.outcome["verdict"], "infra");
    assert_eq!(found(&ran.outcome, "power_switch")["decisive"], true);
    assert_eq!(found(&ran.outcome, "board")["holds"], false);
    bench.device("on_lab_failure", 1);
    bench.run("noprovision", "provision").ends_with(1);

    // Its switch is well, whatever its commands say: a person must look.
    let good = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    bench.device(
        "power_switch",
        good.local_addr().expect("an address").to_string(),
    );
    bench.run("noprovision", "provision").ends_with(46);
}

#[test]
fn a_status_that_is_none_is_refused_before_anything_is_touched() {
    let mut bench = bench(1, "");
    bench.device("on_lab_failure", 7);
    let ran = bench.run("noprovision", "provision");
    ran.ends_with(2);
    assert!(ran.stderr().contains("on_lab_failure"), "{}", ran.stderr());
    bench
        .device("on_lab_failure", 1)
        .device("power_switch", "http://pdu/");
    bench.run("noprovision", "provision").ends_with(2);
}

/// muxpi's probes, and a lab's command that fails before anything is known of the image.
const CARD_BOARD: &str = "\
recipe: card_board
summary: A board with a card, whose lab fails at once
extends: muxpi
stages:
  provision:
    timeout: 1m
    do:
      - run: exit 1
";

/// A server that answers each request with this status line.
fn answering(status: &'static str) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut head = BufReader::new(stream.try_clone().expect("a handle")).lines();
            let asked = head.next().and_then(Result::ok).unwrap_or_default();
            while head
                .next()
                .and_then(Result::ok)
                .is_some_and(|line| !line.is_empty())
            {}
            assert!(asked.starts_with("HEAD "), "{asked}");
            let answer =
                format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).expect("an answer");
        }
    });
    port
}

#[test]
fn an_image_that_is_not_there_is_the_job_s_and_a_server_that_is_down_the_lab_s() {
    #[track_caller]
    fn case(port: u16, verdict: &str, decisive: bool) {
        let board = Refusing::new();
        let mut bench = bench(board.port(), "");
        let recipe = bench.path("card_board.yaml");
        fs::write(&recipe, CARD_BOARD).expect("the recipe");
        bench.job(
            "provision_data",
            json!({"url": format!("http://127.0.0.1:{port}/board.img")}),
        );
        let ran = bench.run(&recipe.to_string_lossy(), "provision");
        ran.ends_with(1);
        assert_eq!(ran.outcome["verdict"], verdict, "{:#}", ran.outcome);
        let server = found(&ran.outcome, "image_server");
        assert_eq!(server["decisive"], decisive, "{server}");
    }
    case(answering("404 Not Found"), "job", true);
    case(answering("503 Service Unavailable"), "infra", true);
    case(answering("405 Method Not Allowed"), "infra", false);
    let refusing = Refusing::new();
    case(refusing.port(), "infra", true);
}

/// Probes that end in every other way.
const ODD: &str = "
blame:
  hangs:
    run: [sleep, '600']
    timeout: 1s
  not_known:
    wait: { tcp: \"{{ device.control_host }}:22\" }
  refuses:
    run: printf 'no %s' medium >&2; exit 4
    expect: [0, 3]
    verdict: infra
";

#[test]
fn probes_are_bounded_and_their_words_are_kept() {
    let board = Refusing::new();
    let bench = bench(board.port(), ODD);
    bench.stand_in("switch", "");
    let ran = provision(&bench);
    ran.ends_with(46);
    let hangs = found(&ran.outcome, "hangs");
    assert_eq!(
        (&hangs["holds"], &hangs["verdict"]),
        (&json!(false), &json!("infra"))
    );
    let message = hangs["message"].as_str().unwrap_or_default();
    assert!(message.contains("its `timeout` of 1s was hit"), "{message}");
    let unknown = found(&ran.outcome, "not_known");
    assert_eq!(
        (&unknown["holds"], &unknown["verdict"]),
        (&Value::Null, &Value::Null)
    );
    let refuses = found(&ran.outcome, "refuses");
    assert_eq!(refuses["holds"], false);
    let message = refuses["message"].as_str().unwrap_or_default();
    assert!(message.contains("exit status 4"), "{message}");
}

/// A probe that does not end in the time of a test.
const LONG: &str = "
blame:
  quick:
    run: exit 1
    verdict: infra
  long:
    run: [sleep, '600']
    timeout: 30s
lab_failure_status: 1
";

#[test]
fn a_signal_ends_the_probes_and_not_what_they_found() {
    let board = Refusing::new();
    let bench = bench(board.port(), LONG);
    bench.stand_in("switch", "");
    let recipe = bench.path("lab_board.yaml");
    let mut running = bench
        .command(&recipe.to_string_lossy(), "provision")
        .stderr(Stdio::piped())
        .spawn()
        .expect("tf-engine can be executed");
    let pid = i32::try_from(running.id()).ok().and_then(Pid::from_raw);
    let mut log = BufReader::new(running.stderr.take().expect("a pipe"));
    loop {
        let mut line = String::new();
        assert_ne!(log.read_line(&mut line).expect("a line"), 0, "it has ended");
        if line.contains("quick: not well") {
            break;
        }
    }
    kill_process(pid.expect("a process"), Signal::TERM).expect("it is there");
    let mut rest = String::new();
    log.read_to_string(&mut rest).expect("the rest");
    let status = running.wait().expect("an end");
    assert_eq!(status.code(), Some(1), "{rest}");
    let outcome = read_json(&bench.run_dir().join("outcome.json"));
    assert_eq!(outcome["verdict"], "infra");
    let all = outcome["evidence"].as_array().expect("a list");
    assert_eq!(all.len(), 1, "{outcome:#}");
}
