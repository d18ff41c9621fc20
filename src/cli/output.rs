//! The process's streams, as subcommands write to them.

use std::io::{self, IsTerminal, Write};

use super::{Color, Exit};
use crate::report::findings::Style;

/// Standard output and error, and whether each may have colour.
#[derive(Debug)]
pub(super) struct Streams {
    color: Color,
}

impl Streams {
    pub(super) fn new(color: Color) -> Self {
        Self { color }
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

    /// Writes to standard error. Where that fails there is nobody left to tell.
    pub(super) fn err(&mut self, text: &str) {
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}
