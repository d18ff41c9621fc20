//! cm3: the control host's pin and installer, a real disk with a real image, a power switch.

use std::fs::{self, File};
use std::process::Stdio;

use serde_json::json;

use crate::bench_board::BoardBench;
use crate::image::{Image, program, run};

/// The control host's programs: the installer writes `$BENCH/image` where the pin is high.
fn bench() -> BoardBench {
    let mut board = BoardBench::new(40);
    board
        .bench
        .device("control_host", "127.0.0.1")
        .device("control_port", board.sshd.port())
        .device("control_user", board.sshd.user())
        .device("control_api_port", 9)
        .device("settle_time", "0s")
        .job(
            "provision_data",
            json!({"url": "http://images/a.img?b=1&c=$(reboot);d"}),
        );
    let node = board.card.node().display();
    board.bench.stand_in(
        "pi3gpio",
        "[ \"$#\" -eq 3 ] && [ \"$1\" = set ] && [ \"$3\" = 16 ] || exit 2\necho \"$2\" >\"$BENCH/pin\"",
    );
    board.bench.stand_in(
        "cm3-installer",
        &format!(
            "[ \"$#\" -eq 1 ] || exit 2\n\
             [ \"$(cat \"$BENCH/pin\")\" = high ] || {{ echo 'no module' >&2; exit 1; }}\n\
             if [ -p \"$BENCH/held\" ]; then cat \"$BENCH/held\"; fi\n\
             dd if=\"$BENCH/image\" of={node} bs=1M conv=fsync"
        ),
    );
    board.bench.stand_in("udisksctl", "[ \"$1\" = power-off ]");
    board
}

fn put_image(board: &BoardBench) {
    let image = Image::new()
        .vfat("system-boot")
        .ext4("writable", &[("etc/hostname", "board\n")]);
    image.build(&board.bench.path("image"));
}

fn pin(board: &BoardBench) -> String {
    fs::read_to_string(board.bench.path("pin")).expect("the pin was set")
}

#[test]
#[cfg_attr(
    not(all(have = "sshd", have = "users", have = "loop", have = "mkfs")),
    ignore = "needs sshd, and useradd and loop devices as root; mkfs.ext4, mkfs.vfat and sfdisk"
)]
fn a_module_is_written_over_usb_and_booted() {
    let board = bench();
    put_image(&board);
    board.bench.run("cm3", "provision").ends_with(0);
    let node = board.card.node().display();
    assert_eq!(
        board.bench.calls(),
        [
            "pi3gpio set high 16".to_owned(),
            "reset".to_owned(),
            "cm3-installer http://images/a.img?b=1&c=$(reboot);d".to_owned(),
            format!("udisksctl power-off -b {node}"),
            "pi3gpio set low 16".to_owned(),
            "reset".to_owned(),
        ]
    );
    assert_eq!(pin(&board), "low\n");
    assert!(board.is_authorized());
    // The user is on the disk, and nothing is mounted any more.
    let mounts = fs::read_to_string("/proc/self/mounts").expect("/proc");
    assert!(!mounts.contains(&format!("{node}p")), "{mounts}");
    let seen = board.bench.path("seen");
    fs::create_dir(&seen).expect("a folder");
    run(program("mount")
        .arg("-oro")
        .arg(format!("{node}p2"))
        .arg(&seen));
    let seed = fs::read_to_string(seen.join("var/lib/cloud/seed/nocloud-net/user-data"));
    run(program("umount").arg(&seen));
    assert!(seed.expect("a seed").contains("ubuntu:ubuntu"));
}

#[test]
#[cfg_attr(
    not(all(have = "sshd", have = "users", have = "loop")),
    ignore = "needs sshd, and useradd and loop devices as root"
)]
fn a_module_does_not_stay_in_usb_boot_when_the_installer_fails() {
    let board = bench();
    let ran = board.bench.run("cm3", "provision");
    ran.ends_with(1);
    assert_eq!(ran.outcome["kind"], "exit");
    let said = ran.outcome["output_tail"].to_string();
    assert!(said.contains("image"), "{said}");
    assert_eq!(pin(&board), "low\n");
    assert_eq!(
        board.bench.calls().last().map(String::as_str),
        Some("reset")
    );
}

#[test]
#[cfg_attr(
    not(all(have = "sshd", have = "users", have = "loop", have = "mkfs")),
    ignore = "needs sshd, and useradd and loop devices as root; mkfs.ext4, mkfs.vfat and sfdisk"
)]
fn a_control_host_that_goes_away_in_the_middle_of_the_write_is_waited_for() {
    let mut board = bench();
    put_image(&board);
    let held = board.bench.path("held");
    run(program("mkfifo").arg(&held));
    let mut running = board
        .bench
        .command("cm3", "provision")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("tf-engine can be executed");
    // Whoever reads from it waits for as long as this is open.
    let hold = File::options().read(true).write(true).open(&held);
    while !board
        .bench
        .calls()
        .iter()
        .any(|call| call.starts_with("cm3-"))
    {
        assert!(running.try_wait().expect("a child").is_none(), "it ended");
        std::thread::yield_now();
    }
    fs::remove_file(&held).expect("the fifo");
    board.sshd.stop();
    drop(hold.expect("a fifo"));
    board.sshd.start_again();
    let status = running.wait().expect("it ends");
    assert_eq!(status.code(), Some(0));
    let written = board.bench.calls();
    let tries = written.iter().filter(|call| call.starts_with("cm3-"));
    assert_eq!(tries.count(), 2, "{written:?}");
    assert_eq!(pin(&board), "low\n");
}

#[test]
#[cfg_attr(
    not(all(have = "sshd", have = "users", have = "loop")),
    ignore = "needs sshd, and useradd and loop devices as root"
)]
fn a_power_switch_that_fails_is_46_and_the_pin_is_low() {
    let board = bench();
    board
        .bench
        .stand_in("reset", "echo 'the outlet does not answer' >&2; exit 3");
    let ran = board.bench.run("cm3", "provision");
    ran.ends_with(46);
    assert!(
        ran.outcome["output_tail"]
            .to_string()
            .contains("the outlet does not answer"),
        "{:#}",
        ran.outcome
    );
    assert_eq!(pin(&board), "low\n");
}

#[test]
#[cfg_attr(
    not(all(have = "sshd", have = "users", have = "loop")),
    ignore = "needs sshd, and useradd and loop devices as root"
)]
fn what_is_wrong_is_said_before_anything_is_touched() {
    #[track_caller]
    fn case(change: impl FnOnce(&mut BoardBench), said: &str) {
        let mut board = bench();
        change(&mut board);
        let ran = board.bench.run("cm3", "provision");
        ran.ends_with(2);
        assert!(ran.stderr().contains(said), "{}", ran.stderr());
        assert!(board.bench.calls().is_empty());
    }
    let job = |data: serde_json::Value| {
        move |board: &mut BoardBench| {
            board.bench.job("provision_data", data);
        }
    };
    let device = |key: &'static str, value: serde_json::Value| {
        move |board: &mut BoardBench| {
            board.bench.device(key, value);
        }
    };
    case(job(json!({})), "job.provision_data.url");
    case(job(json!({"url": "ftp://images/a.img"})), "url");
    case(device("control_host", json!(null)), "device.control_host");
    case(device("test_device", json!(null)), "device.test_device");
    case(device("reboot_script", json!([])), "device.reboot_script");
}
