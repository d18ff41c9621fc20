//! Local commands.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use tf_engine::transport::{Command, Ended, Fault, FaultKind, Host, Local, Program, Stdin, Stop};
use tokio::io::AsyncReadExt;

use crate::{Output, asked, bash, gone, killed_by, lives, pid_in, sh};

struct Here {
    host: Host,
    dir: TempDir,
}

fn here() -> Here {
    let dir = tempfile::tempdir().unwrap();
    Here {
        host: Host::Local(Arc::new(Local::new(dir.path()))),
        dir,
    }
}

impl Here {
    async fn run(&self, command: Command) -> (Result<Ended, Fault>, Output) {
        let mut output = Output::new();
        let ended = self.host.run(command, &mut output, &Stop::new()).await;
        (ended, output)
    }

    /// Starts a command, returns once it has said `ready` on a line of its own.
    async fn start(&self, command: Command, stop: &Stop) -> (Output, Running) {
        let output = Output::new();
        let (host, stop, mut sink) = (self.host.clone(), stop.clone(), output.clone());
        let running = tokio::spawn(async move { host.run(command, &mut sink, &stop).await });
        output.line("ready").await;
        (output, running)
    }
}

type Running = tokio::task::JoinHandle<Result<Ended, Fault>>;

#[tokio::test]
async fn a_command_has_its_arguments_environment_folder_and_streams() {
    let here = here();
    fs::create_dir(here.dir.path().join("sub")).unwrap();
    let command = Command {
        env: vec![
            ("GIVEN".into(), Some("a 'b' $c".into())),
            ("HOME".into(), None),
        ],
        cwd: Some("sub".into()),
        stdin: Stdin::Bytes(Bytes::from_static(b"input")),
        ..Command::argv([
            "sh",
            "-c",
            "pwd; echo \"$1\" \"$GIVEN\" \"${HOME-none}\"; cat; echo oops >&2; exit 7",
            "x",
            "it's *",
        ])
    };
    let (ended, output) = here.run(command).await;
    assert_eq!(ended, Ok(Ended::Status(7)));
    let dir = here.dir.path().canonicalize().unwrap().join("sub");
    assert_eq!(
        output.stdout(),
        format!("{}\nit's * a 'b' $c none\ninput", dir.display())
    );
    assert_eq!(output.stderr(), "oops\n");
}

#[tokio::test]
async fn shells_stop_at_the_first_failure() {
    let here = here();
    #[track_caller]
    fn case(got: &(Result<Ended, Fault>, Output), status: u32, stdout: &str) {
        assert_eq!(got.0, Ok(Ended::Status(status)));
        assert_eq!(got.1.stdout(), stdout);
    }
    case(
        &here.run(Command::new(bash("false | true; echo on"))).await,
        1,
        "",
    );
    case(
        &here.run(Command::new(sh("echo a; false; echo b"))).await,
        1,
        "a\n",
    );
    case(
        &here
            .run(Command::new(Program::Line("false; echo on".into())))
            .await,
        0,
        "on\n",
    );
}

#[tokio::test]
async fn standard_input_is_empty_unless_given() {
    let (ended, output) = here().run(Command::argv(["cat"])).await;
    assert_eq!(
        (ended, output.stdout().as_str()),
        (Ok(Ended::Status(0)), "")
    );
}

#[tokio::test]
async fn a_signal_is_told_apart_from_a_status() {
    let here = here();
    let (ended, _) = here.run(Command::new(sh("kill -TERM $$"))).await;
    assert_eq!(ended, Ok(killed_by("TERM", 15)));
    let (ended, _) = here.run(Command::new(sh("exit 143"))).await;
    assert_eq!(ended, Ok(Ended::Status(143)));
}

#[tokio::test]
async fn what_can_not_be_started_says_so() {
    let here = here();
    fs::write(here.dir.path().join("plain"), "#!/bin/sh\n").unwrap();
    let in_folder = |cwd: &str| Command {
        cwd: Some(cwd.into()),
        ..Command::argv(["true"])
    };
    let cases = [
        (
            Command::argv(["no-such-program"]),
            FaultKind::Unreachable,
            "`no-such-program` could not be started",
        ),
        (
            Command::argv(["./plain"]),
            FaultKind::Unreachable,
            "nothing was started",
        ),
        (
            in_folder("no-such-folder"),
            FaultKind::Io,
            "no-such-folder can't be entered",
        ),
        (in_folder("plain"), FaultKind::Io, "it is no folder"),
        (Command::argv::<String>([]), FaultKind::Input, "no program"),
    ];
    for (command, kind, part) in cases {
        let fault = here.run(command).await.0.unwrap_err();
        assert_eq!(fault.kind, kind, "{fault}");
        assert!(fault.message.contains(part), "{fault}");
    }
}

#[tokio::test]
async fn a_cancelled_run_starts_nothing() {
    let here = here();
    let mut output = Output::new();
    let command = Command::argv(["touch", "made"]);
    let fault = here
        .host
        .run(command, &mut output, &asked())
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreachable);
    assert!(!here.dir.path().join("made").exists());
}

#[tokio::test]
async fn asking_sends_term_to_the_whole_group() {
    let here = here();
    let stop = Stop::new();
    let text = "trap 'echo leader; exit 3' TERM
        (trap 'echo member; exit' TERM; echo up; while :; do sleep 0.01; done) &
        read -r _ < /dev/zero & echo ready; while :; do sleep 0.01; done";
    let (output, running) = here.start(Command::new(sh(text)), &stop).await;
    output.line("up").await;
    stop.ask.cancel();
    assert_eq!(running.await.unwrap(), Ok(Ended::Status(3)));
    assert!(output.stdout().contains("leader"), "{}", output.stdout());
    assert!(output.stdout().contains("member"), "{}", output.stdout());
}

#[tokio::test]
async fn killing_ends_what_will_not_listen() {
    let here = here();
    let stop = Stop::new();
    let text = "trap '' TERM; echo ready; while :; do sleep 1; done";
    let (_, running) = here.start(Command::new(sh(text)), &stop).await;
    stop.ask.cancel();
    stop.kill.cancel();
    assert_eq!(running.await.unwrap(), Ok(killed_by("KILL", 9)));
}

#[tokio::test]
async fn asking_reaches_a_stopped_command_too() {
    let here = here();
    let stop = Stop::new();
    let (_, running) = here
        .start(Command::new(sh("echo ready; kill -STOP $$; exit 9")), &stop)
        .await;
    stop.ask.cancel();
    assert_eq!(running.await.unwrap(), Ok(killed_by("TERM", 15)));
}

#[tokio::test]
async fn what_is_left_behind_is_ended() {
    let here = here();
    for left in [
        "sleep 1000 & echo $!",
        "setsid sleep 1000 & echo $!",
        "(setsid sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1; done' &)",
        "(setsid sh -c 'setsid sleep 1000 & echo $!' &) ; sleep 0.2",
    ] {
        let (ended, output) = here.run(Command::new(sh(left))).await;
        assert_eq!(ended, Ok(Ended::Status(0)), "{left}");
        // It may have been ended before it wrote its number.
        if !output.stdout().is_empty() {
            assert!(!lives(pid_in(&output.stdout())), "{left}");
        }
    }
}

#[tokio::test]
async fn parallel_commands_keep_what_is_theirs() {
    let here = here();
    let stop = Stop::new();
    let text = "setsid sleep 1000 & echo $!; echo ready; cat /dev/zero | sleep 1000";
    let (output, running) = here.start(Command::new(sh(text)), &stop).await;
    let theirs = pid_in(&output.stdout());
    for _ in 0..5 {
        let (ended, _) = here.run(Command::new(sh("setsid sleep 1000 &"))).await;
        assert_eq!(ended, Ok(Ended::Status(0)));
    }
    assert!(lives(theirs));
    stop.ask.cancel();
    running.await.unwrap().unwrap();
    assert!(!lives(theirs));
}

#[tokio::test]
async fn output_without_end_is_drained_and_stops_with_the_command() {
    struct Count(usize);
    impl tf_engine::transport::OutputSink for Count {
        fn output(&mut self, _: tf_engine::transport::Stream, bytes: &[u8]) {
            self.0 += bytes.len();
        }
    }
    let here = here();
    let mut count = Count(0);
    let command = Command::new(bash(
        "head -c 100000000 /dev/zero; head -c 10 /dev/zero >&2",
    ));
    let ended = here.host.run(command, &mut count, &Stop::new()).await;
    assert_eq!((ended, count.0), (Ok(Ended::Status(0)), 100_000_010));
}

#[tokio::test]
async fn a_stream_goes_in_no_faster_than_it_is_taken() {
    let here = here();
    let source = tokio::io::repeat(b'x').take(50_000_000);
    let command = Command {
        stdin: Stdin::Stream(Box::new(source)),
        ..Command::argv(["wc", "-c"])
    };
    let (ended, output) = here.run(command).await;
    assert_eq!(
        (ended, output.stdout().trim()),
        (Ok(Ended::Status(0)), "50000000")
    );

    // A command that takes only a part is content.
    let endless = Command {
        stdin: Stdin::Stream(Box::new(tokio::io::repeat(b'x'))),
        ..Command::argv(["head", "-c", "3"])
    };
    let (ended, output) = here.run(endless).await;
    assert_eq!(
        (ended, output.stdout().as_str()),
        (Ok(Ended::Status(0)), "xxx")
    );
}

#[tokio::test]
async fn an_input_that_fails_never_looks_finished() {
    let here = here();
    let source = tokio_util::io::StreamReader::new(futures_util::stream::iter([
        Ok(Bytes::from_static(b"half")),
        Err(std::io::Error::other("the image is damaged")),
    ]));
    let command = Command {
        stdin: Stdin::Stream(Box::new(source)),
        ..Command::new(sh("cat > got; touch finished"))
    };
    let fault = here.run(command).await.0.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Io);
    assert!(fault.message.contains("the image is damaged"), "{fault}");
    assert!(!here.dir.path().join("finished").exists());
}

#[tokio::test]
async fn a_dropped_future_kills_its_command() {
    let here = here();
    let (output, running) = here
        .start(
            Command::new(sh("echo $$; echo ready; exec sleep 1000")),
            &Stop::new(),
        )
        .await;
    let pid = pid_in(&output.stdout());
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    gone(pid).await;
}

#[tokio::test]
async fn a_sole_run_also_ends_what_hid_its_environment() {
    // In a process of its own: this one has children that are other tests'.
    if let Some(dir) = std::env::var_os("SOLE_RUN") {
        let mut inherited = std::process::Command::new("sleep")
            .arg("1000")
            .spawn()
            .unwrap();
        let local = Local::sole(dir);
        let mut output = Output::new();
        let command = Command::new(sh("env -i setsid sleep 1000 & echo $!"));
        local.run(command, &mut output, &Stop::new()).await.unwrap();
        assert!(!lives(pid_in(&output.stdout())));
        assert!(lives(inherited.id()));
        inherited.kill().unwrap();
        inherited.wait().unwrap();
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "local::a_sole_run_also_ends_what_hid_its_environment",
        ])
        .env("SOLE_RUN", dir.path())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}

#[tokio::test]
async fn nothing_outlives_an_engine_that_is_killed() {
    // The engine is this test in a process of its own, killed while its command runs.
    if let Some(dir) = std::env::var_os("KILLED_RUN") {
        let local = Local::new(dir);
        let text = "echo $$ > leader; sleep 1000 & echo $! > member
            setsid sleep 1000 & echo $! > stray; touch ready; wait";
        local
            .run(Command::new(sh(text)), &mut Output::new(), &Stop::new())
            .await
            .unwrap();
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut engine = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "local::nothing_outlives_an_engine_that_is_killed",
        ])
        .env("KILLED_RUN", dir.path())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    while !dir.path().join("ready").exists() {
        assert!(
            engine.try_wait().unwrap().is_none(),
            "the engine ended early"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    engine.kill().unwrap();
    engine.wait().unwrap();
    for name in ["leader", "member", "stray"] {
        gone(pid_in(&fs::read_to_string(dir.path().join(name)).unwrap())).await;
    }
}
