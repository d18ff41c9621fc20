//! Who is let in, and whom we believe to be talking to.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::sync::Arc;

use tf_engine::transport::{
    Command, Ended, Fault, FaultKind, HostKeyPolicy, SshHost, SshKeys, SshTarget, create_key,
};

use crate::ssh::{run, there, there_with};
use crate::sshd::{Setup, TempUser, generate_key};

#[track_caller]
fn refused(fault: &Fault, parts: &[&str]) {
    assert_eq!(fault.kind, FaultKind::Auth, "{fault}");
    for part in parts {
        assert!(fault.message.contains(part), "{part:?} is not in: {fault}");
    }
}

async fn works(host: &SshHost) {
    let (ended, _) = run(host, Command::argv(["true"])).await;
    assert_eq!(ended, Ok(Ended::Status(0)));
}

fn make_key(kind: &[&str], passphrase: &str, path: &Path) -> String {
    let made = Process::new("ssh-keygen")
        .args(["-q", "-t"])
        .args(kind)
        .args(["-N", passphrase, "-f"])
        .arg(path)
        .status()
        .unwrap();
    assert!(made.success());
    fs::read_to_string(path.with_extension("pub")).unwrap()
}

/// A real ssh-agent with one key.
struct Agent {
    process: std::process::Child,
    socket: PathBuf,
}

impl Agent {
    fn start(dir: &Path, key: &Path) -> Agent {
        use std::io::BufRead;
        let socket = dir.join("agent");
        let mut process = Process::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It says where it listens once it does.
        let mut line = String::new();
        let stdout = process.stdout.as_mut().unwrap();
        std::io::BufReader::new(stdout)
            .read_line(&mut line)
            .unwrap();
        let added = Process::new("ssh-add")
            .arg("-q")
            .arg(key)
            .env("SSH_AUTH_SOCK", &socket)
            .status()
            .unwrap();
        assert!(added.success());
        Agent { process, socket }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn every_kind_of_key_file_is_taken() {
    let there = there();
    for (name, kind) in [
        ("rsa", &["rsa", "-b", "2048"][..]),
        ("ecdsa", &["ecdsa"]),
        ("old", &["rsa", "-b", "2048", "-m", "PEM"]),
    ] {
        let path = there.dir.path().join(name);
        there.server.authorize(&make_key(kind, "", &path));
        let target = SshTarget {
            identities: Some(vec![path]),
            ..there.target()
        };
        works(&there.host_with(target, there.keys())).await;
    }
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn the_engine_offers_its_own_keys_where_none_is_named() {
    let there = there();
    let ours = there.dir.path().join("home/.ssh/id_ed25519");
    let keys = SshKeys {
        identities: vec![there.dir.path().join("no-such-key"), ours.clone()],
        ..there.keys()
    };
    let target = SshTarget {
        identities: None,
        ..there.target()
    };
    let host = there.host_with(target, keys);
    assert_eq!(host.public_key().await, Ok(None));
    let fault = host.connect().await.unwrap_err();
    refused(
        &fault,
        &["no key was found and no password given", "publickey"],
    );

    let line = create_key(&ours).unwrap();
    assert_eq!(host.public_key().await, Ok(Some(line.clone())));
    refused(
        &host.connect().await.unwrap_err(),
        &["offered: key", "SHA256:"],
    );
    there.server.authorize(&line);
    works(&host).await;
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn an_agent_signs_also_for_a_key_with_a_passphrase() {
    let there = there();
    let plain = there.dir.path().join("of_agent");
    there
        .server
        .authorize(&make_key(&["rsa", "-b", "2048"], "", &plain));
    let agent = Agent::start(there.dir.path(), &plain);
    // The agent has the key; the file that is left is of no use without it.
    let encrypted = there.dir.path().join("encrypted");
    fs::copy(&plain, &encrypted).unwrap();
    let changed = Process::new("ssh-keygen")
        .args(["-q", "-p", "-P", "", "-N", "secret", "-f"])
        .arg(&encrypted)
        .status()
        .unwrap();
    assert!(changed.success());
    let with_agent = SshKeys {
        agent: Some(agent.socket.clone()),
        ..there.keys()
    };
    let unnamed = SshTarget {
        identities: None,
        ..there.target()
    };
    works(&there.host_with(unnamed, with_agent.clone())).await;
    let named = SshTarget {
        identities: Some(vec![encrypted]),
        ..there.target()
    };
    works(&there.host_with(named.clone(), with_agent)).await;
    let fault = there
        .host_with(named, there.keys())
        .connect()
        .await
        .unwrap_err();
    refused(&fault, &["needs a passphrase, and no agent holds it"]);
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn refused_credentials_say_what_was_offered() {
    let there = there();
    let stranger = there.dir.path().join("stranger");
    generate_key(&stranger);
    let target = SshTarget {
        identities: Some(vec![stranger.clone(), there.dir.path().join("missing")]),
        ..there.target()
    };
    let fault = there
        .host_with(target, there.keys())
        .connect()
        .await
        .unwrap_err();
    let port = there.server.port().to_string();
    refused(
        &fault,
        &[
            "board (",
            &port,
            "stranger (SHA256:",
            "missing (not usable: No such file",
            "the server takes: publickey",
        ],
    );
}

#[tokio::test]
#[cfg_attr(
    not(all(have = "sshd", have = "users")),
    ignore = "needs sshd (openssh-server) and useradd (as root)"
)]
async fn too_many_keys_leave_room_for_the_password() {
    let setup = Setup::new().line("PasswordAuthentication yes");
    let (there, user) = (there_with(setup), TempUser::create());
    let strangers: Vec<PathBuf> = (0..8)
        .map(|number| {
            let path = there.dir.path().join(format!("key{number}"));
            generate_key(&path);
            path
        })
        .collect();
    let target = SshTarget {
        user: user.name().to_owned(),
        password: Some(user.password().to_owned()),
        identities: Some(strangers),
        ..there.target()
    };
    works(&there.host_with(target, there.keys())).await;
}

#[tokio::test]
#[cfg_attr(
    not(all(have = "sshd", have = "users")),
    ignore = "needs sshd (openssh-server) and useradd (as root)"
)]
async fn a_password_is_taken_and_a_wrong_one_refused() {
    let setup = Setup::new().line("PasswordAuthentication yes");
    let (there, user) = (there_with(setup), TempUser::create());
    let target = SshTarget {
        user: user.name().to_owned(),
        password: Some(user.password().to_owned()),
        identities: None,
        ..there.target()
    };
    let host = there.host_with(target.clone(), there.keys());
    let (ended, output) = run(&host, Command::argv(["pwd"])).await;
    assert_eq!(ended, Ok(Ended::Status(0)));
    assert_eq!(output.stdout().trim(), user.home().display().to_string());

    let wrong = SshTarget {
        password: Some("hunter2".into()),
        ..target
    };
    let fault = there
        .host_with(wrong, there.keys())
        .connect()
        .await
        .unwrap_err();
    refused(&fault, &["offered: password", user.name()]);
    assert!(!fault.message.contains("hunter2"), "{fault}");
}

#[tokio::test]
#[cfg_attr(
    not(all(have = "sshd", have = "users")),
    ignore = "needs sshd (openssh-server) and useradd (as root)"
)]
async fn keyboard_interactive_takes_the_password_too() {
    let setup = Setup::new()
        .line("UsePAM yes")
        .line("KbdInteractiveAuthentication yes");
    let (there, user) = (there_with(setup), TempUser::create());
    let target = SshTarget {
        user: user.name().to_owned(),
        password: Some(user.password().to_owned()),
        identities: None,
        ..there.target()
    };
    works(&there.host_with(target.clone(), there.keys())).await;
    assert!(
        there
            .server
            .log()
            .contains("Accepted keyboard-interactive/pam")
    );
    let wrong = SshTarget {
        password: Some("hunter2".into()),
        ..target
    };
    let fault = there
        .host_with(wrong, there.keys())
        .connect()
        .await
        .unwrap_err();
    refused(&fault, &["offered: keyboard-interactive"]);
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_new_host_key_is_noted_and_a_changed_one_refused() {
    let mut there = there();
    let host = there.host();
    works(&host).await;
    let noted = fs::read_to_string(there.learned()).unwrap();
    let before = host.host_key().await.unwrap();
    assert_eq!(
        noted,
        format!("[127.0.0.1]:{} {}\n", there.server.port(), before.line)
    );
    works(&there.host()).await;
    assert_eq!(fs::read_to_string(there.learned()).unwrap(), noted);

    there.server.stop();
    there.server.start_again_reinstalled();
    let fault = there.host().connect().await.unwrap_err();
    refused(
        &fault,
        &[
            "has changed",
            &before.fingerprint,
            &format!("{}:1", there.learned().display()),
        ],
    );
    assert_eq!(fault.message.matches("SHA256:").count(), 2, "{fault}");
    let anyone = SshTarget {
        host_key: HostKeyPolicy::Any,
        ..there.target()
    };
    works(&there.host_with(anyone, there.keys())).await;
    assert_eq!(fs::read_to_string(there.learned()).unwrap(), noted);
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_host_must_be_known_where_that_is_demanded() {
    let there = there();
    let target = SshTarget {
        host_key: HostKeyPolicy::Known,
        ..there.target()
    };
    let host = there.host_with(target, there.keys());
    refused(
        &host.connect().await.unwrap_err(),
        &["is not known", "SHA256:"],
    );
    assert!(!there.learned().exists());
    let known = there.dir.path().join("known_hosts");
    fs::write(&known, there.server.known_hosts_line()).unwrap();
    works(&host).await;
    // Hashed, as Debian's ssh writes it.
    let hashed = Process::new("ssh-keygen")
        .args(["-q", "-H", "-f"])
        .arg(&known)
        .status()
        .unwrap();
    assert!(hashed.success());
    assert!(!fs::read_to_string(&known).unwrap().contains("127.0.0.1"));
    host.close().await;
    works(&host).await;
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_host_known_by_one_key_is_asked_for_that_one() {
    let dir = tempfile::tempdir().unwrap();
    let rsa = dir.path().join("host_rsa");
    let line = make_key(&["rsa", "-b", "2048"], "", &rsa);
    let there = there_with(Setup::new().line(format!("HostKey {}", rsa.display())));
    // The server has an ed25519 key as well, which would be preferred.
    fs::write(
        there.dir.path().join("known_hosts"),
        format!("[127.0.0.1]:{} {line}", there.server.port()),
    )
    .unwrap();
    let target = SshTarget {
        host_key: HostKeyPolicy::Known,
        ..there.target()
    };
    let host = there.host_with(target, there.keys());
    works(&host).await;
    assert!(host.host_key().await.unwrap().line.starts_with("ssh-rsa "));
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_key_that_can_not_be_noted_is_an_error_with_a_way_out() {
    let there = there();
    let file = there.dir.path().join("file");
    fs::write(&file, "").unwrap();
    let keys = SshKeys {
        learned_hosts: Some(file.join("known_hosts")),
        ..there.keys()
    };
    let host = Arc::new(SshHost::new(there.target(), Arc::new(keys)));
    let fault = host.connect().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Io, "{fault}");
    assert!(
        fault.message.contains("`host_key: any` does without"),
        "{fault}"
    );
}
