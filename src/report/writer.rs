//! Writes lines to the log and to standard output without holding up the run.
//!
//! An agent may read our pipe once in ten seconds, or never. So a thread of its own writes, in order,
//! what it is handed; whoever hands it lines learns from [`Writer::behind`] that the reader is slow.
//! A reader that is gone (`EPIPE`) is no failure: what is for it is dropped.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// From so many unwritten bytes on, notes should wait.
const BEHIND: usize = 256 * 1024;

/// So many unwritten bytes are kept; what comes after is left out, and that is said.
const FULL: usize = 8 * 1024 * 1024;

/// How long the end of a run waits for a reader that takes nothing at all. An agent reads every 10 s.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// The log: standard error.
    Log,
    /// What the recipe prints as it is: standard output.
    Plain,
}

enum Job {
    Line(To, String),
    Live(Option<String>),
}

/// A queue in front of two outputs.
#[derive(Debug)]
pub struct Writer {
    jobs: Option<Sender<Job>>,
    unwritten: Arc<AtomicUsize>,
    left_out: usize,
    over: Receiver<()>,
}

impl Writer {
    /// To this process's standard error and standard output. With `live`, standard error is a
    /// terminal whose last line may change.
    pub fn standard(live: bool) -> Self {
        Self::new(Box::new(io::stderr()), Box::new(io::stdout()), live)
    }

    /// To these outputs.
    pub fn to(log: Box<dyn Write + Send>, plain: Box<dyn Write + Send>) -> Self {
        Self::new(log, plain, false)
    }

    fn new(log: Box<dyn Write + Send>, plain: Box<dyn Write + Send>, live: bool) -> Self {
        let (jobs, queue) = mpsc::channel();
        let (done, over) = mpsc::channel();
        let unwritten = Arc::new(AtomicUsize::new(0));
        let counter = unwritten.clone();
        // Where no thread can be had the queue is dropped with its receiver, and lines with it: a run
        // goes on without a log rather than not at all.
        let _ = thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || {
                Outputs {
                    log: Some(log),
                    plain: Some(plain),
                    live,
                    bar: None,
                }
                .write(&queue, &counter);
                let _ = done.send(());
            });
        Self {
            jobs: Some(jobs),
            unwritten,
            left_out: 0,
            over,
        }
    }

    /// Writes a line (its end is added), and flushes it.
    pub fn line(&mut self, to: To, mut line: String) {
        line.push('\n');
        self.text(to, line);
    }

    /// Writes a text as it is, and flushes it.
    pub fn text(&mut self, to: To, text: String) {
        if self.unwritten.load(Ordering::Relaxed) > FULL {
            self.left_out += text.lines().count();
        } else if !text.is_empty() {
            self.tell_left_out();
            self.send(to, text);
        }
    }

    fn tell_left_out(&mut self) {
        let count = std::mem::take(&mut self.left_out);
        if count > 0 {
            self.send(
                To::Log,
                format!("({count} lines are left out here: whoever reads this log is too slow)\n"),
            );
        }
    }

    fn send(&self, to: To, line: String) {
        let length = line.len();
        self.unwritten.fetch_add(length, Ordering::Relaxed);
        if let Some(jobs) = &self.jobs
            && jobs.send(Job::Line(to, line)).is_err()
        {
            self.unwritten.fetch_sub(length, Ordering::Relaxed);
        }
    }

    /// Shows this as the terminal's last line, or nothing. While anything waits to be written the line
    /// is left as it is: a terminal that is stopped must not pile them up.
    pub fn live(&self, text: Option<String>) {
        let length = text.as_ref().map_or(0, String::len);
        if length > 0 && self.unwritten.load(Ordering::Relaxed) > 0 {
            return;
        }
        self.unwritten.fetch_add(length, Ordering::Relaxed);
        if let Some(jobs) = &self.jobs
            && jobs.send(Job::Live(text)).is_err()
        {
            self.unwritten.fetch_sub(length, Ordering::Relaxed);
        }
    }

    /// Whether the reader is slow.
    pub fn behind(&self) -> bool {
        self.unwritten.load(Ordering::Relaxed) > BEHIND
    }

    /// Waits until everything is written, or the reader has taken nothing for 30 s.
    pub fn finish(&mut self) {
        self.tell_left_out();
        self.jobs = None;
        let mut before = self.unwritten.load(Ordering::Relaxed);
        while let Err(RecvTimeoutError::Timeout) = self.over.recv_timeout(PATIENCE) {
            let now = self.unwritten.load(Ordering::Relaxed);
            if now == before {
                return;
            }
            before = now;
        }
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
}

struct Outputs {
    log: Option<Box<dyn Write + Send>>,
    plain: Option<Box<dyn Write + Send>>,
    live: bool,
    /// While there is a line that is drawn anew.
    bar: Option<ProgressBar>,
}

impl Outputs {
    fn write(mut self, queue: &Receiver<Job>, unwritten: &AtomicUsize) {
        while let Ok(job) = queue.recv() {
            match job {
                Job::Line(to, line) => {
                    self.line(to, &line);
                    unwritten.fetch_sub(line.len(), Ordering::Relaxed);
                }
                Job::Live(text) => {
                    let length = text.as_ref().map_or(0, String::len);
                    self.live(text);
                    unwritten.fetch_sub(length, Ordering::Relaxed);
                }
            }
        }
        self.live(None);
    }

    fn line(&mut self, to: To, line: &str) {
        let output = match to {
            To::Log => &mut self.log,
            To::Plain => &mut self.plain,
        };
        let Some(open) = output else { return };
        let mut write = || open.write_all(line.as_bytes()).and_then(|()| open.flush());
        let written = match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        };
        if written.is_err() {
            *output = None;
        }
    }

    fn live(&mut self, text: Option<String>) {
        match text {
            Some(text) if self.live => self.bar.get_or_insert_with(bar).set_message(text),
            _ => {
                if let Some(bar) = self.bar.take() {
                    bar.finish_and_clear();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// An output that tests can read.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic while held").write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A pipe whose reader is gone.
    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A pipe that nobody reads until the gate opens.
    struct Blocked(Receiver<()>, Shared);

    impl Write for Blocked {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_come_in_order_and_a_lost_reader_stops_nothing() {
        let plain = Shared::default();
        let mut writer = Writer::to(Box::new(Gone), Box::new(plain.clone()));
        for n in 0..100 {
            writer.line(To::Log, "x".into());
            writer.line(To::Plain, n.to_string());
        }
        writer.finish();
        let expected: String = (0..100).map(|n| format!("{n}\n")).collect();
        assert_eq!(
            *plain.0.lock().expect("no panic while held"),
            expected.into_bytes()
        );
    }

    #[test]
    fn a_reader_that_takes_nothing_bounds_what_is_kept() {
        let (gate, blocked) = mpsc::channel();
        let log = Shared::default();
        let mut writer = Writer::to(
            Box::new(Blocked(blocked, log.clone())),
            Box::new(io::sink()),
        );
        let line = "x".repeat(1024 * 1024);
        for _ in 0..20 {
            writer.line(To::Log, line.clone());
        }
        assert!(writer.behind());
        let unwritten = writer.unwritten.load(Ordering::Relaxed);
        assert!(unwritten < FULL + 2 * line.len());
        writer.live(Some("still at it".to_owned()));
        assert_eq!(writer.unwritten.load(Ordering::Relaxed), unwritten);
        drop(gate);
        writer.finish();
        let log = log.0.lock().expect("no panic while held");
        let text = String::from_utf8_lossy(&log);
        assert!(text.ends_with("lines are left out here: whoever reads this log is too slow)\n"));
    }
}
