//! The engine's own key files.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::key::safe_rng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey, PublicKey, decode_secret_key};

use crate::transport::fault::Fault;

/// What a key file turned out to hold.
pub(super) enum KeyFile {
    Usable(Arc<PrivateKey>),
    /// It needs a passphrase, which only an agent can have been given.
    Encrypted(Option<PublicKey>),
}

/// Reads a private key. Blocks.
///
/// # Errors
/// In words, without the path.
pub(super) fn load(path: &Path) -> Result<KeyFile, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    match decode_secret_key(&text, None) {
        Ok(key) if key.is_encrypted() => Ok(KeyFile::Encrypted(Some(key.public_key().clone()))),
        Ok(key) => Ok(KeyFile::Usable(Arc::new(key))),
        Err(russh::keys::Error::KeyIsEncrypted) => {
            // The public half of OpenSSH's own format is in the clear.
            let public = PrivateKey::from_openssh(&text)
                .map(|key| key.public_key().clone())
                .ok()
                .or_else(|| PublicKey::read_openssh_file(public_path(path)).ok());
            Ok(KeyFile::Encrypted(public))
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Makes an ed25519 key pair without a passphrase: the private key in OpenSSH's format with mode
/// 0600, the public one beside it as `.pub`. Where there is a key already, that one is taken.
/// Blocks; answers with the public key as a line of `authorized_keys`.
///
/// # Errors
/// `Io`.
pub fn create_key(path: &Path) -> Result<String, Fault> {
    let failed = |error: &dyn std::fmt::Display| {
        Fault::io(format!("no key can be made at {}: {error}", path.display()))
    };
    if let Some(dir) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|error| failed(&error))?;
    }
    let mut key =
        PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).map_err(|error| failed(&error))?;
    key.set_comment("tf-engine");
    let private = key
        .to_openssh(LineEnding::LF)
        .map_err(|error| failed(&error))?;
    let public = key
        .public_key()
        .to_openssh()
        .map_err(|error| failed(&error))?;
    match write_new(path, 0o600, private.as_bytes()) {
        Ok(()) => {
            write_new(&public_path(path), 0o644, format!("{public}\n").as_bytes())
                .map_err(|error| failed(&error))?;
            Ok(public)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            public_line(path).map_err(|error| failed(&error))
        }
        Err(error) => Err(failed(&error)),
    }
}

/// The public half of a private key file, as a line of `authorized_keys`.
pub(super) fn public_line(path: &Path) -> Result<String, String> {
    let key = match load(path)? {
        KeyFile::Usable(key) => key.public_key().clone(),
        KeyFile::Encrypted(Some(key)) => key,
        KeyFile::Encrypted(None) => return Err("it needs a passphrase".to_owned()),
    };
    key.to_openssh().map_err(|error| error.to_string())
}

/// The whole file appears at once under its name, or not at all; a file that is there stays.
fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let _ = fs::remove_file(&temporary);
    let written = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::hard_link(&temporary, path));
    let _ = fs::remove_file(&temporary);
    written
}

fn public_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ssh/id_ed25519");
        let line = create_key(&path).unwrap();
        assert!(
            line.starts_with("ssh-ed25519 AAAA") && line.ends_with(" tf-engine"),
            "{line}"
        );
        assert_eq!(create_key(&path).unwrap(), line);
        assert_eq!(public_line(&path).unwrap(), line);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(
            fs::read_to_string(public_path(&path)).unwrap(),
            format!("{line}\n")
        );
        assert_eq!(fs::read_dir(dir.path().join("ssh")).unwrap().count(), 2);
    }

    #[test]
    fn a_file_that_is_no_key_is_said_to_be_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, "nonsense").unwrap();
        assert!(load(&path).is_err());
        assert!(create_key(&path).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "nonsense");
    }
}
