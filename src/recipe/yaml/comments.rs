//! The comments of a text.
//!
//! The parser skips them. What is no part of a key or a scalar is white space, punctuation or a
//! comment; there a `#` after a blank begins one (YAML 1.2.2, section 6.6).

use std::ops::Range;

use super::read::{Dialect, read};
use super::{Kind, Node, Style};
use crate::diagnostic::{Findings, SourceId, Sources, Span};

/// The comments of a text, and what they can stand beside.
#[derive(Debug, Default)]
pub struct Comments {
    /// In the order of the text.
    pub all: Vec<Comment>,
    /// Scalars that go over several lines.
    long: Vec<Range<usize>>,
}

/// One comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// From its `#` to its last character.
    pub span: Span,
    /// What it is about: the line that it ends, or where it has a line of its own the next one
    /// that holds more than a comment; with all of a text that begins on that line.
    pub about: Range<usize>,
}

impl Comments {
    /// Finds them; none where the text is no YAML.
    pub fn of(sources: &Sources, source: SourceId) -> Self {
        let mut found = Self::default();
        let Some(file) = sources.get(source) else {
            return found;
        };
        let text = file.text.as_str();
        // Merge keys and the like are no matter here.
        let tree = read(sources, source, Dialect::Data, &mut Findings::default());
        let Some(tree) = tree else {
            return found;
        };
        let mut scalars = Vec::new();
        found.collect(text, &tree, &mut scalars);
        scalars.sort_unstable_by_key(|range| (range.start, range.end));
        found.long.sort_unstable_by_key(|range| range.start);
        let mut at = 0;
        let end = text.len()..text.len();
        for scalar in scalars.into_iter().chain([end]) {
            found.gap(text, source, at..scalar.start);
            at = at.max(scalar.end);
        }
        found.aim(text);
        found
    }

    fn collect(&mut self, text: &str, root: &Node, scalars: &mut Vec<Range<usize>>) {
        let mut open = vec![root];
        while let Some(node) = open.pop() {
            let range = node.span.start as usize..node.span.end as usize;
            match &node.kind {
                Kind::Seq(items) => open.extend(items),
                Kind::Map(entries) => {
                    for (key, value) in entries {
                        scalars.push(key.span.start as usize..key.span.end as usize);
                        open.push(value);
                    }
                }
                kind => {
                    let written = text.get(range.clone()).unwrap_or_default();
                    let Some(line) = written.find('\n') else {
                        scalars.push(range);
                        continue;
                    };
                    self.long.push(range.clone());
                    let is_block = matches!(
                        kind,
                        Kind::Str {
                            style: Style::Block,
                            ..
                        }
                    );
                    // After the `|` there may be a comment.
                    let header = if is_block { line } else { 0 };
                    scalars.push(range.start + header..range.end);
                }
            }
        }
    }

    /// The comments between two scalars.
    fn gap(&mut self, text: &str, source: SourceId, range: Range<usize>) {
        let mut at = range.start;
        while let Some(found) = text.get(at..range.end).and_then(|gap| gap.find('#')) {
            let start = at + found;
            let is_comment = text.get(..start).is_some_and(|before| {
                before.is_empty() || before.ends_with([' ', '\t', '\n', '\u{feff}'])
            });
            if !is_comment {
                at = start + 1;
                continue;
            }
            let rest = text.get(start..).unwrap_or_default();
            let line = rest.lines().next().unwrap_or_default();
            let written = line.trim_end();
            self.all.push(Comment {
                span: Span::new(source, start, start + written.len()),
                about: start..start,
            });
            at = start + line.len();
        }
    }

    /// Finds what each comment is about.
    fn aim(&mut self, text: &str) {
        // From the last to the first: of comments one after another the last knows the line.
        for n in (0..self.all.len()).rev() {
            let start = self.all[n].span.start as usize;
            let end = self.all[n].span.end as usize;
            let is_alone = text
                .get(line_start(text, start)..start)
                .is_some_and(is_blank);
            let after = text.get(end..).unwrap_or_default();
            let follows = end + after.len() - after.trim_start().len();
            self.all[n].about = match self.all.get(n + 1) {
                _ if !is_alone => self.whole(line_start(text, start)..end),
                Some(next) if next.span.start as usize == follows => next.about.clone(),
                _ if follows == text.len() => follows..follows,
                _ => {
                    let line = text.get(follows..).unwrap_or_default();
                    let length = line.find('\n').unwrap_or(line.len());
                    self.whole(line_start(text, follows)..follows + length)
                }
            };
        }
    }

    /// A line with all of a text that begins on it.
    fn whole(&self, line: Range<usize>) -> Range<usize> {
        let first = self.long.partition_point(|long| long.start < line.start);
        let ends = self.long[first..]
            .iter()
            .take_while(|long| long.start <= line.end)
            .map(|long| long.end);
        line.start..ends.fold(line.end, usize::max)
    }
}

fn line_start(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    before.rfind('\n').map_or(0, |line| line + 1)
}

fn is_blank(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::Comments;
    use crate::diagnostic::Sources;

    /// Each comment with what it is about.
    fn told(text: &str) -> Vec<(String, String)> {
        let mut sources = Sources::default();
        let id = sources.add("test.yaml", text);
        Comments::of(&sources, id)
            .all
            .into_iter()
            .map(|comment| {
                (
                    sources.text(comment.span).to_owned(),
                    text[comment.about].to_owned(),
                )
            })
            .collect()
    }

    #[track_caller]
    fn case(text: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(comment, about)| ((*comment).to_owned(), (*about).to_owned()))
            .collect();
        assert_eq!(told(text), expected, "{text}");
    }

    #[test]
    fn comments_are_found_and_look_alikes_are_not() {
        case("a: b # c\n", &[("# c", "a: b # c")]);
        case("a: b#c\n", &[]);
        case("a: 'b # c'\nd: \"e # f\"\n", &[]);
        case("'a # b': c # d\n", &[("# d", "'a # b': c # d")]);
        case("a: |\n  b # c\n  # d\ne: f\n", &[]);
        case(
            "a: | # b\n  c # d\n# e\nf: g\n",
            &[("# b", "a: | # b\n  c # d"), ("# e", "f: g")],
        );
        case(
            "a: >- # b\n  c\n\n  # d\n",
            &[("# b", "a: >- # b\n  c\n\n  # d")],
        );
        case("a: b\n   c # d\n", &[("# d", "   c # d")]);
        case(
            "a: # b\n  - c # d\n  # e\n\n  # f\n  - { g: h } # i\n",
            &[
                ("# b", "a: # b"),
                ("# d", "  - c # d"),
                ("# e", "  - { g: h } # i"),
                ("# f", "  - { g: h } # i"),
                ("# i", "  - { g: h } # i"),
            ],
        );
        case("a: [ b, # c\n  d ]\n", &[("# c", "a: [ b, # c")]);
        case(
            "# é\na: é # ü\r\n",
            &[("# é", "a: é # ü\r"), ("# ü", "a: é # ü")],
        );
        case("a: 'b\n  c'\n# d", &[("# d", "")]);
        case("# a\nb: 'c\n  d'\n", &[("# a", "b: 'c\n  d'")]);
        case(
            "a: &x b # c\nd: *x # e\n",
            &[("# c", "a: &x b # c"), ("# e", "d: *x # e")],
        );
        case("a: [\n", &[]);
        case("# a\n", &[("# a", "")]);
    }
}
