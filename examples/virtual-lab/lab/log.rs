//! What the lab's parts see.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines, in order; printed as they come if so wanted.
pub(crate) struct Log {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
    echo: bool,
}

impl Log {
    pub(crate) fn new(echo: bool) -> Log {
        Log {
            lines: Mutex::default(),
            grown: Condvar::new(),
            echo,
        }
    }

    pub(crate) fn say(&self, line: impl Into<String>) {
        let line = line.into();
        if self.echo {
            eprintln!("[lab] {line}");
        }
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(line);
        self.grown.notify_all();
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.clone()
    }

    /// Whether `line` has come `times` times before `patience` is over.
    pub(crate) fn wait_for(&self, line: &str, times: usize, patience: Duration) -> bool {
        let begun = Instant::now();
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        while lines.iter().filter(|said| *said == line).count() < times {
            let left = patience.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return false;
            }
            let woken = self.grown.wait_timeout(lines, left);
            lines = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}
