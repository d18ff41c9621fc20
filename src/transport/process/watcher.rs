//! A small process that ends what is left of a run's commands should tf-engine itself be killed.
//!
//! It is a `sh` in a session of its own that reads a pipe. Each line notes a process group that
//! began or ended; the end of the pipe, which comes with tf-engine's end however that comes, makes
//! it kill the noted groups and every process whose environment holds the run's marker.

use std::io::{self, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use super::{MARKER, new_session};

/// `$1` is the marker. Killing is repeated while it finds something, since what is being killed may
/// be forking; 20 rounds are more than any but a fork bomb needs.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
groups=' '
while read -r sign group; do
  case $sign in
    +) groups="$groups$group " ;;
    -) groups="${groups%% $group *} ${groups#* $group }" ;;
  esac
done
round=0
while [ $round -lt 20 ]; do
  for group in $groups; do kill -s KILL -- "-$group"; done
  found=
  for file in $(grep -lsF "$1" /proc/[0-9]*/environ); do
    pid=${file#/proc/}
    kill -s KILL "${pid%/environ}" && found=yes
  done
  [ -n "$found" ] || break
  round=$((round + 1))
done
"#;

/// A running watcher. Dropped in an orderly way it is simply ended: by then the run has ended its
/// commands itself.
pub(super) struct Watcher {
    child: Child,
    pipe: ChildStdin,
}

impl Watcher {
    pub(super) fn start(marker: &str) -> io::Result<Watcher> {
        let mut command = Command::new("sh");
        command
            .args(["-c", SCRIPT, "tf-engine-watcher", marker])
            .env_remove(MARKER)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        new_session(&mut command);
        let mut child = command.spawn()?;
        let Some(pipe) = child.stdin.take() else {
            return Err(io::Error::other("the watcher has no standard input"));
        };
        Ok(Watcher { child, pipe })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Notes a group. A watcher that somebody has killed is missed only if tf-engine is killed too.
    pub(super) fn remember(&mut self, group: u32) {
        let _ = writeln!(self.pipe, "+ {group}");
    }

    pub(super) fn forget(&mut self, group: u32) {
        let _ = writeln!(self.pipe, "- {group}");
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
