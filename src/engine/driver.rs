//! The loop that carries out what the machine decides. It decides nothing.
//!
//! What a run touches is a [`World`]: the lab ([`live`](super::live)), nothing at all
//! ([`planned`](super::planned)), or a test's script. Facts are applied in memory, written to the
//! journal, shown, and only then is the decision that they announce carried out.

use std::future::Future;

use super::journal::{Journal, Written};
use super::record::Record;
use super::sink::Sink;
use crate::machine::{
    Answer, AskId, Bound, Decision, Ending, Event, Fact, Machine, Moment, Signal, StepId, TryId,
};
use crate::recipe::ErrorKind;

/// Everything a run touches.
pub trait World {
    /// Time since the run began.
    fn now(&self) -> Moment;

    /// Keeps `vars`, `error`, `outcome`, `item`: the only way they change. Gives the fact with names.
    fn apply(&mut self, fact: &Fact) -> Record;

    /// Computes what the machine asks for.
    ///
    /// # Errors
    /// The kind that the machine is to raise: `input` for what has no such value.
    fn value(&mut self, ask: AskId) -> Result<Answer, ErrorKind>;

    /// Begins a try. Its end comes from [`World::next`].
    fn start(&mut self, id: TryId, step: StepId, report: &mut dyn Sink);

    /// Asks the running try to end.
    fn stop(&mut self, id: TryId, why: Bound);

    /// The next thing that happens, or `Event::Due` at `until`, whichever is first. `Due` for a try
    /// that was asked to stop comes only after it has been killed.
    fn next(&mut self, until: Option<Moment>, report: &mut dyn Sink)
    -> impl Future<Output = Event>;

    /// Ends the work that this enter step left for its scope's life, within a second.
    fn close(&mut self, step: StepId, report: &mut dyn Sink) -> impl Future<Output = ()>;

    /// A signal that has come while nothing was awaited.
    fn signal(&mut self) -> Option<Signal>;
}

/// Runs the machine to its end.
pub async fn drive(
    machine: &mut Machine,
    world: &mut impl World,
    journal: &mut Journal,
    report: &mut dyn Sink,
) -> Ending {
    let mut event = match world.signal() {
        Some(signal) => Event::Cancel(signal),
        None => Event::Begin,
    };
    loop {
        let turn = machine.advance(event, world.now());
        let records: Vec<Record> = turn.facts.iter().map(|fact| world.apply(fact)).collect();
        let written = journal.append(&records).await;
        for record in &records {
            report.fact(record);
        }
        event = match turn.next {
            // Scopes are open, so this is no reason to leave the loop.
            _ if written == Written::JustFailed => Event::Unjournalled,
            Decision::Finish(ending) => return ending,
            Decision::Ask(ask) => match world.signal() {
                Some(signal) => Event::Cancel(signal),
                None => Event::Answer(world.value(ask)),
            },
            Decision::Wait { until } => world.next(until, report).await,
            Decision::Try { id, step, limit } => {
                world.start(id, step, report);
                world.next(limit.map(|limit| limit.at), report).await
            }
            Decision::Stop { id, why, grace } => {
                world.stop(id, why);
                world.next(Some(grace), report).await
            }
            Decision::Close { step } => {
                world.close(step, report).await;
                Event::Answer(Ok(Answer::Done))
            }
        };
    }
}
