//! What a command prints: shown line by line as it comes, kept within bounds, secrets masked.
//!
//! Memory is bounded whatever a command prints. Three things are made of the same bytes: lines for
//! the sinks, the beginning of each stream for `save`, and the end of both for errors.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::through::Through;
use super::{Lab, Note, Notes, Progress};
use crate::diagnostic::plain;
use crate::transport::{OutputSink, Stop, Stream};

/// As much of both streams as errors show.
const TAIL: usize = 64 * 1024;
/// The longest line that is shown; the rest of it is not.
const LINE: usize = 4096;
/// Longest secret that is still found where a text is cut.
const OVERLAP: usize = 4096;
/// A line that has not ended is shown once nothing more came for so long.
const PARTIAL: Duration = Duration::from_secs(1);
/// Lines wait to be shown in blocks of about this size.
const BLOCK: usize = 64 * 1024;
/// As many bytes of lines as may wait. A command is left alone while any do, and one poll of it
/// gives less (tokio's budget is 128 reads), so this is never reached unless that changes.
const WAITING: usize = 16 * 1024 * 1024;

/// What is done with the output of one command.
#[derive(Debug, Default)]
pub(super) struct Keep {
    /// How many bytes of each stream are kept.
    pub(super) max: usize,
    /// Standard output goes here as it is, and is not shown.
    pub(super) to: Option<File>,
    /// Both streams pass through as they come, instead of line by line.
    pub(super) plain: bool,
    /// Standard output is not shown.
    pub(super) hidden: bool,
}

/// What was kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    pub(super) stdout: String,
    pub(super) stderr: String,
    /// Whether a stream was longer than what was kept of it.
    pub(super) truncated: bool,
    /// The end of both, as they came.
    pub(super) tail: String,
    /// The file of [`Keep::to`] could not be written.
    pub(super) unwritten: Option<String>,
}

/// Takes the output of one command.
pub(super) struct Collector {
    lab: Arc<Lab>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    streams: [OneStream; 2],
    tail: VecDeque<u8>,
    /// Blocks of whole lines, each with its end.
    waiting: VecDeque<(Stream, Vec<u8>)>,
    waiting_bytes: usize,
    /// Lines that were not shown.
    skipped: usize,
    total: u64,
    file: Option<File>,
    unwritten: Option<String>,
    /// Where both streams pass through instead of `waiting`.
    through: Option<Through>,
    hidden: bool,
    limit: usize,
}

#[derive(Default)]
struct OneStream {
    kept: Vec<u8>,
    total: u64,
    /// As much of the line as is shown, and what a secret at the cut may take.
    line: Vec<u8>,
    /// When the last bytes of a line that has not ended came.
    since: Option<Instant>,
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector {
    pub(super) fn new(lab: &Arc<Lab>, keep: Keep) -> Self {
        let state = State::default();
        {
            let mut inner = state.lock();
            inner.limit = keep.max;
            inner.file = keep.to;
            inner.hidden = keep.hidden;
            inner.through = keep.plain.then(|| Through::new(|| lab.mask_stream()));
        }
        Self {
            lab: Arc::clone(lab),
            state: Arc::new(state),
        }
    }

    /// The end that the command writes to.
    pub(super) fn sink(&self) -> Sink {
        Sink(Arc::clone(&self.state))
    }

    /// Waits for `running`, showing what it prints. While lines wait to be shown the command is not
    /// read from, so that a slow reader slows it; once it is to stop nobody waits for a reader.
    pub(super) async fn follow<T>(
        &self,
        running: impl Future<Output = T>,
        notes: &Notes,
        stop: &Stop,
    ) -> T {
        let mut running = std::pin::pin!(running);
        let mut told = 0;
        loop {
            self.show(notes, stop).await;
            let done = self.state.lock().total;
            if done > told {
                notes.offer(Note::Progress(Progress { done, total: None }));
                told = done;
            }
            let due = self.partial_due();
            tokio::select! {
                biased;
                ended = &mut running => {
                    self.end_lines();
                    self.show(notes, stop).await;
                    return ended;
                }
                () = self.state.changed.notified() => {}
                () = sleep_until(due) => self.end_partial_lines(),
            }
        }
    }

    /// What was kept, with secrets masked.
    pub(super) fn kept(&self) -> Kept {
        let mut inner = self.state.lock();
        let limit = inner.limit;
        if let Some(Err(error)) = inner.file.as_mut().map(Write::flush) {
            inner.unwritten = Some(error.to_string());
        }
        let [out, err] = &inner.streams;
        let over = |stream: &OneStream| stream.total > limit as u64;
        let tail: Vec<u8> = inner.tail.iter().copied().collect();
        Kept {
            stdout: self.text(&out.kept, limit),
            stderr: self.text(&err.kept, limit),
            truncated: over(out) || over(err),
            tail: last(&self.lab.mask(&String::from_utf8_lossy(&tail)), TAIL).to_owned(),
            unwritten: inner.unwritten.clone(),
        }
    }

    fn text(&self, bytes: &[u8], limit: usize) -> String {
        let mut text = self.lab.mask(&String::from_utf8_lossy(bytes));
        if bytes.len() > limit {
            text.truncate(first(&text, limit).len());
        }
        text
    }

    async fn show(&self, notes: &Notes, stop: &Stop) {
        let say = async |note: Note| {
            tokio::select! {
                biased;
                () = notes.say(note) => {}
                () = stop.wanted() => {}
            }
        };
        loop {
            let text = self.state.lock().through.as_mut().and_then(Through::next);
            let Some(text) = text else { break };
            say(Note::Text(text)).await;
        }
        loop {
            let (next, skipped) = {
                let mut inner = self.state.lock();
                let next = inner.waiting.pop_front();
                inner.waiting_bytes -= next.as_ref().map_or(0, |(_, block)| block.len());
                (next, std::mem::take(&mut inner.skipped))
            };
            if skipped > 0 {
                let text = format!("{skipped} lines of output are not shown");
                say(Note::Warning(text)).await;
            }
            let Some((stream, block)) = next else {
                return;
            };
            let text = String::from_utf8_lossy(&block);
            for line in text.strip_suffix('\n').unwrap_or(&text).split('\n') {
                let line = shown(&self.lab.mask(line));
                say(Note::Output { stream, line }).await;
            }
        }
    }

    fn partial_due(&self) -> Option<Instant> {
        let inner = self.state.lock();
        let oldest = inner.streams.iter().filter_map(|it| it.since).min();
        oldest.map(|since| since + PARTIAL)
    }

    fn end_partial_lines(&self) {
        let mut inner = self.state.lock();
        let now = Instant::now();
        inner.end_lines(|since| now.duration_since(since) >= PARTIAL);
    }

    fn end_lines(&self) {
        let mut inner = self.state.lock();
        inner.end_lines(|_| true);
        if let Some(through) = &mut inner.through {
            through.finish();
        }
    }
}

impl Inner {
    fn end_lines(&mut self, due: impl Fn(Instant) -> bool) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            if self.stream(stream).since.is_some_and(&due) {
                self.end_line(stream);
            }
        }
    }

    fn end_line(&mut self, stream: Stream) {
        let one = self.stream(stream);
        let mut line = std::mem::take(&mut one.line);
        one.since = None;
        line.push(b'\n');
        self.waiting_bytes += line.len();
        match self.waiting.back_mut() {
            Some((of, block)) if *of == stream && block.len() < BLOCK => {
                block.extend_from_slice(&line);
            }
            _ => self.waiting.push_back((stream, line)),
        }
        while self.waiting_bytes > WAITING {
            let Some((_, block)) = self.waiting.pop_front() else {
                break;
            };
            self.waiting_bytes -= block.len();
            self.skipped += block.iter().filter(|byte| **byte == b'\n').count();
        }
    }

    fn stream(&mut self, stream: Stream) -> &mut OneStream {
        let [out, err] = &mut self.streams;
        match stream {
            Stream::Stdout => out,
            Stream::Stderr => err,
        }
    }

    fn take(&mut self, stream: Stream, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let most = self.limit.saturating_add(OVERLAP);
        let one = self.stream(stream);
        one.total += bytes.len() as u64;
        let room = most.saturating_sub(one.kept.len()).min(bytes.len());
        one.kept
            .extend_from_slice(bytes.get(..room).unwrap_or_default());
        self.tail
            .extend(&bytes[bytes.len().saturating_sub(TAIL + OVERLAP)..]);
        let over = self.tail.len().saturating_sub(TAIL + OVERLAP);
        self.tail.drain(..over);
        if stream == Stream::Stdout
            && let Some(file) = &mut self.file
        {
            if let Err(error) = file.write_all(bytes) {
                self.unwritten.get_or_insert(error.to_string());
            }
            return;
        }
        if stream == Stream::Stdout && self.hidden {
            return;
        }
        if let Some(through) = &mut self.through {
            through.push(stream, bytes);
            return;
        }
        let mut parts = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(part) = parts.next() {
            let one = self.stream(stream);
            let room = (LINE + OVERLAP).saturating_sub(one.line.len());
            one.line.extend_from_slice(part.get(..room).unwrap_or(part));
            if parts.peek().is_some() {
                self.end_line(stream);
            } else if !part.is_empty() {
                one.since = Some(Instant::now());
            }
        }
    }
}

/// The writing end of a [`Collector`].
pub(super) struct Sink(Arc<State>);

impl OutputSink for Sink {
    fn output(&mut self, stream: Stream, bytes: &[u8]) {
        self.0.lock().take(stream, bytes);
        self.0.changed.notify_one();
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// The beginning of a text, of at most so many bytes.
fn first(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// The end of a text, of at most so many bytes.
pub(super) fn last(text: &str, bytes: usize) -> &str {
    let mut at = text.len().saturating_sub(bytes);
    while !text.is_char_boundary(at) {
        at += 1;
    }
    text.get(at..).unwrap_or_default()
}

/// A line whose secrets are hidden, as it is shown: of bounded length.
fn shown(masked: &str) -> String {
    let begin = first(masked, LINE);
    let mut text = plain(begin);
    if begin.len() < masked.len() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Inner, LINE, WAITING, first, last};
    use crate::transport::Stream;

    #[test]
    fn a_text_is_cut_at_a_character() {
        assert_eq!(first("aé", 2), "a");
        assert_eq!(first("aé", 9), "aé");
        assert_eq!(last("aé", 2), "é");
        assert_eq!(last("aé", 1), "");
        assert_eq!(last("aé", 9), "aé");
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_come() {
        let text = b"one\ntwo\n\nthree";
        for size in [1, 3, 100] {
            let mut inner = Inner {
                limit: 5,
                ..Inner::default()
            };
            for piece in text.chunks(size) {
                inner.take(Stream::Stderr, piece);
            }
            inner.end_lines(|_| true);
            assert_eq!(
                inner.waiting,
                [(Stream::Stderr, b"one\ntwo\n\nthree\n".to_vec())]
            );
            assert!(inner.streams[1].kept.starts_with(text));
        }
    }

    #[test]
    fn what_waits_is_bounded_and_what_is_left_out_is_counted() {
        let mut inner = Inner::default();
        inner.take(Stream::Stdout, &vec![b'x'; 10 * LINE]);
        inner.take(Stream::Stdout, b"\n");
        let lines = 2 * WAITING / LINE;
        for _ in 1..lines {
            let mut line = vec![b'y'; LINE - 1];
            line.push(b'\n');
            inner.take(Stream::Stdout, &line);
        }
        let waiting: usize = inner.waiting.iter().map(|(_, block)| block.len()).sum();
        assert!(waiting <= WAITING && waiting == inner.waiting_bytes);
        let shown = inner.waiting.iter().flat_map(|(_, block)| block);
        let shown = shown.filter(|byte| **byte == b'\n').count();
        assert!(inner.skipped > 0);
        assert_eq!(shown + inner.skipped, lines);
        assert!(inner.tail.len() < 100_000);
    }
}
