//! A small real lab on loopback, and the muxpi recipe run against it.
//!
//! ```text
//! cargo run --release --example virtual-lab
//! cargo run --release --example virtual-lab -- --fault card
//! ```
//!
//! The recipe is the one that ships, run by the program itself as a process of its own, with a
//! device config and a job as Testflinger's agent hands them over. The config has two keys more:
//! without privilege the lab's SSH servers can't have port 22, so `control_port` and `device_port`
//! say where they are. With a fault that shows only when a wait of minutes is over,
//! `switch_timeout` or `boot_timeout` shortens it.
#![allow(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "an example shows what it does"
)]

mod lab;

use std::fs;
use std::io;
use std::process::{Command, ExitCode};

use clap::Parser;

use lab::{Fault, Lab, Setup};

/// Runs the muxpi recipe against a small real lab on loopback.
#[derive(Parser)]
struct Cli {
    /// What is broken in the lab
    #[arg(long, value_enum, default_value_t)]
    fault: Fault,
    /// Size of the image, in MiB
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    image_mib: u16,
}

/// As the first argument: the rest is for tf-engine.
const AS_ENGINE: &str = "as-tf-engine";

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    if args.nth(1).is_some_and(|first| first == AS_ENGINE) {
        let engine = std::iter::once("tf-engine".into()).chain(args);
        return tf_engine::cli::main_with(engine, tf_engine::cli::Children::Ours).into();
    }
    match demonstrate(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("virtual-lab: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether the run ended as it should.
fn demonstrate(cli: &Cli) -> io::Result<bool> {
    let lab = Lab::start(&Setup {
        fault: cli.fault,
        image_mib: cli.image_mib.into(),
        echo: true,
        ..Setup::default()
    })?;
    println!("The lab is in {}. Its device.yaml:\n", lab.dir().display());
    for line in fs::read_to_string(lab.device_config())?.lines() {
        println!("    {line}");
    }
    println!("\ntf-engine run muxpi -c device.yaml -j testflinger.json\n");
    let status = Command::new(std::env::current_exe()?)
        .args([AS_ENGINE, "run", "muxpi", "-c"])
        .arg(lab.device_config())
        .arg("-j")
        .arg(lab.job())
        .current_dir(lab.run_dir())
        .env("HOME", lab.home())
        .env_remove("SSH_AUTH_SOCK")
        .env_remove("XDG_STATE_HOME")
        .status()?;

    println!("\noutcome.json:\n");
    match fs::read_to_string(lab.run_dir().join("outcome.json")) {
        Ok(outcome) => println!("{}", outcome.trim_end()),
        Err(error) => println!("none: {error}"),
    }
    let intact = fs::read(lab.card())?.starts_with(lab.image());
    println!(
        "\nThe card {} the image, byte for byte.",
        if intact { "holds" } else { "does not hold" }
    );
    let expected = cli.fault.exit_status();
    println!("tf-engine ended with {status}; {expected} was to be expected.");
    Ok(status.code() == Some(expected))
}
