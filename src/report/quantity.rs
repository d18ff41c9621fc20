//! Times and amounts as a person reads them.

use std::time::Duration;

use crate::recipe::duration;

/// How long something took: `31ms`, `0.4s`, `12.3s`, `1m12s`, `2h3m4s`.
pub(super) fn elapsed(time: Duration) -> String {
    let millis = time.as_millis();
    let tenths = millis / 100;
    if millis < 100 {
        format!("{millis}ms")
    } else if tenths < 600 {
        format!("{}.{}s", tenths / 10, tenths % 10)
    } else {
        duration::print(Duration::from_secs(time.as_secs()))
    }
}

/// An amount of bytes: `512 B`, `3.4 MiB`, `1.2 GiB`.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut tenths = u128::from(count) * 10 / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_amounts_read_well() {
        assert_eq!(elapsed(Duration::from_millis(31)), "31ms");
        assert_eq!(elapsed(Duration::from_millis(449)), "0.4s");
        assert_eq!(elapsed(Duration::from_millis(59_999)), "59.9s");
        assert_eq!(elapsed(Duration::from_millis(72_900)), "1m12s");
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1024), "1.0 KiB");
        assert_eq!(bytes(200 << 20), "200.0 MiB");
        assert_eq!(bytes(u64::MAX), "15.9 EiB");
    }
}
