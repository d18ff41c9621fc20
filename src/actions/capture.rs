//! `capture`: logs a serial line to a file for as long as its scope is open.
//!
//! Its bytes go to the file as they are. A line that is down is no error: it is said once, and tried
//! again in silence.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

use super::fields::Fields;
use super::serial_line::{Opened, SerialLine};
use super::{
    Held, Note, Notes, Output, Performed, Performing, PlanContext, Request, StepContext, StepError,
    paths,
};
use crate::recipe::duration;
use crate::transport::Host;

/// How long after a drop the line is tried again.
const RECONNECT: Duration = Duration::from_secs(30);
/// However short `reconnect` is, as long as this is left to the rest of the machine.
const LEAST: Duration = Duration::from_millis(10);
struct Capture {
    gear: String,
    line: SerialLine,
    /// As it was given.
    to: String,
    file: PathBuf,
    reconnect: Duration,
}

pub(super) fn plan(cx: &PlanContext) -> Result<Box<dyn Request>, StepError> {
    let fields = Fields::render(&cx.step.params, cx.context)?;
    let gear = fields.need("gear")?.text()?.value;
    let line = cx.lab.serial_line(cx.home, &gear)?;
    let (to, file) = match fields.get("to") {
        Some(field) => (field.path_text()?, paths::local(cx, "to", field)?),
        None => {
            let name = "serial.log";
            let file = paths::inside(cx.lab, Path::new(name)).ok_or_else(|| {
                StepError::input(format!(
                    "{name} in the run directory is a link that leads out of it"
                ))
            })?;
            (name.to_owned(), file)
        }
    };
    Ok(Box::new(Capture {
        gear,
        line,
        to,
        file,
        reconnect: fields.duration("reconnect", RECONNECT)?,
    }))
}

impl Capture {
    fn what(&self) -> String {
        format!("the serial line `{}` {}", self.gear, self.line.shown())
    }

    async fn execute(self, cx: &StepContext) -> Performed {
        if let Some(folder) = self.file.parent() {
            let made = tokio::fs::create_dir_all(folder).await;
            made.map_err(|error| {
                StepError::io(format!("{} can't be made: {error}", folder.display()))
            })?;
        }
        let file = tokio::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.file)
            .await
            .map_err(|error| {
                StepError::io(format!("{} can't be written: {error}", self.file.display()))
            })?;
        let mut fields = serde_json::Map::new();
        fields.insert("path".to_owned(), json!(self.to));
        // The board may speak as soon as the next step switches it on.
        let local = cx.lab.local();
        let first = tokio::select! {
            first = self.line.open(&local) => first,
            () = cx.stop.wanted() => return Err(super::exec::stopped(&self.what())),
        };
        let close = CancellationToken::new();
        let task = tokio::spawn(
            Session {
                what: self.what(),
                line: self.line,
                local,
                file,
                reconnect: self.reconnect,
                notes: cx.notes.clone(),
                close: close.clone(),
                warned: false,
            }
            .follow(first),
        );
        cx.scope.hold(Held { close, task });
        Ok(Output::of(fields))
    }
}

/// As much as is still read of a line that doesn't fall silent when it is to be closed.
const LEFT: usize = 256 * 1024;

/// One capture under way.
struct Session {
    what: String,
    line: SerialLine,
    local: Host,
    file: tokio::fs::File,
    reconnect: Duration,
    notes: Notes,
    close: CancellationToken,
    warned: bool,
}

impl Session {
    async fn follow(mut self, first: Result<Opened, String>) {
        let mut next = first;
        loop {
            let why = match next {
                Ok(mut opened) => {
                    let copied = self.copy(&mut opened).await;
                    opened.close().await;
                    match copied {
                        Ok(()) => break,
                        Err(why) => why,
                    }
                }
                Err(why) => why,
            };
            if !self.warned {
                self.warned = true;
                let again = duration::print(self.reconnect);
                let text = format!("{} is down: {why}; it is tried every {again}", self.what);
                self.notes.offer(Note::Warning(text));
            }
            next = tokio::select! {
                () = self.close.cancelled() => break,
                next = async {
                    tokio::time::sleep(self.reconnect.max(LEAST)).await;
                    self.line.open(&self.local).await
                } => next,
            };
        }
        let _ = self.file.flush().await;
        let _ = self.file.sync_data().await;
    }

    /// Copies until it is told to close; an error where the line drops before.
    async fn copy(&mut self, opened: &mut Opened) -> Result<(), String> {
        let mut buffer = vec![0; 4096];
        let mut left = LEFT;
        loop {
            let read = tokio::select! {
                biased;
                read = opened.read(&mut buffer) => read,
                // Only where nothing is left to read.
                () = self.close.cancelled() => return Ok(()),
            };
            let count = read?;
            let bytes = buffer.get(..count).unwrap_or_default();
            let written = async {
                self.file.write_all(bytes).await?;
                self.file.flush().await
            };
            written
                .await
                .map_err(|error| format!("its file can't be written: {error}"))?;
            if self.close.is_cancelled() {
                left = left.saturating_sub(count);
                if left == 0 {
                    return Ok(());
                }
            }
        }
    }
}

impl Request for Capture {
    fn describe(&self) -> Vec<String> {
        vec![format!("capture {} to {}", self.what(), self.to)]
    }

    fn perform(self: Box<Self>, cx: StepContext) -> Performing {
        Box::pin(async move { self.execute(&cx).await })
    }
}
