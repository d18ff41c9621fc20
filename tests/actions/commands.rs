//! Commands: `run`, `commands`, and the modifiers that both have.

use serde_json::json;
use tf_engine::actions::Note;
use tf_engine::recipe::model::Parse;
use tf_engine::transport::{Stop, Stream};

use crate::bench::{Bench, Modify, step};
use crate::sshd::Sshd;

#[tokio::test]
async fn a_shell_string_runs_and_its_output_is_kept_and_shown() {
    let bench = Bench::new().ready();
    let run = step(
        "run",
        json!({"shell": "echo out; echo err >&2; printf 'no end'; pwd >where"}),
    );
    let done = bench.perform(run).await;
    assert_eq!(done.field("stdout"), "out\nno end");
    assert_eq!(done.field("stderr"), "err\n");
    assert_eq!(done.field("exit"), 0);
    assert_eq!(done.lines(Stream::Stdout), ["out", "no end"]);
    assert_eq!(done.lines(Stream::Stderr), ["err"]);
    let real = bench.dir().canonicalize().expect("the run directory");
    assert_eq!(bench.file("where").trim(), real.to_string_lossy());
}

#[tokio::test]
async fn what_is_not_shown_is_kept_and_stands_in_an_error() {
    let bench = Bench::new().ready();
    let run = |status: u8| {
        let shell = format!("echo out; echo err >&2; exit {status}");
        step("run", json!({"shell": shell, "show": false}))
    };
    let done = bench.perform(run(0)).await;
    assert_eq!(done.field("stdout"), "out\n");
    assert_eq!(done.lines(Stream::Stdout), [""; 0]);
    assert_eq!(done.lines(Stream::Stderr), ["err"]);
    let error = bench.perform(run(3)).await.result.expect_err("it failed");
    assert!(error.tail.contains("out\n"));
}

#[tokio::test]
async fn nones_of_an_argument_vector_are_dropped_and_lists_spliced() {
    let mut bench = Bench::new();
    bench.context.set(
        "vars",
        json!({"none": null, "list": ["a b", "$HOME", null]}),
    );
    let bench = bench.ready();
    let argv = json!({"argv": ["printf", "%s|", "{{ vars.none }}", "{{ vars.list }}", 7]});
    let done = bench.perform(step("run", argv.clone())).await;
    assert_eq!(done.field("stdout"), "a b|$HOME|7|");
    assert_eq!(
        bench
            .describe(step("run", argv))
            .expect("it can be planned"),
        ["printf %s| 'a b' '$HOME' 7".replace("%s|", "'%s|'")]
    );
    let nothing = bench
        .perform(step("run", json!({"argv": ["{{ vars.none }}"]})))
        .await;
    assert_eq!(nothing.error().0, "input");
}

#[tokio::test]
async fn an_exit_status_that_is_not_expected_is_an_error_with_the_end_of_the_output() {
    let bench = Bench::new().ready();
    let run = || step("run", json!({"shell": "echo why; exit 3"}));
    let done = bench.perform(run()).await;
    assert_eq!(
        done.error(),
        ("exit", "`echo why; exit 3` ended with exit status 3")
    );
    let error = done.result.expect_err("it failed");
    assert_eq!(error.tail, "why\n");
    assert_eq!(
        (&error.output["exit"], &error.output["stdout"]),
        (&json!(3), &json!("why\n"))
    );
    assert_eq!(bench.perform(run().expect_any()).await.field("exit"), 3);

    let killed = || step("run", json!({"shell": "kill -KILL $$"}));
    assert_eq!(bench.perform(killed()).await.error().0, "lost");
    let taken = bench.perform(killed().expect_any()).await;
    assert_eq!(
        (taken.field("exit"), taken.field("signal")),
        (json!(137), json!("KILL"))
    );
    let lost = bench.perform(killed().expect_lost()).await;
    assert_eq!(lost.field("exit"), json!(null));
}

#[tokio::test]
async fn a_program_that_is_not_there_is_unreachable() {
    let bench = Bench::new().ready();
    let done = bench
        .perform(step("run", json!({"argv": ["no-such-program"]})))
        .await;
    assert_eq!(done.error().0, "unreachable");
}

#[tokio::test]
async fn output_is_parsed_and_what_does_not_parse_is_a_mismatch() {
    let bench = Bench::new().ready();
    let echo = |text: &str| step("run", json!({"argv": ["printf", "%s", text]}));
    let done = bench
        .perform(echo(r#"{"a": [1]}"#).parse(Parse::Json))
        .await;
    assert_eq!(done.field("json"), json!({"a": [1]}));
    let done = bench.perform(echo("a\nb").parse(Parse::Lines)).await;
    assert_eq!(done.field("lines"), json!(["a", "b"]));
    let done = bench.perform(echo("{").parse(Parse::Json)).await;
    assert_eq!(done.error().0, "mismatch");
    let done = bench
        .perform(echo("[1, 2]").parse(Parse::Json).max_output(3))
        .await;
    assert_eq!(done.error().0, "mismatch");
}

#[tokio::test]
async fn much_output_is_cut_with_a_warning_and_memory_stays_bounded() {
    let bench = Bench::new().ready();
    // One line of 64 MiB, then an end.
    let run = step(
        "run",
        json!({"shell": "head -c 67108864 /dev/zero | tr '\\0' x; echo; echo end"}),
    );
    let done = bench.perform(run.max_output(1000)).await;
    assert_eq!(done.field("stdout"), "x".repeat(1000));
    assert_eq!(done.field("truncated"), true);
    assert_eq!(done.warnings().len(), 1);
    let lines = done.lines(Stream::Stdout);
    assert_eq!(lines.last(), Some(&"end"));
    let longest = lines.iter().map(|line| line.len()).max().unwrap_or(0);
    assert!(longest < 5000, "a line of {longest} bytes is shown");
}

#[tokio::test]
async fn no_line_is_lost_however_fast_they_come() {
    let bench = Bench::new().ready();
    let done = bench
        .perform(step("run", json!({"argv": ["seq", "200000"]})))
        .await;
    let lines = done.lines(Stream::Stdout);
    assert_eq!(lines.len(), 200_000);
    assert_eq!((lines[0], lines[199_999]), ("1", "200000"));
    assert!(
        !done
            .notes
            .iter()
            .any(|note| matches!(note, Note::Warning(text) if text.contains("not shown")))
    );
}

#[tokio::test]
async fn binary_output_is_made_printable() {
    let bench = Bench::new().ready();
    let run = step(
        "run",
        json!({"shell": r"printf 'a\033[1mb\377\r\n10%%\r20%%\n'"}),
    );
    let done = bench.perform(run).await;
    assert_eq!(done.lines(Stream::Stdout), ["ab\u{fffd}", "20%"]);
    assert_eq!(done.field("stdout"), "a\u{1b}[1mb\u{fffd}\r\n10%\r20%\n");
}

#[tokio::test]
async fn secrets_are_masked_wherever_they_come_out() {
    let mut bench = Bench::new().with_secret("s3cret-word");
    bench.context.set("device", json!({"pw": "s3cret-word"}));
    bench.context.mark_secret(["device", "pw"]);
    let bench = bench.ready();
    let run = || {
        step(
            "run",
            json!({"argv": ["sh", "-c", "echo $0; exit 1", "{{ device.pw }}"]}),
        )
    };
    assert_eq!(
        bench.describe(run()).expect("it can be planned"),
        ["sh -c 'echo $0; exit 1' •••"]
    );
    let done = bench.perform(run()).await;
    assert_eq!(done.lines(Stream::Stdout), ["•••"]);
    let error = done.result.expect_err("it failed");
    assert!(!error.message.contains("s3cret"), "{error}");
    assert_eq!(error.tail, "•••\n");
    let kept = bench.perform(run().expect_any()).await;
    assert_eq!(kept.field("stdout"), "•••\n");
}

#[tokio::test]
async fn a_secret_where_a_long_line_is_cut_is_masked() {
    let bench = Bench::new().with_secret("s3cret-word").ready();
    let shell = "printf '%4090s' x; echo s3cret-word and more; printf '%9000s\\n' x";
    let done = bench.perform(step("run", json!({"shell": shell}))).await;
    let lines = done.lines(Stream::Stdout);
    assert!(lines[0].ends_with("x••…"), "{}", lines[0]);
    assert_eq!(lines[1], format!("{}…", " ".repeat(4096)));

    let shell = format!("exit 1 #{} s3cret-word and more", "x".repeat(285));
    let done = bench.perform(step("run", json!({"shell": shell}))).await;
    let (kind, message) = done.error();
    assert_eq!(kind, "exit");
    assert!(
        message.contains("x •••") && !message.contains("s3c"),
        "{message}"
    );
}

#[tokio::test]
async fn the_environment_the_folder_and_the_input_are_as_asked() {
    let bench = Bench::new().ready();
    std::fs::create_dir(bench.dir().join("sub")).expect("a folder");
    let run = step(
        "run",
        json!({"shell": "cat; echo $A-${HOME-unset}; basename $PWD", "input": "in\n", "cwd": "sub"}),
    );
    let run = run.env(json!({"A": 5, "HOME": null}));
    let shown = bench.describe(run.clone()).expect("it can be planned");
    let with = format!(
        "in {}/sub, A=5, without HOME, input of 3 bytes",
        bench.dir().display()
    );
    assert_eq!(
        shown,
        [format!(
            "cat; echo $A-${{HOME-unset}}; basename $PWD  ({with})"
        )]
    );
    let done = bench.perform(run).await;
    assert_eq!(done.field("stdout"), "in\n5-unset\nsub\n");
}

#[tokio::test]
async fn output_goes_to_a_file_as_it_is() {
    let bench = Bench::new().ready();
    let run = step(
        "run",
        json!({"shell": "printf '\\377\\000x'; echo seen >&2", "output_to": "logs/out.bin"}),
    );
    let done = bench.perform(run).await;
    assert_eq!(done.field("exit"), 0);
    assert!(done.lines(Stream::Stdout).is_empty());
    assert_eq!(done.lines(Stream::Stderr), ["seen"]);
    let bytes = std::fs::read(bench.dir().join("logs/out.bin")).expect("the file");
    assert_eq!(bytes, [255, 0, b'x']);
    let out = step("run", json!({"shell": "true", "output_to": "../out"}));
    assert_eq!(bench.perform(out).await.error().0, "input");
}

const SCRIPT: &str = "#!/bin/sh\necho \"$0\"; stat -c %a \"$0\"; printf '%s,' \"$@\"; exit 4\n";

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_script_is_a_file_of_its_own_and_gone_afterwards() {
    let server = Sshd::start();
    let bench = Bench::new()
        .with_asset("x/y.sh", SCRIPT)
        .with_host(
            "control",
            server.port(),
            &server.user(),
            &server.client_key(),
        )
        .ready();
    for host in ["local", "control"] {
        let run = step("run", json!({"script": "x/y.sh", "args": ["a b", 1]}));
        let done = bench.perform(run.on(host).expect_any()).await;
        assert_eq!(done.field("exit"), 4);
        let stdout = done.field("stdout");
        let mut lines = stdout.as_str().expect("text").lines();
        let path = lines.next().expect("its path");
        assert_eq!(lines.next(), Some("700"));
        assert_eq!(lines.next(), Some("a b,1,"));
        assert!(
            !std::path::Path::new(path).exists(),
            "{path} is left behind"
        );
    }
    bench.lab.close().await;
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_script_is_gone_when_its_try_was_stopped() {
    let server = Sshd::start();
    let bench = Bench::new()
        .with_asset("wait.sh", "#!/bin/sh\necho \"$0\"; exec sleep 60\n")
        .with_host(
            "control",
            server.port(),
            &server.user(),
            &server.client_key(),
        )
        .ready();
    for host in ["local", "control"] {
        let stop = Stop::new();
        let ask = stop.ask.clone();
        let mut path = String::new();
        let run = step("run", json!({"script": "wait.sh"})).on(host);
        let done = bench
            .perform_watched(run, stop, |note| {
                if let Note::Output { line, .. } = note {
                    path.clone_from(line);
                    ask.cancel();
                }
            })
            .await;
        assert_eq!(done.error().0, "cancelled");
        assert!(path.starts_with('/'), "{path}");
        assert!(
            !std::path::Path::new(&path).exists(),
            "{path} is left behind"
        );
    }
    bench.lab.close().await;
}

#[tokio::test]
async fn commands_run_in_order_to_the_first_failure() {
    let bench = Bench::new().ready();
    let lines = json!({"lines": ["echo a >one", "cat one; exit 2", "touch never"]});
    let done = bench.perform(step("commands", lines)).await;
    assert_eq!(
        done.error(),
        (
            "exit",
            "line 2 of 3: `cat one; exit 2` ended with exit status 2"
        )
    );
    let error = done.result.expect_err("it failed");
    assert_eq!(error.output["results"][0]["command"], "echo a >one");
    assert!(!bench.dir().join("never").exists());

    let done = bench
        .perform(step("commands", json!({"lines": "echo x"})))
        .await;
    assert_eq!(done.field("results")[0]["stdout"], "x\n");
    assert_eq!(
        bench
            .perform(step("commands", json!({"lines": []})))
            .await
            .error()
            .0,
        "input"
    );
    let empty = step("commands", json!({"lines": [], "allow_empty": true}));
    assert_eq!(bench.perform(empty).await.field("results"), json!([]));
}

#[tokio::test]
async fn each_line_of_commands_has_its_bound() {
    let bench = Bench::new().ready();
    let lines = json!({"lines": ["exec sleep 60"], "each": 0.05});
    let done = bench.perform(step("commands", lines)).await;
    let (kind, message) = done.error();
    assert_eq!(kind, "timeout");
    assert!(message.contains("50ms"), "{message}");
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_command_on_a_host_tells_its_end_as_one_here_does() {
    let server = Sshd::start();
    let bench = Bench::new()
        .with_host(
            "control",
            server.port(),
            &server.user(),
            &server.client_key(),
        )
        .ready();
    let run = |text: &str| step("run", json!({"shell": text})).on("control");
    let done = bench.perform(run("echo out; echo err >&2")).await;
    assert_eq!(done.field("stdout"), "out\n");
    assert_eq!(done.lines(Stream::Stderr), ["err"]);
    let done = bench.perform(run("exit 9")).await;
    assert_eq!(
        done.error(),
        ("exit", "`exit 9` on `control` ended with exit status 9")
    );
    let done = bench.perform(run("kill -TERM $$").expect_any()).await;
    assert_eq!(
        (done.field("exit"), done.field("signal")),
        (json!(143), json!("TERM"))
    );
    assert_eq!(bench.perform(run("kill -TERM $$")).await.error().0, "lost");
    bench.lab.close().await;
}

#[tokio::test]
async fn a_line_that_does_not_end_is_shown_all_the_same() {
    let bench = Bench::new().ready();
    let go = bench.dir().join("go");
    let run = step(
        "run",
        json!({"shell": "printf 'login: '; until [ -e go ]; do sleep 0.05; done; echo root"}),
    );
    let done = bench
        .perform_watched(run, Stop::new(), |note| {
            if matches!(note, Note::Output { line, .. } if line == "login: ") {
                std::fs::write(&go, "").expect("a file");
            }
        })
        .await;
    assert_eq!(done.lines(Stream::Stdout), ["login: ", "root"]);
    assert_eq!(done.field("stdout"), "login: root\n");
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_link_that_drops_is_lost_and_may_be_expected() {
    let server = Sshd::start();
    let bench = Bench::new()
        .with_host("dut", server.port(), &server.user(), &server.client_key())
        .ready();
    let drop = || step("run", json!({"shell": "echo going; exec sleep 60"})).on("dut");
    let cut = |note: &Note| {
        if matches!(note, Note::Output { line, .. } if line == "going") {
            server.cut_connections();
        }
    };
    let lost = bench.perform_watched(drop(), Stop::new(), cut).await;
    assert_eq!(lost.error().0, "lost");
    let any = bench
        .perform_watched(drop().expect_any(), Stop::new(), cut)
        .await;
    assert_eq!(
        any.error().0,
        "lost",
        "`any` is every exit status, not none"
    );
    let expected = bench
        .perform_watched(drop().expect_lost(), Stop::new(), cut)
        .await;
    assert_eq!(expected.field("exit"), json!(null));
    assert_eq!(expected.field("stdout"), "going\n");
    bench.lab.close().await;
}
