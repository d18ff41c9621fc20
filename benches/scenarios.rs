//! How long all scenarios that ship take, from reading the files to the last result:
//! `cargo bench --bench scenarios`.
#![expect(
    clippy::print_stdout,
    clippy::panic,
    reason = "a benchmark prints, and one that can't go on may panic"
)]

use std::time::{Duration, Instant};

use tf_engine::engine::scenario::{Statuses, Suite};
use tf_engine::machine::End;
use tf_engine::recipe::library::Library;

/// Rounds that are measured; the fastest counts.
const ROUNDS: u32 = 5;

/// What a run may take.
const LIMIT: Duration = Duration::from_secs(1);

fn main() {
    let statuses = Statuses {
        of: |end| u8::from(end != End::Success),
        refused: 2,
    };
    let mut fastest = Duration::MAX;
    let mut scenarios = 0;
    let mut virtual_time = Duration::ZERO;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        (scenarios, virtual_time) = (0, Duration::ZERO);
        let library = Library::default();
        for name in library.tested() {
            let Some(suite) = Suite::open(&library, &name).suite else {
                panic!("the scenarios of {name} are refused");
            };
            for at in 0..suite.names().count() {
                let tried = suite.run(at, statuses);
                let played = tried.and_then(|tried| tried.played.ok());
                virtual_time += played.map_or(Duration::ZERO, |played| played.took);
                scenarios += 1;
            }
        }
        fastest = fastest.min(begun.elapsed());
    }
    println!(
        "{scenarios} scenarios, {} h of virtual time: {:.1} ms on one thread (limit: {} ms)",
        virtual_time.as_secs() / 3600,
        fastest.as_secs_f64() * 1000.0,
        LIMIT.as_millis()
    );
    assert!(fastest < LIMIT, "they take longer than {LIMIT:?}");
}
