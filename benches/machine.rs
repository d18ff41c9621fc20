//! How many turns the machine makes per second, facts included: `cargo bench --bench machine`.
//!
//! A recipe of 30 states: scopes in scopes, guards, items, retries, bounds. Every fifth try fails; a
//! run that has ended begins anew. What the world does costs next to nothing.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark prints, and one that can't go on may panic"
)]

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tf_engine::machine::{
    Answer, AskKind, Chart, Decision, Event, Fact, Machine, Moment, Outcome, TryId,
};
use tf_engine::recipe::ErrorKind;
use tf_engine::recipe::library::Library;
use tf_engine::recipe::load::load_text;

/// Calls that are measured.
const CALLS: u32 = 5_000_000;

/// Six scopes of four states each: 6 × 5 = 30 states.
fn recipe() -> String {
    let mut text = String::from(
        "recipe: bench\nsummary: Thirty states\nvars: {go: true, letters: [a, b]}\nstages:\n  \
         provision:\n    timeout: 2d\n    retry: {attempts: 3, delay: 1s}\n    \
         initial: s0\n    states:\n",
    );
    for n in 0..6 {
        let next = if n == 5 {
            "done".to_owned()
        } else {
            format!("s{}", n + 1)
        };
        write!(
            text,
            "      s{n}:
        timeout: 1d
        retry: {{attempts: 2, delay: 1s, jitter: 0.5}}
        enter: [{{run: 'true'}}]
        initial: a{n}
        states:
          a{n}:
            do: [{{run: 'true', retry: {{attempts: 3, delay: 2s, backoff: 2}}}}, {{run: 'true'}}]
            next: b{n}
          b{n}:
            timeout: 10m
            do: [{{run: 'true', for_each: vars.letters}}]
            retry: {{attempts: 2, between: [{{run: 'true'}}]}}
            next: c{n}
          c{n}:
            next: [{{when: vars.go, to: d{n}}}, {{to: done}}]
          d{n}:
            do: [{{run: 'true', allow_failure: true}}]
            next: done
        exit: [{{run: 'true', retry: 2}}, {{run: 'true'}}]
        catch: {next}
        next: {next}
"
        )
        .unwrap();
    }
    text
}

struct World {
    chart: Arc<Chart>,
    now: Moment,
    tries: u32,
    running: Option<TryId>,
}

impl World {
    fn next(&mut self, decision: &Decision) -> Option<Event> {
        Some(match *decision {
            Decision::Ask(ask) => Event::Answer(Ok(match self.chart.ask(ask).kind {
                AskKind::When | AskKind::Row(_) => Answer::Truth(true),
                AskKind::Items => Answer::Count(2),
                _ => Answer::Done,
            })),
            Decision::Try { id, .. } => {
                self.tries = self.tries.wrapping_add(1);
                self.now = self.now.after(Duration::from_millis(10));
                let outcome = match self.tries % 5 {
                    0 => Outcome::Failed(ErrorKind::Lost),
                    _ => Outcome::Ok,
                };
                Event::Ended { id, outcome }
            }
            Decision::Stop { id, .. } => {
                self.running = None;
                let outcome = Outcome::Ok;
                Event::Ended { id, outcome }
            }
            Decision::Wait { until } => {
                self.now = self.now.max(until.unwrap_or(self.now));
                Event::Due
            }
            Decision::Close { .. } => Event::Answer(Ok(Answer::Done)),
            Decision::Finish(_) => return None,
        })
    }
}

fn main() {
    let text = recipe();
    let loaded = load_text(&Library::default(), "bench", &text);
    let Some(recipe) = loaded.recipe else {
        panic!("the recipe does not load: {:?}", loaded.findings);
    };
    let begun = Instant::now();
    let chart = Arc::new(Chart::build(&recipe, "provision").unwrap());
    println!(
        "chart: {} states, built in {:?}",
        chart.states().count() - 1,
        begun.elapsed()
    );
    measure(
        "a list of facts per turn",
        &chart,
        |machine, event, now, _| {
            let turn = machine.advance(event, now);
            (turn.facts.len(), turn.next)
        },
    );
    measure(
        "one list of facts for all",
        &chart,
        |machine, event, now, facts| {
            facts.clear();
            let next = machine.advance_into(event, now, facts);
            (facts.len(), next)
        },
    );
}

fn measure(
    what: &str,
    chart: &Arc<Chart>,
    advance: impl Fn(&mut Machine, Event, Moment, &mut Vec<Fact>) -> (usize, Decision),
) {
    let mut world = World {
        chart: Arc::clone(chart),
        now: Moment::START,
        tries: 0,
        running: None,
    };
    let new = Machine::new(Arc::clone(chart), 1);
    let mut machine = new.clone();
    let mut event = Event::Begin;
    let mut facts = Vec::new();
    let (mut told, mut runs) = (0_u64, 0_u32);
    let begun = Instant::now();
    for _ in 0..CALLS {
        let (count, next) = advance(&mut machine, event, world.now, &mut facts);
        told += count as u64;
        event = match world.next(&next) {
            Some(event) => event,
            None => {
                runs += 1;
                machine = new.clone();
                world.now = Moment::START;
                Event::Begin
            }
        };
    }
    let took = begun.elapsed();
    println!(
        "{what}: {:.2} million turns per second ({runs} runs, {:.1} facts per turn)",
        f64::from(CALLS) / took.as_secs_f64() / 1e6,
        told as f64 / f64::from(CALLS),
    );
}
