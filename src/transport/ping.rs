//! ICMP echo (RFC 792; RFC 4443, 4.1 and 4.2): is the machine there at all?

use std::ffi::OsStr;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, ipproto, socket_with};
use tokio::net::{UdpSocket, lookup_host};
use tokio::process::Command;
use tokio::time::{Instant, timeout_at};

use super::fault::Fault;

/// A request without an answer is sent again after this long, as a first packet is often lost to
/// address resolution.
const AGAIN: Duration = Duration::from_secs(1);

/// How this machine lets us ping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PingMethod {
    /// A datagram socket, where `net.ipv4.ping_group_range` (icmp(7)) allows it.
    Datagram,
    /// A raw socket, which needs `CAP_NET_RAW` (raw(7)).
    Raw,
    /// The `ping` program.
    Program(PathBuf),
}

impl PingMethod {
    /// The best way there is; `None` if there is none. `path` is `$PATH`.
    pub fn find(path: Option<&OsStr>) -> Option<PingMethod> {
        if open(AddressFamily::INET, SocketType::DGRAM).is_ok() {
            return Some(PingMethod::Datagram);
        }
        if open(AddressFamily::INET, SocketType::RAW).is_ok() {
            return Some(PingMethod::Raw);
        }
        std::env::split_paths(path?)
            .map(|dir| dir.join("ping"))
            .find(|file| file.is_file())
            .map(PingMethod::Program)
    }

    /// Returns once the machine has answered, with the time that its answer took.
    ///
    /// # Errors
    /// `Unreachable`: no answer within the bound, no name, no route. `Io`: no socket.
    pub async fn ping(&self, address: &str, within: Duration) -> Result<Duration, Fault> {
        let deadline = Instant::now() + within;
        let silent =
            || Fault::unreachable(format!("{address} did not answer a ping within {within:?}"));
        let unresolved =
            |why: String| Fault::unreachable(format!("{address} does not resolve: {why}"));
        let found = timeout_at(deadline, lookup_host((address, 0)))
            .await
            .map_err(|_| silent())?
            .map_err(|error| unresolved(error.to_string()))?
            .next()
            .ok_or_else(|| unresolved("it has no address".to_owned()))?;
        let answered = match self {
            PingMethod::Datagram => echo(found, SocketType::DGRAM, deadline).await,
            PingMethod::Raw => echo(found, SocketType::RAW, deadline).await,
            PingMethod::Program(program) => run(program, found.ip(), within, deadline).await,
        };
        match answered {
            Ok(Some(took)) => Ok(took),
            Ok(None) => Err(silent()),
            Err(Trouble::Socket(error)) => {
                Err(Fault::io(format!("{address} can't be pinged: {error}")))
            }
            Err(Trouble::Network(why)) => Err(Fault::unreachable(format!(
                "{address} can't be pinged: {why}"
            ))),
        }
    }
}

enum Trouble {
    Socket(io::Error),
    Network(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Network(error.to_string())
    }
}

fn open(family: AddressFamily, kind: SocketType) -> io::Result<OwnedFd> {
    let protocol: Protocol = if family == AddressFamily::INET6 {
        ipproto::ICMPV6
    } else {
        ipproto::ICMP
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(family, kind, flags, Some(protocol))?)
}

/// `None`: no answer until the deadline.
async fn echo(
    to: SocketAddr,
    kind: SocketType,
    deadline: Instant,
) -> Result<Option<Duration>, Trouble> {
    let family = if to.is_ipv6() {
        AddressFamily::INET6
    } else {
        AddressFamily::INET
    };
    let socket = open(family, kind).map_err(Trouble::Socket)?;
    // An ICMP socket is written and read like a UDP one.
    let socket = UdpSocket::from_std(socket.into()).map_err(Trouble::Socket)?;
    // Other machines' answers, and errors about other requests, are then none of ours.
    socket.connect(to).await?;
    let request = Echo {
        v6: to.is_ipv6(),
        raw: kind == SocketType::RAW,
        token: RandomState::new()
            .hash_one(std::process::id())
            .to_be_bytes(),
    };
    let begun = Instant::now();
    for sequence in 0.. {
        let again = deadline.min(begun + AGAIN.saturating_mul(u32::from(sequence) + 1));
        let packet = request.packet(sequence);
        let attempt = async {
            socket.send(&packet).await?;
            loop {
                let mut buffer = [0; 1024];
                let length = socket.recv(&mut buffer).await?;
                if request.is_answer(buffer.get(..length).unwrap_or_default()) {
                    return Ok::<(), io::Error>(());
                }
            }
        };
        match timeout_at(again, attempt).await {
            Ok(Ok(())) => return Ok(Some(begun.elapsed())),
            Ok(Err(error)) => return Err(error.into()),
            Err(_) if Instant::now() >= deadline => return Ok(None),
            Err(_) => {}
        }
        if sequence == u16::MAX {
            break;
        }
    }
    Ok(None)
}

/// One conversation: what is asked, and what answers it.
struct Echo {
    v6: bool,
    raw: bool,
    /// Sent with the request, comes back with the answer.
    token: [u8; 8],
}

impl Echo {
    /// Type, code, checksum, identifier, sequence number, data. The kernel fills in the identifier
    /// of a datagram socket and the checksum of all but a raw IPv4 one.
    fn packet(&self, sequence: u16) -> Vec<u8> {
        let kind = if self.v6 { 128 } else { 8 };
        let [high, low] = sequence.to_be_bytes();
        let [id_high, id_low, ..] = self.token;
        let mut packet = vec![kind, 0, 0, 0, id_high, id_low, high, low];
        packet.extend_from_slice(&self.token);
        let [high, low] = checksum(&packet).to_be_bytes();
        if let Some(field) = packet.get_mut(2..4) {
            field.copy_from_slice(&[high, low]);
        }
        packet
    }

    fn is_answer(&self, received: &[u8]) -> bool {
        let kind = if self.v6 { 129 } else { 0 };
        // A raw IPv4 socket delivers the IP header too; its length is counted in words of 4 bytes.
        let header = match received.first() {
            Some(first) if self.raw && !self.v6 => usize::from(first & 0x0f) * 4,
            _ => 0,
        };
        let message = received.get(header..).unwrap_or_default();
        message.first() == Some(&kind) && message.get(8..16) == Some(self.token.as_slice())
    }
}

/// RFC 1071: the complement of the one's complement sum of all 16-bit words.
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        let high = pair.first().copied().unwrap_or(0);
        let low = pair.get(1).copied().unwrap_or(0);
        sum = sum.wrapping_add(u32::from(u16::from_be_bytes([high, low])));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

async fn run(
    program: &PathBuf,
    to: IpAddr,
    within: Duration,
    deadline: Instant,
) -> Result<Option<Duration>, Trouble> {
    let begun = Instant::now();
    // `-W`: how long to wait for the answer, in whole seconds, for both iputils and busybox.
    let seconds = within.as_secs().max(1).to_string();
    let output = Command::new(program)
        .args(["-c", "1", "-W", &seconds])
        .arg(to.to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    match timeout_at(deadline, output).await {
        Err(_) => Ok(None),
        Ok(Err(error)) => Err(Trouble::Socket(error)),
        Ok(Ok(output)) if output.status.success() => Ok(Some(begun.elapsed())),
        Ok(Ok(output)) => {
            let said = String::from_utf8_lossy(&output.stderr);
            match said.lines().map(str::trim).find(|line| !line.is_empty()) {
                Some(line) => Err(Trouble::Network(line.to_owned())),
                None => Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_rfc_1071() {
        // The RFC's own example, 3.
        assert_eq!(
            checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]),
            !0xddf2
        );
        assert_eq!(checksum(&[0xff]), !0xff00);
    }

    #[test]
    fn only_the_answer_to_our_own_request_counts() {
        let echo = |v6, raw| Echo {
            v6,
            raw,
            token: [1, 2, 3, 4, 5, 6, 7, 8],
        };
        let request = echo(false, false).packet(7);
        let mut answer = request.clone();
        answer[0] = 0;
        assert!(!echo(false, false).is_answer(&request));
        assert!(echo(false, false).is_answer(&answer));
        let with_header: Vec<u8> = [0x45; 20].into_iter().chain(answer.clone()).collect();
        assert!(echo(false, true).is_answer(&with_header));
        answer[9] ^= 1;
        assert!(!echo(false, false).is_answer(&answer));
        for length in 0..16 {
            assert!(!echo(false, true).is_answer(&with_header[..20 + length]));
        }
    }
}
