//! `capture`: logs a serial line to a file for as long as its scope is open.
//!
//! The line is somebody's TCP port (ser2net raw). Its bytes go to the file as they are. A line that
//! is down is no error: it is said once, and tried again in silence.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::sockopt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::fields::{Fields, Text};
use super::{
    Held, Note, Notes, Output, Performed, Performing, PlanContext, Request, StepContext, StepError,
    paths,
};
use crate::recipe::duration;

/// Bounds one attempt to connect.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long after a drop the line is tried again.
const RECONNECT: Duration = Duration::from_secs(30);
/// However short `reconnect` is, as long as this is left to the rest of the machine.
const LEAST: Duration = Duration::from_millis(10);
/// A serial line may be silent for hours. That its peer is still there is asked after so long, then
/// as often again, three times (`TCP_KEEPIDLE`, `TCP_KEEPINTVL`, `TCP_KEEPCNT`, tcp(7)).
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_COUNT: u32 = 3;

struct Capture {
    gear: String,
    address: Text,
    port: u16,
    /// As it was given.
    to: String,
    file: PathBuf,
    reconnect: Duration,
}

pub(super) fn plan(cx: &PlanContext) -> Result<Box<dyn Request>, StepError> {
    let fields = Fields::render(&cx.step.params, cx.context)?;
    let gear = fields.need("gear")?.text()?.value;
    let (address, port) = cx.lab.serial_line(cx.home, &gear)?;
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
        address,
        port,
        to,
        file,
        reconnect: fields.duration("reconnect", RECONNECT)?,
    }))
}

impl Capture {
    fn line(&self) -> String {
        let address = self.address.shown();
        format!("the serial line `{}` at {address}:{}", self.gear, self.port)
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
        let first = tokio::select! {
            first = connect(&self.address.value, self.port) => first,
            () = cx.stop.wanted() => return Err(super::exec::stopped(&self.line())),
        };
        let close = CancellationToken::new();
        let task = tokio::spawn(
            Session {
                line: self.line(),
                address: self.address.value,
                port: self.port,
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
    line: String,
    address: String,
    port: u16,
    file: tokio::fs::File,
    reconnect: Duration,
    notes: Notes,
    close: CancellationToken,
    warned: bool,
}

impl Session {
    async fn follow(mut self, first: Result<TcpStream, String>) {
        let mut next = first;
        loop {
            let why = match next {
                Ok(stream) => match self.copy(stream).await {
                    Ok(()) => break,
                    Err(why) => why,
                },
                Err(why) => why,
            };
            if !self.warned {
                self.warned = true;
                let again = duration::print(self.reconnect);
                let text = format!("{} is down: {why}; it is tried every {again}", self.line);
                self.notes.offer(Note::Warning(text));
            }
            next = tokio::select! {
                () = self.close.cancelled() => break,
                next = async {
                    tokio::time::sleep(self.reconnect.max(LEAST)).await;
                    connect(&self.address, self.port).await
                } => next,
            };
        }
        let _ = self.file.flush().await;
        let _ = self.file.sync_data().await;
    }

    /// Copies until it is told to close; an error where the line drops before.
    async fn copy(&mut self, mut stream: TcpStream) -> Result<(), String> {
        let mut buffer = vec![0; 4096];
        let mut left = LEFT;
        loop {
            let read = tokio::select! {
                biased;
                read = stream.read(&mut buffer) => read,
                // Only where nothing is left to read.
                () = self.close.cancelled() => return Ok(()),
            };
            let count = match read {
                Ok(0) => return Err("it was closed by its server".to_owned()),
                Ok(count) => count,
                Err(error) => return Err(error.to_string()),
            };
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

async fn connect(address: &str, port: u16) -> Result<TcpStream, String> {
    let stream = tokio::time::timeout(CONNECT_LIMIT, TcpStream::connect((address, port)))
        .await
        .map_err(|_| format!("no answer within {}", duration::print(CONNECT_LIMIT)))?
        .map_err(|error| error.to_string())?;
    let keep = || -> rustix::io::Result<()> {
        sockopt::set_socket_keepalive(&stream, true)?;
        sockopt::set_tcp_keepidle(&stream, KEEPALIVE)?;
        sockopt::set_tcp_keepintvl(&stream, KEEPALIVE)?;
        sockopt::set_tcp_keepcnt(&stream, KEEPALIVE_COUNT)
    };
    // Without them a peer that vanished is not noticed, which is no reason not to listen.
    let _ = keep();
    Ok(stream)
}

impl Request for Capture {
    fn describe(&self) -> Vec<String> {
        vec![format!("capture {} to {}", self.line(), self.to)]
    }

    fn perform(self: Box<Self>, cx: StepContext) -> Performing {
        Box::pin(async move { self.execute(&cx).await })
    }
}
