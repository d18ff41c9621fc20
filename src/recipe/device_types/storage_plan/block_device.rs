//! The block devices of a node, as MAAS lists them (`maas PROFILE block-devices read SYSTEM_ID`;
//! MAAS API 2.0, "Block devices").

use serde_json::json;

use super::size;
use crate::recipe::Value;

/// More than any machine has; it bounds the search for a block device for each disk.
const MAX_DEVICES: usize = 256;

/// One block device.
#[derive(Debug)]
pub(super) struct BlockDevice {
    /// As MAAS gave it: a number.
    pub(super) id: Value,
    /// For messages.
    pub(super) name: String,
    /// Bytes.
    pub(super) size: u64,
    /// A disk of the machine; else something that MAAS makes of others (RAID, logical volumes).
    pub(super) is_physical: bool,
    partitions: Vec<Value>,
    filesystem: Option<bool>,
}

/// Reads the list.
///
/// # Errors
/// A sentence where MAAS's answer is not such a list.
pub(super) fn read(devices: &Value) -> Result<Vec<BlockDevice>, String> {
    let list = devices
        .as_array()
        .ok_or("MAAS's answer to `block-devices read` is no list")?;
    let read: Vec<BlockDevice> = list
        .iter()
        .enumerate()
        .map(|(number, device)| {
            one(device).ok_or_else(|| {
                format!("block device {number} of MAAS's list has no `id`, `type` or `size`")
            })
        })
        .collect::<Result<_, _>>()?;
    if read.len() > MAX_DEVICES {
        return Err(format!("MAAS lists more than {MAX_DEVICES} block devices"));
    }
    Ok(read)
}

fn one(device: &Value) -> Option<BlockDevice> {
    let id = device.get("id").filter(|id| is_id(id))?.clone();
    let kind = device.get("type")?.as_str()?;
    let is_physical = kind == "physical";
    let size = match device.get("size").map(size::bytes) {
        Some(Ok(size)) => size,
        // Nothing is put on it.
        _ if !is_physical => 0,
        _ => return None,
    };
    let partitions = device.get("partitions").and_then(Value::as_array);
    let filesystem = device.get("filesystem").filter(|it| it.is_object());
    Some(BlockDevice {
        name: device
            .get("name")
            .and_then(Value::as_str)
            .map_or_else(|| id.to_string(), str::to_owned),
        size,
        is_physical,
        partitions: partitions
            .into_iter()
            .flatten()
            .filter_map(|partition| partition.get("id"))
            .filter(|id| is_id(id))
            .cloned()
            .collect(),
        filesystem: filesystem.map(|filesystem| {
            let point = filesystem.get("mount_point").and_then(Value::as_str);
            point.is_some_and(|point| !point.is_empty())
        }),
        id,
    })
}

/// A number, or a text that can't be taken for an option.
fn is_id(id: &Value) -> bool {
    id.is_u64()
        || id
            .as_str()
            .is_some_and(|id| !id.is_empty() && !id.starts_with('-'))
}

impl BlockDevice {
    /// What frees it: its partitions are deleted, then its own file system is taken away. Virtual
    /// ones are MAAS's to remove.
    pub(super) fn clearing(&self, operations: &mut Vec<Value>) {
        if !self.is_physical {
            return;
        }
        for partition in &self.partitions {
            operations.push(json!({
                "object": "partition", "action": "delete", "ids": [self.id, partition],
            }));
        }
        let Some(is_mounted) = self.filesystem else {
            return;
        };
        let mut ask = |action: &str| {
            operations.push(json!({
                "object": "block-device", "action": action, "ids": [self.id],
            }));
        };
        if is_mounted {
            ask("unmount");
        }
        ask("unformat");
    }
}
