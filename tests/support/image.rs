//! Small, real, partitioned images, and cards (loop devices) to write them to.
//!
//! An image is built without privilege: the filesystems are made inside the file. A card needs root.
//! A test that uses one is marked with what it needs: see `build.rs`.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::sshd::find_program;

const MIB: u64 = 1024 * 1024;
/// Of each partition: enough for ext4 with a journal.
const PARTITION_MIB: u64 = 16;

enum Filesystem {
    Ext4,
    Vfat,
}

struct Partition {
    filesystem: Filesystem,
    label: String,
    tree: TempDir,
}

/// An image with a DOS partition table, as for a Raspberry Pi.
#[derive(Default)]
pub(crate) struct Image {
    partitions: Vec<Partition>,
}

impl Image {
    /// An image without partitions.
    pub(crate) fn new() -> Image {
        Image::default()
    }

    /// Adds an ext4 partition. A path that ends in `/` is a folder; a content `-> TARGET` a link.
    pub(crate) fn ext4(self, label: &str, files: &[(&str, &str)]) -> Image {
        self.partition(Filesystem::Ext4, label, files)
    }

    /// Adds an empty FAT partition, which not every kernel can mount.
    pub(crate) fn vfat(self, label: &str) -> Image {
        self.partition(Filesystem::Vfat, label, &[])
    }

    fn partition(mut self, filesystem: Filesystem, label: &str, files: &[(&str, &str)]) -> Image {
        let tree = tempfile::tempdir().expect("a temporary folder");
        for (path, content) in files {
            let place = tree.path().join(path);
            if path.ends_with('/') {
                fs::create_dir_all(&place).expect("a folder");
                continue;
            }
            fs::create_dir_all(place.parent().expect("it is in the tree")).expect("a folder");
            match content.strip_prefix("-> ") {
                Some(target) => symlink(target, &place).expect("a link"),
                None => fs::write(&place, content).expect("a file"),
            }
        }
        self.partitions.push(Partition {
            filesystem,
            label: label.to_owned(),
            tree,
        });
        self
    }

    /// Writes the image to `path`.
    pub(crate) fn build(&self, path: &Path) {
        let count = self.partitions.len() as u64;
        let file = File::create(path).expect("the image's file");
        file.set_len((1 + count * PARTITION_MIB) * MIB)
            .expect("room for the image");
        drop(file);
        let starts = (0..count).map(|index| 1 + index * PARTITION_MIB);
        let table: String = starts
            .clone()
            .map(|start| format!("start={start}MiB, size={PARTITION_MIB}MiB\n"))
            .collect();
        let script = path.with_extension("sfdisk");
        fs::write(&script, format!("label: dos\n{table}")).expect("sfdisk's input");
        run(program("sfdisk")
            .args(["--quiet", "--no-reread"])
            .arg(path)
            .stdin(File::open(&script).expect("sfdisk's input")));
        for (partition, start) in self.partitions.iter().zip(starts) {
            match partition.filesystem {
                Filesystem::Ext4 => run(program("mkfs.ext4")
                    .args(["-q", "-F", "-L", &partition.label, "-E"])
                    .arg(format!("offset={},root_owner=0:0", start * MIB))
                    .arg("-d")
                    .arg(partition.tree.path())
                    .arg(path)
                    .arg(format!("{PARTITION_MIB}M"))),
                Filesystem::Vfat => run(program("mkfs.vfat")
                    .args(["-n", &partition.label, "--offset"])
                    .arg((start * MIB / 512).to_string())
                    .arg(path)
                    .arg((PARTITION_MIB * 1024).to_string())),
            };
        }
    }
}

/// A file behind a loop device: a block device to write images to. Detached when dropped.
pub(crate) struct Card {
    node: PathBuf,
    file: PathBuf,
}

impl Card {
    /// Attaches `file`.
    pub(crate) fn attach(file: &Path) -> Card {
        let node = run(program("losetup").args(["--find", "--show"]).arg(file));
        Card {
            node: PathBuf::from(node.trim_end()),
            file: file.to_owned(),
        }
    }

    /// A blank card of `mib` MiB in `folder`.
    pub(crate) fn blank(folder: &Path, mib: u64) -> Card {
        let path = folder.join("card");
        let file = File::create(&path).expect("the card's file");
        file.set_len(mib * MIB).expect("room for the card");
        Card::attach(&path)
    }

    /// The block device.
    pub(crate) fn node(&self) -> &Path {
        &self.node
    }

    /// The file behind it.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        let _ = program("partx").arg("-d").arg(&self.node).output();
        let _ = program("losetup").arg("-d").arg(&self.node).output();
    }
}

/// A command that is found in the system folders too.
pub(crate) fn program(name: &str) -> Command {
    Command::new(find_program(name).unwrap_or_else(|| PathBuf::from(name)))
}

/// Runs a command that must succeed; its standard output.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().expect("it can be executed");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
