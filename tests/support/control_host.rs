//! A control host's HTTP service on loopback, with the endpoints that Testflinger's connectors use.
//!
//! What it answers is set for each request by its first line; of several answers each is given once,
//! and the last one from then on. What is not set is answered as a healthy service would.
#![allow(dead_code, reason = "each test uses its own part")]

use std::collections::{HashMap, VecDeque};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

/// Longest that a request is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// The service; it ends with the process.
pub(crate) struct ControlHost {
    port: u16,
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    received: Vec<Received>,
    answers: HashMap<String, VecDeque<Answer>>,
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// `GET /health`
    pub(crate) line: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// A header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// What a request is answered with.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// A status and a body.
    Says(u16, String),
    /// Events, and the end of the stream.
    Events(String),
    /// Events, and then the connection breaks off.
    Cut(String),
    /// Events, and then nothing until the other side goes away.
    Held(String),
    /// No answer at all.
    HangsUp,
}

impl Answer {
    /// Status 200 with JSON.
    pub(crate) fn json(value: &Value) -> Answer {
        Answer::Says(200, value.to_string())
    }

    /// How a job is.
    pub(crate) fn status(word: &str) -> Answer {
        Answer::json(&json!({"status": word}))
    }
}

impl ControlHost {
    /// The job that requests are answered with.
    pub(crate) const JOB: &str = "job-7";

    pub(crate) fn start() -> ControlHost {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let inner = Arc::new(Inner::default());
        let shared = Arc::clone(&inner);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let inner = Arc::clone(&shared);
                // A client that goes away half-way is its own affair.
                std::thread::spawn(move || {
                    let _ = inner.serve(stream);
                });
            }
        });
        ControlHost { port, inner }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Sets the answers to requests with this first line.
    pub(crate) fn on(&self, line: &str, answers: impl IntoIterator<Item = Answer>) -> &Self {
        let answers = answers.into_iter().collect();
        self.inner.lock().answers.insert(line.to_owned(), answers);
        self
    }

    /// Sets the answers to those who ask for the log of the job.
    pub(crate) fn logs(&self, answers: impl IntoIterator<Item = Answer>) -> &Self {
        self.on(
            &format!("GET /api/v1/provision/{}/logs", Self::JOB),
            answers,
        )
    }

    /// Sets the answers to those who ask how the job is.
    pub(crate) fn statuses(&self, answers: impl IntoIterator<Item = Answer>) -> &Self {
        self.on(&format!("GET /api/v1/provision/{}", Self::JOB), answers)
    }

    /// The first lines of all requests, in order.
    pub(crate) fn requests(&self) -> Vec<String> {
        let state = self.inner.lock();
        state.received.iter().map(|one| one.line.clone()).collect()
    }

    /// The requests with this first line.
    pub(crate) fn received(&self, line: &str) -> Vec<Received> {
        let state = self.inner.lock();
        let found = state.received.iter().filter(|one| one.line == line);
        found.cloned().collect()
    }

    /// Waits until a request with this first line has come.
    pub(crate) fn wait_for(&self, line: &str) {
        let came = |state: &mut State| !state.received.iter().any(|one| one.line == line);
        let (_state, waited) = self
            .inner
            .changed
            .wait_timeout_while(self.inner.lock(), PATIENCE, came)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "`{line}` never came");
    }
}

impl Inner {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let received = read(&stream)?;
        let line = received.line.clone();
        let answer = {
            let mut state = self.lock();
            state.received.push(received);
            match state.answers.get_mut(&line) {
                Some(answers) if answers.len() > 1 => answers.pop_front(),
                Some(answers) => answers.front().cloned(),
                None => None,
            }
        };
        self.changed.notify_all();
        give(stream, answer.unwrap_or_else(|| healthy(&line)))
    }
}

/// What a service that has nothing to do says.
fn healthy(line: &str) -> Answer {
    let posts = line.strip_prefix("POST /api/v1/");
    match posts {
        Some("provision" | "provision/multipart") => {
            Answer::json(&json!({"job_id": ControlHost::JOB}))
        }
        Some(path) if path.starts_with("system/") => Answer::json(&json!({})),
        _ if line == "GET /health" => Answer::json(&json!({"status": "ok"})),
        _ => Answer::Says(404, json!({"detail": "Not Found"}).to_string()),
    }
}

fn read(stream: &TcpStream) -> io::Result<Received> {
    let mut input = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    input.read_line(&mut first)?;
    let mut words = first.split_whitespace();
    let line = [words.next(), words.next()].map(Option::unwrap_or_default);
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        if input.read_line(&mut header)? <= 2 {
            break;
        }
        if let Some((name, value)) = header.split_once(':') {
            headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
    }
    let mut received = Received {
        line: line.join(" "),
        headers,
        body: Vec::new(),
    };
    let length = received.header("content-length").map(str::parse);
    if let Some(Ok(length)) = length {
        input.take(length).read_to_end(&mut received.body)?;
    } else if received.header("transfer-encoding") == Some("chunked") {
        received.body = chunks(&mut input)?;
    }
    Ok(received)
}

fn chunks(input: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut size = String::new();
        input.read_line(&mut size)?;
        let size = u64::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
        input.take(size).read_to_end(&mut body)?;
        input.read_line(&mut String::new())?;
        if size == 0 {
            return Ok(body);
        }
    }
}

fn give(mut stream: TcpStream, answer: Answer) -> io::Result<()> {
    match answer {
        Answer::Says(status, body) => write!(
            stream,
            "HTTP/1.1 {status} As Asked\r\nContent-Type: application/json\r\nContent-Length: \
             {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ),
        Answer::Events(events) => {
            stream_events(&mut stream, &events)?;
            stream.write_all(b"0\r\n\r\n")
        }
        Answer::Cut(events) => {
            stream_events(&mut stream, &events)?;
            stream.shutdown(Shutdown::Both)
        }
        Answer::Held(events) => {
            stream_events(&mut stream, &events)?;
            stream.read_to_end(&mut Vec::new()).map(drop)
        }
        Answer::HangsUp => Ok(()),
    }
}

/// Sends events in pieces that have nothing to do with where they begin and end, nor do letters.
/// No character set is named, as Python's services don't.
fn stream_events(stream: &mut TcpStream, events: &str) -> io::Result<()> {
    stream.write_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\
          Connection: close\r\n\r\n",
    )?;
    for piece in events.as_bytes().chunks(7) {
        write!(stream, "{:x}\r\n", piece.len())?;
        stream.write_all(piece)?;
        stream.write_all(b"\r\n")?;
        stream.flush()?;
    }
    Ok(())
}
