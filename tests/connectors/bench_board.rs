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
        // The user on the board is not the one who runs the tests.
        let everybody = |path, mode| {
            fs::set_permissions(path, Permissions::from_mode(mode)).expect("chmod");
        };
        everybody(bench.path(""), 0o755);
        fs::write(bench.path("calls"), "").expect("the record");
        everybody(bench.path("calls"), 0o666);
        // The real one would look for the commands elsewhere, and the real restart is nobody's wish.
        let sudo = format!(
            "[ \"$1\" = -n ] || {{ echo 'a password is asked for' >&2; exit 1; }}\nshift\n\
             case $1 in /*) command={}/${{1##*/}}; shift; set -- \"$command\" \"$@\" ;; esac\n\
             exec \"$@\"\n",
            bench.bin().display()
        );
        unrecorded(&bench, "sudo", &sudo);
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

/// A command of the bench that leaves nothing in the record.
pub(crate) fn unrecorded(bench: &ConnectorBench, name: &str, body: &str) {
    let path = bench.bin().join(name);
    let folder = bench.path("");
    let text = format!("#!/bin/sh\nBENCH={}\n{body}", folder.display());
    fs::write(&path, text).expect("a script");
    fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("chmod");
}
