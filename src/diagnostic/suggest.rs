//! The nearest known name to a misspelt one.

/// The candidate most like `name`, if one is like it at all (a typing mistake or two away).
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = match name.chars().count() {
        0..=2 => 1,
        3..=7 => 2,
        _ => 3,
    };
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name)
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
