//! Boards that are used as they are.

use serde_json::json;

use crate::connector_bench::ConnectorBench;
use crate::sshd::Sshd;

/// A board that this server stands for; `knocks` is what is known of its keys.
fn bench(sshd: &Sshd, with_key: bool) -> ConnectorBench {
    let mut bench = ConnectorBench::new();
    bench
        .device("device_ip", "127.0.0.1")
        .device("device_port", sshd.port())
        .job(
            "test_data",
            json!({"test_cmds": "true", "test_username": sshd.user()}),
        );
    if with_key {
        let folder = bench.path("home").join(".ssh");
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::copy(sshd.client_key(), folder.join("id_ed25519")).expect("a key");
    }
    bench
}

#[test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd")]
fn a_board_that_answers_is_left_alone() {
    let sshd = Sshd::start();
    let mut bench = bench(&sshd, true);
    bench.stand_in("switch", "exit 1");
    bench.device("reboot_script", json!(["switch off"]));
    let ran = bench.run("noprovision", "provision");
    ran.ends_with(0);
    assert_eq!(bench.calls(), [""; 0]);
    assert!(ran.stderr().contains("END provision"), "{}", ran.stderr());
}

#[test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd")]
fn a_board_that_refuses_us_is_not_power_cycled() {
    let sshd = Sshd::start();
    let mut bench = bench(&sshd, false);
    bench.stand_in("switch", "");
    bench.device("reboot_script", json!(["switch off", "switch on"]));
    let ran = bench.run("noprovision", "provision");
    ran.ends_with(1);
    assert_eq!(bench.calls(), [""; 0]);
    assert_eq!(ran.outcome["kind"], "auth", "{:#}", ran.outcome);
}

#[test]
fn a_power_switch_that_fails_needs_a_person() {
    let mut bench = ConnectorBench::new();
    bench.stand_in("switch", "echo 'no such outlet' >&2; exit 3");
    bench
        .device("device_ip", "127.0.0.1")
        .device("device_port", unused_port())
        .device("reboot_script", json!(["switch off", "switch on"]));
    let ran = bench.run("noprovision", "provision");
    ran.ends_with(46);
    assert_eq!(bench.calls(), ["switch off"]);
    assert_eq!(ran.outcome["verdict"], "infra");
    assert!(
        ran.outcome["output_tail"]
            .to_string()
            .contains("no such outlet"),
        "{:#}",
        ran.outcome
    );
}

#[test]
fn without_a_power_switch_it_is_not_the_board_s_fault() {
    let mut bench = ConnectorBench::new();
    bench
        .device("device_ip", "127.0.0.1")
        .device("device_port", unused_port());
    let ran = bench.run("noprovision", "provision");
    ran.ends_with(1);
    assert!(
        ran.outcome["reason"].to_string().contains("reboot_script"),
        "{:#}",
        ran.outcome
    );
}

/// A port that nobody listens on: it has just been given back.
fn unused_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}
