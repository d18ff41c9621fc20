//! A stand-in for the `maas` command with a node behind it.
//!
//! The command is a script that hands its arguments to this process and prints the answer, as the
//! real one prints what the server answered: on standard output, also what it refused, and then with
//! exit status 2.

use std::fs::{self, Permissions};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use crate::maas_node::Node;

/// Longest that a test waits for a call.
const PATIENCE: Duration = Duration::from_secs(60);

/// The node's system id.
pub(crate) const SYSTEM_ID: &str = "4y3h7n";
/// The command's profile.
pub(crate) const PROFILE: &str = "lab";

/// A MAAS with one node; it ends with the process.
pub(crate) struct Maas {
    shared: Arc<Shared>,
}

struct Shared {
    node: Mutex<Node>,
    calls: Mutex<Vec<String>>,
    called: Condvar,
}

impl Maas {
    /// Starts it, and puts a `maas` into the folder.
    pub(crate) fn start(node: Node, bin: &Path) -> Maas {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let script = format!(
            "#!/bin/bash\n\
             # Hands the arguments over, each ended by a NUL; gets the exit status and the output.\n\
             set -eu\n\
             exec 3<>/dev/tcp/127.0.0.1/{port}\n\
             printf '%s\\n' \"$#\" >&3\n\
             printf '%s\\0' \"$@\" >&3\n\
             read -r status <&3\n\
             cat <&3\n\
             exit \"$status\"\n"
        );
        let path = bin.join("maas");
        fs::write(&path, script).expect("a script");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("chmod");
        let shared = Arc::new(Shared {
            node: Mutex::new(node),
            calls: Mutex::default(),
            called: Condvar::new(),
        });
        let served = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A command that was ended before its answer is nobody's loss.
                let _ = served.answer(stream);
            }
        });
        Maas { shared }
    }

    /// The node, to look at or to change.
    pub(crate) fn node(&self) -> MutexGuard<'_, Node> {
        self.shared.node.lock().expect("never poisoned")
    }

    /// What was asked, in order: the arguments after the profile, without the system id.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.shared.calls.lock().expect("never poisoned").clone()
    }

    /// The calls that change something.
    pub(crate) fn changes(&self) -> Vec<String> {
        let reads = |call: &String| call.contains(" read") || call.contains(" download");
        let mut calls = self.calls();
        calls.retain(|call| !reads(call));
        calls
    }

    /// Returns once such a call has come.
    pub(crate) fn wait_for(&self, beginning: &str) {
        let calls = self.shared.calls.lock().expect("never poisoned");
        let missing = |calls: &mut Vec<String>| !calls.iter().any(|it| it.starts_with(beginning));
        let waited = self
            .shared
            .called
            .wait_timeout_while(calls, PATIENCE, missing);
        let (calls, timeout) = waited.expect("never poisoned");
        assert!(!timeout.timed_out(), "no {beginning:?} in {calls:?}");
    }
}

impl Shared {
    fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut request = BufReader::new(stream.try_clone()?);
        let mut count = String::new();
        request.read_line(&mut count)?;
        let mut argv = Vec::new();
        for _ in 0..count.trim().parse().unwrap_or(0) {
            let mut word = Vec::new();
            request.read_until(0, &mut word)?;
            word.pop();
            argv.push(String::from_utf8_lossy(&word).into_owned());
        }
        let (status, text) = match argv.split_first() {
            Some((profile, rest)) if profile == PROFILE => {
                let words: Vec<&str> = rest.iter().map(String::as_str).collect();
                let answer = self
                    .node
                    .lock()
                    .expect("never poisoned")
                    .ask(&words, SYSTEM_ID);
                let told: Vec<&str> = words.into_iter().filter(|it| *it != SYSTEM_ID).collect();
                self.calls
                    .lock()
                    .expect("never poisoned")
                    .push(told.join(" "));
                self.called.notify_all();
                answer
            }
            _ => (2, format!("argument COMMAND: invalid choice: {argv:?}")),
        };
        write!(stream, "{status}\n{text}")
    }
}
