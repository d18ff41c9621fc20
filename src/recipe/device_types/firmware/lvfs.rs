//! What `fwupdmgr` prints with `--json`: which devices have a newer release, and how an update came
//! out.

use serde_json::{Value, json};

use super::json::{list, object_in, text};

/// fwupd's `UpdateState` (`FwupdUpdateState`) for an update that is done.
const SUCCESS: u64 = 2;

/// The devices that can be updated and have a newer release, from the output of
/// `fwupdmgr get-devices --json`: `{id, name, from, to}` each. `from` is none where the device
/// doesn't tell its version.
///
/// # Errors
/// Output that is no JSON object with a list `Devices`.
pub(crate) fn updates(devices: &str) -> Result<Value, String> {
    let devices = object_in(devices, "what `fwupdmgr get-devices` printed")?;
    if !devices.get("Devices").is_some_and(Value::is_array) {
        return Err("`fwupdmgr get-devices` printed no list of devices".to_owned());
    }
    let updates = list(&devices, "Devices").iter().filter_map(update);
    Ok(updates.collect())
}

fn update(device: &Value) -> Option<Value> {
    // It becomes an argument, and must not be taken for an option.
    let id = text(device, "DeviceId").filter(|id| !id.starts_with('-'))?;
    if !has_flag(device, "updatable") {
        return None;
    }
    let from = text(device, "Version");
    // The newest comes first, and is the one that `fwupdmgr upgrade` takes.
    let newest = list(device, "Releases").first()?;
    let to = text(newest, "Version")?;
    if !has_flag(newest, "is-upgrade") || from == Some(to) {
        return None;
    }
    let name = text(device, "Name").unwrap_or(id);
    Some(json!({"id": id, "name": name, "from": from, "to": to}))
}

fn has_flag(object: &Value, flag: &str) -> bool {
    list(object, "Flags").iter().any(|it| it == flag)
}

/// A sentence for each update of [`updates`] that is not there. `results` has, for each, the update
/// as `item` and the output of `fwupdmgr get-results ID --json` as `stdout`: a list that a step with
/// `for_each` saved.
///
/// # Errors
/// Another list than that.
pub(crate) fn problems(results: &Value) -> Result<Vec<String>, String> {
    let results = results.as_array().ok_or("the results are a list")?;
    let problems = results.iter().map(problem);
    problems.filter_map(Result::transpose).collect()
}

fn problem(result: &Value) -> Result<Option<String>, String> {
    let update = result.get("item").unwrap_or(&Value::Null);
    let (Some(name), Some(to)) = (text(update, "name"), text(update, "to")) else {
        return Err("an update has a `name` and a version `to`".to_owned());
    };
    let problem = |what: String| Ok(Some(format!("{name}: {what}")));
    let printed = text(result, "stdout").unwrap_or_default();
    let results = object_in(printed, "it").unwrap_or_default();
    let release = list(&results, "Releases").first();
    let Some(version) = release.and_then(|release| text(release, "Version")) else {
        return problem("fwupdmgr knows of no result".to_owned());
    };
    let state = results.get("UpdateState").and_then(Value::as_u64);
    if state != Some(SUCCESS) {
        let error =
            text(&results, "UpdateError").map_or(String::new(), |error| format!(": {error}"));
        return problem(format!(
            "the update to {to} {}{error}",
            state_in_words(state)
        ));
    }
    if version != to {
        return problem(format!("{version} was installed, not {to}"));
    }
    Ok(None)
}

fn state_in_words(state: Option<u64>) -> &'static str {
    match state {
        Some(1) => "still waits to be installed",
        Some(3) => "failed",
        Some(4) => "needs another reboot",
        Some(5) => "failed for a reason that may pass",
        _ => "ended in a state that is not known",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{problems, updates};

    fn devices() -> Value {
        json!({"Devices": [
            {"Name": "Core i7", "DeviceId": "cpu", "Flags": ["internal"]},
            {"Name": "System Firmware", "DeviceId": "bios", "Version": "1.2.0",
             "Flags": ["internal", "updatable", "require-ac"],
             "Releases": [
                {"Version": "1.4.0", "Flags": ["trusted-payload", "is-upgrade"]},
                {"Version": "1.3.0", "Flags": ["is-upgrade"]},
                {"Version": "1.1.0", "Flags": ["is-downgrade"]},
             ]},
            {"Name": "UEFI dbx", "DeviceId": "dbx", "Version": "77", "Flags": ["updatable"]},
        ]})
    }

    #[test]
    fn only_what_is_newer_and_can_be_installed_is_an_update() {
        let expected =
            json!([{"id": "bios", "name": "System Firmware", "from": "1.2.0", "to": "1.4.0"}]);
        assert_eq!(updates(&devices().to_string()), Ok(expected));
    }

    #[test]
    fn a_device_with_the_newest_or_with_older_releases_only_has_none() {
        #[track_caller]
        fn case(release: Value) {
            let mut devices = devices();
            devices["Devices"][1]["Releases"] = release;
            assert_eq!(updates(&devices.to_string()), Ok(json!([])));
        }
        case(json!([{"Version": "1.1.0", "Flags": ["is-downgrade"]}]));
        case(json!([{"Version": "1.2.0", "Flags": ["is-upgrade"]}]));
        case(json!([{"Version": "1.4.0"}]));
        case(json!([{"Flags": ["is-upgrade"]}]));
        case(json!([]));
        case(json!(null));
    }

    #[test]
    fn a_device_that_does_not_tell_its_version_or_name_is_updated() {
        let devices = json!({"Devices": [{"DeviceId": "x", "Flags": ["updatable"],
            "Releases": [{"Version": "2", "Flags": ["is-upgrade"]}]}]});
        let expected = json!([{"id": "x", "name": "x", "from": null, "to": "2"}]);
        assert_eq!(updates(&devices.to_string()), Ok(expected));
    }

    #[test]
    fn what_is_no_list_of_devices_is_refused() {
        assert!(updates("").is_err());
        assert!(updates("{}").is_err());
        assert!(updates("{\"Error\": {\"Message\": \"no\"}}").is_err());
    }

    #[test]
    fn a_result_is_good_with_that_version_and_success() {
        #[track_caller]
        fn case(printed: &str, expected: Option<&str>) {
            let update = json!({"id": "bios", "name": "BIOS", "from": "1.2.0", "to": "1.4.0"});
            let results = json!([{"item": update, "index": 0, "stdout": printed}]);
            let expected = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(problems(&results), Ok(expected), "{printed}");
        }
        let results = |state: u64, version: &str| {
            json!({"DeviceId": "bios", "UpdateState": state, "Releases": [{"Version": version}]})
                .to_string()
        };
        case(&results(2, "1.4.0"), None);
        case(
            &results(3, "1.4.0"),
            Some("BIOS: the update to 1.4.0 failed"),
        );
        case(
            &results(2, "1.3.0"),
            Some("BIOS: 1.3.0 was installed, not 1.4.0"),
        );
        case(
            &results(77, "1.4.0"),
            Some("BIOS: the update to 1.4.0 ended in a state that is not known"),
        );
        case(
            "{\"Error\": {\"Code\": 8}}",
            Some("BIOS: fwupdmgr knows of no result"),
        );
        case("", Some("BIOS: fwupdmgr knows of no result"));
        let failed = "{\"UpdateState\": 3, \"UpdateError\": \"no power\", \"Releases\": [{\"Version\": \"1\"}]}";
        case(failed, Some("BIOS: the update to 1.4.0 failed: no power"));
    }
}
