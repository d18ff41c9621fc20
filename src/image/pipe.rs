//! Bridges between async code and the blocking threads of a copy, in both directions.
//!
//! [`channel_reader`] is a source that async code feeds (the body of an HTTP answer); [`pipe`] is a
//! sink that async code drains (the standard input of a remote command). Both hold a bounded number
//! of bytes, so a fast side waits for the slow one. And in both a side that goes away without
//! having said that it is done makes an error on the other side, never an end: dropping one's end
//! is also how a blocked copy is let go.

use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::sink::{Sink, Verified};

/// How large one message is at most.
const PIECE: usize = 64 << 10;
/// How many messages wait: 1 MiB at most.
const PIECES: usize = 16;

enum Message {
    Bytes(Bytes),
    End,
    Failed(io::Error),
}

/// The other side has gone away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody takes the image's bytes any more")]
pub struct Closed;

/// The async end of [`channel_reader`].
pub struct ImageSender {
    messages: Sender<Message>,
}

/// The blocking end of [`channel_reader`]. To be read on a thread that runs no async code.
pub struct ImageReader {
    messages: Receiver<Message>,
    current: Bytes,
    ended: bool,
}

/// A reader, and what feeds it. The reader's end of file comes with [`ImageSender::finish`] alone.
pub fn channel_reader() -> (ImageSender, ImageReader) {
    let (sender, receiver) = channel(PIECES);
    let reader = ImageReader {
        messages: receiver,
        current: Bytes::new(),
        ended: false,
    };
    (ImageSender { messages: sender }, reader)
}

impl ImageSender {
    /// Hands over the next bytes; waits while the reader is behind.
    ///
    /// # Errors
    /// [`Closed`] once the reader is gone.
    pub async fn send(&self, mut bytes: Bytes) -> Result<(), Closed> {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            self.messages
                .send(Message::Bytes(piece))
                .await
                .map_err(|_| Closed)?;
        }
        Ok(())
    }

    /// Says that these were all the bytes.
    ///
    /// # Errors
    /// [`Closed`] once the reader is gone.
    pub async fn finish(self) -> Result<(), Closed> {
        self.messages.send(Message::End).await.map_err(|_| Closed)
    }

    /// Says why no more bytes come: the reader gets this error.
    ///
    /// # Errors
    /// [`Closed`] once the reader is gone.
    pub async fn fail(self, error: io::Error) -> Result<(), Closed> {
        self.messages
            .send(Message::Failed(error))
            .await
            .map_err(|_| Closed)
    }
}

impl Read for ImageReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.ended && !buffer.is_empty() {
            match self.messages.blocking_recv() {
                Some(Message::Bytes(bytes)) => self.current = bytes,
                Some(Message::End) => self.ended = true,
                Some(Message::Failed(error)) => return Err(error),
                None => return Err(cut("the sender of the image went away before its end")),
            }
        }
        let count = buffer.len().min(self.current.len());
        self.current
            .split_to(count)
            .copy_to_slice(buffer.get_mut(..count).unwrap_or_default());
        Ok(count)
    }
}

fn cut(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, message)
}

/// The blocking end of [`pipe`]: a sink that can't be read back. To be used on a thread that runs
/// no async code.
pub struct PipeSink {
    messages: Sender<Message>,
    capacity: Option<u64>,
}

/// The async end of [`pipe`].
pub struct PipeReader {
    messages: Receiver<Message>,
    current: Bytes,
    ended: bool,
}

/// A sink, and the reader that its bytes come out of. `capacity` is what fits into the place behind
/// the reader, in bytes, where that is known.
///
/// The sink is finished once the reader has the last byte within reach, which says nothing yet
/// about the place behind it.
pub fn pipe(capacity: Option<u64>) -> (PipeSink, PipeReader) {
    let (sender, receiver) = channel(PIECES);
    let reader = PipeReader {
        messages: receiver,
        current: Bytes::new(),
        ended: false,
    };
    (
        PipeSink {
            messages: sender,
            capacity,
        },
        reader,
    )
}

impl PipeSink {
    fn send(&self, message: Message) -> io::Result<()> {
        self.messages.blocking_send(message).map_err(|_| {
            io::Error::new(
                io::ErrorKind::BrokenPipe,
                "the receiver of the image went away",
            )
        })
    }
}

impl Sink for PipeSink {
    fn capacity(&self) -> Option<u64> {
        self.capacity
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        bytes
            .chunks(PIECE)
            .try_for_each(|piece| self.send(Message::Bytes(Bytes::copy_from_slice(piece))))
    }

    fn finish(&mut self) -> io::Result<()> {
        self.send(Message::End)
    }

    fn rewind(&mut self) -> io::Result<Option<Verified>> {
        Ok(None)
    }

    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl AsyncRead for PipeReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.current.is_empty() && !self.ended {
            match ready!(self.messages.poll_recv(context)) {
                Some(Message::Bytes(bytes)) => self.current = bytes,
                Some(Message::End) => self.ended = true,
                Some(Message::Failed(error)) => return Poll::Ready(Err(error)),
                None => return Poll::Ready(Err(cut("the copy of the image ended before its end"))),
            }
        }
        let count = buffer.remaining().min(self.current.len());
        buffer.put_slice(&self.current.split_to(count));
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn bytes_arrive_in_order_and_end_only_when_said_so() {
        let (sender, mut reader) = channel_reader();
        let reading = thread::spawn(move || {
            let mut read = Vec::new();
            reader.read_to_end(&mut read).map(|_| read)
        });
        let sent: Vec<u8> = (0..3_000_000_u32).map(|number| number as u8).collect();
        sender
            .send(Bytes::from(sent.clone()))
            .await
            .expect("the reader is there");
        sender.finish().await.expect("the reader is there");
        assert!(reading.join().expect("no panic").expect("a whole image") == sent);
    }

    #[tokio::test]
    async fn a_dropped_sender_is_an_error() {
        let (sender, mut reader) = channel_reader();
        sender
            .send(Bytes::from_static(b"half"))
            .await
            .expect("the reader is there");
        drop(sender);
        let read = thread::spawn(move || reader.read_to_end(&mut Vec::new()));
        let error = read.join().expect("no panic").expect_err("cut short");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn a_senders_error_reaches_the_reader() {
        let (sender, mut reader) = channel_reader();
        sender
            .fail(io::ErrorKind::ConnectionReset.into())
            .await
            .expect("the reader is there");
        let read = thread::spawn(move || reader.read_to_end(&mut Vec::new()));
        let error = read.join().expect("no panic").expect_err("passed on");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn a_sender_learns_that_nobody_reads() {
        let (sender, reader) = channel_reader();
        drop(reader);
        assert_eq!(sender.send(Bytes::from_static(b"x")).await, Err(Closed));
    }

    #[tokio::test]
    async fn a_pipe_passes_everything_on_and_then_ends() {
        let (mut sink, mut reader) = pipe(None);
        let sent = vec![7; 5_000_001];
        let expected = sent.clone();
        let writing = thread::spawn(move || sink.write(&sent).and_then(|()| sink.finish()));
        let mut read = Vec::new();
        reader.read_to_end(&mut read).await.expect("a whole image");
        assert!(read == expected);
        writing.join().expect("no panic").expect("written");
    }

    #[tokio::test]
    async fn a_pipe_that_was_not_finished_is_an_error() {
        let (sink, mut reader) = pipe(None);
        drop(sink);
        let error = reader
            .read_to_end(&mut Vec::new())
            .await
            .expect_err("cut short");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn a_blocked_pipe_is_let_go_when_its_reader_is_dropped() {
        let (mut sink, reader) = pipe(None);
        let writing = thread::spawn(move || sink.write(&vec![0; 8 << 20]));
        drop(reader);
        let error = writing.join().expect("no panic").expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
