//! Which way a machine's firmware is updated, by vendor and kind of chassis.

use crate::diagnostic::plain;

/// Vendors on LVFS, as DMI has them (`/sys/class/dmi/id/chassis_vendor`).
const LVFS_VENDORS: &[&str] = &["HP", "HP Inc.", "Dell Inc.", "LENOVO"];
/// The vendor whose servers are updated through their BMC.
const HPE_VENDORS: &[&str] = &["HPE", "Hewlett Packard Enterprise"];

/// Chassis types (SMBIOS reference specification, DSP0134, 7.4.1) of machines for a person:
/// desktop, portable, laptop, notebook, all in one, sub-notebook, rack mount, tablet, convertible,
/// detachable, mini PC.
const LVFS_TYPES: &[u64] = &[3, 8, 9, 10, 13, 14, 23, 30, 31, 32, 35];
/// Of servers: tower, main server chassis, rack mount, multi-system, blade.
const HPE_TYPES: &[u64] = &[7, 17, 23, 25, 28];

/// `lvfs` or `hpe`, from what DMI says of the chassis.
///
/// # Errors
/// A type that is no number, and a machine that neither way is known for.
pub(crate) fn way(vendor: &str, chassis_type: &str) -> Result<&'static str, String> {
    let (vendor, chassis_type) = (vendor.trim(), chassis_type.trim());
    let number: u64 = chassis_type.parse().map_err(|_| {
        format!(
            "DMI's chassis_type is a decimal number, not `{}`",
            plain(chassis_type)
        )
    })?;
    let is_one_of = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(vendor));
    if is_one_of(LVFS_VENDORS) && LVFS_TYPES.contains(&number) {
        Ok("lvfs")
    } else if is_one_of(HPE_VENDORS) && HPE_TYPES.contains(&number) {
        Ok("hpe")
    } else {
        Err(format!(
            "firmware of this machine can't be updated: its chassis is by `{}` and of type {number}; \
             known are desktops and laptops by HP, Dell and Lenovo, and servers by HPE",
            plain(vendor)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::way;

    #[test]
    fn vendor_and_type_decide_together() {
        #[track_caller]
        fn case(vendor: &str, chassis_type: &str, expected: Option<&str>) {
            assert_eq!(
                way(vendor, chassis_type).ok(),
                expected,
                "{vendor} {chassis_type}"
            );
        }
        case("HP\n", "13\n", Some("lvfs"));
        case("Dell Inc.", "3", Some("lvfs"));
        case("LENOVO", "35", Some("lvfs"));
        case("Lenovo", "10", Some("lvfs"));
        case("HPE", "17", Some("hpe"));
        // A rack mount may be either.
        case("HPE", "23", Some("hpe"));
        case("Dell Inc.", "23", Some("lvfs"));
        case("HPE", "3", None);
        case("Dell Inc.", "17", None);
        case("Default string", "3", None);
        case("HP", "37", None);
        case("HP", "99999999999999999999", None);
        case("HP", "0x03", None);
        case("", "", None);
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let message = way("Default string", "3").unwrap_err();
        assert!(
            message.contains("`Default string` and of type 3"),
            "{message}"
        );
        let message = way("HP", "Laptop").unwrap_err();
        assert!(message.contains("not `Laptop`"), "{message}");
    }
}
