//! Functions for the firmware of boards and servers.

use minijinja::{Environment, Error, Value};

use super::convert::{from_plain, to_plain};
use super::functions::refused;
use crate::recipe::device_types::firmware;

pub(super) fn add(environment: &mut Environment<'static>) {
    environment.add_function("firmware_way", |vendor: &str, chassis_type: &str| {
        firmware::way(vendor, chassis_type).map_err(refused)
    });
    environment.add_function("lvfs_updates", |devices: &str| {
        computed(firmware::updates(devices))
    });
    environment.add_function("lvfs_problems", lvfs_problems);
    environment.add_function("hpe_bmc", |power_parameters: &str| {
        computed(firmware::bmc(power_parameters))
    });
    environment.add_function("hpe_folder", |system: &str| {
        firmware::folder(system).map_err(refused)
    });
    environment.add_function("hpe_release", |page: &str, version: &str| {
        firmware::release(page, version).map_err(refused)
    });
    environment.add_function("hpe_plan", |inventory: &str, index: &str, current: &str| {
        computed(firmware::plan(inventory, index, current))
    });
    environment.add_function("hpe_unmet", hpe_unmet);
}

fn computed(value: Result<super::super::Value, String>) -> Result<Value, Error> {
    value.map(|value| from_plain(&value)).map_err(refused)
}

/// The updates that are not there, in words, from what `fwupdmgr` says of each.
fn lvfs_problems(results: &Value) -> Result<Vec<String>, Error> {
    let results = to_plain(results).map_err(refused)?;
    firmware::problems(&results).map_err(refused)
}

/// The updates that are not there, in words, from what the BMC lists.
fn hpe_unmet(updates: &Value, inventory: &str) -> Result<Vec<String>, Error> {
    let updates = to_plain(updates).map_err(refused)?;
    firmware::unmet(&updates, inventory).map_err(refused)
}
