//! The story of a failed run: where it failed, what was sent, what came back, which bound was hit, and
//! what was tried before and after.
//!
//! It is told from facts and notes alone, so a journal tells it as well, but for the requests, which
//! are only in the log. What is remembered is bounded: the first and the last failures of a run that
//! fails ten thousand times.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use super::outcome::{Outcome, verdict_word};
use super::quantity::elapsed;
use crate::diagnostic::plain;
use crate::engine::{
    NamedStep, Record, RunReport, Said, Saying, Then, What, outcome_word, signal_name, utc,
};
use crate::machine::Outcome as Ended;

/// Events kept from the first failure on, and those kept of the end.
const FIRST: usize = 20;
const LAST: usize = 40;

/// Failed tries of which request and output are kept.
const DETAILED: usize = 8;

/// Characters of one entry of a request.
const LONG: usize = 2000;

/// What a failure's story is told from.
#[derive(Debug, Default)]
pub struct Story {
    first: Vec<Event>,
    last: VecDeque<Event>,
    left_out: usize,
    running: Option<Try>,
    failed: VecDeque<Try>,
}

#[derive(Debug)]
struct Event {
    time: SystemTime,
    text: String,
}

#[derive(Debug)]
struct Try {
    step: NamedStep,
    host: Option<String>,
    number: u32,
    of: u32,
    request: Vec<String>,
    stopped: Option<String>,
    took: Duration,
    message: String,
    tail: String,
}

impl Story {
    /// Remembers a fact, if it belongs to a failure.
    pub fn fact(&mut self, record: &Record) {
        match &record.what {
            What::TryStarted {
                step,
                host,
                number,
                of,
                ..
            } => {
                self.running = Some(Try {
                    step: step.clone(),
                    host: host.as_ref().map(ToString::to_string),
                    number: *number,
                    of: *of,
                    request: Vec::new(),
                    stopped: None,
                    took: Duration::ZERO,
                    message: String::new(),
                    tail: String::new(),
                });
            }
            What::TryStopping { why, .. } => {
                if let Some(running) = &mut self.running {
                    running.stopped = Some(why.to_string());
                }
            }
            What::TryEnded {
                outcome,
                took,
                failure,
                ..
            } => {
                let Some(mut ended) = self.running.take() else {
                    return;
                };
                ended.took = Duration::from_millis(*took);
                if *outcome == Ended::Ok && self.first.is_empty() {
                    return;
                }
                let text = tried(&ended, &record.what);
                self.event(record.time, text);
                if let Some(failure) = failure {
                    ended.message.clone_from(&failure.message);
                    ended.tail.clone_from(&failure.tail);
                    if self.failed.len() == DETAILED {
                        self.failed.pop_front();
                    }
                    self.failed.push_back(ended);
                }
            }
            What::TryRefused {
                step,
                kind,
                message,
                ..
            } => self.event(
                record.time,
                format!(
                    "{} {}: {kind}: {}",
                    place(&step.state),
                    step.name,
                    plain(message)
                ),
            ),
            What::Raised {
                kind,
                state,
                message,
                ..
            } => {
                // A try that ended with it has told it already.
                let told = self
                    .failed
                    .back()
                    .is_some_and(|tried| tried.message == *message);
                if !told {
                    self.event(
                        record.time,
                        format!("{}: {kind}: {}", place(state), plain(message)),
                    );
                }
            }
            What::ExitStepFailed { step, kind, .. } => self.event(
                record.time,
                format!(
                    "{} {}: this exit step's {kind} stays beside the outcome",
                    place(&step.state),
                    step.name
                ),
            ),
            What::Caught { state, kind } => {
                self.event(record.time, format!("{}: {kind} was caught", place(state)));
            }
            What::Retrying {
                state,
                kind,
                attempt,
                of,
                ..
            } => self.event(
                record.time,
                format!(
                    "{}: try {attempt} of {of} follows this {kind}",
                    place(state)
                ),
            ),
            What::Cancelled { signal, number } => self.event(
                record.time,
                match number {
                    1 => format!("{}: all scopes are left", signal_name(*signal)),
                    _ => format!(
                        "{} again: open scopes are left to the next start",
                        signal_name(*signal)
                    ),
                },
            ),
            What::ScopeLeaving { state, outcome } if !self.first.is_empty() => {
                let word = outcome_word(*outcome);
                self.event(
                    record.time,
                    format!("{}: leaving, outcome {word}", place(state)),
                );
            }
            _ => {}
        }
    }

    /// Remembers what the running try sends.
    pub fn say(&mut self, saying: &Saying) {
        if let (Said::Request(parts), Some(running)) = (&saying.said, &mut self.running) {
            running.request = parts
                .iter()
                .take(10)
                .map(|part| cut(&plain_lines(part)))
                .collect();
        }
    }

    /// The story, line by line; empty where the run ended well.
    pub fn tell(&self, report: &RunReport, outcome: &Outcome) -> Vec<String> {
        let Some(decided) = &report.decided else {
            return Vec::new();
        };
        let mut lines = vec![format!("How {} came to fail", outcome.stage)];
        if let Some(state) = &decided.state {
            lines.push(format!("  state     {state}"));
        }
        let detail = self
            .failed
            .iter()
            .rev()
            .find(|tried| Some(&tried.step) == decided.step.as_ref());
        if let Some(step) = &decided.step {
            lines.push(match detail {
                Some(tried) => format!(
                    "  step      {} ({}), try {} of {}",
                    step.name, step.place, tried.number, tried.of
                ),
                None => format!("  step      {} ({})", step.name, step.place),
            });
        }
        if let Some(tried) = detail {
            if let Some(host) = &tried.host {
                lines.push(format!("  host      {host}"));
            }
            indented(
                &mut lines,
                "  sent      ",
                tried.request.iter().flat_map(|part| part.lines()),
            );
            lines.push(format!("  took      {}", elapsed(tried.took)));
            if let Some(bound) = &tried.stopped {
                lines.push(format!("  stopped   by {bound}"));
            }
        }
        lines.push(match decided.kind {
            Some(kind) => format!("  error     {kind}: {}", plain(&report.reason)),
            None => format!("  reason    {}", plain(&report.reason)),
        });
        for cause in &decided.causes {
            lines.push(format!("  because   {}", plain(cause)));
        }
        for one in &report.evidence {
            let words = one.words();
            lines.push(match (one.holds, one.against()) {
                (Some(true), _) => format!("  probe     {words}: well"),
                (_, Some(verdict)) => format!(
                    "  probe     {words}: not well ({}): {}",
                    verdict_word(verdict),
                    plain(&one.message)
                ),
                _ => format!("  probe     {words}: not known: {}", plain(&one.message)),
            });
        }
        let tail = detail.map_or(decided.tail.as_str(), |tried| &tried.tail);
        let tail: Vec<String> = tail.lines().map(plain).collect();
        let from = tail.len().saturating_sub(LAST);
        indented(
            &mut lines,
            "  output    ",
            tail[from..].iter().map(String::as_str),
        );
        if !self.first.is_empty() {
            lines.push("  what happened, from the first failure on:".to_owned());
            let event = |event: &Event| format!("    {}  {}", time_of_day(event.time), event.text);
            lines.extend(self.first.iter().map(event));
            if self.left_out > 0 {
                lines.push(format!("    ({} more are left out here)", self.left_out));
            }
            lines.extend(self.last.iter().map(event));
        }
        if !report.left_open.is_empty() {
            lines.push(format!(
                "  left open {} (exit steps were not run)",
                report.left_open.join(", ")
            ));
        }
        lines
    }

    fn event(&mut self, time: SystemTime, text: String) {
        let event = Event { time, text };
        if self.first.len() < FIRST {
            self.first.push(event);
            return;
        }
        if self.last.len() == LAST {
            self.last.pop_front();
            self.left_out += 1;
        }
        self.last.push_back(event);
    }
}

/// How a try ended, in one line.
fn tried(ended: &Try, what: &What) -> String {
    let What::TryEnded {
        outcome,
        then,
        failure,
        ..
    } = what
    else {
        return String::new();
    };
    let mut text = format!(
        "{} {}: try {} of {}: {} after {}",
        place(&ended.step.state),
        ended.step.name,
        ended.number,
        ended.of,
        outcome_word(*outcome),
        elapsed(ended.took)
    );
    if let Some(failure) = failure {
        text.push_str(&format!(": {}", plain(&failure.message)));
    }
    match then {
        Then::Forgiven => text.push_str(" (allowed to fail)"),
        Then::Recorded => text.push_str(" (the next item follows)"),
        Then::Done | Then::Again { .. } | Then::Raised => {}
    }
    text
}

fn place(state: &str) -> &str {
    match state.trim_start_matches('/') {
        "" => "/",
        path => path,
    }
}

fn plain_lines(text: &str) -> String {
    text.lines().map(plain).collect::<Vec<_>>().join("\n")
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONG) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

fn indented<'a>(to: &mut Vec<String>, head: &str, lines: impl Iterator<Item = &'a str>) {
    let blank = " ".repeat(head.len());
    for (n, line) in lines.enumerate() {
        let head = if n == 0 { head } else { &blank };
        to.push(format!("{head}{line}"));
    }
}

fn time_of_day(time: SystemTime) -> String {
    utc(time)
        .split_once('T')
        .map_or_else(String::new, |(_, time)| time.to_owned())
}
