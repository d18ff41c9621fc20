//! `flash`, `download` and `copy` against the real thing: HTTP, sshd, loop devices, and hosts that
//! have little.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so when it fails"
)]

#[path = "support/bench.rs"]
mod bench;
#[path = "support/file_server.rs"]
mod file_server;
#[path = "support/image.rs"]
mod image;
#[path = "support/sshd.rs"]
mod sshd;

#[path = "flash/copy.rs"]
mod copy;
#[path = "flash/download.rs"]
mod download;
#[path = "flash/here.rs"]
mod here;
#[path = "flash/over_ssh.rs"]
mod over_ssh;

use std::fs;
use std::io::Write;

use image::Card;
use tempfile::TempDir;
use tf_engine::image::Sha256;

const MIB: usize = 1 << 20;

/// Bytes that don't compress well, and differ from block to block.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A blank card of so many MiB, and the folder of its file.
fn card(mib: u64) -> (Card, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (Card::blank(dir.path(), mib), dir)
}

/// Whether a card begins with these bytes.
#[track_caller]
fn holds(card: &Card, bytes: &[u8]) -> bool {
    fs::read(card.node()).unwrap().starts_with(bytes)
}

fn hex(bytes: &[u8]) -> String {
    Sha256::of(bytes).to_string()
}
