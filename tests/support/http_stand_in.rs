//! A web server on loopback whose answers a test makes up; it keeps a record of the requests.
#![allow(dead_code, reason = "each test uses its own part")]

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Longest that a test waits for a request.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a request is answered with.
pub(crate) enum Answer {
    /// A status, and a page of this type.
    Page(u16, &'static str, String),
    /// None: the connection is closed.
    Dropped,
}

/// What a client asks for.
pub(crate) struct Asked {
    /// `METHOD PATH`.
    pub(crate) line: String,
    pub(crate) body: String,
}

type Answers = Box<dyn Fn(&Asked) -> Answer + Send + Sync>;

struct Shared {
    answers: Answers,
    requests: Mutex<Vec<String>>,
    changed: Condvar,
}

/// The server; it ends with the process.
pub(crate) struct HttpStandIn {
    port: u16,
    shared: Arc<Shared>,
}

impl HttpStandIn {
    /// Starts it on a free port.
    pub(crate) fn start(answers: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> HttpStandIn {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared {
            answers: Box::new(answers),
            requests: Mutex::default(),
            changed: Condvar::new(),
        });
        let served = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&served);
                // A client that goes away is its own affair.
                std::thread::spawn(move || {
                    let _ = shared.serve(stream);
                });
            }
        });
        HttpStandIn { port, shared }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its address, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All requests, `METHOD PATH`, in order; with a body it comes after a space.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.shared.lock().clone()
    }

    /// Waits until so many requests that begin with this have come.
    #[track_caller]
    pub(crate) fn wait_for(&self, request: &str, count: usize) {
        let requests = self.shared.lock();
        let (requests, waited) = self
            .shared
            .changed
            .wait_timeout_while(requests, PATIENCE, |requests| {
                let matching = requests.iter().filter(|it| it.starts_with(request));
                matching.count() < count
            })
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "{requests:?}");
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        while let Some(asked) = read_request(&mut reader)? {
            let Asked { line, body } = &asked;
            let space = if body.is_empty() { "" } else { " " };
            self.lock().push(format!("{line}{space}{body}"));
            self.changed.notify_all();
            match (self.answers)(&asked) {
                Answer::Dropped => return Ok(()),
                Answer::Page(status, kind, text) => {
                    let length = text.len();
                    write!(
                        stream,
                        "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{text}"
                    )?;
                    stream.flush()?;
                }
            }
        }
        Ok(())
    }
}

/// The next request; none where the client is done.
fn read_request(reader: &mut impl BufRead) -> io::Result<Option<Asked>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let words: Vec<&str> = line.split(' ').take(2).collect();
    let mut length = 0;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? <= 2 {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Asked {
        line: words.join(" "),
        body: String::from_utf8_lossy(&body).into_owned(),
    }))
}
