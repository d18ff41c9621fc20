//! Exit statuses: what the program that called us does next hangs on them.

use std::process::ExitCode;

use crate::machine::{End, Signal};

/// What the process ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The stage succeeded, or the command did what was asked.
    Success,
    /// The stage failed; the board is believed recoverable. The status is 1, or what the recipe's
    /// `end: failure` gave.
    Failure(u8),
    /// The command line, recipe, device config or job data was rejected; nothing touched the board.
    Rejected,
    /// Recovery itself failed: a person must look at the board.
    Unrecoverable,
    /// Cancelled, after every open scope was left.
    Cancelled(Signal),
}

impl Exit {
    /// The status that the caller sees.
    pub fn status(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure(status) => status,
            Self::Rejected => 2,
            Self::Unrecoverable => End::Unrecoverable.status(),
            Self::Cancelled(signal) => End::Cancelled(signal).status(),
        }
    }
}

impl From<End> for Exit {
    fn from(end: End) -> Self {
        match end {
            End::Success => Self::Success,
            End::Failure { status } => Self::Failure(status),
            End::Unrecoverable => Self::Unrecoverable,
            End::Cancelled(signal) => Self::Cancelled(signal),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}
