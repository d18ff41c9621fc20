//! Why a transport could not do what was asked.

use thiserror::Error;

/// What kind of trouble it was: the part of a fault that decides what happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// No connection, name or route, or the program could not be started. Nothing was started.
    Unreachable,
    /// The link or the process went away after the start; nobody knows what happened.
    Lost,
    /// Connected, and refused: credentials or host key.
    Auth,
    /// A file, pipe or device on this side failed, or a folder can't be entered.
    Io,
    /// The peer's answer is not what the protocol or the caller allows.
    Mismatch,
    /// What was asked for makes no sense: a NUL byte in an argument, a bad URL.
    Input,
}

/// A failure of a transport.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct Fault {
    /// What kind of trouble it was.
    pub kind: FaultKind,
    /// One sentence that names the host, the address and the bound, as far as they matter.
    pub message: String,
}

impl Fault {
    /// A fault with its sentence.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Fault {
        Fault {
            kind,
            message: message.into(),
        }
    }

    pub(crate) fn unreachable(message: impl Into<String>) -> Fault {
        Fault::new(FaultKind::Unreachable, message)
    }

    pub(crate) fn lost(message: impl Into<String>) -> Fault {
        Fault::new(FaultKind::Lost, message)
    }

    pub(crate) fn auth(message: impl Into<String>) -> Fault {
        Fault::new(FaultKind::Auth, message)
    }

    pub(crate) fn io(message: impl Into<String>) -> Fault {
        Fault::new(FaultKind::Io, message)
    }

    pub(crate) fn input(message: impl Into<String>) -> Fault {
        Fault::new(FaultKind::Input, message)
    }
}
