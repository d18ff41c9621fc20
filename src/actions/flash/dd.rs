//! A place for an image that is written by `dd`: on a host that has no more than a POSIX shell and
//! that, or here by `sudo`.
//!
//! The scripts beside this file find out what the host's dd can do and use the best of it. Whatever
//! the host lacks makes the check weaker or slower, never absent: without `iflag=direct` and
//! `blockdev` the cache is compared, without `sha256sum` the bytes come back and are hashed here.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::moved::Moved;
use crate::actions::exec::{brief, stopped};
use crate::actions::output::last;
use crate::actions::place::Place;
use crate::actions::{StepContext, StepError};
use crate::image::{Hasher, PipeReader, Sha256, Verified};
use crate::recipe::ErrorKind;
use crate::transport::{Command, Ended, Fault, OutputSink, Stdin, Stop, Stream};

const ELEVATE: &str = include_str!("elevate.sh");
const PREPARE: &str = concat!(
    include_str!("look.sh"),
    include_str!("end.sh"),
    include_str!("try.sh")
);
const END: &str = include_str!("end.sh");
const WRITE: &str = include_str!("write.sh");
const READ: &str = include_str!("read.sh");
const FLUSH: &str = include_str!("flush.sh");
const MOVED: &str = include_str!("moved.sh");

/// The block that `read.sh` reads in, in bytes.
const READ_BLOCK: u64 = 4 << 20;
/// As much as is kept of what a script prints.
const ANSWER_MAX: usize = 64 << 10;
/// As much as is kept of what dd says.
const SAID_MAX: usize = 2 << 10;
/// How often it is looked at what the device has done, while dd says nothing.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// What the system calls EIO in the C locale (errno(3)), as dd passes it on.
const IO_ERROR: &str = "Input/output error";
/// Bounds the ending of a writer that was cancelled.
const CLEAN_UP_LIMIT: Duration = Duration::from_secs(5);

/// A script with its arguments, as it is sent.
fn script(sudo: bool, text: &str, arguments: &[&str]) -> Command {
    let asked = if sudo { "sudo" } else { "-" };
    let argv = ["sh", "-c", ELEVATE, "tf-engine", asked, text].into_iter();
    Command::argv(argv.chain(arguments.iter().copied()))
}

/// What is written, as a person reads it.
pub(super) fn shown(target: &str, sudo: bool) -> String {
    let sudo = if sudo { "sudo -n " } else { "" };
    format!("{sudo}dd of={target} ibs=131072 obs=4194304 conv=fsync")
}

/// A place that has been looked at, and the dd that writes to it.
#[derive(Clone)]
pub(super) struct Dd {
    host: Place,
    target: String,
    sudo: bool,
    found: Arc<Found>,
}

/// What `prepare.sh` found.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    block: bool,
    /// In `/sys/class/block`.
    name: Option<String>,
    size: Option<u64>,
    conv: String,
    direct: bool,
    sha256sum: bool,
    mounted: Vec<String>,
    ended: Vec<String>,
}

impl Found {
    /// `None` where the script broke off before its end.
    fn read(answer: &str) -> Option<Self> {
        let mut found = Self::default();
        let mut kind = None;
        for (key, value) in answer.lines().filter_map(|line| line.split_once(' ')) {
            let value = value.trim();
            match key {
                "kind" => kind = Some(value == "block"),
                "name" => found.name = Some(value.to_owned()),
                "size" => found.size = value.parse().ok(),
                "conv" => found.conv = value.to_owned(),
                "direct" => found.direct = true,
                "sha256sum" => found.sha256sum = true,
                "mounted" => found.mounted.push(value.to_owned()),
                "ended" => found.ended.push(value.to_owned()),
                _ => {}
            }
        }
        found.block = kind?;
        (!found.conv.is_empty()).then_some(found)
    }
}

impl Dd {
    /// Looks at the place, ends what an earlier try has left there, and finds out what the host's
    /// dd can do. A file is made; a device is not touched.
    ///
    /// # Errors
    /// `io`: there is no such device, it is mounted, or it can't be written. And those of the host.
    pub(super) async fn prepare(
        host: Place,
        target: &str,
        sudo: bool,
        cx: &StepContext,
    ) -> Result<Self, StepError> {
        let folder = match target.rsplit_once('/') {
            None => ".",
            Some(("", _)) => "/",
            Some((folder, _)) => folder,
        };
        let command = script(sudo, PREPARE, &[target, folder]);
        let what = format!("looking at {target}{}", host.suffix());
        let (ended, answer, said) = run(&host, command, &what, cx).await?;
        ok(&what, ended, &said)?;
        let answer = String::from_utf8_lossy(&answer);
        let found = Found::read(&answer).ok_or_else(|| {
            StepError::io(format!("{what} came to no result")).with_tail(answer.as_ref())
        })?;
        if let Some(point) = found.mounted.first() {
            return Err(StepError::io(format!(
                "{target}{} is in use: it, or a partition of it, is mounted on {point}",
                host.suffix()
            )));
        }
        if found.block && found.size == Some(0) {
            return Err(StepError::io(format!(
                "{target}{} has no medium: its size is 0",
                host.suffix()
            )));
        }
        for pid in &found.ended {
            let note = format!(
                "process {pid}{} was still there from an earlier write to {target}, and was ended",
                host.suffix()
            );
            cx.notes.say(crate::actions::Note::Warning(note)).await;
        }
        Ok(Self {
            host,
            target: target.to_owned(),
            sudo,
            found: Arc::new(found),
        })
    }

    /// What fits, where that is known.
    pub(super) fn capacity(&self) -> Option<u64> {
        self.found.size
    }

    /// Writes all of `input`; returns once it is on the medium.
    ///
    /// # Errors
    /// `io`: dd failed, and what it said. `lost`: the link went away, or dd was killed.
    pub(super) async fn write(
        &self,
        input: PipeReader,
        moved: &Moved,
        cx: &StepContext,
    ) -> Result<(), StepError> {
        let kind = if self.found.block { "block" } else { "file" };
        let mut command = script(self.sudo, WRITE, &[&self.target, kind, &self.conv()]);
        command.stdin = Stdin::Stream(Box::new(input));
        let what = format!("dd to {}{}", self.target, self.host.suffix());
        let result = self.watched(command, None, &what, moved, cx).await;
        if result.is_err() {
            self.end_writer().await;
        }
        result.map(|_| ())
    }

    /// The digest of the first `size` bytes, read past the cache if that can be had.
    ///
    /// # Errors
    /// As for `write`.
    pub(super) async fn read_back(
        &self,
        size: u64,
        moved: &Moved,
        cx: &StepContext,
    ) -> Result<(Sha256, Verified), StepError> {
        let verified = if self.found.direct || self.flush(cx).await? {
            Verified::Direct
        } else {
            Verified::Cached
        };
        let blocks = size.div_ceil(READ_BLOCK).to_string();
        let size_text = size.to_string();
        let flag = if self.found.direct {
            "direct"
        } else {
            "cached"
        };
        let by = if self.found.sha256sum {
            "sha256sum"
        } else {
            "bytes"
        };
        let arguments = [self.target.as_str(), &blocks, flag, by, &size_text];
        let command = script(self.sudo, READ, &arguments);
        let what = format!("reading {}{} back", self.target, self.host.suffix());
        let hash_here = (!self.found.sha256sum).then_some(size);
        let read = self.watched(command, hash_here, &what, moved, cx).await?;
        // A pipeline's exit status is that of its last command.
        if read.said.contains(IO_ERROR) {
            return Err(StepError::io(format!("{what}: {}", brief(&read.said))));
        }
        let digest = match hash_here {
            None => String::from_utf8_lossy(&read.stdout)
                .split_whitespace()
                .next()
                .and_then(|digest| digest.parse().ok())
                .ok_or_else(|| {
                    StepError::io(format!("{what}: sha256sum gave no digest"))
                        .with_tail(read.said.clone())
                })?,
            Some(_) if read.hashed < size => {
                return Err(StepError::io(format!(
                    "{what}: it ends after {} of {size} bytes",
                    read.hashed
                ))
                .with_tail(read.said));
            }
            Some(_) => read.hasher.finish(),
        };
        Ok((digest, verified))
    }

    fn conv(&self) -> String {
        // A file is cut to the image's length; on a device that means nothing.
        let keep = |word: &&str| self.found.block || *word == "fsync";
        self.found
            .conv
            .split(',')
            .filter(keep)
            .collect::<Vec<_>>()
            .join(",")
    }

    async fn flush(&self, cx: &StepContext) -> Result<bool, StepError> {
        if !self.found.block {
            return Ok(false);
        }
        let command = script(self.sudo, FLUSH, &[&self.target]);
        let what = format!(
            "flushing the cache of {}{}",
            self.target,
            self.host.suffix()
        );
        let (ended, _, _) = run(&self.host, command, &what, cx).await?;
        match ended {
            Ok(Ended::Status(status)) => Ok(status == 0),
            Ok(Ended::Signal(..)) => Ok(false),
            Err(fault) => Err(StepError::from_fault(&what, &fault)),
        }
    }

    /// Runs dd, and looks at what the device does meanwhile: after its last input dd may be silent
    /// for minutes, while the system writes out what it has cached.
    async fn watched(
        &self,
        command: Command,
        hash_here: Option<u64>,
        what: &str,
        moved: &Moved,
        cx: &StepContext,
    ) -> Result<Read, StepError> {
        let mut read = Read::new(hash_here, moved);
        let running = Box::pin(self.host.host.run(command, &mut read, &cx.stop));
        let watching = Box::pin(self.watch(moved, &cx.stop));
        let ended = tokio::select! {
            ended = running => ended,
            never = watching => match never {},
        };
        if cx.stop.ask.is_cancelled() || cx.stop.kill.is_cancelled() {
            return Err(stopped(what));
        }
        let said = cx.lab.mask(&String::from_utf8_lossy(&read.stderr));
        ok(what, ended, &said)?;
        read.said = said;
        Ok(read)
    }

    async fn watch(&self, moved: &Moved, stop: &Stop) -> std::convert::Infallible {
        let Some(name) = &self.found.name else {
            return std::future::pending().await;
        };
        let mut ticks = interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before = moved.counters();
        loop {
            ticks.tick().await;
            let now = moved.counters();
            if now != before {
                before = now;
                continue;
            }
            let mut answer = Read::new(None, moved);
            let command = script(false, MOVED, &[name]);
            // Where this fails nothing is known, and the command itself will tell.
            if self.host.host.run(command, &mut answer, stop).await == Ok(Ended::Status(0)) {
                moved.device(&answer.stdout);
                before = moved.counters();
            }
        }
    }

    /// Ends a writer that may still be there after it was told to stop: what runs by sudo can't be
    /// signalled by the login.
    async fn end_writer(&self) {
        if !self.sudo {
            return;
        }
        let command = script(true, END, &[&self.target]);
        let mut ignored = Read::new(None, &Moved::default());
        let stop = Stop::new();
        let _ = timeout(
            CLEAN_UP_LIMIT,
            self.host.host.run(command, &mut ignored, &stop),
        )
        .await;
    }
}

/// Takes dd's output: standard output is hashed, or kept where it is short.
struct Read {
    hash: Option<u64>,
    hasher: Hasher,
    hashed: u64,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    said: String,
    moved: Moved,
}

impl Read {
    fn new(hash: Option<u64>, moved: &Moved) -> Self {
        Self {
            hash,
            hasher: Hasher::default(),
            hashed: 0,
            stdout: Vec::new(),
            stderr: Vec::new(),
            said: String::new(),
            moved: moved.clone(),
        }
    }
}

impl OutputSink for Read {
    fn output(&mut self, stream: Stream, bytes: &[u8]) {
        let keep = |kept: &mut Vec<u8>| {
            let room = ANSWER_MAX.saturating_sub(kept.len());
            kept.extend(bytes.iter().take(room));
        };
        match (stream, self.hash) {
            (Stream::Stderr, _) => keep(&mut self.stderr),
            (Stream::Stdout, None) => keep(&mut self.stdout),
            (Stream::Stdout, Some(size)) => {
                let wanted = usize::try_from(size - self.hashed).unwrap_or(usize::MAX);
                let bytes = bytes.get(..wanted.min(bytes.len())).unwrap_or_default();
                self.hasher.update(bytes);
                self.hashed += bytes.len() as u64;
                self.moved.read_back(bytes.len() as u64);
            }
        }
    }
}

/// Runs a script of which nothing is shown.
async fn run(
    host: &Place,
    command: Command,
    what: &str,
    cx: &StepContext,
) -> Result<(Result<Ended, Fault>, Vec<u8>, String), StepError> {
    let mut read = Read::new(None, &Moved::default());
    let ended = host.host.run(command, &mut read, &cx.stop).await;
    if cx.stop.ask.is_cancelled() || cx.stop.kill.is_cancelled() {
        return Err(stopped(what));
    }
    let said = cx.lab.mask(&String::from_utf8_lossy(&read.stderr));
    Ok((ended, read.stdout, said))
}

/// Judges the end of a script: what it said on standard error is why it failed.
fn ok(what: &str, ended: Result<Ended, Fault>, said: &str) -> Result<(), StepError> {
    let said = last(said.trim_end(), SAID_MAX);
    let because = if said.is_empty() {
        String::new()
    } else {
        format!(": {}", brief(said))
    };
    let error = match ended {
        Ok(Ended::Status(0)) => return Ok(()),
        Ok(Ended::Status(status)) => {
            StepError::io(format!("{what} failed with exit status {status}{because}"))
        }
        Ok(Ended::Signal(name, _)) => StepError::new(
            ErrorKind::Lost,
            format!("{what} was ended by the signal {name}{because}"),
        ),
        Err(fault) => StepError::from_fault(what, &fault),
    };
    Err(error.with_tail(said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_host_answers_is_read() {
        let found = Found::read(
            "kind block\nname sdb\nmounted /media/a\\040b\nsize 31914983424\n\
             conv notrunc,fsync\ndirect yes\nsome noise\n",
        );
        let expected = Found {
            block: true,
            name: Some("sdb".to_owned()),
            size: Some(31_914_983_424),
            conv: "notrunc,fsync".to_owned(),
            direct: true,
            mounted: vec!["/media/a\\040b".to_owned()],
            ..Found::default()
        };
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn an_answer_that_breaks_off_is_none() {
        assert_eq!(Found::read(""), None);
        assert_eq!(Found::read("kind block\nsize 5\n"), None);
        assert_eq!(Found::read("conv fsync\n"), None);
    }
}
