//! An HPE server's BMC (iLO): how it is reached, and the firmware that it lists.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::json::{list, object_in, text};

/// How the BMC is reached, from the output of `maas USER node power-parameters NODE`:
/// `{address, user, password}`.
///
/// # Errors
/// Output that lacks one of the three, an address that is no IP address, and a user or password
/// that can't stand on a line of `ilorest`'s configuration file. The password is in no message.
pub(crate) fn bmc(power_parameters: &str) -> Result<Value, String> {
    // An error of the parser may quote what it read.
    let parameters = object_in(power_parameters, "it")
        .map_err(|_| "MAAS's power parameters of this node are no JSON object".to_owned())?;
    let member = |name: &str| {
        text(&parameters, name)
            .ok_or_else(|| format!("MAAS's power parameters of this node have no `{name}`"))
    };
    let address: IpAddr = member("power_address")?.parse().map_err(|_| {
        "MAAS's `power_address` of this node is not the IP address of a BMC".to_owned()
    })?;
    let address = match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    let line = |name: &str| {
        let value = member(name)?;
        if value.trim() != value || value.contains(char::is_control) {
            return Err(format!(
                "MAAS's `{name}` of this node has spaces at an end, or control characters: \
                 ilorest can't be given it"
            ));
        }
        Ok(value)
    };
    Ok(json!({
        "address": address,
        "user": line("power_user")?,
        "password": line("power_pass")?,
    }))
}

/// A part of the server that has firmware.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Component {
    pub(super) name: String,
    pub(super) version: String,
    /// Where it is, such as `PCI-E Slot 1`; several may have one name.
    pub(super) context: Option<String>,
    pub(super) class: Option<String>,
    /// Ids that the repository knows it by.
    pub(super) targets: Vec<String>,
    pub(super) can_be_updated: bool,
}

/// The parts of the BMC's `FirmwareInventory`, expanded. A part without name or version is left out.
pub(super) fn inventory(printed: &str) -> Result<Vec<Component>, String> {
    let inventory = object_in(printed, "the BMC's firmware inventory")?;
    if !inventory.get("Members").is_some_and(Value::is_array) {
        return Err("the BMC's firmware inventory has no list `Members`".to_owned());
    }
    let members = list(&inventory, "Members").iter();
    Ok(members.filter_map(component).collect())
}

fn component(member: &Value) -> Option<Component> {
    let hpe = member.pointer("/Oem/Hpe").unwrap_or(&Value::Null);
    let owned = |text: &str| text.to_owned();
    Some(Component {
        name: owned(text(member, "Name")?),
        version: owned(text(member, "Version")?),
        context: text(hpe, "DeviceContext").map(owned),
        class: text(hpe, "DeviceClass").map(owned),
        targets: list(hpe, "Targets")
            .iter()
            .filter_map(Value::as_str)
            .map(owned)
            .collect(),
        can_be_updated: member.get("Updateable") != Some(&Value::Bool(false)),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{bmc, inventory};

    #[test]
    fn a_bmc_is_reached_by_what_maas_knows() {
        let parameters =
            json!({"power_address": "10.1.0.9", "power_user": "maas", "power_pass": "a b#;%$'\""});
        let expected = json!({"address": "10.1.0.9", "user": "maas", "password": "a b#;%$'\""});
        assert_eq!(bmc(&parameters.to_string()), Ok(expected));
        let parameters = json!({"power_address": "fe80::1", "power_user": "u", "power_pass": "p"});
        assert_eq!(
            bmc(&parameters.to_string()).map(|bmc| bmc["address"].clone()),
            Ok(json!("[fe80::1]"))
        );
    }

    #[test]
    fn what_is_missing_is_named_and_no_password_is_told() {
        #[track_caller]
        fn case(address: &str, user: &str, password: &str, named: &str) {
            let parameters =
                json!({"power_address": address, "power_user": user, "power_pass": password});
            let message = bmc(&parameters.to_string()).unwrap_err();
            assert!(
                message.contains(named) && !message.contains("s3cret"),
                "{message}"
            );
        }
        case("300.0.0.0", "u", "s3cret", "power_address");
        case("", "u", "s3cret", "power_address");
        case("10.0.0.1", "", "s3cret", "power_user");
        case("10.0.0.1", "u", "", "power_pass");
        case("10.0.0.1", "u", "s3cret\nx = y", "power_pass");
        case("10.0.0.1", "u", " s3cret", "power_pass");
        assert!(
            !bmc("{\"power_pass\": s3cret}")
                .unwrap_err()
                .contains("s3cret")
        );
    }

    #[test]
    fn every_member_of_the_inventory_lands_in_the_list() {
        let printed = json!({"Members": [
            {"Name": "System ROM", "Version": "U30 v2.76", "Updateable": true,
             "Oem": {"Hpe": {"DeviceContext": "System Board", "DeviceClass": "c", "Targets": ["t1", "t2"]}}},
            {"Name": "TPM", "Version": "1.0", "Updateable": false},
            {"Name": "Bay 1"},
        ]});
        let found = inventory(&printed.to_string()).expect("an inventory");
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].targets.len(), found[0].can_be_updated), (2, true));
        assert_eq!(
            (found[1].class.as_deref(), found[1].can_be_updated),
            (None, false)
        );
        assert!(inventory("{}").is_err());
    }
}
