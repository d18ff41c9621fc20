//! Sizes as layouts have them: `500M`, `1.5G`, `2GB`, `64MiB`, or a bare number of bytes.

use crate::recipe::Value;

/// What a unit counts, by its letter without `B`, in lower case.
const UNITS: &[(&str, u64)] = &[
    ("", 1),
    ("k", 1000),
    ("m", 1000_u64.pow(2)),
    ("g", 1000_u64.pow(3)),
    ("t", 1000_u64.pow(4)),
    ("ki", 1 << 10),
    ("mi", 1 << 20),
    ("gi", 1 << 30),
    ("ti", 1 << 40),
];

/// Fractions longer than this are no size that anyone writes.
const MAX_FRACTION: usize = 15;

/// Reads a size in bytes. Letters count powers of 1000, as MAAS does, in either case; with `i`
/// powers of 1024.
///
/// # Errors
/// A sentence about what is wrong and what would be right.
pub(super) fn bytes(value: &Value) -> Result<u64, String> {
    match value {
        Value::Number(number) => number
            .as_u64()
            .ok_or_else(|| format!("`{number}` is no whole number of bytes")),
        Value::String(text) => parse(text.trim()),
        other => Err(format!("a size is a number or a text, not `{other}`")),
    }
}

fn parse(text: &str) -> Result<u64, String> {
    let wrong = || {
        format!(
            "`{text}` is no size: write a number with `B`, `k`, `M`, `G`, `T` (1000) or `KiB` to `TiB` (1024)"
        )
    };
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim_start();
    let letters = unit.strip_suffix('B').unwrap_or(unit).to_ascii_lowercase();
    let factor = UNITS
        .iter()
        .find(|(name, _)| *name == letters)
        .map(|(_, factor)| u128::from(*factor))
        .ok_or_else(wrong)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction = fraction.trim_end_matches('0');
    if whole.is_empty() || fraction.len() > MAX_FRACTION {
        return Err(wrong());
    }
    let whole: u64 = whole
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| whole.parse().ok())
        .flatten()
        .ok_or_else(wrong)?;
    let part: u64 = if fraction.is_empty() {
        0
    } else {
        fraction.parse().map_err(|_| wrong())?
    };
    let scale = fraction.bytes().fold(1_u128, |scale, _| scale * 10);
    // All that is written, in the fraction's last digit: nothing is rounded.
    let scaled = u128::from(whole)
        .checked_mul(scale)
        .and_then(|scaled| scaled.checked_add(u128::from(part)))
        .and_then(|scaled| scaled.checked_mul(factor))
        .ok_or_else(|| format!("`{text}` is too large"))?;
    if scaled % scale != 0 {
        return Err(format!("`{text}` is no whole number of bytes"));
    }
    u64::try_from(scaled / scale).map_err(|_| format!("`{text}` is too large"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::bytes;

    #[test]
    fn sizes_are_read() {
        #[track_caller]
        fn case(value: &serde_json::Value, size: u64) {
            assert_eq!(bytes(value), Ok(size));
        }
        case(&json!("1G"), 1_000_000_000);
        case(&json!("1.5G"), 1_500_000_000);
        case(&json!("500M"), 500_000_000);
        case(&json!("10k"), 10_000);
        case(&json!("10K"), 10_000);
        case(&json!("2GB"), 2_000_000_000);
        case(&json!(" 2 T "), 2_000_000_000_000);
        case(&json!("1000"), 1000);
        case(&json!("1000B"), 1000);
        case(&json!(2000), 2000);
        case(&json!("64MiB"), 64 << 20);
        case(&json!("1.5GiB"), 3 << 29);
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for value in [
            json!("1Tb"),
            json!("-1"),
            json!(-1),
            json!(1.5),
            json!(""),
            json!("G"),
            json!(".5G"),
            json!("1..5G"),
            json!("1.5"),
            json!("1,5G"),
            json!("99999999999T"),
            json!("1E"),
            json!("5é"),
            json!(null),
            json!([1]),
            json!("0.1234567890123456789G"),
        ] {
            assert!(bytes(&value).is_err(), "{value}");
        }
    }

    proptest! {
        #[test]
        fn a_number_with_a_unit_is_a_multiple(number in 0_u64..1_000_000, tenth in 0_u64..10) {
            let text = format!("{number}.{tenth}G");
            prop_assert_eq!(bytes(&json!(text)), Ok(number * 1_000_000_000 + tenth * 100_000_000));
        }

        #[test]
        fn any_text_is_a_size_or_a_sentence(text in "[0-9.]{0,40}[a-zA-Z]{0,4}") {
            let _ = bytes(&json!(text));
        }
    }
}
