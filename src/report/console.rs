//! The log for a person or an agent: a line per fact worth reading, with its time in UTC.
//!
//! ```text
//! 2026-11-24T14:00:00.123Z INFO  storage/write  flash: https://example.com/image.xz to /dev/sda
//! ```
//!
//! An agent's log has nothing but such lines; while a transfer or a wait goes on, one tells every 10 s
//! how far it is. On a terminal there are colours, and a last line that is drawn anew. Readers of the
//! logs of Testflinger's device connectors know lines of another form ([`Console::of_connector`]):
//!
//! ```text
//! 2026-11-24 14:00:00,123 rpi4-01 INFO: DEVICE CONNECTOR: storage/write  flash: https://…
//! ```

use std::time::{Duration, SystemTime};

use super::Reader;
use super::lines::{Level, told};
use super::outcome::Outcome;
use super::quantity::{bytes, elapsed};
use super::writer::{To, Writer};
use crate::actions::{LogLevel, Note, Progress};
use crate::diagnostic::{plain, plural};
use crate::engine::{NamedStep, Opening, Record, Said, Saying, Sink, What, utc};
use crate::machine::Moment;
use crate::recipe::{Verdict, duration};

/// How often a log tells how far a transfer or a wait is.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// How often it tells that any other step still runs.
pub const STILL_EVERY: Duration = Duration::from_secs(60);

/// Characters of a line; what is longer is cut.
const LONG: usize = 4096;

/// Things sent that stand in one line together have no more characters.
const SHORT: usize = 160;

/// How the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Levels and times in colour.
    pub colour: bool,
    /// A last line that is drawn anew.
    pub live: bool,
}

/// Writes the log.
#[derive(Debug)]
pub struct Console {
    writer: Writer,
    look: Look,
    /// The agent's name, for lines as a device connector writes them.
    agent: Option<String>,
    /// What was printed as it is last had no line's end.
    plain_is_open: bool,
    stage: String,
    running: Option<Running>,
    /// How the last try failed: the error that goes on from it says the same.
    failed: Option<String>,
}

/// The try that goes on.
#[derive(Debug)]
struct Running {
    step: NamedStep,
    action: String,
    number: u32,
    of: u32,
    began: Moment,
    limit: Option<Moment>,
    /// When the log last told something of it.
    told: Moment,
    progress: Option<Transfer>,
    /// Its output passes through, and nothing else is said.
    passes: bool,
}

/// How far it is, and how fast it was.
#[derive(Clone, Copy, Debug)]
struct Transfer {
    now: Progress,
    measured: (Moment, u64),
    /// Bytes a second, of late.
    rate: f64,
}

impl Console {
    /// To this writer.
    pub fn new(writer: Writer, look: Look) -> Self {
        Self {
            writer,
            look,
            agent: None,
            plain_is_open: false,
            stage: String::new(),
            running: None,
            failed: None,
        }
    }

    /// With lines as Testflinger's device connectors write them: time (UTC), the agent's name, the
    /// level, `DEVICE CONNECTOR`. What is said for debugging alone is left out.
    pub fn of_connector(writer: Writer, agent: String) -> Self {
        Self {
            agent: Some(agent),
            ..Self::new(writer, Look::default())
        }
    }

    fn line(&mut self, time: SystemTime, level: Level, state: &str, text: &str) {
        let place = self.place(state).to_owned();
        if self.agent.is_some() && level == Level::Debug {
            return;
        }
        for part in text.lines() {
            let mut part = plain(part);
            if let Some((at, _)) = part.char_indices().nth(LONG) {
                part.truncate(at);
                part.push('…');
            }
            let word = level.word();
            let line = if let Some(agent) = &self.agent {
                let line = of_connector(time, agent, level, &format!("{place}  {part}"));
                // The agent reads both streams as one, and looks for what it knows where lines begin.
                if std::mem::take(&mut self.plain_is_open) {
                    format!("\n{line}")
                } else {
                    line
                }
            } else if self.look.colour {
                let time = utc(time);
                format!(
                    "\x1b[2m{time}\x1b[0m \x1b[{}m{word}\x1b[0m \x1b[1m{place}\x1b[0m  {part}",
                    level.colour()
                )
            } else {
                format!("{} {word} {place}  {part}", utc(time))
            };
            self.writer.line(To::Log, line);
        }
    }

    fn place<'a>(&'a self, state: &'a str) -> &'a str {
        match state.trim_start_matches('/') {
            "" => &self.stage,
            path => path,
        }
    }

    fn about(&mut self, saying: &Saying, level: Level, text: &str) {
        if let Some(running) = &mut self.running {
            running.told = saying.at;
        }
        self.line(saying.time, level, &saying.step.state, text);
    }
}

/// A line as Testflinger's device connectors write it.
fn of_connector(time: SystemTime, agent: &str, level: Level, text: &str) -> String {
    let time = utc(time).replace('T', " ").replace('.', ",");
    let time = time.trim_end_matches('Z');
    format!(
        "{time} {agent} {}: DEVICE CONNECTOR: {text}",
        level.python()
    )
}

/// What is said outside of a run, as lines that device connectors write: an error, or only worth
/// knowing.
pub fn connector_lines(agent: &str, is_error: bool, text: &str) -> String {
    let level = if is_error { Level::Error } else { Level::Info };
    let now = SystemTime::now();
    text.lines()
        .map(|line| of_connector(now, agent, level, line) + "\n")
        .collect()
}

impl Sink for Console {
    fn open(&mut self, opening: &Opening) {
        self.stage = opening.stage.to_string();
        self.line(
            opening.time,
            Level::Info,
            "/",
            &format!(
                "recipe {}, run {}, in {}",
                opening.recipe,
                opening.run_id,
                opening.run_dir.display()
            ),
        );
        for warning in &opening.warnings {
            self.line(opening.time, Level::Warn, "/", warning);
        }
    }

    fn fact(&mut self, record: &Record) {
        let repeats = matches!(
            &record.what,
            What::Raised { message, .. } if self.failed.as_ref() == Some(message)
        );
        if !repeats
            && let Some((level, state, text)) =
                told(record, self.running.as_ref().map(|it| it.action.as_str()))
        {
            self.line(record.time, level, &state, &text);
        }
        match &record.what {
            What::TryStarted {
                step,
                action,
                number,
                of,
                limit,
                ..
            } => {
                self.running = Some(Running {
                    step: step.clone(),
                    action: action.to_string(),
                    number: *number,
                    of: *of,
                    began: record.at,
                    limit: limit.map(|limit| Moment(Duration::from_millis(limit))),
                    told: record.at,
                    progress: None,
                    passes: false,
                });
            }
            What::TryRefused { message, .. } => self.failed = Some(message.clone()),
            What::TryEnded { failure, .. } => {
                self.failed = failure.as_ref().map(|failure| failure.message.clone());
                self.running = None;
                if self.look.live {
                    self.writer.live(None);
                }
            }
            _ => {}
        }
    }

    fn say(&mut self, saying: &Saying) {
        match &saying.said {
            // It says itself what it does.
            Said::Request(_) if self.running.as_ref().is_some_and(|it| it.action == "log") => {}
            Said::Request(parts) => {
                let head = match &self.running {
                    Some(Running { number, of, .. }) if *of > 1 => {
                        format!("{} (try {number} of {of})", saying.step.name)
                    }
                    _ => saying.step.name.to_string(),
                };
                let text = match parts.as_slice() {
                    [] => head,
                    // `sleep 10ms` says what it is.
                    [one] if one.split(' ').next() == Some(head.as_str()) => one.clone(),
                    [one] => format!("{head}: {one}"),
                    several if several.iter().map(String::len).sum::<usize>() <= SHORT => {
                        format!("{head}: {}", several.join("; "))
                    }
                    several => format!("{head}:\n  {}", several.join("\n  ")),
                };
                self.about(saying, Level::Info, &text);
            }
            Said::Note(Note::Output { line, .. }) => {
                self.about(saying, Level::Info, &format!("| {line}"));
            }
            Said::Note(Note::Text(text)) => {
                if let Some(running) = &mut self.running {
                    running.passes = true;
                }
                self.plain_is_open = !text.ends_with('\n');
                self.writer.text(To::Plain, text.clone());
            }
            Said::Note(Note::Doing(what)) => {
                let text = format!("{}: {what}", saying.step.name);
                self.about(saying, Level::Info, &text);
            }
            Said::Note(Note::Warning(text)) => {
                let text = format!("{}: {text}", saying.step.name);
                self.about(saying, Level::Warn, &text);
            }
            Said::Note(Note::Log { level, text, plain }) => {
                if *plain {
                    self.plain_is_open = false;
                    self.writer.line(To::Plain, text.clone());
                } else {
                    let level = match level {
                        LogLevel::Info => Level::Info,
                        LogLevel::Error => Level::Error,
                        LogLevel::Warn => Level::Warn,
                        LogLevel::Debug => Level::Debug,
                    };
                    self.about(saying, level, text);
                }
            }
            Said::Note(Note::Progress(now)) => {
                if let Some(running) = &mut self.running {
                    match &mut running.progress {
                        // A new pass (reading back what was written) begins at nought again.
                        Some(transfer) if now.done >= transfer.now.done => transfer.now = *now,
                        Some(transfer) => *transfer = Transfer::new(saying.at, *now),
                        None => running.progress = Some(Transfer::new(saying.at, *now)),
                    }
                }
            }
        }
    }

    fn tick(&mut self, now: Moment, time: SystemTime) {
        let Some(running) = &mut self.running else {
            return;
        };
        if let Some(transfer) = &mut running.progress {
            transfer.measure(now);
        }
        if self.look.live {
            let text = format!("{}: {}", running.step.name, running.state(now));
            let state = running.step.state.clone();
            let place = self.place(&state);
            self.writer.live(Some(format!("{place} {text}")));
            return;
        }
        if running.passes {
            return;
        }
        let every = if running.progress.is_some() || running.action == "wait" {
            PROGRESS_EVERY
        } else {
            STILL_EVERY
        };
        if now.0.saturating_sub(running.told.0) >= every {
            running.told = now;
            let text = format!("{}: {}", running.step.name, running.state(now));
            let state = running.step.state.clone();
            self.line(time, Level::Info, &state, &text);
        }
    }

    fn behind(&self) -> bool {
        self.writer.behind()
    }
}

impl Reader for Console {
    fn conclude(&mut self, outcome: &Outcome, story: &[String]) {
        let time = SystemTime::now();
        let level = match outcome.verdict {
            Verdict::Ok => Level::Info,
            Verdict::Cancelled => Level::Warn,
            _ => Level::Error,
        };
        if self.look.live {
            self.writer.live(None);
        }
        for line in story {
            self.line(time, level, "/", line);
        }
        self.line(time, level, "/", &outcome.line().replace('\n', " "));
        self.writer.finish();
    }
}

impl Transfer {
    fn new(at: Moment, now: Progress) -> Self {
        Self {
            now,
            measured: (at, now.done),
            rate: 0.0,
        }
    }

    /// Weighs the rate since the last measurement with the one before, a second's worth at least.
    fn measure(&mut self, now: Moment) {
        let (at, done) = self.measured;
        let passed = now.0.saturating_sub(at.0);
        if passed < Duration::from_secs(1) {
            return;
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "a rate is shown with three digits"
        )]
        let rate = self.now.done.saturating_sub(done) as f64 / passed.as_secs_f64();
        self.rate = if self.rate > 0.0 {
            0.7 * self.rate + 0.3 * rate
        } else {
            rate
        };
        self.measured = (now, self.now.done);
    }

    fn text(&self) -> String {
        let Progress { done, total } = self.now;
        let mut text = bytes(done);
        if let Some(total) = total.filter(|total| *total > 0) {
            let percent = u128::from(done.min(total)) * 100 / u128::from(total);
            text.push_str(&format!(" of {} ({percent} %)", bytes(total)));
        }
        if self.rate >= 1.0 {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is at least 1, and a cast cuts what is too large"
            )]
            let whole = self.rate as u64;
            text.push_str(&format!(", {}/s", bytes(whole)));
            if let Some(total) = total {
                let left = Duration::from_secs(total.saturating_sub(done) / whole.max(1));
                text.push_str(&format!(", {} left", duration::print(left)));
            }
        }
        text
    }
}

impl Running {
    fn state(&self, now: Moment) -> String {
        let since = now.0.saturating_sub(self.began.0);
        let mut parts = Vec::new();
        if self.of > 1 {
            parts.push(format!("try {} of {}", self.number, self.of));
        }
        match &self.progress {
            Some(transfer) if self.action == "wait" => {
                let done = usize::try_from(transfer.now.done).unwrap_or(usize::MAX);
                parts.push(plural(done, "probe"));
            }
            Some(transfer) => parts.push(transfer.text()),
            None => {}
        }
        parts.push(format!("{} so far", elapsed(since)));
        if let Some(limit) = self.limit {
            let left = Duration::from_secs(limit.0.saturating_sub(now.0).as_secs());
            parts.push(format!("at most {} more", duration::print(left)));
        }
        parts.join(", ")
    }
}
