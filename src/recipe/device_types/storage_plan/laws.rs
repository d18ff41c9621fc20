//! The plan as a whole: examples, and what holds for any layout.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::storage_plan;

fn physical(id: u64, name: &str, size: u64) -> Value {
    json!({
        "id": id, "name": name, "type": "physical", "size": size,
        "filesystem": null, "partitions": [],
    })
}

fn plan(disks: &Value, devices: &Value) -> Value {
    storage_plan(disks, devices).expect("a plan")
}

#[track_caller]
fn refused(disks: &Value, devices: &Value, message: &str) {
    assert_eq!(storage_plan(disks, devices), Err(message.to_owned()));
}

fn usual() -> Value {
    json!([
        {"type": "disk", "id": "d0", "disk": 0, "ptable": "gpt", "name": "main"},
        {"type": "partition", "id": "p", "device": "d0", "number": 1, "size": "2G", "alloc_pct": 80},
        {"type": "format", "id": "f", "volume": "p", "fstype": "ext4", "label": "root"},
        {"type": "mount", "id": "m", "device": "f", "path": "/"},
    ])
}

#[test]
fn a_usual_layout() {
    assert_eq!(
        plan(&usual(), &json!([physical(7, "sda", 300_000_000_000)])),
        json!({
            "clear": [],
            "disks": [
                {"object": "block-device", "action": "set-boot-disk", "ids": [7], "args": []},
                {"object": "block-device", "action": "update", "ids": [7], "args": ["name=main"]},
            ],
            "partitions": [{"device": 7, "size": 240_000_000_000_u64}],
            "formats": [{"device": 7, "partition": 0, "fstype": "ext4", "label": "root"}],
            "mounts": [{"device": 7, "partition": 0, "path": "/"}],
        })
    );
}

#[test]
fn what_is_there_is_cleared_but_for_virtual_devices() {
    let mut devices = json!([
        physical(1, "sda", 500_000_000_000),
        physical(2, "sdb", 500_000_000_000),
        physical(3, "sdc", 500_000_000_000),
        {"id": 4, "type": "virtual"},
    ]);
    devices[0]["partitions"] = json!([{"id": 10}]);
    devices[1]["partitions"] = json!([{"id": 20}]);
    devices[2]["filesystem"] = json!({"mount_point": "/srv", "fstype": "ext4"});
    let clear = plan(&usual(), &devices)["clear"].clone();
    assert_eq!(
        clear,
        json!([
            {"object": "partition", "action": "delete", "ids": [1, 10]},
            {"object": "partition", "action": "delete", "ids": [2, 20]},
            {"object": "block-device", "action": "unmount", "ids": [3]},
            {"object": "block-device", "action": "unformat", "ids": [3]},
        ])
    );
}

#[test]
fn a_whole_disk_can_be_formatted() {
    let disks = json!([
        {"type": "disk", "id": 0},
        {"type": "disk", "id": 1},
        {"type": "partition", "id": "p", "device": 1, "size": 2_000_000_000},
        {"type": "format", "id": "g", "volume": 0, "fstype": "xfs", "label": "data"},
        {"type": "format", "id": "f", "volume": "p", "fstype": "ext4", "label": "root"},
        {"type": "mount", "id": "n", "device": "g", "path": "/srv"},
        {"type": "mount", "id": "m", "device": "f", "path": "/"},
    ]);
    let devices = json!([physical(1, "sda", 1 << 40), physical(2, "sdb", 1 << 40)]);
    let plan = plan(&disks, &devices);
    // A device is chosen first for the disk whose partition comes first.
    assert_eq!(
        plan["partitions"],
        json!([{"device": 1, "size": 2_000_000_000}])
    );
    assert_eq!(
        plan["formats"][0],
        json!({"device": 2, "partition": null, "fstype": "xfs", "label": "data"})
    );
    assert_eq!(
        plan["mounts"][0],
        json!({"device": 2, "partition": null, "path": "/srv"})
    );
    assert_eq!(plan["disks"][0]["ids"], json!([1]));
}

#[test]
fn sizes_choose_the_devices() {
    let disks = json!([
        {"type": "disk", "id": "a"}, {"type": "disk", "id": "b"},
        {"type": "partition", "id": "p", "device": "a", "size": "1.5G"},
        {"type": "partition", "id": "q", "device": "b", "size": "20G"},
    ]);
    let devices = json!([
        physical(1, "sda", 40_000_000_000),
        {"id": 2, "type": "virtual", "name": "md0", "size": 90_000_000_000_u64},
        physical(3, "sdb", 10_000_000_000),
    ]);
    let plan = plan(&disks, &devices);
    assert_eq!(
        plan["partitions"],
        json!([{"device": 3, "size": 1_500_000_000}, {"device": 1, "size": 20_000_000_000_u64}])
    );
}

#[test]
fn a_layout_that_does_not_fit_says_what_there_is() {
    let devices = json!([
        physical(1, "sda", 1_000_000_000),
        physical(2, "sdb", 2_000_000_000)
    ]);
    let layout = |entry: Value| json!([{"type": "disk", "id": "d"}, entry]);
    refused(
        &layout(json!({"type": "partition", "id": "p", "device": "d", "size": "3G"})),
        &devices,
        "disks[0] (disk \"d\"): no block device has room for its partitions of at least 3000000000 bytes and a partition table: MAAS lists sda of 1000000000 bytes, sdb of 2000000000 bytes",
    );
    refused(
        &layout(
            json!({"type": "partition", "id": "p", "device": "d", "size": "3G", "alloc_pct": 90}),
        ),
        &devices,
        "disks[1] (partition \"p\"): on no block device does its `alloc_pct` come to its `size`, and to the 4 MiB that MAAS makes: MAAS lists sda of 1000000000 bytes, sdb of 2000000000 bytes",
    );
    refused(
        &layout(json!({"type": "partition", "id": "p", "device": "d", "size": "1M"})),
        &devices,
        "disks[1] (partition \"p\"): `size` is below the 4 MiB that MAAS makes",
    );
    let three = json!([
        {"type": "disk", "id": "a"}, {"type": "disk", "id": "b"}, {"type": "disk", "id": "c"},
    ]);
    refused(
        &three,
        &devices,
        "the layout's disks do not fit on block devices of their own: MAAS lists sda of 1000000000 bytes, sdb of 2000000000 bytes",
    );
    refused(
        &usual(),
        &json!([]),
        "the layout's disks do not fit on block devices of their own: MAAS lists no physical block device for this node",
    );
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    refused(
        &json!([{"type": "raid", "id": "md0"}, {"type": "disk"}]),
        &json!([]),
        "disks[0] (raid \"md0\"): `raid` is not supported: the types are `disk`, `partition`, `format` and `mount`; disks[1] (disk): `id` is missing: a text or a number by which other entries name this one",
    );
}

#[test]
fn what_is_no_list_of_block_devices_is_refused() {
    for devices in [
        json!({}),
        json!("x"),
        json!([1]),
        json!([{"id": 1, "type": "physical"}]),
    ] {
        assert!(storage_plan(&usual(), &devices).is_err(), "{devices}");
    }
    let option = json!([{"id": "--help", "type": "physical", "size": 1}]);
    assert!(storage_plan(&usual(), &option).is_err());
    let many: Vec<Value> = (0..300).map(|id| physical(id, "sd", 1 << 40)).collect();
    assert!(storage_plan(&usual(), &json!(many)).is_err());
}

/// Layouts that mostly make sense, with the sizes of devices.
fn layouts() -> impl Strategy<Value = (Vec<Value>, Vec<u64>)> {
    let partition = (0_usize..3, 1_u64..60, 5_u64..4000, any::<[bool; 3]>());
    let partitions = prop::collection::vec(partition, 0..6);
    let sizes = prop::collection::vec(1_u64 << 30..1 << 38, 0..5);
    (1_usize..4, partitions, sizes).prop_map(|(disks, partitions, sizes)| {
        let mut entries: Vec<Value> = (0..disks)
            .map(|disk| json!({"type": "disk", "id": format!("d{disk}")}))
            .collect();
        for (at, (disk, percent, megabytes, [share, format, mount])) in
            partitions.into_iter().enumerate()
        {
            let mut entry = json!({
                "type": "partition", "id": format!("p{at}"), "device": format!("d{disk}"),
                "size": format!("{megabytes}M"),
            });
            if share {
                entry["alloc_pct"] = json!(percent);
            }
            entries.push(entry);
            if format {
                entries.push(json!({
                    "type": "format", "id": format!("f{at}"), "volume": format!("p{at}"),
                    "fstype": "ext4", "label": "l",
                }));
            }
            if format && mount {
                entries.push(json!({
                    "type": "mount", "id": format!("m{at}"), "device": format!("f{at}"),
                    "path": format!("/{at}"),
                }));
            }
        }
        (entries, sizes)
    })
}

fn list<'v>(plan: &'v Value, key: &str) -> &'v [Value] {
    plan[key].as_array().map_or(&[], Vec::as_slice)
}

proptest! {
    #[test]
    fn a_plan_holds_all_that_was_asked_within_the_devices(
        (entries, sizes) in layouts(),
    ) {
        let devices: Vec<Value> = sizes
            .iter()
            .enumerate()
            .map(|(id, size)| physical(id as u64, "sd", *size))
            .collect();
        let (entries, devices) = (json!(entries), json!(devices));
        let made = storage_plan(&entries, &devices);
        prop_assert_eq!(&made, &storage_plan(&entries, &devices));
        let Ok(made) = made else { return Ok(()) };
        let of = |kind: &str| {
            let entries = entries.as_array().map_or(&[][..], Vec::as_slice);
            entries.iter().filter(|entry| entry["type"] == kind).count()
        };
        for (key, kind) in [("partitions", "partition"), ("formats", "format"), ("mounts", "mount")] {
            prop_assert_eq!(list(&made, key).len(), of(kind));
        }
        for (id, size) in sizes.iter().enumerate() {
            let here = list(&made, "partitions").iter().filter(|it| it["device"] == id);
            let used: u64 = here.filter_map(|it| it["size"].as_u64()).map(|it| it >> 22 << 22).sum();
            prop_assert!(used <= *size, "{} on {}", used, size);
        }
        for format in list(&made, "formats").iter().chain(list(&made, "mounts")) {
            if let Some(at) = format["partition"].as_u64() {
                let partition = &made["partitions"][usize::try_from(at).expect("an index")];
                prop_assert_eq!(&partition["device"], &format["device"]);
            }
        }
    }

    #[test]
    fn no_input_panics(
        disks in junk(), devices in junk(),
    ) {
        let _ = storage_plan(&disks, &devices);
    }
}

/// Values in which the words of a layout come up.
fn junk() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "disk",
        "partition",
        "format",
        "mount",
        "physical",
        "d",
        "p",
        "1G",
        "/boot",
        "none",
        "raid",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "type",
        "id",
        "device",
        "volume",
        "size",
        "alloc_pct",
        "path",
        "fstype",
        "label",
        "number",
        "partitions",
        "filesystem",
        "boot",
    ]);
    let map = prop::collection::btree_map(key, leaf, 0..7).prop_map(|map| json!(map));
    prop::collection::vec(map, 0..6).prop_map(|list| json!(list))
}
