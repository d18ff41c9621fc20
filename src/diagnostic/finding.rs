//! One complaint about one place.

use super::{Code, Severity, Span};

/// What is wrong, where, and what would be right.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What kind of complaint.
    pub code: Code,
    /// An error is refused; a warning and a note are only said.
    pub severity: Severity,
    /// What is wrong: a lower-case fragment, names in backticks.
    pub message: String,
    /// What would be right; `None` where nothing useful can be said.
    pub help: Option<String>,
    /// The place underlined; `None` where there is no text to show (a missing file).
    pub span: Option<Span>,
    /// What stands under the underline.
    pub label: Option<String>,
    /// Other places that matter (the first of two duplicates, a similar name).
    pub related: Vec<Related>,
}

/// A second place that explains a finding.
#[derive(Clone, Debug)]
pub struct Related {
    /// Where.
    pub span: Span,
    /// Why it matters.
    pub label: String,
}

impl Finding {
    /// A finding with the code's own severity.
    pub fn new(code: Code, span: impl Into<Option<Span>>, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: shortened(message.into()),
            help: None,
            span: span.into(),
            label: None,
            related: Vec::new(),
        }
    }

    /// Says what would be right.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says `did you mean …?` if there is a similar name.
    #[must_use]
    pub fn suggest(self, similar: Option<&str>) -> Self {
        match similar {
            Some(name) => self.help(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    /// What stands under the underline.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Adds a second place.
    #[must_use]
    pub fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push(Related {
            span,
            label: label.into(),
        });
        self
    }
}

/// Names in messages come from files, and may be of any length.
const LONGEST_MESSAGE: usize = 400;

fn shortened(mut message: String) -> String {
    if let Some((end, _)) = message.char_indices().nth(LONGEST_MESSAGE) {
        message.truncate(end);
        message.push('…');
    }
    message
}

/// Findings as they are collected.
#[derive(Clone, Debug, Default)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// Adds one.
    pub fn push(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    /// Whether anything among them is refused.
    pub fn has_errors(&self) -> bool {
        self.0
            .iter()
            .any(|finding| finding.severity == Severity::Error)
    }

    /// By file and place; equal ones once.
    pub fn sort(&mut self) {
        self.0.sort_by_key(|finding| (finding.span, finding.code));
        self.0
            .dedup_by(|a, b| a.span == b.span && a.code == b.code && a.message == b.message);
    }
}
