//! The byte stream under a connection, made to end.
//!
//! russh waits without bound while it writes, and during the key exchange it can't be told to stop.
//! This wrapper gives up on a peer that takes nothing for too long, and can be cut at any time.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::sockopt::set_tcp_quickack;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Has what was read acknowledged at once. A server that leaves Nagle's algorithm on (sshd does) sends
/// the second of two short packets only then, and the kernel would wait 40 ms (tcp(7),
/// `TCP_QUICKACK`: to be set anew after every read).
pub(super) fn acknowledge(stream: &TcpStream) {
    let _ = set_tcp_quickack(stream, true);
}

pub(super) struct Watched<S> {
    inner: S,
    after_read: fn(&S),
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    stall: Pin<Box<Sleep>>,
    stall_limit: Duration,
    stalled: bool,
}

impl<S> Watched<S> {
    /// `cut` ends the stream; so does a write that the peer has not taken any of for `stall_limit`.
    pub(super) fn new(
        inner: S,
        after_read: fn(&S),
        cut: CancellationToken,
        stall_limit: Duration,
    ) -> Watched<S> {
        Watched {
            inner,
            after_read,
            cut: Box::pin(cut.cancelled_owned()),
            stall: Box::pin(sleep(stall_limit)),
            stall_limit,
            stalled: false,
        }
    }

    fn check_cut(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the connection was closed on this side",
            )),
            Poll::Pending => Ok(()),
        }
    }

    fn check_stall<T>(
        &mut self,
        polled: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled = false;
            return polled;
        }
        if !self.stalled {
            self.stalled = true;
            self.stall.as_mut().reset(Instant::now() + self.stall_limit);
        }
        match self.stall.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("the peer has taken no byte for {:?}", self.stall_limit),
            ))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_cut(cx)?;
        let polled = Pin::new(&mut self.inner).poll_read(cx, buffer);
        if polled.is_ready() {
            (self.after_read)(&self.inner);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.check_stall(polled, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_flush(cx);
        self.check_stall(polled, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.check_stall(polled, cx)
    }
}
