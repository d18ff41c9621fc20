//! Output that passes through as it comes, to whoever reads standard output.
//!
//! Nothing waits for the end of its line. What may be the beginning of a secret is held back until
//! more comes or the command ends, and so is a character that is not whole. Both streams go one way,
//! and each is decoded by itself.

use std::collections::VecDeque;
use std::mem;

use crate::recipe::secret::MaskStream;
use crate::transport::Stream;

/// The longest piece that is handed on. So many of them may wait for a slow reader that this bounds
/// memory.
const PIECE: usize = 16 * 1024;

/// Text of both streams on its way.
#[derive(Debug)]
pub(super) struct Through {
    stdout: Decoder,
    stderr: Decoder,
    waiting: VecDeque<String>,
}

#[derive(Debug)]
struct Decoder {
    mask: MaskStream,
    /// The beginning of a character.
    begun: Vec<u8>,
}

impl Through {
    /// Nothing yet; `mask` makes what finds the secrets of one stream.
    pub(super) fn new(mask: impl Fn() -> MaskStream) -> Self {
        let decoder = || Decoder {
            mask: mask(),
            begun: Vec::new(),
        };
        Self {
            stdout: decoder(),
            stderr: decoder(),
            waiting: VecDeque::new(),
        }
    }

    /// Takes what a stream gave.
    pub(super) fn push(&mut self, stream: Stream, bytes: &[u8]) {
        for bytes in bytes.chunks(PIECE) {
            let decoder = match stream {
                Stream::Stdout => &mut self.stdout,
                Stream::Stderr => &mut self.stderr,
            };
            let masked = decoder.mask.push(bytes);
            let text = decoder.decode(&masked);
            self.queue(text);
        }
    }

    /// No more will come.
    pub(super) fn finish(&mut self) {
        for decoder in [&mut self.stdout, &mut self.stderr] {
            let masked = decoder.mask.finish();
            let mut text = decoder.decode(&masked);
            if !mem::take(&mut decoder.begun).is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
            if !text.is_empty() {
                self.waiting.push_back(text);
            }
        }
    }

    /// The next piece to show.
    pub(super) fn next(&mut self) -> Option<String> {
        self.waiting.pop_front()
    }

    fn queue(&mut self, text: String) {
        match self.waiting.back_mut() {
            Some(last) if last.len() + text.len() <= PIECE => last.push_str(&text),
            _ if text.is_empty() => {}
            _ => self.waiting.push_back(text),
        }
    }
}

impl Decoder {
    /// Text of these bytes; bytes that are none are replaced.
    fn decode(&mut self, bytes: &[u8]) -> String {
        let mut all = mem::take(&mut self.begun);
        all.extend_from_slice(bytes);
        let mut text = String::with_capacity(all.len());
        let mut chunks = all.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            let invalid = chunk.invalid();
            if chunks.peek().is_none() && unfinished(invalid) {
                self.begun = invalid.to_vec();
            } else if !invalid.is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        text
    }
}

/// Whether these bytes, which are no text, may become a character with more.
fn unfinished(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::{PIECE, Through};
    use crate::recipe::secret::Masker;
    use crate::transport::Stream;

    fn through() -> Through {
        let masker = Masker::new();
        masker.add("hunter2hunter2");
        let masker = Arc::new(masker);
        Through::new(|| masker.stream())
    }

    fn taken(through: &mut Through) -> String {
        std::iter::from_fn(|| through.next()).collect()
    }

    #[test]
    fn what_has_no_end_yet_is_told_at_once() {
        let mut through = through();
        through.push(Stream::Stdout, b"login: ");
        assert_eq!(taken(&mut through), "login: ");
        through.push(Stream::Stderr, b"50 %\r");
        assert_eq!(taken(&mut through), "50 %\r");
    }

    #[test]
    fn secrets_and_characters_are_whole_across_pieces() {
        let mut through = through();
        through.push(Stream::Stdout, b"pw hunter2");
        assert_eq!(taken(&mut through), "pw ");
        through.push(Stream::Stdout, b"hunter2 \xc3");
        assert_eq!(taken(&mut through), "••• ");
        through.push(Stream::Stderr, b"x");
        through.push(Stream::Stdout, b"\xa9 \xff.");
        assert_eq!(taken(&mut through), "xé \u{fffd}.");
        through.push(Stream::Stdout, b"hunt\xe2\x82");
        through.finish();
        assert_eq!(taken(&mut through), "hunt\u{fffd}");
    }

    #[test]
    fn pieces_are_of_bounded_length() {
        let mut through = through();
        through.push(Stream::Stdout, &vec![b'x'; 10 * PIECE + 1]);
        let pieces: Vec<String> = std::iter::from_fn(|| through.next()).collect();
        assert_eq!(
            pieces.iter().map(String::len).sum::<usize>(),
            10 * PIECE + 1
        );
        assert!(pieces.iter().all(|piece| piece.len() <= PIECE));
    }

    proptest! {
        #[test]
        fn however_the_bytes_come_the_text_is_the_same(
            bytes in proptest::collection::vec(any::<u8>(), 0..60),
            cut in 1usize..7,
        ) {
            let mut through = through();
            for piece in bytes.chunks(cut) {
                through.push(Stream::Stdout, piece);
            }
            through.finish();
            prop_assert_eq!(taken(&mut through), String::from_utf8_lossy(&bytes));
        }
    }
}
