//! A real web server with one page, on loopback.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Called with the number of the request, from 0, once half of the page has been sent.
type HalfWay = Box<dyn Fn(usize) + Send + Sync>;

/// The server; it ends with the process.
pub(crate) struct Web {
    port: u16,
    requests: Arc<AtomicUsize>,
}

impl Web {
    /// Serves `page` at every path.
    pub(crate) fn serve(page: Vec<u8>) -> Web {
        Web::serve_watched(page, Box::new(|_| {}))
    }

    /// The same; `half_way` is called in the middle of every answer, and may hold it up.
    pub(crate) fn serve_watched(page: Vec<u8>, half_way: HalfWay) -> Web {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        let (page, half_way) = (Arc::new(page), Arc::new(half_way));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let number = counter.fetch_add(1, Ordering::SeqCst);
                let (page, half_way) = (Arc::clone(&page), Arc::clone(&half_way));
                // A client that goes away half-way is its own affair.
                std::thread::spawn(move || {
                    let _ = answer(stream, &page, || half_way(number));
                });
            }
        });
        Web { port, requests }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The page's address, under this name.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }

    /// How many requests have come.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn answer(mut stream: TcpStream, page: &[u8], half_way: impl Fn()) -> io::Result<()> {
    let mut request = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    while request.read_line(&mut line)? > 2 {
        line.clear();
    }
    let length = page.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    let (first, second) = page.split_at(length / 2);
    stream.write_all(first)?;
    stream.flush()?;
    half_way();
    stream.write_all(second)
}
