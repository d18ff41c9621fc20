//! How long `explore` takes for each shipped recipe, and how much memory: `cargo bench --bench explore`.
//!
//! The aim is under a second and 200 MB for the largest.
#![expect(
    clippy::print_stdout,
    clippy::panic,
    reason = "a benchmark prints, and one that can't go on may panic"
)]

use std::time::Instant;

use tf_engine::check::explore::{Options, explore};
use tf_engine::recipe::library::Library;
use tf_engine::recipe::load::load;

fn main() {
    let library = Library::default();
    for name in library.names() {
        let Some(recipe) = load(&library, &name).recipe else {
            panic!("`{name}` does not load");
        };
        let (mut states, begun) = (0, Instant::now());
        for stage in recipe.stages.keys() {
            match explore(&recipe, stage, Options::default()) {
                Ok(found) => states += found.states,
                Err(error) => panic!("`{name}`: {error}"),
            }
        }
        let took = begun.elapsed();
        println!("{name:20} {states:>8} situations  {took:>12.3?}");
    }
    // The kernel's own count of the most that was ever resident (proc_pid_status(5)).
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM"));
    println!("{}", peak.unwrap_or("peak memory is not known here"));
}
