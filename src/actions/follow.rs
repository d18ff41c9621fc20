//! Following a stream of server-sent events: each is shown as it comes.
//!
//! The id of the last event is where a stream that was cut is taken up again. Where the events are
//! log entries, one that can't be read is passed over and moves that id no further.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::fields::{Fields, Text};
use super::log_entry::LogEntry;
use super::modifiers::warn_truncated;
use super::sse::{Event, Parser};
use super::{Note, Progress, StepContext, StepError};
use crate::diagnostic::plain;
use crate::recipe::duration;
use crate::recipe::secret::HIDDEN;
use crate::transport::{Fault, FaultKind, HttpBody, Stream};

/// How a stream is followed.
#[derive(Clone)]
pub(super) struct Follow {
    last_event_id: Text,
    /// Each event is a log entry, shown under this name.
    log_as: Option<Text>,
    /// The longest time without a byte.
    silence: Option<Duration>,
}

/// What has come so far.
struct Seen<'a> {
    follow: &'a Follow,
    last_event_id: String,
    events: Vec<Value>,
    logged: u64,
    /// Bytes of events that are still kept.
    room: usize,
    truncated: bool,
}

impl Follow {
    /// As the parameters of a request say; `None` where it follows nothing.
    pub(super) fn of(fields: &Fields) -> Result<Option<Self>, StepError> {
        let Some(follow) = fields.get("follow") else {
            return Ok(None);
        };
        follow.word(&[("sse", ())])?;
        let silence = fields.get("silence").map(|field| field.duration());
        Ok(Some(Self {
            last_event_id: fields.text("last_event_id")?.unwrap_or_default(),
            log_as: fields.text("log_as")?,
            silence: silence.transpose()?.filter(|silence| !silence.is_zero()),
        }))
    }

    /// What asks for the stream, from where it is to go on.
    pub(super) fn headers(&self) -> Vec<(String, String)> {
        let mut headers = vec![("accept".to_owned(), "text/event-stream".to_owned())];
        if !self.last_event_id.value.is_empty() {
            let id = self.last_event_id.value.clone();
            headers.push(("last-event-id".to_owned(), id));
        }
        headers
    }

    /// The id that was asked for, as it may be shown.
    pub(super) fn shown_id(&self) -> &str {
        match self.last_event_id.secret {
            true => HIDDEN,
            false => &self.last_event_id.value,
        }
    }

    /// The output of a stream that was cut before it began.
    pub(super) fn nothing(&self, fields: &mut Map<String, Value>) {
        self.begin(0).tell(fields);
    }

    /// Reads to the end of the stream, or to what cut it. At most `room` bytes of events are kept.
    pub(super) async fn stream(
        &self,
        mut body: HttpBody,
        room: usize,
        fields: &mut Map<String, Value>,
        cx: &StepContext,
    ) -> Option<Fault> {
        let mut parser = Parser::after(&self.last_event_id.value);
        let mut seen = self.begin(room);
        let mut done = 0_u64;
        let fault = loop {
            let chunk = match self.unless_silent(body.chunk()).await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break None,
                Err(fault) => break Some(fault),
            };
            done += chunk.len() as u64;
            cx.notes
                .offer(Note::Progress(Progress { done, total: None }));
            for event in parser.feed(&chunk) {
                seen.take(event, cx).await;
            }
            if seen.room == 0 && !seen.truncated {
                seen.truncated = true;
                warn_truncated(room, cx).await;
            }
        };
        if self.log_as.is_none() {
            parser.last_id().clone_into(&mut seen.last_event_id);
        }
        seen.tell(fields);
        fault
    }

    fn begin(&self, room: usize) -> Seen<'_> {
        Seen {
            follow: self,
            last_event_id: self.last_event_id.value.clone(),
            events: Vec::new(),
            logged: 0,
            room,
            truncated: false,
        }
    }

    /// What a server answers, unless it is silent for too long.
    pub(super) async fn unless_silent<T>(
        &self,
        answer: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let Some(silence) = self.silence else {
            return answer.await;
        };
        tokio::time::timeout(silence, answer)
            .await
            .unwrap_or_else(|_| {
                let silence = duration::print(silence);
                let message = format!("nothing has come for {silence}");
                Err(Fault::new(FaultKind::Lost, message))
            })
    }
}

impl Seen<'_> {
    async fn take(&mut self, event: Event, cx: &StepContext) {
        let data = cx.lab.mask(&event.data);
        if let Some(name) = &self.follow.log_as {
            if log(name.shown(), &data, cx).await {
                self.logged += 1;
                self.last_event_id = event.id;
            }
            return;
        }
        for line in data.lines() {
            let line = plain(line);
            let stream = Stream::Stdout;
            cx.notes.say(Note::Output { stream, line }).await;
        }
        let size = data.len() + event.event.len() + event.id.len();
        match self.room.checked_sub(size) {
            Some(left) => {
                self.room = left;
                let Event { event, id, .. } = event;
                self.events
                    .push(json!({"event": event, "data": data, "id": id}));
            }
            None => self.room = 0,
        }
    }

    fn tell(self, fields: &mut Map<String, Value>) {
        fields.insert("truncated".to_owned(), json!(self.truncated));
        fields.insert("last_event_id".to_owned(), json!(self.last_event_id));
        fields.insert("events".to_owned(), Value::Array(self.events));
        fields.insert("logged".to_owned(), json!(self.logged));
    }
}

/// Shows an event as a log entry; false where it is none.
async fn log(name: &str, data: &str, cx: &StepContext) -> bool {
    let Some(entry) = LogEntry::read(data) else {
        let shown = super::exec::brief(&plain(data));
        let warning = format!("[{name}] an event that is no log entry was left out: {shown}");
        cx.notes.say(Note::Warning(warning)).await;
        return false;
    };
    if let Some(level) = entry.odd_level {
        let warning = format!("[{name}] unknown log level `{}`", plain(&level));
        cx.notes.say(Note::Warning(warning)).await;
    }
    let lines: Vec<String> = entry.message.lines().map(plain).collect();
    let note = Note::Log {
        level: entry.level,
        text: format!("[{name}] {}", lines.join("\n")),
        plain: false,
    };
    cx.notes.say(note).await;
    true
}
