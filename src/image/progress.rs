//! How far a copy is, for whoever wants to show it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// What a copy is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Fetching, decoding and writing.
    Writing,
    /// Waiting for the place to say that the bytes are on the medium.
    Syncing,
    /// Reading back.
    Verifying,
}

/// Counters of one copy. Each can be read at any time, from any thread, at no cost.
#[derive(Debug, Default)]
pub struct Progress {
    length: OnceLock<u64>,
    fetched: AtomicU64,
    written: AtomicU64,
    verified: AtomicU64,
    phase: AtomicU8,
}

impl Progress {
    /// Length of the image as stored, in bytes, where the source knows it.
    pub fn length(&self) -> Option<u64> {
        self.length.get().copied()
    }

    /// Bytes of the image as stored that have been read.
    pub fn fetched(&self) -> u64 {
        self.fetched.load(Ordering::Relaxed)
    }

    /// Decoded bytes that the sink has taken.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Bytes that have been read back.
    pub fn verified(&self) -> u64 {
        self.verified.load(Ordering::Relaxed)
    }

    /// What is being done.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Writing,
            1 => Phase::Syncing,
            _ => Phase::Verifying,
        }
    }

    pub(super) fn set_length(&self, length: Option<u64>) {
        if let Some(length) = length {
            // The first copy's length stays: a `Progress` belongs to one copy.
            let _ = self.length.set(length);
        }
    }

    pub(super) fn set_phase(&self, phase: Phase) {
        let number = match phase {
            Phase::Writing => 0,
            Phase::Syncing => 1,
            Phase::Verifying => 2,
        };
        self.phase.store(number, Ordering::Relaxed);
    }

    pub(super) fn add_fetched(&self, bytes: usize) {
        self.fetched.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn add_written(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn add_verified(&self, bytes: usize) {
        self.verified.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}
