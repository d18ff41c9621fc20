//! `explain`: what a code means.

use clap::Args;

use super::Exit;
use super::output::Streams;
use crate::diagnostic::Code;

/// Say what a code means
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The code, such as TF0103
    code: String,
}

impl Explain {
    pub(super) fn run(self, streams: &mut Streams) -> Exit {
        let wanted = self.code.to_uppercase();
        let Some(code) = Code::ALL.iter().find(|code| code.number() == wanted) else {
            streams.err(&format!(
                "tf-engine: there is no code {wanted}; a code looks like TF0103\n"
            ));
            return Exit::Rejected;
        };
        streams.out(&format!(
            "{}: {}\n",
            code.number(),
            unwrapped(code.explanation())
        ))
    }
}

/// The doc comment's lines as paragraphs.
fn unwrapped(doc: &str) -> String {
    doc.split("\n \n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join("\n\n")
}
