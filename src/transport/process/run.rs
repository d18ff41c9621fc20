//! One local command from start to end.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::ChildStdin;
use tokio::time::{Instant, sleep_until};

use super::spawner::Spawner;
use super::stray::Search;
use super::{Local, MARKER};
use crate::transport::command::{Command, Ended, OutputSink, Stdin, Stop, Stream};
use crate::transport::fault::{Fault, FaultKind};

/// How long a command may take to go after SIGKILL. It goes at once unless it hangs in the kernel.
const KILL_PATIENCE: Duration = Duration::from_secs(10);
/// How long output is still read once the command and its strays are gone. What then holds the
/// pipe open is no process of ours.
const OUTPUT_PATIENCE: Duration = Duration::from_secs(1);
/// As much as one read takes: the size of a pipe (`pipe(7)`).
const CHUNK: usize = 64 * 1024;

impl Local {
    /// Runs a command; see [`Host::run`](crate::transport::Host::run).
    ///
    /// # Errors
    /// As there.
    pub async fn run(
        &self,
        command: Command,
        sink: &mut dyn OutputSink,
        stop: &Stop,
    ) -> Result<Ended, Fault> {
        let marker = self.next_marker();
        let process = self.prepare(&command, &marker)?;
        if stop.ask.is_cancelled() || stop.kill.is_cancelled() {
            return Err(Fault::unreachable(
                "the command was cancelled before it began; nothing was started",
            ));
        }
        let spawner = self.spawner()?;
        let mut child = spawner.start(process).await.map_err(|error| {
            let kind = match error.kind() {
                io::ErrorKind::ArgumentListTooLong => FaultKind::Input,
                _ => FaultKind::Unreachable,
            };
            let argv = command.program.argv().unwrap_or_default();
            let program = argv.first().map_or("", String::as_str);
            Fault::new(
                kind,
                format!("`{program}` could not be started; nothing was started: {error}"),
            )
        })?;
        let Some(group) = child
            .id()
            .and_then(|pid| Pid::from_raw(pid.try_into().ok()?))
        else {
            return Err(Fault::lost("the command has no process id"));
        };
        let mut guard = Guard {
            group,
            spawner,
            over: false,
        };

        let search = Search {
            group,
            marker: &format!("{MARKER}={marker}"),
            own: &self.own,
            claim_unmarked: self.claim_unmarked,
        };
        let mut stdout = child.stdout.take();
        let mut stderr = child.stderr.take();
        let mut out = vec![0; CHUNK];
        let mut err = vec![0; CHUNK];
        let mut feed = pin!(feed(command.stdin, child.stdin.take()));
        let mut feeding = true;
        let mut strays = pin!(search.end_all(&stop.kill));
        let mut strays_gone = false;
        let mut ended: Option<ExitStatus> = None;
        let mut broken: Option<io::Error> = None;
        let (mut asked, mut killed) = (false, false);
        let mut deadline: Option<Instant> = None;

        while ended.is_none() || !strays_gone || stdout.is_some() || stderr.is_some() {
            tokio::select! {
                status = child.wait(), if ended.is_none() => {
                    let status = status.map_err(|error| {
                        Fault::lost(format!("the command's end could not be learnt: {error}"))
                    })?;
                    self.forget_child(group);
                    guard.over = true;
                    ended = Some(status);
                    deadline = None;
                }
                () = &mut strays, if ended.is_some() && !strays_gone => {
                    strays_gone = true;
                    deadline = Some(Instant::now() + OUTPUT_PATIENCE);
                }
                read = read(&mut stdout, &mut out), if stdout.is_some() => {
                    deliver(&mut stdout, read, &out, Stream::Stdout, sink);
                }
                read = read(&mut stderr, &mut err), if stderr.is_some() => {
                    deliver(&mut stderr, read, &err, Stream::Stderr, sink);
                }
                fed = &mut feed, if feeding && ended.is_none() => {
                    feeding = false;
                    if let Err(error) = fed {
                        let _ = kill_process_group(group, Signal::KILL);
                        broken = Some(error);
                        killed = true;
                        deadline = Some(Instant::now() + KILL_PATIENCE);
                    }
                }
                () = stop.ask.cancelled(), if !asked && !killed && ended.is_none() => {
                    let _ = kill_process_group(group, Signal::TERM);
                    // One that is stopped would never hear of it.
                    let _ = kill_process_group(group, Signal::CONT);
                    asked = true;
                }
                () = stop.kill.cancelled(), if !killed && ended.is_none() => {
                    let _ = kill_process_group(group, Signal::KILL);
                    killed = true;
                    deadline = Some(Instant::now() + KILL_PATIENCE);
                }
                () = until(deadline), if deadline.is_some() => {
                    if ended.is_none() {
                        return Err(Fault::lost(format!(
                            "the command did not end within {KILL_PATIENCE:?} of SIGKILL"
                        )));
                    }
                    break;
                }
            }
        }
        if let Some(error) = broken {
            return Err(Fault::io(format!(
                "the command was killed because its input could not be read: {error}"
            )));
        }
        Ok(ended.map_or(Ended::Status(0), how_it_ended))
    }

    fn prepare(&self, command: &Command, marker: &str) -> Result<tokio::process::Command, Fault> {
        command.check_env()?;
        let argv = command.program.argv()?;
        let cwd = match &command.cwd {
            Some(cwd) if cwd.contains('\0') => {
                return Err(Fault::input("the path of a folder can't hold a NUL byte"));
            }
            Some(cwd) => self.run_dir.join(cwd),
            None => self.run_dir.clone(),
        };
        let cannot = |why: &str| {
            Fault::io(format!(
                "the command's folder {} can't be entered: {why}; nothing was started",
                cwd.display()
            ))
        };
        match std::fs::metadata(&cwd) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(cannot("it is no folder")),
            Err(error) => return Err(cannot(&error.to_string())),
        }
        let Some((program, arguments)) = argv.split_first() else {
            return Err(Fault::input("the command has no program"));
        };
        let mut process = tokio::process::Command::new(program);
        process
            .args(arguments)
            .current_dir(cwd)
            .stdin(match command.stdin {
                Stdin::Empty => Stdio::null(),
                Stdin::Bytes(_) | Stdin::Stream(_) => Stdio::piped(),
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (name, value) in &command.env {
            match value {
                Some(value) => process.env(name, value),
                None => process.env_remove(name),
            };
        }
        process.env(MARKER, marker);
        Ok(process)
    }

    /// From here on the number may be another process's.
    fn forget_child(&self, group: Pid) {
        if let Ok(pid) = u32::try_from(group.as_raw_pid()) {
            super::spawner::lock(&self.own).remove(&pid);
        }
    }
}

/// Kills the group of a command whose future is dropped, and takes it off the watcher's list.
struct Guard {
    group: Pid,
    spawner: Arc<Spawner>,
    /// The leader has been reaped: the group's number is its no longer.
    over: bool,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.over {
            let _ = kill_process_group(self.group, Signal::KILL);
        }
        if let Ok(leader) = u32::try_from(self.group.as_raw_pid()) {
            self.spawner.ended(leader);
        }
    }
}

/// Hands the input over and closes the pipe. A command that doesn't want all of its input is no
/// error; an input that can't be read is.
async fn feed(stdin: Stdin, pipe: Option<ChildStdin>) -> io::Result<()> {
    let Some(mut pipe) = pipe else {
        return Ok(());
    };
    match stdin {
        Stdin::Empty => {}
        Stdin::Bytes(bytes) => {
            let _ = pipe.write_all(&bytes).await;
        }
        Stdin::Stream(mut source) => {
            let mut buffer = vec![0; CHUNK];
            loop {
                let filled = source.read(&mut buffer).await?;
                let chunk = buffer.get(..filled).unwrap_or_default();
                if chunk.is_empty() || pipe.write_all(chunk).await.is_err() {
                    break;
                }
            }
        }
    }
    Ok(())
}

async fn read<R: AsyncRead + Unpin>(from: &mut Option<R>, into: &mut [u8]) -> usize {
    match from {
        Some(from) => from.read(into).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}

fn deliver<R>(
    from: &mut Option<R>,
    read: usize,
    buffer: &[u8],
    stream: Stream,
    sink: &mut dyn OutputSink,
) {
    match buffer.get(..read) {
        Some(bytes) if !bytes.is_empty() => sink.output(stream, bytes),
        _ => *from = None,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn how_it_ended(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Status(u32::try_from(code).unwrap_or(u32::MAX)),
        (None, signal) => {
            Ended::signal_number(signal.and_then(|it| it.try_into().ok()).unwrap_or(0))
        }
    }
}
