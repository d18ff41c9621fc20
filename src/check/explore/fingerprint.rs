//! 128 bits that stand for a situation.
//!
//! Two lanes of folded multiplication, as in wyhash (Wang Yi, public domain; the constants are its
//! default secret). With a million situations the chance that two share a fingerprint is about
//! 10^12 / 2^129, far below that of a memory error.

use std::hash::Hasher;

const SECRET: [u64; 4] = [
    0xa076_1d64_78bd_642f,
    0xe703_7ed1_a0b4_28db,
    0x8ebc_6af0_9c88_c6e3,
    0x5899_65cc_7537_4cc3,
];

/// A hasher with a 128-bit result.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fingerprint([u64; 2]);

impl Default for Fingerprint {
    fn default() -> Self {
        Self([SECRET[0], SECRET[1]])
    }
}

impl Fingerprint {
    pub(super) fn value(&self) -> u128 {
        let [a, b] = self.0;
        let high = folded(a ^ SECRET[2], b ^ SECRET[3]);
        let low = folded(a ^ SECRET[3], b ^ SECRET[0]);
        u128::from(high) << 64 | u128::from(low)
    }

    fn feed(&mut self, word: u64) {
        let [a, b] = self.0;
        self.0 = [
            folded(a ^ word, SECRET[1]),
            folded(b.rotate_left(23) ^ word, SECRET[2]) ^ a,
        ];
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves are wanted")]
fn folded(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

impl Hasher for Fingerprint {
    fn finish(&self) -> u64 {
        self.0[0]
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            self.feed(u64::from_le_bytes(word));
        }
        self.feed(bytes.len() as u64);
    }

    fn write_u8(&mut self, n: u8) {
        self.feed(u64::from(n));
    }

    fn write_u16(&mut self, n: u16) {
        self.feed(u64::from(n));
    }

    fn write_u32(&mut self, n: u32) {
        self.feed(u64::from(n));
    }

    fn write_u64(&mut self, n: u64) {
        self.feed(n);
    }

    fn write_usize(&mut self, n: usize) {
        self.feed(n as u64);
    }
}
