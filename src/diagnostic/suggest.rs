//! The nearest known name to a misspelt one.

/// Longer words are not names that somebody misspelt.
const LONGEST: usize = 64;

/// The candidate most like `name`, if one is like it at all (a typing mistake or two away).
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = name.chars().count();
    let allowed = match length {
        0..=2 => 1,
        3..=7 => 2,
        8..=LONGEST => 3,
        _ => return None,
    };
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name)
        // The distance takes time and memory by both lengths, and is at least their difference.
        .filter(|candidate| {
            candidate.len() <= 4 * LONGEST && candidate.chars().count().abs_diff(length) <= allowed
        })
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&name.to_lowercase(), candidate),
                candidate,
            )
        })
        .filter(|(distance, candidate)| {
            *distance <= allowed && *distance < candidate.chars().count()
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_typing_mistake_is_found_and_a_stranger_is_not() {
        let actions = ["flash", "fail", "mux", "run"];
        assert_eq!(nearest("flahs", actions), Some("flash"));
        assert_eq!(nearest("Mux", actions), Some("mux"));
        assert_eq!(nearest("teleport", actions), None);
        assert_eq!(nearest("", actions), None);
    }
}
