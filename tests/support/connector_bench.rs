//! A bench for shipped recipes: a run directory, a device config, a job, and stand-in commands that
//! keep a record of how they were called. The program runs as an agent would run it.
#![allow(dead_code, reason = "each test uses its own part")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// The bench, in a temporary folder.
pub(crate) struct ConnectorBench {
    dir: TempDir,
    device: Map<String, Value>,
    job: Map<String, Value>,
    env: Vec<(String, String)>,
}

/// How a run went.
pub(crate) struct Ran {
    pub(crate) output: Output,
    /// `outcome.json`; null where there is none.
    pub(crate) outcome: Value,
}

impl ConnectorBench {
    /// An empty config, and a job with an id.
    pub(crate) fn new() -> ConnectorBench {
        let dir = TempDir::new().expect("a temporary folder");
        for folder in ["run", "bin", "home"] {
            fs::create_dir(dir.path().join(folder)).expect("a folder");
        }
        let mut job = Map::new();
        job.insert("job_id".into(), json!("job-1"));
        ConnectorBench {
            dir,
            device: Map::new(),
            job,
            env: Vec::new(),
        }
    }

    /// Sets a key of the device config.
    pub(crate) fn device(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        self.device.insert(key.to_owned(), value.into());
        self
    }

    /// Sets a key of the job.
    pub(crate) fn job(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        self.job.insert(key.to_owned(), value.into());
        self
    }

    /// Sets a variable of the program's environment.
    pub(crate) fn env(&mut self, name: &str, value: &str) -> &mut Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A path in the bench's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Where the run's files are.
    pub(crate) fn run_dir(&self) -> PathBuf {
        self.path("run")
    }

    /// The folder of the stand-ins; first in the `PATH` of the program. An sshd is given it by
    /// `Setup::env`.
    pub(crate) fn bin(&self) -> PathBuf {
        self.path("bin")
    }

    /// A command: each call adds a line to the record (the name and the arguments, with a space
    /// between), then `body` is done by `sh`. `$BENCH` is the bench's folder.
    pub(crate) fn stand_in(&self, name: &str, body: &str) -> PathBuf {
        let path = self.bin().join(name);
        let bench = self.dir.path().display();
        let text = format!(
            "#!/bin/sh\nBENCH={bench}\necho \"{name}${{*:+ $*}}\" >>\"$BENCH/calls\"\n{body}\n"
        );
        fs::write(&path, text).expect("a script");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("chmod");
        path
    }

    /// The record: how the stand-ins were called, in order.
    pub(crate) fn calls(&self) -> Vec<String> {
        let record = fs::read_to_string(self.path("calls")).unwrap_or_default();
        record.lines().map(str::to_owned).collect()
    }

    /// Writes `default.yaml`, and `testflinger.json` in the run directory.
    pub(crate) fn write_inputs(&self) -> PathBuf {
        let config = self.path("default.yaml");
        // JSON is YAML.
        fs::write(&config, Value::from(self.device.clone()).to_string()).expect("the config");
        fs::write(
            self.run_dir().join("testflinger.json"),
            Value::from(self.job.clone()).to_string(),
        )
        .expect("the job");
        config
    }

    /// `tf-engine run RECIPE --stage STAGE`, in the run directory, with config and job written.
    pub(crate) fn command(&self, recipe: &str, stage: &str) -> Command {
        let config = self.write_inputs();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tf-engine"));
        command
            .args(["run", recipe, "--stage", stage, "-c"])
            .arg(config);
        self.surround(&mut command);
        command
    }

    /// Gives a command the bench's environment: its run directory, its home, its `PATH`.
    pub(crate) fn surround(&self, command: &mut Command) {
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .current_dir(self.run_dir())
            .env("HOME", self.path("home"))
            .env("PATH", format!("{}:{path}", self.bin().display()))
            .env_remove("SSH_AUTH_SOCK")
            .env_remove("XDG_STATE_HOME")
            .envs(self.env.iter().map(|(name, value)| (name, value)));
    }

    /// Runs a stage to its end.
    pub(crate) fn run(&self, recipe: &str, stage: &str) -> Ran {
        let output = self
            .command(recipe, stage)
            .output()
            .expect("tf-engine can be executed");
        Ran {
            output,
            outcome: read_json(&self.run_dir().join("outcome.json")),
        }
    }
}

impl Ran {
    /// Fails the test, with all that was said, unless the run ended so.
    #[track_caller]
    pub(crate) fn ends_with(&self, status: i32) -> &Ran {
        assert_eq!(
            self.output.status.code(),
            Some(status),
            "{}\n{}\n{:#}",
            self.stdout(),
            self.stderr(),
            self.outcome
        );
        self
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }
}

/// A JSON file; null where there is none.
pub(crate) fn read_json(path: &Path) -> Value {
    fs::read_to_string(path)
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default()
}
