//! The process's streams, as subcommands write to them.

use std::io::{self, IsTerminal, Write};

use super::{Color, Exit};
use crate::report::connector_lines;
use crate::report::findings::Style;

/// Standard output and error, and whether each may have colour.
#[derive(Debug)]
pub(super) struct Streams {
    color: Color,
    /// The agent's name, where lines have the form of a device connector's.
    agent: Option<String>,
}

impl Streams {
    pub(super) fn new(color: Color) -> Self {
        Self { color, agent: None }
    }

    /// What goes to standard error gets the form of a device connector's log.
    pub(super) fn of_connector(agent: &str) -> Self {
        Self {
            color: Color::Never,
            agent: Some(agent.to_owned()),
        }
    }

    /// Whether to use colour on standard error.
    pub(super) fn color_on_stderr(&self) -> bool {
        self.color_on(&io::stderr())
    }

    /// Whether to use colour on standard output.
    pub(super) fn color_on_stdout(&self) -> bool {
        self.color_on(&io::stdout())
    }

    fn color_on(&self, stream: &impl IsTerminal) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                stream.is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
            }
        }
    }

    /// How findings look on standard error.
    pub(super) fn style(&self) -> Style {
        Style {
            color: self.color_on_stderr(),
            width: rustix::termios::tcgetwinsize(io::stderr())
                .map_or(100, |size| usize::from(size.ws_col)),
        }
    }

    /// Writes to standard output. A reader that has gone (`| head`) is no failure.
    pub(super) fn out(&mut self, text: &str) -> Exit {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => Exit::Success,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Success,
            Err(error) => {
                self.err(&format!(
                    "tf-engine: standard output can't be written: {error}\n"
                ));
                Exit::Failure(1)
            }
        }
    }

    /// Says on standard error what is wrong.
    pub(super) fn err(&mut self, text: &str) {
        self.log(true, text);
    }

    /// Says on standard error what is worth knowing.
    pub(super) fn note(&mut self, text: &str) {
        self.log(false, text);
    }

    fn log(&self, is_error: bool, text: &str) {
        let text = match &self.agent {
            Some(agent) => connector_lines(agent, is_error, text),
            None => text.to_owned(),
        };
        // Where that fails there is nobody left to tell.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}
