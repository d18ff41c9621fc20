//! Each action against the real thing: processes, a real sshd, files, sockets.
#![expect(clippy::panic, reason = "a test says by it what is wrong")]

#[path = "support/bench.rs"]
mod bench;
#[path = "support/sshd.rs"]
mod sshd;

#[path = "actions/commands.rs"]
mod commands;
#[path = "actions/files.rs"]
mod files;
#[path = "actions/flow.rs"]
mod flow;
#[path = "actions/gear.rs"]
mod gear;
#[path = "actions/http.rs"]
mod http;
#[path = "actions/lowered.rs"]
mod lowered;
#[path = "actions/serve.rs"]
mod serve;
#[path = "actions/wait.rs"]
mod wait;
