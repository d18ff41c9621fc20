//! What a connection needs to know: where to, as whom, and where keys are.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::SshHost;
use crate::transport::command::Shell;

/// What is done with a host key that has not been seen before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HostKeyPolicy {
    /// It is noted, and must be the same from then on.
    #[default]
    AcceptNew,
    /// It is refused.
    Known,
    /// Nothing is checked, and nothing noted.
    Any,
}

/// Where to connect, and as whom.
#[derive(Clone)]
pub struct SshTarget {
    /// The recipe's name of the host, for messages.
    pub name: String,
    /// A name or an address.
    pub address: String,
    /// 22 unless told otherwise.
    pub port: u16,
    /// Who logs in.
    pub user: String,
    /// For `password` and `keyboard-interactive`. It never shows in a message.
    pub password: Option<String>,
    /// Private keys that are offered. `None`: the engine's keys, of [`SshKeys`].
    pub identities: Option<Vec<PathBuf>>,
    /// What is done with a host key that has not been seen before.
    pub host_key: HostKeyPolicy,
    /// Reach the address through this host.
    pub via: Option<Arc<SshHost>>,
    /// Bounds name resolution, connection and key exchange together.
    pub connect_timeout: Duration,
    /// What runs shell strings there. Commands say it themselves; kept here for their makers.
    pub shell: Shell,
}

impl SshTarget {
    /// `USER@ADDRESS:PORT`
    pub(super) fn endpoint(&self) -> String {
        let SshTarget {
            user,
            address,
            port,
            ..
        } = self;
        if address.contains(':') {
            format!("{user}@[{address}]:{port}")
        } else {
            format!("{user}@{address}:{port}")
        }
    }
}

impl fmt::Display for SshTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.endpoint())
    }
}

/// The engine's own keys, and where it knows host keys from.
#[derive(Clone, Debug)]
pub struct SshKeys {
    /// The socket of an SSH agent, asked first.
    pub agent: Option<PathBuf>,
    /// Private keys that are offered where they exist, in order. `create_key` makes the first.
    pub identities: Vec<PathBuf>,
    /// Files in the format of `known_hosts` (sshd(8)) that are read.
    pub known_hosts: Vec<PathBuf>,
    /// Where new host keys are noted; it is read as well.
    pub learned_hosts: Option<PathBuf>,
    /// How often a silent connection is asked whether it is still there. It is given up after
    /// [`KEEPALIVES`](super::KEEPALIVES) questions without an answer.
    pub keepalive: Duration,
}

impl SshKeys {
    /// The places that the environment names: `$SSH_AUTH_SOCK`, `$HOME/.ssh`, and
    /// `$XDG_STATE_HOME/tf-engine/known_hosts` (`$HOME/.local/state` without it, as the XDG Base
    /// Directory Specification says).
    pub fn from_environment(variable: impl Fn(&str) -> Option<OsString>) -> SshKeys {
        let path = |name: &str| {
            variable(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let ssh = path("HOME").map(|home| home.join(".ssh"));
        let state = path("XDG_STATE_HOME")
            .filter(|state| state.is_absolute())
            .or_else(|| path("HOME").map(|home| home.join(".local/state")));
        SshKeys {
            agent: path("SSH_AUTH_SOCK"),
            identities: ssh
                .iter()
                .flat_map(|ssh| ["id_ed25519", "id_ecdsa", "id_rsa"].map(|name| ssh.join(name)))
                .collect(),
            known_hosts: ssh.iter().map(|ssh| ssh.join("known_hosts")).collect(),
            learned_hosts: state.map(|state| state.join("tf-engine/known_hosts")),
            keepalive: Duration::from_secs(5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_names_the_places() {
        let keys = SshKeys::from_environment(|name| match name {
            "HOME" => Some("/home/u".into()),
            "SSH_AUTH_SOCK" => Some("".into()),
            "XDG_STATE_HOME" => Some("relative".into()),
            _ => None,
        });
        assert_eq!(keys.agent, None);
        assert_eq!(
            keys.identities.first(),
            Some(&"/home/u/.ssh/id_ed25519".into())
        );
        assert_eq!(
            keys.known_hosts,
            [PathBuf::from("/home/u/.ssh/known_hosts")]
        );
        assert_eq!(
            keys.learned_hosts,
            Some("/home/u/.local/state/tf-engine/known_hosts".into())
        );
        let nothing = SshKeys::from_environment(|_| None);
        assert!(nothing.identities.is_empty() && nothing.learned_hosts.is_none());
    }
}
