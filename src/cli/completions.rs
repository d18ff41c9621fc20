//! `completions`: a script for a shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::output::Streams;
use super::{Cli, Exit};

/// Print a completion script for a shell
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self, streams: &mut Streams) -> Exit {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "tf-engine", &mut script);
        streams.out(&String::from_utf8_lossy(&script))
    }
}
