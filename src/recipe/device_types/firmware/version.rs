//! Versions as HPE's firmware, files and releases write them.
//!
//! One version has many spellings: `U30 v2.76 (02/09/2023)` on the machine is `2.76_02-09-2023` in
//! the repository, `04.01.04.901` is `4.1.4.901`. What counts are the numbers, compared as numbers.

use std::fmt;

/// A version without its spelling. Ordered: numbers first, by their parts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    Numbers(Vec<Number>),
    /// A word such as `HPK1`, as disks have: its letters tell as much as its digits.
    Word(String),
}

/// A number of any size, without leading zeros: the longer one is larger.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number {
    length: usize,
    digits: String,
}

impl Version {
    pub(super) fn of(text: &str) -> Version {
        let text = text.trim();
        let after_v = text.rsplit('v').next().unwrap_or(text);
        let from_digit = after_v.trim_start_matches(|c: char| !c.is_ascii_digit());
        let numbers = match numbers(after_v) {
            None if !is_word(text) => numbers(from_digit),
            numbers => numbers,
        };
        numbers.map_or_else(|| Version::Word(text.to_owned()), Version::Numbers)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Version::Numbers(numbers) => {
                let digits: Vec<&str> = numbers.iter().map(|it| it.digits.as_str()).collect();
                f.write_str(&digits.join("."))
            }
            Version::Word(word) => f.write_str(word),
        }
    }
}

/// The numbers before the first letter.
fn numbers(text: &str) -> Option<Vec<Number>> {
    let end = text.find(char::is_alphabetic).unwrap_or(text.len());
    let numbers: Vec<Number> = text
        .get(..end)?
        .split(|c: char| !c.is_ascii_digit())
        .filter(|digits| !digits.is_empty())
        .map(|digits| {
            let digits = match digits.trim_start_matches('0') {
                "" => "0",
                trimmed => trimmed,
            };
            Number {
                length: digits.len(),
                digits: digits.to_owned(),
            }
        })
        .collect();
    (!numbers.is_empty()).then_some(numbers)
}

/// Whether it begins with a letter and is of letters and digits alone.
fn is_word(text: &str) -> bool {
    text.starts_with(char::is_alphabetic) && text.chars().all(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Version;

    #[test]
    fn one_version_has_many_spellings() {
        #[track_caller]
        fn same(left: &str, right: &str) {
            assert_eq!(Version::of(left), Version::of(right));
        }
        same("U30 v2.76 (02/09/2023)", "2.76_02-09-2023");
        same("4.1.4.901", "04.01.04.901");
        same("2.96 Aug 17 2023", "2.96");
        same("08.65.08", "8.65.08");
        same("Version 1.5", "1.5");
        same(" HPK1 ", "HPK1");
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        #[track_caller]
        fn less(left: &str, right: &str) {
            assert!(Version::of(left) < Version::of(right), "{left} {right}");
        }
        less("4.1.4.901", "04.010.04.901");
        less("9.1", "10.2");
        less("2023.09.00.04", "2023.10.00.00");
        less("1.2", "1.2.0");
        less("1.99999999999999999999999", "1.100000000000000000000000");
        less("HPK1", "HPK2");
        less("HPG9", "HPK1");
    }

    #[test]
    fn a_version_is_shown_by_its_numbers() {
        assert_eq!(
            Version::of("U30 v2.76 (02/09/2023)").to_string(),
            "2.76.2.9.2023"
        );
        assert_eq!(Version::of("0.00").to_string(), "0.0");
        assert_eq!(Version::of("HPK1").to_string(), "HPK1");
        assert_eq!(Version::of("").to_string(), "");
    }

    proptest! {
        #[test]
        fn a_version_that_is_shown_is_read_as_itself(text in "[ -~v0-9é]{0,24}") {
            let version = Version::of(&text);
            prop_assert_eq!(Version::of(&version.to_string()), version);
        }

        #[test]
        fn the_order_is_total(texts in prop::array::uniform3("[v0-9a-c. ]{0,8}")) {
            let [a, b, c] = texts.map(|text| Version::of(&text));
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
            prop_assert_eq!(a == b, a.cmp(&b).is_eq());
        }

        #[test]
        fn leading_zeros_do_not_count(parts in prop::collection::vec(0u32..100_000, 1..6)) {
            let plain: Vec<String> = parts.iter().map(u32::to_string).collect();
            let padded: Vec<String> = parts.iter().map(|part| format!("{part:07}")).collect();
            prop_assert_eq!(Version::of(&plain.join(".")), Version::of(&padded.join("_")));
        }
    }
}
