//! The transport room against the real thing: processes, a real sshd, real sockets.

#[path = "support/sshd.rs"]
mod sshd;

use sshd::Sshd;

#[test]
fn the_server_lets_its_key_in_and_comes_back() {
    let Some(mut server) = Sshd::start() else {
        return;
    };
    assert!(server.log().contains("Server listening on 127.0.0.1"));
    server.stop();
    server.start_again();
    assert!(server.known_hosts_line().contains("ssh-ed25519"));
}
