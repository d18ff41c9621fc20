//! A command, whatever host it runs on: what is run, what it reads, and how it ended.

use bytes::Bytes;
use tokio::io::AsyncRead;
use tokio_util::sync::CancellationToken;

use super::fault::Fault;

/// How a running thing is told to end.
///
/// Both may fire in any order and at any time, before the start too. Whoever is told ends its work
/// and returns: the caller keeps polling until then, and decides what the answer is worth.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Stop in an orderly way: SIGTERM to the process group.
    pub ask: CancellationToken,
    /// Stop at once: SIGKILL to the process group.
    pub kill: CancellationToken,
}

impl Stop {
    /// A stop that nobody has asked for.
    pub fn new() -> Stop {
        Stop::default()
    }

    /// Returns when either has fired.
    pub(crate) async fn wanted(&self) {
        tokio::select! {
            () = self.ask.cancelled() => {}
            () = self.kill.cancelled() => {}
        }
    }
}

/// Which shell runs a shell string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Shell {
    /// `bash -eo pipefail -c TEXT`
    #[default]
    Bash,
    /// `sh -e -c TEXT`
    Sh,
}

/// What is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// A program and its arguments, untouched by any shell.
    Argv(Vec<String>),
    /// A shell string.
    Shell {
        /// The shell that runs it.
        shell: Shell,
        /// The string.
        text: String,
    },
    /// One line of `commands`: `sh -c LINE`.
    Line(String),
}

impl Program {
    /// The argument vector that is executed.
    ///
    /// # Errors
    /// [`FaultKind::Input`](super::FaultKind::Input): an empty vector, or a NUL byte.
    pub fn argv(&self) -> Result<Vec<String>, Fault> {
        let argv: Vec<String> = match self {
            Program::Argv(argv) => argv.clone(),
            Program::Shell {
                shell: Shell::Bash,
                text,
            } => ["bash", "-eo", "pipefail", "-c", text]
                .map(String::from)
                .into(),
            Program::Shell {
                shell: Shell::Sh,
                text,
            } => ["sh", "-e", "-c", text].map(String::from).into(),
            Program::Line(line) => ["sh", "-c", line].map(String::from).into(),
        };
        match argv.first() {
            None => {
                return Err(Fault::input(
                    "the command has no program: its list is empty",
                ));
            }
            Some(program) if program.is_empty() => {
                return Err(Fault::input(
                    "the command has no program: its first element is empty",
                ));
            }
            Some(_) => {}
        }
        if argv.iter().any(|argument| argument.contains('\0')) {
            return Err(Fault::input("a command can't hold a NUL byte"));
        }
        Ok(argv)
    }
}

/// What the command reads from its standard input.
pub enum Stdin {
    /// Nothing: the end at once.
    Empty,
    /// These bytes.
    Bytes(Bytes),
    /// A stream, read no faster than the command takes it. If it fails, the command is killed and
    /// the fault is `Io`: a cut stream never looks like a finished one.
    Stream(Box<dyn AsyncRead + Send + Unpin>),
}

impl std::fmt::Debug for Stdin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Stdin::Empty => f.write_str("Empty"),
            Stdin::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Stdin::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// A command with everything that it runs with.
#[derive(Debug)]
pub struct Command {
    /// What is run.
    pub program: Program,
    /// On top of the engine's environment (here) or the login's (remote). `None` unsets.
    pub env: Vec<(String, Option<String>)>,
    /// Where it runs. A relative path is relative to the run directory (here) or the login's home
    /// (remote), which is also the default.
    pub cwd: Option<String>,
    /// What it reads.
    pub stdin: Stdin,
}

impl Command {
    /// A command with nothing but a program.
    pub fn new(program: Program) -> Command {
        Command {
            program,
            env: Vec::new(),
            cwd: None,
            stdin: Stdin::Empty,
        }
    }

    /// A program and its arguments.
    pub fn argv<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Command {
        Command::new(Program::Argv(argv.into_iter().map(Into::into).collect()))
    }

    pub(crate) fn check_env(&self) -> Result<(), Fault> {
        for (name, value) in &self.env {
            let mut bytes = name.bytes();
            let begins = bytes
                .next()
                .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
            // POSIX.1-2024, XBD 3.216 "Name": what every shell can export.
            if !begins || !bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                return Err(Fault::input(format!(
                    "`{name}` is no name of an environment variable"
                )));
            }
            if value.as_ref().is_some_and(|value| value.contains('\0')) {
                return Err(Fault::input(format!(
                    "the value of the environment variable `{name}` holds a NUL byte"
                )));
            }
        }
        Ok(())
    }
}

/// Which output some bytes came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Takes output as it comes. Keeping memory bounded is its business.
pub trait OutputSink: Send {
    /// Some bytes of one stream, in order within the stream. Must return soon: the command waits.
    fn output(&mut self, stream: Stream, bytes: &[u8]);
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this exit status.
    Status(u32),
    /// By a signal: its name without `SIG`, and its Linux number (0 for a name that Linux lacks).
    Signal(String, u32),
}

/// Names and numbers of signals (`signal(7)`, x86 and Arm).
const SIGNALS: [(&str, u32); 31] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("PWR", 30),
    ("SYS", 31),
];

impl Ended {
    /// An end by the signal of this number.
    pub(crate) fn signal_number(number: u32) -> Ended {
        let name = SIGNALS
            .iter()
            .find(|(_, known)| *known == number)
            .map_or_else(|| number.to_string(), |(name, _)| (*name).to_owned());
        Ended::Signal(name, number)
    }

    /// An end by the signal of this name, without `SIG`.
    pub(crate) fn signal_name(name: &str) -> Ended {
        let number = SIGNALS
            .iter()
            .find(|(known, _)| *known == name)
            .map_or(0, |(_, number)| *number);
        Ended::Signal(name.to_owned(), number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::FaultKind;

    #[test]
    fn a_command_that_makes_no_sense_is_refused() {
        #[track_caller]
        fn case(command: &Command, part: &str) {
            let fault = command
                .program
                .argv()
                .err()
                .or_else(|| command.check_env().err())
                .expect("refused");
            assert_eq!(fault.kind, FaultKind::Input);
            assert!(fault.message.contains(part), "{fault}");
        }
        let with_env = |name: &str, value: &str| Command {
            env: vec![(name.to_owned(), Some(value.to_owned()))],
            ..Command::argv(["true"])
        };
        case(&Command::argv::<String>([]), "empty");
        case(&Command::argv([""]), "first element is empty");
        case(&Command::argv(["a\0b"]), "NUL");
        case(&with_env("", "x"), "no name");
        case(&with_env("1A", "x"), "no name");
        case(&with_env("A=B", "x"), "no name");
        case(&with_env("A", "x\0"), "NUL");
    }

    #[test]
    fn signals_have_names_and_numbers() {
        assert_eq!(Ended::signal_number(15), Ended::Signal("TERM".into(), 15));
        assert_eq!(Ended::signal_number(40), Ended::Signal("40".into(), 40));
        assert_eq!(Ended::signal_name("KILL"), Ended::Signal("KILL".into(), 9));
        assert_eq!(Ended::signal_name("x@y"), Ended::Signal("x@y".into(), 0));
    }
}
