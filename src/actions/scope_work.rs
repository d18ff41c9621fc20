//! Work that an enter step begins and that lives as long as its scope.

use std::sync::{Arc, Mutex};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A task that goes on after its step has ended well.
#[derive(Debug)]
pub struct Held {
    /// Ends it in an orderly way.
    pub close: CancellationToken,
    /// The task; ends soon after `close` fires.
    pub task: JoinHandle<()>,
}

/// Where a step leaves such a task; the engine takes it when the step has ended, and closes it after
/// the last exit step of the scope.
#[derive(Clone, Debug, Default)]
pub struct ScopeWork(Arc<Mutex<Option<Held>>>);

impl ScopeWork {
    /// Leaves a task.
    pub fn hold(&self, held: Held) {
        *self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(held);
    }

    /// Takes what was left.
    pub fn take(&self) -> Option<Held> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take()
    }
}
