//! Commands on other machines, over SSH.
//!
//! A host connects when it is first used and keeps the connection for the run. Every connection has
//! keepalives, so a peer that has gone is noticed; the next use then connects anew. What a command
//! writes is always read, since one unread channel would stall all others of its connection. A link
//! that drops is `Lost` if a command may have started, `Unreachable` before; it is never an exit
//! status. The files of this folder are the only ones that name russh, whose interface changes
//! often.

mod auth;
mod exec;
mod key;
mod known_hosts;
mod link;
mod script;
mod settings;
mod stream;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

pub use self::key::create_key;
pub use self::link::KEEPALIVES;
use self::link::Link;
pub use self::settings::{HostKeyPolicy, SshKeys, SshTarget};
use super::command::{Command, OutputSink, Stop, Stream};
use super::fault::Fault;

/// Bounds the reading of a boot id, once the connection stands.
const PROBE_LIMIT: Duration = Duration::from_secs(10);
/// A boot id is 36 characters; a host that prints much more is not read further.
const PROBE_OUTPUT: usize = 4096;

/// The key by which a host shows who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostKey {
    /// As in `known_hosts`, without the host: `ssh-ed25519 AAAA...`.
    pub line: String,
    /// `SHA256:...`
    pub fingerprint: String,
}

/// What a fresh connection has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// `/proc/sys/kernel/random/boot_id` (random(4)): another one after each boot. `None` on a
    /// system without it.
    pub boot_id: Option<String>,
    /// The host's key.
    pub host_key: HostKey,
}

/// A machine reached over SSH.
pub struct SshHost {
    target: SshTarget,
    keys: Arc<SshKeys>,
    link: Mutex<Option<Arc<Link>>>,
}

impl SshHost {
    /// A host that connects when it is first used.
    pub fn new(target: SshTarget, keys: Arc<SshKeys>) -> SshHost {
        SshHost {
            target,
            keys,
            link: Mutex::new(None),
        }
    }

    /// Where it is.
    pub fn target(&self) -> &SshTarget {
        &self.target
    }

    /// Connects if there is no connection.
    ///
    /// # Errors
    /// `Unreachable`, `Auth`, `Io` (a host key can't be noted).
    pub async fn connect(&self) -> Result<(), Fault> {
        self.link().await.map(drop)
    }

    /// The host's key, as the connection in use has shown it; connects if there is none.
    ///
    /// # Errors
    /// As [`connect`](SshHost::connect).
    pub async fn host_key(&self) -> Result<HostKey, Fault> {
        let (link, _) = self.link().await?;
        self.key_of(&link)
    }

    /// Whether the host can be logged into now: connects anew, authenticates and reads the boot id.
    /// The new connection takes the place of the one in use.
    ///
    /// # Errors
    /// As [`connect`](SshHost::connect); `Lost` if the connection then drops.
    pub async fn probe(&self) -> Result<Probe, Fault> {
        let link = Arc::new(self.open().await?);
        let command = Command::argv(["cat", "/proc/sys/kernel/random/boot_id"]);
        let mut output = Bounded(Vec::new());
        let stop = Stop::new();
        let run = self.run_on(&link, command, &mut output, &stop);
        let ended = tokio::time::timeout(PROBE_LIMIT, run).await.map_err(|_| {
            Fault::lost(format!(
                "{} let us in, but ran no command within {PROBE_LIMIT:?}",
                self.target
            ))
        })??;
        let boot_id = String::from_utf8_lossy(&output.0).trim().to_owned();
        let is_there = ended == super::Ended::Status(0) && !boot_id.is_empty();
        let probe = Probe {
            boot_id: is_there.then_some(boot_id),
            host_key: self.key_of(&link)?,
        };
        let before = self.link.lock().await.replace(link);
        if let Some(before) = before {
            before.close().await;
        }
        Ok(probe)
    }

    /// Ends the connection in an orderly way. The next use connects anew.
    pub async fn close(&self) {
        let link = self.link.lock().await.take();
        if let Some(link) = link {
            link.close().await;
        }
    }

    /// Our own first identity as a line of `authorized_keys`: the first of the host's named keys,
    /// else of the engine's, that is there. `None` if there is none.
    ///
    /// # Errors
    /// `Io`: a named key can't be read.
    pub async fn public_key(&self) -> Result<Option<String>, Fault> {
        let named = self.target.identities.clone();
        let paths = named
            .clone()
            .unwrap_or_else(|| self.keys.identities.clone());
        spawn_blocking(move || {
            for path in paths {
                match key::public_line(&path) {
                    Ok(line) => return Ok(Some(line)),
                    Err(why) if named.is_some() || path.exists() => {
                        return Err(Fault::io(format!(
                            "the key {} can't be used: {why}",
                            path.display()
                        )));
                    }
                    Err(_) => {}
                }
            }
            Ok(None)
        })
        .await
        .map_err(|error| Fault::io(error.to_string()))?
    }

    /// Where [`create_key`] makes the engine's key: the first of the engine's identities.
    pub fn first_identity(&self) -> Option<PathBuf> {
        self.keys.identities.first().cloned()
    }

    fn key_of(&self, link: &Link) -> Result<HostKey, Fault> {
        link.host_key()
            .ok_or_else(|| Fault::lost(format!("{} has shown no host key", self.target)))
    }

    /// The connection, and whether it was there already.
    async fn link(&self) -> Result<(Arc<Link>, bool), Fault> {
        let mut slot = self.link.lock().await;
        if let Some(link) = &*slot
            && !link.is_closed()
        {
            return Ok((Arc::clone(link), true));
        }
        let new = Arc::new(self.open().await?);
        *slot = Some(Arc::clone(&new));
        Ok((new, false))
    }

    async fn open(&self) -> Result<Link, Fault> {
        let via = match &self.target.via {
            None => None,
            Some(via) => {
                let (link, _) = Box::pin(via.link()).await?;
                Some(link)
            }
        };
        Link::open(&self.target, &self.keys, via).await
    }

    /// Forgets a connection that has proved dead.
    async fn discard(&self, dead: &Arc<Link>) {
        let mut slot = self.link.lock().await;
        if slot.as_ref().is_some_and(|link| Arc::ptr_eq(link, dead)) {
            *slot = None;
        }
    }
}

/// Standard output, as far as it is wanted.
struct Bounded(Vec<u8>);

impl OutputSink for Bounded {
    fn output(&mut self, stream: Stream, bytes: &[u8]) {
        if stream == Stream::Stdout {
            let room = PROBE_OUTPUT.saturating_sub(self.0.len()).min(bytes.len());
            self.0
                .extend_from_slice(bytes.get(..room).unwrap_or_default());
        }
    }
}
