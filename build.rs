//! Tells the tests what this machine has, as `cfg(have = "…")`; the library and the program see none
//! of it.
//!
//! A test that can't run must not count as passed. libtest can leave a test out, and count it as
//! ignored with a reason, only by what is written at it when it is compiled; so the look around
//! happens here:
//!
//! ```text
//! #[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
//! ```
//!
//! One such line names all that a test needs: of two, the second would be unused. The look is repeated
//! when a command comes or goes, or when `PATH` or the user changes. Nothing that is missing is an
//! error.

use std::env;
use std::fs::{self, OpenOptions};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where servers and mkfs are; not every user has these in `PATH`.
const SYSTEM: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

const SSHD: &[&str] = &["ssh-add", "ssh-agent", "ssh-keygen", "sshd"];

/// A capability, and all the commands that it takes.
const COMMANDS: [(&str, &[&str]); 9] = [
    ("busybox", &["busybox"]),
    ("dash", &["dash"]),
    ("dropbear", &["dropbear", "dropbearkey", "ssh-keygen"]),
    ("mkfs", &["mkfs.ext4", "mkfs.vfat", "sfdisk"]),
    ("openssl", &["openssl"]),
    ("script", &["script"]),
    ("ssh", &["ssh"]),
    ("sshd", SSHD),
    ("sudo", &["sudo"]),
];

fn main() {
    let folders = folders();
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=PATH");
    println!("cargo::rerun-if-env-changed=USER");
    for folder in &folders {
        println!("cargo::rerun-if-changed={}", folder.display());
    }

    let all = |commands: &[&str]| {
        commands
            .iter()
            .all(|command| folders.iter().any(|folder| folder.join(command).is_file()))
    };
    for (name, commands) in COMMANDS {
        tell(name, all(commands));
    }
    let root = is_root();
    tell("root", root);
    let users = root && all(&["chpasswd", "useradd", "userdel"]);
    tell("users", users);
    let loops = root && all(&["losetup", "partx"]) && may_write("/dev/loop-control");
    tell("loop", loops);
    let board = [
        "blkid",
        "git",
        "mkfs.ext4",
        "mkfs.vfat",
        "sfdisk",
        "sudo",
        "wget",
    ];
    tell("oem-board", loops && all(SSHD) && all(&board));
    // Port 22 is taken where a server listens on every address.
    let port = TcpListener::bind("127.64.0.1:22").is_ok();
    tell("muxpi-lab", users && loops && port && all(SSHD));
    tell("aes", cpu_has_aes());
    tell("ping", pings());
    tell("ipv6", TcpListener::bind("[::1]:0").is_ok());
}

fn tell(name: &str, have: bool) {
    println!("cargo::rustc-check-cfg=cfg(have, values(\"{name}\"))");
    if have {
        println!("cargo::rustc-cfg=have=\"{name}\"");
    }
}

/// The folders of `PATH` and [`SYSTEM`] that exist: cargo takes a path that is not there for changed.
/// One in the project, or around it, changes with every build.
fn folders() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = Vec::new();
    for folder in env::split_paths(&path).chain(SYSTEM.map(PathBuf::from)) {
        if let Ok(folder) = folder.canonicalize()
            && folder.is_dir()
            && !folder.starts_with(project)
            && !project.starts_with(&folder)
            && !folders.contains(&folder)
        {
            folders.push(folder);
        }
    }
    folders
}

/// By the effective user id, the second in its line: proc_pid_status(5).
fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .is_some_and(|ids| ids.split_whitespace().nth(1) == Some("0"))
}

fn may_write(path: &str) -> bool {
    OpenOptions::new().read(true).write(true).open(path).is_ok()
}

fn cpu_has_aes() -> bool {
    fs::read_to_string("/proc/cpuinfo").is_ok_and(|cpus| cpus.contains(" aes "))
}

/// Whether an ICMP socket may be opened is best asked by opening one.
fn pings() -> bool {
    Command::new("ping")
        .args(["-n", "-c", "1", "-W", "1", "127.0.0.1"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
