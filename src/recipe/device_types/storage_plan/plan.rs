//! The plan: what has to be asked of MAAS, in order.

use serde_json::json;

use super::assign::assign;
use super::block_device::{self, BlockDevice};
use super::entry::{self, Wanted};
use super::layout::{Layout, Volume};
use super::space::{self, Misfit};
use crate::recipe::Value;

/// The plan for a layout on the block devices of a node: a map of lists that are worked off one after
/// the other.
///
/// - `clear`: operations `{object, action, ids}` that free the physical devices, as `maas PROFILE
///   OBJECT ACTION SYSTEM_ID IDS…` takes them.
/// - `disks`: operations `{object, action, ids, args}` that choose the boot disk and give names.
/// - `partitions`: `{device, size}` in bytes. MAAS gives a new partition its id.
/// - `formats`: `{device, partition, fstype, label}`; `mounts`: `{device, partition, path}`.
///   `partition` is the index of one of `partitions`, none for the whole device.
///
/// # Errors
/// All that is wrong with the layout, or why it does not fit on these devices.
pub(crate) fn storage_plan(disks: &Value, block_devices: &Value) -> Result<Value, String> {
    let entries = entry::read(disks).map_err(|wrong| wrong.join("; "))?;
    let layout = Layout::of(&entries).map_err(|wrong| wrong.join("; "))?;
    let devices = block_device::read(block_devices)?;
    Plan::of(&layout, &devices).map(|plan| plan.written())
}

struct Plan<'a> {
    layout: &'a Layout,
    devices: &'a [BlockDevice],
    /// The device of each disk of the layout.
    of_disk: Vec<&'a BlockDevice>,
    /// The size of each partition of the layout, in bytes.
    sizes: Vec<u64>,
}

impl<'a> Plan<'a> {
    fn of(layout: &'a Layout, devices: &'a [BlockDevice]) -> Result<Self, String> {
        let physical: Vec<&BlockDevice> =
            devices.iter().filter(|device| device.is_physical).collect();
        let wanted: Vec<Vec<Wanted>> = (0..layout.disks.len())
            .map(|disk| layout.on(disk).map(|partition| partition.wanted).collect())
            .collect();
        let fits = |disk: usize, device: &BlockDevice| {
            let wanted = wanted.get(disk).map_or(&[][..], Vec::as_slice);
            space::sizes(wanted, device.size)
        };
        let order = by_first_use(layout);
        let assigned = assign(order.len(), physical.len(), |place, device| {
            let pair = order.get(place).zip(physical.get(device));
            pair.is_some_and(|(disk, device)| fits(*disk, device).is_ok())
        });
        let Some(assigned) = assigned else {
            return Err(why_not(layout, &physical, fits));
        };
        let mut of_disk: Vec<Option<&BlockDevice>> = vec![None; layout.disks.len()];
        for (disk, device) in order.iter().zip(assigned) {
            if let Some(place) = of_disk.get_mut(*disk) {
                *place = physical.get(device).copied();
            }
        }
        let of_disk: Vec<&BlockDevice> = of_disk.into_iter().flatten().collect();
        let mut left: Vec<std::vec::IntoIter<u64>> = of_disk
            .iter()
            .enumerate()
            .map(|(disk, device)| fits(disk, device).unwrap_or_default().into_iter())
            .collect();
        let sizes = layout
            .partitions
            .iter()
            .filter_map(|partition| left.get_mut(partition.disk)?.next())
            .collect();
        Ok(Self {
            layout,
            devices,
            of_disk,
            sizes,
        })
    }

    fn written(&self) -> Value {
        let mut clear = Vec::new();
        for device in self.devices {
            device.clearing(&mut clear);
        }
        let partitions: Vec<Value> = self
            .layout
            .partitions
            .iter()
            .zip(&self.sizes)
            .map(|(partition, size)| json!({"device": self.device(partition.disk), "size": size}))
            .collect();
        let formats = self.layout.formats.iter().map(|format| {
            let (device, partition) = self.place(format.volume);
            json!({
                "device": device, "partition": partition,
                "fstype": format.fstype, "label": format.label,
            })
        });
        let mounts = self.layout.mounts.iter().filter_map(|mount| {
            let format = self.layout.formats.get(mount.format)?;
            let (device, partition) = self.place(format.volume);
            Some(json!({"device": device, "partition": partition, "path": mount.path}))
        });
        json!({
            "clear": clear,
            "disks": self.disks(),
            "partitions": partitions,
            "formats": formats.collect::<Vec<_>>(),
            "mounts": mounts.collect::<Vec<_>>(),
        })
    }

    fn disks(&self) -> Vec<Value> {
        let mut operations = Vec::new();
        for (number, disk) in self.layout.disks.iter().enumerate() {
            let mut ask = |action: &str, args: Vec<String>| {
                operations.push(json!({
                    "object": "block-device", "action": action,
                    "ids": [self.device(number)], "args": args,
                }));
            };
            if self.layout.boot == Some(number) {
                ask("set-boot-disk", Vec::new());
            }
            if let Some(name) = &disk.name {
                ask("update", vec![format!("name={name}")]);
            }
        }
        operations
    }

    /// The id of a disk's device.
    fn device(&self, disk: usize) -> Option<&Value> {
        self.of_disk.get(disk).map(|device| &device.id)
    }

    fn place(&self, volume: Volume) -> (Option<&Value>, Option<usize>) {
        let partition = match volume {
            Volume::Disk(_) => None,
            Volume::Partition(at) => Some(at),
        };
        (self.device(self.layout.disk_of(volume)), partition)
    }
}

/// The disks in the order in which devices are chosen for them: by their first partition, then those
/// without any, as the list has them.
fn by_first_use(layout: &Layout) -> Vec<usize> {
    let mut order: Vec<usize> = Vec::new();
    let used = layout.partitions.iter().map(|partition| partition.disk);
    for disk in used.chain(0..layout.disks.len()) {
        if !order.contains(&disk) {
            order.push(disk);
        }
    }
    order
}

/// The first disk that fits on no device, and why not on the largest one; else that there are not
/// enough devices for all.
fn why_not(
    layout: &Layout,
    physical: &[&BlockDevice],
    fits: impl Fn(usize, &BlockDevice) -> Result<Vec<u64>, Misfit>,
) -> String {
    let listed: Vec<String> = physical
        .iter()
        .map(|device| format!("{} of {} bytes", device.name, device.size))
        .collect();
    let has = match listed.len() {
        0 => "MAAS lists no physical block device for this node".to_owned(),
        _ => format!("MAAS lists {}", listed.join(", ")),
    };
    let largest = physical.iter().max_by_key(|device| device.size);
    for (number, disk) in layout.disks.iter().enumerate() {
        if physical.iter().any(|device| fits(number, device).is_ok()) {
            continue;
        }
        let Some(Err(misfit)) = largest.map(|device| fits(number, device)) else {
            break;
        };
        let partition = |at: usize| {
            let partition = layout.on(number).nth(at);
            partition.map_or(disk.at.as_str(), |partition| partition.at.as_str())
        };
        return match misfit {
            Misfit::Room => {
                let needed: u64 = layout.on(number).fold(0, |sum, partition| {
                    sum.saturating_add(partition.wanted.least)
                });
                format!(
                    "{}: no block device has room for its partitions of at least {needed} bytes and a partition table: {has}",
                    disk.at
                )
            }
            Misfit::Share(at) => format!(
                "{}: on no block device does its `alloc_pct` come to its `size`, and to the 4 MiB that MAAS makes: {has}",
                partition(at)
            ),
            Misfit::Tiny(at) => format!(
                "{}: `size` is below the 4 MiB that MAAS makes",
                partition(at)
            ),
        };
    }
    format!("the layout's disks do not fit on block devices of their own: {has}")
}
