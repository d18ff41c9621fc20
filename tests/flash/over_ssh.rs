//! Onto a host that has a shell and a `dd`, over a real sshd.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;
use tempfile::TempDir;
use tf_engine::actions::Note;
use tf_engine::diagnostic::{Span, Spanned};
use tf_engine::recipe::GearKind;
use tf_engine::recipe::model::Gear;
use tf_engine::transport::Stop;

use crate::bench::{Bench, Modify, Ready, driven, step, tree};
use crate::file_server::{Answer, FileServer, Trouble};
use crate::image::Card;
use crate::sshd::{Setup, Sshd, TempUser, descendants, find_program};
use crate::{MIB, card, hex, holds, noise, zstd};

fn bench(sshd: &Sshd) -> Ready {
    Bench::new()
        .with_host("control", sshd.port(), &sshd.user(), &sshd.client_key())
        .ready()
}

fn flash(image: &str, card: &Card) -> tf_engine::recipe::model::Step {
    let device = card.node().display().to_string();
    step("flash", json!({"image": image, "device": device})).on("control")
}

/// Programs of a host: a folder that is all of its `PATH`.
struct Programs(TempDir);

impl Programs {
    fn new(programs: &[(&str, &Path)]) -> Programs {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        for (name, file) in programs {
            symlink(file, dir.path().join(name)).unwrap();
        }
        Programs(dir)
    }

    fn script(self, name: &str, text: &str) -> Programs {
        let path = self.0.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn sshd(&self) -> Sshd {
        Setup::new()
            .env("PATH", &self.0.path().display().to_string())
            .start()
    }
}

fn program(name: &str) -> PathBuf {
    find_program(name).unwrap()
}

#[tokio::test]
#[cfg_attr(
    not(all(have = "loop", have = "sshd")),
    ignore = "needs loop devices (as root) and sshd (openssh-server)"
)]
async fn an_image_from_a_url_is_on_the_card_and_compared() {
    let (sshd, (card, _dir)) = (Sshd::start(), card(16));
    let bytes = noise(9 * MIB + 512);
    let stored = zstd(&bytes);
    let server = FileServer::of("/image.zst", Answer::ok(stored.clone()));
    let done = bench(&sshd)
        .perform(flash(&server.url("/image.zst"), &card))
        .await;
    assert_eq!(done.field("bytes"), stored.len());
    assert_eq!(done.field("written"), bytes.len());
    assert_eq!(done.field("sha256"), hex(&bytes));
    assert_eq!(done.field("verified"), "direct");
    assert!(holds(&card, &bytes));
    assert_eq!(done.warnings(), [""; 0]);
}

#[tokio::test]
#[cfg_attr(
    not(all(have = "busybox", have = "dash", have = "loop", have = "sshd")),
    ignore = "needs busybox (busybox-static), dash, loop devices (as root) and sshd (openssh-server)"
)]
async fn a_host_with_nothing_but_a_shell_and_dd_will_do() {
    // A shell without programs of its own: dash; both kinds of dd.
    for dd in [program("dd"), program("busybox")] {
        let programs = Programs::new(&[("sh", &program("dash")), ("dd", &dd)]);
        let (sshd, (card, _dir)) = (programs.sshd(), card(16));
        let bytes = noise(9 * MIB + 1);
        let bench = bench(&sshd);
        bench.put("image", zstd(&bytes));
        let done = bench.perform(flash("image", &card)).await;
        assert_eq!(done.field("sha256"), hex(&bytes), "{}", dd.display());
        assert_eq!(done.field("verified"), "direct");
        assert!(holds(&card, &bytes));
    }
}

#[tokio::test]
#[cfg_attr(
    not(all(have = "busybox", have = "loop", have = "sshd")),
    ignore = "needs busybox (busybox-static), loop devices (as root) and sshd (openssh-server)"
)]
async fn a_busybox_host_will_do() {
    let busybox = program("busybox");
    let programs = Programs::new(&[("sh", &busybox), ("dd", &busybox)]);
    let (sshd, (card, _dir)) = (programs.sshd(), card(16));
    let bytes = noise(5 * MIB);
    let bench = bench(&sshd);
    bench.put("image", zstd(&bytes));
    let done = bench.perform(flash("image", &card)).await;
    assert_eq!(done.field("sha256"), hex(&bytes));
    assert!(holds(&card, &bytes));
}

#[tokio::test]
#[cfg_attr(
    not(all(have = "dash", have = "loop", have = "sshd")),
    ignore = "needs dash, loop devices (as root) and sshd (openssh-server)"
)]
async fn without_a_way_past_the_cache_it_is_compared_all_the_same_with_a_warning() {
    let programs = Programs::new(&[("sh", &program("dash"))]).script(
        "dd",
        "case $* in *flag=direct* | *fsync*) echo 'dd: unknown flag' >&2; exit 1 ;; esac\n\
         exec /bin/dd \"$@\"\n",
    );
    let programs = programs.script("sync", "exec /bin/sync\n");
    let (sshd, (card, _dir)) = (programs.sshd(), card(16));
    let bytes = noise(5 * MIB);
    let bench = bench(&sshd);
    bench.put("image", zstd(&bytes));
    let done = bench.perform(flash("image", &card)).await;
    assert_eq!(done.field("verified"), "cached");
    assert_eq!(done.warnings().len(), 1);
    assert!(holds(&card, &bytes));
}

#[tokio::test]
#[cfg_attr(
    not(all(have = "dash", have = "loop", have = "sshd")),
    ignore = "needs dash, loop devices (as root) and sshd (openssh-server)"
)]
async fn a_card_that_is_damaged_after_the_write_is_found() {
    let programs = Programs::new(&[("sh", &program("dash"))]).script(
        "dd",
        "/bin/dd \"$@\"; s=$?\n\
         for a; do case $a in of=/dev/loop*) card=${a#of=} ;; esac; done\n\
         [ ! \"$card\" ] || printf X | /bin/dd of=\"$card\" bs=1 seek=300000 conv=notrunc 2>/dev/null\n\
         exit $s\n",
    );
    let (sshd, (card, _dir)) = (programs.sshd(), card(16));
    let bytes = noise(5 * MIB);
    let mut damaged = bytes.clone();
    damaged[300_000] = b'X';
    let bench = bench(&sshd);
    bench.put("image", zstd(&bytes));
    let done = bench.perform(flash("image", &card)).await;
    let (kind, message) = done.error();
    assert_eq!(kind, "mismatch");
    assert!(message.contains(&hex(&bytes)), "{message}");
    assert!(message.contains(&hex(&damaged)), "{message}");
}

#[tokio::test]
#[cfg_attr(
    not(all(have = "dash", have = "loop", have = "sshd")),
    ignore = "needs dash, loop devices (as root) and sshd (openssh-server)"
)]
async fn what_dd_said_is_why_it_failed() {
    let programs = Programs::new(&[("sh", &program("dash"))]).script(
        "dd",
        "case $* in *obs=*) echo \"dd: error writing: Input/output error\" >&2; exit 1 ;; esac\n\
         exec /bin/dd \"$@\"\n",
    );
    let (sshd, (card, _dir)) = (programs.sshd(), card(16));
    let bench = bench(&sshd);
    // The server falls silent: the failure of dd alone has to end the copy.
    let answer = Answer::ok(noise(8 * MIB)).trouble(MIB, Trouble::Silence, 1);
    let server = FileServer::of("/image", answer);
    let done = bench.perform(flash(&server.url("/image"), &card)).await;
    let (kind, message) = done.error();
    assert_eq!(kind, "io");
    assert!(message.contains("Input/output error"), "{message}");
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_missing_device_does_not_become_a_file() {
    let sshd = Sshd::start();
    let bench = bench(&sshd);
    bench.put("image", "bytes");
    let path = "/dev/tf-engine-no-such-card";
    let flash = step("flash", json!({"image": "image", "device": path})).on("control");
    let done = bench.perform(flash).await;
    let (kind, message) = done.error();
    assert_eq!(kind, "io");
    assert!(message.contains("there is no device"), "{message}");
    assert!(!Path::new(path).exists());
}

#[tokio::test]
#[cfg_attr(
    not(all(have = "loop", have = "sshd")),
    ignore = "needs loop devices (as root) and sshd (openssh-server)"
)]
async fn an_image_that_does_not_fit_says_both_sizes() {
    let (sshd, (card, _dir)) = (Sshd::start(), card(2));
    let bench = bench(&sshd);
    bench.put("image", noise(3 * MIB));
    let done = bench.perform(flash("image", &card)).await;
    let (kind, message) = done.error();
    assert_eq!(kind, "mismatch");
    assert!(
        message.contains("3145728") && message.contains("2097152"),
        "{message}"
    );
}

#[tokio::test]
#[cfg_attr(
    not(all(have = "loop", have = "sshd")),
    ignore = "needs loop devices (as root) and sshd (openssh-server)"
)]
async fn a_card_that_is_mounted_is_refused_with_its_mount() {
    let (sshd, (card, dir)) = (Sshd::start(), card(16));
    crate::image::run(
        crate::image::program("mkfs.ext4")
            .arg("-q")
            .arg(card.node()),
    );
    let point = dir.path().join("point");
    fs::create_dir(&point).unwrap();
    crate::image::run(crate::image::program("mount").arg(card.node()).arg(&point));
    let bench = bench(&sshd);
    bench.put("image", noise(MIB));
    let done = bench.perform(flash("image", &card)).await;
    crate::image::run(crate::image::program("umount").arg(&point));
    let (kind, message) = done.error();
    assert_eq!(kind, "io");
    assert!(message.contains(&point.display().to_string()), "{message}");
}

#[tokio::test]
#[cfg_attr(
    not(all(have = "loop", have = "sshd")),
    ignore = "needs loop devices (as root) and sshd (openssh-server)"
)]
async fn a_cut_download_ends_dd_and_is_lost() {
    let (sshd, (card, _dir)) = (Sshd::start(), card(16));
    let answer = Answer::ok(noise(8 * MIB)).trouble(3 * MIB, Trouble::Cut, 1);
    let server = FileServer::of("/image", answer);
    let bench = bench(&sshd);
    let done = bench.perform(flash(&server.url("/image"), &card)).await;
    assert_eq!(done.error().0, "lost");
    assert_eq!(writers(&card), [0; 0]);
    let done = bench.perform(flash(&server.url("/image"), &card)).await;
    assert_eq!(done.field("verified"), "direct");
}

/// Processes whose standard output is the card.
fn writers(card: &Card) -> Vec<u32> {
    let pids = descendants(1);
    let writes = |pid: &u32| {
        fs::read_link(format!("/proc/{pid}/fd/1")).is_ok_and(|output| output == card.node())
    };
    pids.into_iter().filter(writes).collect()
}

#[tokio::test]
#[cfg_attr(
    not(all(have = "loop", have = "sshd")),
    ignore = "needs loop devices (as root) and sshd (openssh-server)"
)]
async fn a_cancelled_write_leaves_no_dd_behind() {
    let (sshd, (card, _dir)) = (Sshd::start(), card(16));
    let answer = Answer::ok(noise(12 * MIB)).trouble(6 * MIB, Trouble::Silence, 1);
    let server = FileServer::of("/image", answer);
    let bench = bench(&sshd);
    let stop = Stop::new();
    let asked = stop.clone();
    let performing =
        bench.perform_watched(flash(&server.url("/image"), &card), stop, move |note| {
            if matches!(note, Note::Progress(progress) if progress.done >= 5 * MIB as u64) {
                asked.ask.cancel();
            }
        });
    assert_eq!(performing.await.error().0, "cancelled");
    assert_eq!(writers(&card), [0; 0]);
}

#[tokio::test]
#[cfg_attr(
    not(all(have = "loop", have = "sshd")),
    ignore = "needs loop devices (as root) and sshd (openssh-server)"
)]
async fn a_link_that_is_lost_in_mid_write_is_lost_and_a_further_try_succeeds() {
    let (sshd, (card, _dir)) = (Sshd::start(), card(16));
    let bytes = noise(12 * MIB);
    let answer = Answer::ok(bytes.clone()).trouble(6 * MIB, Trouble::Silence, 1);
    let server = FileServer::of("/image", answer);
    let bench = bench(&sshd);
    let mut cut = false;
    let performing =
        bench.perform_watched(flash(&server.url("/image"), &card), Stop::new(), |note| {
            if matches!(note, Note::Progress(progress) if progress.done >= 5 * MIB as u64) && !cut {
                cut = true;
                sshd.cut_connections();
            }
        });
    assert_eq!(performing.await.error().0, "lost");
    let done = bench.perform(flash(&server.url("/image"), &card)).await;
    assert_eq!(done.field("sha256"), hex(&bytes));
    assert!(holds(&card, &bytes));
}

#[tokio::test]
#[cfg_attr(
    not(all(have = "loop", have = "sshd")),
    ignore = "needs loop devices (as root) and sshd (openssh-server)"
)]
async fn a_writer_that_a_lost_link_left_is_ended_before_the_next_one_writes() {
    let (sshd, (card, _dir)) = (Sshd::start(), card(16));
    // It waits for the rest of its first block, and would write what it has at the end of input.
    let mut stale = Command::new("dd")
        .arg(format!("of={}", card.node().display()))
        .args(["ibs=131072", "obs=4194304", "conv=fsync"])
        .env("TF_ENGINE_FLASH", "1")
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = stale.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, &[0xee; 4096]).unwrap();
    while writers(&card).is_empty() {
        std::thread::yield_now();
    }
    let bytes = noise(5 * MIB);
    let bench = bench(&sshd);
    bench.put("image", zstd(&bytes));
    let done = bench.perform(flash("image", &card)).await;
    assert_eq!(done.field("verified"), "direct");
    assert!(done.warnings()[0].contains(&stale.id().to_string()));
    drop(input);
    assert!(!stale.wait().unwrap().success());
    assert!(holds(&card, &bytes));
}

#[tokio::test]
#[cfg_attr(
    not(all(have = "loop", have = "sshd", have = "sudo", have = "users")),
    ignore = "needs loop devices (as root), sshd (openssh-server), sudo and useradd (as root)"
)]
async fn who_is_not_root_writes_by_sudo() {
    let (user, (card, _dir)) = (TempUser::create(), card(16));
    let sshd = Setup::new().line("PasswordAuthentication yes").start();
    let bytes = noise(9 * MIB);
    let bench = Bench::new()
        .with_password("control", sshd.port(), user.name(), user.password())
        .ready();
    bench.put("image", zstd(&bytes));
    let device = card.node().display().to_string();

    // sudo would ask for a password: the login has to do, and can't.
    let done = bench.perform(flash("image", &card)).await;
    assert_eq!(done.error().0, "io");

    let rules = PathBuf::from("/etc/sudoers.d").join(user.name());
    let all = format!("{} ALL=(ALL) NOPASSWD:ALL\n", user.name());
    fs::write(&rules, all).unwrap();
    fs::set_permissions(&rules, Permissions::from_mode(0o440)).unwrap();
    let _remove = Removed(rules);
    let done = bench.perform(flash("image", &card)).await;
    assert_eq!(done.field("device"), device);
    assert!(holds(&card, &bytes));
    let without = json!({"image": "image", "device": device, "sudo": false});
    let done = bench.perform(step("flash", without).on("control")).await;
    assert_eq!(done.error().0, "io");

    // And what was started by sudo is ended, although the login can't signal it.
    let answer = Answer::ok(noise(12 * MIB)).trouble(6 * MIB, Trouble::Silence, 1);
    let server = FileServer::of("/image", answer);
    let stop = Stop::new();
    let asked = stop.clone();
    let performing =
        bench.perform_watched(flash(&server.url("/image"), &card), stop, move |note| {
            if matches!(note, Note::Progress(progress) if progress.done >= 5 * MIB as u64) {
                asked.ask.cancel();
            }
        });
    assert_eq!(performing.await.error().0, "cancelled");
    assert_eq!(writers(&card), [0; 0]);
}

/// A file that is removed when dropped.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[tokio::test]
#[cfg_attr(
    not(all(have = "loop", have = "sshd")),
    ignore = "needs loop devices (as root) and sshd (openssh-server)"
)]
async fn an_image_goes_to_the_medium_of_a_mux_where_that_is() {
    let (sshd, (card, _dir)) = (Sshd::start(), card(16));
    let node = card.node().display().to_string();
    let on_control = |mut gear: Gear| {
        gear.host = Some(Spanned {
            value: "control".to_owned(),
            span: Span::default(),
        });
        gear
    };
    let declared = Gear {
        media: Some(tree("media", json!(node))),
        ..on_control(driven(GearKind::Mux, Vec::new()))
    };
    let say = step("run", json!({"argv": ["echo", node]}));
    let printing = on_control(driven(GearKind::Mux, vec![("to_host", vec![say])]));
    let bench = Bench::new()
        .with_host("control", sshd.port(), &sshd.user(), &sshd.client_key())
        .with_gear("declared", declared)
        .with_gear("printing", printing)
        .ready();
    let bytes = noise(5 * MIB);
    bench.put("image", zstd(&bytes));
    let to = |gear: &str| step("flash", json!({"image": "image", "to": gear}));
    assert_eq!(bench.perform(to("declared")).await.field("device"), node);
    assert!(holds(&card, &bytes));

    let done = bench.perform(to("printing")).await;
    assert_eq!(done.error().0, "input");
    let shown = bench.describe(to("printing")).unwrap().join("\n");
    assert!(shown.contains("‹the medium of printing›"), "{shown}");
    let mux = step("mux", json!({"gear": "printing", "to": "host"}));
    bench.perform(mux).await.field("state");
    assert_eq!(bench.perform(to("printing")).await.field("device"), node);
}

#[tokio::test]
#[cfg_attr(
    not(all(have = "dash", have = "loop", have = "sshd")),
    ignore = "needs dash, loop devices (as root) and sshd (openssh-server)"
)]
async fn a_card_that_can_not_be_read_is_no_mismatch() {
    let programs = Programs::new(&[("sh", &program("dash"))]).script(
        "dd",
        "case $* in *if=/dev/loop*bs=4194304*)\n\
           /bin/dd \"$@\" count=1; echo \"dd: error reading: Input/output error\" >&2; exit 1 ;;\n\
         esac\n\
         exec /bin/dd \"$@\"\n",
    );
    let (sha256sum, head) = (program("sha256sum"), program("head"));
    for tool in [("sha256sum", &sha256sum), ("head", &head)] {
        symlink(tool.1, programs.0.path().join(tool.0)).unwrap();
    }
    let (sshd, (card, _dir)) = (programs.sshd(), card(16));
    let bench = bench(&sshd);
    bench.put("image", zstd(&noise(9 * MIB)));
    let done = bench.perform(flash("image", &card)).await;
    let (kind, message) = done.error();
    assert_eq!(kind, "io");
    assert!(message.contains("Input/output error"), "{message}");
}

#[tokio::test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
async fn a_file_on_the_host_is_made_and_cut_to_length() {
    let sshd = Sshd::start();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a card's file");
    fs::write(&path, noise(6 * MIB)).unwrap();
    let bytes = noise(5 * MIB + 3);
    let bench = bench(&sshd);
    bench.put("image", zstd(&bytes));
    let flash = json!({"image": "image", "device": path.display().to_string()});
    let done = bench.perform(step("flash", flash).on("control")).await;
    assert_eq!(done.field("written"), bytes.len());
    assert!(fs::read(&path).unwrap() == bytes);
}
