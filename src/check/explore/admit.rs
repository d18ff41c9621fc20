//! Whether a run that was seen elsewhere is among those that the explorer finds.

use std::collections::HashSet;

use super::walk::{Choice, Listener, Pending, Setting, Walk};
use super::watch::Told;
use crate::machine::{Fact, Outcome, StepId};

/// One try of a run: the step, and how it ended (`cancelled` for one that a signal stopped).
pub type Try = (StepId, Outcome);

/// Runs that may be the one looked for are followed side by side; more than that are too many.
const MOST: usize = 100_000;

/// Follows the tries of a turn along those expected.
struct Match<'t> {
    expected: &'t [Try],
    /// How many have ended.
    at: usize,
    /// The kinds that the try that ends now stands for.
    choice: Choice,
    holds: bool,
}

impl Listener for Match<'_> {
    fn hear(&mut self, fact: &Fact, _: Option<u32>) {
        match *fact {
            Fact::TryStarted { step, .. } => {
                self.holds &= self
                    .expected
                    .get(self.at)
                    .is_some_and(|(of, _)| *of == step);
            }
            Fact::TryEnded { step, outcome, .. } => {
                let expected = self.expected.get(self.at).copied();
                self.holds &= expected.is_some_and(|(of, wanted)| {
                    of == step
                        && match (self.choice, wanted) {
                            (Choice::Fails(kinds), Outcome::Failed(kind)) => kinds.contains(kind),
                            _ => outcome == wanted,
                        }
                });
                self.at += 1;
            }
            _ => {}
        }
    }

    fn tell(&mut self, _: Told) {}
}

impl Setting {
    /// Whether some run has just these tries in this order and ends with this exit status. `None`:
    /// there are too many that begin so.
    pub(super) fn admits(&self, tries: &[Try], status: u8) -> Option<bool> {
        let mut facts = Vec::new();
        let (mut kinds, mut choices) = (Vec::new(), Vec::new());
        let mut known: HashSet<(u128, usize)> = HashSet::new();
        let mut begun = Match {
            expected: tries,
            at: 0,
            choice: Choice::GoesOn,
            holds: true,
        };
        let mut walk = self.begin(&mut facts, &mut begun);
        known.insert((self.settle(&mut walk), begun.at));
        let mut waiting: Vec<(Walk, usize)> = Vec::new();
        if begun.holds {
            waiting.push((walk, begun.at));
        }
        while let Some((walk, at)) = waiting.pop() {
            if let Pending::End(ending) = walk.pending {
                let right = ending.end.status() == status || walk.computed;
                if right && at == tries.len() {
                    return Some(true);
                }
                continue;
            }
            self.choices(&walk, &mut kinds, &mut choices);
            for &choice in &choices {
                let mut next = walk.clone();
                let mut follow = Match {
                    expected: tries,
                    at,
                    choice,
                    holds: true,
                };
                self.take(&mut next, choice, &mut facts, &mut follow);
                let key = (self.settle(&mut next), follow.at);
                if follow.holds && known.insert(key) {
                    waiting.push((next, follow.at));
                }
            }
            if known.len() > MOST {
                return None;
            }
        }
        Some(false)
    }
}
