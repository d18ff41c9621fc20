//! Boards that are provisioned by their control host's own service.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::connector_bench::{ConnectorBench, Ran, read_json};
use crate::control_host::{Answer, ControlHost, Received};
use crate::sshd::{Setup, TempUser, generate_key};

const PROVISION: &str = "POST /api/v1/provision";
const MULTIPART: &str = "POST /api/v1/provision/multipart";
const LOGS: &str = "GET /api/v1/provision/job-7/logs";
const CANCEL: &str = "DELETE /api/v1/provision/job-7";

/// A device config as labs have it, and an agent with a key.
fn bench(host: &ControlHost) -> ConnectorBench {
    let mut bench = ConnectorBench::new();
    bench
        .device("agent_name", "lab-01")
        .device("device_ip", "127.0.0.1")
        .device("control_host", "127.0.0.1")
        .device("control_api_port", host.port())
        .device("reboot_script", json!(["switch off", "switch on"]))
        .device("reconnect_delay", "10ms");
    let keys = bench.path("home/.ssh");
    fs::create_dir(&keys).expect("a folder");
    fs::write(keys.join("id_rsa.pub"), "ssh-rsa AAAA agent@lab\n").expect("a key");
    bench
}

/// A service whose job ends well, with nothing to tell.
fn completed() -> ControlHost {
    let host = ControlHost::start();
    host.logs([Answer::Events(String::new())])
        .statuses([Answer::status("completed")]);
    host
}

fn entry(id: u32, level: &str, message: &str) -> String {
    let data = json!({"level": level, "message": message});
    format!("event: log\nid: {id}\ndata: {data}\n\n")
}

/// What was asked for: there was one request.
#[track_caller]
fn asked(host: &ControlHost) -> Value {
    match host.received(PROVISION).as_slice() {
        [one] => one.json(),
        several => panic!("{} requests", several.len()),
    }
}

/// Fails the test unless a line of the log has all of these.
#[track_caller]
fn logged(ran: &Ran, parts: &[&str]) {
    let log = ran.stderr();
    let found = log
        .lines()
        .any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(found, "{parts:?}\n{log}");
}

#[test]
fn a_log_is_followed_through_all_that_can_break() {
    let host = ControlHost::start();
    host.logs([
        Answer::Says(503, "starting".to_owned()),
        Answer::Cut(format!(
            "{}{}: half of the next\ndata: {{\"lev",
            entry(1, "INFO", "boot menu"),
            entry(2, "warning", "the password is correct horse"),
        )),
        Answer::HangsUp,
        Answer::Events(": still here\n\n".to_owned()),
        Answer::Events(format!(
            "{}id: 9\ndata: {{half\n\nretry: 5\n\ndata: \"as it came\"\n\n",
            entry(3, "ERROR", "près\nde la fin")
        )),
        Answer::Events(String::new()),
    ]);
    host.statuses([
        Answer::Says(500, "oops".to_owned()),
        Answer::status("pending"),
        Answer::HangsUp,
        Answer::status("running"),
        Answer::json(&json!({"status": "running", "error": null})),
        Answer::status("completed"),
    ]);
    let mut bench = bench(&host);
    bench
        .job(
            "provision_data",
            json!({"preset": "raspi", "url": "http://a/b", "agent_ssh_access": false}),
        )
        .job("test_data", json!({"test_password": "correct horse"}));
    let ran = bench.run("control_host_iot", "provision");
    ran.ends_with(0);

    let ids: Vec<Option<String>> = host
        .received(LOGS)
        .iter()
        .map(|request| request.header("last-event-id").map(str::to_owned))
        .collect();
    let ids: Vec<Option<&str>> = ids.iter().map(Option::as_deref).collect();
    // The last one comes with the id of what could not be read, but was followed by an entry.
    assert_eq!(
        ids,
        [None, None, Some("2"), Some("2"), Some("2"), Some("9")]
    );
    assert_eq!(host.received(PROVISION).len(), 1);
    assert_eq!(host.received(CANCEL).len(), 0);
    logged(&ran, &["INFO", "[control-host] boot menu"]);
    logged(&ran, &["WARN", "[control-host] the password is •••"]);
    logged(&ran, &["ERROR", "[control-host] près"]);
    logged(&ran, &["WARN", "no log entry", "{half"]);
    logged(&ran, &["INFO", "[control-host] \"as it came\""]);
    assert!(!ran.stderr().contains("correct horse"), "{}", ran.stderr());
}

#[test]
fn a_job_that_failed_says_why_and_is_not_cancelled() {
    let host = ControlHost::start();
    host.logs([Answer::Events(String::new())]);
    host.statuses([Answer::json(
        &json!({"status": "failed", "error": "no such ISO"}),
    )]);
    let mut bench = bench(&host);
    bench.job("provision_data", json!({"preset": "server"}));
    let ran = bench.run("control_host_kvm", "provision");
    ran.ends_with(1);
    assert_eq!(
        ran.outcome["reason"],
        "The control host's job job-7 is failed: no such ISO"
    );
    assert_eq!(host.received(CANCEL).len(), 0);
}

#[test]
fn a_request_that_is_refused_is_told_with_its_answer() {
    let host = ControlHost::start();
    host.on(
        PROVISION,
        [Answer::Says(422, "unknown preset `sevrer`".to_owned())],
    );
    let mut bench = bench(&host);
    bench.job("provision_data", json!({"preset": "sevrer"}));
    let ran = bench.run("control_host_kvm", "provision");
    ran.ends_with(1);
    let outcome = ran.outcome.to_string();
    assert!(outcome.contains("status 422"), "{outcome}");
    assert!(outcome.contains("unknown preset `sevrer`"), "{outcome}");
}

#[test]
fn what_is_cancelled_here_is_cancelled_there() {
    let host = ControlHost::start();
    host.logs([Answer::Held(entry(1, "INFO", "boot menu"))]);
    host.on(CANCEL, [Answer::json(&json!({}))]);
    let mut bench = bench(&host);
    bench.job("provision_data", json!({"preset": "server"}));
    let mut running = bench
        .command("control_host_kvm", "provision")
        .stderr(Stdio::null())
        .spawn()
        .expect("tf-engine can be executed");
    host.wait_for(LOGS);
    let told = Command::new("kill")
        .args(["-TERM", &running.id().to_string()])
        .status();
    assert!(told.expect("kill is there").success());
    let status = running.wait().expect("it ends");
    assert_eq!(status.code(), Some(143));
    assert_eq!(host.received(CANCEL).len(), 1);
    let outcome = read_json(&bench.run_dir().join("outcome.json"));
    assert_eq!(outcome["verdict"], "cancelled", "{outcome:#}");
}

#[test]
fn a_job_that_goes_on_for_too_long_is_cancelled_there() {
    let host = ControlHost::start();
    host.logs([Answer::Held(String::new())]);
    let mut bench = bench(&host);
    bench.job(
        "provision_data",
        json!({"preset": "server", "provisioning_timeout": 1}),
    );
    let ran = bench.run("control_host_kvm", "provision");
    ran.ends_with(1);
    assert_eq!(ran.outcome["kind"], "timeout", "{:#}", ran.outcome);
    // The service of today has no such request: that is no further failure.
    assert_eq!(host.received(CANCEL).len(), 1);
}

#[test]
fn an_image_goes_with_the_request_and_the_serial_line_is_kept() {
    let host = completed();
    let console = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let mut bench = bench(&host);
    bench
        .device("serial_host", "127.0.0.1")
        .device(
            "serial_port",
            console.local_addr().expect("an address").port(),
        )
        .device("env", json!({"CID": "202401-1"}))
        .device("poweron_script", json!(["switch on"]))
        .job(
            "provision_data",
            json!({
                "preset": "core", "preset_kwargs": {"a": 1}, "agent_ssh_access": false,
                "attachments": [{"agent": "images/core.img"}],
            }),
        );
    let folder = bench.run_dir().join("attachments/provision/images");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("core.img"), "an image").expect("an attachment");
    std::thread::spawn(move || {
        for stream in console.incoming() {
            let mut stream = stream.expect("a connection");
            stream.write_all(b"U-Boot\n").expect("a line");
            // Held open: a console does not hang up.
            std::mem::forget(stream);
        }
    });
    bench.run("control_host_iot", "provision").ends_with(0);

    let sent = host.received(MULTIPART);
    let sent = sent.first().map(Received::text).unwrap_or_default();
    assert!(
        sent.contains("name=\"boot_binary\"; filename=\"core.img\"") && sent.contains("an image"),
        "{sent}"
    );
    let request = sent
        .split_once("name=\"request\"\r\n\r\n")
        .and_then(|(_, rest)| rest.split_once("\r\n"))
        .map(|(text, _)| serde_json::from_str::<Value>(text).expect("JSON"));
    assert_eq!(
        request,
        Some(json!({
            "method": "ProvisioningIoT", "args": [],
            "kwargs": {
                "username": "ubuntu", "password": "ubuntu", "preset": "core",
                "preset_kwargs": {"a": 1}, "urls": [], "agent_name": "lab-01", "cid": "202401-1",
                "device_ip": "127.0.0.1", "reboot_script": ["switch off", "switch on"],
                "poweron_script": ["switch on"], "poweroff_script": null,
            },
        }))
    );
    assert_eq!(host.received(PROVISION).len(), 0);
    let serial = fs::read_to_string(bench.run_dir().join("provision-serial.log"));
    assert_eq!(serial.expect("the serial log"), "U-Boot\n");
}

#[test]
fn what_can_t_be_done_is_refused_before_anything_is_touched() {
    #[track_caller]
    fn case(recipe: &str, provision_data: &Value, message: &str) {
        let host = completed();
        let mut bench = bench(&host);
        bench.job("provision_data", provision_data.clone());
        let ran = bench.run(recipe, "provision");
        ran.ends_with(2);
        assert!(ran.stderr().contains(message), "{}", ran.stderr());
        assert_eq!(host.requests(), [""; 0]);
    }
    case(
        "control_host_kvm",
        &json!({"url": "http://a/b.iso"}),
        "needs `provision_data.robot_tasks`",
    );
    case(
        "control_host_kvm",
        &json!({"preset": "p", "autoinstall_base_user_data": "YTogWwo="}),
        "`provision_data.autoinstall_base_user_data` (YTogWwo=) is not a valid YAML",
    );
    case(
        "control_host_iot",
        &json!({"urls": ["http://a/b", "not-a-url"]}),
        "`urls`: it must be a URL that begins with `http://` or `https://`, not `not-a-url`",
    );
    case(
        "control_host_iot",
        &json!({"url": "http://a/b", "provision_plan": {"config": {}}}),
        "`provision_plan`: it has no `run_stage`, which it needs",
    );
    case(
        "control_host_iot",
        &json!({"url": "http://a/b", "provision_plan": {
            "config": {}, "run_stage": [{"initial_login": {"method": "console-conf"}}],
        }}),
        "`provision_data.provision_plan.run_stage[0]` logs in by `console-conf`",
    );
}

#[test]
fn several_attachments_are_refused_by_name() {
    let host = completed();
    let mut bench = bench(&host);
    bench.job("provision_data", json!({"preset": "p"}));
    let folder = bench.run_dir().join("attachments/provision");
    fs::create_dir_all(&folder).expect("a folder");
    for name in ["b.img", "a.img"] {
        fs::write(folder.join(name), "").expect("an attachment");
    }
    let ran = bench.run("control_host_iot", "provision");
    ran.ends_with(1);
    let reason = ran.outcome["reason"].to_string();
    let names = "attachments/provision/a.img, attachments/provision/b.img";
    assert!(reason.contains(names), "{reason}");
    assert_eq!(host.requests(), [""; 0]);
}

/// Every shape of `provision_data` that the server takes for these device types.
#[test]
fn jobs_of_every_shape_are_taken() {
    #[track_caller]
    fn case(recipe: &str, provision_data: Value, expected: &Value) {
        let host = completed();
        let mut bench = bench(&host);
        bench.job("provision_data", provision_data);
        bench.run(recipe, "provision").ends_with(0);
        let mut kwargs = asked(&host)["kwargs"].clone();
        let common = [
            "agent_name",
            "authorized_keys",
            "cid",
            "device_ip",
            "poweroff_script",
            "poweron_script",
            "reboot_script",
        ];
        let members = kwargs.as_object_mut().expect("a map");
        members.retain(|name, _| !common.contains(&name.as_str()));
        assert_eq!(&kwargs, expected);
    }
    case(
        "control_host_iot",
        json!({
            "provisioning_timeout": 600, "urls": ["http://a/1"], "agent_ssh_access": true,
            "ubuntu_sso_email": "lab@example.com", "provision_plan": {
                "config": {"serial": true},
                "run_stage": ["initial", {"initial_login": {"method": "console-conf"}}],
            },
        }),
        &json!({
            "username": "lab@example.com", "password": "ubuntu", "preset": null,
            "preset_kwargs": null, "urls": ["http://a/1"], "custom_provision_plan": {
                "config": {"serial": true, "username": "ubuntu", "password": "ubuntu"},
                "run_stage": ["initial", {"initial_login": {"method": "console-conf"}}],
            },
        }),
    );
    case(
        "control_host_iot",
        json!({
            "provisioning_timeout": 600, "url": "http://a/1", "agent_ssh_access": false,
            "preset": "p", "preset_kwargs": {}, "provision_plan": null,
        }),
        &json!({
            "username": "ubuntu", "password": "ubuntu", "preset": "p", "preset_kwargs": {},
            "urls": ["http://a/1"],
        }),
    );
    case(
        "control_host_kvm",
        json!({
            "provisioning_timeout": 600, "url": "http://a/1", "robot_tasks": ["a.robot"],
            "robot_retries": 2, "autoinstall_storage_layout": "lvm",
            "ubuntu_sso_email": "lab@example.com", "autoinstall_base_user_data": "YTogYgo=",
            "autoinstall_oem": false, "cmdline_append": "console=ttyS0",
        }),
        &json!({
            "username": "ubuntu", "password": "ubuntu", "url": "http://a/1",
            "robot_tasks": ["a.robot"], "robot_retries": 2, "ubuntu_sso_email": "lab@example.com",
            "cmdline_append": "console=ttyS0",
            "autoinstall_conf": {"storage_layout": "lvm", "base_user_data": "YTogYgo="},
        }),
    );
    case(
        "control_host_kvm",
        json!({
            "provisioning_timeout": 600, "url": "http://a/1", "robot_tasks": [],
            "robot_retries": 2, "live_image": true, "wait_until_ssh": false,
        }),
        &json!({
            "username": "ubuntu", "password": "ubuntu", "url": "http://a/1", "robot_tasks": [],
            "robot_retries": 2, "live_image": true, "wait_until_ssh": false,
            "autoinstall_conf": null,
        }),
    );
    case(
        "control_host_kvm",
        json!({
            "preset": "p", "autoinstall_oem": true, "cmdline_append": "quiet", "oem": "hp",
            "robot_tasks": ["a.robot"], "url": "http://a/1", "provisioning_timeout": 600,
            "of_the_preset": [1],
        }),
        &json!({
            "username": "ubuntu", "password": "ubuntu", "preset": "p", "cmdline_append": "quiet",
            "robot_tasks": ["a.robot"], "url": "http://a/1", "of_the_preset": [1],
            "autoinstall_conf": {
                "base_user_data": oem_user_data(), "storage_layout": "direct",
            },
        }),
    );
}

/// The answers to an OEM's installer that are shipped, in base64.
fn oem_user_data() -> String {
    use base64::Engine as _;
    let text = include_str!("../../recipes/files/control_host_kvm/user-data-oem");
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn the_keys_of_the_agent_go_into_the_system() {
    let host = completed();
    let mut bench = bench(&host);
    bench.job("provision_data", json!({"preset": "p"}));
    bench.run("control_host_kvm", "provision").ends_with(0);
    let asked = asked(&host);
    assert_eq!(asked["method"], "ProvisioningKVM");
    assert_eq!(
        asked["kwargs"]["authorized_keys"],
        json!(["ssh-rsa AAAA agent@lab"])
    );

    let keys = bench.path("home/.ssh");
    fs::remove_file(keys.join("id_rsa.pub")).expect("it is there");
    let ran = bench.run("control_host_kvm", "provision");
    ran.ends_with(1);
    assert!(
        ran.outcome["reason"].to_string().contains("no public key"),
        "{:#}",
        ran.outcome
    );
    generate_key(&keys.join("id_ed25519"));
    bench.run("control_host_kvm", "provision").ends_with(0);
    let sent = host.received(PROVISION);
    let key = sent.last().expect("a request").json()["kwargs"]["authorized_keys"][0].to_string();
    assert!(key.starts_with("\"ssh-ed25519 "), "{key}");
}

#[test]
#[cfg_attr(
    not(all(have = "sshd", have = "users")),
    ignore = "needs sshd and useradd, as root"
)]
fn a_fresh_oem_system_gets_the_jobs_password_by_standard_input() {
    let host = completed();
    let user = TempUser::create();
    let mut bench = bench(&host);
    bench.stand_in(
        "sudo",
        "[ \"$*\" = '-n chpasswd' ] && cat >>\"$BENCH/passwords\"",
    );
    // The login's user writes the record.
    for name in ["calls", "passwords"] {
        fs::write(bench.path(name), "").expect("a file");
        user.give(&bench.path(name));
    }
    let sshd = Setup::new()
        .line("PasswordAuthentication yes")
        .env("PATH", &format!("{}:/usr/bin:/bin", bench.bin().display()))
        .start();
    generate_key(&bench.path("home/.ssh/id_ed25519"));
    bench
        .device("device_port", sshd.port())
        .device("oem_username", user.name())
        .device("oem_password", user.password())
        .job("provision_data", json!({"preset": "desktop-jammy-oem"}))
        .job(
            "test_data",
            json!({"test_username": user.name(), "test_password": user.password()}),
        );
    let ran = bench.run("control_host_kvm", "provision");
    ran.ends_with(0);
    logged(&ran, &["WARN", "The job has no `url`"]);
    assert_eq!(bench.calls(), ["sudo -n chpasswd"]);
    let line = format!("{}:{}\n", user.name(), user.password());
    let record = bench.path("passwords");
    let given = || fs::read_to_string(&record).expect("the record");
    assert_eq!(given(), line);
    assert!(!ran.stderr().contains(user.password()), "{}", ran.stderr());
    let keys = fs::read_to_string(user.home().join(".ssh/authorized_keys")).expect("the keys");
    assert!(keys.contains("ssh-ed25519"), "{keys}");

    // Once more: the first password is the image's no longer.
    bench.device("oem_password", "u");
    fs::remove_file(user.home().join(".ssh/authorized_keys")).expect("it is there");
    bench.run("control_host_kvm", "provision").ends_with(0);
    assert_eq!(given(), line.repeat(2));
}

#[test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd")]
fn a_board_that_can_t_change_its_password_is_told() {
    let host = completed();
    let mut bench = bench(&host);
    bench.stand_in("sudo", "echo 'a password is required' >&2; exit 1");
    let sshd = Setup::new()
        .env("PATH", &format!("{}:/usr/bin:/bin", bench.bin().display()))
        .start();
    let key = bench.path("home/.ssh/id_ed25519");
    fs::copy(sshd.client_key(), &key).expect("a key");
    bench
        .device("device_port", sshd.port())
        .device("oem_username", sshd.user())
        .job("provision_data", json!({"preset": "desktop-jammy-oem"}));
    let ran = bench.run("control_host_kvm", "provision");
    ran.ends_with(1);
    let outcome = ran.outcome.to_string();
    assert!(outcome.contains("a password is required"), "{outcome}");
    assert_eq!(ran.outcome["verdict"], "device");
}
