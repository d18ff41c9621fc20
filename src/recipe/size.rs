//! Sizes as recipes write them: `64MiB`, `1.5GB`, or a bare number of bytes.

use super::Value;

/// Units with their bytes.
const UNITS: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1000),
    ("MB", 1000_u64.pow(2)),
    ("GB", 1000_u64.pow(3)),
    ("TB", 1000_u64.pow(4)),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Reads a size in bytes. A bare number counts `unit` bytes.
///
/// # Errors
/// A sentence about what is wrong and what would be right.
pub fn parse(text: &str, unit: u64) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.len()
        - text
            .trim_start_matches(|c: char| c.is_ascii_digit() || c == '.')
            .len();
    let (number, name) = text.split_at(digits);
    let wrong = || {
        format!(
            "`{text}` is no size: write a number with `B`, `kB`, `MB`, `GB`, `TB` (1000) or `KiB` to `TiB` (1024)"
        )
    };
    let factor = if name.is_empty() {
        unit
    } else {
        UNITS
            .iter()
            .find(|(unit, _)| *unit == name)
            .map(|(_, bytes)| *bytes)
            .ok_or_else(wrong)?
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole
            .checked_mul(factor)
            .ok_or_else(|| format!("`{text}` is too large"));
    }
    let number: f64 = number.parse().map_err(|_| wrong())?;
    from_number(number, factor)
}

/// A bare number of `unit` bytes.
///
/// # Errors
/// A sentence where it is negative, too large, or no whole number of bytes.
pub fn from_number(number: f64, unit: u64) -> Result<u64, String> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "units are powers of 2 or 1000 below 2^53"
    )]
    let bytes = number * unit as f64;
    if !bytes.is_finite() || bytes < 0.0 {
        return Err(format!("`{number}` is no size: it can't be less than 0"));
    }
    // Beyond 2^53 neighbours can't be told apart.
    if bytes > 9_007_199_254_740_992.0 {
        return Err(format!("`{number}` is too large"));
    }
    if (bytes - bytes.round()).abs() > 1e-6 {
        return Err(format!("`{number}` is no whole number of bytes"));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 2^53"
    )]
    Ok(bytes.round() as u64)
}

/// A rendered value as a number of bytes: a number, or a text that [`parse`] takes.
pub fn of_value(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => match number.as_u64() {
            Some(bytes) => Some(bytes),
            None => from_number(number.as_f64()?, 1).ok(),
        },
        Value::String(text) => parse(text, 1).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn sizes_are_read() {
        assert_eq!(parse("64KiB", 1), Ok(65_536));
        assert_eq!(parse("1.5GiB", 1), Ok(1_610_612_736));
        assert_eq!(parse("2MB", 1), Ok(2_000_000));
        assert_eq!(parse("100", 1), Ok(100));
        assert_eq!(parse("3", 1 << 20), Ok(3 << 20));
        assert_eq!(parse("18446744073709551615", 1), Ok(u64::MAX));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            "x",
            "5 MB",
            "5mb",
            "1.5B",
            "-1",
            "99999999TiB",
            "1..2MB",
            "5é",
        ] {
            assert!(parse(text, 1).is_err(), "{text}");
        }
    }
}
