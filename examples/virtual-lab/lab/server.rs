//! An SSH server whose commands run as real processes of this machine.
//!
//! One login, by password or by a key of its `~/.ssh/authorized_keys`; no shell, no forwarding.

use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use russh::keys::{PrivateKey, PublicKey};
use russh::server::{
    Auth, ChannelOpenHandle, Config, Handle, Handler, Msg, PublicKeyOffer, Session,
    VerifiedPublicKey, run_stream,
};
use russh::{Channel, ChannelId, ChannelMsg, ChannelReadHalf, Sig};
use rustix::process::Signal;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinSet;

use super::processes::Processes;

/// Who may log in, and what that user's commands find.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) user: String,
    /// Without one only keys are let in.
    pub(crate) password: Option<String>,
    /// Where commands run; its `.ssh/authorized_keys` is read at every login.
    pub(crate) home: PathBuf,
    /// First in the PATH.
    pub(crate) bin: PathBuf,
}

impl Login {
    fn knows(&self, user: &str, key: &PublicKey) -> bool {
        let file = self.home.join(".ssh/authorized_keys");
        user == self.user
            && fs::read_to_string(file).is_ok_and(|lines| {
                lines
                    .lines()
                    .filter_map(|line| PublicKey::from_openssh(line).ok())
                    .any(|known| known.key_data() == key.key_data())
            })
    }
}

/// One host.
pub(crate) struct Server {
    pub(crate) key: PrivateKey,
    pub(crate) login: Login,
    pub(crate) processes: Arc<Processes>,
}

impl Server {
    /// Serves until it is dropped, and its connections with it.
    pub(crate) async fn serve(self, listener: TcpListener) {
        let config = Arc::new(Config {
            keys: vec![self.key],
            auth_rejection_time: Duration::ZERO,
            nodelay: true,
            ..Config::default()
        });
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            while connections.try_join_next().is_some() {}
            let config = Arc::clone(&config);
            let handler = Connection {
                login: self.login.clone(),
                processes: Arc::clone(&self.processes),
            };
            connections.spawn(async move {
                let Ok(session) = run_stream(config, stream, handler).await else {
                    return;
                };
                // A board that loses its power says nothing; its sockets are closed all the same.
                let _closes = CloseOnDrop(session.handle());
                let _ = session.await;
            });
        }
    }
}

struct CloseOnDrop(Handle);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        let handle = self.0.clone();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            let reason = russh::Disconnect::ByApplication;
            let _ = handle
                .disconnect(reason, String::new(), String::new())
                .await;
        });
    }
}

struct Connection {
    login: Login,
    processes: Arc<Processes>,
}

impl Connection {
    fn verdict(accept: bool) -> Auth {
        if accept { Auth::Accept } else { Auth::reject() }
    }
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        let accept = user == self.login.user && self.login.password.as_deref() == Some(password);
        Ok(Connection::verdict(accept))
    }

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Self::Error> {
        Ok(Connection::verdict(
            self.login.knows(user, offer.public_key),
        ))
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        Ok(Connection::verdict(self.login.knows(user, key.public_key)))
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        let execution = Execution {
            login: self.login.clone(),
            processes: Arc::clone(&self.processes),
            session: session.handle(),
        };
        // As with sshd, a command outlives its connection, with its pipes closed.
        tokio::spawn(execution.follow(channel));
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        _command: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)
    }
}

/// One channel: one command.
struct Execution {
    login: Login,
    processes: Arc<Processes>,
    session: Handle,
}

impl Execution {
    async fn follow(self, channel: Channel<Msg>) {
        let id = channel.id();
        let (mut from_client, to_client) = channel.split();
        let Some(command) = command_of(&mut from_client).await else {
            return;
        };
        let mut child = match self.spawn(&command) {
            Ok(child) => child,
            Err(error) => {
                let text = format!("{error}\n");
                let _ = to_client.extended_data_bytes(1, text).await;
                let _ = self.session.exit_status_request(id, 127).await;
                let _ = to_client.close().await;
                return;
            }
        };
        let group = child
            .id()
            .and_then(|pid| i32::try_from(pid).ok())
            .unwrap_or(0);
        self.processes.began(group);
        let feeding = tokio::spawn(feed(from_client, child.stdin.take(), group));
        tokio::join!(
            carry(child.stdout.take(), to_client.make_writer()),
            carry(child.stderr.take(), to_client.make_writer_ext(Some(1))),
        );
        let status = child.wait().await;
        self.processes.ended(group);
        feeding.abort();
        if let Ok(status) = status {
            self.report(id, status).await;
        }
        let _ = to_client.eof().await;
        let _ = to_client.close().await;
    }

    fn spawn(&self, command: &[u8]) -> io::Result<Child> {
        let command = String::from_utf8_lossy(command).into_owned();
        let bin = self.login.bin.display();
        Command::new("/bin/sh")
            .args(["-c", &command])
            .env_clear()
            .env(
                "PATH",
                format!("{bin}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"),
            )
            .env("HOME", &self.login.home)
            .env("USER", &self.login.user)
            .env("LOGNAME", &self.login.user)
            .env("SHELL", "/bin/sh")
            .current_dir(&self.login.home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }

    async fn report(&self, id: ChannelId, status: ExitStatus) {
        let _ = match (status.code(), status.signal().map(signal_name)) {
            (Some(code), _) => {
                let code = u32::try_from(code).unwrap_or(255);
                self.session.exit_status_request(id, code).await
            }
            (None, name) => {
                let name = name.unwrap_or(Sig::KILL);
                self.session
                    .exit_signal_request(id, name, false, String::new(), String::new())
                    .await
            }
        };
    }
}

/// Carries a stream of the process to the client; the stream is closed at either's end.
async fn carry(stream: Option<impl AsyncRead + Unpin>, mut to: impl AsyncWrite + Unpin) {
    if let Some(mut stream) = stream {
        let _ = tokio::io::copy(&mut stream, &mut to).await;
    }
}

async fn command_of(from_client: &mut ChannelReadHalf) -> Option<Vec<u8>> {
    loop {
        match from_client.wait().await? {
            ChannelMsg::Exec { command, .. } => return Some(command),
            ChannelMsg::Close => return None,
            _ => {}
        }
    }
}

/// Carries the client's words to the process. At the channel's end its input is closed, as sshd does.
async fn feed(mut from_client: ChannelReadHalf, mut stdin: Option<ChildStdin>, group: i32) {
    while let Some(message) = from_client.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                if let Some(pipe) = &mut stdin
                    && pipe.write_all(&data).await.is_err()
                {
                    stdin = None;
                }
            }
            ChannelMsg::Eof => stdin = None,
            ChannelMsg::Signal { signal } => {
                if let Some(signal) = signal_of(&signal) {
                    Processes::signal(group, signal);
                }
            }
            ChannelMsg::Close => break,
            _ => {}
        }
    }
}

fn signal_of(name: &Sig) -> Option<Signal> {
    Some(match name {
        Sig::HUP => Signal::HUP,
        Sig::INT => Signal::INT,
        Sig::KILL => Signal::KILL,
        Sig::QUIT => Signal::QUIT,
        Sig::TERM => Signal::TERM,
        _ => return None,
    })
}

fn signal_name(number: i32) -> Sig {
    match number {
        1 => Sig::HUP,
        2 => Sig::INT,
        3 => Sig::QUIT,
        13 => Sig::PIPE,
        15 => Sig::TERM,
        _ => Sig::KILL,
    }
}
