//! Files: `read` and `write`, here and on a host.

use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::json;
use tf_engine::recipe::model::Parse;

use crate::bench::{Bench, Modify, Ready, step};
use crate::sshd::{Setup, Sshd};

/// The same on the engine's machine and on a host; paths are absolute.
async fn on_both(test: impl AsyncFn(&Ready, &str)) {
    let local = Bench::new().ready();
    test(&local, "local").await;
    let server = Sshd::start();
    let remote = Bench::new()
        .with_host(
            "control",
            server.port(),
            &server.user(),
            &server.client_key(),
        )
        .ready();
    test(&remote, "control").await;
    remote.lab.close().await;
}

fn mode(path: &str) -> u32 {
    let found = std::fs::metadata(path).expect("the file is there");
    found.permissions().mode() & 0o7777
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_file_is_written_whole_with_its_mode_and_digest() {
    on_both(async |bench, host| {
        let path = format!("{}/a b/c/x.txt", bench.dir().display());
        let write = |content: &str, mode: &str| {
            let params = json!({"path": path, "content": content, "mode": mode, "parents": true});
            step("write", params).on(host)
        };
        let done = bench.perform(write("héllo\n", "0640")).await;
        assert_eq!(done.field("changed"), true);
        assert_eq!(done.field("bytes"), 7);
        assert_eq!(
            done.field("sha256"),
            tf_engine::image::Sha256::of("héllo\n".as_bytes()).to_string()
        );
        assert_eq!(std::fs::read_to_string(&path).expect("written"), "héllo\n");
        assert_eq!(mode(&path), 0o640);
        let again = bench.perform(write("héllo\n", "0600")).await;
        assert_eq!(again.field("changed"), false);
        assert_eq!(mode(&path), 0o600);
        let other = bench.perform(write("", "0644")).await;
        assert_eq!(other.field("changed"), true);
        let folder = bench.dir().join("a b/c");
        let left: Vec<_> = std::fs::read_dir(folder).expect("a folder").collect();
        assert_eq!(left.len(), 1, "nothing temporary is left");
    })
    .await;
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn what_can_not_be_written_is_io_and_leaves_nothing() {
    on_both(async |bench, host| {
        let dir = bench.dir().display();
        for path in [
            format!("{dir}/no/such/x"),
            format!("{dir}"),
            "/dev/null".to_owned(),
        ] {
            let write = step("write", json!({"path": path, "content": "x"}));
            assert_eq!(
                bench.perform(write.on(host)).await.error().0,
                "io",
                "{path}"
            );
        }
        let left: Vec<_> = std::fs::read_dir(bench.dir()).expect("a folder").collect();
        assert!(left.is_empty(), "{left:?}");
    })
    .await;
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_link_is_replaced_and_not_written_through() {
    on_both(async |bench, host| {
        let dir = bench.dir();
        bench.put("target", "old");
        symlink("target", dir.join("link")).expect("a link");
        let path = dir.join("link").display().to_string();
        let write = step("write", json!({"path": path, "content": "new"}));
        assert_eq!(bench.perform(write.on(host)).await.field("changed"), true);
        assert_eq!(bench.file("target"), "old");
        assert_eq!(bench.file("link"), "new");
    })
    .await;
}

#[tokio::test]
async fn shipped_files_are_copied_or_rendered() {
    let mut bench = Bench::new().with_asset("a/seed", "name: {{ vars.name }}\n");
    bench.context.set("vars", json!({"name": "board"}));
    let bench = bench.ready();
    let copied = step("write", json!({"path": "copied", "asset": "a/seed"}));
    assert!(bench.perform(copied).await.result.is_ok());
    assert_eq!(bench.file("copied"), "name: {{ vars.name }}\n");
    let rendered = step("write", json!({"path": "rendered", "template": "a/seed"}));
    assert!(bench.perform(rendered).await.result.is_ok());
    assert_eq!(bench.file("rendered"), "name: board\n");
    let none = step("write", json!({"path": "x", "asset": "a/none"}));
    assert_eq!(
        bench.perform(none).await.error(),
        ("input", "there is no shipped file `a/none`")
    );
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_file_is_read_and_parsed() {
    on_both(async |bench, host| {
        bench.put("x.json", "{\"a\": \"\u{e9}\"}\n");
        let path = bench.dir().join("x.json").display().to_string();
        let read = || step("read", json!({"path": path})).on(host);
        let done = bench.perform(read().parse(Parse::Json)).await;
        assert_eq!(done.field("json"), json!({"a": "é"}));
        assert_eq!(done.field("exists"), true);
        let cut = bench.perform(read().max_output(3)).await;
        assert_eq!(
            (cut.field("text"), cut.field("truncated")),
            (json!("{\"a"), json!(true))
        );
        let cut = bench.perform(read().max_output(3).parse(Parse::Json)).await;
        assert_eq!(cut.error().0, "mismatch");
    })
    .await;
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_file_that_is_not_there_is_an_error_unless_it_is_optional() {
    on_both(async |bench, host| {
        let path = bench.dir().join("none").display().to_string();
        let read = step("read", json!({"path": path})).on(host);
        assert_eq!(bench.perform(read).await.error().0, "io");
        let optional = step("read", json!({"path": path, "optional": true})).on(host);
        let done = bench.perform(optional).await;
        assert_eq!(
            (done.field("exists"), done.field("text")),
            (json!(false), json!(null))
        );
        let folder = bench.dir().display().to_string();
        let read = step("read", json!({"path": folder})).on(host);
        assert_eq!(bench.perform(read).await.error().0, "io");
    })
    .await;
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_pattern_lists_what_it_matches() {
    on_both(async |bench, host| {
        for name in ["b1 x", "b2 x", "b3 y", "a"] {
            bench.put(name, "");
        }
        let dir = bench.dir().display().to_string();
        let glob = |pattern: &str| {
            step(
                "read",
                json!({"glob": format!("{dir}/{pattern}"), "optional": true}),
            )
            .on(host)
        };
        let done = bench.perform(glob("b[1-9] x")).await;
        assert_eq!(
            done.field("paths"),
            json!([format!("{dir}/b1 x"), format!("{dir}/b2 x")])
        );
        let done = bench.perform(glob("$(touch pwned)*;")).await;
        assert_eq!(
            (done.field("paths"), done.field("exists")),
            (json!([]), json!(false))
        );
        assert!(!bench.dir().join("pwned").exists());
    })
    .await;
}

#[tokio::test]
async fn a_stranger_s_path_stays_in_the_run_directory() {
    let mut bench = Bench::new();
    bench.context.set(
        "job",
        json!({"abs": "/etc/passwd", "up": "../x", "link": "out/passwd", "fine": "a/../b"}),
    );
    let bench = bench.ready();
    symlink("/etc", bench.dir().join("out")).expect("a link");
    std::fs::create_dir(bench.dir().join("a")).expect("a folder");
    bench.put("b", "inside");
    for name in ["abs", "up", "link"] {
        let path = format!("{{{{ job.{name} }}}}");
        for action in ["read", "write"] {
            let params = match action {
                "read" => json!({"path": path}),
                _ => json!({"path": path, "content": "x"}),
            };
            assert_eq!(
                bench.perform(step(action, params)).await.error().0,
                "input",
                "{name}"
            );
        }
    }
    let fine = step("read", json!({"path": "{{ job.fine }}"}));
    assert_eq!(bench.perform(fine).await.field("text"), "inside");
    let absolute = step("read", json!({"path": "/etc/passwd"}));
    assert_eq!(bench.perform(absolute).await.field("exists"), true);
}

/// A `sudo` that does as it is told, but for one path.
const SUDO: &str = "#!/bin/sh\n\
    test \"$1\" = -n || exit 9\n\
    shift\n\
    case \"$*\" in *refused*) echo 'sudo: a password is required' >&2; exit 1;; esac\n\
    exec \"$@\"\n";

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_file_is_written_by_sudo_which_is_never_asked_for_a_password() {
    let tools = tempfile::tempdir().expect("a temporary folder");
    let sudo = tools.path().join("sudo");
    std::fs::write(&sudo, SUDO).expect("written");
    std::fs::set_permissions(&sudo, std::fs::Permissions::from_mode(0o755)).expect("chmod");
    std::fs::set_permissions(tools.path(), std::fs::Permissions::from_mode(0o755)).expect("chmod");
    let path = format!("{}:/usr/bin:/bin", tools.path().display());
    let server = Setup::new().env("PATH", &path).start();
    let bench = Bench::new()
        .with_host(
            "control",
            server.port(),
            &server.user(),
            &server.client_key(),
        )
        .ready();
    let write = |name: &str| {
        let path = bench.dir().join(name).display().to_string();
        step("write", json!({"path": path, "content": "x", "sudo": true})).on("control")
    };
    let done = bench.perform(write("fine")).await;
    assert_eq!(done.field("changed"), true);
    assert_eq!(bench.file("fine"), "x");
    let refused = bench.perform(write("refused")).await;
    let (kind, message) = refused.error();
    assert_eq!(kind, "exit");
    assert!(
        message.ends_with("sudo: a password is required"),
        "{message}"
    );
    bench.lab.close().await;
}
