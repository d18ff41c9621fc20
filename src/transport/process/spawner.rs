//! The one thread that starts processes.
//!
//! Linux sends the parent-death signal of `prctl(2)` when the *thread* that forked ends, so children
//! are started from a thread that lives exactly as long as the run: should tf-engine be killed, each
//! child is killed with it. What the signal does not reach (the rest of a group, what left it, a
//! set-user-ID program) is the watcher's.

use std::collections::HashSet;
use std::io;
use std::os::unix::process::CommandExt;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use rustix::process::{
    Signal, getpid, getppid, set_child_subreaper, set_parent_process_death_signal,
};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::watcher::Watcher;

/// A program that somebody still has open for writing can't be executed (`ETXTBSY`). That passes
/// as soon as a fork in another thread has come to its exec, so it is tried again.
const BUSY_TRIES: u32 = 20;
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// The processes started by one run that have not been reaped. Held while a process is started and
/// while strays are looked for, so that a child that has just begun is not taken for a stray.
pub(super) type OwnChildren = Arc<Mutex<HashSet<u32>>>;

enum Request {
    Start {
        command: Box<Command>,
        runtime: Handle,
        answer: oneshot::Sender<io::Result<Child>>,
    },
    /// The group of this leader has ended.
    Ended(u32),
}

/// A handle on the thread. The thread ends when the handle is dropped.
pub(super) struct Spawner {
    requests: mpsc::Sender<Request>,
}

impl Spawner {
    /// Starts the thread, and the watcher with it.
    pub(super) fn new(marker_prefix: String, own: OwnChildren) -> io::Result<Spawner> {
        // Orphans come to us, not to init. Old kernels can't; then only groups are ended.
        let _ = set_child_subreaper(Some(getpid()));
        let (requests, inbox) = mpsc::channel();
        thread::Builder::new()
            .name("spawner".to_owned())
            .spawn(move || serve(&inbox, &marker_prefix, &own))?;
        Ok(Spawner { requests })
    }

    /// Starts a process in a group of its own.
    pub(super) async fn start(&self, mut command: Command) -> io::Result<Child> {
        command.process_group(0);
        die_with_parent(command.as_std_mut());
        let (answer, started) = oneshot::channel();
        let request = Request::Start {
            command: Box::new(command),
            runtime: Handle::current(),
            answer,
        };
        let gone = || io::Error::other("the thread that starts processes has ended");
        self.requests.send(request).map_err(|_| gone())?;
        started.await.map_err(|_| gone())?
    }

    /// Says that nothing of this group is left.
    pub(super) fn ended(&self, leader: u32) {
        let _ = self.requests.send(Request::Ended(leader));
    }
}

fn serve(inbox: &mpsc::Receiver<Request>, marker_prefix: &str, own: &OwnChildren) {
    let mut watcher = None;
    for request in inbox {
        match request {
            Request::Start {
                mut command,
                runtime,
                answer,
            } => {
                let _runtime = runtime.enter();
                let started = start(&mut command, &mut watcher, marker_prefix, own);
                if let Err(Ok(mut unwanted)) = answer.send(started) {
                    // The caller has gone since; its guard never knew of this child.
                    let _ = unwanted.start_kill();
                }
            }
            Request::Ended(leader) => {
                lock(own).remove(&leader);
                if let Some(watcher) = &mut watcher {
                    watcher.forget(leader);
                }
            }
        }
    }
}

fn start(
    command: &mut Command,
    watcher: &mut Option<Watcher>,
    marker_prefix: &str,
    own: &OwnChildren,
) -> io::Result<Child> {
    let mut own = lock(own);
    let watcher = match watcher {
        Some(watcher) => watcher,
        None => {
            let new = Watcher::start(marker_prefix)?;
            own.insert(new.pid());
            watcher.insert(new)
        }
    };
    let mut tries = 0;
    let child = loop {
        match command.spawn() {
            Err(error)
                if error.kind() == io::ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES =>
            {
                tries += 1;
                thread::sleep(BUSY_PAUSE);
            }
            started => break started?,
        }
    };
    if let Some(pid) = child.id() {
        own.insert(pid);
        watcher.remember(pid);
    }
    Ok(child)
}

pub(super) fn lock(own: &Mutex<HashSet<u32>>) -> std::sync::MutexGuard<'_, HashSet<u32>> {
    own.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has the child killed when its parent dies.
#[expect(
    unsafe_code,
    reason = "the parent-death signal can be set by the child alone, between fork and exec"
)]
fn die_with_parent(command: &mut std::process::Command) {
    let parent = getpid();
    let set = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have died before the signal was set.
        if getppid() != Some(parent) {
            return Err(io::Error::other("tf-engine has ended"));
        }
        Ok(())
    };
    // SAFETY: `set` makes two system calls; `io::Error::other` allocates only where the parent is
    // dead and the child about to exit. Nothing else of the parent's state is touched.
    unsafe {
        command.pre_exec(set);
    }
}
