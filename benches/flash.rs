//! `flash` over SSH to a card on the same machine, against a real sshd: time, and the memory that
//! the engine's side takes. `cargo bench --bench flash [-- MIB]`; needs root and sshd.
#![allow(
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark for a person to read"
)]

#[path = "../tests/support/bench.rs"]
mod bench;
#[path = "../tests/support/image.rs"]
mod image;
#[path = "../tests/support/sshd.rs"]
mod sshd;

use std::fs::{self, File};
use std::io::{self, Write};
use std::time::Instant;

use bench::{Bench, Modify, step};
use image::Card;
use serde_json::json;
use sshd::Sshd;

/// Half noise and half text, as an image of a root filesystem is: packs to about a half.
fn write_image(mut into: impl Write, mib: u64) -> io::Result<()> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut block = vec![0; 4096];
    for _ in 0..mib * 256 {
        for (index, word) in block.chunks_exact_mut(8).enumerate() {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let noise = state.to_le_bytes();
            word.copy_from_slice(if index % 2 == 0 { &noise } else { b"/usr/lib" });
        }
        into.write_all(&block)?;
    }
    Ok(())
}

/// Peak resident memory in MiB (proc(5), `VmHWM`).
fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench");
    let mib = arguments
        .next()
        .and_then(|mib| mib.parse().ok())
        .unwrap_or(200);
    let dir = tempfile::tempdir()?;
    let sshd = Sshd::start();
    let card = Card::blank(dir.path(), mib + 16);
    let bench = Bench::new()
        .with_host("control", sshd.port(), &sshd.user(), &sshd.client_key())
        .ready();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let plain = bench.dir().join("image");
    write_image(io::BufWriter::new(File::create(&plain)?), mib)?;
    let packed = bench.dir().join("image.zst");
    zstd::stream::copy_encode(File::open(&plain)?, File::create(&packed)?, 3)?;
    fs::remove_file(&plain)?;
    println!("{mib} MiB, as zstd {} MiB", packed.metadata()?.len() >> 20);
    fs::write("/proc/self/clear_refs", "5")?;
    for (host, verify) in [("control", false), ("control", true), ("local", true)] {
        let flash = json!({
            "image": "image.zst",
            "device": card.node().display().to_string(),
            "verify": verify,
        });
        let begun = Instant::now();
        let done = runtime.block_on(bench.perform(step("flash", flash).on(host)));
        let took = begun.elapsed().as_secs_f64();
        let verified = done.field("verified");
        println!(
            "{host}: {took:.2} s, verified {verified}, peak {} MiB so far",
            peak_mib()
        );
    }
    Ok(())
}
