//! A board with a control host: an OpenSSH server that plays both, a loop device as the storage, and a
//! user with a password as the one who logs in on the board.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::connector_bench::ConnectorBench;
use crate::image::Card;
use crate::sshd::{Setup, Sshd, TempUser};

/// The bench and its parts. Stand-ins of the bench are the commands of both machines.
pub(crate) struct BoardBench {
    pub(crate) bench: ConnectorBench,
    pub(crate) sshd: Sshd,
    pub(crate) card: Card,
    pub(crate) user: TempUser,
}

impl BoardBench {
    /// A bench with blank storage of `mib` MiB. The board's address and user, the power switch
    /// `reset` and the storage are in config and job.
    pub(crate) fn new(mib: u64) -> BoardBench {
        let mut bench = ConnectorBench::new();
        let path = std::env::var("PATH").unwrap_or_default();
        let sshd = Setup::new()
            .line("PasswordAuthentication yes")
            .env(
                "PATH",
                &format!("{}:{path}:/usr/sbin:/sbin", bench.bin().display()),
            )
            .start();
        let keys = bench.path("home/.ssh");
        fs::create_dir(&keys).expect("a folder");
        fs::copy(sshd.client_key(), keys.join("id_ed25519")).expect("a key");
        let public = sshd.client_key().with_extension("pub");
        fs::copy(public, keys.join("id_ed25519.pub")).expect("a key");
        let user = TempUser::create();
        let card = Card::blank(&bench.path(""), mib);
        // The real one would look for the commands elsewhere. Not in the record: they are themselves.
        let sudo = bench.bin().join("sudo");
        let body = "#!/bin/sh\n[ \"$1\" = -n ] || { echo 'a password is asked for' >&2; exit 1; }\n\
                    shift\nexec \"$@\"\n";
        fs::write(&sudo, body).expect("a script");
        fs::set_permissions(&sudo, Permissions::from_mode(0o755)).expect("chmod");
        let reset = bench.stand_in("reset", "echo reset >>\"$BENCH/resets\"");
        bench
            .device("device_ip", "127.0.0.1")
            .device("device_port", sshd.port())
            .device("test_device", json!(card.node()))
            .device("reboot_script", json!([reset]))
            .job(
                "test_data",
                json!({
                    "test_cmds": "true",
                    "test_username": user.name(),
                    "test_password": user.password(),
                }),
            );
        BoardBench {
            bench,
            sshd,
            card,
            user,
        }
    }

    /// Whether the engine's key was put on the board.
    pub(crate) fn is_authorized(&self) -> bool {
        let key = fs::read_to_string(self.bench.path("home/.ssh/id_ed25519.pub")).expect("a key");
        let known = fs::read_to_string(self.user.home().join(".ssh/authorized_keys"));
        let key = key.split_whitespace().nth(1).expect("a key");
        known.is_ok_and(|known| known.contains(key))
    }
}
