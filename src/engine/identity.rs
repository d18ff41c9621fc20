//! What tells one run from another: its seed and its id.

use std::time::SystemTime;

/// A seed from the clock and the process.
pub fn fresh_seed() -> u64 {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let nanos = u64::try_from(now.as_nanos() & u128::from(u64::MAX)).unwrap_or_default();
    mixed(nanos ^ (u64::from(std::process::id()) << 32))
}

/// `run.id`: 12 characters of `[0-9a-z]`. The first eight count milliseconds, so ids sort by time (to
/// the year 2059); the last four come of the seed, so that runs begun at once differ.
pub(super) fn run_id(time: SystemTime, seed: u64) -> String {
    let millis = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, super::record::millis);
    let mut id = base36(millis % 36_u64.pow(8), 8);
    id.push_str(&base36(mixed(seed) % 36_u64.pow(4), 4));
    id
}

fn base36(mut number: u64, digits: usize) -> String {
    let mut text = vec!['0'; digits];
    for digit in text.iter_mut().rev() {
        let value = u32::try_from(number % 36).unwrap_or_default();
        *digit = char::from_digit(value, 36).unwrap_or('0');
        number /= 36;
    }
    text.into_iter().collect()
}

/// The finaliser of SplitMix64: neighbouring numbers give unlike ones.
fn mixed(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn ids_are_twelve_characters_and_sort_by_time() {
        let at = |secs| SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
        let first = run_id(at(1_795_528_800), 1);
        assert_eq!(first.len(), 12);
        assert!(
            first
                .chars()
                .all(|c| c.is_ascii_digit() || c.is_ascii_lowercase())
        );
        assert!(first < run_id(at(1_795_528_801), 0));
        assert_ne!(first, run_id(at(1_795_528_800), 2));
        assert_eq!(first, run_id(at(1_795_528_800), 1));
    }
}
