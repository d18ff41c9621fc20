//! What the log says of each fact.

use std::time::Duration;

use super::outcome::verdict_word;
use super::quantity::elapsed;
use crate::diagnostic::list;
use crate::engine::{Record, Then, What, millis, outcome_word, signal_name};
use crate::machine::Outcome as Ended;

/// How loud a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO ",
            Self::Warn => "WARN ",
            Self::Error => "ERROR",
        }
    }

    /// The name of the level in Python's `logging`.
    pub(super) fn python(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARNING",
            Self::Error => "ERROR",
        }
    }

    /// SGR parameters (ECMA-48).
    pub(super) fn colour(self) -> &'static str {
        match self {
            Self::Debug => "2",
            Self::Info => "32",
            Self::Warn => "33",
            Self::Error => "31",
        }
    }
}

/// What the log says of a fact: level, state, text. Facts that the lines around them tell as well say
/// nothing. `action` is that of the try that goes on.
pub(super) fn told(record: &Record, action: Option<&str>) -> Option<(Level, String, String)> {
    let say = |level, state: &str, text: String| Some((level, state.to_owned(), text));
    match &record.what {
        What::StateEntered {
            state,
            visit,
            item,
            attempt,
            of,
            ..
        } => {
            let mut text = "entered".to_owned();
            if *visit > 1 {
                text.push_str(&format!(", visit {visit}"));
            }
            if let Some(item) = item {
                text.push_str(&format!(", item {}", u64::from(*item) + 1));
            }
            if *attempt > 1 {
                text.push_str(&format!(", try {attempt} of {of}"));
            }
            say(Level::Info, state, text)
        }
        What::StatePassed { state, .. } => say(
            Level::Info,
            state,
            "passed over: its `when` is false".to_owned(),
        ),
        What::StateReached {
            state,
            end: Some(end),
            message,
            ..
        } => {
            let text = match message {
                Some(message) => format!("end: {end}: {message}"),
                None => format!("end: {end}"),
            };
            let level = if end.as_ref() == "success" {
                Level::Info
            } else {
                Level::Error
            };
            say(level, state, text)
        }
        What::StatusReplaced { state, asked } => say(
            Level::Warn,
            state,
            format!("exit status {asked} is not a failure's to give: it is reported as 1"),
        ),
        What::ScopeLeaving { state, outcome } => {
            let level = match outcome {
                Ended::Ok => Level::Info,
                _ => Level::Warn,
            };
            say(
                level,
                state,
                format!("leaving, outcome {}", outcome_word(*outcome)),
            )
        }
        What::ScopeLeft { state, .. } => say(Level::Info, state, "left".to_owned()),
        What::ItemBegun { of, index, count } => say(
            Level::Info,
            of,
            format!("item {} of {count}", u64::from(*index) + 1),
        ),
        What::ItemFailed { of, index, kind } => say(
            Level::Warn,
            of,
            format!(
                "item {} failed with {kind}; the next one follows",
                u64::from(*index) + 1
            ),
        ),
        What::StepSkipped { step } => {
            say(Level::Debug, &step.state, format!("{}: skipped", step.name))
        }
        What::TryStopping { step, why, .. } => say(
            Level::Warn,
            &step.state,
            format!("{}: stopping: {why}", step.name),
        ),
        What::TryEnded {
            step,
            outcome,
            then,
            took,
            failure,
            ..
        } => {
            let took = elapsed(Duration::from_millis(*took));
            if *outcome == Ended::Ok {
                // What changes nothing and takes no time has told all when it began.
                let quiet = action.is_some_and(|it| ["log", "set", "assert"].contains(&it));
                return if quiet {
                    None
                } else {
                    say(
                        Level::Info,
                        &step.state,
                        format!("{}: ok after {took}", step.name),
                    )
                };
            }
            let mut text = format!("{}: {} after {took}", step.name, outcome_word(*outcome));
            if let Some(failure) = failure {
                text.push_str(&format!(": {}", failure.message.replace('\n', " ")));
            }
            let level = match then {
                Then::Raised => Level::Error,
                _ => Level::Warn,
            };
            match then {
                Then::Again { at, number } => {
                    let wait = at.saturating_sub(millis(record.at.0));
                    text.push_str(&format!(
                        "; try {number} follows in {}",
                        elapsed(Duration::from_millis(wait))
                    ));
                }
                Then::Forgiven => text.push_str("; it is allowed to fail"),
                Then::Done | Then::Recorded | Then::Raised => {}
            }
            say(level, &step.state, text)
        }
        What::TryRefused {
            step,
            kind,
            then,
            message,
            ..
        } => {
            let level = match then {
                Then::Raised => Level::Error,
                _ => Level::Warn,
            };
            say(
                level,
                &step.state,
                format!("{}: {kind}: {message}", step.name),
            )
        }
        What::RetryDropped { step, kind, .. } => say(
            Level::Warn,
            &step.state,
            format!("{}: it is not tried again after this {kind}", step.name),
        ),
        What::Raised {
            kind,
            state,
            message,
            ..
        } => say(Level::Error, state, format!("{kind}: {message}")),
        What::ExitStepFailed { step, kind, .. } => say(
            Level::Error,
            &step.state,
            format!(
                "{}: this exit step's {kind} is reported beside the outcome",
                step.name
            ),
        ),
        What::Caught { state, kind } => say(Level::Warn, state, format!("{kind} is caught")),
        What::Retrying {
            state,
            kind,
            attempt,
            of,
            again,
        } => {
            let wait = again.saturating_sub(millis(record.at.0));
            say(
                Level::Warn,
                state,
                format!(
                    "try {attempt} of {of} follows this {kind} in {}",
                    elapsed(Duration::from_millis(wait))
                ),
            )
        }
        What::CallEntered {
            step,
            procedure,
            number,
            of,
        } => {
            let mut text = format!("call of {procedure}");
            if *of > 1 {
                text.push_str(&format!(" (try {number} of {of})"));
            }
            say(Level::Info, &step.state, text)
        }
        What::CallLeft { step, outcome, .. } => {
            let level = if *outcome == Ended::Ok {
                Level::Info
            } else {
                Level::Warn
            };
            say(
                level,
                &step.state,
                format!(
                    "{}: the call ended with {}",
                    step.name,
                    outcome_word(*outcome)
                ),
            )
        }
        What::Cancelled { signal, number } => {
            let name = signal_name(*signal);
            say(
                Level::Warn,
                "/",
                match number {
                    1 => format!("{name}: no further step begins, all open scopes are left"),
                    _ => format!(
                        "{name} again: nothing more is run, open scopes are left to the next start"
                    ),
                },
            )
        }
        What::Probing { probes, .. } => say(
            Level::Info,
            "/",
            format!(
                "why did it fail? Looking at {}",
                list(probes.iter().map(AsRef::as_ref), "and")
            ),
        ),
        What::Probed {
            probe,
            holds,
            verdict,
            message,
            took,
        } => {
            let took = elapsed(Duration::from_millis(*took));
            let message = message.replace('\n', " ");
            match (holds, verdict) {
                (Some(true), _) => say(Level::Info, "/", format!("{probe}: well, after {took}")),
                (Some(false), Some(verdict)) => say(
                    Level::Warn,
                    "/",
                    format!(
                        "{probe}: not well ({}), after {took}: {message}",
                        verdict_word(*verdict)
                    ),
                ),
                _ => say(Level::Info, "/", format!("{probe}: not known: {message}")),
            }
        }
        What::Blamed {
            probe,
            verdict,
            exit_status,
        } => {
            let verdict = verdict_word(*verdict);
            let mut text = format!("verdict {verdict}, by {probe}");
            if let Some(status) = exit_status {
                text.push_str(&format!(
                    "; exit status {status} in the place of 46, since the lab's own gear is broken"
                ));
            }
            say(Level::Warn, "/", text)
        }
        What::StateReached { end: None, .. }
        | What::Moved { .. }
        | What::LeafLeft { .. }
        | What::ItemsEnded { .. }
        | What::TryStarted { .. }
        | What::Tracked { .. }
        | What::StageEnded { .. } => None,
    }
}
