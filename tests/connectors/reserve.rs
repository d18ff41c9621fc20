//! Boards that are held for somebody.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::connector_bench::ConnectorBench;
use crate::http_stand_in::{Answer, HttpStandIn};
use crate::sshd::{Setup, TempUser, generate_key};

/// Launchpad and GitHub in one: `someone` has this key, `keyless` none, nobody else is known. The
/// first request of all fails.
fn key_server(key: String) -> HttpStandIn {
    let requests = AtomicUsize::new(0);
    HttpStandIn::start(move |asked| {
        if requests.fetch_add(1, Ordering::SeqCst) == 0 {
            return Answer::Page(503, "text/html", "too much to do".to_owned());
        }
        let (status, page) = match asked.line.as_str() {
            "GET /~someone/+sshkeys" | "GET /someone.keys" => (200, key.clone()),
            "GET /keyless.keys" => (200, "\n".to_owned()),
            _ => (404, "Not Found".to_owned()),
        };
        Answer::Page(status, "text/plain", page)
    })
}

fn bench(server: &HttpStandIn) -> ConnectorBench {
    let mut bench = ConnectorBench::new();
    bench
        .device("device_ip", "127.0.0.1")
        .device("launchpad_url", server.url())
        .device("github_url", format!("{}/", server.url()));
    bench
}

#[test]
#[cfg_attr(
    not(all(have = "ssh", have = "sshd", have = "users")),
    ignore = "needs ssh, sshd (openssh-server) and useradd (as root)"
)]
fn those_who_are_named_can_log_in() {
    let user = TempUser::create();
    let sshd = Setup::new().line("PasswordAuthentication yes").start();
    let keys = tempfile::tempdir().expect("a folder");
    let key = keys.path().join("key");
    generate_key(&key);
    let public = fs::read_to_string(key.with_extension("pub")).expect("a key");
    let server = key_server(public);
    let mut bench = bench(&server);
    bench
        .device("device_port", sshd.port())
        .job(
            "test_data",
            json!({"test_username": user.name(), "test_password": user.password()}),
        )
        .job(
            "reserve_data",
            json!({"ssh_keys": ["lp:nobody", "gh:keyless", "lp:someone", "gh:someone"], "timeout": "1"}),
        );
    let ran = bench.run("noprovision", "reserve");
    ran.ends_with(0);
    let asked: Vec<String> = server.requests();
    assert_eq!(
        asked,
        [
            "GET /~nobody/+sshkeys", // 503
            "GET /~nobody/+sshkeys",
            "GET /keyless.keys",
            "GET /~someone/+sshkeys",
            "GET /someone.keys",
        ]
    );
    for told in ["lp:nobody: user not found", "gh:keyless has no public keys"] {
        assert!(ran.stderr().contains(told), "{told}: {}", ran.stderr());
    }
    let logged_in = Command::new("ssh")
        .args(["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"])
        .args([
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "IdentitiesOnly=yes",
        ])
        .args(["-p", &sshd.port().to_string(), "-i"])
        .arg(&key)
        .arg(format!("{}@127.0.0.1", user.name()))
        .arg("true")
        .output()
        .expect("ssh");
    assert!(logged_in.status.success(), "{logged_in:?}");
    let banner = ran.stdout();
    let lines: Vec<&str> = banner.lines().collect();
    assert_eq!(lines[0], "*** TESTFLINGER SYSTEM RESERVED ***");
    assert_eq!(
        lines[1],
        format!("You can now connect to {}@127.0.0.1", user.name())
    );
    assert_eq!(
        lines[4..],
        [
            "Reservation will automatically timeout in 1 seconds",
            "To end the reservation sooner use: testflinger-cli cancel job-1",
        ]
    );
}

#[test]
fn nothing_is_announced_to_somebody_who_could_not_log_in() {
    let server = key_server(String::new());
    let mut bench = bench(&server);
    bench.job(
        "reserve_data",
        json!({"ssh_keys": ["gh:nobody"], "timeout": 60}),
    );
    let ran = bench.run("noprovision", "reserve");
    ran.ends_with(1);
    assert_eq!(ran.stdout(), "");
    assert!(ran.stderr().contains("gh:nobody: user not found"));
}

#[test]
fn what_names_no_account_or_no_time_is_refused() {
    let server = key_server(String::new());
    for (data, word) in [
        (json!({"ssh_keys": ["someone"]}), "ssh_keys"),
        (json!({"ssh_keys": [7]}), "ssh_keys"),
        (json!({"timeout": "soon"}), "timeout"),
        (json!({"timeout": -1}), "timeout"),
    ] {
        let mut bench = bench(&server);
        bench.job("reserve_data", data);
        let ran = bench.run("noprovision", "reserve");
        ran.ends_with(2);
        assert!(ran.stderr().contains(word), "{}", ran.stderr());
    }
    assert_eq!(server.requests(), [""; 0]);
}
