//! An action as data.

use std::time::Duration;

use super::modifier::{MODIFIERS, Modifier, On};
use super::shape::Fields;
use crate::recipe::{ErrorKind, KindSet};

/// An action of the language. `actions` implements each; the loader and `check` know them by this.
#[derive(Debug)]
pub struct Action {
    /// The key in a step.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// The parameter that a bare value stands for (`run: X` is `run: {shell: X}`).
    pub short: Option<&'static str>,
    /// Its parameters.
    pub fields: Fields,
    /// Whether it runs on a host (modifier `host`).
    pub on_host: bool,
    /// Whether it reports progress (modifier `stall`).
    pub progress: bool,
    /// Bound on one try where none is given; `None`: none, or required. For each line of
    /// `commands`.
    pub timeout: Option<Duration>,
    /// Whether a bound must be written on the step, or on the leaf that it is in.
    pub bound_required: bool,
    /// Bound on the time without progress where none is given.
    pub stall: Option<Duration>,
    /// Whether `defaults` of `timeout` and `retry` apply.
    pub takes_defaults: bool,
    /// Whether it may stand in `do` and `exit` too (`capture` lives as long as its scope, and
    /// stands in `enter` alone; `call` stands in `do` and `enter`).
    pub places: Places,
    /// Kinds that it can raise besides `timeout`, `input`, `mismatch` and, on an SSH host,
    /// `unreachable`, `lost` and `auth`.
    pub kinds: KindSet,
    /// Fields of its output, besides `ok`, `error`, `duration`, `tries`.
    pub output: &'static [&'static str],
}

/// Which lists of steps an action may stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Places {
    /// `do`, `enter`, `exit`, `between`.
    Any,
    /// `do` and `enter`.
    NotExit,
    /// `enter`.
    Enter,
}

impl Action {
    /// An action of this name with nothing special about it.
    pub(super) const fn new(name: &'static str, summary: &'static str, fields: Fields) -> Self {
        Self {
            name,
            summary,
            short: fields.short,
            fields,
            on_host: false,
            progress: false,
            timeout: None,
            bound_required: false,
            stall: None,
            takes_defaults: true,
            places: Places::Any,
            kinds: KindSet::NONE,
            output: &[],
        }
    }

    pub(super) const fn on_host(mut self) -> Self {
        self.on_host = true;
        self
    }

    pub(super) const fn progress(mut self) -> Self {
        self.progress = true;
        self
    }

    pub(super) const fn seconds(mut self, seconds: u64) -> Self {
        self.timeout = Some(Duration::from_secs(seconds));
        self
    }

    pub(super) const fn raises(mut self, kinds: &[ErrorKind]) -> Self {
        self.kinds = KindSet::of(kinds);
        self
    }

    pub(super) const fn gives(mut self, output: &'static [&'static str]) -> Self {
        self.output = output;
        self
    }

    pub(super) const fn without_defaults(mut self) -> Self {
        self.takes_defaults = false;
        self
    }

    /// Whether a step with this action may have the modifier.
    pub fn takes(&self, modifier: &Modifier) -> bool {
        match modifier.on {
            On::All => true,
            On::Hosts => self.on_host,
            On::Progress => self.progress,
            On::Output => !self.output.is_empty(),
            On::AllBut(names) => !names.contains(&self.name),
            On::Only(names) => names.contains(&self.name),
        }
    }

    /// The modifiers that a step with this action may have.
    pub fn modifiers(&self) -> impl Iterator<Item = &'static Modifier> {
        MODIFIERS.iter().filter(|modifier| self.takes(modifier))
    }
}
