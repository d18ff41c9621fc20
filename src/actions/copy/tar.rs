//! What is in a tar archive: POSIX.1-2024, pax, "ustar Interchange Format", and GNU's large sizes.

use std::io::{self, Read, Seek, SeekFrom};

const BLOCK: usize = 512;

/// How many regular files an archive holds, and how many bytes they have together.
pub(super) fn count(mut archive: impl Read + Seek) -> io::Result<(u64, u64)> {
    let (mut files, mut bytes) = (0_u64, 0_u64);
    let mut header = [0; BLOCK];
    loop {
        match archive.read_exact(&mut header) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Ok((files, bytes));
            }
            read => read?,
        }
        if header.iter().all(|byte| *byte == 0) {
            return Ok((files, bytes));
        }
        let size = size(header.get(124..136).unwrap_or_default());
        // The letter 0, and the byte 0 of older archives.
        if matches!(header.get(156), Some(b'0' | 0)) {
            files += 1;
            bytes = bytes.saturating_add(size);
        }
        let blocks = size.div_ceil(BLOCK as u64).saturating_mul(BLOCK as u64);
        archive.seek(SeekFrom::Current(i64::try_from(blocks).unwrap_or(i64::MAX)))?;
    }
}

/// Octal digits, or a number in big-endian order behind a byte with its highest bit set.
fn size(field: &[u8]) -> u64 {
    if let Some((first, rest)) = field.split_first()
        && first & 0x80 != 0
    {
        return rest
            .iter()
            .fold(0_u64, |size, byte| size.wrapping_shl(8) | u64::from(*byte));
    }
    field
        .iter()
        .filter(|byte| (b'0'..=b'7').contains(byte))
        .fold(0_u64, |size, digit| {
            size.wrapping_shl(3) | u64::from(digit - b'0')
        })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    #[test]
    fn files_and_bytes_of_an_archive_are_counted() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let long = "x".repeat(150);
        fs::create_dir(dir.path().join("sub")).expect("a folder");
        fs::write(dir.path().join("a"), vec![1; 1000]).expect("a file");
        fs::write(dir.path().join("sub/empty"), "").expect("a file");
        fs::write(dir.path().join("sub").join(&long), vec![2; 512]).expect("a file");
        let output = Command::new("tar")
            .arg("-C")
            .arg(dir.path())
            .args(["-cf", "-", "."])
            .output();
        let archive = output.expect("tar can be executed").stdout;
        assert_eq!(count(io::Cursor::new(archive)).ok(), Some((3, 1512)));
        assert_eq!(count(io::Cursor::new(b"no archive")).ok(), Some((0, 0)));
    }

    #[test]
    fn sizes_are_read_in_both_forms() {
        assert_eq!(size(b"00000001750\0"), 1000);
        assert_eq!(size(&[0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]), 2 << 32);
    }
}
