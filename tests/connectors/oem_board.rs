//! A board with a disk of its own: an OpenSSH server whose commands see the board's `/etc`, `/root`,
//! `/boot` and `/var/tmp` in place of the machine's, and a loop device with an EFI system partition,
//! a recovery partition and a root.
//!
//! The kernel of a test machine may lack FAT and ISO 9660. So the recovery partition is ext4, and
//! `blkid` is made to call it FAT; an image has the head of a real one, and `mount` shows a folder in
//! its place.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::connector_bench::{ConnectorBench, Ran};
use crate::image::{Card, program, run};
use crate::sshd::{Setup, Sshd};

/// Of the disk's partitions: EFI system, recovery, root.
const TABLE: &str = "label: gpt\n\
    size=16MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B\n\
    size=32MiB\n\
    size=16MiB\n";

pub(crate) struct OemBoard {
    pub(crate) bench: ConnectorBench,
    pub(crate) sshd: Sshd,
    disk: Card,
}

impl OemBoard {
    /// A board that lets the engine in, as root.
    pub(crate) fn new() -> OemBoard {
        let mut bench = ConnectorBench::new();
        for folder in ["root", "boot/grub", "var-tmp", "iso", "old", "home/.ssh"] {
            fs::create_dir_all(bench.path(folder)).expect("a folder");
        }
        run(program("cp").arg("-a").arg("/etc").arg(bench.path("etc")));
        for folder in ["grub.d", "default/grub.d"] {
            fs::create_dir_all(bench.path("etc").join(folder)).expect("a folder");
        }
        let path = format!(
            "{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            bench.bin().display()
        );
        let sudoers = bench.path("etc/sudoers");
        let _ = fs::remove_file(&sudoers);
        fs::write(
            &sudoers,
            format!("Defaults secure_path=\"{path}\"\nroot ALL=(ALL:ALL) NOPASSWD: ALL\n"),
        )
        .expect("sudoers");
        fs::set_permissions(&sudoers, Permissions::from_mode(0o440)).expect("chmod");
        fs::write(bench.path("boot_id"), "boot-0\n").expect("a boot id");

        let disk = disk(&bench);
        quiet(&bench, "board", BOARD);
        quiet(
            &bench,
            "findmnt",
            &format!(
                "case $* in *' /') echo {}p3; exit ;; esac\nPATH=${{PATH#\"$BENCH/bin:\"}}\nexec findmnt \"$@\"",
                disk.node().display()
            ),
        );
        quiet(&bench, "mount", MOUNT);
        quiet(
            &bench,
            "blkid",
            "case $* in *TYPE*p2) set -- \"$@\" && [ \"$5\" != TYPE ] || { cat \"$BENCH/format\"; exit; } ;; esac\n\
             PATH=${PATH#\"$BENCH/bin:\"}\nexec blkid \"$@\"",
        );
        fs::write(bench.path("format"), "vfat\n").expect("a file");
        quiet(&bench, "boot-anew", BOOT_ANEW);
        bench.stand_in("reboot", "boot-anew");

        let sshd = Setup::new()
            .line(format!(
                "ForceCommand {}",
                bench.bin().join("board").display()
            ))
            .env("PATH", &path)
            .start();
        for name in ["client_key", "client_key.pub"] {
            let own = name.replace("client_key", "home/.ssh/id_ed25519");
            fs::copy(sshd.dir().join(name), bench.path(&own)).expect("a key");
        }
        bench
            .device("device_ip", "127.0.0.1")
            .device("device_port", sshd.port())
            .job(
                "test_data",
                serde_json::json!({"test_username": sshd.user()}),
            );
        OemBoard { bench, sshd, disk }
    }

    /// A partition's node.
    pub(crate) fn partition(&self, number: u32) -> PathBuf {
        PathBuf::from(format!("{}p{number}", self.disk.node().display()))
    }

    /// The whole disk's node.
    pub(crate) fn disk(&self) -> &Path {
        self.disk.node()
    }

    /// What an ISO image has in it.
    pub(crate) fn on_iso(&self, path: &str, content: &str) {
        let place = self.bench.path("iso").join(path);
        fs::create_dir_all(place.parent().expect("it is in the folder")).expect("a folder");
        fs::write(place, content).expect("a file");
    }

    /// The files of a partition, as lines `PATH CONTENT`.
    pub(crate) fn files(&self, number: u32) -> Vec<String> {
        let listed = run(Command::new("unshare")
            .args(["--mount", "sh", "-euc"])
            .arg("mount -o ro \"$1\" /mnt; cd /mnt; find . -type f | sort | while read -r f; do echo \"${f#./} $(head -n 1 \"$f\")\"; done")
            .arg("sh")
            .arg(self.partition(number)));
        listed.lines().map(str::to_owned).collect()
    }

    /// Runs a shipped script on the board.
    pub(crate) fn script(&self, name: &str, arguments: &[&str]) -> Output {
        let quoted: Vec<String> = arguments
            .iter()
            .map(|word| format!("'{}'", word.replace('\'', r"'\''")))
            .collect();
        let script = format!("{}/recipes/files/{name}", env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(self.bench.bin().join("board"));
        self.bench.surround(&mut command);
        command
            .env(
                "SSH_ORIGINAL_COMMAND",
                format!("sh {script} {}", quoted.join(" ")),
            )
            .output()
            .expect("it can be executed")
    }

    /// The record of the stand-ins.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.bench.calls()
    }

    /// A stage of a recipe.
    pub(crate) fn run(&self, recipe: &str) -> Ran {
        self.bench.run(recipe, "provision")
    }
}

/// The least that passes for a whole ISO image: its first volume descriptor (ECMA-119), of 32 sectors.
pub(crate) fn iso_image() -> Vec<u8> {
    let mut image = vec![0; 32 * 2048];
    image[32768] = 1;
    image[32769..32774].copy_from_slice(b"CD001");
    image[32848..32852].copy_from_slice(&32_u32.to_le_bytes());
    image
}

fn disk(bench: &ConnectorBench) -> Card {
    let path = bench.path("disk");
    let file = File::create(&path).expect("a file");
    file.set_len(80 << 20).expect("room");
    let table = bench.path("table");
    fs::write(&table, TABLE).expect("sfdisk's input");
    run(program("sfdisk")
        .args(["--quiet", "--no-reread"])
        .arg(&path)
        .stdin(File::open(&table).expect("sfdisk's input")));
    fs::create_dir_all(bench.path("old/efi/boot")).expect("a folder");
    fs::create_dir_all(bench.path("old/stale/deep")).expect("a folder");
    fs::write(bench.path("old/efi/boot/grub.cfg"), "the board's own").expect("a file");
    fs::write(bench.path("old/stale/deep/file"), "old").expect("a file");
    let disk = Card::attach(&path);
    run(program("partx").arg("-a").arg(disk.node()));
    let node = |number: u32| format!("{}p{number}", disk.node().display());
    run(program("mkfs.vfat").args(["-n", "ESP"]).arg(node(1)));
    run(program("mkfs.ext4")
        .args(["-q", "-L", "OS", "-d"])
        .arg(bench.path("old"))
        .arg(node(2)));
    run(program("mkfs.ext4").arg("-q").arg(node(3)));
    disk
}

/// A command that leaves no record.
pub(crate) fn quiet(bench: &ConnectorBench, name: &str, body: &str) {
    let path = bench.bin().join(name);
    let text = format!("#!/bin/sh\nBENCH={}\n{body}\n", bench.path("").display());
    fs::write(&path, text.replace("/\n", "\n")).expect("a script");
    fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("chmod");
}

/// Does what SSH was asked for, in a mount namespace of its own.
const BOARD: &str = r#"
[ "${1-}" = inside ] || exec unshare --mount --propagation private "$0" inside
for pair in etc:/etc root:/root boot:/boot var-tmp:/var/tmp boot_id:/proc/sys/kernel/random/boot_id; do
    /bin/mount --bind "$BENCH/${pair%%:*}" "${pair#*:}" || exit 99
done
PATH=$BENCH/bin:${PATH#"$BENCH/bin:"}
export PATH HOME=/root
exec sh -c "$SSH_ORIGINAL_COMMAND""#;

const MOUNT: &str = r#"
for place; do :; done
case " $* " in
    *" iso9660 "*) set -- --bind "$BENCH/iso" "$place" ;;
esac
PATH=${PATH#"$BENCH/bin:"}
exec mount "$@""#;

/// Another boot id, and the link goes down.
const BOOT_ANEW: &str = r#"
read -r id <"$BENCH/boot_id"
echo "boot-$((${id#boot-} + 1))" >"$BENCH/boot_id"
pid=$$
while [ "$pid" -gt 1 ]; do
    case $(cat "/proc/$pid/comm") in
        sshd*)
            kill -9 "$pid"
            exit
            ;;
    esac
    pid=$(sed 's/.*) . \([0-9]*\) .*/\1/' "/proc/$pid/stat")
done"#;
