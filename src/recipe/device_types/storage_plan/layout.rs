//! A layout whose entries have found each other.

use super::entry::{Entry, Kind, WHOLE, Wanted};

/// Disks, partitions, formats and mounts, each in the order of the list.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) disks: Vec<Disk>,
    pub(super) partitions: Vec<Partition>,
    pub(super) formats: Vec<Format>,
    pub(super) mounts: Vec<Mount>,
    /// The disk that the machine boots from, where the layout tells.
    pub(super) boot: Option<usize>,
}

#[derive(Debug)]
pub(super) struct Disk {
    pub(super) at: String,
    pub(super) name: Option<String>,
    boot: bool,
    id: String,
}

#[derive(Debug)]
pub(super) struct Partition {
    pub(super) at: String,
    /// Its disk.
    pub(super) disk: usize,
    pub(super) wanted: Wanted,
    number: Option<String>,
    id: String,
}

#[derive(Debug)]
pub(super) struct Format {
    pub(super) volume: Volume,
    pub(super) fstype: String,
    pub(super) label: String,
    at: String,
    id: String,
}

/// What a file system is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Volume {
    Disk(usize),
    Partition(usize),
}

#[derive(Debug)]
pub(super) struct Mount {
    /// The format that is mounted.
    pub(super) format: usize,
    pub(super) path: String,
    at: String,
}

impl Layout {
    /// Follows the names from entry to entry.
    ///
    /// # Errors
    /// All that is wrong, a sentence each.
    pub(super) fn of(entries: &[Entry]) -> Result<Self, Vec<String>> {
        let mut layout = Self::default();
        let mut wrong = Vec::new();
        let mut complain =
            |entry: &Entry, what: String| wrong.push(format!("{}: {what}", entry.at));
        for entry in entries {
            if let Kind::Disk { name, boot } = &entry.kind {
                layout.disks.push(Disk {
                    at: entry.at.clone(),
                    name: name.clone(),
                    boot: *boot,
                    id: entry.id.clone(),
                });
            }
        }
        for entry in entries {
            if let Kind::Partition {
                device,
                wanted,
                number,
            } = &entry.kind
            {
                match layout.disks.iter().position(|disk| disk.id == *device) {
                    Some(disk) => layout.partitions.push(Partition {
                        at: entry.at.clone(),
                        disk,
                        wanted: *wanted,
                        number: number.clone(),
                        id: entry.id.clone(),
                    }),
                    None => complain(entry, named(entries, "device", device, "disk")),
                }
            }
        }
        for entry in entries {
            if let Kind::Format {
                volume,
                fstype,
                label,
            } = &entry.kind
            {
                match layout.volume(entries, volume) {
                    Ok(volume) => layout.formats.push(Format {
                        volume,
                        fstype: fstype.clone(),
                        label: label.clone(),
                        at: entry.at.clone(),
                        id: entry.id.clone(),
                    }),
                    Err(what) => complain(entry, what),
                }
            }
        }
        for entry in entries {
            if let Kind::Mount { device, path } = &entry.kind {
                match layout
                    .formats
                    .iter()
                    .position(|format| format.id == *device)
                {
                    Some(format) => layout.mounts.push(Mount {
                        format,
                        path: path.clone(),
                        at: entry.at.clone(),
                    }),
                    None => complain(entry, named(entries, "device", device, "format")),
                }
            }
        }
        if layout.disks.is_empty() {
            wrong.push("`disks` has no entry of the type `disk`".into());
        }
        if wrong.is_empty() {
            layout.contradictions(&mut wrong);
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        layout.boot = layout.boot_disk();
        Ok(layout)
    }

    /// What a format is on, by the `id` of a partition or disk. What no entry has as its `id` may be
    /// the `number` of a partition, and a disk may stand for the one partition on it: jobs have both.
    fn volume(&self, entries: &[Entry], name: &str) -> Result<Volume, String> {
        let partition = |found: &dyn Fn(&Partition) -> bool| -> Vec<usize> {
            let numbered = self.partitions.iter().enumerate();
            numbered
                .filter(|(_, partition)| found(partition))
                .map(|(at, _)| at)
                .collect()
        };
        if let [only] = partition(&|partition| partition.id == name)[..] {
            return Ok(Volume::Partition(only));
        }
        if let Some(disk) = self.disks.iter().position(|disk| disk.id == name) {
            return match partition(&|partition| partition.disk == disk)[..] {
                [] => Ok(Volume::Disk(disk)),
                [only] => Ok(Volume::Partition(only)),
                _ => Err(format!(
                    "`volume` names the disk \"{name}\", which has several partitions: name one of them"
                )),
            };
        }
        let is_an_id = entries.iter().any(|entry| entry.id == name);
        match partition(&|partition| partition.number.as_deref() == Some(name))[..] {
            [only] if !is_an_id => Ok(Volume::Partition(only)),
            [_, _, ..] if !is_an_id => Err(format!(
                "`volume` is the `number` of several partitions: name the `id` of one instead of \"{name}\""
            )),
            _ => Err(named(entries, "volume", name, "partition or disk")),
        }
    }

    /// What each entry may say, and not all together.
    fn contradictions(&self, wrong: &mut Vec<String>) {
        for (at, format) in self.formats.iter().enumerate() {
            let same = |other: &&Format| other.volume == format.volume;
            if let Some(other) = self.formats[..at].iter().find(same) {
                wrong.push(format!("{}: {} is on the same volume", format.at, other.at));
            }
        }
        for (at, mount) in self.mounts.iter().enumerate() {
            let before = &self.mounts[..at];
            if let Some(other) = before.iter().find(|other| other.format == mount.format) {
                wrong.push(format!("{}: {} mounts the same format", mount.at, other.at));
            }
            let same = |other: &&Mount| mount.path == other.path && mount.path != "none";
            if let Some(other) = before.iter().find(same) {
                wrong.push(format!(
                    "{}: {} is mounted at `{}` too",
                    mount.at, other.at, mount.path
                ));
            }
        }
        for (number, disk) in self.disks.iter().enumerate() {
            let shares = self
                .on(number)
                .filter_map(|partition| partition.wanted.share);
            let sum: u64 = shares.sum();
            if sum > WHOLE {
                #[expect(clippy::cast_precision_loss, reason = "a handful of percentages")]
                let percent = sum as f64 / 1e6;
                wrong.push(format!(
                    "{}: the `alloc_pct` of its partitions come to {percent} %: at most 100",
                    disk.at
                ));
            }
        }
        if let [_, second, ..] = self
            .disks
            .iter()
            .filter(|disk| disk.boot)
            .collect::<Vec<_>>()[..]
        {
            wrong.push(format!("{}: `boot` is set on another disk too", second.at));
        }
    }

    /// The partitions of a disk, in their order.
    pub(super) fn on(&self, disk: usize) -> impl Iterator<Item = &Partition> {
        self.partitions
            .iter()
            .filter(move |partition| partition.disk == disk)
    }

    /// The disk of a volume.
    pub(super) fn disk_of(&self, volume: Volume) -> usize {
        match volume {
            Volume::Disk(disk) => disk,
            Volume::Partition(at) => self
                .partitions
                .get(at)
                .map_or(0, |partition| partition.disk),
        }
    }

    /// The disk with `boot: true`; else the first with something mounted at or below `/boot`; else
    /// the one with `/`.
    fn boot_disk(&self) -> Option<usize> {
        let with = |found: &dyn Fn(&str) -> bool| {
            let mounts = self.mounts.iter().filter(|mount| found(&mount.path));
            mounts
                .filter_map(|mount| self.formats.get(mount.format))
                .map(|format| self.disk_of(format.volume))
                .min()
        };
        self.disks
            .iter()
            .position(|disk| disk.boot)
            .or_else(|| with(&|path| path == "/boot" || path.starts_with("/boot/")))
            .or_else(|| with(&|path| path == "/"))
    }
}

/// Why a name does not lead to an entry of this type.
fn named(entries: &[Entry], key: &str, name: &str, wanted: &str) -> String {
    let found = entries.iter().find(|entry| entry.id == name);
    match found {
        Some(other) => format!("`{key}` names {}: it is the `id` of a {wanted}", other.at),
        None => format!("`{key}`: no entry has the `id` \"{name}\"; it is that of a {wanted}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::entry;
    use super::{Layout, Volume};

    fn layout(disks: &Value) -> Result<Layout, Vec<String>> {
        Layout::of(&entry::read(disks).expect("entries"))
    }

    fn disk(id: &str) -> Value {
        json!({"type": "disk", "id": id})
    }

    fn partition(id: &str, device: &str) -> Value {
        json!({"type": "partition", "id": id, "device": device, "size": "1G", "number": 1})
    }

    fn format(id: &str, volume: &str) -> Value {
        json!({"type": "format", "id": id, "volume": volume, "fstype": "ext4", "label": id})
    }

    fn mount(id: &str, device: &str, path: &str) -> Value {
        json!({"type": "mount", "id": id, "device": device, "path": path})
    }

    #[test]
    fn a_volume_is_a_partition_or_a_whole_disk() {
        let made = layout(&json!([
            disk("d0"),
            disk("d1"),
            disk("d2"),
            partition("p", "d0"),
            partition("q", "d2"),
            format("f", "p"),
            format("g", "d1"),
            format("h", "d2"),
        ]))
        .expect("a layout");
        let volumes: Vec<Volume> = made.formats.iter().map(|format| format.volume).collect();
        assert_eq!(
            volumes,
            [Volume::Partition(0), Volume::Disk(1), Volume::Partition(1)]
        );
    }

    #[test]
    fn a_number_of_a_partition_will_do_where_it_is_the_only_one() {
        let made = layout(&json!([disk("d0"), partition("p", "d0"), format("f", "1")]));
        assert_eq!(
            made.expect("a layout").formats[0].volume,
            Volume::Partition(0)
        );
        let wrong = layout(&json!([
            disk("d0"),
            disk("d1"),
            partition("p", "d0"),
            partition("q", "d1"),
            format("f", "1"),
        ]))
        .expect_err("which one?");
        assert_eq!(
            wrong,
            [
                "disks[4] (format \"f\"): `volume` is the `number` of several partitions: name the `id` of one instead of \"1\""
            ]
        );
    }

    #[test]
    fn names_that_lead_nowhere_are_told() {
        #[track_caller]
        fn case(disks: &Value, message: &str) {
            assert_eq!(layout(disks).expect_err("it is wrong"), [message]);
        }
        case(
            &json!([disk("d"), partition("p", "x")]),
            "disks[1] (partition \"p\"): `device`: no entry has the `id` \"x\"; it is that of a disk",
        );
        case(
            &json!([disk("d"), partition("p", "p")]),
            "disks[1] (partition \"p\"): `device` names disks[1] (partition \"p\"): it is the `id` of a disk",
        );
        case(
            &json!([disk("d"), format("f", "g"), format("g", "d")]),
            "disks[1] (format \"f\"): `volume` names disks[2] (format \"g\"): it is the `id` of a partition or disk",
        );
        case(
            &json!([disk("d"), partition("p", "d"), mount("m", "p", "/")]),
            "disks[2] (mount \"m\"): `device` names disks[1] (partition \"p\"): it is the `id` of a format",
        );
        case(&json!([]), "`disks` has no entry of the type `disk`");
        case(
            &json!([
                disk("d"),
                partition("p", "d"),
                partition("q", "d"),
                format("f", "d")
            ]),
            "disks[3] (format \"f\"): `volume` names the disk \"d\", which has several partitions: name one of them",
        );
    }

    #[test]
    fn contradictions_are_told() {
        let wrong = layout(&json!([
            {"type": "disk", "id": "d", "boot": true}, {"type": "disk", "id": "e", "boot": true},
            {"type": "partition", "id": "p", "device": "d", "alloc_pct": 50},
            {"type": "partition", "id": "q", "device": "d", "alloc_pct": 60.5},
            format("f", "p"), format("g", "p"), format("h", "q"),
            mount("m", "f", "/"), mount("n", "f", "/srv"), mount("o", "h", "/"),
        ]))
        .expect_err("it is wrong");
        assert_eq!(
            wrong,
            [
                "disks[5] (format \"g\"): disks[4] (format \"f\") is on the same volume",
                "disks[8] (mount \"n\"): disks[7] (mount \"m\") mounts the same format",
                "disks[9] (mount \"o\"): disks[7] (mount \"m\") is mounted at `/` too",
                "disks[0] (disk \"d\"): the `alloc_pct` of its partitions come to 110.5 %: at most 100",
                "disks[1] (disk \"e\"): `boot` is set on another disk too",
            ]
        );
    }

    #[test]
    fn the_machine_boots_from_what_is_marked_or_holds_boot_or_the_root() {
        let boot = |boot: bool, path: &str| {
            let second = json!({"type": "disk", "id": "d1", "boot": boot});
            layout(&json!([
                disk("d0"),
                second,
                disk("d2"),
                partition("p", "d0"),
                partition("q", "d2"),
                format("f", "p"),
                format("g", "q"),
                mount("m", "f", "/"),
                mount("n", "g", path),
            ]))
            .expect("a layout")
            .boot
        };
        assert_eq!(boot(true, "/boot"), Some(1));
        assert_eq!(boot(false, "/boot"), Some(2));
        assert_eq!(boot(false, "/boot/efi"), Some(2));
        assert_eq!(boot(false, "/srv/bootstrap"), Some(0));
        let rootless = layout(&json!([disk("d0")])).expect("a layout");
        assert_eq!(rootless.boot, None);
    }
}
