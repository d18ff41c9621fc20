//! The lab's image: a header with the digest of what follows, so that the board can tell whether it
//! has all of it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use bytes::Bytes;
use sha2::{Digest, Sha256};

const MAGIC: &[u8; 16] = b"virtual-lab/1\n\0\0";
/// Magic, the length of the rest (little-endian), its SHA-256.
const HEADER: usize = 16 + 8 + 32;
const MIB: usize = 1024 * 1024;

/// An image, and the compressed form in which it is served.
pub(crate) struct Image {
    bytes: Vec<u8>,
    packed: Bytes,
}

impl Image {
    /// Makes an image of `mib` MiB, a quarter of it incompressible.
    pub(crate) fn make(mib: usize) -> io::Result<Image> {
        let mut bytes = vec![0; mib.max(1) * MIB];
        let mut noise: u64 = 0x9e37_79b9_7f4a_7c15;
        for block in bytes.chunks_mut(MIB) {
            let (noisy, _) = block.split_at_mut(block.len() / 4);
            for word in noisy.chunks_exact_mut(8) {
                // xorshift64 (Marsaglia, 2003)
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                word.copy_from_slice(&noise.to_le_bytes());
            }
        }
        let (header, payload) = bytes.split_at_mut(HEADER);
        header[..16].copy_from_slice(MAGIC);
        header[16..24].copy_from_slice(&(payload.len() as u64).to_le_bytes());
        header[24..].copy_from_slice(&Sha256::digest(payload));
        let packed = Bytes::from(zstd::encode_all(bytes.as_slice(), 1)?);
        Ok(Image { bytes, packed })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn packed(&self) -> Bytes {
        self.packed.clone()
    }
}

/// Whether the card can be booted from; if not, what the board would say on its console.
pub(crate) fn check(card: &Path) -> Result<(), String> {
    let unreadable = |error: io::Error| format!("the card can't be read: {error}");
    let mut card = File::open(card).map_err(unreadable)?;
    let mut header = [0; HEADER];
    if card.read_exact(&mut header).is_err() || !header.starts_with(MAGIC) {
        return Err("no image on the card".to_owned());
    }
    let mut length = [0; 8];
    length.copy_from_slice(&header[16..24]);
    let length = u64::from_le_bytes(length);
    let mut digest = Sha256::new();
    let read = io::copy(&mut card.take(length), &mut Sink(&mut digest)).map_err(unreadable)?;
    if read < length {
        return Err(format!("the image ends after {read} of {length} bytes"));
    }
    if digest.finalize().as_slice() != &header[24..] {
        return Err("the image is damaged: its digest is another".to_owned());
    }
    Ok(())
}

struct Sink<'a>(&'a mut Sha256);

impl io::Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
