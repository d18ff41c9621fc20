//! Is it there yet? One look each, bounded by the caller.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, BufReader};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

use super::fault::{Fault, FaultKind};

/// An SSH server may send lines before its version (RFC 4253, 4.2); this much is read of them.
const LONGEST_GREETING: u64 = 8 * 1024;

/// Whether somebody accepts connections at `HOST:PORT` (an IPv6 address in brackets); the address
/// that did.
///
/// # Errors
/// `Unreachable`, with every address that was tried; `Input`: no port.
pub async fn tcp(address: &str, within: Duration) -> Result<SocketAddr, Fault> {
    let deadline = Instant::now() + within;
    connect(address, within, deadline)
        .await
        .map(|(_, address)| address)
}

/// The version line of the SSH server at `HOST:PORT`, without its end.
///
/// # Errors
/// As [`tcp`]; `Lost`: it closed the connection or was silent; `Mismatch`: it is no SSH server.
pub async fn ssh_banner(address: &str, within: Duration) -> Result<String, Fault> {
    let deadline = Instant::now() + within;
    let (stream, _) = connect(address, within, deadline).await?;
    let mut reader = BufReader::new(stream).take(LONGEST_GREETING);
    let mut line = Vec::new();
    loop {
        let byte = timeout_at(deadline, reader.read_u8()).await.map_err(|_| {
            Fault::lost(format!(
                "{address} accepts connections, but said nothing of SSH within {within:?}"
            ))
        })?;
        match byte {
            Ok(b'\n') if line.starts_with(b"SSH-") => {
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            Ok(b'\n') => line.clear(),
            Ok(byte) => line.push(byte),
            Err(_) if reader.limit() == 0 => {
                return Err(Fault::new(
                    FaultKind::Mismatch,
                    format!("{address} is no SSH server"),
                ));
            }
            Err(error) => {
                return Err(Fault::lost(format!(
                    "{address} closed the connection before its SSH version: {error}"
                )));
            }
        }
    }
}

async fn connect(
    address: &str,
    within: Duration,
    deadline: Instant,
) -> Result<(TcpStream, SocketAddr), Fault> {
    let port = address
        .rsplit_once(':')
        .map(|(_, port)| port.parse::<u16>());
    if !matches!(port, Some(Ok(_))) {
        return Err(Fault::input(format!(
            "`{address}` is not of the form HOST:PORT"
        )));
    }
    let late = || Fault::unreachable(format!("{address} did not answer within {within:?}"));
    let found: Vec<SocketAddr> = timeout_at(deadline, lookup_host(address))
        .await
        .map_err(|_| late())?
        .map_err(|error| Fault::unreachable(format!("{address} does not resolve: {error}")))?
        .collect();
    let mut failures = Vec::new();
    for (tried, to) in found.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(found.len() - tried).unwrap_or(u32::MAX);
        match timeout_at(Instant::now() + share, TcpStream::connect(to)).await {
            Ok(Ok(stream)) => return Ok((stream, *to)),
            Ok(Err(error)) => failures.push(format!("{to}: {error}")),
            Err(_) => failures.push(format!("{to}: no answer within {share:.1?}")),
        }
    }
    if failures.is_empty() {
        return Err(Fault::unreachable(format!("{address} has no address")));
    }
    Err(Fault::unreachable(format!(
        "{address} can't be reached: {}",
        failures.join("; ")
    )))
}
