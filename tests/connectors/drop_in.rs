//! The program under the name of Testflinger's device connectors, called as the agent calls it: by a
//! shell, in the job's directory; its files read as the agent reads them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::connector_bench::{ConnectorBench, read_json};

/// An agent with a device type of its own, `trial`.
struct Agent {
    bench: ConnectorBench,
}

/// How a phase ended, as the agent sees it.
struct Phase {
    status: i32,
    /// Standard output and error, merged.
    output: String,
}

impl Agent {
    /// `stages` are those of the recipe `trial`.
    fn new(stages: &str) -> Agent {
        let mut bench = ConnectorBench::new();
        bench
            .device("agent_name", "rpi4-01")
            .device("device_ip", "127.0.0.1")
            .job("provision_data", json!({"url": "http://127.0.0.1/image"}))
            .job("test_data", json!({"test_cmds": "echo tested"}));
        fs::create_dir(bench.path("recipes")).expect("a folder");
        let recipe = format!(
            "recipe: trial\nsummary: For a test\nextends: base\nstages:\n{}",
            stages
                .lines()
                .map(|line| format!("  {line}\n"))
                .collect::<String>()
        );
        fs::write(bench.path("recipes/trial.yaml"), recipe).expect("a recipe");
        let recipes = bench.path("recipes").display().to_string();
        bench.env("TF_ENGINE_RECIPES", &recipes);
        symlink(
            env!("CARGO_BIN_EXE_tf-engine"),
            bench.bin().join("testflinger-device-connector"),
        )
        .expect("a link");
        bench.write_inputs();
        Agent { bench }
    }

    /// The shell that a `PHASE_command` is given to.
    fn shell(&self, command: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec 2>&1; {command}")]);
        self.bench.surround(&mut shell);
        shell
    }

    fn say(&self, command: &str) -> Phase {
        let output = self.shell(command).output().expect("sh");
        Phase {
            status: output.status.code().expect("an exit status"),
            output: String::from_utf8_lossy(&output.stdout).into_owned(),
        }
    }

    fn phase(&self, stage: &str) -> Phase {
        self.say(&connector(stage))
    }

    /// What the agent tells of a failed phase: the file must be one object.
    fn detail(&self, phase: &str) -> Option<String> {
        let text = fs::read_to_string(self.bench.run_dir().join("device-connector-error.json"));
        let whole: Value = serde_json::from_str(&text.ok()?).expect("one JSON object");
        let info = whole.get(format!("{phase}_exception_info"))?;
        let mut detail = format!(
            "{}: {}",
            info["exception_name"].as_str().expect("a name"),
            info["exception_message"].as_str().expect("a message")
        );
        if let Some(cause) = info["exception_cause"].as_str() {
            detail.push_str(&format!(" caused by {cause}"));
        }
        Some(detail)
    }
}

fn connector(stage: &str) -> String {
    format!("testflinger-device-connector trial {stage} -c ../default.yaml testflinger.json")
}

fn started(mut shell: Command, text: &str) -> Child {
    let mut child = shell.stdout(Stdio::piped()).spawn().expect("sh");
    let output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut lines = output.lines();
    let found = lines.any(|line| line.expect("a line").contains(text));
    assert!(found, "it ended without {text}");
    // Read on, so that nothing waits for us.
    std::thread::spawn(move || lines.for_each(drop));
    child
}

#[test]
fn every_phase_of_a_job_goes_through_the_link_and_leaves_the_agents_files() {
    let agent = Agent::new("provision:\n  timeout: 1m\n  do:\n    - run: echo here\n");
    let provision = agent.phase("provision");
    assert_eq!(provision.status, 0, "{}", provision.output);
    let info = read_json(&agent.bench.run_dir().join("device-info.json"));
    assert_eq!(
        info,
        json!({"device_info": {"device_ip": "127.0.0.1", "agent_name": "rpi4-01"}})
    );
    for line in provision.output.lines() {
        let (time, rest) = line.split_at(23);
        assert!(
            time.chars()
                .zip("0000-00-00 00:00:00,000".chars())
                .all(|(is, like)| if like == '0' {
                    is.is_ascii_digit()
                } else {
                    is == like
                }),
            "{line}"
        );
        assert!(
            rest.starts_with(" rpi4-01 INFO: DEVICE CONNECTOR: "),
            "{line}"
        );
    }
    let test = agent.phase("runtest");
    assert_eq!(test.status, 0, "{}", test.output);
    assert!(test.output.contains("tested"), "{}", test.output);
    for stage in ["allocate", "cleanup"] {
        assert_eq!(agent.phase(stage).status, 0, "{stage}");
    }
    assert_eq!(agent.detail("provision"), None);
}

#[test]
fn a_failure_is_told_whole_beside_those_of_other_phases() {
    let agent = Agent::new(
        "provision:
  timeout: 1m
  initial: write
  states:
    write:
      do:
        - run: echo no space left; exit 3
      retry: 2
      next: done
cleanup:
  timeout: 1m
  recovery: true
  do:
    - run: exit 4
",
    );
    // What the program that is replaced left there: two objects, one after the other.
    let file = agent.bench.run_dir().join("device-connector-error.json");
    fs::write(
        &file,
        r#"{"setup_exception_info": {"exception_name": "A"}}{"reserve_exception_info": {}}"#,
    )
    .expect("a file");
    assert_eq!(agent.phase("provision").status, 1);
    let detail = agent.detail("provision").expect("a detail");
    for told in [
        "ProvisioningError: provision failed",
        "/write",
        "try 2 of 2",
        "no space left",
    ] {
        assert!(detail.contains(told), "{told}: {detail}");
    }
    assert_eq!(agent.phase("cleanup").status, 46);
    let detail = agent.detail("cleanup").expect("a detail");
    assert!(detail.starts_with("RecoveryError: "), "{detail}");
    let whole = read_json(&file);
    let keys: Vec<&String> = whole.as_object().expect("an object").keys().collect();
    assert_eq!(
        keys,
        [
            "setup_exception_info",
            "reserve_exception_info",
            "provision_exception_info",
            "cleanup_exception_info"
        ]
    );
}

#[test]
fn a_test_gives_its_own_status_and_the_agents_own_numbers_are_kept_from_it() {
    let mut agent = Agent::new("provision:\n  timeout: 1m\n  do: []\n");
    for (exits, status) in [(7, 7), (46, 1), (2, 1), (130, 1), (143, 1)] {
        agent
            .bench
            .job("test_data", json!({"test_cmds": format!("exit {exits}")}));
        agent.bench.write_inputs();
        let test = agent.phase("runtest");
        assert_eq!(test.status, status, "{}", test.output);
        assert_eq!(agent.detail("test"), None, "it is no error of ours");
        assert_eq!(
            status == 1,
            test.output.contains("it is reported as 1"),
            "{}",
            test.output
        );
    }
}

#[test]
fn a_log_line_begins_on_a_line_of_its_own() {
    let mut agent = Agent::new("provision:\n  timeout: 1m\n  do: []\n");
    agent
        .bench
        .job("test_data", json!({"test_cmds": "printf 'no end'"}));
    agent.bench.write_inputs();
    let test = agent.phase("runtest");
    assert_eq!(test.status, 0, "{}", test.output);
    assert!(test.output.contains("no end\n2"), "{}", test.output);
}

#[test]
fn what_it_is_called_with_is_judged_as_before() {
    let agent = Agent::new("provision:\n  timeout: 1m\n  do: []\n");
    let help = agent.say("testflinger-device-connector --help");
    assert_eq!(help.status, 0);
    for word in ["muxpi", "trial", "firmware_update", "--config", "JOB_DATA"] {
        assert!(help.output.contains(word), "{word}: {}", help.output);
    }
    assert!(!help.output.contains(" base"), "{}", help.output);
    for (call, told) in [
        ("testflinger-device-connector", "Usage"),
        (
            "testflinger-device-connector trial test -c ../default.yaml testflinger.json",
            "runtest",
        ),
        (
            "testflinger-device-connector trail provision -c ../default.yaml testflinger.json",
            "trial",
        ),
        (
            "testflinger-device-connector trial provision testflinger.json",
            "--config",
        ),
    ] {
        let refused = agent.say(call);
        assert_eq!(refused.status, 2, "{call}: {}", refused.output);
        assert!(refused.output.contains(told), "{call}: {}", refused.output);
    }
    // Whatever is said of a stage has the form of a log line.
    let refused =
        agent.say("testflinger-device-connector trial provision -c ../none.yaml testflinger.json");
    for line in refused.output.lines() {
        assert!(line.contains("  ERROR: DEVICE CONNECTOR: "), "{line}");
    }
    // The options may come in any form that was taken before.
    for call in [
        "testflinger-device-connector trial provision testflinger.json --conf=../default.yaml",
        "testflinger-device-connector trial provision -c../default.yaml testflinger.json",
    ] {
        assert_eq!(agent.say(call).status, 0, "{call}");
    }
}

#[test]
fn bad_input_is_told_with_its_place_in_the_agents_file_too() {
    let agent = Agent::new("provision:\n  timeout: 1m\n  do: []\n");
    let run_dir = agent.bench.run_dir();
    fs::write(
        run_dir.join("bad.yaml"),
        "device_ip: a\nreboot_script: 3: 4\n",
    )
    .expect("a file");
    fs::write(
        run_dir.join("wrong.yaml"),
        "device_ip: a\nserial_port: many\n",
    )
    .expect("a file");
    for (config, told) in [
        ("bad.yaml", "bad.yaml:2"),
        ("wrong.yaml", "wrong.yaml:2"),
        ("none.yaml", "none.yaml"),
    ] {
        let refused = agent.say(&format!(
            "testflinger-device-connector trial provision -c {config} testflinger.json"
        ));
        assert_eq!(refused.status, 2, "{}", refused.output);
        let detail = agent.detail("provision").expect("a detail");
        assert!(detail.starts_with("InputError: "), "{detail}");
        assert!(detail.contains(told), "{told}: {detail}");
        assert_eq!(
            read_json(&run_dir.join("outcome.json"))["verdict"] == "infra",
            config != "none.yaml",
            "a board's config is the lab's"
        );
    }
}

#[test]
fn an_agent_that_kills_the_shell_alone_gets_its_board_back_in_order() {
    let agent = Agent::new(
        "provision:
  timeout: 10m
  initial: card
  states:
    card:
      initial: write
      states:
        write:
          do:
            - run: echo writing; exec sleep 600
              timeout: 9m
          next: done
      exit:
        - run: echo given back >>mux
      next: done
cleanup:
  timeout: 1m
  do:
    - run: cat mux
",
    );
    // A second command keeps the shell from giving its place to the first.
    let mut shell = started(
        agent.shell(&format!("{}; true", connector("provision"))),
        "| writing",
    );
    let pid = Pid::from_child(&shell);
    kill_process(pid, Signal::KILL).expect("the shell is ours");
    shell.wait().expect("it is gone");
    // As the agent does, at once; the stage before may still be at its end.
    let cleanup = agent.phase("cleanup");
    assert_eq!(cleanup.status, 0, "{}", cleanup.output);
    assert!(
        cleanup.output.contains("| given back"),
        "{}",
        cleanup.output
    );
    let mux = fs::read_to_string(agent.bench.run_dir().join("mux")).expect("a file");
    assert_eq!(mux, "given back\n", "once");
}
