//! A port of this machine at which others fetch something.
//!
//! Asked for by HTTP/1.1 (RFC 9112: GET and HEAD of one path, one request for each connection), or not
//! at all: whoever connects is sent the bytes, and then the end, which is what `nc HOST PORT` makes a
//! file of.
//!
//! *Bytes that break off never look like the whole.* A connection is reset when it goes away before all
//! has been sent (`SO_LINGER` of 0, socket(7)); only the whole is followed by an orderly end.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket, lookup_host};
use tokio::time::timeout;

use super::fault::{Fault, FaultKind};

/// How long a client may take to say what it wants.
const ASKING: Duration = Duration::from_secs(10);
/// How long a client may take nothing before it is given up.
const STALLED: Duration = Duration::from_secs(2 * 60);
/// How long it is waited for the client's end of a connection that has all.
const ENDING: Duration = Duration::from_secs(10);
/// As much of a request as is read, in bytes.
const HEAD_MAX: u64 = 8 << 10;
/// As much as is sent at once, in bytes.
const PIECE: usize = 256 << 10;
/// The port of `discard` (RFC 863): nothing is sent to it, it only makes a route.
const ANY_PORT: u16 = 9;

/// How it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// By HTTP, under this path: `/install.img`.
    Http(String),
    /// By connecting.
    Tcp,
}

/// What is sent.
pub struct Content {
    /// The bytes.
    pub reader: Box<dyn AsyncRead + Send + Unpin>,
    /// How many, where that is known: neither more nor fewer.
    pub length: Option<u64>,
}

/// How a connection went.
pub enum Served {
    /// All was sent but for the word that it was all: see [`Sent::end`].
    All(Sent),
    /// The client wanted something else; what it wanted.
    Other(String),
}

/// A connection over which all was sent.
pub struct Sent {
    stream: TcpStream,
    /// How many bytes of the content.
    pub bytes: u64,
}

/// A connection that broke off.
#[derive(Debug, thiserror::Error)]
#[error("after {bytes} bytes: {why}")]
pub struct Broken {
    /// How many bytes of the content had been sent.
    pub bytes: u64,
    /// Why.
    pub why: String,
    /// Whether the content is to blame, and not the client or the way to it.
    pub content: bool,
}

/// The address of this machine that packets to `host` come from.
///
/// # Errors
/// `Unreachable`: the name is unknown, or there is no way there.
pub async fn address_towards(host: &str) -> Result<IpAddr, Fault> {
    let failed = |error: io::Error| {
        Fault::new(
            FaultKind::Unreachable,
            format!("there is no way to {host}: {error}"),
        )
    };
    let found = timeout(ASKING, lookup_host((host, ANY_PORT))).await;
    let mut found = found
        .map_err(|_| failed(io::ErrorKind::TimedOut.into()))?
        .map_err(failed)?;
    let there = found
        .next()
        .ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
    let here: IpAddr = match there {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((here, 0)).await.map_err(failed)?;
    // Connecting a UDP socket sends nothing (udp(7)); it only chooses the way.
    socket.connect(there).await.map_err(failed)?;
    socket
        .local_addr()
        .map(|address| address.ip())
        .map_err(failed)
}

/// Listens.
///
/// # Errors
/// The address is not this machine's, or the port is taken.
pub async fn listen(address: IpAddr, port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((address, port)).await
}

/// Sends a client what it wants. `open` is called once that is known to be the content.
///
/// Bounded by the time in which nothing moves, not by the time that it takes. Dropped, it resets the
/// connection.
///
/// # Errors
/// The client went away or took nothing any more, or the content can't be read.
pub async fn serve<C>(mut stream: TcpStream, way: &Way, open: C) -> Result<Served, Broken>
where
    C: Future<Output = io::Result<Content>>,
{
    let broken = |bytes: u64, why: String| Broken {
        bytes,
        why,
        content: false,
    };
    reset_when_dropped(&stream, true).map_err(|error| broken(0, error.to_string()))?;
    let mut body = true;
    if let Way::Http(path) = way {
        let asked = timeout(ASKING, read_head(&mut stream)).await;
        let asked = asked
            .map_err(|_| broken(0, "it asked for nothing".to_owned()))?
            .map_err(|error| broken(0, error.to_string()))?;
        body = match Asked::of(&asked, path) {
            Asked::Get => true,
            Asked::Head => false,
            Asked::Other { status, what } => {
                refuse(stream, status).await;
                return Ok(Served::Other(what));
            }
        };
    }
    let content = open.await.map_err(|error| Broken {
        bytes: 0,
        why: error.to_string(),
        content: true,
    })?;
    if matches!(way, Way::Http(_)) {
        // Without a length the end of the connection is the end of the content (RFC 9112, 6.3).
        let length = content
            .length
            .map(|length| format!("Content-Length: {length}\r\n"));
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n{}\
             Connection: close\r\n\r\n",
            length.unwrap_or_default()
        );
        write(&mut stream, head.as_bytes())
            .await
            .map_err(|error| broken(0, error.to_string()))?;
    }
    if !body {
        let _ = end(&mut stream).await;
        return Ok(Served::Other("only what it is".to_owned()));
    }
    let bytes = send(&mut stream, content).await?;
    Ok(Served::All(Sent { stream, bytes }))
}

impl Sent {
    /// Says that it was all, and waits for the client to end the connection.
    ///
    /// # Errors
    /// The client had gone away before it had all.
    pub async fn end(mut self) -> io::Result<()> {
        end(&mut self.stream).await
    }
}

async fn end(stream: &mut TcpStream) -> io::Result<()> {
    reset_when_dropped(stream, false)?;
    stream.shutdown().await?;
    let mut rest = [0; 1024];
    let drained = timeout(ENDING, async {
        while stream.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    });
    // One that leaves its end open has all the same.
    drained.await.unwrap_or(Ok(()))
}

async fn send(stream: &mut TcpStream, content: Content) -> Result<u64, Broken> {
    let Content { mut reader, length } = content;
    let mut sent = 0_u64;
    let mut buffer = vec![0; PIECE];
    loop {
        let broken = |why: String, content: bool| Broken {
            bytes: sent,
            why,
            content,
        };
        let count = reader
            .read(&mut buffer)
            .await
            .map_err(|error| broken(error.to_string(), true))?;
        let piece = buffer.get(..count).unwrap_or_default();
        let seen = sent.saturating_add(count as u64);
        let fits = match length {
            Some(length) if count == 0 => seen == length,
            Some(length) => seen <= length,
            None => true,
        };
        if !fits {
            return Err(broken("its length has changed meanwhile".to_owned(), true));
        }
        if count == 0 {
            return Ok(sent);
        }
        write(stream, piece)
            .await
            .map_err(|error| broken(error.to_string(), false))?;
        sent = seen;
    }
}

/// Writes it all, as long as the client goes on taking some.
async fn write(stream: &mut TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = timeout(STALLED, stream.write(bytes)).await.map_err(|_| {
            let text = format!("the client took nothing for {} s", STALLED.as_secs());
            io::Error::new(io::ErrorKind::TimedOut, text)
        })??;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(count..).unwrap_or_default();
    }
    Ok(())
}

fn reset_when_dropped(stream: &TcpStream, reset: bool) -> io::Result<()> {
    let linger = reset.then_some(Duration::ZERO);
    Ok(sockopt::set_socket_linger(stream, linger)?)
}

/// What a request wants.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Get,
    Head,
    Other { status: &'static str, what: String },
}

impl Asked {
    fn of(head: &str, path: &str) -> Self {
        let line = head.lines().next().unwrap_or_default();
        let mut words = line.split(' ');
        let (method, target, version) = (words.next(), words.next(), words.next());
        // A proxy's form has the host before the path (RFC 9112, 3.2.2); a query is nobody's here.
        let target = target.unwrap_or_default();
        let origin = target
            .strip_prefix("http://")
            .map(|rest| rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"));
        let target = origin.unwrap_or(target).split('?').next();
        let status = match (method, version) {
            (_, None) => "400 Bad Request",
            (_, Some(version)) if !version.starts_with("HTTP/1.") => {
                "505 HTTP Version Not Supported"
            }
            _ if target != Some(path) => "404 Not Found",
            (Some("GET"), _) => return Self::Get,
            (Some("HEAD"), _) => return Self::Head,
            _ => "405 Method Not Allowed",
        };
        let what = line.chars().filter(|c| !c.is_control()).take(200).collect();
        Self::Other { status, what }
    }
}

async fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    let mut limited = (&mut *stream).take(HEAD_MAX);
    while !head.ends_with(b"\r\n\r\n") && !head.ends_with(b"\n\n") {
        match limited.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("no request of at most {HEAD_MAX} bytes came"),
                ));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

async fn refuse(mut stream: TcpStream, status: &str) {
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    // A client that doesn't wait for a refusal is nobody's loss.
    if write(&mut stream, answer.as_bytes()).await.is_ok() {
        let _ = end(&mut stream).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_for_the_one_path_or_for_something_else() {
        #[track_caller]
        fn case(head: &str, wanted: Result<Asked, &str>) {
            match (Asked::of(head, "/a.img"), wanted) {
                (Asked::Other { status, .. }, Err(wanted)) => assert!(status.starts_with(wanted)),
                (asked, Ok(wanted)) => assert_eq!(asked, wanted),
                (asked, Err(wanted)) => assert_eq!(format!("{asked:?}"), wanted),
            }
        }
        case("GET /a.img HTTP/1.1\r\nHost: x\r\n\r\n", Ok(Asked::Get));
        case("GET /a.img?x=1 HTTP/1.0\n\n", Ok(Asked::Get));
        case(
            "GET http://10.0.0.1:80/a.img HTTP/1.1\r\n\r\n",
            Ok(Asked::Get),
        );
        case("HEAD /a.img HTTP/1.1\r\n\r\n", Ok(Asked::Head));
        case("GET /../a.img HTTP/1.1\r\n\r\n", Err("404"));
        case("GET http://x HTTP/1.1\r\n\r\n", Err("404"));
        case("POST /a.img HTTP/1.1\r\n\r\n", Err("405"));
        case("GET /a.img HTTP/2\r\n\r\n", Err("505"));
        case("GET /a.img\r\n\r\n", Err("400"));
        case("\u{fffd}\0", Err("400"));
    }
}
