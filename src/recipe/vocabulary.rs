//! Every action as data: its name, parameters, bounds, outputs and kinds of error.

use std::time::Duration;

use super::KindSet;

/// An action of the language. `actions` implements each; the loader and `check` know them by this.
#[derive(Debug)]
pub struct Action {
    /// The key in a step.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// The parameter that a bare value stands for (`run: X` is `run: {shell: X}`).
    pub short: Option<&'static str>,
    /// Whether it runs on a host (modifier `host`).
    pub on_host: bool,
    /// Whether it reports progress (modifier `stall`).
    pub progress: bool,
    /// Bound on one try where none is given; `None`: none, or required.
    pub timeout: Option<Duration>,
    /// Kinds that it can raise besides `timeout`, `input`, `mismatch` and, on an SSH host,
    /// `unreachable`, `lost` and `auth`.
    pub kinds: KindSet,
    /// Fields of its output, besides `ok`, `error`, `duration`, `tries`.
    pub output: &'static [&'static str],
}
