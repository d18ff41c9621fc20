//! What is done with a control host before a stage: its power cycle, and what it is told.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::connector_bench::ConnectorBench;
use crate::http_stand_in::{Answer, HttpStandIn};

/// The API of a control host. It is well again at the third look.
fn control_host(with_poweroff: bool) -> HttpStandIn {
    let looks = AtomicUsize::new(0);
    HttpStandIn::start(move |asked| {
        let status = match asked.line.as_str() {
            "POST /api/v1/system/poweroff" if with_poweroff => 200,
            "GET /health" if looks.fetch_add(1, Ordering::SeqCst) < 2 => 503,
            "GET /health" | "POST /api/v1/system/setup/test" => 200,
            "POST /api/v1/system/setup/provisioning" => 500,
            _ => 404,
        };
        Answer::Page(status, "application/json", "{}".to_owned())
    })
}

fn bench(server: &HttpStandIn) -> ConnectorBench {
    let mut bench = ConnectorBench::new();
    bench.stand_in("cycle", "test \"$1\" != off");
    bench
        .device("device_ip", "127.0.0.1")
        .device("control_host", "127.0.0.1")
        .device("control_api_port", server.port())
        .device(
            "control_host_reboot_script",
            json!(["cycle off", "cycle on"]),
        );
    bench
}

#[test]
fn it_is_power_cycled_by_its_own_service_and_waited_for() {
    let server = control_host(true);
    let bench = bench(&server);
    // It is gone once it was told to power off.
    bench.stand_in("ping", "exit 1");
    let ran = bench.run("fake_connector", "provision");
    ran.ends_with(0);
    assert_eq!(
        server.requests(),
        [
            "POST /api/v1/system/poweroff",
            "GET /health",
            "GET /health",
            "GET /health",
            "POST /api/v1/system/setup/provisioning",
        ]
    );
    let calls = bench.calls();
    let cycles: Vec<&String> = calls.iter().filter(|it| it.starts_with("cycle")).collect();
    assert_eq!(cycles, ["cycle off", "cycle on"]);
    // That the first command failed and the set-up was refused is told, and stops nothing.
    for told in ["`cycle off` ended with exit status 1", "500"] {
        assert!(ran.stderr().contains(told), "{told}: {}", ran.stderr());
    }
}

#[test]
fn one_without_that_service_is_waited_for_at_its_ssh_port() {
    let server = control_host(false);
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let mut bench = bench(&server);
    bench.device(
        "control_port",
        listener.local_addr().expect("an address").port(),
    );
    let ran = bench.run("fake_connector", "provision");
    ran.ends_with(0);
    assert_eq!(bench.calls(), ["cycle off", "cycle on"]);
    assert_eq!(
        server.requests(),
        [
            "POST /api/v1/system/poweroff",
            "POST /api/v1/system/setup/provisioning",
        ]
    );
}

#[test]
fn the_lab_or_its_config_can_keep_it_on() {
    let server = control_host(true);
    let mut bench = bench(&server);
    bench.env("DISABLE_CONTROL_HOST_POWERCYCLE", "1");
    bench.run("fake_connector", "provision").ends_with(0);
    let server_two = control_host(true);
    let mut bench_two = ConnectorBench::new();
    bench_two
        .device("control_host", "127.0.0.1")
        .device("control_api_port", server_two.port());
    let ran = bench_two.run("fake_connector", "provision");
    ran.ends_with(0);
    assert!(
        ran.stderr().contains("no control_host_reboot_script"),
        "{}",
        ran.stderr()
    );
    for server in [server, server_two] {
        let set_up = "POST /api/v1/system/setup/provisioning";
        assert_eq!(server.requests(), [set_up]);
    }
    assert_eq!(bench.calls(), [""; 0]);
}

#[test]
fn it_is_told_of_the_tests() {
    let server = control_host(true);
    let mut bench = bench(&server);
    bench.job("test_data", json!({"test_cmds": "exit 7"}));
    bench.run("fake_connector", "runtest").ends_with(7);
    assert_eq!(server.requests(), ["POST /api/v1/system/setup/test"]);
    // One that is not there keeps no test from running.
    bench.device("control_api_port", 1);
    bench.run("fake_connector", "runtest").ends_with(7);
}

#[test]
fn bad_input_is_refused_before_it_is_touched() {
    let server = control_host(true);
    let mut bench = bench(&server);
    bench.device("control_host_reboot_script", json!({"off": "x"}));
    bench.run("fake_connector", "provision").ends_with(2);
    assert_eq!(server.requests(), [""; 0]);
}
