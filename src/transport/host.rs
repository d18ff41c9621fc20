//! A place where commands run.

use std::sync::Arc;

use super::command::{Command, Ended, OutputSink, Stop};
use super::fault::Fault;
use super::process::Local;
use super::ssh::SshHost;

/// A place where commands run: this machine, or one at the end of an SSH connection.
#[derive(Clone)]
pub enum Host {
    /// This machine, in the run directory.
    Local(Arc<Local>),
    /// A machine reached over SSH.
    Ssh(Arc<SshHost>),
}

impl Host {
    /// Runs a command to its end, handing its output to `sink` as it comes.
    ///
    /// No bound of its own on how long the command takes: that is `stop`'s. The future should be
    /// polled to its end; dropped, it kills the command without waiting for it.
    ///
    /// # Errors
    /// `Unreachable`: nothing was started. `Lost`: the link went away, or the command could not be
    /// ended. `Auth`: the host or its key was refused. `Io`: the folder can't be entered, or the
    /// input could not be read. `Input`: the command makes no sense.
    pub async fn run(
        &self,
        command: Command,
        sink: &mut dyn OutputSink,
        stop: &Stop,
    ) -> Result<Ended, Fault> {
        match self {
            Host::Local(local) => Box::pin(local.run(command, sink, stop)).await,
            Host::Ssh(host) => Box::pin(host.run(command, sink, stop)).await,
        }
    }
}
