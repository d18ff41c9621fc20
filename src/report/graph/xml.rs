//! Texts of a recipe inside a picture: no character of theirs is markup, or moves others.

use crate::diagnostic::plain;

/// The text in one line: runs of white space are one space, and what no reader can see shows as `�`.
pub(super) fn one_line(text: &str) -> String {
    let words: Vec<String> = text.split_whitespace().map(visible).collect();
    words.join(" ")
}

/// The text with its lines.
pub(super) fn lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(visible).collect();
    lines.join("\n")
}

/// Besides controls, the characters that XML 1.0 forbids, and those that turn the direction of the text
/// around them (Unicode, UAX 9), become U+FFFD.
fn visible(text: &str) -> String {
    let plain = plain(text);
    let shown = plain.chars().map(|c| match c {
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}' => {
            char::REPLACEMENT_CHARACTER
        }
        c => c,
    });
    shown.collect()
}

/// Appends a text to XML, in an element or in a quoted attribute.
pub(super) fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // A line break in an attribute would be read as a space.
            '\n' => out.push_str("&#10;"),
            c if c.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_markup() {
        let mut out = String::new();
        escape(&mut out, "<b a=\"1\" c='2'> & \u{1b}[31m");
        assert_eq!(
            out,
            "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt; &amp; \u{fffd}[31m"
        );
    }

    #[test]
    fn what_can_not_be_seen_shows() {
        assert_eq!(one_line("a\n\tb\u{0}c \u{202e}d"), "a b\u{fffd}c \u{fffd}d");
        assert_eq!(lines("a\r\nb\u{7}"), "a\nb\u{fffd}");
    }
}
