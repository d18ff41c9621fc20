//! Dropbear, the server of many small boards, which does some things its own way.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command as Process, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use tf_engine::transport::{
    Command, Ended, FaultKind, HostKeyPolicy, Shell, SshHost, SshKeys, SshTarget, Stdin, Stop,
};

use crate::ssh::{run, start};
use crate::sshd::{TempUser, find_program, generate_key};
use crate::{gone, killed_by, pid_in, sh};

struct Dropbear {
    process: Child,
    port: u16,
    user: TempUser,
    dir: TempDir,
}

impl Dropbear {
    fn start() -> Dropbear {
        let program = find_program("dropbear").unwrap();
        let keygen = find_program("dropbearkey").unwrap();
        let user = TempUser::create();
        let dir = tempfile::tempdir().unwrap();
        generate_key(&dir.path().join("key"));
        let ssh = user.home().join(".ssh");
        fs::create_dir(&ssh).unwrap();
        let authorized = ssh.join("authorized_keys");
        fs::copy(dir.path().join("key.pub"), &authorized).unwrap();
        for (path, mode) in [(&ssh, 0o700), (&authorized, 0o600)] {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
            user.give(path);
        }
        let made = Process::new(keygen)
            .args(["-t", "ed25519", "-f"])
            .arg(dir.path().join("host_key"))
            .output()
            .unwrap();
        assert!(made.status.success());
        for _ in 0..20 {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = free.local_addr().unwrap().port();
            drop(free);
            let mut process = Process::new(&program)
                .args(["-F", "-E", "-p", &format!("127.0.0.1:{port}"), "-P"])
                .arg(dir.path().join("pid"))
                .arg("-r")
                .arg(dir.path().join("host_key"))
                .stdin(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut log = BufReader::new(process.stderr.take().unwrap());
            let mut line = String::new();
            while log.read_line(&mut line).unwrap() > 0 && !line.contains("Not backgrounding") {}
            if !line.contains("Failed listening") {
                std::thread::spawn(move || log.read_to_end(&mut Vec::new()));
                return Dropbear {
                    process,
                    port,
                    user,
                    dir,
                };
            }
            let _ = process.kill();
            let _ = process.wait();
        }
        panic!("no free port");
    }

    fn host(&self) -> Arc<SshHost> {
        let target = SshTarget {
            name: "board".into(),
            address: "127.0.0.1".into(),
            port: self.port,
            user: self.user.name().to_owned(),
            password: None,
            identities: Some(vec![self.dir.path().join("key")]),
            host_key: HostKeyPolicy::AcceptNew,
            via: None,
            connect_timeout: Duration::from_secs(10),
            shell: Shell::Sh,
        };
        let keys = SshKeys {
            agent: None,
            identities: Vec::new(),
            known_hosts: Vec::new(),
            learned_hosts: Some(self.dir.path().join("known_hosts")),
            keepalive: Duration::from_secs(1),
        };
        Arc::new(SshHost::new(target, Arc::new(keys)))
    }
}

impl Drop for Dropbear {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
#[cfg_attr(
    not(all(have = "dropbear", have = "users")),
    ignore = "needs dropbear (dropbear-bin) and useradd (as root)"
)]
async fn dropbear_runs_and_ends_commands() {
    let server = Dropbear::start();
    let host = server.host();
    let command = Command {
        env: vec![("GIVEN".into(), Some("it's".into()))],
        stdin: Stdin::Bytes(Bytes::from(vec![b'x'; 1 << 20])),
        ..Command::new(sh("echo \"$GIVEN\"; wc -c; exit 7"))
    };
    let (ended, output) = run(&host, command).await;
    assert_eq!(
        (ended, output.stdout().as_str()),
        (Ok(Ended::Status(7)), "it's\n1048576\n")
    );
    let (ended, _) = run(&host, Command::new(sh("kill -TERM $$"))).await;
    assert_eq!(ended, Ok(killed_by("TERM", 15)));
    let fault = run(&host, Command::argv(["no-such-program"]))
        .await
        .0
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreachable, "{fault}");

    let stop = Stop::new();
    let (output, running) = start(&host, "sleep 1000 & echo $!; echo ready; wait", &stop).await;
    stop.ask.cancel();
    assert_eq!(running.await.unwrap(), Ok(killed_by("TERM", 15)));
    gone(pid_in(&output.stdout())).await;
}
