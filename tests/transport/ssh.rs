//! Commands over SSH, against a real sshd.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use tf_engine::transport::{
    Command, Ended, Fault, FaultKind, Host, HostKeyPolicy, OutputSink, Shell, SshHost, SshKeys,
    SshTarget, Stdin, Stop, Stream,
};
use tokio::io::AsyncReadExt;

use crate::sshd::{Setup, Sshd, find_program};
use crate::{Output, PATIENCE, bash, gone, killed_by, pid_in, sh};

pub(crate) type Running = tokio::task::JoinHandle<Result<Ended, Fault>>;

/// A server and a folder for the client's side.
pub(crate) struct There {
    pub(crate) server: Sshd,
    pub(crate) dir: TempDir,
}

pub(crate) fn there() -> There {
    there_with(Setup::new())
}

pub(crate) fn there_with(setup: Setup) -> There {
    There {
        server: setup.start(),
        dir: tempfile::tempdir().unwrap(),
    }
}

impl There {
    pub(crate) fn target(&self) -> SshTarget {
        SshTarget {
            name: "board".into(),
            address: "127.0.0.1".into(),
            port: self.server.port(),
            user: self.server.user(),
            password: None,
            identities: Some(vec![self.server.client_key()]),
            host_key: HostKeyPolicy::AcceptNew,
            via: None,
            connect_timeout: Duration::from_secs(10),
            shell: Shell::Bash,
        }
    }

    /// No keys but what is named, and nothing known.
    pub(crate) fn keys(&self) -> SshKeys {
        SshKeys {
            agent: None,
            identities: Vec::new(),
            known_hosts: vec![self.dir.path().join("known_hosts")],
            learned_hosts: Some(self.learned()),
            keepalive: Duration::from_millis(250),
        }
    }

    pub(crate) fn learned(&self) -> PathBuf {
        self.dir.path().join("state/known_hosts")
    }

    pub(crate) fn host(&self) -> Arc<SshHost> {
        self.host_with(self.target(), self.keys())
    }

    pub(crate) fn host_with(&self, target: SshTarget, keys: SshKeys) -> Arc<SshHost> {
        Arc::new(SshHost::new(target, Arc::new(keys)))
    }
}

pub(crate) async fn run(host: &SshHost, command: Command) -> (Result<Ended, Fault>, Output) {
    let mut output = Output::new();
    let ended = host.run(command, &mut output, &Stop::new()).await;
    (ended, output)
}

/// Starts a command, returns once it has said `ready` on a line of its own.
pub(crate) async fn start(host: &Arc<SshHost>, text: &str, stop: &Stop) -> (Output, Running) {
    let output = Output::new();
    let (host, stop, mut sink) = (Host::Ssh(host.clone()), stop.clone(), output.clone());
    let command = Command::new(sh(text));
    let running = tokio::spawn(async move { host.run(command, &mut sink, &stop).await });
    output.line("ready").await;
    (output, running)
}

fn count_accepted(server: &Sshd) -> usize {
    server.log().matches("Accepted publickey ").count()
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_command_has_its_arguments_environment_folder_and_streams() {
    let there = there();
    let host = there.host();
    let command = Command {
        env: vec![
            ("GIVEN".into(), Some("a 'b' $c\n\\".into())),
            ("HOME".into(), None),
        ],
        cwd: Some("/tmp".into()),
        stdin: Stdin::Bytes(Bytes::from_static(b"input")),
        ..Command::argv([
            "sh",
            "-c",
            "pwd; echo \"$1\" \"$GIVEN\" \"${HOME-none}\"; cat; echo oops >&2; exit 7",
            "x",
            "it's *",
        ])
    };
    let (ended, output) = run(&host, command).await;
    assert_eq!(ended, Ok(Ended::Status(7)));
    assert_eq!(output.stdout(), "/tmp\nit's * a 'b' $c\n\\ none\ninput");
    assert_eq!(output.stderr(), "oops\n");
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn the_home_folder_is_where_a_command_runs() {
    let there = there();
    let host = there.host();
    let (_, home) = run(&host, Command::new(sh("pwd; echo \"$HOME\""))).await;
    let lines: Vec<String> = home.stdout().lines().map(String::from).collect();
    assert_eq!(lines[0], lines[1]);
    let command = Command {
        cwd: Some(".".into()),
        ..Command::argv(["pwd"])
    };
    assert_eq!(run(&host, command).await.1.stdout().trim(), lines[0]);
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn shells_stop_at_the_first_failure() {
    let there = there();
    let host = there.host();
    let (ended, output) = run(&host, Command::new(bash("false | true; echo on"))).await;
    assert_eq!(
        (ended, output.stdout().as_str()),
        (Ok(Ended::Status(1)), "")
    );
    let (ended, output) = run(&host, Command::new(sh("echo a; false; echo b"))).await;
    assert_eq!(
        (ended, output.stdout().as_str()),
        (Ok(Ended::Status(1)), "a\n")
    );
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_signal_is_told_apart_from_a_status() {
    let there = there();
    let host = there.host();
    let (ended, _) = run(&host, Command::new(sh("kill -TERM $$"))).await;
    assert_eq!(ended, Ok(killed_by("TERM", 15)));
    let (ended, _) = run(&host, Command::new(sh("kill -9 $$"))).await;
    assert_eq!(ended, Ok(killed_by("KILL", 9)));
    let (ended, _) = run(&host, Command::new(sh("exit 143"))).await;
    assert_eq!(ended, Ok(Ended::Status(143)));
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn what_can_not_be_started_says_so() {
    let there = there();
    let host = there.host();
    let in_folder = |cwd: &str| Command {
        cwd: Some(cwd.into()),
        ..Command::argv(["true"])
    };
    let cases = [
        (
            Command::argv(["no-such-program"]),
            FaultKind::Unreachable,
            "`no-such-program`",
        ),
        (
            Command::argv(["/etc/passwd"]),
            FaultKind::Unreachable,
            "nothing was started",
        ),
        (Command::argv(["/etc"]), FaultKind::Unreachable, "`/etc`"),
        (
            in_folder("/no/such"),
            FaultKind::Io,
            "/no/such can't be entered",
        ),
        (in_folder("-"), FaultKind::Io, "can't be entered"),
    ];
    for (command, kind, part) in cases {
        let fault = run(&host, command).await.0.unwrap_err();
        assert_eq!(fault.kind, kind, "{fault}");
        assert!(fault.message.contains(part), "{fault}");
        assert!(fault.message.contains("board ("), "{fault}");
    }
    // A program's own 127 is a status.
    let (ended, _) = run(&host, Command::new(sh("exit 127"))).await;
    assert_eq!(ended, Ok(Ended::Status(127)));
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn one_connection_serves_a_run_and_a_dropped_one_is_made_anew() {
    let there = there();
    let host = there.host();
    for _ in 0..3 {
        run(&host, Command::argv(["true"])).await.0.unwrap();
    }
    let both = tokio::join!(
        run(&host, Command::argv(["sleep", "0.1"])),
        run(&host, Command::argv(["sleep", "0.1"]))
    );
    assert_eq!(
        (both.0.0, both.1.0),
        (Ok(Ended::Status(0)), Ok(Ended::Status(0)))
    );
    assert_eq!(count_accepted(&there.server), 1);
    there.server.cut_connections();
    assert_eq!(
        run(&host, Command::argv(["true"])).await.0,
        Ok(Ended::Status(0))
    );
    host.close().await;
    assert_eq!(
        run(&host, Command::argv(["true"])).await.0,
        Ok(Ended::Status(0))
    );
    assert_eq!(count_accepted(&there.server), 3);
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_server_that_goes_away_in_mid_command_is_lost() {
    let mut there = there();
    let host = there.host();
    let (output, running) =
        start(&host, "echo $$; echo ready; exec sleep 1000", &Stop::new()).await;
    there.server.stop();
    let fault = running.await.unwrap().unwrap_err();
    assert_eq!(fault.kind, FaultKind::Lost, "{fault}");
    assert!(
        fault.message.contains("was lost while a command ran"),
        "{fault}"
    );
    // Gone with its server: nobody else would end it.
    let _ = std::process::Command::new("kill")
        .arg(pid_in(&output.stdout()).to_string())
        .status();

    let fault = run(&host, Command::argv(["true"])).await.0.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreachable, "{fault}");
    assert!(fault.message.contains("refused"), "{fault}");
    assert!(
        fault
            .message
            .contains(&format!("127.0.0.1:{}", there.server.port())),
        "{fault}"
    );
    there.server.start_again();
    assert_eq!(
        run(&host, Command::argv(["true"])).await.0,
        Ok(Ended::Status(0))
    );
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_server_that_falls_silent_is_lost_by_keepalive() {
    let there = there();
    let host = there.host();
    let text = "echo $$; echo ready; exec sleep 1000";
    let (output, running) = start(&host, text, &Stop::new()).await;
    there.server.freeze();
    let fault = running.await.unwrap().unwrap_err();
    there.server.thaw();
    assert_eq!(fault.kind, FaultKind::Lost, "{fault}");
    assert!(fault.message.contains("3 keepalives unanswered"), "{fault}");
    let _ = std::process::Command::new("kill")
        .arg(pid_in(&output.stdout()).to_string())
        .status();
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_kept_connection_that_died_unnoticed_is_unreachable_and_then_made_anew() {
    let there = there();
    let target = SshTarget {
        connect_timeout: Duration::from_millis(500),
        ..there.target()
    };
    let host = there.host_with(target, there.keys());
    host.connect().await.unwrap();
    there.server.freeze();
    let fault = run(&host, Command::argv(["true"])).await.0.unwrap_err();
    there.server.thaw();
    assert_eq!(fault.kind, FaultKind::Unreachable, "{fault}");
    assert!(fault.message.contains("within 500ms"), "{fault}");
    // The server has a moment's work to do on what it missed.
    let back =
        async { while run(&host, Command::argv(["true"])).await.0 != Ok(Ended::Status(0)) {} };
    tokio::time::timeout(PATIENCE, back).await.unwrap();
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_server_that_takes_no_more_input_is_lost() {
    let there = there();
    let host = there.host();
    let (output, stop) = (Output::new(), Stop::new());
    let command = Command {
        stdin: Stdin::Stream(Box::new(tokio::io::repeat(0))),
        ..Command::new(sh("echo ready; cat > /dev/null"))
    };
    let mut sink = output.clone();
    let running = tokio::spawn(async move { host.run(command, &mut sink, &stop).await });
    output.line("ready").await;
    there.server.freeze();
    let fault = running.await.unwrap().unwrap_err();
    there.server.thaw();
    assert_eq!(fault.kind, FaultKind::Lost, "{fault}");
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_peer_that_never_answers_is_unreachable_within_the_bound() {
    let there = there();
    // It accepts, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let target = SshTarget {
        port: silent.local_addr().unwrap().port(),
        connect_timeout: Duration::from_millis(300),
        ..there.target()
    };
    let fault = there
        .host_with(target, there.keys())
        .connect()
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreachable, "{fault}");
    assert!(
        fault.message.contains("within 300ms (`connect_timeout`)"),
        "{fault}"
    );

    let target = SshTarget {
        address: "no-such-host.invalid".into(),
        ..there.target()
    };
    let fault = there
        .host_with(target, there.keys())
        .connect()
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreachable, "{fault}");
    assert!(fault.message.contains("does not resolve"), "{fault}");
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_cancelled_command_is_ended_there_too() {
    let there = there();
    let host = there.host();
    for text in [
        "echo $$; echo ready; exec sleep 1000",
        "sleep 1000 & echo $!; echo ready; wait",
        // Its shell ends, and leaves behind what does not listen.
        "sh -c 'trap \"\" TERM; echo $$; echo ready; while :; do sleep 0.1; done' & wait",
    ] {
        let stop = Stop::new();
        let (output, running) = start(&host, text, &stop).await;
        stop.ask.cancel();
        assert_eq!(running.await.unwrap(), Ok(killed_by("TERM", 15)), "{text}");
        gone(pid_in(&output.stdout())).await;
    }
    assert_eq!(count_accepted(&there.server), 1);
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_command_that_will_not_listen_is_killed_there() {
    let there = there();
    let host = there.host();
    let stop = Stop::new();
    let text = "trap '' TERM; echo $$; echo ready; while :; do sleep 1; done";
    let (output, running) = start(&host, text, &stop).await;
    stop.ask.cancel();
    stop.kill.cancel();
    assert_eq!(running.await.unwrap(), Ok(killed_by("KILL", 9)));
    gone(pid_in(&output.stdout())).await;
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_command_is_ended_though_the_server_allows_one_channel_only() {
    let there = there_with(Setup::new().line("MaxSessions 1"));
    let host = there.host();
    let stop = Stop::new();
    let (output, running) = start(&host, "echo $$; echo ready; exec sleep 1000", &stop).await;
    stop.ask.cancel();
    assert_eq!(running.await.unwrap(), Ok(killed_by("TERM", 15)));
    gone(pid_in(&output.stdout())).await;
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_command_that_reads_nothing_can_be_cancelled_under_a_flood() {
    let there = there();
    let host = there.host();
    let (output, stop) = (Output::new(), Stop::new());
    let command = Command {
        stdin: Stdin::Stream(Box::new(tokio::io::repeat(0))),
        ..Command::new(sh("echo $$; echo ready; exec sleep 1000"))
    };
    let (mut sink, stopped, at) = (output.clone(), stop.clone(), host.clone());
    let running = tokio::spawn(async move { at.run(command, &mut sink, &stopped).await });
    output.line("ready").await;
    // Other commands of the connection go on.
    assert_eq!(
        run(&host, Command::argv(["true"])).await.0,
        Ok(Ended::Status(0))
    );
    stop.ask.cancel();
    assert_eq!(running.await.unwrap(), Ok(killed_by("TERM", 15)));
    gone(pid_in(&output.stdout())).await;
    assert_eq!(count_accepted(&there.server), 1);
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_background_process_does_not_hold_the_command_up() {
    let there = there();
    let host = there.host();
    let (ended, output) = run(&host, Command::new(sh("sleep 1000 & echo $!"))).await;
    assert_eq!(ended, Ok(Ended::Status(0)));
    let _ = std::process::Command::new("kill")
        .arg(pid_in(&output.stdout()).to_string())
        .status();
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_dropped_future_kills_its_command() {
    let there = there();
    let host = there.host();
    let (output, running) =
        start(&host, "echo $$; echo ready; exec sleep 1000", &Stop::new()).await;
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    gone(pid_in(&output.stdout())).await;
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_big_stream_goes_in_and_comes_out_whole() {
    struct Check {
        bytes: u64,
        right: bool,
    }
    impl OutputSink for Check {
        fn output(&mut self, stream: Stream, bytes: &[u8]) {
            self.right &= stream == Stream::Stdout && bytes.iter().all(|byte| *byte == b'x');
            self.bytes += bytes.len() as u64;
        }
    }
    let there = there();
    let host = there.host();
    let size = 64 << 20;
    let mut check = Check {
        bytes: 0,
        right: true,
    };
    let command = Command {
        stdin: Stdin::Stream(Box::new(tokio::io::repeat(b'x').take(size))),
        ..Command::argv(["cat"])
    };
    let ended = host.run(command, &mut check, &Stop::new()).await;
    assert_eq!(ended, Ok(Ended::Status(0)));
    assert_eq!((check.bytes, check.right), (size, true));

    let endless = Command {
        stdin: Stdin::Stream(Box::new(tokio::io::repeat(b'x'))),
        ..Command::argv(["head", "-c", "3"])
    };
    let (ended, output) = run(&host, endless).await;
    assert_eq!(
        (ended, output.stdout().as_str()),
        (Ok(Ended::Status(0)), "xxx")
    );
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn an_input_that_fails_never_looks_finished() {
    let there = there();
    let host = there.host();
    let source = tokio_util::io::StreamReader::new(futures_util::stream::iter([
        Ok(Bytes::from_static(b"half")),
        Err(std::io::Error::other("the image is damaged")),
    ]));
    let finished = there.dir.path().join("finished");
    let command = Command {
        stdin: Stdin::Stream(Box::new(source)),
        ..Command::new(sh(&format!(
            "cat > /dev/null; touch {}",
            finished.display()
        )))
    };
    let fault = run(&host, command).await.0.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Io, "{fault}");
    assert!(fault.message.contains("the image is damaged"), "{fault}");
    assert!(!finished.exists());
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn what_a_login_prints_first_is_not_taken_for_ours() {
    let setup =
        Setup::new().line("ForceCommand echo motd; echo motd >&2; eval \"$SSH_ORIGINAL_COMMAND\"");
    let there = there_with(setup);
    let (ended, output) = run(&there.host(), Command::new(sh("echo out; echo err >&2"))).await;
    assert_eq!(ended, Ok(Ended::Status(0)));
    assert_eq!(
        (output.stdout().as_str(), output.stderr().as_str()),
        ("motd\nout\n", "motd\nerr\n")
    );
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_host_is_reached_through_another() {
    let (jump, behind) = (there(), there());
    let between = jump.host();
    let target = SshTarget {
        via: Some(Arc::clone(&between)),
        ..behind.target()
    };
    let host = behind.host_with(target.clone(), behind.keys());
    let (ended, output) = run(&host, Command::argv(["echo", "there"])).await;
    assert_eq!(
        (ended, output.stdout().as_str()),
        (Ok(Ended::Status(0)), "there\n")
    );
    assert_eq!(
        (count_accepted(&jump.server), count_accepted(&behind.server)),
        (1, 1)
    );

    // The jump host drops: both are made anew.
    jump.server.cut_connections();
    assert_eq!(
        run(&host, Command::argv(["true"])).await.0,
        Ok(Ended::Status(0))
    );

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    let host = behind.host_with(SshTarget { port, ..target }, behind.keys());
    let fault = host.connect().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreachable, "{fault}");
    assert!(fault.message.contains("through its `via` host"), "{fault}");
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_probe_connects_anew_and_reads_the_boot_id() {
    let there = there();
    let host = there.host();
    host.connect().await.unwrap();
    let first = host.probe().await.unwrap();
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert_eq!(first.boot_id.as_deref(), Some(boot_id.trim()));
    assert_eq!(host.probe().await.unwrap(), first);
    assert_eq!(host.host_key().await.unwrap(), first.host_key);
    assert!(
        there
            .server
            .known_hosts_line()
            .contains(&first.host_key.line)
    );
    assert_eq!(count_accepted(&there.server), 3);
}

#[tokio::test]
#[cfg_attr(
    not(all(have = "aes", have = "sshd")),
    ignore = "needs a CPU with AES and sshd (openssh-server)"
)]
async fn aes_gcm_is_preferred_where_the_cpu_has_aes() {
    let there = there_with(Setup::new().line("LogLevel DEBUG1"));
    there.host().connect().await.unwrap();
    assert!(
        there
            .server
            .log()
            .contains("cipher: aes128-gcm@openssh.com"),
        "{}",
        there.server.log()
    );
}

#[tokio::test]
#[cfg_attr(
    not(all(have = "busybox", have = "dash", have = "sshd")),
    ignore = "needs busybox (busybox-static), dash and sshd (openssh-server)"
)]
async fn a_host_with_no_more_than_a_posix_shell_will_do() {
    for shell in ["dash", "busybox"] {
        let bin = tempfile::tempdir().unwrap();
        symlink(find_program(shell).unwrap(), bin.path().join("sh")).unwrap();
        for tool in ["sleep", "cat"] {
            symlink(find_program(tool).unwrap(), bin.path().join(tool)).unwrap();
        }
        let setup = Setup::new().env("PATH", &bin.path().display().to_string());
        let there = there_with(setup);
        let host = there.host();
        let fault = run(&host, Command::new(bash("true"))).await.0.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unreachable, "{fault}");
        assert!(fault.message.contains("`bash` is not there"), "{fault}");
        assert!(fault.message.contains("`shell: sh`"), "{fault}");
        let command = Command {
            env: vec![("A".into(), Some("it's".into())), ("B".into(), None)],
            cwd: Some("/".into()),
            stdin: Stdin::Bytes(Bytes::from_static(b"input")),
            ..Command::new(sh("echo \"$A\"; pwd; cat; exit 3"))
        };
        let (ended, output) = run(&host, command).await;
        assert_eq!(
            (ended, output.stdout().as_str()),
            (Ok(Ended::Status(3)), "it's\n/\ninput")
        );
        let stop = Stop::new();
        let text = "sleep 1000 & echo $!; echo ready; wait";
        let (output, running) = start(&host, text, &stop).await;
        stop.ask.cancel();
        assert_eq!(running.await.unwrap(), Ok(killed_by("TERM", 15)));
        gone(pid_in(&output.stdout())).await;
    }
}
