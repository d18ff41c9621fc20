//! Where an image comes from: a reader, with or without a known length.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// The bytes of an image as they were stored: not decoded yet.
pub struct Source {
    reader: Box<dyn Read + Send>,
    length: Option<u64>,
}

impl Source {
    /// A source that reads from `reader`. Where `length` is given it must be exact: fewer or more
    /// bytes are an error.
    ///
    /// The reader is moved to a thread of its own, which lives until the reader returns; a copy
    /// that fails or is cancelled doesn't wait for it.
    pub fn new(reader: impl Read + Send + 'static, length: Option<u64>) -> Self {
        Self {
            reader: Box::new(reader),
            length,
        }
    }

    /// The image in a file or block device.
    ///
    /// # Errors
    /// What open(2) says; `InvalidInput` where `path` is a directory, FIFO, socket or character
    /// device.
    pub fn open(path: &Path) -> io::Result<Self> {
        let kind = path.metadata()?.file_type();
        if !kind.is_file() && !kind.is_block_device() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "an image is read from a file or a block device, and this is neither",
            ));
        }
        let mut file = File::open(path)?;
        // A block device's metadata say 0.
        let length = file.seek(SeekFrom::End(0))?;
        file.rewind()?;
        Ok(Self::new(file, Some(length)))
    }

    /// Length in bytes, as stored.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    pub(super) fn into_checked(self) -> Checked {
        Checked {
            reader: self.reader,
            length: self.length,
            count: 0,
        }
    }
}

/// A source's reader that holds it to the length that was announced.
pub(super) struct Checked {
    reader: Box<dyn Read + Send>,
    length: Option<u64>,
    count: u64,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.count += count as u64;
        match self.length {
            Some(length) if self.count > length => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the source goes on after the {length} bytes that were announced"),
            )),
            Some(length) if count == 0 && !buffer.is_empty() && self.count < length => {
                Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    format!("the source ended after {} of {length} bytes", self.count),
                ))
            }
            _ => Ok(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announced_length_is_held_to() {
        #[track_caller]
        fn case(bytes: &'static [u8], length: Option<u64>, wanted: Option<io::ErrorKind>) {
            let read = Source::new(bytes, length)
                .into_checked()
                .read_to_end(&mut Vec::new());
            assert_eq!(read.err().map(|error| error.kind()), wanted);
        }
        case(b"abc", None, None);
        case(b"abc", Some(3), None);
        case(b"", Some(0), None);
        case(b"abc", Some(4), Some(io::ErrorKind::UnexpectedEof));
        case(b"abc", Some(2), Some(io::ErrorKind::InvalidData));
    }

    #[test]
    fn what_is_no_file_is_no_source() {
        let error = Source::open(Path::new("/")).err().map(|error| error.kind());
        assert_eq!(error, Some(io::ErrorKind::InvalidInput));
        assert!(Source::open(Path::new("/nonexistent/image")).is_err());
    }
}
