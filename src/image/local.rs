//! A block device or a file of this machine as the place for an image.
//!
//! Devices are written past the page cache (open(2), `O_DIRECT`) where they allow it: each write
//! then takes as long as the medium needs, so that progress is true, the last sync is short, and a
//! stalled card shows as one. Files are written through the cache and pushed out now and then.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, OFlags};
use rustix::io::Errno;

use super::chunk::{ALIGNMENT, Chunk};
use super::holder;
use super::sink::{Sink, Verified};

/// How much of a file may wait in the cache before it is pushed out, in bytes.
const DIRTY_MAX: u64 = 64 << 20;

/// A block device or a file that takes an image from its first byte on.
#[derive(Debug)]
pub struct LocalSink {
    file: File,
    path: PathBuf,
    /// Its size, of a block device.
    capacity: Option<u64>,
    direct: bool,
    position: u64,
    unsynced: u64,
}

impl LocalSink {
    /// Opens the place for writing and reading back. A file is made, or emptied, except below
    /// `/dev`, where a missing device is an error and never becomes a file; a block device is taken
    /// exclusively.
    ///
    /// # Errors
    /// What open(2) says; `NotFound` for a device that isn't there, and for a link that leads
    /// nowhere; `ResourceBusy` with what holds the device; `InvalidInput` for anything that is
    /// neither a file nor a block device.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let existing = match path.metadata() {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                refuse_to_create(path)?;
                // `create_new`, because what appears there in the meantime was not looked at.
                options.create_new(true);
                None
            }
            Err(error) => return Err(error),
        };
        let kind = existing.as_ref().map(std::fs::Metadata::file_type);
        let device = kind.is_some_and(|kind| kind.is_block_device());
        if device {
            options.custom_flags(OFlags::EXCL.bits().cast_signed());
        } else if kind.is_some_and(|kind| !kind.is_file()) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "an image is written to a block device or a file, and this is neither",
            ));
        }
        let file = options
            .open(path)
            .map_err(|error| match (&existing, error.kind()) {
                (Some(found), io::ErrorKind::ResourceBusy) => io::Error::new(
                    io::ErrorKind::ResourceBusy,
                    format!("the device is in use: {}", holder::describe(found.rdev())),
                ),
                _ => error,
            })?;
        let opened = file.metadata()?.file_type();
        if opened.is_block_device() != device || !(opened.is_block_device() || opened.is_file()) {
            return Err(io::Error::other(
                "the place was exchanged while it was being opened",
            ));
        }
        let mut sink = Self {
            file,
            path: path.to_owned(),
            capacity: None,
            direct: false,
            position: 0,
            unsynced: 0,
        };
        if device {
            let size = sink.file.seek(SeekFrom::End(0))?;
            sink.file.rewind()?;
            if size == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    "the device has no medium: its size is 0",
                ));
            }
            sink.capacity = Some(size);
            sink.direct = sink.set_direct(true);
        } else {
            sink.file.set_len(0)?;
        }
        Ok(sink)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Turns direct IO on or off; false if that can't be had here.
    fn set_direct(&self, on: bool) -> bool {
        rustix::fs::fcntl_getfl(&self.file)
            .and_then(|flags| {
                let flags = if on {
                    flags | OFlags::DIRECT
                } else {
                    flags - OFlags::DIRECT
                };
                rustix::fs::fcntl_setfl(&self.file, flags)
            })
            .is_ok()
    }

    fn leave_direct(&mut self) -> io::Result<()> {
        if self.direct && !self.set_direct(false) {
            return Err(io::Error::other("direct IO can't be turned off"));
        }
        self.direct = false;
        Ok(())
    }

    /// True where the system takes direct IO but the file system then refuses the reads.
    fn refuses_direct_reads(&self) -> bool {
        let mut probe = Chunk::new(ALIGNMENT);
        let read = self.file.read_at(probe.room(), 0);
        read.is_err_and(|error| error.raw_os_error() == Some(Errno::INVAL.raw_os_error()))
    }
}

/// An error where nothing may be created at `path`.
fn refuse_to_create(path: &Path) -> io::Result<()> {
    let refuse = |why: &str| Err(io::Error::new(io::ErrorKind::NotFound, why));
    if path.is_symlink() {
        return refuse("a symbolic link that leads nowhere");
    }
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let parent = parent.canonicalize()?;
    // What shm_open(3) makes there are ordinary files in memory.
    if parent.starts_with("/dev") && !parent.starts_with("/dev/shm") {
        return refuse("there is no such device");
    }
    Ok(())
}

/// True where `bytes` may go to this position past the cache.
fn is_aligned(bytes: &[u8], position: u64) -> bool {
    bytes.as_ptr().align_offset(ALIGNMENT) == 0
        && bytes.len().is_multiple_of(ALIGNMENT)
        && position.is_multiple_of(ALIGNMENT as u64)
}

impl Sink for LocalSink {
    fn capacity(&self) -> Option<u64> {
        self.capacity
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.direct && !is_aligned(rest, self.position) {
                // The last bytes of an image that doesn't fill its last block.
                self.leave_direct()?;
            }
            match self.file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    rest = rest.get(count..).unwrap_or_default();
                    self.position += count as u64;
                    self.unsynced += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error)
                    if self.direct && error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) =>
                {
                    self.leave_direct()?;
                }
                Err(error) => return Err(error),
            }
        }
        if !self.direct && self.unsynced >= DIRTY_MAX {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn rewind(&mut self) -> io::Result<Option<Verified>> {
        self.file.rewind()?;
        self.position = 0;
        self.direct = self.set_direct(true);
        if self.direct && self.refuses_direct_reads() {
            self.leave_direct()?;
        }
        if self.direct {
            return Ok(Some(Verified::Direct));
        }
        // Only advice: where it isn't taken, `Cached` says as much.
        let _ = rustix::fs::fadvise(&self.file, 0, None, Advice::DontNeed);
        Ok(Some(Verified::Cached))
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.direct && !is_aligned(buffer, self.position) {
                self.leave_direct()?;
            }
            match self.file.read(buffer) {
                Ok(count) => {
                    self.position += count as u64;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
