//! Source to sink: the pipeline of the room's `//!`, and what became of it.

use std::io;
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use tokio_util::sync::CancellationToken;

use super::chunk::{ChunkReader, Drainer, Filler, Gone, Received, link};
use super::decode::{Decoder, Format, least_size, peek};
use super::digest::{Hasher, Sha256};
use super::progress::{Phase, Progress};
use super::sink::{Sink, Verified};
use super::source::Source;

/// Buffers between source and decoder: how many, and of how many bytes.
const FETCHED: (usize, usize) = (4, 256 << 10);
/// Buffers between decoder and sink. A mebibyte is as much as the block layer takes at once.
const DECODED: (usize, usize) = (4, 1 << 20);

/// What is wanted of a copy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// How the image is stored; `None`: as its first bytes say.
    pub format: Option<Format>,
    /// The digest that the image must have as it is stored, that is before decoding: what a
    /// `SHA256SUMS` file beside it says.
    pub sha256: Option<Sha256>,
    /// Read back what was written and compare it, where the sink can be read.
    pub verify: bool,
}

/// A copy that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// How the image was stored.
    pub format: Format,
    /// Length of the image as stored, in bytes.
    pub fetched: u64,
    /// Bytes that were written.
    pub written: u64,
    /// Digest of the bytes that were written.
    pub sha256: Sha256,
    /// How they were compared with what was read back; `None` if that was not wanted, or the sink
    /// can't be read.
    pub verified: Option<Verified>,
}

/// Why a copy failed. The place holds something undefined then, unless said otherwise.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The image can't be read, or it is cut short.
    #[error("the image can't be read: {0}")]
    Source(#[source] io::Error),
    /// The image is damaged, cut short, or asks for too much memory.
    #[error("the image is not a valid {format} stream: {error}")]
    Decode {
        /// What it was taken for.
        format: Format,
        /// What is wrong.
        #[source]
        error: io::Error,
    },
    /// The image has not a single byte. Nothing was written.
    #[error("the image is empty")]
    Empty,
    /// The image is not the one that was wanted.
    #[error("the image's SHA-256 as stored is {found}, not {expected}")]
    Digest {
        /// What was asked for.
        expected: Sha256,
        /// What was read.
        found: Sha256,
    },
    /// The image doesn't fit. Where its beginning tells its size, nothing was written.
    #[error("the image has {image} bytes{}, the place {capacity}", if *.exact { "" } else { " or more" })]
    TooLarge {
        /// Decoded size of the image.
        image: u64,
        /// True: `image` is its size. False: its size is that or more.
        exact: bool,
        /// What fits.
        capacity: u64,
    },
    /// The place failed.
    #[error("the image can't be written: {0}")]
    Sink(#[source] io::Error),
    /// The place can't be read back.
    #[error("what was written can't be read back: {0}")]
    ReadBack(#[source] io::Error),
    /// The place holds other bytes than were written to it.
    #[error("of the {size} bytes written the SHA-256 is {written}, and read back it is {read}")]
    Verify {
        /// How many bytes were compared.
        size: u64,
        /// Digest of what was written.
        written: Sha256,
        /// Digest of what was read back.
        read: Sha256,
    },
    /// The copy was cancelled.
    #[error("the copy was stopped")]
    Stopped,
}

/// Copies the decoded image into `sink`, finishes it, and reads it back if that is wanted and
/// possible. Blocks; to be called on a thread that runs no async code.
///
/// Once `stop` is cancelled it returns [`CopyError::Stopped`] at the next chunk. A sink that blocks
/// has to be let go by its other end; a source that blocks is left to its own thread.
///
/// # Errors
/// See [`CopyError`]. Whatever else went wrong, a cancelled copy is `Stopped`.
pub fn copy(
    source: Source,
    options: &Options,
    sink: &mut dyn Sink,
    progress: &Arc<Progress>,
    stop: &CancellationToken,
) -> Result<Copied, CopyError> {
    copy_until(source, options, sink, progress, stop).map_err(|error| {
        if stop.is_cancelled() {
            CopyError::Stopped
        } else {
            error
        }
    })
}

fn copy_until(
    source: Source,
    options: &Options,
    sink: &mut dyn Sink,
    progress: &Arc<Progress>,
    stop: &CancellationToken,
) -> Result<Copied, CopyError> {
    progress.set_length(source.length());
    let stages = Stages::start(source, options, progress).map_err(CopyError::Source)?;
    let Some(written) = write(&stages, sink, progress, stop)? else {
        return Err(stages.why_broken());
    };
    let Stages {
        fetch, hash, found, ..
    } = stages;
    let found = found.get().copied().unwrap_or_default();
    // All three have passed the end on, so these waits are none.
    let stored = join(fetch).flatten().map_err(CopyError::Source)?;
    if let (Some(expected), Some(found)) = (options.sha256, stored)
        && expected != found
    {
        return Err(CopyError::Digest { expected, found });
    }
    if written == 0 {
        return Err(CopyError::Empty);
    }
    let sha256 = join(hash).map_err(CopyError::Source)?;
    progress.set_phase(Phase::Syncing);
    sink.finish().map_err(CopyError::Sink)?;
    let verified = match options.verify {
        true => read_back(sink, written, sha256, progress, stop)?,
        false => None,
    };
    Ok(Copied {
        format: found.format,
        fetched: progress.fetched(),
        written,
        sha256,
        verified,
    })
}

/// What the first bytes of an image tell.
#[derive(Clone, Copy, Default)]
struct Found {
    format: Format,
    /// It has at least so many bytes once decoded.
    least_size: Option<u64>,
}

/// The threads above the sink.
struct Stages {
    below: Drainer,
    fetch: JoinHandle<io::Result<Option<Sha256>>>,
    decode: JoinHandle<Result<(), DecodeEnd>>,
    hash: JoinHandle<Sha256>,
    /// Set before the first chunk comes out below.
    found: Arc<OnceLock<Found>>,
}

enum DecodeEnd {
    /// The thread before or after went away, and knows why.
    NeighbourGone,
    Failed(io::Error),
}

impl From<Gone> for DecodeEnd {
    fn from(_: Gone) -> Self {
        Self::NeighbourGone
    }
}

impl Stages {
    /// # Errors
    /// The system has no more threads.
    fn start(source: Source, options: &Options, progress: &Arc<Progress>) -> io::Result<Self> {
        let length = source.length();
        let (into_fetched, fetched) = link(FETCHED.0, FETCHED.1);
        let (into_decoded, decoded) = link(DECODED.0, DECODED.1);
        let (hash, below) = hash_of(decoded);
        let found = Arc::new(OnceLock::new());
        let wanted = options.format;
        let stored_hasher = options.sha256.map(|_| Hasher::default());
        let (counted, finds) = (Arc::clone(progress), Arc::clone(&found));
        Ok(Self {
            below,
            hash: spawn("image-hash", hash)?,
            decode: spawn("image-decode", move || {
                decode(fetched, into_decoded, wanted, length, &finds)
            })?,
            fetch: spawn("image-fetch", move || {
                fetch(source, into_fetched, stored_hasher, &counted)
            })?,
            found,
        })
    }

    /// Why the last link broke: what the first thread to fail has to say.
    fn why_broken(self) -> CopyError {
        let format = self.found.get().copied().unwrap_or_default().format;
        // The decoder let its link go, so it has ended or is about to.
        match join(self.decode) {
            Ok(Err(DecodeEnd::Failed(error))) | Err(error) => CopyError::Decode { format, error },
            Ok(Ok(()) | Err(DecodeEnd::NeighbourGone)) => match join(self.fetch).flatten() {
                Err(error) => CopyError::Source(error),
                Ok(_) => CopyError::Source(io::Error::other("a stage of the copy ended early")),
            },
        }
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    stage: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    thread::Builder::new().name(name.to_owned()).spawn(stage)
}

/// A stage's result. A decoder that panics on some image has failed, and nothing more.
fn join<T>(stage: JoinHandle<T>) -> io::Result<T> {
    let name = stage.thread().name().unwrap_or("a stage").to_owned();
    stage
        .join()
        .map_err(|_| io::Error::other(format!("`{name}` panicked")))
}

/// Reads the source into the link: the digest of all of it, if that is wanted.
fn fetch(
    source: Source,
    into: Filler,
    mut hasher: Option<Hasher>,
    progress: &Progress,
) -> io::Result<Option<Sha256>> {
    let mut source = source.into_checked();
    loop {
        // Those below who go away know why.
        let Ok(mut chunk) = into.take() else {
            return Ok(None);
        };
        chunk.fill_from(&mut source)?;
        let bytes = chunk.bytes();
        if bytes.is_empty() {
            break;
        }
        progress.add_fetched(bytes.len());
        if let Some(hasher) = &mut hasher {
            hasher.update(bytes);
        }
        if into.send(chunk).is_err() {
            return Ok(None);
        }
    }
    let _ = into.end();
    Ok(hasher.map(Hasher::finish))
}

fn decode(
    from: Drainer,
    into: Filler,
    format: Option<Format>,
    length: Option<u64>,
    finds: &OnceLock<Found>,
) -> Result<(), DecodeEnd> {
    // Only a broken link fails here.
    let (first, reader) = peek(ChunkReader::new(from)).map_err(|_| DecodeEnd::NeighbourGone)?;
    let format = format.unwrap_or_else(|| Format::of(&first));
    let least_size = least_size(format, &first, length);
    finds.get_or_init(|| Found { format, least_size });
    let mut decoder = Decoder::new(format, reader).map_err(DecodeEnd::Failed)?;
    loop {
        let mut chunk = into.take()?;
        if let Err(error) = chunk.fill_from(&mut decoder) {
            let broken = decoder
                .reader()
                .is_some_and(|peeked| peeked.get_ref().1.is_broken());
            return Err(if broken {
                DecodeEnd::NeighbourGone
            } else {
                DecodeEnd::Failed(error)
            });
        }
        if chunk.bytes().is_empty() {
            break;
        }
        into.send(chunk)?;
    }
    into.end()?;
    Ok(())
}

/// A stage that computes the digest of what passes, and the lower end of its link.
fn hash_of(link: Drainer) -> (impl FnOnce() -> Sha256 + Send + 'static, Drainer) {
    let (relay, below) = link.through();
    let stage = move || {
        let mut hasher = Hasher::default();
        relay.run(|bytes| hasher.update(bytes));
        hasher.finish()
    };
    (stage, below)
}

/// Writes all that comes; how many bytes that was. `None`: a stage above has failed.
fn write(
    stages: &Stages,
    sink: &mut dyn Sink,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Option<u64>, CopyError> {
    let capacity = sink.capacity().unwrap_or(u64::MAX);
    let mut written = 0_u64;
    loop {
        let chunk = match stages.below.next_unless(stop) {
            Received::Chunk(chunk) => chunk,
            Received::End => return Ok(Some(written)),
            Received::Broken => return Ok(None),
            Received::Stopped => return Err(CopyError::Stopped),
        };
        let found = stages.found.get().copied().unwrap_or_default();
        let seen = written.saturating_add(chunk.bytes().len() as u64);
        let image = seen.max(found.least_size.unwrap_or(0));
        if image > capacity {
            let exact = found.format == Format::Raw && found.least_size.is_some();
            return Err(CopyError::TooLarge {
                image,
                exact,
                capacity,
            });
        }
        sink.write(chunk.bytes()).map_err(CopyError::Sink)?;
        progress.add_written(chunk.bytes().len());
        written = seen;
        stages.below.give_back(chunk);
    }
}

/// Reads the first `size` bytes back and compares their digest with `written`.
fn read_back(
    sink: &mut dyn Sink,
    size: u64,
    written: Sha256,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Option<Verified>, CopyError> {
    let Some(how) = sink.rewind().map_err(CopyError::ReadBack)? else {
        return Ok(None);
    };
    progress.set_phase(Phase::Verifying);
    let (into, from) = link(DECODED.0, DECODED.1);
    let hash = spawn("image-verify", move || {
        let mut hasher = Hasher::default();
        while let Received::Chunk(chunk) = from.next() {
            hasher.update(chunk.bytes());
            from.give_back(chunk);
        }
        hasher.finish()
    })
    .map_err(CopyError::ReadBack)?;
    let gone = |Gone| CopyError::ReadBack(io::Error::other("the digest can't be computed"));
    let mut rest = size;
    while rest > 0 {
        if stop.is_cancelled() {
            return Err(CopyError::Stopped);
        }
        let mut chunk = into.take().map_err(gone)?;
        // One read alone: a second one into the same buffer might begin between two blocks.
        let count = sink.read(chunk.room()).map_err(CopyError::ReadBack)?;
        if count == 0 {
            return Err(CopyError::ReadBack(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("it ends after {} of {size} bytes", size - rest),
            )));
        }
        let wanted = usize::try_from(rest).unwrap_or(usize::MAX).min(count);
        chunk.set_filled(wanted);
        progress.add_verified(wanted);
        rest = rest.saturating_sub(wanted as u64);
        into.send(chunk).map_err(gone)?;
    }
    into.end().map_err(gone)?;
    let read = join(hash).map_err(CopyError::ReadBack)?;
    if read == written {
        Ok(Some(how))
    } else {
        Err(CopyError::Verify {
            size,
            written,
            read,
        })
    }
}
