//! The dry run: what each step would send, with nothing opened and nothing written.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use tf_engine::engine::{Plan, Signals, plan};
use tf_engine::report::{plan_json, plan_text};

use crate::support::{recipe, request};

fn planned(stage: &str) -> String {
    planned_as(stage, plan_text)
}

fn planned_as(stage: &str, print: fn(&Plan) -> String) -> String {
    let dir = tempfile::tempdir().expect("a folder");
    let run_dir = dir.path().join("not/there");
    let plan = plan(request(recipe(stage), run_dir.clone(), Signals::none())).expect("a plan");
    assert!(!run_dir.exists(), "nothing is written");
    print(&plan)
}

#[tokio::test]
async fn what_is_known_is_rendered_and_what_is_not_says_where_it_comes_from() {
    let text = planned(
        "initial: s
states:
  s:
    vars: { n: 1 }
    initial: a
    states:
      a:
        do:
          - set: { n: \"{{ vars.n + 1 }}\" }
          - run: [touch, \"effect{{ vars.n }}\"]
            save: out
          - run: \"echo {{ vars.out.stdout }}\"
            timeout: \"{{ vars.n }}\"
        next: done
    exit:
      - run: echo out
    next: done
",
    );
    insta::assert_snapshot!(text, @r"
    provision of trial: what would be sent, if every step ends well
    /
      · timeout 1m
    /s
    /s/a
      set: vars.n = 2
      run: touch effect2
          · timeout 5m · gives vars.out
      run: echo '‹vars.out.stdout›'
          · timeout 2s
    /s is left, whichever way
      run: echo out
          · timeout 1m
    the stage succeeds
    ");
}

#[tokio::test]
async fn both_ways_of_a_guard_that_depends_on_an_output_are_told() {
    let text = planned(
        "initial: look
states:
  look:
    do:
      - run: cat state
        save: state
      - run: echo is on
        when: vars.state.stdout == 'on'
    next:
      - { when: vars.state.exit == 0, to: good }
      - { to: bad }
  good:
    do:
      - run: echo {{ item }}
        for_each: vars.state.lines
    next: done
  bad:
    do:
      - run: echo bad
      - fail: it is bad
",
    );
    insta::assert_snapshot!(text, @r"
    provision of trial: what would be sent, if every step ends well
    /
      · timeout 1m
    /look
      run: cat state
          · timeout 5m · gives vars.state
      run: echo is on
          · when vars.state.stdout == 'on' · timeout 5m
      if `vars.state.exit == 0`:
    /good
      run: echo '‹item of vars.state.lines›'
          · for each of vars.state.lines · timeout 5m
    the stage succeeds

    otherwise, if not `vars.state.exit == 0` at /look
    /bad
      run: echo bad
          · timeout 5m
      fail would fail with failed: it is bad
    the stage fails, with exit status 1
    ");
}

#[tokio::test]
async fn loops_end_where_their_counters_are_known() {
    let text = planned(
        "vars: { n: 0 }
initial: again
states:
  again:
    max_visits: 5
    do:
      - set: { n: \"{{ vars.n + 1 }}\" }
      - run: echo try {{ vars.n }}
    next:
      - { when: vars.n < 3, to: again }
      - { to: done }
",
    );
    insta::assert_snapshot!(text, @r"
    provision of trial: what would be sent, if every step ends well
    /
      · timeout 1m
    /again
      · at most 5 visits
      set: vars.n = 1
      run: echo try 1
          · timeout 5m
      set: vars.n = 2
      run: echo try 2
          · timeout 5m
      set: vars.n = 3
      run: echo try 3
          · timeout 5m
    the stage succeeds
    ");
}

#[tokio::test]
async fn a_plan_obeys_no_one_who_writes_to_a_terminal() {
    let text = planned(
        "do:
  - run: \"echo a\\e[31mred\\a\"
  - fail: \"one\\e[2J\\r\\ntwo\"
",
    );
    assert!(
        !text
            .chars()
            .any(|letter| letter.is_control() && letter != '\n'),
        "{text:?}"
    );
    assert!(text.contains("two\n"), "{text:?}");
}

#[tokio::test]
async fn a_path_in_a_run_directory_that_is_not_there_yet_is_inside_it() {
    let text = planned(
        "initial: a
states:
  a:
    do:
      - write: { path: out/x, content: y, parents: true }
      - write: { path: ../x, content: y }
        allow_failure: true
    next: done
",
    );
    insta::assert_snapshot!(text, @r"
    provision of trial: what would be sent, if every step ends well
    /
      · timeout 1m
    /a
      write 1 byte to out/x, mode 0644
          · timeout 1m
      write would fail with input: `path` must be a path that does not lead out of the run directory, but is the text `../x`
    the stage succeeds
    ");
}

#[tokio::test]
async fn what_is_done_after_an_error_is_told_at_the_end() {
    let text = planned(
        "initial: reach
states:
  reach:
    do:
      - run: look
        retry: { attempts: 2, delay: 1s, backoff: 2, errors: [timeout] }
      - run: act
    retry:
      attempts: 3
      delay: 5s
      between:
        - run: reset
    catch: { timeout: slow, any: broken }
    max_visits: 2
    next: done
  slow:
    recovery: true
    do:
      - log: it said {{ error.kind }}, {{ error.message }}
    next: done
  broken:
    end: unrecoverable
    message: look at it
exit:
  - run: all is well
    when: outcome.kind == 'ok'
  - run: all is lost
    when: outcome.kind != 'ok'
",
    );
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn a_plan_for_a_program_has_what_is_sent_in_parts() {
    let text = planned_as(
        "do:
  - run: [echo, \"a b\", \"{{ env.NOT_THERE }}\"]
    env: { A: \"1\" }
  - http: { url: \"http://203.0.113.1/x\", query: { a: b c }, json: { on: true }, headers: { X-Y: z } }
  - write: { path: out, content: text }
  - commands: [one, two]
",
        plan_json,
    );
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn a_plan_that_would_not_end_says_that_it_is_cut() {
    let text = planned(
        "vars: { n: 0 }
initial: again
states:
  again:
    max_visits: 1000000
    do:
      - set: { n: \"{{ vars.n + 1 }}\" }
    next:
      - { when: vars.n < 0, to: done }
      - { to: again }
",
    );
    assert!(
        text.contains("set: and so on, with other values\n"),
        "{text}"
    );
    assert!(
        text.ends_with("the plan is cut here: it would be too long\n"),
        "{text}"
    );
}

const DEVICE: &str = "\
device_ip: 203.0.113.7
control_host: 203.0.113.8
control_user: ubuntu
test_device: /dev/sda
control_switch_local_cmd: stm sdwire -ts
control_switch_device_cmd: stm -dut
reboot_script: [snmpset pdu off, sleep 5, snmpset pdu on]
post_provision_script: [stm --led on, stm --led off]
serial_host: 203.0.113.9
serial_port: 7001
";

/// What the program answers to `plan RECIPE` in a folder that nobody can write.
fn asked(recipe: &str, device: &str, job: &str, more: &[&str]) -> Output {
    let lab = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| fs::write(lab.path().join(name), text).expect("a file");
    file("device.yaml", device);
    file("job.json", job);
    let run_dir = lab.path().join("run");
    fs::create_dir(&run_dir).expect("a folder");
    fs::set_permissions(&run_dir, fs::Permissions::from_mode(0o555)).expect("its mode");
    let output = Command::new(env!("CARGO_BIN_EXE_tf-engine"))
        .args(["plan", recipe, "-c", "device.yaml", "-j", "job.json"])
        .args(["--run-dir", "run", "--color", "never"])
        .args(more)
        .current_dir(&lab)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .expect("it runs");
    let is_empty = |folder: &Path| fs::read_dir(folder).expect("a folder").next().is_none();
    assert!(is_empty(&run_dir), "nothing is written");
    output
}

fn of_the_program(recipe: &str, job: &str) -> String {
    let output = asked(recipe, DEVICE, job, &[]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert_eq!(errors, "");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn muxpi_with_a_url_and_a_user() {
    insta::assert_snapshot!(of_the_program(
        "muxpi",
        r#"{"job_id": "7", "provision_data": {"url": "http://203.0.113.10/pi.img.xz"},
            "test_data": {"test_cmds": "", "test_password": "not to be told"}}"#,
    ));
}

#[test]
fn muxpi_with_a_stick_no_user_and_a_page() {
    insta::assert_snapshot!(of_the_program(
        "muxpi",
        r#"{"job_id": "7", "provision_data": {"url": "http://203.0.113.10/pi.img.xz",
            "media": "usb", "create_user": false, "boot_check_url": "http://$DEVICE_IP/up"}}"#,
    ));
}

#[test]
fn noprovision_and_what_it_does_for_a_board_that_does_not_answer() {
    insta::assert_snapshot!(of_the_program("noprovision", r#"{"job_id": "7"}"#));
}

#[test]
fn a_secret_is_in_no_plan() {
    let job = r#"{"test_data": {"test_cmds": ["echo not-to-be-told"], "test_password": "not-to-be-told"}}"#;
    for format in ["human", "json"] {
        let output = asked(
            "fake_connector",
            DEVICE,
            job,
            &["--format", format, "--stage", "runtest"],
        );
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(
            text.contains("•••") && !text.contains("not-to-be-told"),
            "{text}"
        );
    }
}

#[test]
fn wrong_data_are_2_with_their_places() {
    let output = asked(
        "muxpi",
        "device_ip: 203.0.113.7\n",
        r#"{"provision_data": {"url": 7}}"#,
        &[],
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(output.stdout.is_empty());
    for part in ["control_host", "job.json:1:"] {
        assert!(said.contains(part), "{said}");
    }
    let output = asked("no_such_recipe", "", "{}", &[]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_dry_run_prints_the_same() {
    let lab = tempfile::tempdir().expect("a folder");
    fs::write(lab.path().join("device.yaml"), DEVICE).expect("a file");
    let said = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_tf-engine"))
            .args(args)
            .args(["noprovision", "-c", "device.yaml"])
            .current_dir(&lab)
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        output.stdout
    };
    assert_eq!(said(&["plan"]), said(&["run", "--dry-run"]));
}
