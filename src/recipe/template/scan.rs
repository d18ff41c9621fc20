//! Reading a shell string as a shell does, up to the words.
//!
//! The literal parts come piece by piece, values between them. After each piece the scanner knows
//! whether it stands in plain text, in quotes, in a comment, in a here-document or in an expansion.

use std::ops::Range;

use minijinja::machinery::ast;

use super::survey::range;
use super::syntax::Problem;
use crate::diagnostic::Code;

/// What the text around the current place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    /// `'…'`
    Single,
    /// `"…"`
    Double,
    /// `$'…'`
    Ansi,
    /// `` `…` ``
    Backquotes,
    /// `$(…)`
    Command,
    /// `(…)`
    Group,
    /// `$((…))` or `((…))`, with this many parentheses open inside.
    Arithmetic(u32),
    /// `${…}`
    Parameter,
    /// From `#` to the end of the line.
    Comment,
    /// `case`, before `in`.
    CaseWord,
    /// `case`, before a `)`.
    CasePattern,
    /// `case`, after a `)`.
    CaseBody,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct HereDocument {
    /// The line that ends it; `None` where a template says it.
    end: Option<String>,
    /// `<<-`: tabs before the line do not count.
    tabs: bool,
}

/// Where in the shell's syntax a string is by now.
#[derive(Clone, Debug, Default)]
pub(super) struct Scanner {
    inside: Vec<Inside>,
    /// Here-documents whose lines come after this one.
    announced: Vec<HereDocument>,
    /// Whether the lines are those of the first of `announced`, and the line so far.
    document: Option<String>,
    /// The word so far; `None` where its beginning is not known to be literal.
    word: Option<String>,
    /// The character before, where it makes the next one special: `\` or `$`.
    before: Option<char>,
    pub(super) pipes: Vec<Range<usize>>,
}

impl Scanner {
    pub(super) fn statements(&mut self, statements: &[ast::Stmt<'_>], found: &mut Vec<Problem>) {
        for statement in statements {
            match statement {
                ast::Stmt::EmitRaw(raw) => {
                    // A raw text is a piece of the source, but its span may begin at a tag before it.
                    let end = raw.span().end_offset as usize;
                    self.text(raw.raw, end.saturating_sub(raw.raw.len()));
                }
                ast::Stmt::EmitExpr(emit) => self.value(range(emit.span()), found),
                ast::Stmt::IfCond(choice) => {
                    let mut other = self.clone();
                    self.statements(&choice.true_body, found);
                    other.statements(&choice.false_body, found);
                    self.rejoin(other, range(choice.span()), found);
                }
                ast::Stmt::ForLoop(each) => {
                    let before = self.clone();
                    self.statements(&each.body, found);
                    self.rejoin(before, range(each.span()), found);
                    let mut other = self.clone();
                    other.statements(&each.else_body, found);
                    self.rejoin(other, range(each.span()), found);
                }
                _ => {}
            }
        }
    }

    /// Two ways to the same place must agree on what the place is.
    fn rejoin(&mut self, other: Self, range: Range<usize>, found: &mut Vec<Problem>) {
        let agree = self.inside == other.inside
            && self.announced == other.announced
            && self.document.is_some() == other.document.is_some();
        if !agree {
            found.push(
                Problem::new(
                    Code::TemplateInQuotes,
                    range,
                    "quotes, a comment or a here-document that begin in a part of `{% if %}` or `{% for %}` must end in it",
                )
                .help("write each variant of the command whole"),
            );
        }
        if self.word != other.word {
            self.word = None;
        }
        self.before = self.before.or(other.before);
        for pipe in other.pipes {
            if !self.pipes.contains(&pipe) {
                self.pipes.push(pipe);
            }
        }
    }

    /// A value stands here.
    fn value(&mut self, range: Range<usize>, found: &mut Vec<Problem>) {
        if let Some((place, help)) = self.refusal() {
            found.push(
                Problem::new(
                    Code::TemplateInQuotes,
                    range,
                    format!("a template stands {place}"),
                )
                .help(help),
            );
        }
        self.before = None;
        self.word = None;
        if let Some(line) = &mut self.document {
            line.push('\0'); // whatever the value is, this line is not the end
        }
    }

    fn refusal(&self) -> Option<(&'static str, &'static str)> {
        if self.document.is_some() || self.announced.iter().any(|document| document.end.is_none()) {
            return Some((
                "in a here-document",
                "give the text as `input`, or put it in a file with `write`",
            ));
        }
        match self.before {
            Some('\\') => {
                return Some((
                    "right after a `\\`, which would undo its quotes",
                    "a value is quoted by itself: take the `\\` away",
                ));
            }
            Some(_) => {
                return Some((
                    "right after a `$`, which would read its quotes another way",
                    "a value is quoted by itself: take the `$` away, or quote it: `\\$`",
                ));
            }
            None => {}
        }
        match self.inside.last()? {
            Inside::Single | Inside::Double | Inside::Ansi => Some((
                "inside quotes",
                "a value is quoted by itself: end the quotes before it, as in `\"a b\"{{ x }}`",
            )),
            Inside::Backquotes => Some(("inside backquotes", "write `$(…)` in their place")),
            Inside::Arithmetic(_) => Some((
                "inside an arithmetic expression, where the shell would evaluate its text",
                "compute it in the template: `{{ x + 1 }}`",
            )),
            Inside::Parameter => Some((
                "inside `${…}`, where quotes mean something else",
                "choose in the template: `{{ x | default('y') }}`",
            )),
            Inside::Comment => Some((
                "in a comment, which a value with a line break would end",
                "take the template or the comment out",
            )),
            Inside::Command
            | Inside::Group
            | Inside::CaseWord
            | Inside::CasePattern
            | Inside::CaseBody => None,
        }
    }

    /// Reads literal text that begins at byte `offset` of the string.
    pub(super) fn text(&mut self, text: &str, offset: usize) {
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let length = self.step(rest, c, offset + text.len() - rest.len());
            rest = rest.get(length..).unwrap_or_default();
        }
    }

    /// Reads what `rest` begins with; returns how many bytes it took.
    fn step(&mut self, rest: &str, c: char, at: usize) -> usize {
        let one = c.len_utf8();
        if let Some(line) = &mut self.document {
            if c == '\n' {
                self.document_line();
            } else {
                line.push(c);
            }
            return one;
        }
        if self.before == Some('\\') {
            self.before = None;
            return one;
        }
        // A line that goes on is one line before anything else is looked at.
        let verbatim = matches!(self.inside.last(), Some(Inside::Single | Inside::Comment));
        if rest.starts_with("\\\n") && !verbatim {
            return 2;
        }
        if self.before.take() == Some('$') {
            // The `$` ended a literal part and this is the next one: nothing stands between.
            if let Some(length) = self.dollar(rest) {
                return length;
            }
        }
        match self.inside.last().copied() {
            Some(Inside::Single) => {
                self.leave_on(c, '\'');
                one
            }
            Some(Inside::Comment) => {
                if c == '\n' {
                    self.inside.pop();
                    return self.plain(rest, c, at);
                }
                one
            }
            Some(Inside::Ansi) => {
                self.escape_or(c, '\'');
                one
            }
            Some(Inside::Double) => match c {
                '$' => self.after_dollar(rest),
                '`' => {
                    self.backquote();
                    one
                }
                _ => {
                    self.escape_or(c, '"');
                    one
                }
            },
            Some(Inside::Parameter) => match c {
                '}' => {
                    self.inside.pop();
                    one
                }
                '\'' if self.inside.contains(&Inside::Double) => one,
                _ => self.quoting(rest, c).unwrap_or(one),
            },
            Some(Inside::Arithmetic(open)) => self.arithmetic(rest, c, open).unwrap_or(one),
            _ => self.plain(rest, c, at),
        }
    }

    fn leave_on(&mut self, c: char, end: char) {
        if c == end {
            self.inside.pop();
        }
    }

    fn escape_or(&mut self, c: char, end: char) {
        if c == '\\' {
            self.before = Some('\\');
        } else {
            self.leave_on(c, end);
        }
    }

    fn backquote(&mut self) {
        if let Some(open) = self
            .inside
            .iter()
            .rposition(|inside| *inside == Inside::Backquotes)
        {
            self.inside.truncate(open);
        } else {
            self.inside.push(Inside::Backquotes);
        }
    }

    /// Quotes and expansions, which begin everywhere but in single quotes. How long their beginning
    /// is; nothing if `c` is none.
    fn quoting(&mut self, rest: &str, c: char) -> Option<usize> {
        match c {
            '\\' => self.before = Some('\\'),
            '\'' => self.inside.push(Inside::Single),
            '"' => self.inside.push(Inside::Double),
            '`' => self.backquote(),
            '$' => return Some(self.after_dollar(rest)),
            _ => return None,
        }
        Some(1)
    }

    fn after_dollar(&mut self, rest: &str) -> usize {
        let after = rest.get(1..).unwrap_or_default();
        if after.is_empty() || after.starts_with("\\\n") {
            self.before = Some('$');
            return 1;
        }
        1 + self.dollar(after).unwrap_or(0)
    }

    /// What a `$` before `rest` begins, and how long its beginning is.
    fn dollar(&mut self, rest: &str) -> Option<usize> {
        let in_double = self.inside.last() == Some(&Inside::Double);
        let (inside, length) = if rest.starts_with("((") {
            (Inside::Arithmetic(0), 2)
        } else if rest.starts_with('(') {
            (Inside::Command, 1)
        } else if rest.starts_with('{') {
            (Inside::Parameter, 1)
        } else if rest.starts_with('\'') && !in_double {
            (Inside::Ansi, 1)
        } else {
            return None;
        };
        self.inside.push(inside);
        self.word = Some(String::new());
        Some(length)
    }

    fn arithmetic(&mut self, rest: &str, c: char, open: u32) -> Option<usize> {
        let mut set = |open| {
            if let Some(last) = self.inside.last_mut() {
                *last = Inside::Arithmetic(open);
            }
        };
        match c {
            '(' => set(open.saturating_add(1)),
            ')' if open > 0 => set(open - 1),
            ')' => {
                self.inside.pop();
                return Some(if rest.starts_with("))") { 2 } else { 1 });
            }
            _ => return self.quoting(rest, c),
        }
        Some(1)
    }

    /// Text in which the shell looks for words.
    fn plain(&mut self, rest: &str, c: char, at: usize) -> usize {
        let at_word = self.word.as_ref().is_some_and(String::is_empty) || self.is_start(at);
        match c {
            '#' if at_word => self.inside.push(Inside::Comment),
            '\n' => {
                self.end_word();
                if !self.announced.is_empty() {
                    self.document = Some(String::new());
                }
            }
            ' ' | '\t' | '&' => self.end_word(),
            ';' => {
                self.end_word();
                if rest.starts_with(";;") {
                    self.case_moves(Inside::CaseBody, Inside::CasePattern);
                    return 2;
                }
            }
            '|' => {
                self.end_word();
                if rest.starts_with("||") {
                    return 2;
                }
                if self.inside.last() != Some(&Inside::CasePattern) {
                    self.pipes.push(at..at + 1);
                }
            }
            '<' => {
                self.end_word();
                if rest.starts_with("<<<") {
                    return 3;
                }
                if rest.starts_with("<<") {
                    return self.announce(rest);
                }
            }
            '>' => {
                self.end_word();
                return if rest.starts_with(">|") { 2 } else { 1 };
            }
            '(' => {
                self.end_word();
                if at_word && rest.starts_with("((") {
                    self.inside.push(Inside::Arithmetic(0));
                    return 2;
                }
                if self.inside.last() != Some(&Inside::CasePattern) {
                    self.inside.push(Inside::Group);
                }
            }
            ')' => {
                self.end_word();
                match self.inside.last() {
                    Some(Inside::CasePattern) => {
                        self.case_moves(Inside::CasePattern, Inside::CaseBody);
                    }
                    Some(Inside::Command | Inside::Group) => {
                        self.inside.pop();
                        self.word = None; // what follows `$(…)` is still its word
                    }
                    _ => {}
                }
            }
            _ => {
                if let Some(length) = self.quoting(rest, c) {
                    if !matches!(self.inside.last(), Some(Inside::Command)) {
                        self.word = None;
                    }
                    return length;
                }
                if let Some(word) = &mut self.word {
                    word.push(c);
                } else if at == 0 {
                    self.word = Some(c.to_string());
                }
            }
        }
        c.len_utf8()
    }

    /// Nothing has been read yet.
    fn is_start(&self, at: usize) -> bool {
        at == 0 && self.word.is_none() && self.inside.is_empty()
    }

    fn end_word(&mut self) {
        match self.word.replace(String::new()).as_deref() {
            Some("case") => self.inside.push(Inside::CaseWord),
            Some("in") => self.case_moves(Inside::CaseWord, Inside::CasePattern),
            Some("esac")
                if matches!(
                    self.inside.last(),
                    Some(Inside::CasePattern | Inside::CaseBody)
                ) =>
            {
                self.inside.pop();
            }
            _ => {}
        }
    }

    fn case_moves(&mut self, from: Inside, to: Inside) {
        if let Some(last) = self.inside.last_mut()
            && *last == from
        {
            *last = to;
        }
    }

    /// `<<` with what follows it.
    fn announce(&mut self, rest: &str) -> usize {
        let mut length = 2;
        let tabs = rest
            .get(length..)
            .is_some_and(|after| after.starts_with('-'));
        length += usize::from(tabs);
        let after = rest.get(length..).unwrap_or_default();
        let word = after.trim_start_matches([' ', '\t']);
        length += after.len() - word.len();
        let (name, taken) = unquoted_word(word);
        length += taken;
        self.announced.push(HereDocument {
            end: (taken > 0).then_some(name),
            tabs,
        });
        length
    }

    /// A line of a here-document is complete.
    fn document_line(&mut self) {
        let line = self.document.take().unwrap_or_default();
        let is_end = self.announced.first().is_some_and(|document| {
            let line = if document.tabs {
                line.trim_start_matches('\t')
            } else {
                line.as_str()
            };
            document.end.as_deref() == Some(line)
        });
        if is_end {
            self.announced.remove(0);
        }
        if !self.announced.is_empty() {
            self.document = Some(String::new());
        }
    }
}

/// The word that `text` begins with, without its quotes, and how many bytes it takes.
fn unquoted_word(text: &str) -> (String, usize) {
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (None, c) if c.is_ascii_whitespace() || "|&;<>()".contains(c) => return (word, at),
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None | Some('"'), '\\') => word.extend(chars.next().map(|(_, next)| next)),
            (_, c) => word.push(c),
        }
    }
    (word, text.len())
}
