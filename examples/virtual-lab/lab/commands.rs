//! The lab's commands: small scripts that stand first in a host's PATH.
//!
//! Mux and power switch keep their position in a file each, which the board looks at.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::fault::Fault;

/// Where the commands and their files are.
pub(crate) struct Commands {
    dir: PathBuf,
}

impl Commands {
    /// Writes the scripts; the card is on the board's side, and the power is on.
    pub(crate) fn install(dir: &Path, card: &Path, fault: Fault) -> io::Result<Commands> {
        let commands = Commands {
            dir: dir.to_owned(),
        };
        let state = commands.state();
        for folder in [
            state.clone(),
            commands.control_bin(),
            commands.board_bin(),
            dir.join("bin"),
        ] {
            fs::create_dir_all(folder)?;
        }
        fs::write(state.join("side"), "dut\n")?;
        fs::write(state.join("power"), "on 0\n")?;
        let state = state.display();
        let card = card.display();

        let mux = match fault {
            Fault::MuxHang => "exec sleep 86400\n".to_owned(),
            Fault::MuxFail => "echo 'mux: the switch does not answer' >&2\nexit 1\n".to_owned(),
            _ => format!(
                "case $1 in\n\
                 to-host) side=host ;;\n\
                 to-dut) side=dut ;;\n\
                 *) echo 'usage: mux to-host|to-dut' >&2; exit 64 ;;\n\
                 esac\n\
                 echo \"$side\" >'{state}/side.new'\n\
                 mv '{state}/side.new' '{state}/side'\n"
            ),
        };
        let control = commands.control_bin();
        script(&control.join("mux"), &mux)?;
        // Rights are not at stake here: `-n` and its like are dropped.
        script(
            &control.join("sudo"),
            "while [ \"${1#-}\" != \"$1\" ]; do shift; done\nexec \"$@\"\n",
        )?;
        // The card is a file: there are no partitions to look at, and nothing is mounted.
        script(&control.join("hdparm"), "exit 0\n")?;
        script(
            &control.join("umount"),
            "echo \"umount: $1: not mounted.\" >&2\nexit 32\n",
        )?;
        if fault == Fault::Card {
            script(
                &control.join("dd"),
                &format!(
                    "PATH=/usr/bin:/bin\n\
                     dd \"$@\"\n\
                     status=$?\n\
                     case \" $* \" in\n\
                     *' of={card} '*) printf X | dd of='{card}' bs=1 seek=300000 conv=notrunc 2>/dev/null ;;\n\
                     esac\n\
                     exit \"$status\"\n"
                ),
            )?;
        }

        let power = match fault {
            Fault::Power => "echo 'power: the switch does not answer' >&2\nexit 1\n".to_owned(),
            _ => format!(
                "read -r _ cycle <'{state}/power'\n\
                 case $1 in\n\
                 on | off) echo \"$1 $((cycle + 1))\" >'{state}/power.new' ;;\n\
                 cycle) echo \"on $((cycle + 1))\" >'{state}/power.new' ;;\n\
                 *) echo 'usage: power on|off|cycle' >&2; exit 64 ;;\n\
                 esac\n\
                 mv '{state}/power.new' '{state}/power'\n"
            ),
        };
        script(&commands.power(), &power)?;

        // The board shares its kernel with this machine, but has a boot id of its own.
        script(
            &commands.board_bin().join("cat"),
            &format!(
                "PATH=/usr/bin:/bin\n\
                 [ \"$*\" != /proc/sys/kernel/random/boot_id ] || set -- '{state}/boot_id'\n\
                 exec cat \"$@\"\n"
            ),
        )?;
        Ok(commands)
    }

    /// `side` (`host` or `dut`), `power` (`on` or `off`, and a count of changes), `boot_id`.
    pub(crate) fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// The control host's own commands.
    pub(crate) fn control_bin(&self) -> PathBuf {
        self.dir.join("control/bin")
    }

    /// The board's own commands.
    pub(crate) fn board_bin(&self) -> PathBuf {
        self.dir.join("board/bin")
    }

    /// The power switch's command, on the engine's machine.
    pub(crate) fn power(&self) -> PathBuf {
        self.dir.join("bin/power")
    }
}

fn script(path: &Path, body: &str) -> io::Result<()> {
    fs::write(path, format!("#!/bin/sh\n{body}"))?;
    fs::set_permissions(path, Permissions::from_mode(0o755))
}
