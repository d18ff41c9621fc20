//! The order of EFI boot entries that makes a machine boot from the network first.

/// From what `efibootmgr -v` prints, the list for `efibootmgr -o`: the entry that the machine has
/// booted from, if that was the network over IPv4; then all others of that kind, as they are
/// listed; then the rest of the order as it is.
///
/// Lines that are no boot entry (warnings of a login, `Timeout:`) do not count.
///
/// # Errors
/// A sentence where there is neither an order nor an entry for the network.
pub(crate) fn efi_order(listing: &str) -> Result<String, String> {
    let network: Vec<&str> = listing
        .lines()
        .filter_map(entry)
        .filter(|(_, what)| what.contains("IPv4"))
        .map(|(number, _)| number)
        .collect();
    let current = field(listing, "BootCurrent:").filter(|number| network.contains(number));
    let known = field(listing, "BootOrder:").unwrap_or_default().split(',');
    let mut order: Vec<&str> = Vec::new();
    for number in current
        .into_iter()
        .chain(network.iter().copied())
        .chain(known.map(str::trim).filter(|number| is_number(number)))
    {
        if !order.contains(&number) {
            order.push(number);
        }
    }
    if order.is_empty() {
        return Err("`efibootmgr -v` lists no boot order and no entry for the network".into());
    }
    Ok(order.join(","))
}

/// A line `Boot0001* what it boots`, as its number and the rest; without the star it is inactive.
fn entry(line: &str) -> Option<(&str, &str)> {
    let (key, what) = line.split_once(' ')?;
    let number = key.strip_prefix("Boot")?;
    let number = number.strip_suffix('*').unwrap_or(number);
    is_number(number).then_some((number, what))
}

fn field<'t>(listing: &'t str, key: &str) -> Option<&'t str> {
    listing
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .map(str::trim)
}

fn is_number(text: &str) -> bool {
    text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::efi_order;

    fn listing(current: &str) -> String {
        format!(
            "BootCurrent: {current}\nTimeout: 1 seconds\nBootOrder: 0000,0001,0002\n\
             Boot0000* ubuntu\tHD(1,GPT,4b4a,0x800,0x100000)/File(\\EFI\\ubuntu\\shimx64.efi)\n\
             Boot0001* UEFI: PXE IPv4 Intel(R) I350\tPciRoot(0x0)/MAC(a0)/IPv4(0.0.0.0)\n\
             Boot0002* UEFI: PXE IPv4 Intel(R) X550\tPciRoot(0x0)/MAC(a1)/IPv4(0.0.0.0)\n"
        )
    }

    #[test]
    fn the_network_comes_first_and_of_it_what_was_booted() {
        assert_eq!(
            efi_order(&listing("0002")).expect("an order"),
            "0002,0001,0000"
        );
        assert_eq!(
            efi_order(&listing("0000")).expect("an order"),
            "0001,0002,0000"
        );
    }

    #[test]
    fn other_lines_do_not_count() {
        let noisy = format!(
            "Warning: Permanently added '10.0.0.2' to the list of known hosts.\nBoot\n\n{}\
             BootNext: 0001\nBootIPv4 x\nMirroredPercentageAbove4G: 0.00\n",
            listing("0001")
        );
        assert_eq!(efi_order(&noisy).expect("an order"), "0001,0002,0000");
    }

    #[test]
    fn without_an_order_the_entries_make_one() {
        let text = "Boot0003  UEFI IPv4 inactive\nBootOrder: \n";
        assert_eq!(efi_order(text).expect("an order"), "0003");
        assert!(efi_order("EFI variables are not supported on this system.\n").is_err());
        assert!(efi_order("").is_err());
    }

    proptest! {
        #[test]
        fn any_text_gives_numbers_once_each_or_an_error(
            text in "((Boot[0-9A-F]{4}\\*? (IPv4|disk)|BootOrder: [0-9A-F]{4},[0-9A-F]{4}|.{0,20})\n){0,8}"
        ) {
            if let Ok(order) = efi_order(&text) {
                let numbers: Vec<&str> = order.split(',').collect();
                for (at, number) in numbers.iter().enumerate() {
                    prop_assert!(number.len() == 4 && number.bytes().all(|b| b.is_ascii_hexdigit()));
                    prop_assert!(!numbers[..at].contains(number));
                }
            }
        }
    }
}
