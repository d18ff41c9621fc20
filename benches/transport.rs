//! How long a command over SSH takes on loopback: `cargo bench --bench transport`.
//!
//! Run by hand. It needs an sshd on this machine, and says so where there is none.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and one that can't go on may panic"
)]

#[path = "../tests/support/sshd.rs"]
mod sshd;

use std::sync::Arc;
use std::time::{Duration, Instant};

use sshd::Sshd;
use tf_engine::transport::{
    Command, Ended, HostKeyPolicy, Local, OutputSink, Shell, SshHost, SshKeys, SshTarget, Stdin,
    Stop, Stream,
};
use tokio::io::AsyncReadExt;

const ROUNDS: usize = 50;
const BULK: u64 = 512 << 20;

struct Discard;

impl OutputSink for Discard {
    fn output(&mut self, _: Stream, _: &[u8]) {}
}

fn main() {
    let server = Sshd::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(measure(&server));
}

async fn measure(server: &Sshd) {
    let target = SshTarget {
        name: "bench".into(),
        address: "127.0.0.1".into(),
        port: server.port(),
        user: server.user(),
        password: None,
        identities: Some(vec![server.client_key()]),
        host_key: HostKeyPolicy::AcceptNew,
        via: None,
        connect_timeout: Duration::from_secs(10),
        shell: Shell::Bash,
    };
    let keys = Arc::new(SshKeys {
        agent: None,
        identities: Vec::new(),
        known_hosts: Vec::new(),
        learned_hosts: Some(server.dir().join("known_hosts")),
        keepalive: Duration::from_secs(5),
    });
    let stop = Stop::new();

    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let host = SshHost::new(target.clone(), Arc::clone(&keys));
        let begun = Instant::now();
        let ended = host.run(Command::argv(["true"]), &mut Discard, &stop).await;
        times.push(begun.elapsed());
        assert_eq!(ended, Ok(Ended::Status(0)));
        host.close().await;
    }
    report("new SSH connection + argv command", times);

    let host = SshHost::new(target, keys);
    host.connect().await.unwrap();
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let ended = host.run(Command::argv(["true"]), &mut Discard, &stop).await;
        times.push(begun.elapsed());
        assert_eq!(ended, Ok(Ended::Status(0)));
    }
    report("reused connection + argv command", times);

    let command = Command {
        stdin: Stdin::Stream(Box::new(tokio::io::repeat(0).take(BULK))),
        ..Command::new(tf_engine::transport::Program::Line(
            "cat > /dev/null".into(),
        ))
    };
    let begun = Instant::now();
    host.run(command, &mut Discard, &stop).await.unwrap();
    rate("standard input over SSH", begun.elapsed());
    let command = Command::argv(["head", "-c", &BULK.to_string(), "/dev/zero"]);
    let begun = Instant::now();
    host.run(command, &mut Discard, &stop).await.unwrap();
    rate("standard output over SSH", begun.elapsed());

    let local = Local::new(server.dir());
    local
        .run(Command::argv(["true"]), &mut Discard, &stop)
        .await
        .unwrap();
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        local
            .run(Command::argv(["true"]), &mut Discard, &stop)
            .await
            .unwrap();
        times.push(begun.elapsed());
    }
    report("local argv command", times);
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: usize| {
        times
            .get((times.len() - 1) * share / 100)
            .copied()
            .unwrap_or_default()
    };
    println!(
        "{what}: median {:.2?}, 90 % within {:.2?}, slowest {:.2?} ({} rounds)",
        at(50),
        at(90),
        at(100),
        times.len()
    );
}

fn rate(what: &str, took: Duration) {
    let mib = f64::from(u32::try_from(BULK >> 20).unwrap_or(u32::MAX));
    println!("{what}: {:.0} MiB/s", mib / took.as_secs_f64());
}
