//! One run as a story: the choices that make it, gone through again on the machine.

use super::variables::Possible;
use super::walk::{Choice, Listener, Pending, Setting, Walk};
use super::watch::Told;
use crate::machine::{Ending, Fact, Outcome, Reason, StateId, StepId};
use crate::recipe::{ErrorKind, KindSet};

/// A run that the explorer found.
#[derive(Clone, Debug)]
pub struct Example {
    /// What happened, in order.
    pub events: Vec<Happening>,
    /// How it ended; `None` where it was followed to a place before its end.
    pub ending: Option<Ending>,
    /// What the world did: the same choices give the same run.
    pub choices: Vec<Choice>,
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// Well.
    Ok,
    /// With one of these kinds.
    Failed(KindSet),
    /// By its own bound.
    TimedOut,
    /// By the bound of this state.
    Cut(StateId),
    /// By a signal.
    Cancelled,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// What a guard read was so.
    Given {
        /// What it read.
        what: String,
        /// How it was.
        was: Possible,
        /// Nothing compares it with a written value: it is there, or it is not.
        alone: bool,
    },
    /// A state was entered, the try from 1.
    Entered {
        /// Which.
        state: StateId,
        /// The try.
        attempt: u32,
    },
    /// A try of a step.
    Tried {
        /// Which.
        step: StepId,
        /// From 1.
        number: u32,
        /// How many there may be.
        of: u32,
        /// How it ended.
        end: Tried,
        /// Whether its failure was forgiven or recorded.
        taken: bool,
    },
    /// A try of a step did not begin.
    Refused {
        /// Which.
        step: StepId,
        /// The error.
        kind: ErrorKind,
        /// Why.
        reason: Reason,
    },
    /// A bound passed while the exit steps ran or a try was being stopped.
    Lapsed {
        /// Whose.
        state: StateId,
    },
    /// A signal came.
    Signalled,
    /// A scope began to leave.
    Leaving {
        /// Which.
        state: StateId,
        /// How it was left.
        because: Outcome,
    },
    /// A state's `catch` took an error.
    Caught {
        /// Which state's.
        state: StateId,
        /// The kind.
        kind: ErrorKind,
    },
    /// A transition.
    Moved {
        /// From.
        from: StateId,
        /// To; `None`: `done`.
        to: Option<StateId>,
    },
    /// A state is tried again.
    Retrying {
        /// Which.
        state: StateId,
        /// The next try.
        attempt: u32,
        /// How many there may be.
        of: u32,
    },
    /// An error that is not a step's: a bound's, of a guard, of broken `ensures`.
    Raised {
        /// The kind.
        kind: ErrorKind,
        /// Where.
        state: StateId,
        /// Why.
        reason: Reason,
    },
    /// A choice or an end was reached.
    Reached {
        /// Which.
        state: StateId,
    },
}

#[derive(Default)]
struct Teller {
    events: Vec<Happening>,
    number: (u32, u32),
    /// How the running try ends, as it was chosen.
    end: Option<Tried>,
}

impl Listener for Teller {
    fn hear(&mut self, fact: &Fact, _: Option<u32>) {
        let event = match *fact {
            Fact::StateEntered { state, attempt, .. } => Happening::Entered { state, attempt },
            Fact::StateReached { state, .. } => Happening::Reached { state },
            Fact::TryStarted { number, of, .. } => {
                self.number = (number, of);
                return;
            }
            Fact::TryEnded {
                step,
                outcome,
                then,
                ..
            } => {
                let (number, of) = self.number;
                let chosen = self.end.take();
                let end = match (outcome, chosen) {
                    (Outcome::Ok, _) => Tried::Ok,
                    (Outcome::Failed(ErrorKind::Cancelled), _) => Tried::Cancelled,
                    (_, Some(end)) => end,
                    (Outcome::Failed(kind), None) => Tried::Failed(KindSet::of(&[kind])),
                    _ => Tried::Ok,
                };
                use crate::machine::AfterTry::{Forgiven, Recorded};
                Happening::Tried {
                    step,
                    number,
                    of,
                    end,
                    taken: matches!(then, Forgiven | Recorded),
                }
            }
            Fact::TryRefused {
                step, kind, reason, ..
            } => Happening::Refused { step, kind, reason },
            Fact::ScopeLeaving { state, because } => Happening::Leaving { state, because },
            Fact::Caught { state, kind } => Happening::Caught { state, kind },
            Fact::Moved { from, to } => Happening::Moved { from, to },
            Fact::Retrying {
                state, attempt, of, ..
            } => Happening::Retrying { state, attempt, of },
            Fact::Raised {
                kind,
                state,
                step: None,
                reason,
                ..
            } => Happening::Raised {
                kind,
                state,
                reason,
            },
            Fact::Cancelled { .. } => Happening::Signalled,
            _ => return,
        };
        self.events.push(event);
    }

    fn tell(&mut self, _: Told) {}
}

impl Setting {
    /// Goes through a run again, to tell it.
    pub(super) fn example(&self, choices: Vec<Choice>) -> Example {
        let mut teller = Teller::default();
        let mut facts = Vec::new();
        let mut walk = self.begin(&mut facts, &mut teller);
        self.settle(&mut walk);
        for &choice in &choices {
            self.announce(&walk, choice, &mut teller);
            self.take(&mut walk, choice, &mut facts, &mut teller);
            self.settle(&mut walk);
        }
        Example {
            events: teller.events,
            ending: match walk.pending {
                Pending::End(ending) => Some(ending),
                _ => None,
            },
            choices,
        }
    }

    fn announce(&self, walk: &Walk, choice: Choice, teller: &mut Teller) {
        let state_at = |depth: u32| {
            let mut standings = walk.machine.configuration().standings();
            standings.nth(depth as usize).map(|at| at.state)
        };
        match choice {
            Choice::Fails(kinds) => teller.end = Some(Tried::Failed(kinds)),
            Choice::TimesOut => teller.end = Some(Tried::TimedOut),
            Choice::Cut(depth) => teller.end = state_at(depth).map(Tried::Cut),
            Choice::Lapses(depth) => {
                let lapsed = state_at(depth).map(|state| Happening::Lapsed { state });
                teller.events.extend(lapsed);
            }
            Choice::Is(var, value) => {
                let variable = self.variables.get(usize::from(var));
                let given = variable.and_then(|variable| {
                    Some(Happening::Given {
                        what: variable.text.clone(),
                        was: variable.values.get(usize::from(value))?.clone(),
                        alone: variable.compared().is_empty(),
                    })
                });
                teller.events.extend(given);
            }
            Choice::Ok | Choice::GoesOn | Choice::Cancelled | Choice::Reads(_) => {}
        }
    }
}
