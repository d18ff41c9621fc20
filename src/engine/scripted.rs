//! A world in which tries end as a scenario says, on a clock that jumps to whatever comes next.
//!
//! All else is as in a run: steps are rendered when their try begins, what touches nothing (`set`,
//! `assert`, `log`, `fail`) is performed, and the machine decides. A try of which nothing is said
//! ends well at once; a `sleep` takes as long as it says. Nothing is opened and nothing is written.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::at_once;
use super::driver::World;
use super::memory::Memory;
use super::record::{NamedStep, Record};
use super::sink::{Said, Saying, Sink};
use crate::actions::fields::Fields;
use crate::actions::{Note, Performed, PlanContext, StepError, registry, stand_in};
use crate::machine::{
    Answer, AskId, AskKind, Bound, Event, Fact, Moment, Outcome, Signal, Site, StateId, StepId,
    TryId,
};
use crate::recipe::scenario::TryOutcome;
use crate::recipe::{ErrorKind, duration};

/// Tries in one run; far more than a recipe of any size makes, unless it is meant to go on for ever.
const TRIES: u32 = 20_000;

/// Turns of the machine in one run: a list of lists may go round for long without a try.
const TURNS: u32 = 2_000_000;

/// What is told of a run beforehand.
#[derive(Clone, Default)]
pub(super) struct Script {
    /// How the tries of a step end, in order; the last one again and again.
    pub(super) tries: HashMap<StepId, Vec<TryOutcome>>,
    /// How the recipe's probes end, by their names.
    pub(super) probes: HashMap<String, Vec<TryOutcome>>,
    /// Signals by what they wait for.
    pub(super) signals: Vec<Cue>,
}

/// A signal that comes while a step is at work.
#[derive(Clone)]
pub(super) struct Cue {
    pub(super) during: StepId,
    /// From 1.
    pub(super) attempt: u32,
    pub(super) after: Duration,
    pub(super) signal: Signal,
    /// When it comes, once the try has begun.
    pub(super) due: Option<Moment>,
    pub(super) sent: bool,
}

/// What came of it, besides what the sink was told.
#[derive(Default)]
pub(super) struct Happened {
    /// All that was sent, in order; secrets are masked.
    pub(super) commands: Vec<String>,
    /// States that were entered, and ends that were reached, in order.
    pub(super) path: Vec<StateId>,
    /// States and transitions that were taken, through calls.
    pub(super) taken: HashSet<Taken>,
    /// How many tries of each step there were.
    pub(super) tries: HashMap<StepId, u32>,
    /// The recipe's probes that were tried after a failure.
    pub(super) probes: HashSet<String>,
    /// There were too many tries, and it was ended.
    pub(super) gave_up: bool,
}

/// Something of a chart that a run came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Taken {
    /// A state was entered or reached.
    State(StateId),
    /// A row of `next` was taken.
    Next(StateId, u32),
    /// The `catch` of a state took this kind.
    Catch(StateId, ErrorKind),
}

/// The world of one scenario.
pub(super) struct Scripted {
    pub(super) memory: Memory,
    pub(super) script: Script,
    pub(super) happened: Happened,
    now: Moment,
    turns: u32,
    /// Signals that were sent to give up.
    last_signals: u32,
    running: Option<Running>,
    /// The row of `next` that was found to hold.
    row: Option<(StateId, u32)>,
    caught: Option<StateId>,
}

/// The try that goes on.
struct Running {
    id: TryId,
    /// When it ends by itself.
    ends: Option<Moment>,
    result: Performed,
}

impl Scripted {
    pub(super) fn new(memory: Memory, script: Script) -> Self {
        Self {
            memory,
            script,
            happened: Happened::default(),
            now: Moment::START,
            turns: 0,
            last_signals: 0,
            running: None,
            row: None,
            caught: None,
        }
    }

    fn say(&self, step: &NamedStep, said: Said, report: &mut dyn Sink) {
        report.say(&Saying {
            at: self.now,
            time: self.memory.time(self.now),
            step: step.clone(),
            said,
        });
    }

    /// When the try ends by itself, and how.
    fn begin(
        &mut self,
        step: StepId,
        name: &NamedStep,
        report: &mut dyn Sink,
    ) -> Result<(Option<Moment>, Performed), StepError> {
        let mut context = self.memory.context_at(Site::Step(step), true);
        context.set_now(self.memory.time(self.now));
        let stall = self
            .memory
            .stall(step, &context)
            .map_err(StepError::input)?;
        let declared = self.memory.chart().step(step).clone();
        let home = self
            .memory
            .frames
            .last()
            .and_then(|frame| frame.home.clone());
        let lab = Arc::clone(&self.memory.lab);
        let plan = PlanContext {
            step: &declared,
            lab: &lab,
            home: home.as_deref(),
            context: &context,
        };
        let request = registry::plan(&plan)?;
        let sends: Vec<String> = request
            .describe()
            .iter()
            .map(|part| lab.mask(part))
            .collect();
        self.say(name, Said::Request(sends.clone()), report);
        if at_once::ACTIONS.contains(&declared.action.name) {
            let done = at_once::performed(&self.memory, request, &declared, context.clone());
            let (result, note) = done.unwrap_or_else(|| (Ok(Default::default()), None));
            if let Some(note) = note {
                self.say(name, Said::Note(note), report);
            }
            return Ok((Some(self.now), result));
        }
        self.happened.commands.extend(sends.iter().cloned());
        if declared.action.name == "sleep" {
            let fields = Fields::render(&declared.params, &context)?;
            let takes = fields.need("duration")?.duration()?;
            return Ok((Some(self.now.after(takes)), Ok(Default::default())));
        }
        let Some(outcome) = self.outcome(step) else {
            return Ok((
                Some(self.now),
                stand_in::performed(&plan, &sends, Map::new()),
            ));
        };
        let given: Map<String, Value> = outcome
            .output
            .iter()
            .map(|(key, value)| (key.name.clone(), value.clone()))
            .collect();
        if let Some(printed) = given.get("stdout").and_then(Value::as_str) {
            for line in printed.lines() {
                let note = Note::Output {
                    stream: crate::transport::Stream::Stdout,
                    line: lab.mask(line),
                };
                self.say(name, Said::Note(note), report);
            }
        }
        let Some(error) = outcome.error else {
            let ends = self.now.after(outcome.takes.unwrap_or_default());
            return Ok((Some(ends), stand_in::performed(&plan, &sends, given)));
        };
        let said = outcome.message.map(|message| lab.mask(&message));
        if error.value == ErrorKind::Timeout && outcome.takes.is_none() {
            // It does not end by itself: `stall` sees that nothing happens, or a bound comes first.
            let message = stall.map_or_else(
                || "it had not ended and was stopped".to_owned(),
                |stall| {
                    let stall = duration::print(stall);
                    format!("there was no progress for {stall}, which is its `stall`")
                },
            );
            let ends = stall.map(|stall| self.now.after(stall));
            let error = StepError::new(ErrorKind::Timeout, said.unwrap_or(message));
            return Ok((ends, Err(error.with_output(Value::Object(given)))));
        }
        let ends = self.now.after(outcome.takes.unwrap_or_default());
        let message = said
            .unwrap_or_else(|| format!("the scenario ends `{}` with `{}`", name.name, error.value));
        let error = StepError::new(error.value, message).with_output(Value::Object(given));
        Ok((Some(ends), Err(error)))
    }

    /// What the scenario says of the try that begins now.
    fn outcome(&self, step: StepId) -> Option<TryOutcome> {
        let tries = self.script.tries.get(&step)?;
        let number = self.happened.tries.get(&step).copied().unwrap_or(1);
        let at = usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
        tries.get(at).or(tries.last()).cloned()
    }

    /// The first signal that is due, and when.
    fn next_signal(&self) -> Option<(usize, Moment)> {
        let due = self.script.signals.iter().enumerate();
        due.filter(|(_, cue)| !cue.sent)
            .filter_map(|(at, cue)| Some((at, cue.due?)))
            .min_by_key(|(_, due)| *due)
    }

    fn send(&mut self, at: usize) -> Option<Signal> {
        let cue = self.script.signals.get_mut(at)?;
        cue.sent = true;
        Some(cue.signal)
    }

    fn turn(&mut self) {
        self.turns = self.turns.saturating_add(1);
        self.happened.gave_up |= self.turns > TURNS;
    }

    /// The two signals that end a run at once, where it does not come to an end.
    fn give_up(&mut self) -> Option<Signal> {
        if !self.happened.gave_up || self.last_signals == 2 {
            return None;
        }
        self.last_signals += 1;
        Some(Signal::Term)
    }

    fn follow(&mut self, fact: &Fact) {
        match fact {
            Fact::StateEntered { state, .. } => {
                self.happened.taken.insert(Taken::State(*state));
                if self.memory.chart().parent(*state).is_some()
                    || self.memory.chart().procedure(*state).is_some()
                {
                    self.happened.path.push(*state);
                }
            }
            Fact::StateReached { state, .. } => {
                self.happened.taken.insert(Taken::State(*state));
                // A choice only picks.
                if self.memory.chart().transitions(*state).next().is_none() {
                    self.happened.path.push(*state);
                }
            }
            Fact::Caught { state, kind } => {
                self.happened.taken.insert(Taken::Catch(*state, *kind));
                self.caught = Some(*state);
            }
            Fact::Moved { from, .. } => {
                if self.caught.take() == Some(*from) {
                    return;
                }
                let held = self.row.take_if(|(state, _)| state == from);
                let row = held.map_or_else(
                    || {
                        let rows = self.memory.chart().state(*from).next.len();
                        u32::try_from(rows.saturating_sub(1)).unwrap_or(u32::MAX)
                    },
                    |(_, row)| row,
                );
                self.happened.taken.insert(Taken::Next(*from, row));
            }
            _ => {}
        }
    }
}

impl World for Scripted {
    fn now(&self) -> Moment {
        self.now
    }

    fn apply(&mut self, fact: &Fact) -> Record {
        self.follow(fact);
        self.memory.apply(fact, self.now)
    }

    fn value(&mut self, ask: AskId) -> Result<Answer, ErrorKind> {
        self.turn();
        let ask = self.memory.chart().ask(ask);
        let answer = self.memory.answer(ask);
        if let (AskKind::Row(row), Site::State(state), Ok(Answer::Truth(true))) =
            (ask.kind, ask.of, &answer)
        {
            self.row = Some((state, row));
        }
        answer
    }

    fn start(&mut self, id: TryId, step: StepId, report: &mut dyn Sink) {
        let name = self.memory.names.step(step);
        let tries = self.happened.tries.entry(step).or_default();
        *tries = tries.saturating_add(1);
        let number = *tries;
        let now = self.now;
        for cue in &mut self.script.signals {
            if cue.during == step && cue.attempt == number {
                cue.due = Some(now.after(cue.after));
            }
        }
        let (ends, result) = match self.begin(step, &name, report) {
            Ok(begun) => begun,
            Err(error) => (Some(now), Err(error)),
        };
        self.happened.gave_up |= id.0 >= TRIES;
        self.running = Some(Running { id, ends, result });
    }

    fn stop(&mut self, id: TryId, _why: Bound) {
        let now = self.now;
        if let Some(running) = self.running.as_mut().filter(|running| running.id == id)
            && running.ends.is_none_or(|ends| ends > now)
        {
            running.ends = Some(now);
            if running.result.is_ok() {
                running.result = Err(StepError::new(
                    ErrorKind::Cancelled,
                    "it had not ended and was stopped",
                ));
            }
        }
    }

    async fn next(&mut self, until: Option<Moment>, _report: &mut dyn Sink) -> Event {
        self.turn();
        if let Some(signal) = self.give_up() {
            return Event::Cancel(signal);
        }
        let ends = self.running.as_ref().map(|running| running.ends);
        let ended = ends.flatten();
        let signal = self.next_signal();
        // As in the lab: of what comes at once a signal goes first, then a try's end.
        let soonest = [signal.map(|(_, due)| due), ended, until];
        let Some(soonest) = soonest.into_iter().flatten().min() else {
            // Nothing bounds it: it would go on for ever. What is to be given up ends at once.
            self.happened.gave_up = true;
            if let Some(running) = &mut self.running {
                running.ends = Some(self.now);
            }
            return Event::Due;
        };
        self.now = self.now.max(soonest);
        if let Some((at, due)) = signal
            && due <= soonest
            && let Some(signal) = self.send(at)
        {
            return Event::Cancel(signal);
        }
        if ended.is_some_and(|ended| ended <= soonest)
            && let Some(running) = self.running.take()
        {
            let outcome = match &running.result {
                Ok(_) => Outcome::Ok,
                Err(error) => Outcome::Failed(error.kind),
            };
            self.memory.hold(running.id, running.result);
            return Event::Ended {
                id: running.id,
                outcome,
            };
        }
        Event::Due
    }

    async fn close(&mut self, _step: StepId, _report: &mut dyn Sink) {}

    fn signal(&mut self) -> Option<Signal> {
        if let Some(signal) = self.give_up() {
            return Some(signal);
        }
        let (at, due) = self.next_signal()?;
        (due <= self.now).then(|| self.send(at)).flatten()
    }
}
