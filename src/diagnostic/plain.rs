//! Text from outside as a line that no terminal obeys.

/// A text for a line of a log: escape sequences of terminals are taken out, a tab becomes spaces, and
/// of a line that was overwritten with carriage returns the last state stays. What control characters
/// are left become U+FFFD.
pub fn plain(text: &str) -> String {
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
    use super::plain;

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
