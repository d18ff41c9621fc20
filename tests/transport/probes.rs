//! One look at what is there.

use std::net::TcpListener;
use std::time::Duration;

use tf_engine::transport::{FaultKind, PingMethod, probe};

use crate::sshd::find_program;

const SOON: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_port_is_open_or_says_why_not() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    assert_eq!(
        probe::tcp(&address.to_string(), PATIENCE).await,
        Ok(address)
    );
    let by_name = format!("localhost:{}", address.port());
    assert_eq!(
        probe::tcp(&by_name, PATIENCE).await.unwrap().port(),
        address.port()
    );
    drop(listener);
    for (to, kind, part) in [
        (address.to_string(), FaultKind::Unreachable, "refused"),
        (
            "no-such-host.invalid:1".into(),
            FaultKind::Unreachable,
            "does not resolve",
        ),
        ("127.0.0.1".into(), FaultKind::Input, "HOST:PORT"),
        ("127.0.0.1:x".into(), FaultKind::Input, "HOST:PORT"),
        ("::1".into(), FaultKind::Unreachable, ""),
    ] {
        let fault = probe::tcp(&to, PATIENCE).await.unwrap_err();
        assert_eq!(fault.kind, kind, "{fault}");
        assert!(fault.message.contains(part), "{fault}");
    }
}

#[tokio::test]
#[cfg_attr(not(have = "ping"), ignore = "needs a ping that works (iputils-ping)")]
async fn every_way_to_ping_finds_this_machine_and_not_a_silent_one() {
    let mut ways = vec![PingMethod::Datagram, PingMethod::Raw];
    ways.extend(find_program("ping").map(PingMethod::Program));
    let mut worked = 0;
    for way in ways {
        match way.ping("127.0.0.1", PATIENCE).await {
            Ok(_) => worked += 1,
            // Not everybody may have each kind of socket.
            Err(fault) if fault.kind == FaultKind::Io => continue,
            Err(fault) => panic!("{way:?}: {fault}"),
        }
        // TEST-NET-3 of RFC 5737 is nobody's.
        let fault = way.ping("203.0.113.9", SOON).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unreachable, "{way:?}: {fault}");
        let fault = way
            .ping("no-such-host.invalid", PATIENCE)
            .await
            .unwrap_err();
        assert!(
            fault.message.contains("does not resolve"),
            "{way:?}: {fault}"
        );
    }
    assert!(worked > 0);
    let path = std::env::var_os("PATH");
    assert!(PingMethod::find(path.as_deref()).is_some());
}

#[tokio::test]
#[cfg_attr(not(all(have = "ipv6", have = "root")), ignore = "needs IPv6 and root")]
async fn the_sixth_version_is_pinged_too() {
    let mut worked = 0;
    for way in [PingMethod::Datagram, PingMethod::Raw] {
        match way.ping("::1", PATIENCE).await {
            Ok(_) => worked += 1,
            Err(fault) if fault.kind == FaultKind::Io => {}
            Err(fault) => panic!("{way:?}: {fault}"),
        }
    }
    assert!(worked > 0);
}
