//! The process groups that the lab's hosts run, so that none outlives the lab.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

/// Groups that were started and not yet reaped.
#[derive(Default)]
pub(crate) struct Processes {
    groups: Mutex<BTreeSet<i32>>,
}

impl Processes {
    pub(crate) fn began(&self, group: i32) {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.insert(group);
    }

    pub(crate) fn ended(&self, group: i32) {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.remove(&group);
    }

    pub(crate) fn count(&self) -> usize {
        let groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.len()
    }

    /// Sends a signal to one group; one that has ended is no error.
    pub(crate) fn signal(group: i32, signal: Signal) {
        if let Some(pid) = Pid::from_raw(group) {
            let _ = kill_process_group(pid, signal);
        }
    }

    pub(crate) fn kill_all(&self) {
        let groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        for &group in groups.iter() {
            Processes::signal(group, Signal::KILL);
        }
    }
}
