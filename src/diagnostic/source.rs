//! Source texts and places in them.

use std::sync::Arc;

/// A text that was read: a recipe, a device config, job data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// What a person calls it: a path as given, or `base.yaml (built in)`.
    pub name: String,
    /// The text, UTF-8.
    pub text: String,
}

/// Which text of a [`Sources`] a [`Span`] is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(u16);

/// All texts that one load has read. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Sources(Vec<Arc<SourceFile>>);

impl Sources {
    /// Adds a text; more than 65,535 texts share the last place.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> SourceId {
        self.0.push(Arc::new(SourceFile {
            name: name.into(),
            text: text.into(),
        }));
        SourceId(u16::try_from(self.0.len() - 1).unwrap_or(u16::MAX))
    }

    /// The text that a span of `id` is in.
    pub fn get(&self, id: SourceId) -> Option<&Arc<SourceFile>> {
        self.0.get(usize::from(id.0))
    }

    /// All texts, in the order in which they were read.
    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &Arc<SourceFile>)> {
        self.0
            .iter()
            .enumerate()
            .map(|(n, file)| (SourceId(u16::try_from(n).unwrap_or(u16::MAX)), file))
    }

    /// Replaces what stands at these places by asterisks, so that a secret is not shown with its
    /// neighbours. No place moves.
    pub fn hide(&mut self, spans: &[Span]) {
        for span in spans {
            let Some(file) = self.0.get_mut(usize::from(span.source.0)) else {
                continue;
            };
            let range = span.start as usize..span.end as usize;
            let Some(secret) = file.text.get(range.clone()) else {
                continue;
            };
            // Line breaks stay, or lines would be counted wrongly.
            let stars: String = secret
                .bytes()
                .map(|byte| if byte == b'\n' { '\n' } else { '*' })
                .collect();
            Arc::make_mut(file).text.replace_range(range, &stars);
        }
    }

    /// The text at a place; empty where the place is not in any text.
    pub fn text(&self, span: Span) -> &str {
        self.get(span.source)
            .and_then(|file| file.text.get(span.start as usize..span.end as usize))
            .unwrap_or_default()
    }

    /// Line and column of a place's beginning.
    pub fn position(&self, span: Span) -> Option<Position> {
        let file = self.get(span.source)?;
        let before = file.text.get(..span.start as usize)?;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Some(Position {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        })
    }
}

/// A line and a column, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// A range of bytes in one source text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// Which text.
    pub source: SourceId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// A place; offsets past 4 GiB are cut there.
    pub fn new(source: SourceId, start: usize, end: usize) -> Self {
        let cut = |offset| u32::try_from(offset).unwrap_or(u32::MAX);
        Self {
            source,
            start: cut(start),
            end: cut(end),
        }
    }
}

/// A value and where it was written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spanned<T> {
    /// What was written.
    pub value: T,
    /// Where.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A value with its place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}
