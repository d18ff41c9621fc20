//! Where a finding stands: file, line, column and bytes, looked up once per text.

use std::collections::HashMap;
use std::ops::Range;

use crate::diagnostic::{Position, SourceFile, SourceId, Sources, Span};

/// A text with the places of its lines: to look for each place from the beginning would take the
/// length of the text for each finding.
#[derive(Debug)]
pub(super) struct Numbered<'a> {
    pub(super) file: &'a SourceFile,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl<'a> Numbered<'a> {
    fn new(file: &'a SourceFile) -> Self {
        let after_breaks = file.text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            file,
            lines: std::iter::once(0).chain(after_breaks).collect(),
        }
    }

    /// The number of the line that holds a byte, from 0.
    pub(super) fn line_of(&self, at: usize) -> usize {
        self.lines
            .partition_point(|start| *start <= at)
            .saturating_sub(1)
    }

    /// The number of the last line, from 0.
    pub(super) fn last_line(&self) -> usize {
        self.lines.len().saturating_sub(1)
    }

    /// The bytes of a line with its break.
    pub(super) fn line(&self, number: usize) -> Range<usize> {
        let length = self.file.text.len();
        let start = self.lines.get(number).copied().unwrap_or(length);
        start..self.lines.get(number + 1).copied().unwrap_or(length)
    }

    /// Line and column of a byte; one past the end of the text is the end.
    fn position(&self, at: usize) -> Position {
        let text = &self.file.text;
        let at = floor(text, at);
        let line = self.line_of(at);
        let before = text.get(self.line(line).start..at).unwrap_or_default();
        Position {
            line: line + 1,
            column: before.chars().count() + 1,
        }
    }
}

/// The last boundary of a character at or before `at`.
pub(super) fn floor(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// All texts of a load.
#[derive(Debug)]
pub(super) struct Texts<'a>(HashMap<SourceId, Numbered<'a>>);

impl<'a> Texts<'a> {
    pub(super) fn new(sources: &'a Sources) -> Self {
        Self(
            sources
                .iter()
                .map(|(id, file)| (id, Numbered::new(file)))
                .collect(),
        )
    }

    pub(super) fn get(&self, id: SourceId) -> Option<&Numbered<'a>> {
        self.0.get(&id)
    }

    /// A place in words; `None` where its text is not there.
    pub(super) fn place(&self, span: Span) -> Option<Place<'a>> {
        let text = self.get(span.source)?;
        let file: &'a SourceFile = text.file;
        let start = floor(&file.text, span.start as usize);
        let end = floor(&file.text, span.end as usize).max(start);
        let line = text.line(text.line_of(start));
        Some(Place {
            name: &file.name,
            start: text.position(start),
            end: text.position(end),
            bytes: start..end,
            line: file.text.get(line).unwrap_or_default().trim_end(),
        })
    }
}

/// A place as other programs want it.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// The text's name: a path as it was given, or `base.yaml (built in)`.
    pub(super) name: &'a str,
    /// Its first character.
    pub(super) start: Position,
    /// One past its last character.
    pub(super) end: Position,
    /// Its bytes.
    pub(super) bytes: Range<usize>,
    /// The line on which it begins, without its break.
    pub(super) line: &'a str,
}
