//! Where the bytes of a serial line come from: a console server's TCP port, a port of this machine,
//! or a command that prints them.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::fields::Text;
use crate::recipe::duration;
use crate::transport::{
    Command, Ended, Fault, Host, OutputSink, Program, SerialPort, Stop, Stream,
};

/// Bounds one attempt to connect.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// A serial line may be silent for hours. That its peer is still there is asked after so long, then
/// as often again, three times (`TCP_KEEPIDLE`, `TCP_KEEPINTVL`, `TCP_KEEPCNT`, tcp(7)).
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_COUNT: u32 = 3;
/// How long a command may take to end before it is killed.
const ENDING: Duration = Duration::from_millis(500);
/// As much of what a command prints may wait to be written; more is lost.
const WAITING: usize = 1024 * 1024;

/// A serial line, not opened yet.
#[derive(Clone, Debug)]
pub(super) enum SerialLine {
    /// Raw TCP.
    Tcp {
        /// Who serves it.
        address: Text,
        /// At which port.
        port: u16,
    },
    /// A port of this machine.
    Tty {
        /// Its device file.
        path: PathBuf,
        /// Its speed.
        baud: u32,
    },
    /// A command line for `sh`, whose standard output is the line.
    Command(Text),
}

/// A serial line to read from.
pub(super) enum Opened {
    Tcp(TcpStream),
    Tty(SerialPort),
    Command(Running),
}

impl SerialLine {
    /// Where it is, as a message says it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Tcp { address, port } => format!("at {}:{port}", address.shown()),
            Self::Tty { path, .. } => format!("at {}", path.display()),
            Self::Command(line) => format!("by `{}`", super::exec::brief(line.shown())),
        }
    }

    /// Opens it; a command runs on `local`.
    pub(super) async fn open(&self, local: &Host) -> Result<Opened, String> {
        match self {
            Self::Tcp { address, port } => connect(&address.value, *port).await.map(Opened::Tcp),
            Self::Tty { path, baud } => SerialPort::open(path, *baud)
                .map(Opened::Tty)
                .map_err(|error| error.to_string()),
            Self::Command(line) => Ok(Opened::Command(Running::start(line, local.clone()))),
        }
    }
}

impl Opened {
    /// The next bytes.
    ///
    /// # Errors
    /// Why there are no more.
    pub(super) async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, String> {
        let read = match self {
            Self::Tcp(stream) => stream.read(buffer).await,
            Self::Tty(port) => port.read(buffer).await,
            Self::Command(running) => return running.read(buffer).await,
        };
        match read {
            Ok(0) => Err("it was closed by its other end".to_owned()),
            Ok(count) => Ok(count),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Ends it.
    pub(super) async fn close(self) {
        if let Self::Command(running) = self {
            running.end().await;
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

/// A command that prints a serial line.
pub(super) struct Running {
    printed: Arc<Printed>,
    task: JoinHandle<Result<Ended, Fault>>,
    stop: Stop,
}

#[derive(Default)]
struct Printed {
    bytes: Mutex<VecDeque<u8>>,
    more: Notify,
}

impl Printed {
    fn lock(&self) -> MutexGuard<'_, VecDeque<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves what waits into the buffer.
    fn take(&self, buffer: &mut [u8]) -> usize {
        let mut bytes = self.lock();
        let count = bytes.len().min(buffer.len());
        for (place, byte) in buffer.iter_mut().zip(bytes.drain(..count)) {
            *place = byte;
        }
        count
    }
}

/// The writing end of [`Printed`].
struct Sink(Arc<Printed>);

impl OutputSink for Sink {
    fn output(&mut self, stream: Stream, bytes: &[u8]) {
        if stream == Stream::Stdout {
            let mut waiting = self.0.lock();
            let room = WAITING.saturating_sub(waiting.len());
            waiting.extend(bytes.iter().take(room));
            drop(waiting);
            self.0.more.notify_one();
        }
    }
}

impl Running {
    fn start(line: &Text, local: Host) -> Self {
        let command = Command::new(Program::Line(line.value.clone()));
        let printed = Arc::new(Printed::default());
        let stop = Stop::new();
        let task = tokio::spawn({
            let mut sink = Sink(Arc::clone(&printed));
            let stop = stop.clone();
            async move { local.run(command, &mut sink, &stop).await }
        });
        Self {
            printed,
            task,
            stop,
        }
    }

    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, String> {
        loop {
            let count = self.printed.take(buffer);
            if count > 0 {
                return Ok(count);
            }
            tokio::select! {
                biased;
                () = self.printed.more.notified() => {}
                ended = &mut self.task => {
                    let count = self.printed.take(buffer);
                    return match ended {
                        _ if count > 0 => Ok(count),
                        Ok(Ok(Ended::Status(status))) => {
                            Err(format!("it ended with exit status {status}"))
                        }
                        Ok(Ok(Ended::Signal(name, _))) => {
                            Err(format!("it was ended by the signal {name}"))
                        }
                        Ok(Err(fault)) => Err(fault.message),
                        Err(error) => Err(error.to_string()),
                    };
                }
            }
        }
    }

    async fn end(mut self) {
        if self.task.is_finished() {
            return;
        }
        self.stop.ask.cancel();
        if tokio::time::timeout(ENDING, &mut self.task).await.is_err() {
            self.stop.kill.cancel();
            let _ = (&mut self.task).await;
        }
    }
}

impl Drop for Running {
    /// However the capture ends, nobody is left to read what the command prints.
    fn drop(&mut self) {
        self.stop.ask.cancel();
        self.stop.kill.cancel();
    }
}
