//! How much room a text takes, without knowing the font that will draw it.
//!
//! Texts are counted in columns of a monospaced font. No font in the style's list is wider than 0.602
//! of its size a column (DejaVu Sans Mono); prose in a proportional font is narrower than that on
//! average. What a fallback font may draw wider counts two columns.

/// Columns that a text may take.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(column).sum()
}

fn column(c: char) -> usize {
    // Latin, Greek, Cyrillic; then dashes, quotes and `…`. Others may come from a wider font.
    match u32::from(c) {
        0..=0x04ff | 0x2010..=0x2027 => 1,
        _ => 2,
    }
}

/// Pixels that so many columns take at a font size.
pub(super) fn width(columns: usize, size: i32) -> i32 {
    let columns = i32::try_from(columns).unwrap_or(i32::MAX / 100 / 64);
    (columns.saturating_mul(size).saturating_mul(61) + 99) / 100
}

/// The text where it fits, else its beginning and `…`.
pub(super) fn shorten(text: &str, most: usize) -> String {
    if columns(text) <= most {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += column(c);
        if used > most {
            break;
        }
        short.push(c);
    }
    short.truncate(short.trim_end().len());
    short.push('…');
    short
}

/// The text in lines of at most `most` columns, broken between words; what is left after `lines` of
/// them is cut.
pub(super) fn wrap(text: &str, most: usize, lines: usize) -> Vec<String> {
    let mut wrapped: Vec<String> = Vec::new();
    let mut words = text.split(' ').filter(|word| !word.is_empty()).peekable();
    while words.peek().is_some() {
        let mut line = String::new();
        let last = wrapped.len() + 1 == lines;
        while let Some(word) = words.peek() {
            let needed = columns(&line) + usize::from(!line.is_empty()) + columns(word);
            if needed > most && !line.is_empty() && !last {
                break;
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
            words.next();
            if needed > most {
                break;
            }
        }
        wrapped.push(shorten(&line, most));
        if last {
            break;
        }
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_fits_stays_and_a_longer_one_ends_in_dots() {
        assert_eq!(shorten("card", 4), "card");
        assert_eq!(shorten("cards", 4), "car…");
        assert_eq!(shorten("to the card", 8), "to the…");
        assert_eq!(shorten("東京都庁", 6), "東京…");
        assert_eq!(shorten("x", 0), "…");
    }

    #[test]
    fn lines_break_between_words_and_the_last_one_is_cut() {
        assert_eq!(wrap("", 10, 2), Vec::<String>::new());
        assert_eq!(wrap("one two three", 7, 3), ["one two", "three"]);
        assert_eq!(wrap("one two three four five", 7, 2), ["one two", "three…"]);
        assert_eq!(wrap("unbreakable one", 7, 3), ["unbrea…", "one"]);
    }
}
