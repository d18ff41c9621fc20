//! Files that a command line names, read up to a bound.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// Device configs, job data and paths are read up to this size; real ones have a few kilobytes.
const LARGEST: u64 = 16 << 20;

/// The text of a regular file that is not larger than 16 MiB: a pipe that nobody writes to would be
/// waited for.
///
/// # Errors
/// Why it can't be read, without its name.
pub(super) fn read_text(path: &Path) -> Result<String, String> {
    let kind = fs::metadata(path).map_err(|error| error.to_string())?;
    if !kind.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("it is larger than {} MiB", LARGEST >> 20));
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}
