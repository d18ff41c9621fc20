//! Boards that restore themselves: real disks, file systems and scripts, stand-ins for what only such
//! a board has.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::connector_bench::ConnectorBench;
use crate::file_server::{Answer, FileServer};
use crate::image::{program, run};
use crate::oem_board::{OemBoard, iso_image, quiet};
use crate::sshd::{Setup, TempUser};

/// A shell would take it for more than a path: it would call the stand-in.
const ISO: &str = "/oem/jammy-X10.iso?a=1&b='$(apt-get)'";

/// A board, a server with the image, and the repositories of the preseed files.
fn lab() -> (OemBoard, FileServer) {
    let mut board = OemBoard::new();
    let web = FileServer::of(ISO, Answer::ok(iso_image()));
    for (path, content) in [
        ("casper/vmlinuz", "kernel"),
        ("casper/initrd", "ramdisk"),
        (".disk/ubuntu_dist_channel", "jammy-X10"),
        ("efi/boot/grub.cfg", "the image's"),
        (
            "preseed/project.cfg",
            "ubiquity ubiquity/reboot boolean false\n",
        ),
    ] {
        board.on_iso(path, content);
    }
    std::os::unix::fs::symlink(".", board.bench.path("iso/ubuntu")).expect("a link");

    let repositories = board.bench.path("repositories");
    for name in [
        "oem-fix-misc-cnl-no-secureboot",
        "oem-fix-misc-cnl-skip-storage-selecting",
        "oem-fix-misc-cnl-skip-oobe",
        "oem-fix-misc-cnl-misc-for-automation",
    ] {
        repository(&repositories.join(name), name);
    }
    fs::write(
        board.bench.path("home/.gitconfig"),
        format!(
            "[url \"file://{}/\"]\n\tinsteadOf = https://git.example/preseed/\n[safe]\n\tdirectory = *\n",
            repositories.display()
        ),
    )
    .expect("a config");
    let url = web.url(ISO);
    board
        .bench
        .device("preseed_base_url", "https://git.example/preseed")
        .job("provision_data", json!({"url": url}));

    board.bench.stand_in(
        "dell-restore-system",
        "[ \"$*\" = -y ] || exit 2\nboot-anew",
    );
    board.bench.stand_in(
        "systemctl",
        "if [ -e \"$BENCH/over\" ]; then echo inactive; exit 3; fi\n: >\"$BENCH/over\"\necho active",
    );
    board.bench.stand_in("apt-get", "");
    (board, web)
}

/// A repository with a file of its own on each of its branches.
fn repository(folder: &Path, name: &str) {
    fs::create_dir_all(folder.join("scripts")).expect("a folder");
    let git = |arguments: &[&str]| {
        run(Command::new("git")
            .current_dir(folder)
            .args(["-c", "user.name=a", "-c", "user.email=a@example"])
            .args(arguments)
            .env("GIT_CONFIG_NOSYSTEM", "1"));
    };
    git(&["init", "--quiet", "--initial-branch", "master"]);
    for branch in ["master", "jammy"] {
        fs::write(
            folder.join("scripts").join(name),
            format!("{name} {branch}\n"),
        )
        .expect("a file");
        git(&["checkout", "--quiet", "-B", branch]);
        git(&["add", "--all"]);
        git(&["commit", "--quiet", "--message", branch]);
    }
    git(&["checkout", "--quiet", "master"]);
}

#[test]
#[cfg_attr(
    not(have = "oem-board"),
    ignore = "needs sshd, sudo, wget, git, mkfs and loop devices, as root"
)]
fn a_board_installs_itself_from_its_recovery_partition() {
    let (board, web) = lab();
    board.run("dell_oemscript").ends_with(0);
    assert_eq!(
        board.calls(),
        [
            "reboot",
            "dell-restore-system -y",
            "systemctl is-active ubiquity",
            "systemctl is-active ubiquity",
            "apt-get -o DPkg::Lock::Timeout=600 purge -y ubiquity",
        ]
    );
    assert_eq!(
        board.files(2),
        [
            ".disk/ubuntu_dist_channel jammy-X10",
            "casper/initrd ramdisk",
            "casper/vmlinuz kernel",
            "efi/boot/grub.cfg the board's own",
            "preseed/project.cfg ubiquity ubiquity/reboot boolean false",
            "scripts/oem-fix-misc-cnl-misc-for-automation oem-fix-misc-cnl-misc-for-automation master",
            "scripts/oem-fix-misc-cnl-no-secureboot oem-fix-misc-cnl-no-secureboot master",
            "scripts/oem-fix-misc-cnl-skip-oobe oem-fix-misc-cnl-skip-oobe jammy",
            "scripts/oem-fix-misc-cnl-skip-storage-selecting oem-fix-misc-cnl-skip-storage-selecting master",
        ]
    );
    let requests = web.requests();
    assert!(
        requests[0].starts_with(&format!("GET {ISO} ")),
        "{requests:?}"
    );
    let left: Vec<_> = fs::read_dir(board.bench.path("var-tmp"))
        .expect("a folder")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
#[cfg_attr(
    not(have = "oem-board"),
    ignore = "needs sshd, sudo, wget, git, mkfs and loop devices, as root"
)]
fn another_board_installs_itself_by_an_entry_of_its_boot_menu() {
    let (board, _web) = lab();
    let etc = board.bench.path("etc");
    fs::write(etc.join("grub.d/99_dell_recovery"), "#!/bin/sh\n").expect("a file");
    board.bench.stand_in(
        "update-grub",
        ". /etc/default/grub.d/zz-ubuntu-recovery.cfg\n\
         { echo \"set default=\\\"$GRUB_DEFAULT\\\"\"; /etc/grub.d/99_ubuntu_recovery; } >/boot/grub/grub.cfg",
    );
    // ext4 has no FAT label.
    board.bench.stand_in("fatlabel", "");
    board.run("hp_oemscript").ends_with(0);

    let recovery = board.partition(2);
    let calls = board.calls();
    assert_eq!(
        calls[..4],
        [
            "reboot".to_owned(),
            format!("fatlabel {} PQSERVICE", recovery.display()),
            "update-grub".to_owned(),
            "reboot".to_owned(),
        ]
    );
    let menu = fs::read_to_string(board.bench.path("boot/grub/grub.cfg")).expect("the menu");
    let uuid = run(program("blkid")
        .args(["-c", "/dev/null", "-s", "UUID", "-o", "value"])
        .arg(&recovery));
    assert!(
        menu.starts_with(
            "set default=\"ubuntu-recovery restore\"\nmenuentry \"ubuntu-recovery restore\" {\n"
        ),
        "{menu}"
    );
    assert!(menu.contains(&format!("--set=root {uuid}")), "{menu}");
    assert!(menu.contains("linux /casper/vmlinuz $options\n"), "{menu}");
    assert!(!etc.join("grub.d/99_dell_recovery").exists());
    let files = board.files(2);
    for path in [
        "preseed/ubuntu-recovery.cfg ",
        "scripts/chroot-scripts/fish/00-setup-local-repo #!/bin/sh",
        "scripts/chroot-scripts/os-post/99-remove-local-repo #!/bin/sh",
        "preseed/project.cfg ubiquity ubiquity/reboot boolean true",
    ] {
        assert!(files.iter().any(|file| file.starts_with(path)), "{files:?}");
    }
}

#[test]
#[cfg_attr(
    not(have = "oem-board"),
    ignore = "needs sshd, sudo, wget, git, mkfs and loop devices, as root"
)]
fn nothing_is_written_over_by_an_image_that_no_board_could_boot() {
    let (board, web) = lab();
    let before = board.files(2);
    let says = |name: &str, arguments: &[&str], words: &str| {
        let output = board.script(name, arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(words), "{said}");
    };

    let fetch = "oemscript/fetch-iso.sh";
    let file = "/var/tmp/image/x.iso";
    says(
        fetch,
        &[&web.url("/gone.iso"), file, "checked"],
        "wget ended with 8",
    );
    let token = board.bench.path("token");
    fs::write(&token, "username: me\n").expect("a file");
    let token = token.display().to_string();
    says(
        fetch,
        &[&web.url(ISO), file, "any", &token],
        "no lines 'username: NAME' and 'token: PASSWORD'",
    );

    let check = "oemscript/check-iso.sh";
    let image = board.bench.path("var-tmp/x.iso");
    fs::write(&image, "<html>not here</html>").expect("a file");
    says(check, &["/var/tmp/x.iso"], "is not an ISO 9660 image");
    fs::write(&image, &iso_image()[..40960]).expect("a file");
    says(
        check,
        &["/var/tmp/x.iso"],
        "cut short: 40960 bytes of 65536",
    );
    says(check, &["/var/tmp/y.iso"], "there is no /var/tmp/y.iso");

    let recovery = board.partition(2).display().to_string();
    let fill = "oemscript/fill-partition.sh";
    let arguments = [recovery.as_str(), "/var/tmp/x.iso", "/var/tmp"];
    fs::rename(
        board.bench.path("iso/casper/initrd"),
        board.bench.path("initrd"),
    )
    .expect("a file");
    says(fill, &arguments, "the image has no casper/initrd");
    fs::rename(
        board.bench.path("initrd"),
        board.bench.path("iso/casper/initrd"),
    )
    .expect("a file");
    board.on_iso("casper/filesystem.squashfs", &"x".repeat(33 << 20));
    says(
        fill,
        &arguments,
        "is too small: 33554432 bytes, the image needs",
    );
    assert_eq!(board.files(2), before);
}

#[test]
#[cfg_attr(
    not(have = "oem-board"),
    ignore = "needs sshd, sudo, wget, git, mkfs and loop devices, as root"
)]
fn the_recovery_partition_is_known_by_its_label_or_its_place() {
    let board = OemBoard::new();
    let find = |labels: &[&str]| {
        let output = board.script("oemscript/recovery-partition.sh", labels);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
            .ok_or(said)
    };
    let [esp, recovery] = [1, 2].map(|number| board.partition(number).display().to_string());
    let both = format!("{recovery}\n{esp}\n");
    assert_eq!(find(&["PQSERVICE", "os"]).as_deref(), Ok(both.as_str()));
    assert_eq!(find(&["PQSERVICE"]).as_deref(), Ok(both.as_str()));

    // Windows may be there.
    fs::write(board.bench.path("format"), "ntfs\n").expect("a file");
    let said = find(&["OS"]).expect_err("no FAT partition");
    assert!(said.contains(&format!("{recovery} (ntfs, OS)")), "{said}");
    fs::write(board.bench.path("format"), "vfat\n").expect("a file");

    run(program("sfdisk")
        .args(["--quiet", "--no-reread", "--part-type"])
        .arg(board.disk())
        .args(["1", "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"]));
    let said = find(&["OS"]).expect_err("no EFI system partition");
    assert!(said.contains("has no EFI system partition"), "{said}");
}

#[test]
#[cfg_attr(
    not(have = "oem-board"),
    ignore = "needs sshd, sudo, wget, git, mkfs and loop devices, as root"
)]
fn a_board_restores_itself_by_its_vendors_commands() {
    let mut board = OemBoard::new();
    board.bench.device(
        "recovery_cmds",
        json!(["vendor-tool prepare 'two words'", "vendor-tool restore"]),
    );
    // The old system goes on for a while, and answers; the new one is busy at first.
    board.bench.stand_in(
        "vendor-tool",
        "[ $# -eq 2 ] || [ \"$1\" = restore ] || exit 2\n\
         [ \"$1\" != restore ] || boot-anew",
    );
    board.bench.stand_in(
        "snap",
        "case $1 in\n\
         model) exit 1 ;;\n\
         changes) [ -e \"$BENCH/asked\" ] || { : >\"$BENCH/asked\"; echo '1 Doing Initialize device'; exit; }\n\
             echo '1 Done Initialize device' ;;\n\
         esac",
    );
    board.run("oemrecovery").ends_with(0);
    let calls = board.calls();
    assert_eq!(
        calls,
        [
            "vendor-tool prepare two words",
            "vendor-tool restore",
            "snap model",
            "snap changes",
            "snap model",
            "snap changes",
        ]
    );

    // 46 where the board can't even be reset, whichever way.
    board.sshd.stop();
    board
        .bench
        .device("reboot_script", json!(["pdu off", "pdu on"]));
    board.bench.stand_in("pdu", "[ \"$1\" = off ]");
    board.run("oemrecovery").ends_with(46);
    assert_eq!(board.calls()[calls.len()..], ["pdu off", "pdu on"]);
    // Before anything is touched.
    board
        .bench
        .device("recovery_cmds", json!(""))
        .device("device_ip", json!(null));
    let refused = board.run("oemrecovery");
    refused.ends_with(2);
    assert!(
        refused.stderr().contains("device_ip"),
        "{}",
        refused.stderr()
    );
}

#[test]
#[cfg_attr(
    not(all(have = "sshd", have = "users")),
    ignore = "needs sshd and useradd, as root"
)]
fn the_installed_system_is_logged_in_to_by_its_first_password() {
    let mut bench = ConnectorBench::new();
    let user = TempUser::create();
    let path = format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", bench.bin().display());
    let sshd = Setup::new()
        .line("PasswordAuthentication yes")
        .line("AuthorizedKeysFile .ssh/authorized_keys")
        .env("PATH", &path)
        .start();
    fs::create_dir_all(bench.path("home/.ssh")).expect("a folder");
    fs::copy(sshd.client_key(), bench.path("home/.ssh/id_ed25519")).expect("a key");
    let public = sshd.client_key().with_extension("pub");
    fs::copy(&public, bench.path("home/.ssh/id_ed25519.pub")).expect("a key");
    let keys = user.home().join(".ssh/authorized_keys");
    for folder in [&bench.path(""), &bench.bin()] {
        fs::set_permissions(folder, Permissions::from_mode(0o755)).expect("chmod");
    }
    fs::create_dir(user.home().join(".ssh")).expect("a folder");
    fs::copy(&public, &keys).expect("the keys");
    for path in [&user.home().join(".ssh"), &keys] {
        user.give(path);
    }
    for (name, text) in [("boot_id", "boot-0\n"), ("calls", "")] {
        fs::write(bench.path(name), text).expect("a file");
        fs::set_permissions(bench.path(name), Permissions::from_mode(0o666)).expect("chmod");
    }
    let image = bench.path("image.iso");
    fs::write(&image, iso_image()).expect("an image");
    fs::set_permissions(&image, Permissions::from_mode(0o644)).expect("chmod");

    quiet(
        &bench,
        "cat",
        "[ \"$*\" != /proc/sys/kernel/random/boot_id ] || exec /bin/cat \"$BENCH/boot_id\"\nexec /bin/cat \"$@\"",
    );
    quiet(
        &bench,
        "sudo",
        "case $* in\n\
         '-n reboot') echo boot-1 >\"$BENCH/boot_id\" ;;\n\
         '-n dell-restore-system -y') rm \"$HOME/.ssh/authorized_keys\"; echo boot-2 >\"$BENCH/boot_id\" ;;\n\
         *PQSERVICE*) printf '/dev/fake2\\n/dev/fake1\\n'; exit ;;\n\
         *'-n sh '*) echo \"fill ${*#*tf-engine-* }\" | sed 's|/var/tmp/[^/]*/||g' >>\"$BENCH/calls\"; exit ;;\n\
         esac\n\
         echo \"$*\" >>\"$BENCH/calls\"",
    );
    quiet(
        &bench,
        "wget",
        "while [ \"$1\" != -O ]; do shift; done\ncp \"$BENCH/image.iso\" \"$2\"",
    );
    quiet(&bench, "systemctl", "echo inactive; exit 3");
    quiet(&bench, "git", "for folder; do :; done\nmkdir \"$folder\"");
    bench
        .device("device_ip", "127.0.0.1")
        .device("device_port", sshd.port())
        .device("recovered_password", user.password())
        .job(
            "test_data",
            json!({"test_username": user.name(), "test_password": "the old one"}),
        )
        .job("provision_data", json!({"url": "http://images/focal.iso"}));
    let ran = bench.run("oemscript", "provision");
    ran.ends_with(0);
    assert_eq!(
        bench.calls(),
        [
            "-n reboot",
            "fill /dev/fake2 recovery.iso preseed",
            "-n dell-restore-system -y",
            "-n apt-get -o DPkg::Lock::Timeout=600 purge -y ubiquity",
        ]
    );
    let key = fs::read_to_string(&public).expect("a key");
    let let_in = fs::read_to_string(&keys).expect("the new system's keys");
    let word = key.split(' ').nth(1).expect("a key");
    assert!(let_in.contains(word), "{let_in}");
    assert!(!ran.stderr().contains(user.password()), "{}", ran.stderr());
}
