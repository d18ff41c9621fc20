//! Local commands.
//!
//! Each command is the leader of a process group of its own and runs in the run directory. Its
//! output is always drained. It is over when the leader has been reaped *and* what it left behind
//! has been ended: the rest of its group, and what left the group (`setsid`, a double fork). That
//! goes for what a command started in the background on purpose, too. Should tf-engine be killed,
//! nothing of a run lives on: see `spawner` and `watcher`.

mod run;
mod spawner;
mod stray;
mod watcher;

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use self::spawner::{OwnChildren, Spawner};
use super::fault::Fault;

/// The environment variable by which a process is known to belong to a command.
const MARKER: &str = "TF_ENGINE_COMMAND";

/// This machine as a place where one run's commands run. Dropped, it kills what still runs.
pub struct Local {
    run_dir: PathBuf,
    claim_unmarked: bool,
    /// Of this run; a command's marker is this, a dot and a number.
    marker: String,
    commands: AtomicU64,
    own: OwnChildren,
    spawner: Mutex<Option<Arc<Spawner>>>,
}

impl Local {
    /// Commands run in `run_dir`. What left a command's group is known by the marker in its
    /// environment alone, so other code in this process may have children of its own.
    pub fn new(run_dir: impl Into<PathBuf>) -> Local {
        Local::with(run_dir.into(), false)
    }

    /// The same for a process whose every child from now on is this run's: once a command ends, all
    /// children of the process that this run doesn't know are ended too, marker or no marker.
    pub fn sole(run_dir: impl Into<PathBuf>) -> Local {
        let local = Local::with(run_dir.into(), true);
        // A script that replaced itself with tf-engine may have left children of its own.
        let inherited = stray::children_of_this_process();
        spawner::lock(&local.own).extend(
            inherited
                .iter()
                .filter_map(|pid| u32::try_from(pid.as_raw_pid()).ok()),
        );
        local
    }

    fn with(run_dir: PathBuf, claim_unmarked: bool) -> Local {
        Local {
            run_dir,
            claim_unmarked,
            marker: format!("{:016x}", RandomState::new().hash_one(std::process::id())),
            commands: AtomicU64::new(0),
            own: Arc::new(Mutex::new(HashSet::new())),
            spawner: Mutex::new(None),
        }
    }

    /// Where commands run.
    pub fn run_dir(&self) -> &Path {
        &self.run_dir
    }

    fn spawner(&self) -> Result<Arc<Spawner>, Fault> {
        let mut slot = self.spawner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(spawner) = &*slot {
            return Ok(Arc::clone(spawner));
        }
        let prefix = format!("{MARKER}={}.", self.marker);
        let new = Spawner::new(prefix, Arc::clone(&self.own)).map_err(|error| {
            Fault::io(format!(
                "no thread to start commands from could be had: {error}"
            ))
        })?;
        Ok(Arc::clone(slot.insert(Arc::new(new))))
    }

    fn next_marker(&self) -> String {
        let number = self.commands.fetch_add(1, Ordering::Relaxed);
        format!("{}.{number}", self.marker)
    }
}

/// Has the child lead a session of its own, out of reach of the terminal's signals.
#[expect(
    unsafe_code,
    reason = "a session can be begun by the child alone, between fork and exec"
)]
fn new_session(command: &mut std::process::Command) {
    // SAFETY: one system call, which is all that the closure does.
    unsafe {
        command.pre_exec(|| rustix::process::setsid().map(drop).map_err(Into::into));
    }
}
