//! What of an HPE server's firmware is to be replaced by which files, in which order.

use serde_json::{Value, json};

use super::hpe::{Component, inventory};
use super::json::text;
use super::repository::{Package, packages};
use super::version::Version;

/// The update of a server to a release, from the BMC's firmware inventory and the indexes of that
/// release and of the current one:
///
/// - `updates`: `{name, context, file, from, to}` for each part, in the order of installation;
/// - `files`: the files, each once, in that order;
/// - `skipped`: a sentence for each part that is too old for the file that it would need.
///
/// # Errors
/// An inventory or an index that is not the JSON that it should be.
pub(crate) fn plan(firmware: &str, index: &str, current: &str) -> Result<Value, String> {
    let packages = packages(index, current)?;
    let mut updates: Vec<(u8, Component, &Package)> = Vec::new();
    let mut skipped = Vec::new();
    for component in inventory(firmware)? {
        let Some(package) = best(&component, &packages) else {
            continue;
        };
        let installed = Version::of(&component.version);
        if installed == Version::of(&package.version) {
            continue;
        }
        match &package.minimum {
            Some(minimum) if installed < Version::of(minimum) => skipped.push(format!(
                "{} stays at {}: {} needs {minimum} at least to be there",
                component.name, component.version, package.file
            )),
            _ => updates.push((place(&component.name), component, package)),
        }
    }
    updates.sort_by_key(|(place, ..)| *place);
    let mut files: Vec<&str> = Vec::new();
    for (_, _, package) in &updates {
        if !files.contains(&package.file.as_str()) {
            files.push(&package.file);
        }
    }
    let described = updates.iter().map(|(_, component, package)| {
        json!({
            "name": component.name,
            "context": component.context,
            "file": package.file,
            "from": component.version,
            "to": package.version,
        })
    });
    Ok(json!({
        "updates": described.collect::<Vec<Value>>(),
        "files": files,
        "skipped": skipped,
    }))
}

/// The newest package for a part.
fn best<'p>(component: &Component, packages: &'p [Package]) -> Option<&'p Package> {
    if !component.can_be_updated {
        return None;
    }
    let same_class = |package: &Package| match (&component.class, &package.class) {
        (Some(left), Some(right)) => left.eq_ignore_ascii_case(right),
        (None, _) => true,
        (Some(_), None) => false,
    };
    let for_it = |package: &Package| {
        let mut targets = component.targets.iter();
        targets.any(|target| package.targets.contains(&target.to_ascii_lowercase()))
    };
    packages
        .iter()
        .filter(|package| same_class(package) && for_it(package))
        .max_by_key(|package| (Version::of(&package.version), &package.file))
}

/// Earlier comes what others stand on; the BMC, which restarts itself, after the system's own.
fn place(name: &str) -> u8 {
    let name = name.to_lowercase();
    if name.contains("system rom") {
        0
    } else if name.contains("server platform services") {
        1
    } else if name.contains("innovation engine") {
        2
    } else if name.split_whitespace().any(|word| word == "ilo") {
        3
    } else {
        4
    }
}

/// A sentence for each of the `updates` of [`plan`] that the inventory does not show.
///
/// # Errors
/// An inventory that is not the JSON that it should be, and updates that are none of a plan.
pub(crate) fn unmet(updates: &Value, firmware: &str) -> Result<Vec<String>, String> {
    let updates = updates
        .as_array()
        .ok_or("the updates of a plan are a list")?;
    let inventory = inventory(firmware)?;
    let mut unmet = Vec::new();
    for update in updates {
        let (Some(name), Some(to)) = (text(update, "name"), text(update, "to")) else {
            return Err("an update of a plan has a `name` and a version `to`".to_owned());
        };
        let context = text(update, "context");
        let named = || inventory.iter().filter(|it| it.name == name);
        // Parts of one name are told apart by their place.
        let found = named()
            .find(|it| it.context.as_deref() == context)
            .or_else(|| named().next());
        match found {
            None => unmet.push(format!("{name}: the BMC no longer lists it")),
            Some(found) if Version::of(&found.version) != Version::of(to) => {
                unmet.push(format!("{name}: {} is there, not {to}", found.version));
            }
            Some(_) => {}
        }
    }
    Ok(unmet)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::{plan, unmet};

    fn firmware() -> Value {
        let part = |name: &str, version: &str, target: &str| {
            json!({"Name": name, "Version": version, "Updateable": true, "Oem": {"Hpe":
                {"DeviceContext": "System Board", "DeviceClass": "class", "Targets": [target]}}})
        };
        json!({"Members": [
            part("HPE Eth 10/25Gb", "10.2", "nic"),
            part("iLO 5", "2.96 Aug 17 2023", "ilo"),
            part("System ROM", "U30 v2.76 (02/09/2023)", "rom"),
            part("Innovation Engine (IE) Firmware", "0.2.2.2", "ie"),
            part("Server Platform Services (SPS) Firmware", "04.01.04.901", "sps"),
        ]})
    }

    fn package(version: &str, target: &str) -> Value {
        json!({"version": version, "target": [target], "deviceclass": "class", "minimum_active_version": "null"})
    }

    fn planned(firmware: &Value, index: &Value) -> Value {
        plan(&firmware.to_string(), &index.to_string(), "{}").expect("a plan")
    }

    #[test]
    fn the_order_is_that_of_what_stands_on_what() {
        let index = json!({
            "nic.fwpkg": package("10.3", "nic"),
            "ilo.fwpkg": package("3.01", "ilo"),
            "rom.fwpkg": package("2.80_06-01-2023", "rom"),
            "ie.fwpkg": package("0.2.3", "ie"),
            "sps.fwpkg": package("4.1.5", "sps"),
        });
        let plan = planned(&firmware(), &index);
        let files = json!([
            "rom.fwpkg",
            "sps.fwpkg",
            "ie.fwpkg",
            "ilo.fwpkg",
            "nic.fwpkg"
        ]);
        assert_eq!(plan["files"], files);
        let first = json!({"name": "System ROM", "context": "System Board", "file": "rom.fwpkg",
            "from": "U30 v2.76 (02/09/2023)", "to": "2.80_06-01-2023"});
        assert_eq!(plan["updates"][0], first);
        assert_eq!(plan["skipped"], json!([]));
    }

    #[test]
    fn what_is_there_already_is_left_alone() {
        let index = json!({
            "ilo.fwpkg": package("2.96", "ilo"),
            "rom.fwpkg": package("2.76_02-09-2023", "rom"),
            "sps.fwpkg": package("4.1.4.901", "sps"),
        });
        assert_eq!(planned(&firmware(), &index)["files"], json!([]));
    }

    #[test]
    fn the_newest_file_is_so_by_its_numbers() {
        let index = json!({"a.fwpkg": package("9.1", "nic"), "b.fwpkg": package("10.10", "nic"), "c.fwpkg": package("10.9", "nic")});
        assert_eq!(planned(&firmware(), &index)["files"], json!(["b.fwpkg"]));
    }

    #[test]
    fn a_file_is_for_exactly_its_targets_and_class() {
        let mut other_class = package("10.3", "nic");
        other_class["deviceclass"] = json!("other");
        let index = json!({"a.fwpkg": package("10.3", "nic-2"), "b.fwpkg": other_class});
        assert_eq!(planned(&firmware(), &index)["files"], json!([]));
        let mut firmware = firmware();
        firmware["Members"][0]["Oem"]["Hpe"]["DeviceClass"] = Value::Null;
        assert_eq!(planned(&firmware, &index)["files"], json!(["b.fwpkg"]));
        firmware["Members"][0]["Updateable"] = json!(false);
        assert_eq!(planned(&firmware, &index)["files"], json!([]));
    }

    #[test]
    fn a_part_that_is_too_old_is_skipped_by_name() {
        let mut nic = package("20.1", "nic");
        nic["minimum_active_version"] = json!("10.10");
        let plan = planned(&firmware(), &json!({"nic.fwpkg": nic}));
        assert_eq!(plan["files"], json!([]));
        let expected = "HPE Eth 10/25Gb stays at 10.2: nic.fwpkg needs 10.10 at least to be there";
        assert_eq!(plan["skipped"], json!([expected]));
    }

    #[test]
    fn one_file_for_two_parts_is_flashed_once_and_both_are_looked_at() {
        let mut firmware = firmware();
        let mut second = firmware["Members"][0].clone();
        second["Oem"]["Hpe"]["DeviceContext"] = json!("PCI-E Slot 1");
        firmware["Members"]
            .as_array_mut()
            .expect("a list")
            .push(second);
        let plan = planned(&firmware, &json!({"nic.fwpkg": package("10.3", "nic")}));
        assert_eq!(
            (
                plan["files"].clone(),
                plan["updates"].as_array().map(Vec::len)
            ),
            (json!(["nic.fwpkg"]), Some(2))
        );
        firmware["Members"][5]["Version"] = json!("10.03");
        let left = unmet(&plan["updates"], &firmware.to_string()).expect("an inventory");
        assert_eq!(left, ["HPE Eth 10/25Gb: 10.2 is there, not 10.3"]);
        firmware["Members"][0]["Version"] = json!("v10.3");
        assert_eq!(unmet(&plan["updates"], &firmware.to_string()), Ok(vec![]));
    }

    #[test]
    fn a_part_that_is_gone_is_named() {
        let plan = planned(&firmware(), &json!({"nic.fwpkg": package("10.3", "nic")}));
        let left = unmet(&plan["updates"], "{\"Members\": []}").expect("an inventory");
        assert_eq!(left, ["HPE Eth 10/25Gb: the BMC no longer lists it"]);
        assert!(unmet(&json!(null), "{\"Members\": []}").is_err());
    }

    proptest! {
        #[test]
        fn a_plan_that_was_carried_out_leaves_nothing_to_do(
            parts in prop::collection::vec((0u8..4, "[0-3]\\.[0-9]{1,2}", any::<bool>()), 0..6),
            files in prop::collection::vec((0u8..4, "[0-3]\\.[0-9]{1,2}"), 0..8),
        ) {
            let mut members: Vec<Value> = parts
                .iter()
                .enumerate()
                .map(|(at, (target, version, updateable))| {
                    json!({"Name": "part", "Version": version, "Updateable": updateable, "Oem": {"Hpe":
                        {"DeviceContext": at.to_string(), "Targets": [target.to_string()]}}})
                })
                .collect();
            let index: Map<String, Value> = files
                .iter()
                .enumerate()
                .map(|(at, (target, version))| (format!("{at}.fwpkg"), package(version, &target.to_string())))
                .collect();
            let index = Value::Object(index);
            let plan = planned(&json!({"Members": members}), &index);
            let updates = plan["updates"].as_array().expect("a list");
            let mut used: Vec<&Value> = updates.iter().map(|update| &update["file"]).collect();
            used.sort_by_key(|file| file.to_string());
            used.dedup();
            prop_assert_eq!(plan["files"].as_array().map(Vec::len), Some(used.len()));
            for update in updates {
                let at: usize = update["context"].as_str().and_then(|at| at.parse().ok()).expect("a place");
                prop_assert_eq!(&members[at]["Version"], &update["from"]);
                members[at]["Version"] = update["to"].clone();
            }
            let firmware = json!({"Members": members});
            prop_assert_eq!(unmet(&plan["updates"], &firmware.to_string()), Ok(vec![]));
            prop_assert_eq!(&planned(&firmware, &index)["files"], &json!([]));
        }

        #[test]
        fn no_text_is_too_much(firmware in "\\PC*", index in "[{}\\[\\]\":,a0]*") {
            let _ = plan(&firmware, &index, &index);
            let _ = plan("{\"Members\": []}", &index, &firmware);
        }
    }
}
