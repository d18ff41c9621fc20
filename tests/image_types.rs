//! The scripts that look into images against real, partitioned images on loop devices: mounted, recognised, unmounted.
#![allow(clippy::panic, reason = "a test says so when it fails")]

#[path = "support/image.rs"]
mod image;
#[path = "support/image_kinds.rs"]
mod image_kinds;
#[path = "support/sshd.rs"]
mod sshd;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use image::{Card, Image, program, run};
use image_kinds::KINDS;
use tempfile::TempDir;

/// A card with an image on it, and the folder below which its partitions are mounted.
struct Bench {
    card: Card,
    folder: TempDir,
}

impl Bench {
    fn new(image: &Image) -> Bench {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("image");
        image.build(&path);
        Bench {
            card: Card::attach(&path),
            folder,
        }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("mnt")
    }

    fn script(&self, name: &str, args: &[&Path]) -> Output {
        script(&["sh"], name, args)
    }

    fn mount(&self) -> Output {
        self.script("mount-labels.sh", &[self.card.node(), &self.root()])
    }

    fn detect(&self) -> Output {
        self.script("detect-image.sh", &[&self.root()])
    }

    fn unmount(&self) -> Output {
        self.script("umount-labels.sh", &[&self.root()])
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.unmount();
    }
}

fn script(shell: &[&str], name: &str, args: &[&Path]) -> Output {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/files/images");
    Command::new(shell[0])
        .args(&shell[1..])
        .arg(folder.join(name))
        .args(args)
        .output()
        .expect("a shell")
}

#[track_caller]
fn succeeds(output: &Output) -> String {
    assert!(output.status.success(), "{}", errors(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn mounts_below(root: &Path) -> usize {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("/proc");
    mounts.matches(&*root.to_string_lossy()).count()
}

#[test]
#[cfg_attr(
    not(all(have = "loop", have = "mkfs")),
    ignore = "needs loop devices (as root); mkfs.ext4, mkfs.vfat and sfdisk"
)]
fn every_kind_of_image_is_mounted_recognised_and_unmounted() {
    for (word, build) in KINDS {
        let bench = Bench::new(&build());
        succeeds(&bench.mount());
        assert_eq!(succeeds(&bench.detect()), format!("{word}\n"));
        succeeds(&bench.unmount());
        assert_eq!(mounts_below(&bench.root()), 0);
        assert!(!bench.root().exists());
    }
}

#[test]
#[cfg_attr(not(have = "root"), ignore = "needs root")]
fn versions_are_compared_as_numbers() {
    #[track_caller]
    fn case(files: &[(&str, &str)], word: &str) {
        let root = tempfile::tempdir().expect("a temporary folder");
        for (path, content) in files {
            let place = root.path().join("writable").join(path);
            fs::create_dir_all(place.parent().expect("it is in the folder")).expect("a folder");
            fs::write(place, content).expect("a file");
        }
        let detected = script(&["sh"], "detect-image.sh", &[root.path()]);
        assert_eq!(succeeds(&detected), format!("{word}\n"));
    }
    let stamp = |text| [(".disk/info", text)];
    case(
        &stamp("iot-a-classic-server-2004-1"),
        "ce-oem-iot-before-24",
    );
    case(
        &stamp("iot-a-classic-desktop-2404-1"),
        "ce-oem-iot-24-and-beyond",
    );
    case(&stamp("iot-a-b-core-22-1"), "ce-oem-iot-before-24");
    case(&stamp("iot-a-b-core-24-1"), "ce-oem-iot-24-and-beyond");
    case(
        &stamp("iot-a-classic-server-24-1"),
        "ce-oem-iot-24-and-beyond",
    );
    case(&stamp("Ubuntu 24.04 LTS"), "unknown");
    let desktop = |version| [("usr/bin/firefox", ""), ("etc/os-release", version)];
    case(&desktop("VERSION_ID=\"24.10\"\n"), "pi-desktop");
    case(&desktop("VERSION_ID=25\n"), "pi-desktop-25");
    case(&desktop("VERSION_ID='100.04'\n"), "pi-desktop-25");
    case(&desktop("VERSION_ID=\"9.04\"\n"), "pi-desktop");
    case(&desktop("NAME=Ubuntu\n"), "pi-desktop");
}

#[test]
#[cfg_attr(
    not(all(have = "loop", have = "mkfs")),
    ignore = "needs loop devices (as root); mkfs.ext4, mkfs.vfat and sfdisk"
)]
fn labels_that_are_no_folder_names_are_passed_over() {
    let image = Image::new()
        .ext4("..", &[])
        .ext4("/etc", &[])
        .ext4("two words", &[])
        .ext4("writable", &[("etc/", "")]);
    let bench = Bench::new(&image);
    let mounted = bench.mount();
    let said = succeeds(&mounted);
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(bench.root().join("two words/lost+found").exists());
    assert!(errors(&mounted).contains("the label '..' can't be the name of a folder"));
    assert!(errors(&mounted).contains("the label '/etc' can't be the name of a folder"));
    succeeds(&bench.unmount());
    assert!(!bench.root().exists());
}

#[test]
#[cfg_attr(
    not(all(have = "loop", have = "mkfs")),
    ignore = "needs loop devices (as root); mkfs.ext4, mkfs.vfat and sfdisk"
)]
fn a_partition_that_cannot_be_mounted_is_reported_and_passed_over() {
    let bench = Bench::new(&Image::new().ext4("broken", &[]).ext4("writable", &[]));
    // The magic number stays, so that the label is still found; the block count is beyond reason.
    let mut file = fs::File::options()
        .write(true)
        .open(bench.card.file())
        .expect("the card");
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start((1 << 20) + 1024 + 4)).expect("seek");
    std::io::Write::write_all(&mut file, &[0xff; 4]).expect("write");
    drop(file);
    run(program("blockdev")
        .arg("--flushbufs")
        .arg(bench.card.node()));
    let mounted = bench.mount();
    assert_eq!(succeeds(&mounted).lines().count(), 1);
    assert!(
        errors(&mounted).contains("('broken') can't be mounted"),
        "{}",
        errors(&mounted)
    );
    assert!(!bench.root().join("broken").exists());
}

#[test]
#[cfg_attr(
    not(all(have = "loop", have = "mkfs")),
    ignore = "needs loop devices (as root); mkfs.ext4, mkfs.vfat and sfdisk"
)]
fn nothing_to_mount_is_a_failure_with_a_reason() {
    let unlabelled = Bench::new(&Image::new().ext4("", &[]));
    let mounted = unlabelled.mount();
    assert_eq!(mounted.status.code(), Some(1));
    assert!(
        errors(&mounted).contains("no partition of /dev/loop"),
        "{}",
        errors(&mounted)
    );
    assert!(errors(&mounted).contains("has a label"));
    assert!(!unlabelled.root().exists());

    let folder = tempfile::tempdir().expect("a temporary folder");
    let blank = Card::blank(folder.path(), 1);
    let mounted = script(
        &["sh"],
        "mount-labels.sh",
        &[blank.node(), &folder.path().join("mnt")],
    );
    assert_eq!(mounted.status.code(), Some(1));
    assert!(
        errors(&mounted).contains("has no partitions"),
        "{}",
        errors(&mounted)
    );

    let mounted = script(
        &["sh"],
        "mount-labels.sh",
        &[blank.file(), &folder.path().join("mnt")],
    );
    assert!(errors(&mounted).contains("is not a block device"));
}

#[test]
#[cfg_attr(not(have = "loop"), ignore = "needs loop devices (as root)")]
fn a_filesystem_without_a_partition_table_is_mounted() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let card = Card::blank(folder.path(), 16);
    run(program("mkfs.ext4")
        .args(["-q", "-F", "-L", "writable"])
        .arg(card.node()));
    let root = folder.path().join("mnt");
    let mounted = script(&["sh"], "mount-labels.sh", &[card.node(), &root]);
    succeeds(&mounted);
    assert!(root.join("writable/lost+found").exists());
    succeeds(&script(&["sh"], "umount-labels.sh", &[&root]));
}

#[test]
#[cfg_attr(
    not(all(have = "loop", have = "mkfs")),
    ignore = "needs loop devices (as root); mkfs.ext4, mkfs.vfat and sfdisk"
)]
fn mounting_and_unmounting_twice_does_no_harm() {
    let bench = Bench::new(&Image::new().ext4("writable", &[("etc/", "")]));
    succeeds(&bench.mount());
    succeeds(&bench.mount());
    assert_eq!(mounts_below(&bench.root()), 1);
    // A leftover inside: another filesystem, mounted where the image has a folder.
    run(program("mount")
        .args(["-t", "tmpfs", "none"])
        .arg(bench.root().join("writable/etc")));
    assert_eq!(mounts_below(&bench.root()), 2);
    succeeds(&bench.unmount());
    succeeds(&bench.unmount());
    assert_eq!(mounts_below(&bench.root()), 0);
    assert!(!bench.root().exists());
}

#[test]
#[cfg_attr(
    not(all(have = "loop", have = "mkfs")),
    ignore = "needs loop devices (as root); mkfs.ext4, mkfs.vfat and sfdisk"
)]
fn an_image_that_leads_out_of_itself_is_refused() {
    let image = Image::new().ext4(
        "writable",
        &[("etc/cloud/", ""), ("etc/sudoers.d", "-> /etc/sudoers.d")],
    );
    let bench = Bench::new(&image);
    succeeds(&bench.mount());
    let detected = bench.detect();
    assert_eq!(detected.status.code(), Some(1));
    assert!(
        errors(&detected).contains("writable/etc/sudoers.d leads out of it, to /etc/sudoers.d"),
        "{}",
        errors(&detected)
    );
}

#[test]
#[cfg_attr(
    not(all(have = "loop", have = "mkfs")),
    ignore = "needs loop devices (as root); mkfs.ext4, mkfs.vfat and sfdisk"
)]
fn the_card_may_be_written_anew_between_two_runs() {
    let bench = Bench::new(&Image::new().ext4("writable", &[]).ext4("old", &[]));
    assert_eq!(succeeds(&bench.mount()).lines().count(), 2);
    succeeds(&bench.unmount());
    let second = bench.folder.path().join("second");
    Image::new()
        .ext4("ubuntu-seed", &[("snaps/", "")])
        .build(&second);
    run(program("dd")
        .arg(format!("if={}", second.display()))
        .arg(format!("of={}", bench.card.node().display()))
        .args(["bs=1M", "conv=fsync"]));
    assert_eq!(succeeds(&bench.mount()).lines().count(), 1);
    assert_eq!(succeeds(&bench.detect()), "core20\n");
}

#[test]
#[cfg_attr(
    not(all(have = "loop", have = "mkfs")),
    ignore = "needs loop devices (as root); mkfs.ext4, mkfs.vfat and sfdisk"
)]
fn a_card_that_the_host_has_mounted_is_freed_and_no_other() {
    let image = Image::new().ext4("writable", &[]).ext4("more", &[]);
    let (bench, other) = (Bench::new(&image), Bench::new(&image));
    succeeds(&bench.mount());
    succeeds(&other.mount());
    let claim = |device| script(&["sh"], "claim-device.sh", &[device]);
    succeeds(&claim(bench.card.node()));
    assert_eq!(mounts_below(&bench.root()), 0);
    assert_eq!(mounts_below(&other.root()), 2);
    succeeds(&claim(bench.card.node()));
    succeeds(&claim(bench.card.file()));
}

#[test]
#[cfg_attr(
    not(all(have = "busybox", have = "loop", have = "mkfs")),
    ignore = "needs busybox (busybox-static); loop devices (as root); mkfs.ext4, mkfs.vfat and sfdisk"
)]
fn the_scripts_run_in_busybox_too() {
    let bench = Bench::new(&Image::new().ext4("writable", &[("system-data/", "")]));
    let shell = ["busybox", "sh"];
    succeeds(&script(&shell, "claim-device.sh", &[bench.card.node()]));
    succeeds(&script(
        &shell,
        "mount-labels.sh",
        &[bench.card.node(), &bench.root()],
    ));
    assert_eq!(
        succeeds(&script(&shell, "detect-image.sh", &[&bench.root()])),
        "core\n"
    );
    succeeds(&script(&shell, "umount-labels.sh", &[&bench.root()]));
    assert!(!bench.root().exists());
}

#[test]
#[cfg_attr(
    not(all(have = "loop", have = "mkfs")),
    ignore = "needs loop devices (as root); mkfs.ext4, mkfs.vfat and sfdisk"
)]
fn the_partition_with_the_system_may_be_named() {
    let bench = Bench::new(
        &Image::new()
            .ext4("writable", &[("old", "")])
            .ext4("rootfs", &[("system-data/", "")]),
    );
    let second = PathBuf::from(format!("{}p2", bench.card.node().display()));
    let args = [bench.card.node(), &bench.root(), &second];
    succeeds(&bench.script("mount-labels.sh", &args));
    assert_eq!(mounts_below(&bench.root()), 1);
    assert_eq!(succeeds(&bench.detect()), "core\n");
    succeeds(&bench.unmount());

    let elsewhere = [bench.card.node(), &bench.root(), Path::new("/dev/null")];
    let refused = bench.script("mount-labels.sh", &elsewhere);
    assert_eq!(refused.status.code(), Some(1));
    assert!(errors(&refused).contains("/dev/null is no partition of"));
}

/// What a `qemu-img` is asked, and an answer of its kind.
fn unpack(image: &Path, info: &str) -> (Output, String) {
    let folder = image.parent().expect("a folder");
    let stand_in = folder.join("qemu-img");
    let text = format!(
        "#!/bin/sh\necho \"$*\" >>{0}/asked\ncase $1 in\ninfo) echo '{info}' ;;\n\
         convert) for last; do :; done; echo raw >\"$last\" ;;\nesac\n",
        folder.display()
    );
    fs::write(&stand_in, text).expect("a script");
    fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755)).expect("chmod");
    let path = std::env::var("PATH").unwrap_or_default();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/files/images/unpack-qcow2.sh");
    let output = Command::new("sh")
        .arg(script)
        .arg(image)
        .env("PATH", format!("{}:{path}", folder.display()))
        .output()
        .expect("a shell");
    let asked = fs::read_to_string(folder.join("asked")).unwrap_or_default();
    (output, asked)
}

#[test]
fn only_a_disk_image_of_qemu_is_unpacked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let image = folder.path().join("install.img");
    fs::write(&image, b"QFI").expect("an image");
    let (output, asked) = unpack(&image, "");
    succeeds(&output);
    assert_eq!(asked, "");

    fs::write(&image, b"QFI\xfb\0\0\0\x03").expect("an image");
    let (output, asked) = unpack(&image, "backing file: /etc/shadow");
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("based on another file"));
    assert!(!asked.contains("convert"), "{asked}");

    let (output, asked) = unpack(&image, "file format: qcow2");
    succeeds(&output);
    assert!(asked.contains("convert -f qcow2 -O raw"), "{asked}");
    assert_eq!(fs::read(&image).expect("an image"), b"raw\n");
}
