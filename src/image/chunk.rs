//! The buffers between two stages of the pipeline.
//!
//! A link has a fixed set of buffers: full ones go down, empty ones come back, and a stage that
//! runs ahead waits for an empty one. The end is sent in so many words; a stage that goes away
//! without saying so makes [`Received::Broken`] for the next one.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// What direct IO wants of a buffer's address, a length and an offset: a multiple of the logical
/// block size, which is at most a page for every disk that Linux drives (open(2), `O_DIRECT`).
pub(super) const ALIGNMENT: usize = 4096;

/// How long a cancelled copy may go unnoticed while the stage before sends nothing.
const STOP_NOTICED_WITHIN: Duration = Duration::from_millis(50);

/// A buffer whose bytes begin at a multiple of [`ALIGNMENT`].
pub(super) struct Chunk {
    memory: Vec<u8>,
    start: usize,
    size: usize,
    filled: usize,
}

impl Chunk {
    pub(super) fn new(size: usize) -> Self {
        let memory = vec![0; size + ALIGNMENT];
        // `align_offset` may decline (it never does at run time): then direct IO isn't used.
        let start = memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Self {
            memory,
            start,
            size,
            filled: 0,
        }
    }

    /// The bytes that were put in.
    pub(super) fn bytes(&self) -> &[u8] {
        self.memory
            .get(self.start..self.start + self.filled)
            .unwrap_or_default()
    }

    /// All the room there is, to be written from its beginning.
    pub(super) fn room(&mut self) -> &mut [u8] {
        self.memory
            .get_mut(self.start..self.start + self.size)
            .unwrap_or_default()
    }

    /// Says how many bytes of the room hold data now.
    pub(super) fn set_filled(&mut self, filled: usize) {
        self.filled = filled.min(self.size);
    }

    /// Reads until the room is full or `reader` is at its end: a short chunk is the last one.
    pub(super) fn fill_from(&mut self, reader: &mut (impl Read + ?Sized)) -> io::Result<()> {
        self.filled = 0;
        while self.filled < self.size {
            let from = self.start + self.filled;
            let room = self
                .memory
                .get_mut(from..self.start + self.size)
                .unwrap_or_default();
            match reader.read(room) {
                Ok(0) => break,
                Ok(count) => self.filled += count.min(self.size - self.filled),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// What goes down a link.
enum Piece {
    Chunk(Chunk),
    /// Nothing follows, and nothing is missing.
    End,
}

/// What comes out of a link.
pub(super) enum Received {
    Chunk(Chunk),
    End,
    /// The stage before went away without coming to its end.
    Broken,
    /// The copy was cancelled.
    Stopped,
}

/// The upper end of a link.
pub(super) struct Filler {
    free: Receiver<Chunk>,
    full: SyncSender<Piece>,
}

/// The lower end of a link.
pub(super) struct Drainer {
    full: Receiver<Piece>,
    free: SyncSender<Chunk>,
}

/// The stage after has gone away.
pub(super) struct Gone;

/// A link with `count` buffers of `size` bytes.
pub(super) fn link(count: usize, size: usize) -> (Filler, Drainer) {
    let (to_free, free) = sync_channel(count);
    let (to_full, full) = sync_channel(count + 1);
    for _ in 0..count {
        to_free
            .send(Chunk::new(size))
            .expect("both ends are held here, and there is room for `count`");
    }
    (
        Filler {
            free,
            full: to_full,
        },
        Drainer {
            full,
            free: to_free,
        },
    )
}

impl Filler {
    /// An empty buffer, as soon as there is one.
    pub(super) fn take(&self) -> Result<Chunk, Gone> {
        self.free.recv().map_err(|_| Gone)
    }

    pub(super) fn send(&self, chunk: Chunk) -> Result<(), Gone> {
        self.full.send(Piece::Chunk(chunk)).map_err(|_| Gone)
    }

    pub(super) fn end(self) -> Result<(), Gone> {
        self.full.send(Piece::End).map_err(|_| Gone)
    }
}

impl Drainer {
    pub(super) fn next(&self) -> Received {
        match self.full.recv() {
            Ok(Piece::Chunk(chunk)) => Received::Chunk(chunk),
            Ok(Piece::End) => Received::End,
            Err(_) => Received::Broken,
        }
    }

    /// As `next`, and looks up now and then to see whether the copy was cancelled.
    pub(super) fn next_unless(&self, stop: &CancellationToken) -> Received {
        loop {
            if stop.is_cancelled() {
                return Received::Stopped;
            }
            match self.full.recv_timeout(STOP_NOTICED_WITHIN) {
                Ok(Piece::Chunk(chunk)) => return Received::Chunk(chunk),
                Ok(Piece::End) => return Received::End,
                Err(RecvTimeoutError::Disconnected) => return Received::Broken,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Gives a buffer back.
    pub(super) fn give_back(&self, chunk: Chunk) {
        // Where the stage before has ended nobody needs it any more.
        let _ = self.free.send(chunk);
    }

    /// Puts a stage into this link that sees each chunk as it passes: the stage, to be run on a
    /// thread of its own, and the new lower end.
    pub(super) fn through(self) -> (Relay, Self) {
        let (down, full) = sync_channel(1);
        (
            Relay {
                above: self.full,
                down,
            },
            Self {
                full,
                free: self.free,
            },
        )
    }
}

/// A stage in the middle of a link.
pub(super) struct Relay {
    above: Receiver<Piece>,
    down: SyncSender<Piece>,
}

impl Relay {
    /// Passes everything on until one of its neighbours is gone.
    pub(super) fn run(self, mut see: impl FnMut(&[u8])) {
        while let Ok(piece) = self.above.recv() {
            if let Piece::Chunk(chunk) = &piece {
                see(chunk.bytes());
            }
            if self.down.send(piece).is_err() {
                return;
            }
        }
    }
}

/// A link's lower end as a reader, for a decoder. Its end of file is the `End` of the link alone.
pub(super) struct ChunkReader {
    link: Drainer,
    current: Option<Chunk>,
    position: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Ended,
    Broken,
}

impl ChunkReader {
    pub(super) fn new(link: Drainer) -> Self {
        Self {
            link,
            current: None,
            position: 0,
            state: State::Open,
        }
    }

    /// True once the stage before went away without its end: a decoder's complaint about missing
    /// bytes is then not about the image.
    pub(super) fn is_broken(&self) -> bool {
        self.state == State::Broken
    }

    /// Waits until the current chunk has bytes that were not consumed, or there are no more.
    fn advance(&mut self) -> io::Result<()> {
        while self.state == State::Open
            && self
                .current
                .as_ref()
                .is_none_or(|chunk| self.position >= chunk.bytes().len())
        {
            if let Some(chunk) = self.current.take() {
                self.link.give_back(chunk);
            }
            self.position = 0;
            match self.link.next() {
                Received::Chunk(chunk) => self.current = Some(chunk),
                Received::End => self.state = State::Ended,
                Received::Broken | Received::Stopped => self.state = State::Broken,
            }
        }
        match self.state {
            State::Broken => Err(io::Error::new(
                io::ErrorKind::BrokenPipe,
                "the source went away",
            )),
            State::Open | State::Ended => Ok(()),
        }
    }
}

impl BufRead for ChunkReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.advance()?;
        let rest = self
            .current
            .as_ref()
            .and_then(|chunk| chunk.bytes().get(self.position..));
        Ok(rest.unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.position = self.position.saturating_add(count);
    }
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_begins_where_direct_io_may() {
        let mut chunk = Chunk::new(3 * ALIGNMENT);
        assert_eq!(chunk.room().as_ptr().align_offset(ALIGNMENT), 0);
        assert_eq!(chunk.room().len(), 3 * ALIGNMENT);
    }

    #[test]
    fn a_stage_that_goes_away_is_not_an_end() {
        let (filler, drainer) = link(2, 8);
        let Ok(mut chunk) = filler.take() else {
            panic!("a new link has empty buffers")
        };
        chunk
            .fill_from(&mut &b"abc"[..])
            .expect("a slice can be read");
        assert!(filler.send(chunk).is_ok());
        drop(filler);
        let mut reader = ChunkReader::new(drainer);
        let mut read = Vec::new();
        assert!(reader.read_to_end(&mut read).is_err());
        assert_eq!(read, b"abc");
        assert!(reader.is_broken());
    }
}
