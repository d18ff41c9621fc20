//! A shell string as a list of commands.
//!
//! Enough of the shell's grammar (POSIX.1-2024, Shell Command Language 2.2 to 2.10) to tell which
//! words make a command and what links it to the next one. What is inside `$(…)`, and a `case`, is
//! not looked into; where the text is no shell script there are fewer commands, never a failure.

use std::ops::Range;

/// Stands in a word for each byte of a template's value.
pub(super) const VALUE: char = '\u{1}';

/// A command: a program or a builtin with its words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Command {
    /// Without quotes, redirections and keywords; none for a group in parentheses.
    pub(super) words: Vec<Word>,
    /// It decides (`if`, `while`, `!`): its failure is looked at.
    pub(super) is_condition: bool,
    /// What comes after it.
    pub(super) link: Link,
    /// Where that stands.
    pub(super) link_range: Range<usize>,
}

/// A word of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    /// Without its quotes; [`VALUE`]s for a template.
    pub(super) text: String,
    pub(super) range: Range<usize>,
}

/// What links a command to the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Link {
    /// `;`, a line's end, the end of a group or of the text.
    #[default]
    End,
    /// `|` or `|&`.
    Pipe,
    /// `&&`.
    And,
    /// `||`.
    Or,
    /// `&`.
    Background,
}

impl Command {
    /// The program's name, without `sudo` and its like and without its folder; empty if a value says it.
    pub(super) fn program(&self) -> &str {
        self.words_from_program()
            .first()
            .map_or("", |word| word.text.rsplit('/').next().unwrap_or_default())
    }

    /// The program and its arguments.
    pub(super) fn words_from_program(&self) -> &[Word] {
        const BEFORE: &[&str] = &[
            "sudo", "nice", "ionice", "time", "env", "exec", "command", "nohup", "setsid",
        ];
        let mut words = self.words.as_slice();
        let mut after_sudo = false;
        while let Some((first, rest)) = words.split_first() {
            let is_assignment = first.text.split_once('=').is_some_and(|(name, _)| {
                !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            });
            let is_option = after_sudo && first.text.starts_with('-');
            if BEFORE.contains(&first.text.as_str()) {
                after_sudo = true;
            } else if !is_assignment && !is_option {
                break;
            }
            words = rest;
        }
        words
    }

    /// `true` or `:`.
    pub(super) fn does_nothing(&self) -> bool {
        matches!(self.words.as_slice(), [only] if only.text == "true" || only.text == ":")
    }

    /// From its first word to its last.
    pub(super) fn range(&self) -> Range<usize> {
        match (self.words.first(), self.words.last()) {
            (Some(first), Some(last)) => first.range.start..last.range.end,
            _ => self.link_range.clone(),
        }
    }
}

/// The commands of a shell string, templates included.
pub(super) fn commands(text: &str) -> Vec<Command> {
    let mut reader = Reader::default();
    reader.read(&without_templates(text));
    reader.commands
}

/// Commands up to one that is not linked to the next.
pub(super) fn statements(commands: &[Command]) -> impl Iterator<Item = &[Command]> {
    commands.split_inclusive(|command| matches!(command.link, Link::End | Link::Background))
}

/// The text with [`VALUE`]s in the place of values and blanks in the place of tags; no byte moves.
fn without_templates(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let (end, fill) = match rest.as_bytes().get(1) {
            Some(b'{') => ("}}", VALUE),
            Some(b'%') => ("%}", ' '),
            Some(b'#') => ("#}", ' '),
            _ => {
                plain.push('{');
                rest = &rest[1..];
                continue;
            }
        };
        let length = rest.find(end).map_or(rest.len(), |at| at + end.len());
        plain.extend(std::iter::repeat_n(fill, length));
        rest = &rest[length..];
    }
    plain.push_str(rest);
    plain
}

const KEYWORDS: &[&str] = &["then", "else", "do", "{"];
const CLOSERS: &[&str] = &["fi", "done", "}"];
const CONDITIONS: &[&str] = &["if", "elif", "while", "until", "!"];

#[derive(Default)]
struct Reader {
    commands: Vec<Command>,
    command: Command,
    word: Option<Word>,
    /// The next word is where a redirection goes.
    redirects: bool,
    /// Ends of here-documents that begin after this line.
    documents: Vec<(String, bool)>,
    /// Inside `[[ … ]]`.
    in_test: bool,
    /// Inside `case … esac`.
    in_case: bool,
}

impl Reader {
    fn read(&mut self, text: &str) {
        let mut at = 0;
        while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
            let rest = &text[at..];
            let one = c.len_utf8();
            at += match c {
                '\\' if rest.starts_with("\\\n") => 2,
                '\\' => {
                    let escaped = rest.chars().nth(1);
                    self.push(escaped, at);
                    self.extend(at, at + 1 + escaped.map_or(0, char::len_utf8))
                }
                '\'' | '"' => self.quoted(rest, at, c),
                '`' => self.nested(rest, at, 1, '`'),
                '$' if rest.starts_with("$(") => self.nested(rest, at, 2, ')'),
                '$' if rest.starts_with("${") => self.nested(rest, at, 2, '}'),
                '#' if self.word.is_none() => rest.find('\n').unwrap_or(rest.len()),
                ' ' | '\t' | '\r' => {
                    self.end_word();
                    one
                }
                '\n' => {
                    self.end_command(Link::End, at..at + 1);
                    1 + self.skip_documents(&rest[1..])
                }
                '(' | ')' | ';' | '&' | '|' | '<' | '>' => self.operator(rest, at),
                _ => {
                    self.push(Some(c), at);
                    self.extend(at, at + one)
                }
            };
        }
        self.end_command(Link::End, text.len()..text.len());
    }

    fn push(&mut self, c: Option<char>, at: usize) {
        let word = self.word.get_or_insert_with(|| Word {
            text: String::new(),
            range: at..at,
        });
        word.text.extend(c);
    }

    /// The word that is read at `at` goes up to `end`; returns how far that is.
    fn extend(&mut self, at: usize, end: usize) -> usize {
        self.set_end(end);
        end - at
    }

    fn quoted(&mut self, rest: &str, at: usize, quote: char) -> usize {
        self.push(None, at);
        let mut length = 1;
        let mut chars = rest[1..].chars();
        while let Some(c) = chars.next() {
            length += c.len_utf8();
            if c == quote {
                break;
            }
            let escaped = (c == '\\' && quote == '"').then(|| chars.next()).flatten();
            length += escaped.map_or(0, char::len_utf8);
            self.push(Some(escaped.unwrap_or(c)), at);
        }
        self.set_end(at + length);
        length
    }

    /// `$(…)`, `${…}` or backquotes: kept as they are.
    fn nested(&mut self, rest: &str, at: usize, open: usize, close: char) -> usize {
        self.push(None, at);
        let mut depth = 1_usize;
        let mut quote = None;
        let mut length = open;
        let mut chars = rest[open..].chars();
        while let Some(c) = chars.next() {
            length += c.len_utf8();
            match (quote, c) {
                (Some('\''), '\'') | (Some('"'), '"') => quote = None,
                (Some('\''), _) => {}
                (_, '\\') => length += chars.next().map_or(0, char::len_utf8),
                (None, '\'' | '"') => quote = Some(c),
                (None, c) if c == close => depth -= 1,
                (None, '(') if close == ')' => depth += 1,
                (None, '{') if close == '}' => depth += 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        rest[..length.min(rest.len())]
            .chars()
            .for_each(|c| self.push(Some(c), at));
        self.set_end(at + length);
        length
    }

    fn set_end(&mut self, end: usize) {
        if let Some(word) = &mut self.word {
            word.range.end = end;
        }
    }

    fn operator(&mut self, rest: &str, at: usize) -> usize {
        let two = rest.get(..2).unwrap_or_default();
        if self.in_test && !rest.starts_with(';') {
            // Comparisons and groups of the test.
            self.end_word();
            let length = if matches!(two, "&&" | "||") { 2 } else { 1 };
            self.push(rest.chars().next(), at);
            self.set_end(at + length);
            self.end_word();
            return length;
        }
        let (link, length) = match two {
            "&&" => (Link::And, 2),
            "||" => (Link::Or, 2),
            "|&" => (Link::Pipe, 2),
            ";;" => (Link::End, 2),
            "&>" => return self.redirect(rest, 2),
            _ if rest.starts_with(['<', '>']) => return self.redirect(rest, 1),
            _ if rest.starts_with('|') => (Link::Pipe, 1),
            _ if rest.starts_with('&') => (Link::Background, 1),
            _ => (Link::End, 1),
        };
        if rest.starts_with(')') {
            self.end_command(Link::End, at..at);
            // What follows is linked to the group.
            self.command.link_range = at..at + 1;
            return 1;
        }
        self.end_command(link, at..at + length);
        length
    }

    fn redirect(&mut self, rest: &str, length: usize) -> usize {
        // `2>`: the number belongs to it.
        let is_number = |word: &Word| word.text.bytes().all(|byte| byte.is_ascii_digit());
        if self.word.as_ref().is_some_and(is_number) {
            self.word = None;
        }
        self.end_word();
        if rest.starts_with("<<<") {
            self.redirects = true;
            return 3;
        }
        if let Some(after) = rest.strip_prefix("<<") {
            let tabs = after.starts_with('-');
            let after = after
                .trim_start_matches('-')
                .trim_start_matches([' ', '\t']);
            let end = after
                .find(|c: char| c.is_whitespace() || ";|&<>()".contains(c))
                .unwrap_or(after.len());
            let name: String = after[..end]
                .chars()
                .filter(|c| !"'\"\\".contains(*c))
                .collect();
            self.documents.push((name, tabs));
            return rest.len() - after.len() + end;
        }
        self.redirects = true;
        let more = rest[length..]
            .chars()
            .take_while(|c| "<>&|".contains(*c))
            .count();
        length + more
    }

    /// How long the here-documents are that begin here.
    fn skip_documents(&mut self, rest: &str) -> usize {
        let mut length = 0;
        for (end, tabs) in self.documents.drain(..) {
            for line in rest.get(length..).unwrap_or_default().split_inclusive('\n') {
                length += line.len();
                let line = line.trim_end_matches('\n');
                let line = if tabs {
                    line.trim_start_matches('\t')
                } else {
                    line
                };
                if line == end {
                    break;
                }
            }
        }
        length
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else {
            return;
        };
        if self.redirects {
            self.redirects = false;
            return;
        }
        let is_first = self.command.words.is_empty();
        match word.text.as_str() {
            "esac" if self.in_case => self.in_case = false,
            _ if self.in_case => {}
            "case" if is_first => self.in_case = true,
            text if is_first && CONDITIONS.contains(&text) => self.command.is_condition = true,
            text if is_first && CLOSERS.contains(&text) => self.command.link_range = word.range,
            text if is_first && KEYWORDS.contains(&text) => {}
            text => {
                if text == "[[" && is_first {
                    self.in_test = true;
                } else if text == "]]" {
                    self.in_test = false;
                }
                self.command.words.push(word);
            }
        }
    }

    fn end_command(&mut self, link: Link, range: Range<usize>) {
        self.end_word();
        self.redirects = false;
        self.in_test = false;
        if self.in_case {
            return;
        }
        let is_group = self.command.link_range != Range::default();
        if self.command.words.is_empty() && (!is_group || link == Link::End) {
            // `a |` goes on in the next line.
            self.command.link_range = Range::default();
            return;
        }
        let mut command = std::mem::take(&mut self.command);
        command.link = link;
        command.link_range = range;
        self.commands.push(command);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Link, commands};

    /// Each command's words between blanks, and its link.
    fn told(text: &str) -> String {
        let mut told = Vec::new();
        for command in commands(text) {
            let words: Vec<String> = command
                .words
                .iter()
                .map(|word| format!("<{}>", word.text.replace('\u{1}', "·")))
                .collect();
            let link = match command.link {
                Link::End => ";",
                Link::Pipe => "|",
                Link::And => "&&",
                Link::Or => "||",
                Link::Background => "&",
            };
            let condition = if command.is_condition { "?" } else { "" };
            told.push(format!("{condition}{}{link}", words.join("")));
        }
        told.join(" ")
    }

    #[test]
    fn commands_are_told_apart() {
        #[track_caller]
        fn case(text: &str, expected: &str) {
            assert_eq!(told(text), expected, "{text}");
        }
        case("a b | c && d || true", "<a><b>| <c>&& <d>|| <true>;");
        case(
            "a 'b c' \"d $(e | f) g\" > h 2>&1 < i\nj &",
            "<a><b c><d $(e | f) g>; <j>&",
        );
        case(
            "dd if={{ x }} of=y 2>/dev/null || :",
            "<dd><if=·······><of=y>|| <:>;",
        );
        case("if ! a; then b; else c; fi", "?<a>; <b>; <c>;");
        case("if a; then b; fi\nc", "?<a>; <b>; <c>;");
        case("while read x; do y $x; done", "?<read><x>; <y><$x>;");
        case("cat <<E | a\nb | c\nE\nd", "<cat>| <a>; <d>;");
        case("(a | b) || true", "<a>| <b>; || <true>;");
        case("{ a; b; } | c", "<a>; <b>; | <c>;");
        case("case $a in b|c) d;; *) e;; esac; f", "<f>;");
        case(
            "[[ {{ x }} -eq 1 && a < b ]] && c",
            "<[[><·······><-eq><1><&><a><<><b><]]>&& <c>;",
        );
        case("a \\\n  b # c | d\ne", "<a><b>; <e>;");
        case("a\\\nbcd|| true", "<abcd>|| <true>;");
        case("x=$(a | b) y='' c", "<x=$(a | b)><y=><c>;");
        case("a &> f; b >& g; c >| d", "<a>; <b>; <c>;");
        case("{% if x %}a{% else %}b{% endif %}", "<a><b>;");
        case("a |\n  b ||\n  c", "<a>| <b>|| <c>;");
        case("echo '", "<echo><>;");
        case("", "");
    }

    proptest! {
        #[test]
        fn any_text_has_commands_in_it(text in "[-a-z{}% $`'\"\\\\()|&;<>#\n\té\\[\\]]{0,60}") {
            for command in commands(&text) {
                for word in &command.words {
                    prop_assert!(text.get(word.range.clone()).is_some(), "{text:?} {word:?}");
                }
                prop_assert!(text.get(command.link_range.clone()).is_some());
            }
        }
    }
}
