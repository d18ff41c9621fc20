//! SIGINT and SIGTERM, as the run sees them.
//!
//! Shells and agents often signal a process and its group both: what comes within [`MERGED`] of a
//! signal is the same wish, and is dropped.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::machine::Signal;

/// Signals nearer than this to one another are one: shells and agents often signal a process and its
/// group both.
pub const MERGED: Duration = Duration::from_millis(250);

/// How many signals may wait to be seen; a run asks for no more than two.
const WAITING: usize = 4;

/// Where a run's signals come from.
#[derive(Debug)]
pub struct Signals(mpsc::Receiver<Signal>);

impl Signals {
    /// The signals of this process, from now on. Their default action (to end the process at once,
    /// with scopes open) is gone for good.
    ///
    /// # Errors
    /// The system refuses a handler.
    pub fn of_the_process() -> io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (sender, raw) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            loop {
                let signal = tokio::select! {
                    Some(()) = interrupt.recv() => Signal::Int,
                    Some(()) = terminate.recv() => Signal::Term,
                    () = sender.closed() => return,
                };
                // Full means that more have come than anybody looks at.
                let _ = sender.try_send(signal);
            }
        });
        Ok(Self::merged(raw))
    }

    /// Signals that somebody sends by hand, merged as those of a process are.
    pub fn merged(mut raw: mpsc::Receiver<Signal>) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            let mut merge = Merge::default();
            while let Some(signal) = raw.recv().await {
                if merge.admits(Instant::now()) {
                    let _ = sender.try_send(signal);
                }
            }
        });
        Self(receiver)
    }

    /// No signals at all.
    pub fn none() -> Self {
        Self(mpsc::channel(1).1)
    }

    /// The next one; `None` once none can come any more.
    pub async fn next(&mut self) -> Option<Signal> {
        self.0.recv().await
    }

    /// One that has come already.
    pub fn waiting(&mut self) -> Option<Signal> {
        self.0.try_recv().ok()
    }

    /// Whether one has come already and was not taken.
    pub fn is_waiting(&self) -> bool {
        !self.0.is_empty()
    }
}

/// Which signals are wishes of their own.
#[derive(Debug, Default)]
struct Merge {
    last: Option<Instant>,
}

impl Merge {
    fn admits(&mut self, now: Instant) -> bool {
        let apart = self
            .last
            .is_none_or(|last| now.saturating_duration_since(last) >= MERGED);
        if apart {
            self.last = Some(now);
        }
        apart
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_within_a_quarter_of_a_second_are_one() {
        let first = Instant::now();
        let mut merge = Merge::default();
        let admitted: Vec<u64> = [0, 100, 249, 250, 400, 501]
            .into_iter()
            .filter(|after| merge.admits(first + Duration::from_millis(*after)))
            .collect();
        assert_eq!(admitted, [0, 250, 501]);
    }

    #[tokio::test]
    async fn the_first_of_two_at_once_is_seen() {
        let (sender, raw) = mpsc::channel(WAITING);
        let mut signals = Signals::merged(raw);
        for signal in [Signal::Term, Signal::Int] {
            sender.send(signal).await.expect("the other end is there");
        }
        drop(sender);
        assert_eq!(signals.next().await, Some(Signal::Term));
        assert_eq!(signals.next().await, None);
    }

    #[tokio::test]
    async fn without_signals_none_comes() {
        let mut signals = Signals::none();
        assert!(!signals.is_waiting());
        assert_eq!(signals.next().await, None);
    }
}
