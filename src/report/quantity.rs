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

/// A text for a line of a log: escape sequences of terminals are taken out, a tab becomes spaces, and
/// of a line that was overwritten with carriage returns the last state stays. What control characters
/// are left become U+FFFD.
pub(super) fn plain(text: &str) -> String {
    let text = text.trim_end_matches('\r');
    let text = text.rsplit('\r').next().unwrap_or(text);
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\t' => clean.push_str("    "),
            '\u{1b}' => match rest.peek() {
                // ECMA-48: CSI is ended by a byte of 0x40 to 0x7e.
                Some('[') => {
                    rest.next();
                    for c in rest.by_ref() {
                        if ('\u{40}'..='\u{7e}').contains(&c) {
                            break;
                        }
                    }
                }
                // OSC and its kin are ended by BEL or by ESC \.
                Some(']' | 'P' | '_' | '^' | 'X') => {
                    rest.next();
                    while let Some(c) = rest.next() {
                        if c == '\u{7}' {
                            break;
                        }
                        if c == '\u{1b}' {
                            rest.next_if_eq(&'\\');
                            break;
                        }
                    }
                }
                // A two-character sequence.
                Some(c) if c.is_ascii() => {
                    rest.next();
                }
                _ => {}
            },
            c if c.is_control() => clean.push('\u{fffd}'),
            c => clean.push(c),
        }
    }
    clean
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

    #[test]
    fn a_line_of_a_log_has_no_control_characters() {
        #[track_caller]
        fn case(text: &str, clean: &str) {
            assert_eq!(plain(text), clean);
            assert!(!plain(text).chars().any(char::is_control));
        }
        case("plain é", "plain é");
        case("\u{1b}[1;31mred\u{1b}[0m", "red");
        case("\u{1b}]0;title\u{7}text\u{1b}]8;;x\u{1b}\\y", "texty");
        case("10%\r20%\r30%\r", "30%");
        case("a\tb\u{8}\u{9b}", "a    b\u{fffd}\u{fffd}");
        case("\u{1b}", "");
        case("\u{1b}[", "");
        case("\u{1b}é", "é");
    }
}
