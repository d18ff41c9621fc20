//! One connection: made, authenticated, noticed when it drops.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{self, DisconnectReason, Handle, Msg};
use russh::keys::{PublicKey, PublicKeyOrCertificate};
use russh::{Channel, ChannelOpenFailure, Disconnect, Preferred, cipher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::known_hosts::{Judgement, Record, fingerprint};
use super::settings::{SshKeys, SshTarget};
use super::stream::{Watched, acknowledge};
use super::{HostKey, auth};
use crate::transport::fault::Fault;

/// How many questions a silent peer may leave unanswered before it is given up.
pub const KEEPALIVES: usize = 3;
/// Bounds the whole of authentication. OpenSSH's servers allow 120 s (`LoginGraceTime`), for people
/// who type; a refused password takes about 2 s.
const AUTH_LIMIT: Duration = Duration::from_secs(30);
/// Bounds the opening of a channel, which is one question and one answer.
const OPEN_LIMIT: Duration = Duration::from_secs(10);
/// How long a closing connection may take to send its goodbye.
const GOODBYE_LIMIT: Duration = Duration::from_secs(1);
/// Of a channel's data on its way to us. RFC 4254, 5.2; as OpenSSH's client has it.
const WINDOW: u32 = 2 * 1024 * 1024;

/// An authenticated connection.
pub(super) struct Link {
    handle: Handle<Client>,
    cut: CancellationToken,
    seen: Arc<Seen>,
    posix_login: AtomicBool,
    /// The connection that this one goes through.
    _via: Option<Arc<Link>>,
}

/// What the connection's task learns on the way.
#[derive(Default)]
struct Seen {
    host_key: Mutex<Option<HostKey>>,
    end: Mutex<Option<String>>,
}

impl Seen {
    fn set<T>(slot: &Mutex<Option<T>>, value: T) {
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    }

    fn get<T: Clone>(slot: &Mutex<Option<T>>) -> Option<T> {
        slot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Cuts the connection when whoever was making it goes away before it is made.
struct CutOnDrop(Option<CancellationToken>);

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        if let Some(cut) = &self.0 {
            cut.cancel();
        }
    }
}

impl Link {
    /// Connects and authenticates, through `via` if there is one.
    pub(super) async fn open(
        target: &SshTarget,
        keys: &SshKeys,
        via: Option<Arc<Link>>,
    ) -> Result<Link, Fault> {
        let record = {
            let (address, port, policy, keys) = (
                target.address.clone(),
                target.port,
                target.host_key,
                keys.clone(),
            );
            spawn_blocking(move || Record::read(&address, port, policy, &keys))
                .await
                .map_err(|error| Fault::io(error.to_string()))??
        };
        let cut = CancellationToken::new();
        let mut unfinished = CutOnDrop(Some(cut.clone()));
        let seen = Arc::new(Seen::default());
        let config = Arc::new(config(&record, keys.keepalive));
        let stall_limit = silence_limit(keys);
        let client = Client {
            name: target.name.clone(),
            record: Some(record),
            seen: Arc::clone(&seen),
        };

        let limit = target.connect_timeout;
        let connect = async {
            match &via {
                None => {
                    let stream = tcp(target, Instant::now() + limit).await?;
                    let stream = Watched::new(stream, acknowledge, cut.clone(), stall_limit);
                    shake_hands(target, config, stream, client).await
                }
                Some(via) => {
                    let stream = via.tunnel(target).await?;
                    let stream = Watched::new(stream, |_| {}, cut.clone(), stall_limit);
                    shake_hands(target, config, stream, client).await
                }
            }
        };
        let mut handle = timeout(limit, connect).await.map_err(|_| {
            Fault::unreachable(format!(
                "{target} did not answer within {limit:?} (`connect_timeout`)"
            ))
        })??;
        timeout(AUTH_LIMIT, auth::authenticate(&mut handle, target, keys))
            .await
            .map_err(|_| {
                Fault::unreachable(format!(
                    "{target} did not finish authentication within {AUTH_LIMIT:?}"
                ))
            })??;
        unfinished.0 = None;
        Ok(Link {
            handle,
            cut,
            seen,
            posix_login: AtomicBool::new(false),
            _via: via,
        })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Why the connection ended, in words, if it is known to have.
    pub(super) fn end(&self) -> Option<String> {
        Seen::get(&self.seen.end)
    }

    /// Whether a command has told that the login's shell is a POSIX one.
    pub(super) fn has_posix_login(&self) -> bool {
        self.posix_login.load(Ordering::Relaxed)
    }

    pub(super) fn note_login(&self, is_posix: bool) {
        self.posix_login.store(is_posix, Ordering::Relaxed);
    }

    pub(super) fn host_key(&self) -> Option<HostKey> {
        Seen::get(&self.seen.host_key)
    }

    /// Opens a channel for one command.
    pub(super) async fn session(&self) -> Result<Channel<Msg>, NotOpened> {
        match timeout(OPEN_LIMIT, self.handle.channel_open_session()).await {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(russh::Error::ChannelOpenFailure(why))) => {
                Err(NotOpened::Refused(refusal(&why)))
            }
            Ok(Err(error)) => Err(NotOpened::Dead(
                self.end().unwrap_or_else(|| error.to_string()),
            )),
            Err(_) => {
                self.cut.cancel();
                Err(NotOpened::Dead(format!(
                    "no channel was opened within {OPEN_LIMIT:?}"
                )))
            }
        }
    }

    /// A stream to another host, through this one.
    async fn tunnel(
        &self,
        target: &SshTarget,
    ) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static, Fault> {
        let opened = self
            .handle
            .channel_open_direct_tcpip(&target.address, target.port.into(), "127.0.0.1", 0)
            .await;
        match opened {
            Ok(channel) => Ok(channel.into_stream()),
            Err(russh::Error::ChannelOpenFailure(why)) => Err(Fault::unreachable(format!(
                "{target} can't be reached through its `via` host: {}",
                refusal(&why)
            ))),
            Err(error) => Err(Fault::unreachable(format!(
                "{target} can't be reached: the connection to its `via` host ended: {}",
                self.end().unwrap_or_else(|| error.to_string())
            ))),
        }
    }

    /// Says goodbye and ends the connection.
    pub(super) async fn close(&self) {
        let goodbye = self.handle.disconnect(Disconnect::ByApplication, "", "en");
        let _ = timeout(GOODBYE_LIMIT, goodbye).await;
    }
}

/// Why a channel was not opened. Nothing was started.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotOpened {
    #[error("the server opened no channel ({0})")]
    Refused(&'static str),
    /// The connection is of no more use.
    #[error("{0}")]
    Dead(String),
}

/// How long a peer may be silent, or take nothing, before the connection is given up.
pub(super) fn silence_limit(keys: &SshKeys) -> Duration {
    let rounds = u32::try_from(KEEPALIVES)
        .unwrap_or(u32::MAX)
        .saturating_add(1);
    keys.keepalive.saturating_mul(rounds)
}

fn config(record: &Record, keepalive: Duration) -> client::Config {
    let mut preferred = Preferred::DEFAULT;
    if aes_in_hardware() {
        let mut ciphers = vec![cipher::AES_128_GCM, cipher::AES_256_GCM];
        ciphers.extend(
            preferred
                .cipher
                .iter()
                .copied()
                .filter(|it| *it != cipher::AES_128_GCM && *it != cipher::AES_256_GCM),
        );
        preferred.cipher = ciphers.into();
    }
    record.order(preferred.key.to_mut());
    client::Config {
        window_size: WINDOW,
        preferred,
        keepalive_interval: Some(keepalive),
        keepalive_max: KEEPALIVES,
        nodelay: true,
        ..client::Config::default()
    }
}

/// Where the CPU has AES, AES-GCM is nearly twice as fast as ChaCha20-Poly1305; elsewhere slower.
fn aes_in_hardware() -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    {
        std::arch::is_x86_feature_detected!("aes")
            && std::arch::is_x86_feature_detected!("pclmulqdq")
    }
    #[cfg(target_arch = "aarch64")]
    {
        std::arch::is_aarch64_feature_detected!("aes")
    }
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
    {
        false
    }
}

/// Tries the addresses of the name in turn; each gets an even share of the time that is left.
async fn tcp(target: &SshTarget, deadline: Instant) -> Result<TcpStream, Fault> {
    let (address, port) = (target.address.as_str(), target.port);
    let found: Vec<SocketAddr> = lookup_host((address, port))
        .await
        .map_err(|error| {
            Fault::unreachable(format!("{target}: the name does not resolve: {error}"))
        })?
        .collect();
    let mut failures = Vec::new();
    for (tried, address) in found.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(found.len() - tried).unwrap_or(u32::MAX);
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Without it a short packet waits for the last one's acknowledgement.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => failures.push(format!("{address}: {error}")),
            Err(_) => failures.push(format!("{address}: no answer within {share:.1?}")),
        }
    }
    Err(Fault::unreachable(format!(
        "{target} can't be reached: {}",
        if failures.is_empty() {
            "its name has no address".to_owned()
        } else {
            failures.join("; ")
        }
    )))
}

async fn shake_hands<S>(
    target: &SshTarget,
    config: Arc<client::Config>,
    stream: S,
    client: Client,
) -> Result<Handle<Client>, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    client::connect_stream(config, stream, client)
        .await
        .map_err(|refused| match refused {
            Refused::Judged(fault) => fault,
            Refused::Protocol(error) => Fault::unreachable(format!(
                "{target} was connected, but is not to be talked to: {}",
                protocol_error(&error)
            )),
        })
}

fn protocol_error(error: &russh::Error) -> String {
    match error {
        russh::Error::Disconnect | russh::Error::HUP => {
            "it closed the connection during the key exchange".to_owned()
        }
        russh::Error::Version => "it is no SSH-2 server".to_owned(),
        russh::Error::IO(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "it closed the connection".to_owned()
        }
        other => other.to_string(),
    }
}

fn refusal(why: &ChannelOpenFailure) -> &'static str {
    match why {
        ChannelOpenFailure::AdministrativelyProhibited => "administratively prohibited",
        ChannelOpenFailure::ConnectFailed => "connect failed",
        ChannelOpenFailure::UnknownChannelType => "unknown channel type",
        ChannelOpenFailure::ResourceShortage => "resource shortage",
        _ => "refused without a reason",
    }
}

/// What russh asks us.
pub(super) struct Client {
    name: String,
    /// Taken for the moment of a blocking write.
    record: Option<Record>,
    seen: Arc<Seen>,
}

/// Why russh was told to give up, or gave up itself.
#[derive(Debug)]
pub(super) enum Refused {
    Judged(Fault),
    Protocol(russh::Error),
}

impl From<russh::Error> for Refused {
    fn from(error: russh::Error) -> Refused {
        Refused::Protocol(error)
    }
}

impl client::Handler for Client {
    type Error = Refused;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Refused> {
        let key = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => key.clone(),
            PublicKeyOrCertificate::Certificate(certificate) => {
                PublicKey::new(certificate.public_key().clone(), "")
            }
        };
        let line = key
            .to_openssh()
            .map_err(|error| Refused::Protocol(error.into()))?;
        Seen::set(
            &self.seen.host_key,
            HostKey {
                line,
                fingerprint: fingerprint(&key),
            },
        );
        let Some(mut record) = self.record.take() else {
            return Ok(false);
        };
        let (record, judged) = match record.judge(&self.name, &key) {
            Ok(Judgement::Accepted) => (record, Ok(())),
            Err(fault) => (record, Err(fault)),
            Ok(Judgement::New) => {
                let name = self.name.clone();
                spawn_blocking(move || {
                    let learnt = record.learn(&name, &key);
                    (record, learnt)
                })
                .await
                .map_err(|error| Refused::Judged(Fault::io(error.to_string())))?
            }
        };
        self.record = Some(record);
        judged.map(|()| true).map_err(Refused::Judged)
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Refused>) -> Result<(), Refused> {
        let (why, result) = match reason {
            DisconnectReason::ReceivedDisconnect(said) => (
                format!("the server closed it: {}", said.message.trim()),
                Ok(()),
            ),
            DisconnectReason::Error(Refused::Judged(fault)) => {
                (fault.message.clone(), Err(Refused::Judged(fault)))
            }
            DisconnectReason::Error(Refused::Protocol(error)) => {
                let why = match &error {
                    russh::Error::KeepaliveTimeout => {
                        format!("the server left {KEEPALIVES} keepalives unanswered")
                    }
                    russh::Error::Disconnect | russh::Error::HUP => "it was closed".to_owned(),
                    russh::Error::IO(error)
                        if error.kind() == std::io::ErrorKind::UnexpectedEof =>
                    {
                        "the server closed it without a word".to_owned()
                    }
                    other => other.to_string(),
                };
                (why, Err(Refused::Protocol(error)))
            }
        };
        Seen::set(&self.seen.end, why);
        result
    }
}
