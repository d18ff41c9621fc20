//! From a place in a text as it reads to the place in the file.

use std::ops::Range;

use crate::diagnostic::{Sources, Span};

/// The place in the file of a range of bytes of `text`, which is how the scalar at `span` reads.
///
/// Escapes, doubled quotes, folding and indentation are undone by aligning the two: exact for
/// everything but the white space at a line's beginning. A range that lies outside, and a scalar
/// whose text is not in the file at all, have the place of the whole.
pub fn place(sources: &Sources, span: Span, text: &str, range: Range<usize>) -> Span {
    let raw = sources.text(span);
    let Some((start, end)) = align(raw, text, &range) else {
        return span;
    };
    let at = |offset: usize| span.start as usize + offset;
    Span::new(span.source, at(start), at(end.max(start)))
}

/// Byte offsets in `raw` of the range's first byte and of the end of its last character.
fn align(raw: &str, text: &str, range: &Range<usize>) -> Option<(usize, usize)> {
    let mut cursor = Cursor::new(raw);
    let mut start = None;
    let mut end = None;
    for (at, wanted) in text.char_indices() {
        if start.is_some() && at >= range.end {
            break;
        }
        let (from, to) = cursor.find(wanted)?;
        if at == range.start {
            start = Some(from);
        }
        if at < range.end {
            end = Some(to);
        }
    }
    // An empty range, or one at the end: the place after the last character.
    let start = start.or_else(|| (range.start == text.len()).then_some(cursor.at))?;
    Some((start, if range.is_empty() { start } else { end? }))
}

/// A position in the scalar as it is written.
struct Cursor<'a> {
    raw: &'a str,
    at: usize,
    quote: Option<char>,
}

impl<'a> Cursor<'a> {
    fn new(raw: &'a str) -> Self {
        let (at, quote) = match raw.chars().next() {
            Some(quote @ ('"' | '\'')) => (1, Some(quote)),
            // The header of a block scalar is no part of its text.
            Some('|' | '>') => (raw.find('\n').map_or(raw.len(), |at| at + 1), None),
            _ => (0, None),
        };
        Self { raw, at, quote }
    }

    /// The next place that reads as `wanted`, and where it ends.
    fn find(&mut self, wanted: char) -> Option<(usize, usize)> {
        loop {
            let rest = self.raw.get(self.at..)?;
            let next = rest.chars().next()?;
            let from = self.at;
            if self.quote == Some('"') && next == '\\' {
                let (length, is_break) = escape(rest);
                self.at += length;
                if is_break {
                    continue;
                }
                return Some((from, self.at));
            }
            if self.quote == Some('\'') && rest.starts_with("''") {
                self.at += 2;
                return Some((from, self.at));
            }
            if next == wanted {
                self.at += next.len_utf8();
                return Some((from, self.at));
            }
            if !next.is_whitespace() {
                return None;
            }
            self.at += next.len_utf8();
            // A line break that was folded reads as a space, and the blanks around it as nothing.
            if wanted == ' ' && next == '\n' {
                return Some((from, self.at));
            }
        }
    }
}

/// The length of an escape in a double-quoted text, and whether it hides a line break.
fn escape(rest: &str) -> (usize, bool) {
    let Some(letter) = rest.chars().nth(1) else {
        return (1, true);
    };
    let digits = match letter {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => 0,
    };
    let length = 1 + letter.len_utf8() + digits;
    (length.min(rest.len()), matches!(letter, '\n' | '\r'))
}

#[cfg(test)]
mod tests {
    use super::place;
    use crate::diagnostic::{Findings, Sources};
    use crate::recipe::yaml::{Dialect, read};

    /// What is found in the file for `part` of the text of `a`.
    #[track_caller]
    fn case(file: &str, part: &str, expected: &str) {
        let mut sources = Sources::default();
        let id = sources.add("test.yaml", file);
        let mut findings = Findings::default();
        let tree = read(&sources, id, Dialect::Recipe, &mut findings).expect("it is YAML");
        let node = tree.get("a").expect("it has `a`");
        let text = node.text().expect("`a` is a text");
        let at = text.find(part).expect("the part is in it");
        let span = place(&sources, node.span, text, at..at + part.len());
        assert_eq!(sources.text(span), expected, "in {text:?}");
    }

    #[test]
    fn every_style_of_scalar_keeps_its_places() {
        case("a: x {{ y }} z\n", "y", "y");
        case("a: é {{ ü }} z\n", "ü", "ü");
        case("a: x\n   {{ y }}\n", "{{ y }}", "{{ y }}");
        case("a: 'it''s {{ y }}'\n", "y", "y");
        case("a: \"\\t\\u00e9 \\\"{{ y }}\"\n", "\"{{ y", "\\\"{{ y");
        case("a: \"x \\\n   {{ y }}\"\n", "{{ y }}", "{{ y }}");
        case("a: |\n  one\n    {{ y }}\n  two\n", "{{ y }}", "{{ y }}");
        case(
            "a: >-\n  one\n  {{ y }}\n\n  two {{ z }}\n",
            "{{ y }}",
            "{{ y }}",
        );
        case(
            "a: >-\n  one\n  {{ y }}\n\n  two {{ z }}\n",
            "two {{ z }}",
            "two {{ z }}",
        );
        case("a: | # > |\n\n  one {{ y }}\n", "y }}", "y }}");
        case("b: 1\r\na: |\r\n  one\r\n  {{ y }}\r\n", "y }}", "y }}");
        case("a: x\n", "x", "x");
    }

    #[test]
    fn what_cannot_be_placed_has_the_place_of_the_whole() {
        let mut sources = Sources::default();
        let id = sources.add("test.yaml", "other");
        let whole = crate::diagnostic::Span::new(id, 0, 5);
        assert_eq!(place(&sources, whole, "something", 3..5), whole);
        assert_eq!(place(&sources, whole, "other", 9..12), whole);
        let end = place(&sources, whole, "other", 5..5);
        assert_eq!((end.start, end.end), (5, 5));
    }
}
