//! What actions stand on: local processes, SSH, HTTP, and probes of what is there.
//!
//! A transport does one thing once. It never retries, and it has no opinion on how long a command
//! may take: that is the caller's, who says so through a [`Stop`]. What it bounds itself is silence
//! (a connection that is not answered, a peer that has gone), and the message names the bound. Each
//! third-party client is named in one place only: russh in `ssh/`, reqwest in `http.rs`.

mod command;
mod fault;
mod host;
mod http;
pub mod offer;
mod ping;
pub mod probe;
mod process;
mod serial;
mod ssh;

pub use command::{Command, Ended, OutputSink, Program, Shell, Stdin, Stop, Stream};
pub use fault::{Fault, FaultKind};
pub use host::Host;
pub use http::{Http, HttpBody, HttpContent, HttpPart, HttpPayload, HttpRequest, HttpResponse};
pub use ping::PingMethod;
pub use process::Local;
pub use serial::SerialPort;
pub use ssh::{HostKey, HostKeyPolicy, KEEPALIVES, Probe, SshHost, SshKeys, SshTarget, create_key};
