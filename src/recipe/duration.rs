//! Durations as recipes write them: `90s`, `1h30m`, or a bare number of seconds.

use std::time::Duration;

use super::Value;

/// The longest duration, 366 days.
pub const MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Units with their milliseconds, falling.
const UNITS: &[(&str, u64)] = &[
    ("d", 24 * 60 * 60 * 1000),
    ("h", 60 * 60 * 1000),
    ("m", 60 * 1000),
    ("s", 1000),
    ("ms", 1),
];

/// Reads a duration. A bare number counts `unit` seconds (1 in recipes; an input may say
/// otherwise) and may have a fraction.
///
/// # Errors
/// A sentence about what is wrong and what would be right.
pub fn parse(text: &str, unit: u64) -> Result<Duration, String> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>()
        && text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'))
    {
        return from_number(number, unit);
    }
    if let Some(written) = clock(text) {
        return Err(format!("`{text}` is no duration: write {written}"));
    }
    let wrong = || {
        format!(
            "`{text}` is no duration: write digits with `ms`, `s`, `m`, `h` or `d`, as in `90s` or `1h30m`"
        )
    };
    let mut rest = text;
    let mut total: u64 = 0;
    let mut last = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let letters = after.len()
            - after
                .trim_start_matches(|c: char| c.is_ascii_alphabetic())
                .len();
        let (name, after) = after.split_at(letters);
        let count: u64 = number.parse().map_err(|_| wrong())?;
        let (_, millis) = UNITS
            .iter()
            .find(|(unit, _)| *unit == name)
            .ok_or_else(wrong)?;
        if *millis >= last {
            return Err(format!(
                "the units of `{text}` do not fall: write `1h30m`, each unit once"
            ));
        }
        last = *millis;
        total = total.saturating_add(count.saturating_mul(*millis));
        rest = after;
    }
    if last == u64::MAX {
        return Err(wrong());
    }
    bounded(Duration::from_millis(total))
}

/// A bare number of `unit` seconds.
///
/// # Errors
/// A sentence where it is negative, too large, or no whole number of milliseconds.
pub fn from_number(number: f64, unit: u64) -> Result<Duration, String> {
    #[expect(clippy::cast_precision_loss, reason = "units are small")]
    let millis = number * unit as f64 * 1000.0;
    if !millis.is_finite() || millis < 0.0 {
        return Err(format!(
            "`{number}` is no duration: it can't be less than 0"
        ));
    }
    if (millis - millis.round()).abs() > 1e-6 {
        return Err(format!("`{number}` is finer than a millisecond"));
    }
    if millis > 1e15 {
        return bounded(Duration::MAX);
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 1e15"
    )]
    bounded(Duration::from_millis(millis.round() as u64))
}

/// A rendered value as a duration: a number of seconds, or a text that [`parse`] takes.
pub fn of_value(value: &Value) -> Option<Duration> {
    match value {
        Value::Number(number) => from_number(number.as_f64()?, 1).ok(),
        Value::String(text) => parse(text, 1).ok(),
        _ => None,
    }
}

/// A duration as a value: a number of seconds.
pub fn to_value(duration: Duration) -> Value {
    if duration.subsec_millis() == 0 {
        Value::from(duration.as_secs())
    } else {
        Value::from(duration.as_secs_f64())
    }
}

fn bounded(duration: Duration) -> Result<Duration, String> {
    if duration > MAX {
        return Err("a duration is at most 366 days".to_owned());
    }
    Ok(duration)
}

/// `1:30` means 90 seconds to readers of YAML 1.1, and something else to everybody else.
fn clock(text: &str) -> Option<String> {
    let parts: Option<Vec<u64>> = text.split(':').map(|part| part.parse().ok()).collect();
    match parts?.as_slice() {
        [minutes, seconds] if *minutes < 10_000 && *seconds < 60 => Some(format!(
            "`{}s` or `{minutes}m{seconds}s`",
            minutes * 60 + seconds
        )),
        [hours, minutes, seconds] => Some(format!("`{hours}h{minutes}m{seconds}s`")),
        _ => None,
    }
}

/// A duration as a recipe would write it: `1h30m`, `0s`.
pub fn print(duration: Duration) -> String {
    let mut rest = duration.as_millis();
    let mut text = String::new();
    for (unit, millis) in UNITS {
        let count = rest / u128::from(*millis);
        rest %= u128::from(*millis);
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{parse, print};

    #[test]
    fn durations_are_read_and_printed() {
        #[track_caller]
        fn case(text: &str, millis: u64, printed: &str) {
            let duration = parse(text, 1).expect("it is a duration");
            assert_eq!(duration.as_millis(), u128::from(millis));
            assert_eq!(print(duration), printed);
        }
        case("90s", 90_000, "1m30s");
        case("1h30m", 5_400_000, "1h30m");
        case("250ms", 250, "250ms");
        case("0", 0, "0s");
        case("0.5", 500, "500ms");
        case("90", 90_000, "1m30s");
        case("366d", 31_622_400_000, "366d");
        assert_eq!(parse("1.5", 60).map(print), Ok("1m30s".to_owned()));
    }

    #[test]
    fn what_is_no_duration_is_refused_with_advice() {
        #[track_caller]
        fn case(text: &str, part: &str) {
            let error = parse(text, 1).expect_err("it is no duration");
            assert!(error.contains(part), "{error}");
        }
        case("1:30", "write `90s` or `1m30s`");
        case("1:02:03", "write `1h2m3s`");
        case("30m1h", "do not fall");
        case("1m1m", "do not fall");
        case("367d", "366 days");
        case("99999999999999999999d", "no duration");
        case("999999999999999999d", "366 days");
        case("1e300", "366 days");
        case("-5", "less than 0");
        case("0.0001", "finer than a millisecond");
        case("soon", "no duration");
        case("", "no duration");
        case("5 s", "no duration");
        case("5é", "no duration");
        case("inf", "no duration");
    }
}
