//! An example as lines for a person.

use super::example::{Example, Happening, Tried};
use super::variables::Possible;
use crate::machine::{Chart, Outcome, Reason, StepId, TrackId, TrackValue};
use crate::recipe::KindSet;
use crate::recipe::Value;

/// One line of a story: where, and what happened there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// A state's path, or what a run was given.
    pub place: String,
    /// What happened.
    pub text: String,
    /// Something went wrong here.
    pub wrong: bool,
}

impl Example {
    /// The story: tries that end well on one line per list of steps, everything else on a line of its
    /// own.
    pub fn story(&self, chart: &Chart) -> Vec<Line> {
        let mut lines: Vec<Line> = Vec::new();
        let mut well = Well::default();
        for (at, event) in self.events.iter().enumerate() {
            if let Happening::Tried {
                step,
                end: Tried::Ok,
                number: 1,
                ..
            } = event
            {
                well.add(chart, *step, &mut lines);
                continue;
            }
            // Of tries that end alike the last stands for all.
            if let (
                Happening::Tried { step, end, .. },
                Some(Happening::Tried {
                    step: next,
                    end: same,
                    ..
                }),
            ) = (event, self.events.get(at + 1))
                && (step, end) == (next, same)
            {
                continue;
            }
            if let Some(line) = line(chart, event) {
                well.flush(&mut lines);
                lines.push(line);
            }
        }
        well.flush(&mut lines);
        lines
    }
}

/// The most lines of a story inside a finding.
const MOST_LINES: usize = 12;

impl Example {
    /// The end of the story, as lines of a finding's help.
    pub fn told(&self, chart: &Chart) -> String {
        let lines = self.story(chart);
        let from = lines.len().saturating_sub(MOST_LINES);
        let last = lines.get(from..).unwrap_or_default();
        let width = last.iter().map(|line| line.place.chars().count()).max();
        let width = width.unwrap_or(0).min(40);
        let mut told = String::new();
        if from > 0 {
            told.push_str("\n  …");
        }
        for Line { place, text, .. } in last {
            told.push_str(&format!("\n  {place:width$}  {text}"));
        }
        told
    }
}

/// Steps of one list that ended well, one after the other.
#[derive(Default)]
struct Well {
    place: String,
    steps: Vec<String>,
}

impl Well {
    fn add(&mut self, chart: &Chart, step: StepId, lines: &mut Vec<Line>) {
        let place = place_of(chart, step);
        if place != self.place {
            self.flush(lines);
            self.place = place;
        }
        self.steps.push(chart.step(step).name.clone());
    }

    fn flush(&mut self, lines: &mut Vec<Line>) {
        if self.steps.is_empty() {
            return;
        }
        lines.push(Line {
            place: std::mem::take(&mut self.place),
            text: self.steps.join(", "),
            wrong: false,
        });
        self.steps.clear();
    }
}

fn place_of(chart: &Chart, step: StepId) -> String {
    use crate::machine::List::{Between, Do, Enter, Exit};
    let path = chart.path(chart.owner(step));
    match chart.position(step).0 {
        Do => path.to_owned(),
        list @ (Enter | Exit | Between) => format!("{path} {}", list.word()),
    }
}

fn line(chart: &Chart, event: &Happening) -> Option<Line> {
    let (place, text, wrong) = match event {
        Happening::Given { what, was, alone } => {
            ("given".to_owned(), given(what, was, *alone), false)
        }
        Happening::Tried {
            step,
            number,
            of,
            end,
            taken,
        } => {
            let mut text = format!("{}: {}", chart.step(*step).name, ended(chart, *end));
            if *of > 1 {
                text.push_str(&format!(" (try {number} of {of})"));
            }
            if *taken {
                text.push_str(", which is allowed");
            }
            (place_of(chart, *step), text, *end != Tried::Ok && !taken)
        }
        Happening::Refused { step, kind, reason } => {
            let why = why(chart, *reason).unwrap_or_else(|| kind.word().to_owned());
            let text = format!("{}: refused, since {why}", chart.step(*step).name);
            (place_of(chart, *step), text, true)
        }
        Happening::Lapsed { state } => {
            let text = "its timeout passes meanwhile".to_owned();
            (chart.path(*state).to_owned(), text, true)
        }
        Happening::Signalled => ("signal".to_owned(), "SIGTERM".to_owned(), true),
        Happening::Caught { state, kind } => {
            let text = format!("catches `{kind}`");
            (chart.path(*state).to_owned(), text, false)
        }
        Happening::Retrying { state, attempt, of } => {
            let text = format!("is tried again (try {attempt} of {of})");
            (chart.path(*state).to_owned(), text, false)
        }
        Happening::Raised {
            kind,
            state,
            reason,
        } => {
            let text = why(chart, *reason).unwrap_or_else(|| match kind {
                crate::recipe::ErrorKind::Cancelled => "is left".to_owned(),
                kind => kind.word().to_owned(),
            });
            (chart.path(*state).to_owned(), text, true)
        }
        Happening::Reached { state } => {
            let text = match &chart.state(*state).body {
                crate::recipe::model::Body::End { end, .. } => match end {
                    crate::recipe::model::EndKind::Success => "ends the stage well",
                    crate::recipe::model::EndKind::Failure => "ends the stage as failed",
                    crate::recipe::model::EndKind::Unrecoverable => {
                        "ends the stage as unrecoverable"
                    }
                },
                _ => return None,
            };
            (chart.path(*state).to_owned(), text.to_owned(), false)
        }
        Happening::Entered { .. } | Happening::Leaving { .. } | Happening::Moved { .. } => {
            return None;
        }
    };
    Some(Line { place, text, wrong })
}

fn ended(chart: &Chart, end: Tried) -> String {
    match end {
        Tried::Ok => "ok".to_owned(),
        Tried::Failed(kinds) => words(kinds),
        Tried::TimedOut => "timeout".to_owned(),
        Tried::Cut(state) => format!("cut by the timeout of `{}`", chart.path(state)),
        Tried::Cancelled => "stopped".to_owned(),
    }
}

/// `exit`, or `lost or io`: the kinds that lead to the same.
pub fn words(kinds: KindSet) -> String {
    let words: Vec<&str> = kinds.iter().map(crate::recipe::ErrorKind::word).collect();
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// What a guard read and how it was, as a condition.
pub fn given(what: &str, was: &Possible, alone: bool) -> String {
    match was {
        Possible::Absent => format!("{what} is not there, or false"),
        Possible::Exactly(Value::Null) => format!("{what} is not given"),
        Possible::Exactly(value) => format!("{what} is {value}"),
        Possible::Something if alone => format!("{what} is there, or true"),
        Possible::Something => format!("{what} is something else"),
        Possible::Items(1) => format!("{what} has 1 item"),
        Possible::Items(count) => format!("{what} has {count} items"),
    }
}

fn why(chart: &Chart, reason: Reason) -> Option<String> {
    Some(match reason {
        Reason::Itself => return None,
        Reason::Needs { track, value } => format!(
            "`{}` is {}",
            chart.track_name(track),
            known(chart, track, value)
        ),
        Reason::Ensures { track, value } => format!(
            "`ensures` is broken: `{}` is {}",
            chart.track_name(track),
            known(chart, track, value)
        ),
        Reason::Call => "the procedure ended as failed".to_owned(),
        Reason::Visits { state, max } => {
            format!("`{}` was visited more than {max} times", chart.path(state))
        }
    })
}

/// What is known of a tracked value, in words.
pub fn known(chart: &Chart, track: TrackId, value: TrackValue) -> String {
    match value {
        TrackValue::Untouched => "untouched".to_owned(),
        TrackValue::Unknown => "unknown".to_owned(),
        TrackValue::Known(at) => {
            let values = chart.track_values(track);
            let value = values.get(usize::from(at)).map_or("?", String::as_str);
            format!("`{value}`")
        }
    }
}

/// How a scope was left, in a word.
pub fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::Failed(kind) => kind.word(),
        Outcome::Failure => "failure",
        Outcome::Unrecoverable => "unrecoverable",
    }
}
