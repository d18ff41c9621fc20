//! Names of places: how journals, reports, scenarios and jitter call a state or a step.

use std::fmt;

use super::{Chart, Site, StateId, StepId};

/// Which list of its state a step stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum List {
    /// `enter` of a scope.
    Enter,
    /// `do` of a leaf.
    Do,
    /// `exit` of a scope.
    Exit,
    /// `between` of a state's `retry`.
    Between,
}

impl List {
    /// The key in a recipe.
    pub fn word(self) -> &'static str {
        match self {
            Self::Enter => "enter",
            Self::Do => "do",
            Self::Exit => "exit",
            Self::Between => "between",
        }
    }
}

/// A step's name within its stage or procedure: `/outer/a:do.0`, `reboot/cycle:do.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StepName<'c> {
    /// Path of the state that it belongs to.
    pub path: &'c str,
    /// Which of the state's lists.
    pub list: List,
    /// Its place in the list, from 0.
    pub index: u32,
}

impl fmt::Display for StepName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}.{}", self.path, self.list.word(), self.index)
    }
}

impl Chart {
    /// The full name of a state or step under the calls that lead to it, outermost first:
    /// `PATH:do.N>PROCEDURE/a`. Whoever folds the facts keeps `calls` (`CallEntered` pushes its step,
    /// `CallLeft` pops it).
    pub fn place(&self, calls: &[StepId], site: Site) -> String {
        let mut place = String::new();
        for &call in calls {
            place.push_str(&self.step_name(call).to_string());
            place.push('>');
        }
        match site {
            Site::State(state) => place.push_str(self.path(state)),
            Site::Step(step) => place.push_str(&self.step_name(step).to_string()),
        }
        place
    }

    /// The state of this path, as [`Chart::path`] gives it.
    pub fn find_state(&self, path: &str) -> Option<StateId> {
        self.states().find(|&state| self.path(state) == path)
    }

    /// The step of this name, as [`StepName`] prints it.
    pub fn find_step(&self, name: &str) -> Option<StepId> {
        let (path, place) = name.rsplit_once(':')?;
        let (list, index) = place.split_once('.')?;
        let state = self.find_state(path)?;
        let index: usize = index.parse().ok()?;
        [List::Enter, List::Do, List::Exit, List::Between]
            .into_iter()
            .find(|of| of.word() == list)
            .and_then(|list| self.steps_of(state, list).nth(index))
    }
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo; offset basis and prime of the IETF draft), fed piece by piece:
/// the hash of a place is that of its pieces in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PlaceHash(u64);

impl PlaceHash {
    pub(super) const EMPTY: Self = Self(0xcbf2_9ce4_8422_2325);

    pub(super) fn value(self) -> u64 {
        self.0
    }
}

impl fmt::Write for PlaceHash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Ok(())
    }
}
