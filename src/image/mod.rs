//! Moving and checking the bytes of an image: source, decoder, sink.
//!
//! A copy is a pipeline of threads with bounded buffers between them, so that fetching, decoding,
//! hashing and writing overlap and the slowest of them alone sets the pace:
//!
//! ```text
//!   source ──► decode ──► hash ──► sink        then, where the place allows it,
//!   (counts,   (by magic  (what is (the        sink ──► hash
//!    hashes)    bytes)     written) caller)
//! ```
//!
//! Buffers come to 5 MiB in all; what a decoder needs is on top of that (8 MiB for the usual
//! `zstd -19`, bounded by [`decode::ZSTD_WINDOW_LOG_MAX`] and [`decode::XZ_MEMORY_MAX`]). No image
//! is ever held whole, in memory or in a temporary file.
//!
//! One rule stands above all others here: *an image that is cut short must never look complete.* A
//! stage says that it has come to the end; one that merely goes away is an error for those behind
//! it.
//!
//! This room knows neither hosts, nor HTTP, nor recipes. [`mod@pipe`] is where async code gives bytes
//! to a copy or takes them from it.

mod chunk;
pub mod copy;
pub mod decode;
pub mod digest;
mod holder;
pub mod local;
pub mod pack;
pub mod pipe;
pub mod progress;
pub mod sink;
pub mod source;

pub use copy::{Copied, CopyError, Options, copy};
pub use decode::Format;
pub use digest::{Hasher, Sha256};
pub use local::LocalSink;
pub use pack::XzSink;
pub use pipe::{Closed, ImageReader, ImageSender, PipeReader, PipeSink, channel_reader, pipe};
pub use progress::{Phase, Progress};
pub use sink::{Sink, Verified};
pub use source::Source;
