//! Files between hosts.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use serde_json::{Value, json};
use tf_engine::transport::Stop;

use crate::bench::{Bench, Done, Ready, step};
use crate::sshd::Sshd;
use crate::{MIB, noise};

fn bench(sshd: &Sshd) -> Ready {
    let key = sshd.client_key();
    Bench::new()
        .with_host("control", sshd.port(), &sshd.user(), &key)
        .with_host("board", sshd.port(), &sshd.user(), &key)
        .ready()
}

async fn copy(bench: &Ready, params: Value) -> Done {
    bench.perform(step("copy", params)).await
}

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_file_goes_both_ways_and_between_hosts() {
    let sshd = Sshd::start();
    let bench = bench(&sshd);
    let far = tempfile::tempdir().unwrap();
    let there = far.path().join("it's there");
    let bytes = noise(3 * MIB + 1);
    bench.put("here", &bytes);
    fs::set_permissions(bench.dir().join("here"), Permissions::from_mode(0o640)).unwrap();

    let to = format!("control:{}", there.display());
    let done = copy(&bench, json!({"from": "here", "to": to})).await;
    assert_eq!(
        (done.field("bytes"), done.field("files")),
        (json!(bytes.len()), json!(1))
    );
    assert!(fs::read(&there).unwrap() == bytes);
    assert_eq!(mode(&there), 0o640);

    let back = copy(&bench, json!({"from": to, "to": "back", "mode": "0600"})).await;
    assert_eq!(back.field("bytes"), bytes.len());
    assert!(fs::read(bench.dir().join("back")).unwrap() == bytes);
    assert_eq!(mode(&bench.dir().join("back")), 0o600);

    let other = far.path().join("other");
    let across = json!({"from": to, "to": format!("board:{}", other.display())});
    copy(&bench, across).await.field("files");
    assert!(fs::read(&other).unwrap() == bytes);

    let here = copy(&bench, json!({"from": "here", "to": "local:again"})).await;
    assert_eq!(here.field("files"), 1);
    assert!(fs::read(bench.dir().join("again")).unwrap() == bytes);

    // Into a folder, under its own name.
    let into = json!({"from": "here", "to": format!("control:{}", far.path().display())});
    copy(&bench, into).await.field("files");
    assert!(fs::read(far.path().join("here")).unwrap() == bytes);
    let names = |dir: &std::path::Path| fs::read_dir(dir).unwrap().count();
    assert_eq!((names(far.path()), names(bench.dir())), (3, 3));
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_folder_is_copied_with_all_that_is_in_it() {
    let sshd = Sshd::start();
    let bench = bench(&sshd);
    let far = tempfile::tempdir().unwrap();
    fs::create_dir_all(bench.dir().join("tree/sub")).unwrap();
    bench.put("tree/a", "one");
    bench.put("tree/sub/run me", "two!");
    fs::set_permissions(
        bench.dir().join("tree/sub/run me"),
        Permissions::from_mode(0o755),
    )
    .unwrap();
    std::os::unix::fs::symlink("a", bench.dir().join("tree/link")).unwrap();
    let there = far.path().join("there");
    let to = format!("control:{}", there.display());

    let done = copy(&bench, json!({"from": "tree", "to": to})).await;
    assert_eq!(done.error().0, "io");
    assert!(done.error().1.contains("recursive"), "{}", done.error().1);

    let done = copy(&bench, json!({"from": "tree", "to": to, "recursive": true})).await;
    assert_eq!(
        (done.field("files"), done.field("bytes")),
        (json!(2), json!(7))
    );
    assert_eq!(
        fs::read_to_string(there.join("sub/run me")).unwrap(),
        "two!"
    );
    assert_eq!(mode(&there.join("sub/run me")), 0o755);
    assert_eq!(
        fs::read_link(there.join("link")).unwrap().to_str(),
        Some("a")
    );

    let done = copy(&bench, json!({"from": to, "to": "back", "recursive": true})).await;
    assert_eq!(done.field("files"), 2);
    assert_eq!(bench.file("back/a"), "one");
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn what_goes_wrong_has_its_kind() {
    let sshd = Sshd::start();
    let bench = bench(&sshd);
    bench.put("here", "x");
    let far = tempfile::tempdir().unwrap();
    #[track_caller]
    fn case(done: &Done, kind: &str, part: &str) {
        let (found, message) = done.error();
        assert_eq!(found, kind, "{message}");
        assert!(message.contains(part), "{message}");
    }
    let none = json!({"from": "control:/no/such/file", "to": "x"});
    case(&copy(&bench, none).await, "io", "no such file");
    let none = json!({"from": "nothing", "to": "x"});
    case(&copy(&bench, none).await, "io", "no such file");
    let none = json!({"from": "here", "to": "control:/no/such/folder/x"});
    case(&copy(&bench, none).await, "io", "no folder");
    let device = far.path().join("device");
    crate::image::run(crate::image::program("mkfifo").arg(&device));
    let onto = json!({"from": "here", "to": format!("control:{}", device.display())});
    case(&copy(&bench, onto).await, "io", "is no file");
    let none = json!({"from": "here", "to": "nobody:/x"});
    case(&copy(&bench, none).await, "input", "nobody");
    let none = json!({"from": "here", "to": "../x"});
    case(&copy(&bench, none).await, "input", "run directory");
    let none = json!({"from": "here", "to": "x", "mode": "rw"});
    case(&copy(&bench, none).await, "input", "octal");
    let both = json!({"from": "here", "to": "x", "mode": "0644", "recursive": true});
    case(&copy(&bench, both).await, "input", "recursive");
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_copy_is_stopped() {
    let sshd = Sshd::start();
    let bench = bench(&sshd);
    let stop = Stop::new();
    stop.ask.cancel();
    let params = json!({"from": "control:/dev/zero", "to": "x"});
    let done = bench.perform_until(step("copy", params), stop).await;
    assert_eq!(done.error().0, "cancelled");
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn which_host_is_the_recipes_choice_and_the_path_may_be_the_jobs() {
    let sshd = Sshd::start();
    let mut bench = bench(&sshd);
    let far = tempfile::tempdir().unwrap();
    fs::write(far.path().join("secret"), "of the control host").unwrap();
    let path = far.path().join("secret").display().to_string();
    bench.context.set(
        "job",
        json!({"place": format!("control:{path}"), "path": path}),
    );

    let params = json!({"from": "{{ job.place }}", "to": "taken"});
    let (kind, message) = {
        let done = copy(&bench, params).await;
        let (kind, message) = done.error();
        (kind.to_owned(), message.to_owned())
    };
    assert_eq!(kind, "input");
    assert!(message.contains("`control:{{ … }}`"), "{message}");
    assert!(!bench.dir().join("taken").exists());

    let params = json!({"from": "control:{{ job.path }}", "to": "given"});
    assert_eq!(copy(&bench, params).await.field("files"), 1);
}
