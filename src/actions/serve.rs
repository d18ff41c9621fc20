//! `serve`: one file, for others to fetch, for as long as its scope is open.
//!
//! By HTTP, or by a bare connection. The port is opened on the one address that faces whoever is to
//! fetch it. A stranger who connects takes nothing away: `once` counts what was sent whole. How often
//! that was is in the `tally`, for a later step that must know.

use std::io::{self, ErrorKind as IoErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::exec::stopped;
use super::fields::{Field, Fields, Text};
use super::{
    Held, Note, Notes, Output, Performed, Performing, PlanContext, Request, StepContext, StepError,
    paths,
};
use crate::image::{CopyError, Format, Options, PipeReader, Progress, Source, XzSink, copy, pipe};
use crate::transport::offer::{self, Content, Served, Way};

/// As many may fetch it at the same time; others are turned away until one is done.
const CLIENTS: usize = 8;
/// How long after a connection could not be taken the next one is.
const PAUSE: Duration = Duration::from_millis(100);

struct Serve {
    /// As it was given.
    shown: String,
    file: PathBuf,
    name: String,
    to: String,
    peer: Text,
    address: Option<IpAddr>,
    port: u16,
    way: Way,
    pack: bool,
    once: bool,
    tally: Option<PathBuf>,
}

pub(super) fn plan(cx: &PlanContext) -> Result<Box<dyn Request>, StepError> {
    let fields = Fields::render(&cx.step.params, cx.context)?;
    let given = fields.need("file")?;
    let file = paths::local(cx, "file", given)?;
    let name = file.file_name().and_then(|name| name.to_str());
    let name = name
        .ok_or_else(|| given.wrong("the path of a file, in UTF-8"))?
        .to_owned();
    let to = fields.need("to")?.text()?.value;
    let address = match fields.text("address")? {
        Some(text) if text.value != "auto" => Some(text.value.parse().map_err(|_| {
            StepError::input(format!(
                "`address` must be auto or an IP address, but is the text `{}`",
                text.shown()
            ))
        })?),
        _ => None,
    };
    let http = fields
        .get("protocol")
        .map(|field| field.word(&[("http", true), ("tcp", false)]))
        .transpose()?
        .unwrap_or(true);
    let port = fields
        .get("port")
        .map(|field| field.integer(0, i64::from(u16::MAX)))
        .transpose()?;
    Ok(Box::new(Serve {
        shown: given.path_text()?,
        way: match http {
            true => Way::Http(format!("/{}", encoded(&name))),
            false => Way::Tcp,
        },
        file,
        name,
        peer: cx.lab.address(cx.home, &to)?,
        to,
        address,
        port: port.and_then(|port| u16::try_from(port).ok()).unwrap_or(0),
        pack: fields
            .get("pack")
            .map(|field| field.word(&[("none", false), ("xz", true)]))
            .transpose()?
            .unwrap_or(false),
        once: fields.boolean("once", false)?,
        tally: fields
            .get("tally")
            .map(|field: &Field| paths::local(cx, "tally", field))
            .transpose()?,
    }))
}

/// A name as it stands in a URL's path: all but the unreserved characters as `%XX` (RFC 3986, 2.3).
fn encoded(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

impl Request for Serve {
    fn describe(&self) -> Vec<String> {
        let way = match &self.way {
            Way::Http(_) => "HTTP",
            Way::Tcp => "TCP",
        };
        let pack = if self.pack { ", packed as xz" } else { "" };
        let once = if self.once { ", once" } else { "" };
        let (file, to) = (&self.shown, &self.to);
        vec![format!("serve {file} to `{to}` over {way}{pack}{once}")]
    }

    fn perform(self: Box<Self>, cx: StepContext) -> Performing {
        Box::pin(async move { self.execute(&cx).await })
    }
}

impl Serve {
    async fn execute(self, cx: &StepContext) -> Performed {
        let shown = self.shown.clone();
        let unreadable =
            |error: io::Error| StepError::io(format!("{shown} can't be served: {error}"));
        let path = self.file.clone();
        let opened = spawn_blocking(move || Source::open(&path).map(drop)).await;
        opened
            .map_err(io::Error::other)
            .flatten()
            .map_err(unreadable)?;
        let address = match self.address {
            Some(address) => address,
            None => tokio::select! {
                found = offer::address_towards(&self.peer.value) => {
                    found.map_err(|fault| StepError::of_fault(&fault))?
                }
                () = cx.stop.wanted() => return Err(stopped("finding the way to the client")),
            },
        };
        let listener = offer::listen(address, self.port).await.map_err(|error| {
            let port = self.port;
            StepError::io(format!(
                "no port {port} can be opened at {address}: {error}"
            ))
        })?;
        let at = listener.local_addr().map_err(unreadable)?;
        let offered = Offered {
            file: self.file,
            shown: self.shown,
            way: self.way.clone(),
            pack: self.pack,
            notes: cx.notes.clone(),
            tally: Mutex::default(),
            tally_file: self.tally,
        };
        offered.count(|_| ()).map_err(StepError::io)?;
        let path = match &self.way {
            Way::Http(path) => path.clone(),
            Way::Tcp => String::new(),
        };
        let scheme = match &self.way {
            Way::Http(_) => "http",
            Way::Tcp => "tcp",
        };
        let close = CancellationToken::new();
        let task = tokio::spawn(listen(
            listener,
            Arc::new(offered),
            self.once,
            close.clone(),
        ));
        cx.scope.hold(Held { close, task });
        let mut fields = serde_json::Map::new();
        fields.insert("url".to_owned(), json!(format!("{scheme}://{at}{path}")));
        fields.insert("address".to_owned(), json!(at.ip().to_string()));
        fields.insert("port".to_owned(), json!(at.port()));
        fields.insert("name".to_owned(), json!(self.name));
        Ok(Output::of(fields))
    }
}

/// How often it was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    whole: u64,
    broken: u64,
}

/// What is offered, and how it went so far.
struct Offered {
    file: PathBuf,
    shown: String,
    way: Way,
    pack: bool,
    notes: Notes,
    tally: Mutex<Tally>,
    tally_file: Option<PathBuf>,
}

async fn listen(
    listener: TcpListener,
    offered: Arc<Offered>,
    once: bool,
    close: CancellationToken,
) {
    let mut listener = Some(listener);
    let mut clients = JoinSet::new();
    loop {
        let free = listener.as_ref().filter(|_| clients.len() < CLIENTS);
        let accepted = async move {
            match free {
                Some(listener) => listener.accept().await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = close.cancelled() => break,
            accepted = accepted => match accepted {
                Ok((stream, from)) => {
                    let offered = Arc::clone(&offered);
                    clients.spawn(async move { offered.serve(stream, from).await });
                }
                // One client's trouble, or there are too many open files: for a moment.
                Err(error) => {
                    offered.warn(format!("a connection can't be taken: {error}"));
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(whole) = clients.join_next() => {
                if once && matches!(whole, Ok(true)) {
                    listener = None;
                }
            }
        }
    }
    // Dropped, a connection is reset: nobody takes a part for the whole.
    let cut = clients.len();
    clients.shutdown().await;
    if cut > 0 {
        let shown = &offered.shown;
        offered.warn(format!("{shown} was still being sent when its scope ended"));
    }
}

impl Offered {
    fn warn(&self, text: String) {
        self.notes.offer(Note::Warning(text));
    }

    /// Changes the tally, and writes it where it is to be read.
    fn count(&self, change: impl FnOnce(&mut Tally)) -> Result<(), String> {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut tally);
        let Some(file) = &self.tally_file else {
            return Ok(());
        };
        write_tally(file, *tally)
            .map_err(|error| format!("{} can't be written: {error}", file.display()))
    }

    fn must_count(&self, change: impl FnOnce(&mut Tally)) {
        if let Err(error) = self.count(change) {
            self.warn(error);
        }
    }

    /// Whether the client has it whole.
    async fn serve(&self, stream: TcpStream, from: SocketAddr) -> bool {
        let shown = &self.shown;
        self.notes
            .offer(Note::Doing(format!("{from} fetches {shown}")));
        let why = Arc::default();
        let content = self.content(Arc::clone(&why));
        let sent = match offer::serve(stream, &self.way, content).await {
            Ok(Served::All(sent)) => sent,
            Ok(Served::Other(what)) => {
                self.notes.offer(Note::Doing(format!(
                    "{from} asked for something else: {what}"
                )));
                return false;
            }
            Err(mut broken) => {
                let why = why.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(why) = why.filter(|_| broken.content) {
                    broken.why = why;
                }
                self.must_count(|tally| tally.broken += 1);
                self.warn(format!("{shown} was not sent whole to {from}: {broken}"));
                return false;
            }
        };
        let bytes = sent.bytes;
        // Before the client can know: it may tell others that it has it.
        self.must_count(|tally| tally.whole += 1);
        if let Err(error) = sent.end().await {
            self.must_count(|tally| {
                tally.whole -= 1;
                tally.broken += 1;
            });
            self.warn(format!("{shown} was not taken whole by {from}: {error}"));
            return false;
        }
        self.notes
            .offer(Note::Doing(format!("{from} has {shown}, {bytes} bytes")));
        true
    }

    async fn content(&self, why: Why) -> io::Result<Content> {
        let path = self.file.clone();
        let pack = self.pack;
        spawn_blocking(move || {
            if pack && !is_xz(&path)? {
                return Ok(packed(Source::open(&path)?, why));
            }
            let file = std::fs::File::open(&path)?;
            let length = file.metadata()?.len();
            Ok(Content {
                reader: Box::new(tokio::fs::File::from_std(file)),
                length: Some(length),
            })
        })
        .await
        .map_err(io::Error::other)
        .flatten()
    }
}

/// Why an image could not be packed to its end.
type Why = Arc<Mutex<Option<String>>>;

/// An image as xz, made while it is read.
fn packed(source: Source, why: Why) -> Content {
    let (below, reader) = pipe(None);
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    spawn_blocking(move || {
        let mut sink = XzSink::new(below);
        let progress = Arc::new(Progress::default());
        let copied = copy(source, &Options::default(), &mut sink, &progress, &stopped);
        match copied {
            Ok(_) | Err(CopyError::Sink(_) | CopyError::Stopped) => {}
            // Said before the reader sees that the bytes break off.
            Err(error) => {
                let mut why = why.lock().unwrap_or_else(PoisonError::into_inner);
                *why = Some(error.to_string());
            }
        }
    });
    Content {
        reader: Box::new(Packed {
            reader,
            _stop: stop.drop_guard(),
        }),
        length: None,
    }
}

/// Ends the packing when nobody reads any more.
struct Packed {
    reader: PipeReader,
    _stop: tokio_util::sync::DropGuard,
}

impl AsyncRead for Packed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.reader).poll_read(cx, buffer)
    }
}

fn is_xz(path: &Path) -> io::Result<bool> {
    let mut first = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(Format::MAGIC_LENGTH as u64)
        .read_to_end(&mut first)?;
    Ok(Format::of(&first) == Format::Xz)
}

/// As a whole: who reads it at any time reads one that was.
fn write_tally(file: &Path, tally: Tally) -> io::Result<()> {
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    // A link of that name may be a stranger's.
    match std::fs::remove_file(&part) {
        Err(error) if error.kind() != IoErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let text = json!({ "whole": tally.whole, "broken": tally.broken }).to_string();
    std::fs::File::create_new(&part)?.write_all(text.as_bytes())?;
    std::fs::rename(&part, file)
}

#[cfg(test)]
mod tests {
    use super::encoded;

    #[test]
    fn a_name_is_one_part_of_a_path() {
        assert_eq!(encoded("noble-1.img.xz"), "noble-1.img.xz");
        assert_eq!(encoded("a b?c#ä"), "a%20b%3Fc%23%C3%A4");
    }
}
