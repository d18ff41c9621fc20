//! `wait` and `authorize`: what is there, and when it comes.

use serde_json::{Value, json};
use tf_engine::actions::Note;
use tf_engine::recipe::model::{Parse, Step};
use tf_engine::transport::Stop;
use tokio::net::TcpListener;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::bench::{Bench, Modify, Ready, step};
use crate::sshd::{Setup, Sshd, TempUser, generate_key};

fn wait(params: Value) -> Step {
    step("wait", params)
}

/// Waits until so many probes have failed, then tells it to stop.
async fn given_up(bench: &Ready, step: Step, after: usize) -> crate::bench::Done {
    let stop = Stop::new();
    let ask = stop.ask.clone();
    let mut probes = 0;
    bench
        .perform_watched(step, stop, |note| {
            if matches!(note, Note::Doing(text) if text.contains("not yet")) {
                probes += 1;
                if probes == after {
                    ask.cancel();
                }
            }
        })
        .await
}

#[tokio::test]
async fn a_port_that_is_open_ends_the_wait_at_once() {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = server.local_addr().expect("an address").to_string();
    let bench = Bench::new().ready();
    let done = bench
        .perform(wait(json!({"tcp": address, "every": "1h"})))
        .await;
    assert_eq!(done.field("probes"), 1);
}

#[tokio::test]
async fn a_port_that_opens_later_is_found_and_each_probe_is_shown() {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = server.local_addr().expect("an address");
    drop(server);
    let bench = Bench::new().ready();
    let mut opened = None;
    let step = wait(json!({"tcp": address.to_string(), "every": 0}));
    let done = bench
        .perform_watched(step, Stop::new(), |note| {
            if opened.is_none() && matches!(note, Note::Doing(text) if text.contains("probe 2:")) {
                opened = Some(std::net::TcpListener::bind(address).expect("the port is free"));
            }
        })
        .await;
    assert!(done.field("probes").as_u64() >= Some(3));
}

#[tokio::test]
async fn what_the_last_probe_saw_is_said_when_the_waiting_ends() {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = server.local_addr().expect("an address").to_string();
    drop(server);
    let bench = Bench::new().ready();
    let done = given_up(&bench, wait(json!({"tcp": address, "every": 0})), 2).await;
    let (kind, message) = done.error();
    assert_eq!(kind, "cancelled");
    let sight = format!("probes); the last probe: {address} can't be reached");
    assert!(
        message.starts_with("waited ") && message.contains(&sight),
        "{message}"
    );
}

#[tokio::test]
async fn a_command_is_run_until_what_it_says_holds() {
    let bench = Bench::new().ready();
    let count = "n=$(cat n 2>/dev/null || echo 0); n=$((n + 1)); echo $n | tee n; [ $n -gt 1 ]";
    let step = wait(json!({
        "run": {"shell": count},
        "until": "result.lines[0] == '3'",
        "every": 0,
    }));
    let done = bench.perform(step.parse(Parse::Lines)).await;
    assert_eq!(done.field("probes"), 3);
    assert_eq!(
        (done.field("stdout"), done.field("exit")),
        (json!("3\n"), json!(0))
    );
    let told = done.notes.iter().any(|note| {
        matches!(note, Note::Doing(text) if text.contains("`result.lines[0] == '3'` does not hold"))
    });
    assert!(told, "{:?}", done.notes);
}

#[tokio::test]
async fn waiting_is_given_up_when_it_has_no_more_sense() {
    let bench = Bench::new().ready();
    let abort = wait(json!({
        "run": {"argv": ["echo", "failed"]},
        "until": "false",
        "abort_when": "'failed' in result.stdout",
    }));
    let done = bench.perform(abort).await;
    assert_eq!(done.error().0, "mismatch");
    let error = done.result.expect_err("it failed");
    assert_eq!(error.output["stdout"], "failed\n");
    let abort = wait(json!({"run": {"shell": "exit 3"}, "abort_on": ["auth", "exit"]}));
    assert_eq!(bench.perform(abort).await.error().0, "exit");
}

#[tokio::test]
async fn a_probe_has_its_own_bound() {
    let bench = Bench::new().ready();
    let step = wait(json!({"run": {"shell": "exec sleep 60"}, "each": 0.05, "every": 0}));
    let done = given_up(&bench, step, 2).await;
    let (_, message) = done.error();
    assert!(
        message.contains("no answer within 50ms (`each`)"),
        "{message}"
    );
}

#[tokio::test]
async fn a_server_is_asked_until_it_answers_as_expected() {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(503))
        .up_to_n_times(2)
        .mount(&server)
        .await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200).set_body_string("{\"state\": \"up\"}"))
        .mount(&server)
        .await;
    let bench = Bench::new().ready();
    let step = wait(json!({
        "http": {"url": server.uri()},
        "until": "result.json.state == 'up'",
        "every": 0,
    }));
    let done = bench.perform(step.parse(Parse::Json)).await;
    assert_eq!(
        (done.field("probes"), done.field("status")),
        (json!(3), json!(200))
    );
}

#[tokio::test]
async fn steps_are_one_probe_and_what_they_save_is_kept() {
    let bench = Bench::new().ready();
    let inner = vec![
        step("run", json!({"shell": "echo x >>log; wc -l <log"})).save("count"),
        step("set", json!({"n": "{{ vars.count.stdout | trim | int }}"})),
        step("assert", json!({"that": "vars.n == item"})).for_each(json!([2])),
    ];
    let done = bench.perform(wait(json!({"every": 0})).inner(inner)).await;
    assert_eq!(done.field("probes"), 2);
    let output = done.result.expect("it goes well");
    let mut names: Vec<_> = output.vars.iter().map(|var| var.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["count", "n"]);
    let count = output
        .vars
        .iter()
        .find(|var| var.name == "count")
        .expect("it was saved");
    assert_eq!(
        (&count.value["stdout"], &count.value["ok"]),
        (&json!("2\n"), &json!(true))
    );
}

#[tokio::test]
async fn a_forgiven_step_of_a_probe_is_saved_as_such() {
    let bench = Bench::new().ready();
    let inner = vec![
        step("run", json!({"shell": "exit {{ item }}"}))
            .for_each(json!([0, 4]))
            .forgiven()
            .save("ran"),
        step(
            "assert",
            json!({"that": "vars.ran[0].ok and not vars.ran[1].ok"}),
        ),
        step(
            "assert",
            json!({"that": "vars.ran[1].error.kind == 'exit' and vars.ran[1].exit is none"}),
        ),
    ];
    let done = bench.perform(wait(json!({})).inner(inner)).await;
    assert_eq!(done.field("probes"), 1);
}

#[tokio::test]
#[cfg_attr(not(have = "ping"), ignore = "needs a ping that works (iputils-ping)")]
async fn this_machine_answers_pings() {
    let bench = Bench::new().ready();
    let done = bench.perform(wait(json!({"ping": "127.0.0.1"}))).await;
    assert_eq!(done.field("probes"), 1);
    let still = wait(json!({"ping": "127.0.0.1", "down": true, "every": 0}));
    let done = given_up(&bench, still, 1).await;
    assert!(
        done.error().1.contains("still answers"),
        "{}",
        done.error().1
    );
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_host_that_lets_us_in_tells_its_boot() {
    let server = Sshd::start();
    let bench = Bench::new()
        .with_host("dut", server.port(), &server.user(), &server.client_key())
        .ready();
    let done = bench.perform(wait(json!({"ssh": "dut"}))).await;
    let boot = done.field("boot_id");
    assert_eq!(boot.as_str().map(str::len), Some(36));
    let same = wait(json!({"ssh": "dut", "changed_since": boot, "every": 0}));
    let done = given_up(&bench, same, 1).await;
    assert!(
        done.error().1.contains("has not booted since"),
        "{}",
        done.error().1
    );
    bench.lab.close().await;
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_host_that_is_away_and_comes_back_is_found() {
    let mut server = Sshd::start();
    let bench = Bench::new()
        .with_host("dut", server.port(), &server.user(), &server.client_key())
        .ready();
    assert_eq!(
        bench
            .perform(wait(json!({"ssh": "dut"})))
            .await
            .field("probes"),
        1
    );
    server.stop();
    let back = bench
        .perform_watched(
            wait(json!({"ssh": "dut", "every": 0})),
            Stop::new(),
            |note| {
                if matches!(note, Note::Doing(text) if text.starts_with("probe 1:")) {
                    server.start_again();
                }
            },
        )
        .await;
    assert!(back.field("probes").as_u64() >= Some(2));
    bench.lab.close().await;
}

#[tokio::test]
#[cfg_attr(
    not(all(have = "sshd", have = "users")),
    ignore = "needs sshd (openssh-server) and useradd (as root)"
)]
async fn our_key_is_put_on_a_host_by_its_password_once() {
    let user = TempUser::create();
    let setup = Setup::new().line("PasswordAuthentication yes");
    let server = setup.start();
    let home = tempfile::tempdir().expect("a temporary folder");
    let bench = Bench::new()
        .with_home(home.path())
        .with_password("dut", server.port(), user.name(), user.password())
        .ready();
    let done = bench
        .perform(wait(json!({"ssh": "dut", "authorize": true})))
        .await;
    assert_eq!(done.field("probes"), 1);
    let ours = std::fs::read_to_string(home.path().join(".ssh/id_ed25519.pub")).expect("a key");
    let theirs = user.home().join(".ssh/authorized_keys");
    let read = || std::fs::read_to_string(&theirs).expect("it is there");
    assert_eq!(read().trim(), ours.trim());

    // A key that is commented out, and someone's own line that does not end: a key that is there with
    // another comment.
    let words: Vec<&str> = ours.split_whitespace().collect();
    let more = home.path().join("more");
    generate_key(&more);
    let public = std::fs::read_to_string(more.with_extension("pub")).expect("a key");
    let before = format!("#{public}{} {} theirs", words[0], words[1]);
    std::fs::write(&theirs, &before).expect("written");
    let keys = json!([format!("{ours}\n# comment\n{public}")]);
    let done = bench
        .perform(step("authorize", json!({"host": "dut", "keys": keys})))
        .await;
    assert_eq!(done.field("added"), 1);
    assert!(
        done.field("host_key")
            .as_str()
            .expect("text")
            .starts_with("ssh-ed25519 ")
    );
    assert_eq!(read(), format!("{before}\n{public}"));
    let options = json!(["command=\"id\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ"]);
    let done = bench
        .perform(step("authorize", json!({"host": "dut", "keys": options})))
        .await;
    assert_eq!(done.error().0, "input");
    bench.lab.close().await;
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn without_a_key_of_ours_and_leave_to_make_one_nothing_is_put_anywhere() {
    let server = Sshd::start();
    let home = tempfile::tempdir().expect("a temporary folder");
    let bench = Bench::new()
        .with_home(home.path())
        .with_password("dut", server.port(), &server.user(), "none")
        .ready();
    let params = json!({"host": "dut", "create_key": false});
    let done = bench.perform(step("authorize", params)).await;
    assert_eq!(
        done.error(),
        (
            "io",
            "there is no SSH key of our own that could be put on a host"
        )
    );
    let left = std::fs::read_dir(home.path()).expect("a folder").count();
    assert_eq!(left, 0);
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn credentials_that_are_refused_may_end_the_waiting() {
    let server = Sshd::start();
    let stranger = tempfile::tempdir().expect("a temporary folder");
    let key = stranger.path().join("key");
    generate_key(&key);
    let bench = Bench::new()
        .with_host("dut", server.port(), &server.user(), &key)
        .ready();
    let refused = wait(json!({"ssh": "dut", "abort_on": ["auth"]}));
    let done = bench.perform(refused).await;
    let (kind, message) = done.error();
    assert_eq!(kind, "auth");
    let start = "waiting for SSH on `dut` was given up (`abort_on`): ";
    assert!(message.starts_with(start), "{message}");
}
