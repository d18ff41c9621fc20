//! Formats of images and their decoders.
//!
//! What follows a first stream is read as the command-line tools read it: as a further stream
//! (`cat a.xz b.xz`, `pigz`, `pbzip2`, `pzstd`); after gzip and xz also the zero bytes that they
//! allow as padding. Anything else behind the image is an error. Here `gzip` and `bzip2` are more
//! lenient: they warn and ignore it. But a second stream with a damaged header looks just the same,
//! and then half of an image would pass for the whole.

use std::fmt;
use std::io::{self, BufRead, Chain, Cursor, Read};
use std::str::FromStr;

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::GzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};

/// The most that a zstd window may be, as a power of two: 128 MiB, which is what `zstd -d` takes
/// unless told otherwise (zstd(1), `--memory`).
pub const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// The most memory that an xz decoder may take, in bytes. `xz -9` needs 65 MiB (xz(1), table of
/// presets).
pub const XZ_MEMORY_MAX: u64 = 256 << 20;

/// How an image is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// As it is.
    #[default]
    Raw,
    /// RFC 1952.
    Gzip,
    /// bzip2.
    Bzip2,
    /// The .xz file format, <https://tukaani.org/xz/xz-file-format.txt>.
    Xz,
    /// RFC 8878.
    Zstd,
}

/// A text that names no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an image format is one of raw, gzip, bzip2, xz, zstd")]
pub struct NotAFormat;

impl Format {
    /// Every format.
    pub const ALL: [Self; 5] = [Self::Raw, Self::Gzip, Self::Bzip2, Self::Xz, Self::Zstd];

    /// How many of the first bytes `of` wants to see.
    pub const MAGIC_LENGTH: usize = 10;

    /// The name as a recipe writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        }
    }

    /// The format of something that begins with `first`: raw where no magic bytes are known.
    pub fn of(first: &[u8]) -> Self {
        /// What stands first in a block, and in an empty stream: the digits of pi and its root.
        const BZIP2_BLOCKS: [[u8; 6]; 2] = [
            [0x31, 0x41, 0x59, 0x26, 0x53, 0x59],
            [0x17, 0x72, 0x45, 0x38, 0x50, 0x90],
        ];
        match first {
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            // A frame, or one that is to be skipped (RFC 8878, 3.1).
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            // Deflate is the only method there is (RFC 1952, 2.3.1).
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            [b'B', b'Z', b'h', b'1'..=b'9', block @ ..]
                if BZIP2_BLOCKS.iter().any(|magic| block.starts_with(magic)) =>
            {
                Self::Bzip2
            }
            _ => Self::Raw,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = NotAFormat;

    fn from_str(text: &str) -> Result<Self, NotAFormat> {
        Self::ALL
            .into_iter()
            .find(|format| format.name() == text)
            .ok_or(NotAFormat)
    }
}

/// A reader whose first bytes were looked at.
pub(super) type Peeked<R> = Chain<Cursor<Vec<u8>>, R>;

/// Looks at the first bytes, at most [`Format::MAGIC_LENGTH`] and as many again as a zstd header
/// takes; the reader that is returned begins with them.
pub(super) fn peek<R: BufRead>(mut reader: R) -> io::Result<(Vec<u8>, Peeked<R>)> {
    /// A zstd frame's header with its magic number (RFC 8878, 3.1.1).
    const ZSTD_HEADER_MAX: u64 = 18;
    let mut first = Vec::new();
    reader
        .by_ref()
        .take(ZSTD_HEADER_MAX.max(Format::MAGIC_LENGTH as u64))
        .read_to_end(&mut first)?;
    Ok((first.clone(), Cursor::new(first).chain(reader)))
}

/// The fewest bytes that an image can have once decoded, as far as its beginning tells. `length` is
/// its length as stored.
pub(super) fn least_size(format: Format, first: &[u8], length: Option<u64>) -> Option<u64> {
    match format {
        Format::Raw => length,
        // More frames may follow.
        Format::Zstd => zstd::zstd_safe::get_frame_content_size(first)
            .ok()
            .flatten(),
        Format::Gzip | Format::Bzip2 | Format::Xz => None,
    }
}

/// A reader of the decoded image.
pub(super) enum Decoder<R: BufRead> {
    Raw(R),
    Gzip(Members<R>),
    Bzip2(MultiBzDecoder<R>),
    Xz(XzDecoder<R>),
    Zstd(zstd::stream::read::Decoder<'static, R>),
}

impl<R: BufRead> Decoder<R> {
    pub(super) fn new(format: Format, reader: R) -> io::Result<Self> {
        Ok(match format {
            Format::Raw => Self::Raw(reader),
            Format::Gzip => Self::Gzip(Members::new(reader)),
            Format::Bzip2 => Self::Bzip2(MultiBzDecoder::new(reader)),
            Format::Xz => {
                let stream = Stream::new_stream_decoder(XZ_MEMORY_MAX, CONCATENATED)?;
                Self::Xz(XzDecoder::new_stream(reader, stream))
            }
            Format::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(reader)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Self::Zstd(decoder)
            }
        })
    }

    /// What is below the decoder; none where a decoder has failed for good.
    pub(super) fn reader(&self) -> Option<&R> {
        match self {
            Self::Raw(reader) => Some(reader),
            Self::Gzip(members) => members.reader(),
            Self::Bzip2(decoder) => Some(decoder.get_ref()),
            Self::Xz(decoder) => Some(decoder.get_ref()),
            Self::Zstd(decoder) => Some(decoder.get_ref()),
        }
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Raw(reader) => reader.read(buffer),
            Self::Gzip(members) => members.read(buffer),
            Self::Bzip2(decoder) => decoder.read(buffer),
            Self::Xz(decoder) => decoder.read(buffer).map_err(xz_error),
            Self::Zstd(decoder) => decoder.read(buffer).map_err(zstd_error),
        }
    }
}

fn xz_error(error: io::Error) -> io::Error {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<liblzma::stream::Error>());
    if !matches!(inner, Some(liblzma::stream::Error::MemLimit)) {
        return error;
    }
    io::Error::new(
        io::ErrorKind::OutOfMemory,
        format!(
            "its dictionary needs more than the {} MiB that are allowed",
            XZ_MEMORY_MAX >> 20
        ),
    )
}

fn zstd_error(error: io::Error) -> io::Error {
    // ZSTD_error_frameParameter_windowTooLarge has this text and, through `io::Error`, no code.
    if !error.to_string().contains("requires too much memory") {
        return error;
    }
    io::Error::new(
        io::ErrorKind::OutOfMemory,
        format!(
            "its window is larger than the {} MiB that are allowed (`zstd --long={ZSTD_WINDOW_LOG_MAX}`)",
            1_u64 << (ZSTD_WINDOW_LOG_MAX - 20)
        ),
    )
}

/// The members of a gzip file one after the other, and the zero bytes behind the last.
pub(super) struct Members<R> {
    state: Member<R>,
}

enum Member<R> {
    Inside(GzDecoder<R>),
    Ended(R),
    /// Only while a member is being exchanged for the next one.
    Between,
}

impl<R: BufRead> Members<R> {
    fn new(reader: R) -> Self {
        Self {
            state: Member::Inside(GzDecoder::new(reader)),
        }
    }

    fn reader(&self) -> Option<&R> {
        match &self.state {
            Member::Inside(decoder) => Some(decoder.get_ref()),
            Member::Ended(reader) => Some(reader),
            Member::Between => None,
        }
    }

    /// What follows a member: another one, padding to the end, or the end.
    fn next_member(mut reader: R) -> (Member<R>, io::Result<()>) {
        let mut padded = false;
        loop {
            let rest = match reader.fill_buf() {
                Ok(rest) => rest,
                Err(error) => return (Member::Ended(reader), Err(error)),
            };
            match rest {
                [] => return (Member::Ended(reader), Ok(())),
                [0, ..] => {
                    let zeros = rest.iter().take_while(|byte| **byte == 0).count();
                    padded = true;
                    reader.consume(zeros);
                }
                [0x1f, ..] if !padded => {
                    return (Member::Inside(GzDecoder::new(reader)), Ok(()));
                }
                _ => {
                    let error = io::Error::new(
                        io::ErrorKind::InvalidData,
                        "what follows the gzip stream is neither another one nor padding",
                    );
                    return (Member::Ended(reader), Err(error));
                }
            }
        }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let Member::Inside(decoder) = &mut self.state else {
                return Ok(0);
            };
            let count = decoder.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            if let Member::Inside(decoder) = std::mem::replace(&mut self.state, Member::Between) {
                let (state, result) = Self::next_member(decoder.into_inner());
                self.state = state;
                result?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use liblzma::stream::{Check, Filters, LzmaOptions};
    use proptest::prelude::*;

    use super::*;

    fn encode(format: Format, bytes: &[u8]) -> Vec<u8> {
        let mut encoded = Vec::new();
        match format {
            Format::Raw => encoded.extend_from_slice(bytes),
            Format::Gzip => {
                let mut encoder =
                    flate2::write::GzEncoder::new(&mut encoded, flate2::Compression::fast());
                encoder.write_all(bytes).expect("a vector takes everything");
                encoder.finish().expect("a vector takes everything");
            }
            Format::Bzip2 => {
                let mut encoder =
                    bzip2::write::BzEncoder::new(&mut encoded, bzip2::Compression::fast());
                encoder.write_all(bytes).expect("a vector takes everything");
                encoder.finish().expect("a vector takes everything");
            }
            Format::Xz => {
                let mut encoder = liblzma::write::XzEncoder::new(&mut encoded, 0);
                encoder.write_all(bytes).expect("a vector takes everything");
                encoder.finish().expect("a vector takes everything");
            }
            Format::Zstd => {
                encoded = zstd::encode_all(bytes, 1).expect("a vector takes everything");
            }
        }
        encoded
    }

    /// Gives a few bytes at a time, as a network would.
    struct Slow<'b>(&'b [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = buffer.len().min(self.1);
            self.0.read(buffer.get_mut(..count).unwrap_or_default())
        }
    }

    fn decode(format: Option<Format>, encoded: &[u8], piece: usize) -> io::Result<Vec<u8>> {
        let reader = io::BufReader::with_capacity(piece, Slow(encoded, piece));
        let (first, reader) = peek(reader)?;
        let format = format.unwrap_or_else(|| Format::of(&first));
        let mut decoded = Vec::new();
        Decoder::new(format, reader)?.read_to_end(&mut decoded)?;
        Ok(decoded)
    }

    const PACKED: [Format; 4] = [Format::Gzip, Format::Bzip2, Format::Xz, Format::Zstd];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn any_bytes_in_any_pieces_come_back(
            bytes in proptest::collection::vec(any::<u8>(), 0..5000),
            repeat in 1_usize..20,
            piece in 1_usize..2000,
        ) {
            let bytes = bytes.repeat(repeat);
            for format in PACKED {
                let encoded = encode(format, &bytes);
                prop_assert_eq!(Format::of(&encoded), format);
                prop_assert_eq!(decode(None, &encoded, piece).expect("a whole stream"), bytes.as_slice());
            }
            prop_assert_eq!(decode(Some(Format::Raw), &bytes, piece).expect("raw bytes"), bytes);
        }

        #[test]
        fn streams_one_after_the_other_are_one_image(
            parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..5),
            piece in 1_usize..200,
        ) {
            for format in PACKED {
                let encoded: Vec<u8> = parts.iter().flat_map(|part| encode(format, part)).collect();
                prop_assert_eq!(decode(None, &encoded, piece).expect("whole streams"), parts.concat());
            }
        }

        #[test]
        fn a_stream_that_is_cut_anywhere_is_an_error(
            bytes in proptest::collection::vec(any::<u8>(), 0..2000),
            cut in any::<proptest::sample::Index>(),
            piece in 1_usize..500,
        ) {
            for format in PACKED {
                let encoded = encode(format, &bytes);
                let cut = cut.index(encoded.len());
                prop_assert!(decode(Some(format), &encoded[..cut], piece).is_err(), "{format} at {cut}");
                // A second stream that is cut, but not away.
                let first = encode(format, b"first");
                if cut > 0 {
                    let both = [first.as_slice(), &encoded[..cut]].concat();
                    prop_assert!(decode(None, &both, piece).is_err(), "second {format} at {cut}");
                }
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            at in any::<proptest::sample::Index>(),
        ) {
            for format in PACKED {
                let _ = decode(Some(format), &bytes, 64);
                let mut damaged = encode(format, b"some bytes that are decoded");
                let at = at.index(damaged.len());
                damaged[at] ^= bytes.first().copied().unwrap_or(1) | 1;
                let _ = decode(Some(format), &damaged, 64);
            }
        }
    }

    #[test]
    fn every_cut_of_one_stream_is_an_error() {
        for format in PACKED {
            let encoded = encode(format, &b"a board that comes back ".repeat(40));
            for cut in 0..encoded.len() {
                assert!(
                    decode(Some(format), &encoded[..cut], 7).is_err(),
                    "{format} at {cut}"
                );
            }
        }
    }

    #[test]
    fn what_may_follow_a_stream_is_what_its_tool_allows() {
        #[track_caller]
        fn case(format: Format, behind: &[u8], allowed: bool) {
            let encoded = [encode(format, b"image").as_slice(), behind].concat();
            let decoded = decode(None, &encoded, 3).ok();
            assert_eq!(
                decoded,
                allowed.then(|| b"image".to_vec()),
                "{format} and {behind:?}"
            );
        }
        for format in PACKED {
            case(format, b"", true);
            case(format, b"garbage", false);
        }
        case(Format::Gzip, &[0; 512], true);
        case(Format::Gzip, b"\0\0x", false);
        case(Format::Xz, &[0; 8], true);
        case(Format::Xz, &[0; 7], false);
        case(Format::Zstd, &[0; 4], false);
        case(Format::Bzip2, &[0; 4], false);
        // An empty frame that is to be skipped.
        case(Format::Zstd, &[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0], true);
    }

    #[test]
    fn a_stream_that_asks_for_too_much_memory_is_refused_by_name() {
        // A frame header (RFC 8878, 3.1.1.1): no content size, window exponent 31.
        let zstd = [0x28, 0xb5, 0x2f, 0xfd, 0, (31 - 10) << 3, 1, 0, 0];
        let error = decode(None, &zstd, 64).expect_err("a window of 2 GiB");
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
        assert!(error.to_string().contains("128 MiB"), "{error}");

        // A small dictionary's stream, its size then put up to 1 GiB: encoding with one would take
        // gigabytes here.
        let mut options = LzmaOptions::new_preset(0).expect("preset 0 exists");
        options.dict_size(1 << 20);
        let mut filters = Filters::new();
        filters.lzma2(&options);
        let stream = Stream::new_stream_encoder(&filters, Check::Crc32).expect("valid filters");
        let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
        encoder
            .write_all(b"image")
            .expect("a vector takes everything");
        let mut xz = encoder.finish().expect("a vector takes everything");
        // Block header: size, flags, filter 0x21, one byte of properties, the dictionary's size
        // (.xz file format, 3.1 and 5.3.1), padding, CRC32.
        assert_eq!(xz[14..16], [0x21, 1]);
        xz[16] = 36; // 2 << (36 / 2 + 11) = 1 << 30
        let crc = crc32(&xz[12..20]);
        xz[20..24].copy_from_slice(&crc.to_le_bytes());
        let error = decode(None, &xz, 64).expect_err("a dictionary of 1 GiB");
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
        assert!(error.to_string().contains("256 MiB"), "{error}");
    }

    /// CRC32 as gzip and xz have it (RFC 1952, 8).
    fn crc32(bytes: &[u8]) -> u32 {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum()
    }

    #[test]
    fn a_format_reads_back_its_name() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        assert_eq!("zip".parse::<Format>(), Err(NotAFormat));
    }

    #[test]
    fn a_boot_sector_is_raw() {
        assert_eq!(Format::of(&[0xfa, 0xb8, 0, 0x10]), Format::Raw);
        assert_eq!(Format::of(b""), Format::Raw);
        assert_eq!(Format::of(b"BZh9 is how this text begins"), Format::Raw);
    }
}
