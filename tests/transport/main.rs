//! The transport room against the real thing: processes, a real sshd, real sockets.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by these what is wrong"
)]

#[path = "../support/sshd.rs"]
mod sshd;

mod dropbear;
mod http;
mod local;
mod probes;
mod ssh;
mod ssh_auth;

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tf_engine::transport::{Ended, OutputSink, Program, Shell, Stop, Stream};
use tokio::sync::watch;

/// Longest that a test waits for something that comes at once.
const PATIENCE: Duration = Duration::from_secs(30);

/// Keeps what a command writes, and tells when something was written.
#[derive(Clone)]
struct Output {
    bytes: Arc<Mutex<[Vec<u8>; 2]>>,
    grown: watch::Sender<usize>,
}

impl Output {
    fn new() -> Output {
        Output {
            bytes: Arc::default(),
            grown: watch::Sender::new(0),
        }
    }

    fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()[0]).into_owned()
    }

    fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()[1]).into_owned()
    }

    /// Returns once standard output holds a line that ends with `text`.
    async fn line(&self, text: &str) {
        let mut grown = self.grown.subscribe();
        let end = format!("{text}\n");
        let seen = async {
            while !self.stdout().contains(&end) {
                grown.changed().await.expect("we hold a sender ourselves");
            }
        };
        if tokio::time::timeout(PATIENCE, seen).await.is_err() {
            panic!("no {text:?} in {:?}, {:?}", self.stdout(), self.stderr());
        }
    }
}

impl OutputSink for Output {
    fn output(&mut self, stream: Stream, bytes: &[u8]) {
        let mut kept = self.bytes.lock().unwrap();
        kept[usize::from(stream == Stream::Stderr)].extend_from_slice(bytes);
        self.grown.send_modify(|count| *count += bytes.len());
    }
}

fn bash(text: &str) -> Program {
    Program::Shell {
        shell: Shell::Bash,
        text: text.to_owned(),
    }
}

fn sh(text: &str) -> Program {
    Program::Shell {
        shell: Shell::Sh,
        text: text.to_owned(),
    }
}

fn asked() -> Stop {
    let stop = Stop::new();
    stop.ask.cancel();
    stop
}

fn killed_by(name: &str, number: u32) -> Ended {
    Ended::Signal(name.to_owned(), number)
}

/// Whether a process runs: it exists, and is not merely waiting to be reaped.
fn lives(pid: u32) -> bool {
    fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"))
        .is_ok_and(|stat| !stat.contains(") Z "))
}

/// Waits for a process to go.
async fn gone(pid: u32) {
    let begun = Instant::now();
    while lives(pid) {
        assert!(begun.elapsed() < PATIENCE, "process {pid} lives on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The number on the first line.
fn pid_in(text: &str) -> u32 {
    text.lines().next().unwrap().trim().parse().unwrap()
}
