//! The dry run: a walk of the same machine in which every step ends well, that tells what each would
//! send. Nothing is opened, nothing is written.
//!
//! What a step would give is not known: it is printed as where it comes from, `‹vars.up.boot_id›`. Where
//! a guard depends on such a value the walk goes both ways: first as if it held, then, for what that
//! has not told yet, as if it did not. A list of unknown length is taken to have one item. `set`,
//! `assert` and `fail` touch nothing, and are performed where they depend on nothing unknown. Then come
//! the ways after errors: for each row of a `catch`, and for the `between` steps of a `retry`, what
//! would be done if a step failed so.

mod fork;
mod rules;
mod walk;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::prepare::{Refused, RunRequest};
use super::record::NamedStep;
use crate::actions::Deed;
use crate::recipe::{ErrorKind, Verdict};

pub use rules::{Caught, Forgiven, StateRules, StepRules, Tries};

/// Begins and ends what stands for a value that only a real run knows.
const UNKNOWN: [char; 2] = ['‹', '›'];

/// What a run would do.
///
/// Serialised it is what `plan --format json` prints. Keys may be added in later versions; those that
/// are there keep their meaning, and what a version does not know it may pass over.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// The recipe's name.
    pub recipe: String,
    /// The stage.
    pub stage: String,
    /// Whether the plan ends before it is whole, because it would be too long.
    pub cut: bool,
    /// The remote hosts that steps run on, by their names in the recipe.
    pub hosts: BTreeMap<String, Remote>,
    /// In the order in which it would be done.
    pub entries: Vec<Planned>,
    /// What would be looked at if it failed, in the recipe's order.
    pub blame: Vec<PlannedProbe>,
}

/// A probe that would be tried after a failure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedProbe {
    /// Its name.
    pub probe: Arc<str>,
    /// Its action.
    pub action: &'static str,
    /// Whose fault it is if it fails; absent where that depends on how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// What it sends, as a person reads it.
    pub sends: Vec<String>,
    /// The same for a program.
    pub deeds: Vec<Deed>,
    /// Why it could not be tried; absent where it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_known: Option<String>,
}

/// Where a remote host is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remote {
    /// A name or an address.
    pub address: String,
    /// The user to log in as.
    pub user: String,
}

/// One entry of a plan. Entries up to the first `otherwise` or `after_error` are the way on which all
/// goes well; each of these begins a way of its own, which tells only what those before it have not.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Planned {
    /// From here on, what would be done if a guard held, or did not.
    Otherwise {
        /// The state or step whose guard it is.
        place: Arc<str>,
        /// The guard.
        guard: Arc<str>,
        /// Whether it holds.
        holds: bool,
    },
    /// The way goes on as if this held; what else could be done is told later.
    Assumed {
        /// The state whose `next` it is a guard of.
        place: Arc<str>,
        /// The guard.
        guard: Arc<str>,
    },
    /// From here on, what would be done if this step failed.
    AfterError {
        /// Which.
        step: NamedStep,
        /// How.
        error: ErrorKind,
        /// The state that deals with it.
        state: Arc<str>,
        /// Whether it only is tried again; else all tries fail, and it is caught.
        tried_again: bool,
    },
    /// A state is entered.
    State {
        /// Its path.
        path: Arc<str>,
        /// What it is for.
        #[serde(skip_serializing_if = "Option::is_none")]
        summary: Option<String>,
        /// What holds for all that is in it.
        rules: StateRules,
    },
    /// A state is passed over.
    Passed {
        /// Its path.
        path: Arc<str>,
        /// What does not hold.
        guard: Arc<str>,
    },
    /// A step is done.
    Step {
        /// Which.
        step: NamedStep,
        /// The list of its state that it stands in: `enter`, `do`, `exit` or `between`.
        list: &'static str,
        /// Its action.
        action: &'static str,
        /// Where; absent for actions without a host.
        #[serde(skip_serializing_if = "Option::is_none")]
        host: Option<Arc<str>>,
        /// What it sends, one text per thing that is done, as a person reads it.
        sends: Vec<String>,
        /// The same for a program: commands, requests, images and files. Empty for other things.
        deeds: Vec<Deed>,
        /// How it is bounded, tried again, forgiven.
        rules: StepRules,
    },
    /// A step is left out.
    Skipped {
        /// Which.
        step: NamedStep,
        /// What does not hold.
        guard: Arc<str>,
    },
    /// A step that was told so often with ever other values that the rest is left out.
    AndSoOn {
        /// Which.
        step: NamedStep,
    },
    /// A step would fail.
    Fails {
        /// Which.
        step: NamedStep,
        /// How.
        error: ErrorKind,
        /// Why.
        message: String,
    },
    /// What follows was told before.
    AsBefore {
        /// The state where that begins.
        state: Arc<str>,
    },
    /// A state that ends the stage or a call is reached.
    Reached {
        /// Its path.
        path: Arc<str>,
        /// `success`, `failure` or `unrecoverable`.
        end: Arc<str>,
        /// What it says.
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// The run is over.
    Ends {
        /// `success`, `failure` or `unrecoverable`.
        end: &'static str,
        /// The exit status of a failure.
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<u8>,
    },
}

/// Tells what a run would do.
///
/// # Errors
/// [`Refused`], as for a run.
pub fn plan(request: RunRequest) -> Result<Plan, Refused> {
    walk::plan(request)
}
