//! A web server with one page: the image.

use std::io;

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Longest request that is read.
const REQUEST_MAX: u64 = 64 * 1024;

/// Answers every GET with `page`, until it is dropped.
pub(crate) async fn serve(listener: TcpListener, page: Bytes) {
    while let Ok((stream, _)) = listener.accept().await {
        let page = page.clone();
        // A client that goes away half-way is its own affair.
        tokio::spawn(async move {
            let _ = answer(stream, page).await;
        });
    }
}

async fn answer(mut stream: TcpStream, page: Bytes) -> io::Result<()> {
    let mut request = BufReader::new((&mut stream).take(REQUEST_MAX));
    let mut first = String::new();
    request.read_line(&mut first).await?;
    let mut line = String::new();
    while request.read_line(&mut line).await? > 2 {
        line.clear();
    }
    let (status, body) = match first.split(' ').next() {
        Some("GET") => ("200 OK", page),
        _ => ("405 Method Not Allowed", Bytes::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body).await?;
    stream.shutdown().await
}
