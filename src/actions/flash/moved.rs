//! What moves while an image is written: what progress is made of.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use crate::actions::note::{Note, Notes, Progress};
use crate::image::{self, Phase};

/// How often it is told.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// Counters of one flash.
#[derive(Clone, Debug, Default)]
pub(super) struct Moved(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    copy: Arc<image::Progress>,
    /// Bytes that another host has sent back.
    read_back: AtomicU64,
    /// What a device's own counters were, and how often they changed.
    device: Mutex<(Vec<u8>, u64)>,
}

impl Moved {
    /// The counters of the copy.
    pub(super) fn copy(&self) -> &Arc<image::Progress> {
        &self.0.copy
    }

    /// So many bytes were sent back.
    pub(super) fn read_back(&self, bytes: u64) {
        self.0.read_back.fetch_add(bytes, Ordering::Relaxed);
    }

    /// What the counters of the device are now.
    pub(super) fn device(&self, counters: &[u8]) {
        let mut device = self.0.device.lock().unwrap_or_else(PoisonError::into_inner);
        if device.0 != counters {
            *device = (counters.to_vec(), device.1 + 1);
        }
    }

    /// All the counters; they are the same as long as nothing moves.
    pub(super) fn counters(&self) -> [u64; 5] {
        let copy = &self.0.copy;
        let read_back = self.0.read_back.load(Ordering::Relaxed);
        let device = self.0.device.lock();
        let changes = device.unwrap_or_else(PoisonError::into_inner).1;
        [
            copy.fetched(),
            copy.written(),
            copy.verified(),
            read_back,
            changes,
        ]
    }

    fn progress(&self) -> Progress {
        let copy = &self.0.copy;
        let verified = copy.verified() + self.0.read_back.load(Ordering::Relaxed);
        if verified == 0 && copy.phase() != Phase::Verifying {
            return Progress {
                done: copy.fetched(),
                total: copy.length(),
            };
        }
        Progress {
            done: verified,
            total: Some(copy.written()),
        }
    }

    /// Tells how far it is for as long as it is polled, and says nothing while nothing moves.
    pub(super) async fn tell(&self, notes: &Notes) -> Infallible {
        let mut before = [0; 5];
        loop {
            sleep(TELL_EVERY).await;
            let now = self.counters();
            if now != before {
                notes.offer(Note::Progress(self.progress()));
                before = now;
            }
        }
    }
}
