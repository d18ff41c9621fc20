//! A lab for muxpi of real parts: two OpenSSH servers on port 22 of loopback addresses of their
//! own, a loop device as the card, the lab's commands as scripts.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::fs::{self, File, Permissions};
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::image::{Card, program, run};
use crate::sshd::{Setup, Sshd, TempUser};

/// What happens when the board is reset.
pub(crate) enum Board {
    /// Its SSH server comes up after so long.
    Boots(Duration),
    /// It stays down.
    Dead,
    /// Its port accepts connections, and never says a word.
    Mute,
}

/// Everything that `tf-engine run muxpi` meets.
pub(crate) struct MuxpiLab {
    dir: TempDir,
    control: Mutex<Sshd>,
    control_user: String,
    pub(crate) card: Card,
    pub(crate) user: TempUser,
    control_address: Ipv4Addr,
    board_address: Ipv4Addr,
    /// Further lines of the device config, replacing those with the same key.
    device: Vec<(String, Value)>,
    board: Option<JoinHandle<Option<Sshd>>>,
}

static LABS: AtomicU8 = AtomicU8::new(1);

impl MuxpiLab {
    /// Builds a lab with a card of `card_mib` MiB.
    pub(crate) fn new(board: Board, card_mib: u64) -> MuxpiLab {
        let user = TempUser::create();
        let dir = tempfile::Builder::new()
            .prefix("muxpi-")
            .tempdir()
            .expect("a folder");
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("chmod");
        let card = Card::blank(dir.path(), card_mib);
        for folder in ["bin", "run", "home/.ssh"] {
            fs::create_dir_all(dir.path().join(folder)).expect("a folder");
        }
        // A pair of addresses for each lab of each process that may run at the same time.
        let number = LABS.fetch_add(1, Ordering::Relaxed);
        let [high, low] = (std::process::id() as u16).to_be_bytes();
        let control_address = Ipv4Addr::new(127, 64 + high % 64, low, number.wrapping_mul(2));
        let board_address = Ipv4Addr::new(127, 64 + high % 64, low, number.wrapping_mul(2) + 1);

        for address in [control_address, board_address] {
            if let Err(error) = TcpListener::bind((address, 22)) {
                panic!("port 22 of {address}: {error}");
            }
        }

        let path = std::env::var("PATH").unwrap_or_default();
        let control = Setup::new()
            .line(format!("ListenAddress {control_address}:22"))
            .env(
                "PATH",
                &format!(
                    "{}:{path}:/usr/sbin:/sbin",
                    dir.path().join("bin").display()
                ),
            )
            .start();
        control.wait_for_log(&format!("listening on {control_address} port 22"));
        fs::copy(
            control.client_key(),
            dir.path().join("home/.ssh/id_ed25519"),
        )
        .expect("a key");
        fs::copy(
            control.client_key().with_extension("pub"),
            dir.path().join("home/.ssh/id_ed25519.pub"),
        )
        .expect("a key");
        let mut lab = MuxpiLab {
            control_user: control.user(),
            control: Mutex::new(control),
            card,
            user,
            control_address,
            board_address,
            device: Vec::new(),
            board: None,
            dir,
        };
        lab.install("stm", "echo \"$1\" >>\"$LAB/mux\"\n");
        lab.install("reset", "echo reset >\"$LAB/reset\"\n");
        run(program("mkfifo").arg(lab.dir.path().join("reset")));
        lab.board = Some(lab.await_reset(board));
        lab
    }

    /// A command of the control host's and of the engine's machine; `$LAB` is the lab's folder.
    pub(crate) fn install(&self, name: &str, body: &str) {
        let path = self.dir.path().join("bin").join(name);
        let text = format!("#!/bin/sh\nLAB={}\n{body}", self.dir.path().display());
        fs::write(&path, text).expect("a script");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("chmod");
    }

    /// Adds a line to the device config.
    pub(crate) fn device(&mut self, key: &str, value: Value) {
        self.device.push((key.to_owned(), value));
    }

    fn await_reset(&self, board: Board) -> JoinHandle<Option<Sshd>> {
        let fifo = self.dir.path().join("reset");
        let address = self.board_address;
        std::thread::spawn(move || {
            // Returns once the reset command has written to it.
            let mut line = String::new();
            File::open(fifo)
                .expect("a fifo")
                .read_to_string(&mut line)
                .expect("a line");
            match board {
                _ if line.is_empty() => None,
                Board::Dead => None,
                Board::Mute => {
                    let listener = TcpListener::bind((address, 22)).expect("the board's port");
                    // Held open, with what it accepts in its backlog, for as long as the test runs.
                    std::mem::forget(listener);
                    None
                }
                Board::Boots(after) => {
                    std::thread::sleep(after);
                    let board = Setup::new()
                        .line(format!("ListenAddress {address}:22"))
                        .line("PasswordAuthentication yes")
                        .start();
                    Some(board)
                }
            }
        })
    }

    /// The control host's server.
    pub(crate) fn control(&self) -> MutexGuard<'_, Sshd> {
        self.control.lock().expect("never poisoned")
    }

    /// The run directory.
    pub(crate) fn run_dir(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    /// A file of the lab's own folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Which way the card was switched, in order.
    pub(crate) fn mux(&self) -> Vec<String> {
        let log = fs::read_to_string(self.file("mux")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    /// `tf-engine run muxpi`, as an agent calls it.
    pub(crate) fn run(&self, provision_data: &Value) -> Run {
        self.run_stage("provision", provision_data)
    }

    /// The same, of any stage.
    pub(crate) fn run_stage(&self, stage: &str, provision_data: &Value) -> Run {
        let mut command = self.command(stage, provision_data);
        let output = command.output().expect("tf-engine can be executed");
        let outcome = fs::read_to_string(self.run_dir().join("outcome.json"));
        Run {
            outcome: outcome
                .ok()
                .and_then(|text| serde_json::from_str(&text).ok())
                .unwrap_or_default(),
            output,
        }
    }

    /// What an agent calls.
    pub(crate) fn command(&self, stage: &str, provision_data: &Value) -> Command {
        let config = self.file("default.yaml");
        fs::write(&config, self.default_yaml()).expect("the device config");
        let job = json!({
            "job_id": "00000000-0000-0000-0000-000000000000",
            "job_queue": "rpi4",
            "global_timeout": 14400,
            "output_timeout": 900,
            "provision_data": provision_data,
            "test_data": {
                "test_cmds": "true",
                "test_username": self.user.name(),
                "test_password": self.user.password(),
            },
        });
        fs::write(self.run_dir().join("testflinger.json"), job.to_string()).expect("the job");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tf-engine"));
        command
            .args(["run", "muxpi", "--stage", stage, "-c"])
            .arg(config)
            .current_dir(self.run_dir())
            .env("HOME", self.file("home"))
            .env_remove("SSH_AUTH_SOCK")
            .env_remove("XDG_STATE_HOME");
        command
    }

    fn default_yaml(&self) -> String {
        let mut lines: Vec<(String, Value)> = [
            ("agent_name", json!("rpi4-01")),
            ("device_ip", json!(self.board_address.to_string())),
            ("control_host", json!(self.control_address.to_string())),
            ("control_user", json!(self.control_user)),
            ("test_device", json!(self.card.node())),
            ("reboot_script", json!([self.file("bin/reset")])),
            ("env", json!({"WPA_BG_SSID": "lab", "PORT": 22})),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
        for (key, value) in &self.device {
            lines.retain(|(other, _)| other != key);
            lines.push((key.clone(), value.clone()));
        }
        // JSON is YAML.
        lines
            .iter()
            .map(|(key, value)| format!("{key}: {value}\n"))
            .collect()
    }

    /// Whether the engine's key was put on the board.
    pub(crate) fn is_authorized(&self) -> bool {
        let key = fs::read_to_string(self.file("home/.ssh/id_ed25519.pub")).expect("a key");
        let known = fs::read_to_string(self.user.home().join(".ssh/authorized_keys"));
        let key = key.split_whitespace().nth(1).expect("a key");
        known.is_ok_and(|known| known.contains(key))
    }

    /// The board's address.
    pub(crate) fn board_address(&self) -> Ipv4Addr {
        self.board_address
    }
}

impl Drop for MuxpiLab {
    fn drop(&mut self) {
        // A board that was never reset still waits for it.
        let fifo = self.dir.path().join("reset");
        let _ = File::options().read(true).write(true).open(&fifo);
        if let Some(board) = self.board.take() {
            let _ = board.join();
        }
    }
}

/// How a run went.
pub(crate) struct Run {
    pub(crate) output: Output,
    /// `outcome.json`; null where there is none.
    pub(crate) outcome: Value,
}

impl Run {
    /// Fails the test, with all that was said, unless the run ended so.
    #[track_caller]
    pub(crate) fn ends_with(&self, status: i32) -> &Run {
        assert_eq!(
            self.output.status.code(),
            Some(status),
            "{}\n{}\n{:#}",
            String::from_utf8_lossy(&self.output.stdout),
            String::from_utf8_lossy(&self.output.stderr),
            self.outcome
        );
        assert_eq!(self.outcome["exit_status"], status);
        self
    }
}

/// Whether the card begins with exactly these bytes.
pub(crate) fn holds(card: &Card, image: &Path) -> bool {
    let image = fs::read(image).expect("the image");
    let mut held = vec![0; image.len()];
    File::open(card.file())
        .expect("the card")
        .read_exact(&mut held)
        .expect("the card");
    held == image
}
