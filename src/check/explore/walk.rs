//! One run under exploration: a machine, what is known of the values that guards read, what is watched;
//! what can happen next, and what comes of it.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::effects::Effects;
use super::fingerprint::Fingerprint;
use super::kinds::Kinds;
use super::live::Liveness;
use super::questions::{Questions, Rule};
use super::variables::{Possible, VarId, Variable};
use super::watch::{Told, Watch};
use crate::machine::{
    Answer, AskId, Chart, Configuration, Decision, Ending, Event, Fact, Machine, Moment, Outcome,
    Pull, Signal, StepId, TryId,
};
use crate::recipe::{ErrorKind, KindSet};

/// One thing that can happen where a run waits for the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Choice {
    /// The try ends well.
    Ok,
    /// It ends with one of these kinds: nothing tells them apart from here on.
    Fails(KindSet),
    /// It runs into its own bound.
    TimesOut,
    /// It, or a pause, runs into the bound of the activation at this depth (the stage's is 0).
    Cut(u32),
    /// That bound passes while exit steps run or a try is being stopped, and is seen later.
    Lapses(u32),
    /// The pause is over, or the try that was asked to stop has ended.
    GoesOn,
    /// A signal.
    Cancelled,
    /// What guards read has this value: a place in the table of variables, and in that of its values.
    Is(u16, u8),
    /// A gear is read to be this value, or none of its values.
    Reads(Option<u16>),
}

/// What a run waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pending {
    Try {
        id: TryId,
        step: StepId,
    },
    Stop {
        id: TryId,
    },
    Pause,
    /// A question whose answer hangs on a variable.
    Unknown(AskId, VarId),
    Reading(AskId),
    End(Ending),
}

/// What is fixed for one stage.
pub(super) struct Setting {
    pub(super) chart: Arc<Chart>,
    pub(super) variables: Vec<Variable>,
    pub(super) questions: Questions,
    pub(super) effects: Effects,
    pub(super) live: Liveness,
    pub(super) kinds: Kinds,
    /// By state: how long what is in it can take without its bound.
    pub(super) contents: Vec<Option<std::time::Duration>>,
    pub(super) signals: bool,
    pub(super) any_kind: bool,
    /// Errors that were raised at different places are kept apart.
    pub(super) places: bool,
    /// What is known before anything has happened.
    pub(super) values: Vec<u8>,
}

/// A run that waits for the world.
#[derive(Clone)]
pub(super) struct Walk {
    pub(super) machine: Machine,
    pub(super) values: Vec<u8>,
    pub(super) watch: Watch,
    pub(super) pending: Pending,
    /// The exit status was computed by the recipe from what is not known here.
    pub(super) computed: bool,
}

/// Who listens to a run's facts.
pub(super) trait Listener {
    /// A fact; `row`: the row of `next` whose guard has just been found true.
    fn hear(&mut self, fact: &Fact, row: Option<u32>);
    /// What is told besides.
    fn tell(&mut self, told: Told);
}

impl Setting {
    /// A run from its beginning to where it first waits.
    pub(super) fn begin(&self, facts: &mut Vec<Fact>, listener: &mut impl Listener) -> Walk {
        let mut walk = Walk {
            machine: Machine::new(Arc::clone(&self.chart), 0),
            values: self.values.clone(),
            watch: Watch::default(),
            pending: Pending::Pause,
            computed: false,
        };
        self.advance(&mut walk, Event::Begin, facts, listener);
        walk
    }

    /// Lets one of its choices happen.
    pub(super) fn take(
        &self,
        walk: &mut Walk,
        choice: Choice,
        facts: &mut Vec<Fact>,
        listener: &mut impl Listener,
    ) {
        let ended = |outcome| match walk.pending {
            Pending::Try { id, .. } | Pending::Stop { id } => Some(Event::Ended { id, outcome }),
            _ => None,
        };
        let event = match choice {
            Choice::Ok => ended(Outcome::Ok),
            Choice::Fails(kinds) => {
                let kind = kinds.iter().next().unwrap_or(ErrorKind::Failed);
                ended(Outcome::Failed(kind))
            }
            Choice::TimesOut => {
                walk.machine.pull(Pull::Awaited);
                Some(Event::Due)
            }
            Choice::Cut(depth) => {
                walk.machine.pull(Pull::Bound(depth));
                Some(Event::Due)
            }
            Choice::Lapses(depth) => return walk.machine.pull(Pull::Bound(depth)),
            Choice::GoesOn => match walk.pending {
                Pending::Pause => {
                    walk.machine.pull(Pull::Awaited);
                    Some(Event::Due)
                }
                _ => ended(Outcome::Ok),
            },
            Choice::Cancelled => Some(Event::Cancel(Signal::Term)),
            Choice::Is(var, value) => {
                if let Some(known) = walk.values.get_mut(usize::from(var)) {
                    *known = value.saturating_add(1);
                }
                let Pending::Unknown(ask, _) = walk.pending else {
                    return;
                };
                return self.go_on(walk, Decision::Ask(ask), facts, listener);
            }
            Choice::Reads(value) => Some(Event::Answer(Ok(Answer::Reading(value)))),
        };
        if let Some(event) = event {
            self.advance(walk, event, facts, listener);
        }
    }

    fn advance(
        &self,
        walk: &mut Walk,
        event: Event,
        facts: &mut Vec<Fact>,
        listener: &mut impl Listener,
    ) {
        let decision = self.turn(walk, event, None, facts, listener);
        self.go_on(walk, decision, facts, listener);
    }

    fn turn(
        &self,
        walk: &mut Walk,
        event: Event,
        mut row: Option<u32>,
        facts: &mut Vec<Fact>,
        listener: &mut impl Listener,
    ) -> Decision {
        facts.clear();
        let decision = walk.machine.advance_into(event, Moment::START, facts);
        for fact in facts.iter() {
            self.effects.follow(fact, &self.chart, &mut walk.values);
            walk.watch
                .follow(fact, &self.chart, |told| listener.tell(told));
            listener.hear(fact, row);
            if matches!(fact, Fact::Moved { .. }) {
                row = None;
            }
        }
        decision
    }

    /// Answers what needs no choice, until the run waits for one.
    fn go_on(
        &self,
        walk: &mut Walk,
        mut decision: Decision,
        facts: &mut Vec<Fact>,
        listener: &mut impl Listener,
    ) {
        loop {
            let mut row = None;
            let event = match decision {
                Decision::Ask(ask) => match self.answer(walk, ask) {
                    Ok(answer) => {
                        if let (Ok(Answer::Truth(true)), crate::machine::AskKind::Row(at)) =
                            (answer, self.chart.ask(ask).kind)
                        {
                            row = Some(at);
                        }
                        Event::Answer(answer)
                    }
                    Err(pending) => return walk.pending = pending,
                },
                Decision::Close { .. } => Event::Answer(Ok(Answer::Done)),
                Decision::Try { id, step, .. } => {
                    return walk.pending = Pending::Try { id, step };
                }
                Decision::Stop { id, .. } => return walk.pending = Pending::Stop { id },
                Decision::Wait { .. } if walk.machine.configuration().is_pausing() => {
                    return walk.pending = Pending::Pause;
                }
                // What goes on after a signal is waited for as before.
                Decision::Wait { .. } if walk.machine.configuration().is_running() => return,
                Decision::Wait { .. } => Event::Due,
                Decision::Finish(ending) => return walk.pending = Pending::End(ending),
            };
            decision = self.turn(walk, event, row, facts, listener);
        }
    }

    fn answer(&self, walk: &mut Walk, ask: AskId) -> Result<Result<Answer, ErrorKind>, Pending> {
        let known = |var: VarId| {
            let value = walk.values.get(usize::from(var)).copied().unwrap_or(0);
            let at = usize::from(value.checked_sub(1)?);
            self.variables.get(usize::from(var))?.values.get(at)
        };
        match self.questions.rules.get(ask.index()) {
            Some(Rule::Fixed(answer)) => Ok(Ok(*answer)),
            Some(Rule::Guard(formula)) => match formula.holds(&walk.values) {
                Ok(holds) => Ok(Ok(Answer::Truth(holds))),
                Err(var) => Err(Pending::Unknown(ask, var)),
            },
            Some(Rule::Items(var)) => match known(*var) {
                Some(Possible::Items(count)) => Ok(Ok(Answer::Count(*count))),
                Some(_) => Ok(Err(ErrorKind::Input)),
                None => Err(Pending::Unknown(ask, *var)),
            },
            Some(Rule::Status(var)) => match known(*var) {
                Some(Possible::Exactly(value)) if value.as_i64().is_some() => {
                    Ok(Ok(Answer::Status(value.as_i64().unwrap_or(1))))
                }
                _ => {
                    walk.computed = true;
                    Ok(Ok(Answer::Status(1)))
                }
            },
            Some(Rule::Reading) => Err(Pending::Reading(ask)),
            None => Ok(Ok(Answer::Done)),
        }
    }

    /// All that can happen now, each with how many kinds it stands for.
    pub(super) fn choices(&self, walk: &Walk, kinds: &mut Vec<KindSet>, into: &mut Vec<Choice>) {
        into.clear();
        let at = walk.machine.configuration();
        let may_cancel = self.signals && at.cancelled().is_none();
        match walk.pending {
            Pending::End(_) => return,
            Pending::Unknown(_, var) => {
                let values = self.variables.get(usize::from(var));
                let count = values.map_or(0, |variable| variable.values.len());
                let values = (0..count).filter_map(|value| u8::try_from(value).ok());
                into.extend(values.map(|value| Choice::Is(var, value)));
                return;
            }
            Pending::Reading(ask) => {
                if let crate::machine::AskKind::Reading(track) = self.chart.ask(ask).kind {
                    let values = self.chart.track_values(track).len();
                    let values = (0..values).filter_map(|value| u16::try_from(value).ok());
                    into.extend(values.map(|value| Choice::Reads(Some(value))));
                }
                into.push(Choice::Reads(None));
                return;
            }
            Pending::Pause => {
                into.push(Choice::GoesOn);
                self.bounds(at, Choice::Cut, into);
            }
            Pending::Stop { .. } => {
                into.push(Choice::GoesOn);
                if at.cancelled().is_none() && !at.is_leaving() {
                    self.bounds(at, Choice::Lapses, into);
                }
            }
            Pending::Try { step, .. } => {
                // `fail` never ends well, unless it is not the real one.
                if self.any_kind || self.chart.step(step).action.name != "fail" {
                    into.push(Choice::Ok);
                }
                let own = at.is_bounded_by_step();
                self.kinds.classes(&self.chart, at, step, own, kinds);
                into.extend(kinds.iter().map(|kinds| Choice::Fails(*kinds)));
                if own {
                    into.push(Choice::TimesOut);
                }
                if at.is_leaving() {
                    if at.cancelled().is_none() {
                        self.bounds(at, Choice::Lapses, into);
                    }
                } else {
                    self.bounds(at, Choice::Cut, into);
                }
            }
        }
        if may_cancel {
            into.push(Choice::Cancelled);
        }
    }

    /// The bounds around that can be hit here: not those that one further out, not longer, always
    /// cuts, nor those that what is in them can't fill.
    fn bounds(&self, at: &Configuration, choice: fn(u32) -> Choice, into: &mut Vec<Choice>) {
        let mut least: Option<Moment> = None;
        let top = at.standings().len().saturating_sub(1);
        let leaving = at.is_leaving();
        for (depth, standing) in at.standings().enumerate() {
            let Some(limit) = standing.limit.filter(|limit| *limit > at.now()) else {
                continue;
            };
            if least.is_some_and(|least| least <= limit) {
                continue;
            }
            least = Some(limit);
            // A scope that leaves is cut by its own bound only where it is entered again.
            if leaving && depth == top && !standing.can_retry {
                continue;
            }
            let contents = self.contents.get(standing.state.index()).copied().flatten();
            if contents.is_some_and(|contents| contents < limit.0.saturating_sub(at.now().0)) {
                continue;
            }
            if let Ok(depth) = u32::try_from(depth) {
                into.push(choice(depth));
            }
        }
    }

    /// Forgets what nothing reads any more, and tells what decides how the run goes on.
    pub(super) fn settle(&self, walk: &mut Walk) -> u128 {
        let at = walk.machine.configuration();
        let asked = match walk.pending {
            Pending::Unknown(ask, _) | Pending::Reading(ask) => Some(self.chart.ask(ask).kind),
            _ => None,
        };
        if !walk.values.is_empty() {
            let mask = match walk.pending {
                Pending::End(_) => 0,
                _ => self.live.of(&self.chart, at.standings(), asked),
            };
            Liveness::forget(mask, &mut walk.values);
        }
        let mut fingerprint = Fingerprint::default();
        at.situation(&self.chart, self.places, &mut fingerprint);
        fingerprint.write(&walk.values);
        walk.watch.hash(&mut fingerprint);
        walk.computed.hash(&mut fingerprint);
        if let Pending::Unknown(_, var) = walk.pending {
            var.hash(&mut fingerprint);
        }
        fingerprint.value()
    }
}
