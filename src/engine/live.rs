//! The lab: real tries as tasks, signals, deadlines. The one `select!` over outside events is in
//! `Live::next`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::driver::World;
use super::memory::Memory;
use super::record::{NamedStep, Record};
use super::scope::Scopes;
use super::signals::Signals;
use super::sink::{Said, Saying, Sink};
use crate::actions::{
    Note, Notes, Performed, PlanContext, ScopeWork, StepContext, StepError, registry,
};
use crate::machine::{
    Answer, AskId, Bound, Event, Fact, GRACE, Moment, Outcome, Signal, Site, StepId, TryId,
};
use crate::recipe::{ErrorKind, duration};
use crate::transport::Stop;

/// How often sinks are told that time passes.
pub const TICK: Duration = Duration::from_millis(250);

/// How long notes wait where a sink's reader is behind.
const BEHIND: Duration = Duration::from_millis(20);

/// Notes that a try may be ahead of the sinks by; then it waits.
const NOTES: usize = 256;

/// Notes taken in one go.
const BATCH: usize = 64;

/// How long a killed try may take to end; then its task is cut off.
const KILLED: Duration = Duration::from_secs(2);

/// The lab.
pub(super) struct Live {
    pub(super) memory: Memory,
    began: Instant,
    pub(super) signals: Signals,
    scopes: Scopes,
    running: Option<Running>,
}

/// The try that goes on.
struct Running {
    id: TryId,
    step: StepId,
    name: NamedStep,
    work: Work,
    stop: Stop,
    notes: mpsc::Receiver<Note>,
    scope: ScopeWork,
    /// Somebody has asked it to stop: a `Due` means that it must be killed first.
    stopping: bool,
    stall: Option<Stall>,
}

enum Work {
    Task(JoinHandle<Performed>),
    /// It ended before it began, or was never begun.
    Over(Option<Performed>),
}

/// A bound on the time without progress.
struct Stall {
    bound: Duration,
    last: Instant,
    /// It was hit, and the try is killed then.
    kill_at: Option<Instant>,
}

/// What came to pass while something was awaited.
enum Happened {
    Signal(Signal),
    Ended(Performed),
    Due,
    Stalled,
    Unkilled,
    Tick,
    Note(Option<Note>),
    WorkNote(NamedStep, Note),
}

impl Live {
    pub(super) fn new(memory: Memory, began: Instant, signals: Signals) -> Self {
        Self {
            memory,
            began,
            signals,
            scopes: Scopes::default(),
            running: None,
        }
    }

    /// What the run remembers, and where signals come from, once it is over.
    pub(super) fn into_parts(self) -> (Memory, Signals) {
        (self.memory, self.signals)
    }

    /// Ends what is left of the run: the work of scopes that were not left, and connections.
    pub(super) async fn finish(&mut self, report: &mut dyn Sink) {
        if let Some(mut running) = self.running.take() {
            let _ = running.kill().await;
        }
        for (name, text) in self.scopes.close_all().await {
            self.say(&name, Said::Note(Note::Warning(text)), report);
        }
        self.memory.lab.close().await;
    }

    fn say(&self, step: &NamedStep, said: Said, report: &mut dyn Sink) {
        let at = self.now();
        let said = match said {
            // Made of faults too, whose words may hold what was sent.
            Said::Note(Note::Doing(text)) => Said::Note(Note::Doing(self.memory.lab.mask(&text))),
            Said::Note(Note::Warning(text)) => {
                Said::Note(Note::Warning(self.memory.lab.mask(&text)))
            }
            said => said,
        };
        report.say(&Saying {
            at,
            time: self.memory.time(at),
            step: step.clone(),
            said,
        });
    }

    /// A try as a task, or its end where it can't be begun.
    fn begin(&self, step: StepId, name: &NamedStep, report: &mut dyn Sink) -> Begun {
        let stop = Stop {
            ask: self.scopes.innermost().child_token(),
            kill: self.scopes.innermost().child_token(),
        };
        let (notes, said) = Notes::channel(NOTES);
        let scope = ScopeWork::default();
        let begun = |work, stall| Begun {
            work,
            stall,
            stop: stop.clone(),
            said,
            scope: scope.clone(),
        };
        if let Some(why) = self.memory.missing(step) {
            return begun(Work::Over(Some(Err(StepError::input(why)))), None);
        }
        let mut context = self.memory.context_at(Site::Step(step), true);
        context.set_now(SystemTime::now());
        let stall = match self.memory.stall(step, &context) {
            Ok(stall) => stall,
            Err(why) => return begun(Work::Over(Some(Err(StepError::input(why)))), None),
        };
        let declared = self.memory.chart().step(step).clone();
        let home = self
            .memory
            .frames
            .last()
            .and_then(|frame| frame.home.clone());
        let planned = registry::plan(&PlanContext {
            step: &declared,
            lab: &self.memory.lab,
            home: home.as_deref(),
            context: &context,
        });
        let request = match planned {
            Ok(request) => request,
            Err(error) => return begun(Work::Over(Some(Err(error))), None),
        };
        let sends = request
            .describe()
            .iter()
            .map(|part| self.memory.lab.mask(part))
            .collect();
        self.say(name, Said::Request(sends), report);
        let task = tokio::spawn(request.perform(StepContext {
            step: declared,
            lab: Arc::clone(&self.memory.lab),
            home: home.map(Arc::from),
            context,
            stop: stop.clone(),
            notes,
            scope: scope.clone(),
        }));
        begun(Work::Task(task), stall)
    }

    /// The try has ended: what it said goes to the sinks, what it gave is held aside.
    fn settle(&mut self, result: Performed, report: &mut dyn Sink) -> Event {
        let Some(mut running) = self.running.take() else {
            return Event::Due; // not reached: only a running try ends
        };
        while let Ok(note) = running.notes.try_recv() {
            self.say(&running.name, Said::Note(note), report);
        }
        let result = match &running.stall {
            Some(Stall {
                bound,
                kill_at: Some(_),
                ..
            }) => Err(stalled(*bound, result)),
            _ => result,
        };
        if let Some(held) = running.scope.take() {
            self.scopes
                .keep(running.id, running.step, running.name, held, running.notes);
        }
        let outcome = match &result {
            Ok(_) => Outcome::Ok,
            Err(error) => Outcome::Failed(error.kind),
        };
        self.memory.hold(running.id, result);
        Event::Ended {
            id: running.id,
            outcome,
        }
    }

    async fn happens(&mut self, until: Option<Moment>, tick: Instant, behind: bool) -> Happened {
        let began = self.began;
        let due = until.and_then(|until| began.checked_add(until.0));
        let stall = self.running.as_ref().and_then(Running::stalls_at);
        let kill = self
            .running
            .as_ref()
            .and_then(|running| running.stall.as_ref()?.kill_at);
        let idle = self.running.is_none();
        let (ended, notes) = match &mut self.running {
            Some(running) => (Some(&mut running.work), Some(&mut running.notes)),
            None => (None, None),
        };
        tokio::select! {
            biased; // a signal is never starved by steps that keep answering
            Some(signal) = self.signals.next() => Happened::Signal(signal),
            result = over(ended), if !idle => Happened::Ended(result),
            () = at(due) => Happened::Due,
            () = at(kill) => Happened::Unkilled,
            () = at(stall) => Happened::Stalled,
            () = sleep_until(tick) => Happened::Tick,
            note = said(notes), if !idle && !behind => Happened::Note(note),
            (name, note) = self.scopes.note(), if !behind => Happened::WorkNote(name, note),
        }
    }
}

impl World for Live {
    fn now(&self) -> Moment {
        Moment(self.began.elapsed())
    }

    fn apply(&mut self, fact: &Fact) -> Record {
        match fact {
            Fact::StateEntered { state, .. } if self.memory.chart().is_scope(*state) => {
                self.scopes.entered(*state);
            }
            Fact::ScopeLeft { state, .. } => self.scopes.left(*state),
            Fact::TryEnded { id, outcome, .. } if *outcome != Outcome::Ok => {
                self.scopes.overruled(*id);
            }
            _ => {}
        }
        let now = self.now();
        self.memory.apply(fact, now)
    }

    fn value(&mut self, ask: AskId) -> Result<Answer, ErrorKind> {
        let ask = self.memory.chart().ask(ask);
        self.memory.answer(ask)
    }

    fn start(&mut self, id: TryId, step: StepId, report: &mut dyn Sink) {
        let name = self.memory.names.step(step);
        let begun = if self.signals.is_waiting() {
            // The signal is told first, and the machine will ask for a stop: nothing begins.
            let (_, said) = Notes::channel(1);
            Begun {
                work: Work::Over(None),
                stall: None,
                stop: Stop::new(),
                said,
                scope: ScopeWork::default(),
            }
        } else {
            self.begin(step, &name, report)
        };
        self.running = Some(Running {
            id,
            step,
            name,
            work: begun.work,
            stop: begun.stop,
            notes: begun.said,
            scope: begun.scope,
            stopping: false,
            stall: begun.stall.map(|bound| Stall {
                bound,
                last: Instant::now(),
                kill_at: None,
            }),
        });
    }

    fn stop(&mut self, id: TryId, _why: Bound) {
        if let Some(running) = self.running.as_mut().filter(|running| running.id == id) {
            running.stopping = true;
            running.stop.ask.cancel();
            if let Work::Over(result @ None) = &mut running.work {
                *result = Some(Err(StepError::new(
                    ErrorKind::Cancelled,
                    "it was not begun",
                )));
            }
        }
    }

    async fn next(&mut self, until: Option<Moment>, report: &mut dyn Sink) -> Event {
        let mut tick = Instant::now() + TICK;
        loop {
            let behind = report.behind();
            let next_tick = if behind {
                tick.min(Instant::now() + BEHIND)
            } else {
                tick
            };
            match self.happens(until, next_tick, behind).await {
                Happened::Signal(signal) => return Event::Cancel(signal),
                Happened::Ended(result) => return self.settle(result, report),
                Happened::Due => {
                    let stopping = self.running.as_mut().filter(|running| running.stopping);
                    if let Some(running) = stopping {
                        let result = running.kill().await;
                        self.settle(result, report);
                    }
                    return Event::Due;
                }
                Happened::Stalled => {
                    if let Some(running) = &mut self.running {
                        running.stop.ask.cancel();
                        if let Some(stall) = &mut running.stall {
                            stall.kill_at = Some(Instant::now() + GRACE);
                        }
                    }
                }
                Happened::Unkilled => {
                    if let Some(running) = &mut self.running {
                        let result = running.kill().await;
                        return self.settle(result, report);
                    }
                }
                Happened::Tick => {
                    // Output that nobody reads is no lack of progress.
                    if behind && let Some(running) = &mut self.running {
                        running.progressed();
                    }
                    if Instant::now() >= tick {
                        let now = self.now();
                        report.tick(now, self.memory.time(now));
                        tick = Instant::now() + TICK;
                    }
                }
                Happened::Note(first) => {
                    let Some(running) = &mut self.running else {
                        continue;
                    };
                    running.progressed();
                    let mut batch = Vec::with_capacity(BATCH);
                    batch.extend(first);
                    while batch.len() < BATCH
                        && let Ok(note) = running.notes.try_recv()
                    {
                        batch.push(note);
                    }
                    let name = running.name.clone();
                    for note in batch {
                        self.say(&name, Said::Note(note), report);
                    }
                }
                Happened::WorkNote(name, note) => self.say(&name, Said::Note(note), report),
            }
        }
    }

    async fn close(&mut self, step: StepId, report: &mut dyn Sink) {
        if let Some((name, text)) = self.scopes.close(step).await {
            self.say(&name, Said::Note(Note::Warning(text)), report);
        }
    }

    fn signal(&mut self) -> Option<Signal> {
        self.signals.waiting()
    }
}

struct Begun {
    work: Work,
    stall: Option<Duration>,
    stop: Stop,
    said: mpsc::Receiver<Note>,
    scope: ScopeWork,
}

impl Running {
    fn stalls_at(&self) -> Option<Instant> {
        let stall = self.stall.as_ref()?;
        if self.stopping || stall.kill_at.is_some() {
            return None;
        }
        stall.last.checked_add(stall.bound)
    }

    fn progressed(&mut self) {
        if let Some(stall) = &mut self.stall {
            stall.last = Instant::now();
        }
    }

    /// Ends it at once, and waits for that: for two seconds, then its task is cut off.
    async fn kill(&mut self) -> Performed {
        self.stop.ask.cancel();
        self.stop.kill.cancel();
        // It may be waiting for its notes to be taken.
        self.notes.close();
        match timeout(KILLED, over(Some(&mut self.work))).await {
            Ok(result) => result,
            Err(_) => {
                if let Work::Task(task) = &self.work {
                    task.abort();
                }
                self.work = Work::Over(None);
                Err(StepError::new(
                    ErrorKind::Lost,
                    format!(
                        "it was killed, and had not ended {} later",
                        duration::print(KILLED)
                    ),
                ))
            }
        }
    }
}

/// The end of a try. A task that panics is a fault of ours, and never a success.
async fn over(work: Option<&mut Work>) -> Performed {
    let Some(work) = work else {
        return std::future::pending().await;
    };
    let result = match work {
        Work::Task(task) => match task.await {
            Ok(result) => result,
            Err(fault) => Err(StepError::io(format!("tf-engine itself failed: {fault}"))),
        },
        Work::Over(result) => match result.take() {
            Some(result) => result,
            None => return std::future::pending().await,
        },
    };
    *work = Work::Over(None);
    result
}

async fn said(notes: Option<&mut mpsc::Receiver<Note>>) -> Option<Note> {
    match notes {
        // The last sender may be gone before the task has ended: nothing more is said.
        Some(notes) => match notes.recv().await {
            Some(note) => Some(note),
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn stalled(bound: Duration, result: Performed) -> StepError {
    let mut error = match result {
        Ok(_) => StepError::new(ErrorKind::Timeout, ""),
        Err(error) => error,
    };
    error.kind = ErrorKind::Timeout;
    let said = std::mem::take(&mut error.message);
    error.message = format!(
        "there was no progress for {}, which is its `stall`",
        duration::print(bound)
    );
    if !said.is_empty() {
        error.message.push_str(&format!(": {said}"));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_try_that_panics_is_an_error_and_not_a_success() {
        let empty: Vec<Performed> = Vec::new();
        let panicking = async move { empty.into_iter().next().expect("a fault of ours") };
        let mut work = Work::Task(tokio::spawn(panicking));
        let error = over(Some(&mut work)).await.expect_err("it panicked");
        assert_eq!(error.kind, ErrorKind::Io);
        assert!(error.message.contains("tf-engine itself failed"), "{error}");
    }

    #[tokio::test]
    async fn a_try_that_does_not_end_when_killed_is_cut_off() {
        let (_notes, said) = Notes::channel(1);
        let mut running = Running {
            id: TryId(0),
            step: StepId(0),
            name: NamedStep {
                state: "/".into(),
                place: "/:do.0".into(),
                name: "run".into(),
            },
            work: Work::Task(tokio::spawn(std::future::pending())),
            stop: Stop::new(),
            notes: said,
            scope: ScopeWork::default(),
            stopping: true,
            stall: None,
        };
        let error = running.kill().await.expect_err("it never ends");
        assert_eq!(error.kind, ErrorKind::Lost);
        assert!(running.stop.kill.is_cancelled());
    }
}
