//! Is it there yet? One look each, bounded by the caller.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

use super::fault::Fault;

/// Whether somebody accepts connections at `HOST:PORT` (an IPv6 address in brackets); the address
/// that did.
///
/// # Errors
/// `Unreachable`, with every address that was tried; `Input`: no port.
pub async fn tcp(address: &str, within: Duration) -> Result<SocketAddr, Fault> {
    let deadline = Instant::now() + within;
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
            Ok(Ok(_)) => return Ok(*to),
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
