//! dragonboard: a board with two systems, of which the one writes the other's disk and wipes it where
//! that fails.

use std::fs::{self, File};
use std::process::Stdio;

use serde_json::json;

use crate::bench_board::{BoardBench, unrecorded};
use crate::connector_bench::Ran;
use crate::image::{Image, program, run};
use crate::web::Web;

/// What the board is running is in `$BENCH/runs`: after a restart the master system where the relay
/// selects it or where the disk is wiped, else `$BENCH/boots`.
const RESTART: &str = "read -r selected <\"$BENCH/selected\"\n\
                       read -r boots <\"$BENCH/boots\"\n\
                       if [ \"$selected\" = usb ] || [ -e \"$BENCH/wiped\" ]; then boots=master; fi\n\
                       echo \"$boots\" >\"$BENCH/runs\"";

fn bench(runs: &str) -> BoardBench {
    let mut board = BoardBench::new(40);
    let bench = &mut board.bench;
    for (name, text) in [("runs", runs), ("selected", "none"), ("boots", "test")] {
        fs::write(bench.path(name), format!("{text}\n")).expect("a file");
    }
    let relay = bench.stand_in("relay", "echo \"$1\" >\"$BENCH/selected\"");
    let reset = bench.stand_in("reset", RESTART);
    bench.stand_in("reboot", RESTART);
    bench.stand_in(
        "snap",
        "[ \"$1\" = -h ] || exit 2\nread -r runs <\"$BENCH/runs\"\n[ \"$runs\" = test ]",
    );
    bench.stand_in(
        "sgdisk",
        "[ \"$1\" = -o ] || exit 2\nread -r runs <\"$BENCH/runs\"\n[ \"$runs\" = master ] || exit 4\n\
         : >\"$BENCH/wiped\"",
    );
    unrecorded(
        bench,
        "cat",
        "[ \"$*\" = /etc/issue ] || exec /bin/cat \"$@\"\nread -r runs <\"$BENCH/runs\"\n\
         if [ \"$runs\" = master ]; then echo 'Debian GNU/Linux 8'; else echo 'Ubuntu Core'; fi\n",
    );
    let relay = relay.display();
    bench
        .device("master_user", board.sshd.user())
        .device("reboot_script", json!([reset]))
        .device("select_master_script", json!([format!("{relay} usb")]))
        .device("select_test_script", json!([format!("{relay} none")]))
        .device("restart_time", "0s");
    board
}

/// Provisions with an image of one partition that has no label, and this file in it.
fn provision(board: &mut BoardBench, file: &str) -> Ran {
    let path = board.bench.path("image");
    Image::new().ext4("", &[(file, "")]).build(&path);
    let image = fs::read(&path).expect("the image");
    let packed = zstd::encode_all(image.as_slice(), 1).expect("zstd");
    let web = Web::serve(packed);
    let writable = format!("{}p1", board.card.node().display());
    board
        .bench
        .device("snappy_writable_partition", writable)
        .job("provision_data", json!({"url": web.url("core.img.zst")}));
    board.bench.run("dragonboard", "provision")
}

#[test]
#[cfg_attr(
    not(all(have = "sshd", have = "users", have = "loop", have = "mkfs")),
    ignore = "needs sshd, and useradd and loop devices as root; mkfs.ext4, mkfs.vfat and sfdisk"
)]
fn the_master_system_writes_what_the_board_then_boots() {
    let mut board = bench("test");
    provision(&mut board, "system-data/var/lib/snapd/").ends_with(0);
    assert_eq!(
        board.bench.calls(),
        [
            "snap -h",
            "relay usb",
            "reset",
            "relay none",
            "reboot",
            "snap -h"
        ]
    );
    assert!(board.is_authorized());
    assert!(!board.bench.run_dir().join("install.img").exists());
    let seen = board.bench.path("seen");
    fs::create_dir(&seen).expect("a folder");
    run(program("mount")
        .arg("-oro")
        .arg(format!("{}p1", board.card.node().display()))
        .arg(&seen));
    let sudoers = fs::read_to_string(seen.join("system-data/etc/sudoers.d/ubuntu"));
    let seed = seen.join("system-data/var/lib/cloud/seed/nocloud-net/user-data");
    let seed = fs::read_to_string(seed);
    run(program("umount").arg(&seen));
    assert!(sudoers.expect("sudoers").contains("NOPASSWD:ALL"));
    assert!(seed.expect("a seed").contains("ubuntu:ubuntu"));
}

#[test]
#[cfg_attr(
    not(all(have = "sshd", have = "users", have = "loop", have = "mkfs")),
    ignore = "needs sshd, and useradd and loop devices as root; mkfs.ext4, mkfs.vfat and sfdisk"
)]
fn an_image_that_does_not_boot_is_wiped() {
    let mut board = bench("master");
    fs::write(board.bench.path("boots"), "nothing\n").expect("a file");
    board.bench.device("boot_timeout", "2s");
    let ran = provision(&mut board, "etc/");
    ran.ends_with(1);
    assert_eq!(ran.outcome["kind"], "timeout");
    assert_eq!(ran.outcome["verdict"], "image");
    assert!(board.bench.path("wiped").exists());
    let calls = board.bench.calls();
    let node = board.card.node().display();
    assert_eq!(calls.last(), Some(&format!("sgdisk -o {node}")));
    assert!(calls.contains(&"relay usb".to_owned()), "{calls:?}");
}

#[test]
#[cfg_attr(
    not(all(have = "sshd", have = "users", have = "loop")),
    ignore = "needs sshd, and useradd and loop devices as root"
)]
fn storage_that_is_full_is_wiped() {
    let mut board = bench("master");
    let web = Web::serve(zstd::encode_all(vec![7; 48 << 20].as_slice(), 1).expect("zstd"));
    board
        .bench
        .job("provision_data", json!({"url": web.url("large.img.zst")}));
    let ran = board.bench.run("dragonboard", "provision");
    ran.ends_with(1);
    let reason = ran.outcome["reason"].to_string();
    assert!(reason.contains("bytes or more, the place"), "{reason}");
    assert!(board.bench.path("wiped").exists());
}

#[test]
#[cfg_attr(
    not(all(have = "sshd", have = "users", have = "loop")),
    ignore = "needs sshd, and useradd and loop devices as root"
)]
fn a_master_system_that_does_not_come_up_is_46() {
    let mut board = bench("test");
    board.bench.stand_in("reset", "echo off >\"$BENCH/runs\"");
    let web = Web::serve(vec![7; 1 << 20]);
    board
        .bench
        .device("master_timeout", "1s")
        .job("provision_data", json!({"url": web.url("a.img")}));
    let ran = board.bench.run("dragonboard", "provision");
    ran.ends_with(46);
    assert!(!board.bench.path("wiped").exists());
    let resets = board.bench.calls();
    assert_eq!(resets.iter().filter(|call| *call == "reset").count(), 2);
}

#[test]
#[cfg_attr(
    not(all(have = "sshd", have = "users", have = "loop", have = "mkfs")),
    ignore = "needs sshd, and useradd and loop devices as root; mkfs.ext4, mkfs.vfat and sfdisk"
)]
fn a_board_that_goes_away_in_the_middle_of_the_write_is_waited_for() {
    let mut board = bench("master");
    let held = board.bench.path("held");
    run(program("mkfifo").arg(&held));
    unrecorded(
        &board.bench,
        "dd",
        "case $* in *of=*) if [ -p \"$BENCH/held\" ]; then : >\"$BENCH/writing\"; \
         read -r _ <\"$BENCH/held\"; exit 1; fi ;; esac\nexec /bin/dd \"$@\"\n",
    );
    let image = board.bench.path("image");
    Image::new().ext4("writable", &[("etc/", "")]).build(&image);
    let web = Web::serve(fs::read(&image).expect("the image"));
    board
        .bench
        .job("provision_data", json!({"url": web.url("classic.img")}));
    let mut running = board
        .bench
        .command("dragonboard", "provision")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("tf-engine can be executed");
    // Whoever reads from it waits for as long as this is open.
    let hold = File::options().read(true).write(true).open(&held);
    while !board.bench.path("writing").exists() {
        assert!(running.try_wait().expect("a child").is_none(), "it ended");
        std::thread::yield_now();
    }
    fs::remove_file(&held).expect("the fifo");
    board.sshd.stop();
    drop(hold.expect("a fifo"));
    board.sshd.start_again();
    let status = running.wait().expect("it ends");
    assert_eq!(status.code(), Some(0));
    assert!(!board.bench.path("wiped").exists());
}
