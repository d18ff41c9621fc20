//! `--log-format json`: facts and notes as JSON lines on standard error, for a collector.
//!
//! Facts are the journal's lines. A note is `{"t", "at", "note", "state", "step", "place", ...}` with
//! `note` one of `request`, `output`, `text`, `progress`, `doing`, `log`, `warning`. The first line is
//! `{"t", "run": {...}}` (of an earlier run where that is recovered first; another such line follows),
//! the last `{"t", "outcome": {...}}`, as in `outcome.json`.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::Reader;
use super::outcome::Outcome;
use super::writer::{To, Writer};
use crate::actions::{LogLevel, Note};
use crate::engine::{NamedStep, Opening, Record, Said, Saying, Sink, millis, utc};
use crate::machine::Moment;
use crate::transport::Stream;

/// How often a step's progress is told.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// Writes JSON lines.
#[derive(Debug)]
pub struct JsonLines {
    writer: Writer,
    /// The step whose progress was told last, and when.
    told: Option<(NamedStep, Moment)>,
}

impl JsonLines {
    /// To this writer's log; what is `plain` goes to standard output as it is, too.
    pub fn new(writer: Writer) -> Self {
        Self { writer, told: None }
    }

    fn line(&mut self, line: &Value) {
        self.writer.line(To::Log, line.to_string());
    }
}

impl Sink for JsonLines {
    fn open(&mut self, opening: &Opening) {
        self.line(&json!({
            "t": utc(opening.time),
            "run": {
                "recipe": opening.recipe,
                "stage": opening.stage,
                "run_id": opening.run_id,
                "run_dir": opening.run_dir.display().to_string(),
                "warnings": opening.warnings,
            },
        }));
    }

    fn fact(&mut self, record: &Record) {
        self.line(&record.to_json());
    }

    fn say(&mut self, saying: &Saying) {
        if let Said::Note(Note::Progress(_)) = &saying.said {
            let recent = self.told.as_ref().is_some_and(|(step, at)| {
                *step == saying.step && saying.at.0.saturating_sub(at.0) < PROGRESS_EVERY
            });
            if recent {
                return;
            }
            self.told = Some((saying.step.clone(), saying.at));
        }
        let (note, fields) = match &saying.said {
            Said::Request(parts) => ("request", json!({ "sends": parts })),
            Said::Note(Note::Output { stream, line }) => (
                "output",
                json!({
                    "stream": match stream {
                        Stream::Stdout => "stdout",
                        Stream::Stderr => "stderr",
                    },
                    "line": line,
                }),
            ),
            Said::Note(Note::Text(text)) if text.is_empty() => return,
            Said::Note(Note::Text(text)) => {
                self.writer.text(To::Plain, text.clone());
                ("text", json!({ "text": text }))
            }
            Said::Note(Note::Progress(progress)) => (
                "progress",
                json!({ "done": progress.done, "total": progress.total }),
            ),
            Said::Note(Note::Doing(what)) => ("doing", json!({ "what": what })),
            Said::Note(Note::Warning(text)) => ("warning", json!({ "text": text })),
            Said::Note(Note::Log { level, text, plain }) => {
                if *plain {
                    self.writer.line(To::Plain, text.clone());
                }
                let level = match level {
                    LogLevel::Info => "info",
                    LogLevel::Error => "error",
                    LogLevel::Warn => "warn",
                    LogLevel::Debug => "debug",
                };
                ("log", json!({ "level": level, "text": text }))
            }
        };
        let mut line = json!({
            "t": utc(saying.time),
            "at": millis(saying.at.0),
            "note": note,
            "state": saying.step.state,
            "step": saying.step.name,
            "place": saying.step.place,
        });
        if let (Value::Object(line), Value::Object(fields)) = (&mut line, fields) {
            line.extend(fields);
        }
        self.line(&line);
    }

    fn tick(&mut self, _: Moment, _: SystemTime) {}

    fn behind(&self) -> bool {
        self.writer.behind()
    }
}

impl Reader for JsonLines {
    fn conclude(&mut self, outcome: &Outcome, _story: &[String]) {
        self.line(&json!({ "t": utc(SystemTime::now()), "outcome": outcome }));
        self.writer.finish();
    }
}
