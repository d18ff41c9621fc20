//! The order of version numbers.

use std::cmp::Ordering;

/// Compares the numbers of two versions one by one, missing ones as 0: `5.3` and `v5.3.0` are equal,
/// `1.9` is before `1.10`. What stands between the numbers does not count. Nothing if a text has no
/// number.
pub(super) fn compare(left: &str, right: &str) -> Option<Ordering> {
    let (left, right) = (numbers(left)?, numbers(right)?);
    let zero = "";
    for n in 0..left.len().max(right.len()) {
        let a = left.get(n).copied().unwrap_or(zero);
        let b = right.get(n).copied().unwrap_or(zero);
        // Without leading zeros the longer number is the greater one, however long they are.
        let order = a.len().cmp(&b.len()).then_with(|| a.cmp(b));
        if order != Ordering::Equal {
            return Some(order);
        }
    }
    Some(Ordering::Equal)
}

fn numbers(version: &str) -> Option<Vec<&str>> {
    let numbers: Vec<&str> = version
        .split(|c: char| !c.is_ascii_digit())
        .filter(|digits| !digits.is_empty())
        .map(|digits| digits.trim_start_matches('0'))
        .collect();
    (!numbers.is_empty()).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering::{Equal, Greater, Less};

    use super::compare;

    #[test]
    fn numbers_count_and_what_is_between_does_not() {
        #[track_caller]
        fn case(left: &str, right: &str, order: std::cmp::Ordering) {
            assert_eq!(compare(left, right), Some(order));
        }
        case("1.10", "1.9", Greater);
        case("v5.3", "5.3.0", Equal);
        case("2.4.7-1ubuntu2", "2.4.7-1ubuntu10", Less);
        case("007", "7", Equal);
        case("99999999999999999999999", "100000000000000000000000", Less);
        assert_eq!(compare("latest", "1"), None);
    }
}
