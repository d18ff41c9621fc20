//! muxpi against the real thing: OpenSSH servers as control host and board, a loop device as the
//! card, a web server for the image; device config and job as Testflinger has them.
#![allow(
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says so when it fails"
)]

#[path = "support/image.rs"]
mod image;
#[path = "support/image_kinds.rs"]
mod image_kinds;
#[path = "support/muxpi_lab.rs"]
mod muxpi_lab;
#[path = "support/sshd.rs"]
mod sshd;
#[path = "support/web.rs"]
mod web;

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use image::{program, run};
use image_kinds::{KINDS, Kind};
use muxpi_lab::{Board, MuxpiLab, holds};
use serde_json::json;
use web::Web;

const AT_ONCE: Board = Board::Boots(Duration::ZERO);

/// An image of so many MiB that no partition table is looked for in, and its bytes as zstd.
fn plain_image(folder: &Path, mib: usize) -> (PathBuf, Vec<u8>) {
    let mut bytes = vec![0; mib << 20];
    let mut noise: u32 = 1;
    for (number, byte) in bytes.iter_mut().enumerate() {
        if number % (1 << 20) < (1 << 18) {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = noise.to_be_bytes()[0];
        }
    }
    let path = folder.join("plain.img");
    fs::write(&path, &bytes).expect("an image");
    (path, zstd::encode_all(bytes.as_slice(), 1).expect("zstd"))
}

#[test]
#[cfg_attr(
    not(have = "muxpi-lab"),
    ignore = "needs sshd, loop devices and useradd, as root, and port 22 of 127.64.0.1"
)]
fn a_board_is_provisioned_with_an_unchanged_config_and_job() {
    let mut lab = MuxpiLab::new(Board::Boots(Duration::from_secs(3)), 208);
    let (image, packed) = plain_image(&lab.file(""), 200);
    let web = Web::serve(packed);
    let console = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    lab.device("serial_host", json!("127.0.0.1"));
    lab.device(
        "serial_port",
        json!(console.local_addr().expect("an address").port()),
    );
    std::thread::spawn(move || {
        for stream in console.incoming() {
            let mut stream = stream.expect("a connection");
            stream.write_all(b"U-Boot 2024.01\n").expect("a line");
            // Held open: a console does not hang up.
            std::mem::forget(stream);
        }
    });

    let begun = Instant::now();
    lab.run(&json!({"url": web.url("image.zst"), "create_user": false}))
        .ends_with(0);
    eprintln!(
        "200 MiB, and a board that boots in 3 s: {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    assert!(holds(&lab.card, &image));
    assert_eq!(lab.mux(), ["-ts", "-dut"]);
    assert!(lab.is_authorized());
    let serial = fs::read(lab.run_dir().join("provision-serial.log")).expect("the serial log");
    assert_eq!(serial, b"U-Boot 2024.01\n");
}

/// What each kind of image must hold afterwards: path, and something in the file.
fn seeds(word: &str) -> &'static [(&'static str, &'static str)] {
    const SUDOERS: (&str, &str) = ("writable/etc/sudoers.d/ubuntu", "NOPASSWD:ALL");
    match word {
        "ce-oem-iot-before-24" => &[
            ("system-boot/user-data", "plain_text_passwd: ubuntu"),
            SUDOERS,
        ],
        "ce-oem-iot-24-and-beyond" => &[
            (
                "writable/var/lib/cloud/seed/nocloud/user-data",
                "plain_text_passwd: ubuntu",
            ),
            (
                "writable/var/lib/cloud/seed/nocloud/meta-data",
                "instance-id",
            ),
            SUDOERS,
        ],
        "tegra" => &[
            (
                "writable/var/lib/cloud/seed/nocloud/user-data",
                "ubuntu:ubuntu",
            ),
            ("writable/boot/grub/grub.cfg", "set timeout=0"),
            ("writable/etc/default/grub", "GRUB_TIMEOUT=0"),
            SUDOERS,
        ],
        "pi-desktop-25" => &[
            (
                "writable/var/lib/cloud/seed/nocloud-net/user-data",
                "AutomaticLogin = ubuntu",
            ),
            (
                "writable/var/lib/cloud/seed/nocloud-net/meta-data",
                "instance-id",
            ),
            SUDOERS,
        ],
        "pi-desktop" => &[
            (
                "writable/etc/systemd/system/oem-config.service",
                "oem-config-firstboot",
            ),
            ("writable/preseed.cfg", "passwd/username"),
            SUDOERS,
        ],
        "core" => &[
            (
                "writable/system-data/var/lib/cloud/seed/nocloud-net/user-data",
                "ubuntu:ubuntu",
            ),
            (
                "writable/system-data/var/lib/cloud/seed/nocloud-net/meta-data",
                "instance-id",
            ),
        ],
        "core20" => &[(
            "ubuntu-seed/data/etc/cloud/cloud.cfg.d/99_nocloud.cfg",
            "NoCloud",
        )],
        "ubuntu-cpc" => &[(
            "cloudimg-rootfs/var/lib/cloud/seed/nocloud-net/user-data",
            "ubuntu:ubuntu",
        )],
        _ => &[
            (
                "writable/var/lib/cloud/seed/nocloud-net/user-data",
                "ubuntu:ubuntu",
            ),
            (
                "writable/var/lib/cloud/seed/nocloud-net/meta-data",
                "instance-id",
            ),
        ],
    }
}

fn script(name: &str, args: &[&Path]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/files/images");
    run(Command::new("sh").arg(folder.join(name)).args(args));
}

#[test]
#[cfg_attr(
    not(all(have = "muxpi-lab", have = "mkfs")),
    ignore = "needs sshd, loop devices and useradd, as root, and port 22 of 127.64.0.1; mkfs.ext4, mkfs.vfat and sfdisk"
)]
fn every_kind_of_image_gets_its_user() {
    let (some, others) = KINDS.split_at(KINDS.len() / 2);
    std::thread::scope(|scope| {
        scope.spawn(|| some.iter().for_each(gets_its_user));
        others.iter().for_each(gets_its_user);
    });
}

fn gets_its_user((word, build): &Kind) {
    let lab = MuxpiLab::new(Board::Dead, 40);
    let path = lab.file("image");
    build().build(&path);
    let web = Web::serve(fs::read(&path).expect("the image"));
    // Any page will do: what counts here is the card.
    lab.run(&json!({"url": web.url("image"), "boot_check_url": web.url("up")}))
        .ends_with(0);

    let mounts = fs::read_to_string("/proc/self/mounts").expect("/proc");
    let node = format!("{}p", lab.card.node().display());
    assert!(!mounts.contains(&node), "{word}: {mounts}");
    let root = lab.file("mnt");
    script("mount-labels.sh", &[lab.card.node(), &root]);
    for (file, text) in seeds(word) {
        let held = fs::read_to_string(root.join(file));
        assert!(held.is_ok_and(|held| held.contains(text)), "{word}: {file}");
    }
    let fake = root.join("writable/etc/cloud/cloud.cfg.d/99-fake_cloud.cfg");
    assert!(!fake.exists() || *word == "pi-desktop", "{word}");
    script("umount-labels.sh", &[&root]);
}

#[test]
#[cfg_attr(
    not(have = "muxpi-lab"),
    ignore = "needs sshd, loop devices and useradd, as root, and port 22 of 127.64.0.1"
)]
fn the_stick_behind_the_second_mux_is_written_and_given_back() {
    let mut lab = MuxpiLab::new(AT_ONCE, 8);
    let (image, packed) = plain_image(&lab.file(""), 4);
    let web = Web::serve(packed);
    let node = lab.card.node().display();
    lab.install(
        "muxctl",
        &format!(
            "echo \"$*\" >>\"$LAB/mux\"\n\
             case \"$2 $3\" in\n\
             'typecmux plug_to_self') echo {node} ;;\n\
             'sdwire plug_to_self') echo 'no such mux' >&2; exit 1 ;;\n\
             esac\n"
        ),
    );
    lab.device(
        "control_switch_local_cmd",
        json!("muxctl -q typecmux set TS"),
    );
    lab.device("test_device", json!(null));
    let provision = json!({"url": web.url("image.zst"), "create_user": false, "media": "usb"});
    lab.run(&provision).ends_with(0);
    assert!(holds(&lab.card, &image));
    assert_eq!(
        lab.mux(),
        [
            "-q sdwire plug_to_self",
            "-q typecmux plug_to_self",
            "-q typecmux set DUT"
        ]
    );
}

#[test]
#[cfg_attr(
    not(have = "muxpi-lab"),
    ignore = "needs sshd, loop devices and useradd, as root, and port 22 of 127.64.0.1"
)]
fn an_attachment_is_written_and_a_page_says_that_the_board_is_up() {
    let mut lab = MuxpiLab::new(Board::Dead, 8);
    let (image, _) = plain_image(&lab.file(""), 4);
    let attachments = lab.run_dir().join("attachments/provision/images");
    fs::create_dir_all(&attachments).expect("a folder");
    fs::copy(&image, attachments.join("it's.img")).expect("an attachment");
    run(program("xz")
        .args(["-0", "--keep"])
        .arg(attachments.join("it's.img")));
    let post = lab.file("post");
    lab.device(
        "post_provision_script",
        json!([format!("echo card >{}", post.display()), "false"]),
    );

    let web = Web::serve(b"ready".to_vec());
    let check = format!("http://127.0.0.1:{}/$DEVICE_IP", web.port());
    lab.run(&json!({
        "use_attachment": "images/it's.img.xz",
        "create_user": false,
        "boot_check_url": check,
    }))
    .ends_with(0);
    assert!(holds(&lab.card, &image));
    assert!(post.exists());
    assert!(!lab.is_authorized());
    assert!(web.requests() > 0);
}

#[test]
#[cfg_attr(
    not(have = "muxpi-lab"),
    ignore = "needs sshd, loop devices and useradd, as root, and port 22 of 127.64.0.1"
)]
fn the_control_host_is_power_cycled_while_the_board_is_off() {
    let mut lab = MuxpiLab::new(Board::Dead, 8);
    let (_, packed) = plain_image(&lab.file(""), 4);
    let web = Web::serve(packed);
    for name in ["off", "cycle", "on"] {
        lab.install(name, "echo \"${0##*/}\" >>\"$LAB/mux\"\n");
    }
    lab.device("poweroff_script", json!([lab.file("bin/off")]));
    lab.device("control_host_reboot_script", json!([lab.file("bin/cycle")]));
    lab.device("poweron_script", json!([lab.file("bin/on")]));
    lab.run(&json!({
        "url": web.url("image.zst"),
        "create_user": false,
        "boot_check_url": web.url("up"),
    }))
    .ends_with(0);
    assert_eq!(lab.mux(), ["off", "cycle", "on", "-ts", "-dut"]);
}

#[test]
#[cfg_attr(
    not(have = "muxpi-lab"),
    ignore = "needs sshd, loop devices and useradd, as root, and port 22 of 127.64.0.1"
)]
fn a_power_switch_that_fails_is_46() {
    let lab = MuxpiLab::new(AT_ONCE, 8);
    lab.install("reset", "echo 'the outlet does not answer' >&2\nexit 3\n");
    let (_, packed) = plain_image(&lab.file(""), 4);
    let web = Web::serve(packed);
    let ended = lab.run(&json!({"url": web.url("image.zst"), "create_user": false}));
    ended.ends_with(46);
    assert_eq!(ended.outcome["kind"], "exit");
    assert!(
        ended.outcome["output_tail"]
            .to_string()
            .contains("the outlet does not answer")
    );
    assert_eq!(lab.mux(), ["-ts", "-dut"]);
}

#[test]
#[cfg_attr(
    not(have = "muxpi-lab"),
    ignore = "needs sshd, loop devices and useradd, as root, and port 22 of 127.64.0.1"
)]
fn a_board_that_never_answers_is_1_whatever_its_port_does() {
    for board in [Board::Dead, Board::Mute] {
        let mut lab = MuxpiLab::new(board, 8);
        lab.device("boot_timeout", json!("4s"));
        let (_, packed) = plain_image(&lab.file(""), 4);
        let web = Web::serve(packed);
        let ended = lab.run(&json!({"url": web.url("image.zst"), "create_user": false}));
        ended.ends_with(1);
        assert_eq!(ended.outcome["kind"], "timeout");
        assert_eq!(ended.outcome["verdict"], "image");
    }
}

#[test]
#[cfg_attr(
    not(have = "muxpi-lab"),
    ignore = "needs sshd, loop devices and useradd, as root, and port 22 of 127.64.0.1"
)]
fn a_mux_that_fails_is_1() {
    let lab = MuxpiLab::new(AT_ONCE, 8);
    lab.install("stm", "echo \"$1\" >>\"$LAB/mux\"\n[ \"$1\" != -dut ]\n");
    let (_, packed) = plain_image(&lab.file(""), 4);
    let web = Web::serve(packed);
    lab.run(&json!({"url": web.url("image.zst"), "create_user": false}))
        .ends_with(1);
    assert_eq!(lab.mux(), ["-ts", "-dut", "-dut", "-dut"]);
}

/// Returns once something is on the card.
fn wait_until_written(node: &Path) {
    let begun = Instant::now();
    let mut first = vec![0; 1 << 20];
    loop {
        let mut card = fs::File::open(node).expect("the card");
        card.read_exact(&mut first).expect("the card");
        if first.iter().any(|byte| *byte != 0) {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "nothing was written"
        );
        std::thread::yield_now();
    }
}

#[test]
#[cfg_attr(
    not(have = "muxpi-lab"),
    ignore = "needs sshd, loop devices and useradd, as root, and port 22 of 127.64.0.1"
)]
fn a_control_host_that_goes_away_in_the_middle_of_the_write_is_waited_for() {
    let lab = MuxpiLab::new(AT_ONCE, 40);
    let (image, packed) = plain_image(&lab.file(""), 32);
    // Half of the first answer has been sent; the rest is held up until the control host is gone.
    let (reached, half_way) = std::sync::mpsc::channel();
    let (go_on, held) = std::sync::mpsc::channel::<()>();
    let held = Mutex::new(held);
    let web = Web::serve_watched(
        packed,
        Box::new(move |number| {
            if number == 0 {
                reached.send(()).expect("the test waits");
                let _ = held.lock().expect("never poisoned").recv();
            }
        }),
    );
    let provision = json!({"url": web.url("image.zst"), "create_user": false});
    let ended = std::thread::scope(|scope| {
        let running = scope.spawn(|| lab.run(&provision));
        half_way.recv().expect("the image is fetched");
        wait_until_written(lab.card.node());
        lab.control().stop();
        go_on.send(()).expect("the server waits");
        lab.control().start_again();
        running.join().expect("the run ends")
    });
    ended.ends_with(0);
    assert!(holds(&lab.card, &image));
    assert_eq!(web.requests(), 2);
    assert_eq!(lab.mux(), ["-ts", "-ts", "-dut"]);
}

#[test]
#[cfg_attr(
    not(have = "muxpi-lab"),
    ignore = "needs sshd, loop devices and useradd, as root, and port 22 of 127.64.0.1"
)]
fn a_run_that_is_killed_in_the_middle_of_the_write_is_followed_by_one_that_gives_the_card_back() {
    let lab = MuxpiLab::new(AT_ONCE, 40);
    let (_, packed) = plain_image(&lab.file(""), 32);
    // Half of the answer has been sent; the rest never comes.
    let (reached, half_way) = std::sync::mpsc::channel();
    let (_never, held) = std::sync::mpsc::channel::<()>();
    let held = Mutex::new(held);
    let web = Web::serve_watched(
        packed,
        Box::new(move |_| {
            reached.send(()).expect("the test waits");
            let _ = held.lock().expect("never poisoned").recv();
        }),
    );
    let provision = json!({"url": web.url("image.zst"), "create_user": false});
    let mut killed = lab
        .command("provision", &provision)
        .stderr(Stdio::null())
        .spawn()
        .expect("tf-engine can be executed");
    half_way.recv().expect("the image is fetched");
    wait_until_written(lab.card.node());
    assert_eq!(lab.mux(), ["-ts"]);
    killed.kill().expect("it is there");
    killed.wait().expect("it ends");

    // The recipe has no such stage; an agent asks for it all the same.
    let cleanup = lab.run_stage("cleanup", &provision);
    cleanup.ends_with(0);
    assert_eq!(lab.mux(), ["-ts", "-dut"]);
    let log = String::from_utf8_lossy(&cleanup.output.stderr);
    assert!(
        log.contains("(provision of muxpi): left /storage, /"),
        "{log}"
    );
}

#[test]
#[cfg_attr(
    not(have = "muxpi-lab"),
    ignore = "needs sshd, loop devices and useradd, as root, and port 22 of 127.64.0.1"
)]
fn what_is_wrong_is_said_before_anything_is_touched() {
    let lab = MuxpiLab::new(AT_ONCE, 8);
    for provision in [
        json!({}),
        json!({"use_attachment": "../../etc/passwd"}),
        json!({"url": "ftp://example.org/image"}),
        json!({"url": "http://127.0.0.1/image", "media": "floppy"}),
        json!({"url": "http://127.0.0.1/image", "boot_check_url": "file:///etc/passwd"}),
    ] {
        lab.run(&provision).ends_with(2);
    }
    assert!(lab.mux().is_empty());
}
