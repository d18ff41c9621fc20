//! A sink that packs what it takes, for another that takes bytes as they are.

use std::io::{self, Write};

use liblzma::write::XzEncoder;

use super::sink::{Sink, Verified};

/// The preset of `xz` that is the quickest (xz(1), `-0`): whoever waits for the bytes waits for this.
const PRESET: u32 = 0;

/// Packs an image as one stream of the .xz file format on its way to `S`. Can't be read back.
///
/// The stream's end is written by [`Sink::finish`] alone: dropped before, what came out is a stream
/// that breaks off.
pub struct XzSink<S: Sink>(XzEncoder<Below<S>>);

struct Below<S> {
    sink: S,
    closed: bool,
}

impl<S: Sink> XzSink<S> {
    /// A sink before `sink`.
    pub fn new(sink: S) -> Self {
        let below = Below {
            sink,
            closed: false,
        };
        Self(XzEncoder::new(below, PRESET))
    }
}

impl<S: Sink> Write for Below<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.sink.write(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<S: Sink> Sink for XzSink<S> {
    fn capacity(&self) -> Option<u64> {
        None
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.0.try_finish()?;
        self.0.get_mut().sink.finish()
    }

    fn rewind(&mut self) -> io::Result<Option<Verified>> {
        Ok(None)
    }

    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl<S: Sink> Drop for XzSink<S> {
    fn drop(&mut self) {
        // The encoder would write the stream's end when it is dropped.
        self.0.get_mut().closed = true;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<(Vec<u8>, bool)>>);

    impl Sink for Shared {
        fn capacity(&self) -> Option<u64> {
            None
        }

        fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
            let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            held.0.extend_from_slice(bytes);
            Ok(())
        }

        fn finish(&mut self) -> io::Result<()> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
            Ok(())
        }

        fn rewind(&mut self) -> io::Result<Option<Verified>> {
            Ok(None)
        }

        fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    fn unpacked(packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut liblzma::read::XzDecoder::new(packed), &mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn what_comes_out_unpacks_to_what_went_in() {
        let bytes: Vec<u8> = (0..300_000_u32).map(|at| (at / 7) as u8).collect();
        let below = Shared::default();
        let mut sink = XzSink::new(below.clone());
        for piece in bytes.chunks(70_000) {
            sink.write(piece).expect("it is taken");
        }
        sink.finish().expect("it is taken");
        drop(sink);
        let (packed, finished) = below.0.lock().expect("never poisoned").clone();
        assert!(finished && packed.len() < bytes.len());
        assert_eq!(unpacked(&packed).expect("a whole stream"), bytes);
    }

    #[test]
    fn a_stream_that_is_not_finished_has_no_end() {
        let below = Shared::default();
        let mut sink = XzSink::new(below.clone());
        sink.write(&[7; 100_000]).expect("it is taken");
        drop(sink);
        let (packed, finished) = below.0.lock().expect("never poisoned").clone();
        assert!(!finished);
        assert!(unpacked(&packed).is_err());
    }
}
