//! Findings as a person reads them: the source with the place underlined, what is wrong, and what
//! would be right.

use std::fmt;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError,
    MietteSpanContents, Severity, SourceCode, SourceSpan, SpanContents,
};

use super::place::{Numbered, Texts, floor};
use crate::diagnostic::{self, Finding, Findings, Sources, Span};

/// How findings are printed.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Whether colours are used; for terminals only.
    pub color: bool,
    /// Columns, at least 40.
    pub width: usize,
}

/// So many findings are printed; of more, how many there are.
const MOST: usize = 500;

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
    let texts = Texts::new(sources);
    let mut text = String::new();
    for finding in findings.0.iter().take(MOST) {
        if !text.is_empty() {
            text.push('\n');
        }
        let shown = Shown::new(&texts, finding);
        if handler.render_report(&mut text, &shown).is_err() {
            // Only the writer can fail, and a string doesn't.
            text.push_str(&finding.message);
        }
    }
    if findings.0.len() > MOST {
        text.push_str(&format!("\n… and {} more\n", findings.0.len() - MOST));
    }
    text
}

/// A finding with the text that it is about.
#[derive(Debug)]
struct Shown<'a> {
    finding: &'a Finding,
    source: Option<&'a Numbered<'a>>,
    labels: Vec<LabeledSpan>,
    /// Places in other files: miette shows one file.
    elsewhere: Option<String>,
}

impl<'a> Shown<'a> {
    fn new(texts: &'a Texts<'a>, finding: &'a Finding) -> Self {
        let mut shown = Self {
            finding,
            source: None,
            labels: Vec::new(),
            elsewhere: None,
        };
        let Some(span) = finding.span else {
            return shown;
        };
        let Some(numbered) = texts.get(span.source) else {
            return shown;
        };
        let file = numbered.file;
        shown.source = Some(numbered);
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
            } else if let Some(other) = texts.place(related.span) {
                elsewhere.push(format!(
                    "{}: {}:{}:{}",
                    related.label, other.name, other.start.line, other.start.column
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
        self.source.map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        (!self.labels.is_empty()).then(|| Box::new(self.labels.iter().cloned()) as Box<_>)
    }
}

/// Lines longer than this are cut to what is around the place: job data are often one long line.
const LONG_LINE: usize = 240;
/// What is shown of a long line on either side of the place, in bytes.
const AROUND: usize = 60;

impl SourceCode for Numbered<'_> {
    fn read_span<'s>(
        &'s self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'s> + 's>, MietteError> {
        let text = &self.file.text;
        let start = span.offset().min(text.len());
        let end = (start + span.len()).min(text.len());
        let first = self.line_of(start).saturating_sub(before);
        let last = (self.line_of(end) + after).min(self.last_line());
        let is_long = (first..=last).any(|line| self.line(line).len() > LONG_LINE);
        let (range, line) = if before == 0 {
            // Without context miette wants the place itself: the head of the report names it.
            let end = self.line(last).end.min(end.max(start) + AROUND);
            (
                floor(text, start)..floor(text, end).max(floor(text, start)),
                self.line_of(start),
            )
        } else if is_long {
            let line = self.line_of(start);
            let whole = self.line(line);
            let from = start.saturating_sub(AROUND).max(whole.start);
            let to = (start + span.len().min(AROUND) + AROUND).min(whole.end);
            let from = floor(text, from);
            (from..floor(text, to).max(from), line)
        } else {
            (self.line(first).start..self.line(last).end, first)
        };
        let column = text[self.line(line).start..range.start].chars().count();
        let data = &text[range.clone()];
        Ok(Box::new(MietteSpanContents::new_named(
            self.file.name.clone(),
            data.as_bytes(),
            (range.start, range.len()).into(),
            line,
            column,
            data.matches('\n').count() + 1,
        )))
    }
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
