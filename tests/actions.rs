//! Each action against the real thing: processes, a real sshd, files, sockets.

#[path = "support/bench.rs"]
mod bench;
#[path = "support/sshd.rs"]
mod sshd;

#[path = "actions/commands.rs"]
mod commands;
