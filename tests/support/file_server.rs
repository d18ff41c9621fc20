//! A small HTTP/1.1 server of bytes on loopback that can misbehave: cut an answer, fall silent in
//! the middle of one, or redirect. It knows ranges (RFC 9110, sections 14 and 13.1.5).
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// Longest that a silent answer is held open.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is answered for one path.
#[derive(Clone)]
pub(crate) struct Answer {
    status: &'static str,
    body: Vec<u8>,
    headers: Vec<(&'static str, String)>,
    /// Sends so much of it, and then does this.
    then: Option<(usize, Trouble)>,
    /// How many requests meet the trouble.
    times: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The connection is closed.
    Cut,
    /// Nothing more comes.
    Silence,
}

impl Answer {
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Answer {
        Answer::status("200 OK", body)
    }

    pub(crate) fn status(status: &'static str, body: impl Into<Vec<u8>>) -> Answer {
        Answer {
            status,
            body: body.into(),
            headers: Vec::new(),
            then: None,
            times: 0,
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }

    /// The first `times` requests get `bytes` bytes, and then trouble.
    pub(crate) fn trouble(mut self, bytes: usize, trouble: Trouble, times: usize) -> Answer {
        self.then = Some((bytes, trouble));
        self.times = times;
        self
    }
}

/// A running server.
pub(crate) struct FileServer {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    answers: HashMap<String, Answer>,
    requests: Vec<String>,
    silent: usize,
    over: bool,
}

impl FileServer {
    pub(crate) fn start() -> FileServer {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                if state.inner.lock().expect("never poisoned").over {
                    return;
                }
                thread::spawn(move || {
                    let _ = serve(&stream, &state);
                });
            }
        });
        FileServer { port, state }
    }

    /// A server of one answer.
    pub(crate) fn of(path: &str, answer: Answer) -> FileServer {
        let server = FileServer::start();
        server.put(path, answer);
        server
    }

    pub(crate) fn put(&self, path: &str, answer: Answer) {
        let mut inner = self.state.inner.lock().expect("never poisoned");
        inner.answers.insert(path.to_owned(), answer);
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The head of each request, in order.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state
            .inner
            .lock()
            .expect("never poisoned")
            .requests
            .clone()
    }

    /// Returns once an answer has fallen silent.
    pub(crate) fn wait_for_silence(&self) {
        let inner = self.state.inner.lock().expect("never poisoned");
        let (inner, _) = self
            .state
            .changed
            .wait_timeout_while(inner, PATIENCE, |inner| inner.silent == 0)
            .expect("never poisoned");
        assert!(inner.silent > 0, "no answer fell silent");
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        self.state.inner.lock().expect("never poisoned").over = true;
        self.state.changed.notify_all();
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

fn serve(stream: &TcpStream, state: &State) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let answer = {
            let mut inner = state.inner.lock().expect("never poisoned");
            inner.requests.push(head.clone());
            let answer = inner.answers.get_mut(&path);
            answer.map_or_else(
                || Answer::status("404 Not Found", "nothing here"),
                |answer| {
                    let now = answer.clone();
                    if answer.times == 0 {
                        return Answer { then: None, ..now };
                    }
                    answer.times -= 1;
                    now
                },
            )
        };
        if !send(stream, &head, &answer, state)? {
            return stream.shutdown(Shutdown::Both);
        }
    }
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| {
        let (known, value) = line.split_once(':')?;
        known.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Whether the connection may be used again.
fn send(
    mut stream: &TcpStream,
    head: &str,
    answer: &Answer,
    state: &State,
) -> std::io::Result<bool> {
    let etag = answer.headers.iter().find(|(name, _)| *name == "ETag");
    let wanted = header(head, "If-Range").is_none_or(|tag| etag.is_some_and(|(_, own)| own == tag));
    let from = header(head, "Range")
        .filter(|_| wanted && answer.status == "200 OK")
        .and_then(|range| {
            range
                .strip_prefix("bytes=")?
                .strip_suffix('-')?
                .parse()
                .ok()
        })
        .unwrap_or(0_usize);
    let whole = answer.body.len();
    let (status, range) = match from {
        0 => (answer.status.to_owned(), String::new()),
        _ if from >= whole => (
            "416 Range Not Satisfiable".to_owned(),
            format!("Content-Range: bytes */{whole}\r\n"),
        ),
        _ => (
            "206 Partial Content".to_owned(),
            format!("Content-Range: bytes {from}-{}/{whole}\r\n", whole - 1),
        ),
    };
    let body = answer.body.get(from..).unwrap_or_default();
    let mut reply = format!("HTTP/1.1 {status}\r\n{range}");
    for (name, value) in &answer.headers {
        reply.push_str(&format!("{name}: {value}\r\n"));
    }
    reply.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    stream.write_all(reply.as_bytes())?;
    let Some((bytes, trouble)) = answer.then else {
        stream.write_all(body)?;
        return Ok(true);
    };
    stream.write_all(body.get(..bytes.min(body.len())).unwrap_or_default())?;
    if trouble == Trouble::Silence {
        let mut inner = state.inner.lock().expect("never poisoned");
        inner.silent += 1;
        state.changed.notify_all();
        let _ = state
            .changed
            .wait_timeout_while(inner, PATIENCE, |inner| !inner.over);
    }
    Ok(false)
}
