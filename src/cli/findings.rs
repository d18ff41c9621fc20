//! `--format`: how a subcommand says its findings.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Exit;
use super::output::Streams;
use crate::diagnostic::{Findings, Sources};
use crate::report::findings::{self, render};

/// How findings are said.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct FindingsArgs {
    /// How findings are written: for people on standard error, for programs on standard output
    #[arg(long, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The source with the place underlined
    Human,
    /// A JSON object per finding and line
    Json,
    /// A SARIF 2.1.0 log
    Sarif,
    /// GitHub workflow commands, shown at the lines of a pull request
    Github,
}

impl FindingsArgs {
    /// Whether they go to standard error, and standard output is free for other text.
    pub(super) fn is_human(self) -> bool {
        self.format == Format::Human
    }

    /// Says all findings of several loads.
    pub(super) fn say(self, all: &[(&Sources, &Findings)], streams: &mut Streams) -> Exit {
        let format = match self.format {
            Format::Human => {
                for (sources, findings) in all {
                    let text = render(sources, findings, streams.style());
                    streams.err(&text);
                }
                return Exit::Success;
            }
            Format::Json => findings::Format::Json,
            Format::Sarif => findings::Format::Sarif,
            Format::Github => findings::Format::Github,
        };
        // Where there is no working folder, names stay as they were given.
        let root = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        streams.out(&findings::written(format, all, &root))
    }
}
