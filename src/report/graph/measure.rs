//! How much room a text takes, without knowing the font that will draw it.
//!
//! Extents are hundredths of the font's size. Each character counts as wide as it is in the widest font
//! of the style sheet's list: DejaVu Sans Mono (0.602 for all) and DejaVu Sans, as their metrics say,
//! rounded up. What a font outside the list may have to draw counts twice a column.

/// The two families of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Font {
    Mono,
    Prose,
}

/// The extent of a column of the monospaced font.
pub(super) const COLUMN: i32 = 61;

/// The extent of a text.
pub(super) fn extent(text: &str, font: Font) -> i32 {
    text.chars()
        .fold(0, |sum: i32, c| sum.saturating_add(advance(c, font)))
}

fn advance(c: char, font: Font) -> i32 {
    // Latin, Greek, Cyrillic; then dashes, quotes and `…`.
    let narrow = matches!(u32::from(c), 0..=0x04ff | 0x2010..=0x2027);
    match (narrow, font) {
        (false, _) => 2 * COLUMN,
        (true, Font::Mono) => COLUMN,
        (true, Font::Prose) => match c {
            'i' | 'j' | 'l' => 28,
            ' ' | ',' | '.' => 32,
            'f' | '-' => 37,
            't' | 'I' | 'J' | '(' | ')' | '[' | ']' | ':' | ';' | '!' | '\'' | '/' => 41,
            'r' => 42,
            's' | 'z' | 'c' | '?' | '"' | '*' => 56,
            'k' | 'v' | 'x' | 'y' => 60,
            'a'..='l' | 'n'..='v' | '0'..='9' | '_' => 64,
            'w' => 82,
            'm' | 'M' | 'W' | '%' | '@' | '…' => 101,
            c if c.is_ascii_uppercase() => 79,
            _ => 84,
        },
    }
}

/// Pixels that an extent takes at a font size, rounded up.
pub(super) fn pixels(extent: i32, size: i32) -> i32 {
    extent.saturating_mul(size).saturating_add(99) / 100
}

/// The text where its extent is at most `most`, else its beginning and `…`.
pub(super) fn shorten(text: &str, most: i32, font: Font) -> String {
    if extent(text, font) <= most {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut used = advance('…', font);
    for c in text.chars() {
        used += advance(c, font);
        if used > most {
            break;
        }
        short.push(c);
    }
    short.truncate(short.trim_end().len());
    short.push('…');
    short
}

/// The text in lines of at most `most`, broken between words; what is left after `lines` of them is
/// cut.
pub(super) fn wrap(text: &str, most: i32, lines: usize, font: Font) -> Vec<String> {
    let mut wrapped: Vec<String> = Vec::new();
    let mut words = text.split(' ').filter(|word| !word.is_empty()).peekable();
    while words.peek().is_some() {
        let last = wrapped.len() + 1 == lines;
        let mut line = String::new();
        while let Some(word) = words.peek() {
            let before = line.len();
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
            let fits = extent(&line, font) <= most;
            if !fits && before > 0 && !last {
                line.truncate(before);
                break;
            }
            words.next();
            if !fits {
                break;
            }
        }
        wrapped.push(shorten(&line, most, font));
        if last {
            break;
        }
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, columns: i32) -> String {
        shorten(text, columns * COLUMN, Font::Mono)
    }

    #[test]
    fn a_text_that_fits_stays_and_a_longer_one_ends_in_dots() {
        assert_eq!(cut("card", 4), "card");
        assert_eq!(cut("cards", 4), "car…");
        assert_eq!(cut("to the card", 8), "to the…");
        assert_eq!(cut("東京都庁", 6), "東京…");
        assert_eq!(cut("x", 0), "…");
    }

    #[test]
    fn lines_break_between_words_and_the_last_one_is_cut() {
        let lines = |text, columns: i32, lines| wrap(text, columns * COLUMN, lines, Font::Mono);
        assert_eq!(lines("", 10, 2), Vec::<String>::new());
        assert_eq!(lines("one two three", 7, 3), ["one two", "three"]);
        assert_eq!(
            lines("one two three four five", 7, 2),
            ["one two", "three…"]
        );
        assert_eq!(lines("unbreakable one", 7, 3), ["unbrea…", "one"]);
    }

    #[test]
    fn prose_takes_what_its_letters_take() {
        assert!(extent("illicit", Font::Prose) < extent("illicit", Font::Mono));
        assert!(extent("WWW", Font::Prose) > extent("WWW", Font::Mono));
    }
}
