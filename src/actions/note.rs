//! What a running try says: for the sinks alone, never for the machine.

use tokio::sync::mpsc;

use crate::transport::Stream;

/// One thing that a running try says.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// A line of output, without its end; secrets already masked.
    Output {
        /// Which stream.
        stream: Stream,
        /// The line.
        line: String,
    },
    /// Output that passes through to standard output as it is, also without the end of its line;
    /// secrets already masked. An empty one comes first: from then on the log says nothing of its
    /// own while the try runs, since whoever reads it may bound the time without output.
    Text(String),
    /// How far a transfer or a wait is. It also feeds `stall`.
    Progress(Progress),
    /// Something is done inside the try: a command of a driver, a probe.
    Doing(String),
    /// What the recipe's author says.
    Log {
        /// How loud.
        level: LogLevel,
        /// What.
        text: String,
        /// To standard output as it is.
        plain: bool,
    },
    /// Something is odd, but the try goes on.
    Warning(String),
}

/// How far a transfer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes (or probes) done.
    pub done: u64,
    /// Of how many, where known.
    pub total: Option<u64>,
}

/// How loud a `log` is. (No recipe says `Error`: a log that is followed may.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words of the language")]
pub enum LogLevel {
    #[default]
    Info,
    Error,
    Warn,
    Debug,
}

/// Where a try's notes go. A slow reader slows the try; a reader that is gone is ignored.
#[derive(Clone, Debug)]
pub struct Notes(mpsc::Sender<Note>);

impl Notes {
    /// A way for at most `depth` notes at a time.
    pub fn channel(depth: usize) -> (Self, mpsc::Receiver<Note>) {
        let (sender, receiver) = mpsc::channel(depth);
        (Self(sender), receiver)
    }

    /// Says it, waiting for room.
    pub async fn say(&self, note: Note) {
        let _ = self.0.send(note).await;
    }

    /// Says it if there is room: for progress, of which the next will tell as much.
    pub fn offer(&self, note: Note) {
        let _ = self.0.try_send(note);
    }
}
