//! A run through a chart by a tape of numbers: what each try does, what each question is answered,
//! and where signals, stale events and a lost journal come in between.

use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Strategy, any};
use tf_engine::machine::{
    Answer, AskId, AskKind, Chart, Decision, Event, Fact, Machine, Moment, Outcome, RetryPlan,
    Signal, Site, TryId,
};
use tf_engine::recipe::ErrorKind;
use tf_engine::recipe::model::{Items, TreeKind};

/// What the world does. What is not on the tape is 0: all goes well, at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tape {
    pub(crate) numbers: Vec<u16>,
    /// Signals, by the number on the tape before which they come.
    pub(crate) signals: Vec<(usize, Signal)>,
    pub(crate) unjournalled: Option<usize>,
    /// Events that do not fit.
    pub(crate) stray: Vec<(usize, u8)>,
    /// Whether time passes while questions are asked.
    pub(crate) slow: bool,
}

/// Any tape.
pub(crate) fn any_tape() -> impl Strategy<Value = Tape> {
    let signal = any::<bool>().prop_map(|term| if term { Signal::Term } else { Signal::Int });
    (
        vec(any::<u16>(), 0..80),
        option::weighted(0.35, (0..30_usize, signal)),
        option::weighted(0.15, 0..10_usize),
        option::weighted(0.1, 0..40_usize),
        vec((0..60_usize, any::<u8>()), 0..3),
        proptest::bool::weighted(0.3),
    )
        .prop_map(|(numbers, signal, second, unjournalled, stray, slow)| {
            let mut signals: Vec<_> = signal.into_iter().collect();
            if let (Some((at, signal)), Some(after)) = (signal, second) {
                signals.push((at + after, signal));
            }
            Tape {
                numbers,
                signals,
                unjournalled,
                stray,
                slow,
            }
        })
}

/// One turn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Turned {
    pub(crate) event: Event,
    pub(crate) at: Moment,
    pub(crate) facts: Vec<Fact>,
    pub(crate) next: Decision,
    /// The event did not fit.
    pub(crate) stray: bool,
}

/// Runs a chart by a tape; `seen` is told every turn.
pub(crate) fn travel(
    chart: &Arc<Chart>,
    tape: &Tape,
    mut seen: impl FnMut(&Machine, &Turned),
) -> Vec<Turned> {
    let mut machine = Machine::new(Arc::clone(chart), 7);
    let mut world = World::new(chart, tape);
    let mut turns = Vec::new();
    let mut event = Event::Begin;
    let mut stray = false;
    loop {
        let turn = machine.advance(event, world.now);
        let turned = Turned {
            event,
            at: world.now,
            facts: turn.facts,
            next: turn.next,
            stray,
        };
        seen(&machine, &turned);
        let next = turned.next.clone();
        turns.push(turned);
        if let Decision::Finish(_) = next {
            return turns;
        }
        assert!(turns.len() < 200_000, "it does not end");
        (event, stray) = world.next(&next);
    }
}

/// What runs tries and answers questions.
pub(crate) struct World<'w> {
    chart: &'w Chart,
    tape: &'w Tape,
    /// Numbers drawn so far.
    at: usize,
    pub(crate) now: Moment,
    running: Option<TryId>,
    stopping: bool,
    /// The last place at which something came in between, so that it comes once.
    last: Option<usize>,
}

impl<'w> World<'w> {
    pub(crate) fn new(chart: &'w Chart, tape: &'w Tape) -> Self {
        Self {
            chart,
            tape,
            at: 0,
            now: Moment::START,
            running: None,
            stopping: false,
            last: None,
        }
    }

    fn draw(&mut self) -> usize {
        let number = self.tape.numbers.get(self.at).copied().unwrap_or_default();
        self.at += 1;
        usize::from(number)
    }

    /// What happens after a decision; the flag tells an event that does not fit.
    pub(crate) fn next(&mut self, decision: &Decision) -> (Event, bool) {
        if let Decision::Ask(ask) = decision
            && let Some(answer) = self.certain(*ask)
        {
            return (Event::Answer(Ok(answer)), false);
        }
        if let Decision::Close { .. } = decision {
            return (Event::Answer(Ok(Answer::Done)), false);
        }
        if self.last != Some(self.at) {
            self.last = Some(self.at);
            if let Some(event) = self.comes_between(decision) {
                return event;
            }
        }
        let event = match *decision {
            Decision::Ask(ask) => {
                let number = self.draw();
                if self.tape.slow && number % 16 == 15 {
                    self.pass(2);
                }
                Event::Answer(self.answer(ask, number / 16))
            }
            Decision::Try { id, limit, .. } => {
                (self.running, self.stopping) = (Some(id), false);
                self.run(id, limit.map(|limit| limit.at))
            }
            Decision::Stop { id, grace, .. } => {
                (self.running, self.stopping) = (Some(id), true);
                self.run(id, Some(grace))
            }
            Decision::Wait { until } => match self.running {
                Some(id) => self.run(id, until),
                None => {
                    self.now = self.now.max(until.expect("something to wait for"));
                    Event::Due
                }
            },
            Decision::Close { .. } | Decision::Finish(_) => Event::Due,
        };
        (event, false)
    }

    fn comes_between(&mut self, decision: &Decision) -> Option<(Event, bool)> {
        let at = self.at;
        let stray = self.tape.stray.iter().find(|(when, _)| *when == at);
        if let Some((_, what)) = stray {
            if let Decision::Try { id, .. } = decision {
                (self.running, self.stopping) = (Some(*id), false);
            }
            if let Decision::Stop { id, .. } = decision {
                (self.running, self.stopping) = (Some(*id), true);
            }
            let event = match what % 4 {
                0 => Event::Begin,
                1 => Event::Ended {
                    id: TryId(u32::MAX - 9),
                    outcome: Outcome::Ok,
                },
                2 if !matches!(decision, Decision::Ask(_)) => {
                    Event::Answer(Ok(Answer::Truth(true)))
                }
                _ => match decision {
                    Decision::Try { limit, .. } if limit.is_none_or(|l| l.at > self.now) => {
                        Event::Due
                    }
                    Decision::Wait { until } if until.is_none_or(|until| until > self.now) => {
                        Event::Due
                    }
                    Decision::Stop { .. } | Decision::Ask(_) => Event::Due,
                    _ => Event::Begin,
                },
            };
            return Some((event, true));
        }
        let signal = self.tape.signals.iter().find(|(when, _)| *when == at);
        if let Some((_, signal)) = signal {
            if let Decision::Try { id, .. } = decision {
                (self.running, self.stopping) = (Some(*id), false);
            }
            return Some((Event::Cancel(*signal), false));
        }
        if self.tape.unjournalled == Some(at) {
            return Some((Event::Unjournalled, false));
        }
        None
    }

    fn pass(&mut self, seconds: u64) {
        self.now = self.now.after(Duration::from_secs(seconds));
    }

    fn run(&mut self, id: TryId, until: Option<Moment>) -> Event {
        let number = self.draw();
        let (what, rest) = (number % 8, number / 8);
        let near = until.filter(|until| *until < self.now.after(Duration::from_secs(1 << 20)));
        if let (6.., Some(until)) = (what, near) {
            self.now = self.now.max(until);
            if what == 6 {
                if self.stopping {
                    self.running = None;
                }
                return Event::Due;
            }
        } else {
            let over = self
                .now
                .after(Duration::from_millis([0, 0, 500, 1500][rest % 4]));
            self.now = over.min(until.unwrap_or(over)).max(self.now);
        }
        self.running = None;
        let outcome = match what {
            0..4 => Outcome::Ok,
            _ => Outcome::Failed(kind(rest / 4)),
        };
        Event::Ended { id, outcome }
    }

    /// What is no matter of chance: the length of a literal list.
    fn certain(&self, ask: AskId) -> Option<Answer> {
        let ask = self.chart.ask(ask);
        let items = match (ask.kind, ask.of) {
            (AskKind::Items, Site::State(state)) => self.chart.state(state).for_each.clone(),
            (AskKind::Items, Site::Step(step)) => self.chart.step(step).for_each.clone(),
            _ => None,
        };
        match items? {
            Items::List(tree) => match tree.kind {
                TreeKind::List(items) => Some(Answer::Count(u32::try_from(items.len()).ok()?)),
                _ => None,
            },
            Items::Expr(_) => None,
        }
    }

    fn answer(&self, ask: AskId, number: usize) -> Result<Answer, ErrorKind> {
        let nothing = Err(ErrorKind::Input);
        let seconds = |n: usize| Duration::from_secs(u64::try_from(n).unwrap_or_default());
        match self.chart.ask(ask).kind {
            AskKind::When | AskKind::Row(_) => match number % 8 {
                0..4 => Ok(Answer::Truth(true)),
                4..7 => Ok(Answer::Truth(false)),
                _ => nothing,
            },
            AskKind::Items => match number % 6 {
                0 | 1 => Ok(Answer::Count(1)),
                2 => Ok(Answer::Count(0)),
                3 => Ok(Answer::Count(2)),
                4 => Ok(Answer::Count(3)),
                _ => nothing,
            },
            AskKind::Timeout => match number % 8 {
                0 => Ok(Answer::After(None)),
                1..6 => Ok(Answer::After(Some(seconds(1 + number / 8 % 6)))),
                6 => Ok(Answer::After(Some(Duration::ZERO))),
                _ => nothing,
            },
            AskKind::Retry => match number % 8 {
                0..5 => Ok(Answer::Retry(RetryPlan {
                    attempts: 1 + u32::try_from(number / 8 % 3).unwrap_or_default(),
                    delay: seconds(number / 32 % 3),
                    backoff_milli: 1500,
                    max_delay: seconds(4),
                    jitter_milli: 500,
                })),
                5 => Ok(Answer::Retry(RetryPlan {
                    attempts: 0,
                    ..RetryPlan::ONCE
                })),
                6 => Ok(Answer::Done),
                _ => nothing,
            },
            AskKind::ExitStatus => match number % 6 {
                0..4 => Ok(Answer::Status([7, 46, 255, 256][number % 4])),
                4 => Ok(Answer::Truth(true)),
                _ => nothing,
            },
            AskKind::Vars | AskKind::Arguments | AskKind::Returns => match number % 6 {
                0..5 => Ok(Answer::Done),
                _ => nothing,
            },
            AskKind::Reading(_) => match number % 6 {
                0 | 1 => Ok(Answer::Reading(Some(0))),
                2 => Ok(Answer::Reading(Some(1))),
                3 => Ok(Answer::Reading(Some(9))),
                4 => Ok(Answer::Reading(None)),
                _ => nothing,
            },
        }
    }
}

fn kind(number: usize) -> ErrorKind {
    let kinds = [
        ErrorKind::Exit,
        ErrorKind::Lost,
        ErrorKind::Timeout,
        ErrorKind::Mismatch,
        ErrorKind::Io,
        ErrorKind::Input,
        ErrorKind::Failed,
        ErrorKind::Cancelled,
    ];
    kinds[number % kinds.len()]
}
