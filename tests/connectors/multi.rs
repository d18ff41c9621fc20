//! A job that is made of child jobs, against a server with the real one's shapes and failures.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::connector_bench::{ConnectorBench, read_json};
use crate::testflinger_server::{Fault, TestflingerServer};

const ID: &str = "00000000-0000-4000-8000-0000000000ff";

/// A job with so many child jobs.
fn bench(server: &TestflingerServer, children: usize) -> ConnectorBench {
    let jobs: Vec<Value> = (1..=children)
        .map(|n| {
            json!({"job_queue": format!("queue-{n}"), "provision_data": {"distro": "noble"}, "allocate_data": {"x": 1}})
        })
        .collect();
    let mut bench = ConnectorBench::new();
    bench
        .device("agent_name", "multi-1")
        .device("testflinger_server", server.url())
        .device("poll_interval", "100ms")
        .job("job_id", ID)
        .job("allocation_timeout", 60)
        .job("provision_data", json!({ "jobs": jobs }));
    bench
}

fn job_list(bench: &ConnectorBench) -> Value {
    read_json(&bench.run_dir().join("job_list.json"))
}

/// All child jobs were cancelled, and there were so many.
#[track_caller]
fn all_are_cancelled(server: &TestflingerServer, children: usize) {
    let all = server.children();
    assert_eq!(all.len(), children, "{all:?}");
    assert!(all.iter().all(|job| job.cancelled), "{all:?}");
}

#[test]
fn all_children_get_their_boards() {
    let server = TestflingerServer::start("/api", ID);
    server.plan(&["waiting", "setup", "provision", "allocated"]);
    server.plan(&["waiting", "allocated"]);
    let bench = bench(&server, 2);
    bench.run("multi", "provision").ends_with(0);
    let children = server.children();
    assert_eq!(
        children[0].body,
        json!({
            "job_queue": "queue-1",
            "provision_data": {"distro": "noble"},
            "allocate_data": {"allocate": true},
            "parent_job_id": ID,
        })
    );
    assert_eq!(children[1].body["job_queue"], "queue-2");
    assert!(children.iter().all(|job| !job.cancelled));
    assert_eq!(
        job_list(&bench),
        json!([
            {"job_id": children[0].id, "device_info": {"device_ip": "10.0.0.1", "agent_name": "a1"}},
            {"job_id": children[1].id, "device_info": {"device_ip": "10.0.0.2", "agent_name": "a2"}},
        ])
    );
    assert!(server.requests().iter().all(|it| it.contains(" /api/v1/")));
}

#[test]
fn tests_know_the_boards_of_the_children_and_cleanup_cancels_them() {
    let server = TestflingerServer::start("", ID);
    let mut bench = bench(&server, 2);
    bench
        .device("env", json!({"DEVICE_IP_1": "wrong", "LAB": "yes"}))
        .device("reboot_script", json!(["off", "on"]))
        .job(
            "test_data",
            json!({
                "test_cmds": "echo $DEVICE_IP_1 $DEVICE_IP_2 $LAB $AGENT_NAME \"$REBOOT_SCRIPT\" $TOKEN\nexit 5",
                "secrets": {"TOKEN": "short"},
            }),
        );
    bench.run("multi", "provision").ends_with(0);
    let ran = bench.run("multi", "runtest");
    ran.ends_with(5);
    assert_eq!(ran.stdout(), "10.0.0.1 10.0.0.2 yes multi-1 off;on short\n");
    bench.run("multi", "cleanup").ends_with(0);
    all_are_cancelled(&server, 2);
    // Nothing is left to cancel.
    bench.run("multi", "cleanup").ends_with(0);
}

#[test]
fn a_child_that_the_server_refuses_takes_the_others_with_it() {
    let server = TestflingerServer::start("", ID);
    let mut bench = bench(&server, 2);
    bench.job(
        "provision_data",
        json!({"jobs": [{"job_queue": "a"}, {"job_queue": "b"}, {"queue": "c"}]}),
    );
    let ran = bench.run("multi", "provision");
    ran.ends_with(1);
    all_are_cancelled(&server, 2);
    let said = ran.outcome.to_string();
    assert!(said.contains("Missing data for required field"), "{said}");
    assert_eq!(ran.outcome["verdict"], "job");
}

#[test]
fn a_submission_that_may_have_been_made_is_not_made_again() {
    for (fault, made) in [
        (Fault::Unanswered, 2),
        (Fault::Dropped, 1),
        (Fault::Broken, 1),
        (Fault::Page, 1),
    ] {
        let server = TestflingerServer::start("", ID);
        server.fault("POST /v1/job", 1, fault);
        let bench = bench(&server, 3);
        let ran = bench.run("multi", "provision");
        ran.ends_with(1);
        let children = server.children();
        assert_eq!(children.len(), made, "{fault:?}");
        assert!(children[0].cancelled, "{fault:?}");
        let requests = server.requests();
        let submitted = requests
            .iter()
            .filter(|it| it.starts_with("POST /v1/job {"));
        assert_eq!(submitted.count(), 2, "{requests:?}");
    }
}

#[test]
fn children_whose_states_cannot_be_had_for_a_while_are_waited_for() {
    let server = TestflingerServer::start("", ID);
    for fault in [Fault::Broken, Fault::Page, Fault::Dropped] {
        server.fault("GET /v1/result", 0, fault);
    }
    let bench = bench(&server, 1);
    bench.run("multi", "provision").ends_with(0);
}

#[test]
fn a_child_that_dies_ends_the_family_even_after_it_had_its_board() {
    let server = TestflingerServer::start("", ID);
    server.plan(&["allocated", "allocated", "cancelled"]);
    server.plan(&["waiting"]);
    let bench = bench(&server, 2);
    let ran = bench.run("multi", "provision");
    ran.ends_with(1);
    let reason = ran.outcome["reason"].to_string();
    assert!(
        reason.contains("0001 gets no board: it is cancelled"),
        "{reason}"
    );
    assert!(server.children()[1].cancelled);
}

#[test]
fn a_parent_that_is_over_takes_its_children_with_it() {
    let server = TestflingerServer::start("", ID);
    server.plan(&["waiting"]);
    let bench = bench(&server, 1);
    let mut child = bench
        .command("multi", "provision")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("tf-engine can be executed");
    server.wait_for_looks(3);
    server.parent_is("cancelled");
    assert_eq!(child.wait().expect("an end").code(), Some(1));
    all_are_cancelled(&server, 1);
}

#[test]
fn boards_that_are_not_to_be_had_are_waited_for_so_long() {
    let server = TestflingerServer::start("", ID);
    server.plan(&["waiting"]);
    let mut bench = bench(&server, 1);
    bench.job("allocation_timeout", 1);
    let ran = bench.run("multi", "provision");
    ran.ends_with(1);
    let reason = ran.outcome["reason"].to_string();
    assert!(
        reason.contains("Timed out waiting for devices to allocate"),
        "{reason}"
    );
    all_are_cancelled(&server, 1);
}

#[test]
fn a_run_that_is_cancelled_or_killed_leaves_no_children() {
    for (signal, status) in [
        (Signal::INT, Some(130)),
        (Signal::TERM, Some(143)),
        (Signal::KILL, None),
    ] {
        let server = TestflingerServer::start("", ID);
        server.plan(&["allocated"]);
        server.plan(&["waiting"]);
        let bench = bench(&server, 2);
        let mut child = bench
            .command("multi", "provision")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("tf-engine can be executed");
        server.wait_for_looks(4);
        let pid = Pid::from_child(&child);
        kill_process(pid, signal).expect("it runs");
        assert_eq!(child.wait().expect("an end").code(), status);
        if signal == Signal::KILL {
            let listed = job_list(&bench);
            assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
            bench.run("multi", "cleanup").ends_with(0);
        }
        all_are_cancelled(&server, 2);
    }
}

#[test]
fn what_is_no_family_is_refused() {
    let server = TestflingerServer::start("", ID);
    for (provision_data, word) in [
        (json!({}), "jobs"),
        (json!({"jobs": []}), "jobs"),
        (json!({"jobs": ["a job"]}), "jobs"),
    ] {
        let mut bench = bench(&server, 1);
        bench.job("provision_data", provision_data);
        let ran = bench.run("multi", "provision");
        ran.ends_with(2);
        assert!(ran.stderr().contains(word), "{}", ran.stderr());
    }
    let mut bench = bench(&server, 1);
    bench.device("testflinger_server", "httpfoo");
    bench.run("multi", "provision").ends_with(2);
    assert_eq!(server.requests(), [""; 0]);
}
