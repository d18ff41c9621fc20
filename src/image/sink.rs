//! Where an image goes: a place that takes decoded bytes in order.

use std::io;

/// How what was written was read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    /// From the medium itself, past the cache of the system.
    Direct,
    /// The place can't read past the cache; its pages were given up before, as far as the system
    /// takes such advice.
    Cached,
}

/// A place that takes an image. Its methods may block.
pub trait Sink {
    /// How many bytes fit, where there is such a bound.
    fn capacity(&self) -> Option<u64>;

    /// Takes all of `bytes`, which follow what it took before.
    ///
    /// # Errors
    /// The place doesn't take them; what it holds is then undefined.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Called once after the last byte: returns when the bytes are safe, or are handed on with
    /// word that they are all.
    ///
    /// # Errors
    /// As for `write`; a failed sync means that bytes may be lost.
    fn finish(&mut self) -> io::Result<()>;

    /// Goes back to the first byte for `read`. `None`: this place can't be read.
    ///
    /// # Errors
    /// The place can't be read, though it should.
    fn rewind(&mut self) -> io::Result<Option<Verified>>;

    /// Reads what was written, after `rewind`; 0 at the end. `buffer` begins at a multiple of 4096
    /// and its length is one.
    ///
    /// # Errors
    /// The place can't be read.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
}
