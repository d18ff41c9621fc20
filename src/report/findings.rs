//! Findings as a person reads them: the source with the place underlined, what is wrong, and what
//! would be right.

use std::fmt;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, Severity,
    SourceCode, SourceSpan, SpanContents,
};

use crate::diagnostic::{self, Finding, Findings, SourceFile, Sources, Span};

/// How findings are printed.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Whether colours are used; for terminals only.
    pub color: bool,
    /// Columns, at least 40.
    pub width: usize,
}

/// All findings, in the order in which they stand, each after an empty line.
pub fn render(sources: &Sources, findings: &Findings, style: Style) -> String {
    let theme = if style.color {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_links(false)
        .with_width(style.width.max(40))
        .with_context_lines(1);
    let mut text = String::new();
    for finding in &findings.0 {
        if !text.is_empty() {
            text.push('\n');
        }
        let shown = Shown::new(sources, finding);
        if handler.render_report(&mut text, &shown).is_err() {
            // Only the writer can fail, and a string doesn't.
            text.push_str(&finding.message);
        }
    }
    text
}

/// A finding with the text that it is about.
#[derive(Debug)]
struct Shown<'a> {
    finding: &'a Finding,
    source: Option<Numbered<'a>>,
    labels: Vec<LabeledSpan>,
    /// Places in other files: miette shows one file.
    elsewhere: Option<String>,
}

impl<'a> Shown<'a> {
    fn new(sources: &'a Sources, finding: &'a Finding) -> Self {
        let mut shown = Self {
            finding,
            source: None,
            labels: Vec::new(),
            elsewhere: None,
        };
        let Some(span) = finding.span else {
            return shown;
        };
        let Some(file) = sources.get(span.source) else {
            return shown;
        };
        shown.source = Some(Numbered(file));
        shown.labels.push(LabeledSpan::new_primary_with_span(
            finding.label.clone(),
            first_line(&file.text, span),
        ));
        let mut elsewhere = Vec::new();
        for related in &finding.related {
            if related.span.source == span.source {
                shown.labels.push(LabeledSpan::new_with_span(
                    Some(related.label.clone()),
                    first_line(&file.text, related.span),
                ));
            } else if let (Some(other), Some(at)) = (
                sources.get(related.span.source),
                sources.position(related.span),
            ) {
                elsewhere.push(format!(
                    "{}: {}:{}:{}",
                    related.label, other.name, at.line, at.column
                ));
            }
        }
        shown.elsewhere = (!elsewhere.is_empty()).then(|| elsewhere.join("\n"));
        shown
    }
}

/// The part of a place that is on its first line: a whole block underlined says less.
fn first_line(text: &str, span: Span) -> SourceSpan {
    let start = (span.start as usize).min(text.len());
    let end = (span.end as usize).clamp(start, text.len());
    let line = text.get(start..end).unwrap_or_default();
    let length = line.find(['\n', '\r']).unwrap_or(line.len());
    let is_long = text.get(..start).map_or(0, |before| {
        before.len() - before.rfind('\n').map_or(0, |at| at + 1)
    }) + length
        > LONG_LINE;
    (start, if is_long { length.min(AROUND) } else { length }).into()
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.finding.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn code(&self) -> Option<Box<dyn fmt::Display + '_>> {
        Some(Box::new(self.finding.code.number()))
    }

    fn severity(&self) -> Option<Severity> {
        Some(match self.finding.severity {
            diagnostic::Severity::Error => Severity::Error,
            diagnostic::Severity::Warning => Severity::Warning,
            diagnostic::Severity::Note => Severity::Advice,
        })
    }

    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        match (&self.finding.help, &self.elsewhere) {
            (Some(help), Some(elsewhere)) => Some(Box::new(format!("{help}\n{elsewhere}"))),
            (Some(text), None) | (None, Some(text)) => Some(Box::new(text)),
            (None, None) => None,
        }
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        (!self.labels.is_empty()).then(|| Box::new(self.labels.iter().cloned()) as Box<_>)
    }
}

/// A text with its name, read in place: miette's own `NamedSource` would copy it.
#[derive(Debug)]
struct Numbered<'a>(&'a SourceFile);

impl SourceCode for Numbered<'_> {
    fn read_span<'s>(
        &'s self,
        span: &SourceSpan,
        context_lines_before: usize,
        context_lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'s> + 's>, MietteError> {
        let contents = self
            .0
            .text
            .read_span(span, context_lines_before, context_lines_after)?;
        let (data, data_span, column) = window(contents.as_ref(), span);
        let line = if column > 0 {
            contents.line()
                + lines_before(contents.data(), span.offset() - contents.span().offset())
        } else {
            contents.line()
        };
        Ok(Box::new(miette::MietteSpanContents::new_named(
            self.0.name.clone(),
            data,
            data_span,
            line,
            contents.column() + column,
            1 + data.iter().filter(|byte| **byte == b'\n').count(),
        )))
    }
}

/// Lines longer than this are cut to what is around the place: job data are often one long line.
const LONG_LINE: usize = 240;
/// What is shown of a long line on either side of the place, in bytes.
const AROUND: usize = 60;

/// What is shown: all that was read, or a part of one long line, with the column where it begins.
fn window<'s>(contents: &dyn SpanContents<'s>, span: &SourceSpan) -> (&'s [u8], SourceSpan, usize) {
    let data = contents.data();
    let whole = (data, *contents.span(), 0);
    if data
        .split(|byte| *byte == b'\n')
        .all(|line| line.len() <= LONG_LINE)
    {
        return whole;
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return whole;
    };
    let at = span
        .offset()
        .saturating_sub(contents.span().offset())
        .min(text.len());
    let boundary = |mut at: usize| {
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let line_start = text[..boundary(at)].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[boundary(at)..]
        .find('\n')
        .map_or(text.len(), |end| boundary(at) + end);
    let start = boundary(at.saturating_sub(AROUND).max(line_start));
    let end = boundary((at + span.len().min(AROUND) + AROUND).min(line_end)).max(start);
    let cut = SourceSpan::from((contents.span().offset() + start, end - start));
    (
        &data[start..end],
        cut,
        text[line_start..start].chars().count(),
    )
}

fn lines_before(data: &[u8], at: usize) -> usize {
    data.iter().take(at).filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::{Style, render};
    use crate::diagnostic::{Code, Finding, Findings, Sources, Span};

    fn shown(sources: &Sources, finding: Finding) -> String {
        let style = Style {
            color: false,
            width: 80,
        };
        render(sources, &Findings(vec![finding]), style)
    }

    #[test]
    fn a_place_is_underlined_and_the_help_is_said() {
        let mut sources = Sources::default();
        let text = "do:\r\n  - flahs: { image: x }\r\n    ümlaut: y\r\n";
        let id = sources.add("recipe.yaml", text);
        let finding = Finding::new(
            Code::UnknownAction,
            Span::new(id, 9, 14),
            "unknown action `flahs`",
        )
        .suggest(Some("flash"));
        insta::assert_snapshot!(shown(&sources, finding), @r"
        TF0103

          × unknown action `flahs`
           ╭─[recipe.yaml:2:5]
         1 │ do:
         2 │   - flahs: { image: x }
           ·     ─────
         3 │     ümlaut: y
           ╰────
          help: did you mean `flash`?
        ");
    }

    #[test]
    fn places_in_other_files_and_blocks_are_said_shortly() {
        let mut sources = Sources::default();
        let first = sources.add("a.yaml", "a: |\n  one\n  two\n");
        let second = sources.add("b.yaml", "b: 1\n");
        let finding = Finding::new(Code::NameTwice, Span::new(first, 3, 16), "twice")
            .related(Span::new(second, 0, 1), "first here");
        insta::assert_snapshot!(shown(&sources, finding), @r"
        TF0311

          × twice
           ╭─[a.yaml:1:4]
         1 │ a: |
           ·    ─
         2 │   one
           ╰────
          help: first here: b.yaml:1:1
        ");
        let finding = Finding::new(
            Code::Unreadable,
            None,
            "`x.yaml` can't be read: it is a folder",
        );
        insta::assert_snapshot!(shown(&sources, finding), @r"
        TF0001

          × `x.yaml` can't be read: it is a folder
        ");
        let finding = Finding::new(Code::Unreadable, Span::new(first, 500, 600), "past the end");
        insta::assert_snapshot!(shown(&sources, finding), @r"
        TF0001

          × past the end
           ╭─[a.yaml:4:1]
         3 │   two
           ╰────
        ");
    }
}
