//! From the parser's characters to bytes.

/// Bytes by characters: the parser counts characters.
pub(super) struct Offsets {
    /// Empty for ASCII, where both are the same.
    bytes: Vec<u32>,
    length: usize,
}

impl Offsets {
    pub(super) fn new(text: &str) -> Self {
        let bytes = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices()
                .map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX))
                .collect()
        };
        Self {
            bytes,
            length: text.len(),
        }
    }

    pub(super) fn byte(&self, index: usize) -> usize {
        if self.bytes.is_empty() {
            index.min(self.length)
        } else {
            self.bytes
                .get(index)
                .map_or(self.length, |byte| *byte as usize)
        }
    }
}
