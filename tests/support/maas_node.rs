//! One node of a MAAS: what state it is in, what its disks hold, and what MAAS makes of each request.
//!
//! It refuses what the real one refuses: changes of storage while the node is not Ready, a partition
//! that does not fit, a file system on what has one, a mount without a file system, a deployment of
//! a node that is not allocated or has no root. Statuses that take time last for so many reads.

use serde_json::{Value, json};

/// MAAS makes partitions in steps of this many bytes.
const ALIGNMENT: u64 = 4 << 20;
/// What a partition table takes.
const TABLE: u64 = 5 << 20;
/// From which a release leads back to Ready.
const RELEASABLE: &[&str] = &[
    "Allocated",
    "Deploying",
    "Deployed",
    "Failed deployment",
    "Releasing failed",
];

/// The exit status of `maas` and what it prints.
pub(crate) type Answer = (u8, String);

/// How the node behaves, where it does not just do as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    /// A release never ends.
    NeverReleased,
    /// Nothing brings it back.
    Stuck,
    /// The installation fails.
    InstallFails,
    /// The installation never ends.
    NeverDeployed,
    /// It gets another address than the lab says.
    OtherAddress,
}

/// A disk or a partition of one.
#[derive(Debug, Default)]
struct Volume {
    id: u64,
    size: u64,
    /// Type, label and mount point.
    filesystem: Option<(String, String, Option<String>)>,
}

#[derive(Debug)]
struct Disk {
    name: String,
    whole: Volume,
    partitions: Vec<Volume>,
    /// Part of a volume group, which has to go first.
    is_grouped: bool,
    is_physical: bool,
}

/// The node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) status: String,
    pub(crate) flaw: Flaw,
    pub(crate) version: String,
    /// How often a status is read before the next one comes.
    pub(crate) patience: u32,
    reads_left: u32,
    next: Option<String>,
    disks: Vec<Disk>,
    boot_disk: Option<u64>,
    last_id: u64,
    installations: Vec<u64>,
    deployed_with: Vec<String>,
    address: String,
}

impl Node {
    /// A Ready node with disks of these sizes in bytes, the first with an old partition on it.
    pub(crate) fn new(address: &str, sizes: &[u64]) -> Node {
        let disks = sizes
            .iter()
            .zip(1..)
            .zip('a'..)
            .map(|((size, id), letter)| Disk {
                name: format!("sd{letter}"),
                whole: Volume {
                    id,
                    size: *size,
                    filesystem: None,
                },
                partitions: Vec::new(),
                is_grouped: false,
                is_physical: true,
            });
        let mut node = Node {
            status: "Ready".into(),
            flaw: Flaw::None,
            version: "3.5.2".into(),
            patience: 2,
            reads_left: 0,
            next: None,
            disks: disks.collect(),
            boot_disk: None,
            last_id: 10,
            installations: vec![4],
            deployed_with: Vec::new(),
            address: address.to_owned(),
        };
        node.lay_out_flat();
        node
    }

    /// Makes a volume group of the first disk's partition: it can't be deleted then.
    pub(crate) fn group_first_disk(&mut self) {
        self.disks[0].is_grouped = true;
        self.last_id += 1;
        self.disks.push(Disk {
            name: "vg-root".into(),
            whole: Volume {
                id: self.last_id,
                size: 1 << 30,
                filesystem: None,
            },
            partitions: Vec::new(),
            is_grouped: false,
            is_physical: false,
        });
    }

    /// The options of the last deployment.
    pub(crate) fn deployed_with(&self) -> &[String] {
        &self.deployed_with
    }

    /// Each file system, as `NAME[-PARTITION] SIZE TYPE LABEL MOUNT`, and the boot disk.
    pub(crate) fn layout(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for disk in &self.disks {
            let is_boot = self.boot_disk == Some(disk.whole.id);
            if is_boot {
                lines.push(format!("boot {}", disk.name));
            }
            let parts = disk.partitions.iter().zip(1..);
            let volumes = std::iter::once((&disk.whole, 0)).chain(parts);
            for (volume, number) in volumes {
                if let Some((kind, label, mount)) = &volume.filesystem {
                    lines.push(format!(
                        "{}-{number} {} {kind} {label} {}",
                        disk.name,
                        volume.size,
                        mount.as_deref().unwrap_or("-")
                    ));
                }
            }
        }
        lines
    }

    /// What MAAS answers to `maas PROFILE ARGV…`.
    pub(crate) fn ask(&mut self, argv: &[&str], system_id: &str) -> Answer {
        let (object, action, rest) = match argv {
            [object, action, rest @ ..] => (*object, *action, rest),
            _ => return (2, "usage: maas [-h] COMMAND ...".into()),
        };
        let (node, rest) = match (object, rest) {
            ("version", rest) => (system_id, rest),
            ("machines", rest) => (value(rest, "system_id").unwrap_or_default(), rest),
            (_, [node, rest @ ..]) => (*node, rest),
            _ => return (2, "the following arguments are required: system_id".into()),
        };
        if node != system_id {
            return not_found();
        }
        match (object, action, rest) {
            ("version", "read", _) => (0, json!({"version": self.version}).to_string()),
            ("machine", "read", []) => self.read(),
            ("machine", "release", []) => self.release(),
            ("machine", "mark-broken", []) => self.become_now("Broken"),
            ("machine", "mark-fixed", []) => match self.status.as_str() {
                "Broken" if self.flaw == Flaw::Stuck => self.shown(),
                "Broken" => self.become_now("Ready"),
                _ => conflict("Can't mark a non-broken machine as 'Fixed'."),
            },
            ("machine", "power-off", []) => self.shown(),
            ("machines", "allocate", _) => match self.status.as_str() {
                "Ready" => self.become_now("Allocated"),
                _ => conflict("No available machine matches constraints"),
            },
            ("machine", "deploy", options) => self.deploy(options),
            ("machine", "set-storage-layout", options) => self.set_layout(options),
            ("node-script-results", "read", ["type=installation"]) => {
                let sets = self.installations.iter();
                let sets: Vec<Value> = sets
                    .map(|id| json!({"id": id, "type": 1, "type_name": "Installation", "results": []}))
                    .collect();
                (0, json!(sets).to_string())
            }
            ("node-script-result", "download", [id]) => {
                let known = self
                    .installations
                    .iter()
                    .any(|known| known.to_string() == *id);
                match known {
                    true => (0, format!("curtin: installing\ncurtin: log of {id}\n")),
                    false => not_found(),
                }
            }
            ("block-devices", "read", []) => {
                let disks: Vec<Value> = self.disks.iter().map(Disk::shown).collect();
                (0, json!(disks).to_string())
            }
            ("block-device" | "partitions" | "partition", _, [disk, rest @ ..]) => {
                self.store(object, action, disk, rest)
            }
            _ => (2, format!("invalid choice: '{object} {action}'")),
        }
    }

    fn shown(&self) -> Answer {
        let address = match self.flaw {
            Flaw::OtherAddress => "192.0.2.99",
            _ => &self.address,
        };
        let addresses: Vec<&str> = match self.status.as_str() {
            "Deployed" => vec![address],
            _ => Vec::new(),
        };
        let node = json!({
            "system_id": "node", "hostname": "lab-node", "status_name": self.status,
            "ip_addresses": addresses, "power_state": "off", "netboot": true,
        });
        (0, node.to_string())
    }

    fn read(&mut self) -> Answer {
        if self.next.is_some() {
            match self.reads_left.checked_sub(1) {
                Some(left) => self.reads_left = left,
                None => self.status = self.next.take().unwrap_or_default(),
            }
        }
        self.shown()
    }

    fn become_now(&mut self, status: &str) -> Answer {
        self.next = None;
        self.status = status.to_owned();
        self.shown()
    }

    fn become_later(&mut self, now: &str, next: Option<&str>) -> Answer {
        self.status = now.to_owned();
        self.next = next.map(str::to_owned);
        self.reads_left = self.patience;
        self.shown()
    }

    fn release(&mut self) -> Answer {
        if matches!(self.status.as_str(), "Ready" | "Releasing") {
            return self.shown();
        }
        if !RELEASABLE.contains(&self.status.as_str()) {
            return conflict(&format!(
                "Machine cannot be released in its current state ('{}').",
                self.status
            ));
        }
        // What is there afterwards has new ids.
        for volume in self.disks.iter_mut().flat_map(|disk| &mut disk.partitions) {
            self.last_id += 1;
            volume.id = self.last_id;
        }
        match self.flaw {
            Flaw::NeverReleased | Flaw::Stuck => self.become_later("Releasing", None),
            _ => self.become_later("Releasing", Some("Ready")),
        }
    }

    fn deploy(&mut self, options: &[&str]) -> Answer {
        if self.status != "Allocated" {
            return conflict("Can't deploy a machine that is not allocated.");
        }
        let is_ephemeral = value(options, "ephemeral_deploy") == Some("true");
        let has_root = self
            .disks
            .iter()
            .flat_map(|disk| std::iter::once(&disk.whole).chain(&disk.partitions))
            .any(|volume| volume.mount_point() == Some("/"));
        if !is_ephemeral && !has_root {
            return (
                2,
                "Mount the root '/' filesystem to be able to deploy this machine.".into(),
            );
        }
        self.deployed_with = options.iter().map(|option| (*option).to_owned()).collect();
        self.last_id += 1;
        self.installations.push(self.last_id);
        match self.flaw {
            Flaw::InstallFails => self.become_later("Deploying", Some("Failed deployment")),
            Flaw::NeverDeployed => self.become_later("Deploying", None),
            _ => self.become_later("Deploying", Some("Deployed")),
        }
    }

    fn set_layout(&mut self, options: &[&str]) -> Answer {
        if let Some(refusal) = self.unless_ready() {
            return refusal;
        }
        self.disks.retain(|disk| disk.is_physical);
        for disk in &mut self.disks {
            disk.partitions.clear();
            disk.whole.filesystem = None;
            disk.is_grouped = false;
        }
        match value(options, "storage_layout") {
            Some("flat") => self.lay_out_flat(),
            Some("blank") => {}
            _ => {
                return (
                    2,
                    "{\"storage_layout\": [\"is not a valid storage layout.\"]}".into(),
                );
            }
        }
        self.shown()
    }

    fn lay_out_flat(&mut self) {
        self.last_id += 1;
        let id = self.last_id;
        if let Some(disk) = self.disks.first_mut() {
            disk.partitions.push(Volume {
                id,
                size: aligned(disk.whole.size - TABLE),
                filesystem: Some(("ext4".into(), "root".into(), Some("/".into()))),
            });
        }
    }

    fn unless_ready(&self) -> Option<Answer> {
        (self.status != "Ready").then(|| conflict("The machine is not Ready."))
    }

    fn store(&mut self, object: &str, action: &str, disk: &str, rest: &[&str]) -> Answer {
        if let Some(refusal) = self.unless_ready() {
            return refusal;
        }
        let Some(at) = self
            .disks
            .iter()
            .position(|it| it.whole.id.to_string() == disk)
        else {
            return not_found();
        };
        if (object, action) == ("block-device", "set-boot-disk") {
            self.boot_disk = Some(self.disks[at].whole.id);
            return (0, "OK".into());
        }
        let next_id = self.last_id + 1;
        self.last_id = next_id;
        let disk = &mut self.disks[at];
        match (object, action, rest) {
            ("block-device", "update", options) => match value(options, "name") {
                Some(name) => {
                    disk.name = name.to_owned();
                    (0, disk.shown().to_string())
                }
                None => (2, "{\"name\": [\"This field is required.\"]}".into()),
            },
            ("block-device", "format", _) if !disk.partitions.is_empty() => (
                2,
                "Cannot format block device with a partition table.".into(),
            ),
            ("block-device", action, options) => disk.whole.change(action, options),
            ("partitions", "create", options) => disk.add(next_id, options),
            ("partition", action, [id, options @ ..]) => {
                let found = disk
                    .partitions
                    .iter()
                    .position(|it| it.id.to_string() == *id);
                let Some(found) = found else {
                    return not_found();
                };
                if action != "delete" {
                    return disk.partitions[found].change(action, options);
                }
                if disk.is_grouped {
                    return (
                        2,
                        "Cannot delete partition because its part of a volume group.".into(),
                    );
                }
                disk.partitions.remove(found);
                (0, String::new())
            }
            _ => (2, format!("invalid choice: '{object} {action}'")),
        }
    }
}

impl Disk {
    fn shown(&self) -> Value {
        let partitions: Vec<Value> = self
            .partitions
            .iter()
            .map(|it| it.shown("partition"))
            .collect();
        let mut shown = self.whole.shown(if self.is_physical {
            "physical"
        } else {
            "virtual"
        });
        shown["name"] = json!(self.name);
        shown["block_size"] = json!(512);
        shown["partition_table_type"] = json!("GPT");
        shown["partitions"] = json!(partitions);
        shown
    }

    fn add(&mut self, id: u64, options: &[&str]) -> Answer {
        if self.whole.filesystem.is_some() {
            return (
                2,
                "Cannot create a partition table on a formatted block device.".into(),
            );
        }
        let Some(size) = value(options, "size").and_then(|size| size.parse::<u64>().ok()) else {
            return (2, "{\"size\": [\"Enter a whole number.\"]}".into());
        };
        let used: u64 = self.partitions.iter().map(|partition| partition.size).sum();
        let size = aligned(size);
        if size == 0 {
            return (
                2,
                "{\"size\": [\"Ensure this value is greater than or equal to 4194304.\"]}".into(),
            );
        }
        if size > aligned(self.whole.size.saturating_sub(TABLE + used)) {
            return (
                2,
                "{\"size\": [\"Partition cannot be saved; not enough free space on the block device.\"]}".into(),
            );
        }
        let partition = Volume {
            id,
            size,
            filesystem: None,
        };
        let shown = partition.shown("partition");
        self.partitions.push(partition);
        (0, shown.to_string())
    }
}

impl Volume {
    fn mount_point(&self) -> Option<&str> {
        self.filesystem.as_ref()?.2.as_deref()
    }

    fn shown(&self, kind: &str) -> Value {
        let filesystem = self.filesystem.as_ref().map(|(kind, label, mount)| {
            json!({"fstype": kind, "label": label, "mount_point": mount, "mount_options": null})
        });
        json!({"id": self.id, "type": kind, "size": self.size, "filesystem": filesystem})
    }

    fn change(&mut self, action: &str, options: &[&str]) -> Answer {
        match (action, &mut self.filesystem) {
            ("format", None) => {
                let Some(kind) = value(options, "fstype") else {
                    return (2, "{\"fstype\": [\"This field is required.\"]}".into());
                };
                let label = value(options, "label").unwrap_or_default();
                self.filesystem = Some((kind.to_owned(), label.to_owned(), None));
            }
            ("unformat", Some((_, _, None))) => self.filesystem = None,
            ("mount", Some((_, _, place @ None))) => {
                let Some(point) = value(options, "mount_point") else {
                    return (2, "{\"mount_point\": [\"This field is required.\"]}".into());
                };
                *place = Some(point.to_owned());
            }
            ("unmount", Some((_, _, place @ Some(_)))) => *place = None,
            (action, _) => return (2, format!("Cannot {action} it as it is.")),
        }
        (0, self.shown("changed").to_string())
    }
}

/// The value of an option `KEY=VALUE`.
fn value<'a>(options: &[&'a str], key: &str) -> Option<&'a str> {
    options.iter().find_map(|option| {
        let (name, value) = option.split_once('=')?;
        (name == key).then_some(value)
    })
}

fn aligned(bytes: u64) -> u64 {
    bytes - bytes % ALIGNMENT
}

fn not_found() -> Answer {
    (2, "Not Found".into())
}

fn conflict(why: &str) -> Answer {
    (2, why.to_owned())
}
