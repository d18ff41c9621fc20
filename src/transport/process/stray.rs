//! Processes that outlive the command that started them.
//!
//! tf-engine is a child subreaper (`prctl(2)`): a process that lost its parent becomes our child,
//! whether it kept the command's group or left it by `setsid` or a double fork. Which command it
//! belongs to is read from its environment, where each command puts a marker of its own.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::sync::Mutex;
use std::time::Duration;

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, kill_process_group, test_kill_process_group,
    waitpid,
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::spawner::lock;

/// How long strays have between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_millis(500);
/// How long strays may take to go once they have been sent SIGKILL, as they do at once unless they
/// hang in the kernel.
const PATIENCE: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(5);
/// A process may end while it is looked at, and what it had started then comes to us after the look.
/// So there must be nothing in two looks in a row.
const CLEAR_LOOKS: u32 = 2;

/// What one look has found.
#[derive(Default)]
struct Found {
    living: Vec<Pid>,
    /// Whether one had ended, and was reaped.
    reaped: bool,
}

/// Whose processes a search is after.
pub(super) struct Search<'a> {
    /// The group of the command, whose leader has been reaped.
    pub(super) group: Pid,
    /// `NAME=VALUE` of the command's marker.
    pub(super) marker: &'a str,
    /// The run's own children that have not ended.
    pub(super) own: &'a Mutex<HashSet<u32>>,
    /// Whether a child of ours without a marker is a stray as well: `env -i` takes the marker away.
    pub(super) claim_unmarked: bool,
}

impl Search<'_> {
    /// Ends what the command left: SIGTERM, then SIGKILL after a grace, or at once when `kill`
    /// fires.
    pub(super) async fn end_all(&self, kill: &CancellationToken) {
        let begun = Instant::now();
        let mut asked = HashSet::new();
        let mut clear = 0;
        loop {
            let Found { living, reaped } = self.find();
            if living.is_empty() && !reaped && test_kill_process_group(self.group).is_err() {
                clear += 1;
                if clear == CLEAR_LOOKS {
                    return;
                }
                continue;
            }
            clear = 0;
            let elapsed = begun.elapsed();
            if elapsed >= GRACE + PATIENCE {
                return;
            }
            if kill.is_cancelled() || elapsed >= GRACE {
                let _ = kill_process_group(self.group, Signal::KILL);
                for &pid in &living {
                    let _ = kill_process(pid, Signal::KILL);
                }
            } else {
                if asked.is_empty() {
                    let _ = kill_process_group(self.group, Signal::TERM);
                }
                asked.insert(self.group);
                for &pid in &living {
                    if asked.insert(pid) && !self.in_group(pid) {
                        let _ = kill_process(pid, Signal::TERM);
                    }
                }
            }
            sleep(POLL).await;
        }
    }

    fn find(&self) -> Found {
        let own = lock(self.own);
        let mut found = Found::default();
        for pid in children_of_this_process() {
            let spared = u32::try_from(pid.as_raw_pid()).is_ok_and(|pid| own.contains(&pid));
            if spared || !self.is_stray(pid) {
                continue;
            }
            if matches!(waitpid(Some(pid), WaitOptions::NOHANG), Ok(Some(_))) {
                found.reaped = true;
            } else {
                found.living.push(pid);
            }
        }
        found
    }

    fn is_stray(&self, pid: Pid) -> bool {
        self.claim_unmarked || self.in_group(pid) || has_marker(pid, self.marker)
    }

    fn in_group(&self, pid: Pid) -> bool {
        rustix::process::getpgid(Some(pid)) == Ok(self.group)
    }
}

fn has_marker(pid: Pid, marker: &str) -> bool {
    let Ok(environ) = fs::read(format!("/proc/{}/environ", pid.as_raw_pid())) else {
        return false;
    };
    environ
        .split(|byte| *byte == 0)
        .any(|variable| variable == marker.as_bytes())
}

/// How often the kernel's list is read before it is given up for the slower way.
const LIST_TRIES: u32 = 10;

pub(super) fn children_of_this_process() -> Vec<Pid> {
    // While a sibling is reaped the list may skip an entry, and the children of a thread that ends
    // go to another one, so only what has been read twice counts.
    let mut before = None;
    for _ in 0..LIST_TRIES {
        let Ok(listed) = listed_children() else { break };
        if before.as_ref() == Some(&listed) {
            return listed
                .into_iter()
                .flat_map(|(_, children)| children)
                .collect();
        }
        before = Some(listed);
    }
    scanned_children()
}

/// The children of each thread, from `/proc/self/task/TID/children` (proc_tid_children(5)), where
/// the kernel has it.
fn listed_children() -> io::Result<Vec<(OsString, Vec<Pid>)>> {
    let mut threads = Vec::new();
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?;
        let children = match fs::read_to_string(task.path().join("children")) {
            Ok(list) => list
                .split_ascii_whitespace()
                .filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
                .collect(),
            // A thread that has ended since.
            Err(_) if fs::exists("/proc/thread-self/children").unwrap_or(false) => Vec::new(),
            Err(error) => return Err(error),
        };
        threads.push((task.file_name(), children));
    }
    Ok(threads)
}

/// From the parents of all processes (proc_pid_stat(5)).
fn scanned_children() -> Vec<Pid> {
    let us = getpid().as_raw_pid().to_string();
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
            let stat = fs::read(entry.path().join("stat")).ok()?;
            // The name in brackets may hold anything; state and parent come after it.
            let stat = String::from_utf8_lossy(&stat);
            let (_, rest) = stat.rsplit_once(") ")?;
            (rest.split(' ').nth(1)? == us).then_some(pid)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_finding_children_agree() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = Pid::from_child(&child);
        assert!(scanned_children().contains(&pid));
        assert!(children_of_this_process().contains(&pid));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
