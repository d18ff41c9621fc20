//! `explain`: what a code means.

use clap::Args;

use super::Exit;
use super::output::Streams;
use crate::diagnostic::Code;

/// Say what a code means, and what to do about it
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The code, such as TF0304
    #[arg(required_unless_present = "list")]
    code: Option<String>,
    /// All codes, a line each
    #[arg(long, conflicts_with = "code")]
    list: bool,
}

impl Explain {
    pub(super) fn run(self, streams: &mut Streams) -> Exit {
        let Some(code) = self.code else {
            return streams.out(&list());
        };
        let wanted = code.to_uppercase();
        match Code::ALL.iter().find(|code| code.number() == wanted) {
            Some(code) => streams.out(&page(*code)),
            None => {
                streams.err(&format!(
                    "tf-engine: there is no code {wanted}; `explain --list` has them all\n"
                ));
                Exit::Rejected
            }
        }
    }
}

/// One code: its number, its severity, what it means, its page.
fn page(code: Code) -> String {
    format!(
        "{} ({}): {}\n\n{}",
        code.number(),
        code.severity().name(),
        code.summary(),
        code.page()
    )
}

/// All codes, under what they are about.
fn list() -> String {
    let mut text = String::new();
    let mut family = "";
    for code in Code::ALL {
        if code.family() != family {
            if !family.is_empty() {
                text.push('\n');
            }
            family = code.family();
            text.push_str(&format!("{family}\n"));
        }
        text.push_str(&format!(
            "  {}  {:7}  {}\n",
            code.number(),
            code.severity().name(),
            code.summary()
        ));
    }
    text
}
