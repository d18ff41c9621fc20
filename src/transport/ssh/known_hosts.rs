//! Which host keys are known, and noting new ones.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use russh::keys::known_hosts::known_host_keys_path;
use russh::keys::{Algorithm, HashAlg, PublicKey};

use super::settings::{HostKeyPolicy, SshKeys};
use crate::transport::fault::Fault;

/// How long another run may hold the file of noted keys. It is held for one short write.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
const LOCK_POLL: Duration = Duration::from_millis(10);

/// What is on record about one host.
pub(super) struct Record {
    host: String,
    port: u16,
    policy: HostKeyPolicy,
    learned: Option<PathBuf>,
    known: Vec<Known>,
}

struct Known {
    key: PublicKey,
    file: PathBuf,
    line: usize,
}

/// What to do about a key that a host has shown.
#[derive(Debug)]
pub(super) enum Judgement {
    Accepted,
    /// Accepted if it can be noted.
    New,
}

impl Record {
    /// Reads the files. Blocks.
    pub(super) fn read(
        host: &str,
        port: u16,
        policy: HostKeyPolicy,
        keys: &SshKeys,
    ) -> Result<Record, Fault> {
        let mut known = Vec::new();
        if policy != HostKeyPolicy::Any {
            for file in keys.known_hosts.iter().chain(&keys.learned_hosts) {
                known.extend(read_file(host, port, file)?);
            }
        }
        Ok(Record {
            host: host.to_owned(),
            port,
            policy,
            learned: keys.learned_hosts.clone(),
            known,
        })
    }

    /// Puts the algorithms of known keys first, so that a host with several keys shows one that can
    /// be compared.
    pub(super) fn order(&self, algorithms: &mut [Algorithm]) {
        let known = |algorithm: &Algorithm| {
            self.known.iter().any(|known| {
                known.key.algorithm() == *algorithm
                    || (known.key.algorithm().is_rsa() && algorithm.clone().is_rsa())
            })
        };
        algorithms.sort_by_key(|algorithm| !known(algorithm));
    }

    /// A key that differs from a known one is refused whatever its algorithm: a host that is known
    /// by one key proves nothing with another.
    pub(super) fn judge(&self, name: &str, shown: &PublicKey) -> Result<Judgement, Fault> {
        if self.policy == HostKeyPolicy::Any
            || self
                .known
                .iter()
                .any(|known| known.key.key_data() == shown.key_data())
        {
            return Ok(Judgement::Accepted);
        }
        let at = &self.host;
        let port = self.port;
        if let Some(known) = self.known.first() {
            return Err(Fault::auth(format!(
                "the host key of {name} at {at}:{port} has changed: known is {} {} ({}:{}), shown \
                 was {} {}; if the host was reinstalled, remove the line",
                known.key.algorithm(),
                fingerprint(&known.key),
                known.file.display(),
                known.line,
                shown.algorithm(),
                fingerprint(shown),
            )));
        }
        match self.policy {
            HostKeyPolicy::AcceptNew => Ok(Judgement::New),
            HostKeyPolicy::Known | HostKeyPolicy::Any => Err(Fault::auth(format!(
                "the host key of {name} at {at}:{port} is not known, and `host_key: known` demands \
                 it: shown was {} {}",
                shown.algorithm(),
                fingerprint(shown),
            ))),
        }
    }

    /// Notes a new key; another run may have noted one in the meantime, which then counts. Blocks.
    pub(super) fn learn(&mut self, name: &str, shown: &PublicKey) -> Result<(), Fault> {
        let Some(path) = self.learned.clone() else {
            return Err(Fault::io(format!(
                "the host key of {name} can't be noted: neither $XDG_STATE_HOME nor $HOME is set \
                 (`host_key: any` does without)"
            )));
        };
        let failed = |error: &dyn std::fmt::Display| {
            Fault::io(format!(
                "the host key of {name} can't be noted in {}: {error} (`host_key: any` does without)",
                path.display()
            ))
        };
        let mut file = open_locked(&path).map_err(|error| failed(&error))?;
        self.known.extend(read_file(&self.host, self.port, &path)?);
        match self.judge(name, shown)? {
            Judgement::Accepted => Ok(()),
            Judgement::New => {
                let key = shown.to_openssh().map_err(|error| failed(&error))?;
                let line = format!("{} {key}\n", marked_host(&self.host, self.port));
                append_line(&mut file, &line).map_err(|error| failed(&error))
            }
        }
    }
}

/// `SHA256:...`, as ssh-keygen prints it.
pub(super) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

fn read_file(host: &str, port: u16, path: &Path) -> Result<Vec<Known>, Fault> {
    let keys = known_host_keys_path(host, port, path).map_err(|error| {
        Fault::io(format!(
            "the known hosts in {} can't be read: {error}",
            path.display()
        ))
    })?;
    Ok(keys
        .into_iter()
        .map(|(line, key)| Known {
            key,
            file: path.to_owned(),
            line,
        })
        .collect())
}

/// How sshd(8) writes a host in known_hosts.
fn marked_host(host: &str, port: u16) -> String {
    if port == 22 {
        host.to_owned()
    } else {
        format!("[{host}]:{port}")
    }
}

fn open_locked(path: &Path) -> io::Result<File> {
    if let Some(dir) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let file = fs::OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_PATIENCE => {
                thread::sleep(LOCK_POLL);
            }
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::other(format!(
                    "another process has held its lock for {LOCK_PATIENCE:?}"
                )));
            }
        }
    }
}

/// One write, so that a reader never sees half a line.
fn append_line(file: &mut File, line: &str) -> io::Result<()> {
    let mut last = [b'\n'];
    if file.seek(io::SeekFrom::End(-1)).is_ok() {
        file.read_exact(&mut last)?;
    }
    if last == *b"\n" {
        file.write_all(line.as_bytes())
    } else {
        file.write_all(format!("\n{line}").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::FaultKind;

    const ONE: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const TWO: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA6rWI3G1sz07DnfFlrouTcysQlj2P+jpNSOEWD9OJ3X";

    fn key(text: &str) -> PublicKey {
        PublicKey::from_openssh(text).unwrap()
    }

    fn record(dir: &Path, policy: HostKeyPolicy) -> Record {
        let keys = SshKeys {
            known_hosts: vec![dir.join("known_hosts")],
            learned_hosts: Some(dir.join("state/known_hosts")),
            ..SshKeys::from_environment(|_| None)
        };
        Record::read("board", 2222, policy, &keys).unwrap()
    }

    #[test]
    fn a_new_key_is_noted_once_and_then_holds() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = record(dir.path(), HostKeyPolicy::AcceptNew);
        let mut at_the_same_time = record(dir.path(), HostKeyPolicy::AcceptNew);
        assert!(matches!(first.judge("dut", &key(ONE)), Ok(Judgement::New)));
        first.learn("dut", &key(ONE)).unwrap();
        at_the_same_time.learn("dut", &key(ONE)).unwrap();
        let noted = fs::read_to_string(dir.path().join("state/known_hosts")).unwrap();
        assert_eq!(noted, format!("[board]:2222 {ONE}\n"));

        let later = record(dir.path(), HostKeyPolicy::Known);
        assert!(matches!(
            later.judge("dut", &key(ONE)),
            Ok(Judgement::Accepted)
        ));
        let fault = later.judge("dut", &key(TWO)).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Auth);
        for part in [
            &fingerprint(&key(ONE)),
            &fingerprint(&key(TWO)),
            "known_hosts:1",
        ] {
            assert!(fault.message.contains(part), "{fault}");
        }
    }

    #[test]
    fn a_key_noted_meanwhile_by_another_run_counts() {
        let dir = tempfile::tempdir().unwrap();
        let mut slow = record(dir.path(), HostKeyPolicy::AcceptNew);
        record(dir.path(), HostKeyPolicy::AcceptNew)
            .learn("dut", &key(ONE))
            .unwrap();
        assert_eq!(
            slow.learn("dut", &key(TWO)).unwrap_err().kind,
            FaultKind::Auth
        );
    }

    #[test]
    fn a_file_without_a_last_newline_keeps_its_last_line() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("state")).unwrap();
        fs::write(dir.path().join("state/known_hosts"), format!("other {TWO}")).unwrap();
        record(dir.path(), HostKeyPolicy::AcceptNew)
            .learn("dut", &key(ONE))
            .unwrap();
        let noted = fs::read_to_string(dir.path().join("state/known_hosts")).unwrap();
        assert_eq!(noted, format!("other {TWO}\n[board]:2222 {ONE}\n"));
    }

    #[test]
    fn any_reads_nothing_and_known_refuses_the_unknown() {
        let dir = tempfile::tempdir().unwrap();
        let strict = record(dir.path(), HostKeyPolicy::Known);
        let fault = strict.judge("dut", &key(ONE)).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Auth);
        assert!(fault.message.contains("is not known"), "{fault}");
        fs::write(
            dir.path().join("known_hosts"),
            format!("[board]:2222 {ONE}\n"),
        )
        .unwrap();
        let lax = record(dir.path(), HostKeyPolicy::Any);
        assert!(matches!(
            lax.judge("dut", &key(TWO)),
            Ok(Judgement::Accepted)
        ));
    }
}
