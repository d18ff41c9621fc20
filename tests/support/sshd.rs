//! A real OpenSSH server on loopback, with its own host key, keys and port, in a temporary folder.
//!
//! ```text
//! let sshd = Sshd::start();
//! let host = connect("127.0.0.1", sshd.port(), sshd.user(), sshd.client_key());
//! ```
//!
//! It runs as whoever runs the tests and lets that user in by `client_key`. As root it can also let
//! in a [`TempUser`], with a password. Everything it started ends when it is dropped.
//!
//! A test that uses it is marked with what it needs: see `build.rs`.
#![allow(
    dead_code,
    clippy::panic,
    reason = "a test binary uses a part of this, and a panic says what is wrong"
)]

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

/// How many ports are tried: another process may take one between the choice and sshd's own bind.
const PORT_TRIES: u32 = 20;
/// Longest that anything here waits for sshd to say something.
const PATIENCE: Duration = Duration::from_secs(20);

/// What differs from a plain server.
#[derive(Default)]
pub(crate) struct Setup {
    lines: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Setup {
    /// A plain server.
    pub(crate) fn new() -> Setup {
        Setup::default()
    }

    /// Adds a line of `sshd_config(5)`. Lines added here win over the harness's own.
    pub(crate) fn line(mut self, line: impl Into<String>) -> Setup {
        self.lines.push(line.into());
        self
    }

    /// Sets an environment variable of every session (`SetEnv`), for instance `PATH`.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Setup {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts the server.
    pub(crate) fn start(self) -> Sshd {
        let program = find_program("sshd").expect("sshd (openssh-server)");
        Sshd::launch(program, &self)
    }
}

/// A running server.
pub(crate) struct Sshd {
    program: PathBuf,
    dir: TempDir,
    port: u16,
    listener: Child,
    log: Arc<Log>,
}

impl Sshd {
    /// Starts a plain server.
    pub(crate) fn start() -> Sshd {
        Setup::new().start()
    }

    fn launch(program: PathBuf, setup: &Setup) -> Sshd {
        let dir = tempfile::Builder::new()
            .prefix("sshd-")
            .tempdir()
            .expect("a temporary folder");
        // A server that runs as root reads authorized_keys as the user who logs in.
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("chmod");
        if geteuid().is_root() {
            // Where sshd separates its privileges; made by the service's start-up elsewhere.
            fs::create_dir_all("/run/sshd").expect("/run/sshd");
        }
        generate_key(&dir.path().join("host_key"));
        generate_key(&dir.path().join("client_key"));
        fs::copy(
            dir.path().join("client_key.pub"),
            dir.path().join("authorized_keys"),
        )
        .expect("authorized_keys");

        for _ in 0..PORT_TRIES {
            let port = free_port();
            write_config(&program, dir.path(), port, setup);
            let log = Arc::new(Log::default());
            if let Some(listener) = spawn(&program, dir.path(), &log) {
                return Sshd {
                    program,
                    dir,
                    port,
                    listener,
                    log,
                };
            }
            if !log.text().contains("already in use") {
                panic!("sshd did not start: {}", log.text());
            }
        }
        panic!("no free port in {PORT_TRIES} tries");
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Who is let in by [`Sshd::client_key`].
    pub(crate) fn user(&self) -> String {
        current_user()
    }

    /// A private key (ed25519, no passphrase) that is let in.
    pub(crate) fn client_key(&self) -> PathBuf {
        self.dir.path().join("client_key")
    }

    /// Lets one more key in: a line of `authorized_keys`.
    pub(crate) fn authorize(&self, line: &str) {
        let mut file = File::options()
            .append(true)
            .open(self.dir.path().join("authorized_keys"))
            .expect("authorized_keys");
        writeln!(file, "{}", line.trim_end()).expect("authorized_keys");
    }

    /// The server's own folder.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The host key as a line of `known_hosts`.
    pub(crate) fn known_hosts_line(&self) -> String {
        let key = fs::read_to_string(self.dir.path().join("host_key.pub")).expect("host_key.pub");
        format!("[127.0.0.1]:{} {}", self.port, key.trim_end())
    }

    /// What the server has logged.
    pub(crate) fn log(&self) -> String {
        self.log.text()
    }

    /// Returns once the server's log has `text`, at once if it has it already.
    pub(crate) fn wait_for_log(&self, text: &str) {
        self.log.wait_for(text);
    }

    /// Ends every connection the hard way; the listener stays. As when a host loses its network,
    /// save that the client is told at once.
    pub(crate) fn cut_connections(&self) {
        for pid in self.connection_pids() {
            signal(pid, Signal::KILL);
        }
    }

    /// Stops every part of the server without closing a socket: a peer that has fallen silent.
    pub(crate) fn freeze(&self) {
        for pid in self.server_pids() {
            signal(pid, Signal::STOP);
        }
    }

    /// Undoes [`Sshd::freeze`].
    pub(crate) fn thaw(&self) {
        for pid in self.server_pids() {
            signal(pid, Signal::CONT);
        }
    }

    /// The host goes away: listener and connections are killed, the port refuses.
    pub(crate) fn stop(&mut self) {
        let connections = self.connection_pids();
        signal(self.listener.id(), Signal::KILL);
        for pid in connections {
            signal(pid, Signal::KILL);
        }
        let _ = self.listener.wait();
    }

    /// The host comes back on the same port.
    pub(crate) fn start_again(&mut self) {
        let log = Arc::new(Log::default());
        self.listener = spawn(&self.program, self.dir.path(), &log)
            .unwrap_or_else(|| panic!("sshd did not start again: {}", log.text()));
        self.log = log;
    }

    /// The host comes back with another host key, as after a reinstallation.
    pub(crate) fn start_again_reinstalled(&mut self) {
        let key = self.dir.path().join("host_key");
        fs::remove_file(&key).expect("host_key");
        generate_key(&key);
        self.start_again();
    }

    /// The parts of sshd that serve a connection, not the commands that they run.
    fn connection_pids(&self) -> Vec<u32> {
        let mut pids = descendants(self.listener.id());
        pids.retain(|&pid| {
            fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|name| name.starts_with("sshd"))
        });
        pids
    }

    fn server_pids(&self) -> Vec<u32> {
        let mut pids = self.connection_pids();
        pids.push(self.listener.id());
        pids
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let everything = descendants(self.listener.id());
        signal(self.listener.id(), Signal::KILL);
        for pid in everything {
            signal(pid, Signal::KILL);
        }
        let _ = self.listener.wait();
    }
}

/// A user of its own with a password, its home in a temporary folder, and `/bin/sh`; removed when
/// dropped.
pub(crate) struct TempUser {
    name: String,
    password: String,
    dir: TempDir,
}

impl TempUser {
    /// Makes the user.
    pub(crate) fn create() -> TempUser {
        let dir = tempfile::Builder::new()
            .prefix("home-")
            .tempdir()
            .expect("a temporary folder");
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("chmod");
        let suffix = dir
            .path()
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .replace("home-", "");
        let user = TempUser {
            name: format!("tfe-{}", suffix.to_lowercase()),
            password: format!("pw {suffix} it's"),
            dir,
        };
        let _lock = accounts_lock();
        let home = user.dir.path().join("home");
        run(Command::new("useradd")
            .args(["--shell", "/bin/sh", "--create-home", "--home-dir"])
            .arg(&home)
            .arg(&user.name));
        let mut chpasswd = Command::new("chpasswd")
            .stdin(Stdio::piped())
            .spawn()
            .expect("chpasswd");
        let mut input = chpasswd.stdin.take().expect("piped");
        writeln!(input, "{}:{}", user.name, user.password).expect("chpasswd");
        drop(input);
        assert!(chpasswd.wait().expect("chpasswd").success());
        user
    }

    /// The login's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The login's password.
    pub(crate) fn password(&self) -> &str {
        &self.password
    }

    /// The login's home folder, owned by it.
    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// Gives a file to the user.
    pub(crate) fn give(&self, path: &Path) {
        let home = fs::metadata(self.home()).expect("home");
        chown(path, Some(home.uid()), Some(home.gid())).expect("chown");
    }
}

impl Drop for TempUser {
    fn drop(&mut self) {
        let _lock = accounts_lock();
        let _ = Command::new("userdel")
            .arg("--force")
            .arg(&self.name)
            .stderr(Stdio::null())
            .status();
    }
}

/// Makes an ed25519 key pair without a passphrase at `path` and `path.pub`.
pub(crate) fn generate_key(path: &Path) {
    run(Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path));
}

/// Every living descendant of a process.
pub(crate) fn descendants(root: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        // proc_pid_stat(5): the name in brackets may hold anything; then state and parent.
        let Some((_, rest)) = stat.rsplit_once(") ") else {
            continue;
        };
        let parent = rest.split(' ').nth(1).and_then(|field| field.parse().ok());
        parents.push((pid, parent.unwrap_or(0)));
    }
    let mut found = vec![root];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        found.extend(
            parents
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(pid, _)| *pid),
        );
        next += 1;
    }
    found.remove(0);
    found
}

/// Where a program is: in `PATH`, or where servers are kept.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

#[derive(Default)]
struct Log {
    text: Mutex<(String, bool)>,
    changed: Condvar,
}

impl Log {
    fn text(&self) -> String {
        self.text.lock().expect("never poisoned").0.clone()
    }

    fn follow(&self, stream: impl std::io::Read) {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader
            .read_until(b'\n', &mut line)
            .is_ok_and(|read| read > 0)
        {
            self.text
                .lock()
                .expect("never poisoned")
                .0
                .push_str(&String::from_utf8_lossy(&line));
            self.changed.notify_all();
            line.clear();
        }
        self.text.lock().expect("never poisoned").1 = true;
        self.changed.notify_all();
    }

    /// Whether `text` came before the end of the log.
    fn appears(&self, text: &str) -> bool {
        let begun = Instant::now();
        let mut log = self.text.lock().expect("never poisoned");
        loop {
            if log.0.contains(text) {
                return true;
            }
            let left = PATIENCE.saturating_sub(begun.elapsed());
            if log.1 || left.is_zero() {
                return false;
            }
            log = self
                .changed
                .wait_timeout(log, left)
                .expect("never poisoned")
                .0;
        }
    }

    fn wait_for(&self, text: &str) {
        assert!(
            self.appears(text),
            "sshd never logged {text:?}: {}",
            self.text()
        );
    }
}

/// Starts sshd and waits until it listens; `None` if it ended instead.
fn spawn(program: &Path, dir: &Path, log: &Arc<Log>) -> Option<Child> {
    let mut child = Command::new(program)
        .args(["-D", "-e", "-f"])
        .arg(dir.join("sshd_config"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .expect("sshd can be executed");
    let stderr = child.stderr.take().expect("piped");
    let follower = Arc::clone(log);
    std::thread::spawn(move || follower.follow(stderr));
    if log.appears("Server listening on") {
        return Some(child);
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

fn write_config(program: &Path, dir: &Path, port: u16, setup: &Setup) {
    let shown = dir.display();
    let mut config = String::new();
    // sshd takes the first value of each keyword.
    for line in &setup.lines {
        config.push_str(line);
        config.push('\n');
    }
    // A second-level bash reads no start-up files over SSH: the account's own would be in the way.
    let mut variables = String::from("SHLVL=2");
    for (name, value) in &setup.environment {
        variables.push_str(&format!(" \"{name}={value}\""));
    }
    config.push_str(&format!("SetEnv {variables}\n"));
    config.push_str(&format!(
        "Port {port}\n\
         ListenAddress 127.0.0.1\n\
         HostKey {shown}/host_key\n\
         PidFile none\n\
         LogLevel VERBOSE\n\
         StrictModes no\n\
         UsePAM no\n\
         PermitRootLogin yes\n\
         PubkeyAuthentication yes\n\
         AuthorizedKeysFile {shown}/authorized_keys .ssh/authorized_keys\n\
         PasswordAuthentication no\n\
         KbdInteractiveAuthentication no\n\
         MaxStartups 200\n\
         MaxSessions 100\n\
         PrintMotd no\n\
         UseDNS no\n"
    ));
    let path = dir.join("sshd_config");
    // OpenSSH 9.8 answers repeated failures from one address with delays; older ones don't know it.
    fs::write(&path, format!("{config}PerSourcePenalties no\n")).expect("sshd_config");
    let accepted = Command::new(program)
        .args(["-t", "-f"])
        .arg(&path)
        .stderr(Stdio::null())
        .status()
        .expect("sshd can be executed");
    if !accepted.success() {
        fs::write(&path, config).expect("sshd_config");
    }
}

fn free_port() -> u16 {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    socket.local_addr().expect("an address").port()
}

fn current_user() -> String {
    let output = Command::new("id").arg("-un").output().expect("id");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// useradd refuses to work while another one does.
fn accounts_lock() -> File {
    let path = std::env::temp_dir().join("tf-engine-test-accounts.lock");
    let file = File::options()
        .create(true)
        .append(true)
        .open(path)
        .expect("a lock file");
    file.lock().expect("a lock");
    file
}

fn run(command: &mut Command) {
    let output = command.output().expect("can be executed");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}
