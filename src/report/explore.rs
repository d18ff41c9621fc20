//! What `explore` found, for a person and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::check::explore::{
    Breach, Example, Exploration, Happening, Line, Tried, Way, known, words,
};
use crate::diagnostic::plural;
use crate::machine::{Chart, StateId, Target, Transition};

/// What the caller wanted to hold, and which of it does not.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// What is not as it was expected, a sentence each.
    pub complaints: Vec<String>,
}

/// One stage for a person. `all`: of this exit status every way is told.
pub fn explored(found: &Exploration, all: Option<u8>, verdict: &Verdict) -> String {
    let chart = &found.chart;
    let mut text = String::new();
    let more = if found.complete { "" } else { "more than " };
    let _ = writeln!(
        text,
        "stage {}: {more}{}, {more}{}",
        chart.stage(),
        plural(found.states, "situation"),
        schedules(found.schedules),
    );
    if !found.complete {
        text.push_str("  the search was given up there: what follows is not all (--max-states)\n");
    }
    let mut told = Vec::new();
    for way in &found.ways {
        if all.is_some_and(|status| status != way.status) {
            continue;
        }
        if all.is_none() && told.contains(&way.status) {
            continue;
        }
        told.push(way.status);
        heading(&mut text, found, way, all.is_some());
        story(&mut text, chart, &way.example);
    }
    if let Some(status) = all {
        if !told.contains(&status) {
            let _ = writeln!(text, "\n  nothing ends in {status}");
        }
        return text;
    }
    let unreached: Vec<String> = transitions(found)
        .filter(|(.., taken)| !taken)
        .map(|(state, row, to, _)| transition(chart, state, row, to))
        .collect();
    let total = transitions(found).count();
    let _ = writeln!(
        text,
        "\n  transitions: {} of {total} are taken",
        total - unreached.len()
    );
    for line in unreached {
        let _ = writeln!(text, "    never: {line}");
    }
    for (breach, example) in &found.breaches {
        let _ = writeln!(text, "\n  broken: {}", breach_words(chart, *breach));
        story(&mut text, chart, example);
    }
    for unmet in &found.unmet {
        let _ = writeln!(
            text,
            "\n  refused: `{}` at {} finds `{}` {}",
            chart.step(unmet.step).name,
            chart.step_name(unmet.step),
            chart.track_name(unmet.track),
            known(chart, unmet.track, unmet.value),
        );
        story(&mut text, chart, &unmet.example);
    }
    for broken in &found.broken {
        let _ = writeln!(
            text,
            "\n  broken: `ensures: {}`, since `{}` is {} at the end",
            if broken.success { "success" } else { "always" },
            chart.track_name(broken.track),
            known(chart, broken.track, broken.value),
        );
        story(&mut text, chart, &broken.example);
    }
    for complaint in &verdict.complaints {
        let _ = writeln!(text, "\n  not as expected: {complaint}");
    }
    text
}

fn heading(text: &mut String, found: &Exploration, way: &Way, single: bool) {
    let same: Vec<&Way> = found
        .ways
        .iter()
        .filter(|other| other.status == way.status)
        .collect();
    let count = if single {
        way.schedules
    } else {
        same.iter().map(|way| way.schedules).sum()
    };
    let _ = write!(
        text,
        "\n  exit {}{}: {}",
        way.status,
        if way.computed {
            " (or what `exit_status` gives)"
        } else {
            ""
        },
        schedules(count)
    );
    if single {
        let _ = write!(text, ", decided by {}", decided(&found.chart, way));
    } else if same.len() > 1 {
        let _ = write!(
            text,
            ", {} (--from-status {})",
            plural(same.len(), "way"),
            way.status
        );
    }
    text.push('\n');
}

fn decided(chart: &Chart, way: &Way) -> String {
    let ending = &way.ending;
    let place = match (ending.step, ending.state) {
        (Some(step), _) => format!("`{}` at {}", chart.step(step).name, chart.step_name(step)),
        (None, Some(state)) => format!("state `{}`", chart.path(state)),
        (None, None) => "nothing".to_owned(),
    };
    let cut = match (ending.step, ending.state) {
        (Some(step), Some(state)) if chart.owner(step) != state => Some(state),
        _ => None,
    };
    match (ending.kind, cut) {
        (Some(crate::recipe::ErrorKind::Timeout), Some(state)) => {
            format!("{place}: cut by the timeout of `{}`", chart.path(state))
        }
        // What nothing tells apart is decided by any of it.
        (Some(kind), _) => {
            let kinds = way
                .example
                .events
                .iter()
                .rev()
                .find_map(|event| match event {
                    Happening::Tried {
                        step,
                        end: Tried::Failed(kinds),
                        ..
                    } if Some(*step) == ending.step && kinds.contains(kind) => Some(words(*kinds)),
                    _ => None,
                });
            format!(
                "{place}: {}",
                kinds.unwrap_or_else(|| kind.word().to_owned())
            )
        }
        (None, _) => place,
    }
}

fn story(text: &mut String, chart: &Chart, example: &Example) {
    let lines = example.story(chart);
    let width = lines
        .iter()
        .map(|line| line.place.chars().count())
        .max()
        .unwrap_or(0)
        .min(40);
    for Line {
        place,
        text: what,
        wrong,
    } in lines
    {
        let mark = if wrong { "✗" } else { " " };
        let _ = writeln!(text, "  {mark} {place:width$}  {what}");
    }
}

/// All transitions, and whether each is taken.
fn transitions(
    found: &Exploration,
) -> impl Iterator<Item = (StateId, Transition, Target, bool)> + '_ {
    let chart = &found.chart;
    chart.states().flat_map(move |state| {
        chart
            .transitions(state)
            .map(move |(row, to)| (state, row, to, found.taken.contains(&(state, row))))
    })
}

fn transition(chart: &Chart, state: StateId, row: Transition, to: Target) -> String {
    let to = match to {
        Target::Done => "done",
        Target::State(to) => chart.path(to),
    };
    let path = chart.path(state);
    match row {
        Transition::Next(row) => {
            let rows = &chart.state(state).next;
            let guard = rows.get(row as usize).and_then(|row| row.when.as_ref());
            let guard = guard.map(|guard| format!(" when {}", guard.text));
            format!("{path} → {to}{}", guard.unwrap_or_default())
        }
        Transition::Catch(Some(kind)) => format!("{path} catch {kind} → {to}"),
        Transition::Catch(None) => format!("{path} catch any → {to}"),
    }
}

/// What no run may do, in words.
pub fn breach_words(chart: &Chart, breach: Breach) -> String {
    let step = |step| format!("`{}` at {}", chart.step(step).name, chart.step_name(step));
    match breach {
        Breach::NotLeft(state) => format!("`{}` is entered and not left", chart.path(state)),
        Breach::LeftTwice(state) => format!("`{}` is left a second time", chart.path(state)),
        Breach::ExitTwice(exit) => format!("exit step {} runs twice", step(exit)),
        Breach::ExitNotRun(exit) => format!("exit step {} is left out", step(exit)),
        Breach::NoEnd => "a run has no end".to_owned(),
        Breach::NoFailedRecovery => "46, and no recovery has failed".to_owned(),
    }
}

fn schedules(count: f64) -> String {
    let noun = if count < 1.5 { "schedule" } else { "schedules" };
    format!("{} {noun}", amount(count))
}

/// `1,234`, `2.3 × 10^17`.
pub fn amount(count: f64) -> String {
    if count < 1e6 {
        let digits = format!("{count:.0}");
        return match digits.len().checked_sub(3) {
            Some(at @ 1..) => format!("{},{}", &digits[..at], &digits[at..]),
            _ => digits,
        };
    }
    if !count.is_finite() {
        return "more than 10^308".to_owned();
    }
    let exponent = count.log10().floor();
    format!("{:.1} × 10^{exponent:.0}", count / 10_f64.powf(exponent))
}

/// The states of a run, in the order in which they were entered or reached.
fn path<'c>(chart: &'c Chart, example: &Example) -> Vec<&'c str> {
    let states = example.events.iter().filter_map(|event| match event {
        Happening::Entered { state, .. } | Happening::Reached { state } => Some(chart.path(*state)),
        _ => None,
    });
    states.collect()
}

/// One stage as JSON.
pub fn explored_json(found: &Exploration, verdict: &Verdict) -> Value {
    let chart = &found.chart;
    let lines = |example: &Example| -> Vec<Value> {
        let story = example.story(chart);
        story
            .into_iter()
            .map(|line| json!({"place": line.place, "text": line.text, "wrong": line.wrong}))
            .collect()
    };
    let ways: Vec<Value> = found
        .ways
        .iter()
        .map(|way| {
            json!({
                "exit": way.status,
                "computed": way.computed,
                "schedules": way.schedules,
                "state": way.ending.state.map(|state| chart.path(state)),
                "step": way.ending.step.map(|step| chart.step_name(step).to_string()),
                "kind": way.ending.kind.map(crate::recipe::ErrorKind::word),
                "path": path(chart, &way.example),
                "story": lines(&way.example),
            })
        })
        .collect();
    let rows: Vec<Value> = transitions(found)
        .map(|(state, row, to, taken)| {
            let (key, at) = match row {
                Transition::Next(row) => ("next", json!(row)),
                Transition::Catch(kind) => (
                    "catch",
                    json!(kind.map_or("any", crate::recipe::ErrorKind::word)),
                ),
            };
            let to = match to {
                Target::Done => "done",
                Target::State(to) => chart.path(to),
            };
            json!({"from": chart.path(state), key: at, "to": to, "taken": taken})
        })
        .collect();
    let breaches: Vec<Value> = found
        .breaches
        .iter()
        .map(|(breach, example)| {
            json!({"what": breach_words(chart, *breach), "story": lines(example)})
        })
        .collect();
    let unmet: Vec<Value> = found
        .unmet
        .iter()
        .map(|unmet| {
            json!({
                "step": chart.step_name(unmet.step).to_string(),
                "needs": chart.track_name(unmet.track),
                "is": known(chart, unmet.track, unmet.value).trim_matches('`'),
                "story": lines(&unmet.example),
            })
        })
        .collect();
    let broken: Vec<Value> = found
        .broken
        .iter()
        .map(|broken| {
            json!({
                "ensures": if broken.success { "success" } else { "always" },
                "name": chart.track_name(broken.track),
                "is": known(chart, broken.track, broken.value).trim_matches('`'),
                "story": lines(&broken.example),
            })
        })
        .collect();
    json!({
        "stage": chart.stage(),
        "states": found.states,
        "schedules": found.schedules,
        "complete": found.complete,
        "ways": ways,
        "transitions": rows,
        "breaches": breaches,
        "unmet": unmet,
        "broken": broken,
        "complaints": verdict.complaints,
    })
}
