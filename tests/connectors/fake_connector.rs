//! The connector that does nothing, and so the thinnest thread through all stages.

use serde_json::json;

use crate::connector_bench::ConnectorBench;

#[test]
fn it_shows_what_it_was_given_and_runs_the_tests() {
    let mut bench = ConnectorBench::new();
    bench
        .device("agent_name", "fake-01")
        .device("device_ip", "127.0.0.1")
        .job("provision_data", json!({"distro": "noble"}))
        .job(
            "test_data",
            json!({"test_cmds": "echo \"for $AGENT_NAME\"; exit 3"}),
        );
    let ran = bench.run("fake_connector", "provision");
    ran.ends_with(0);
    assert!(ran.stdout().contains("\"distro\": \"noble\""));
    let ran = bench.run("fake_connector", "runtest");
    ran.ends_with(3);
    assert_eq!(ran.stdout(), "for fake-01\n");
}
