//! What happened against what was expected.

use super::diff::{Line, compare};
use super::places::Places;
use super::play::Played;
use super::resolve::PROBE;
use crate::diagnostic::{Span, Spanned, plural};
use crate::engine::scripted::{Happened, Script, Taken};
use crate::machine::{Site, StateId, StepId};
use crate::recipe::duration;
use crate::recipe::scenario::{Expect, Pattern, Scenario};

/// Something that is not as a scenario expects it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key of `expect` (or of the scenario) that says otherwise.
    pub key: &'static str,
    /// What is different, in a sentence.
    pub message: String,
    /// Both lists side by side, where that says more.
    pub lines: Vec<Line>,
    /// Where it is expected.
    pub span: Span,
}

/// What a run is judged by, besides what the reader is told.
pub(super) struct Found<'a> {
    pub(super) places: &'a Places<'a>,
    pub(super) path: &'a [StateId],
    pub(super) never: &'a [Site],
    pub(super) script: &'a Script,
    pub(super) happened: &'a Happened,
}

/// Judges a run.
pub(super) fn ran(played: &mut Played, scenario: &Scenario, found: &Found<'_>) {
    let mut problems = Vec::new();
    if found.happened.gave_up {
        problems.push(problem(
            "steps",
            "it does not come to an end: a try that nothing bounds, or too many of them".to_owned(),
            scenario.name.span,
        ));
    }
    if let Some(expect) = &scenario.expect {
        problems.extend(ending(played, expect));
        problems.extend(path(played, expect, found));
        problems.extend(never(expect, found));
        problems.extend(commands(played, expect));
        problems.extend(took(played, expect));
    }
    problems.extend(unused(scenario, found));
    played.problems = problems;
}

/// Judges inputs that were refused.
pub(super) fn refused(played: &mut Played, scenario: &Scenario) {
    played.problems = scenario
        .expect
        .as_ref()
        .map_or_else(Vec::new, |expect| ending(played, expect));
}

fn problem(key: &'static str, message: String, span: Span) -> Problem {
    Problem {
        key,
        message,
        lines: Vec::new(),
        span,
    }
}

fn ending(played: &Played, expect: &Expect) -> Vec<Problem> {
    let mut problems = Vec::new();
    if played.exit != expect.exit.value {
        let message = format!("expected {}, got {}", expect.exit.value, played.exit);
        problems.push(problem("exit", message, expect.exit.span));
    }
    if let (Some(verdict), Some(report)) = (&expect.verdict, &played.report)
        && verdict.value != report.verdict
    {
        let word = |verdict| {
            let word = serde_json::to_value(verdict).ok();
            word.and_then(|word| word.as_str().map(str::to_owned))
                .unwrap_or_default()
        };
        let message = format!(
            "expected {}, got {}",
            word(verdict.value),
            word(report.verdict)
        );
        problems.push(problem("verdict", message, verdict.span));
    }
    if let Some(reason) = &expect.reason
        && !reason.value.matches(&played.reason)
    {
        problems.push(Problem {
            key: "reason",
            message: "another one was given".to_owned(),
            lines: vec![
                Line::Missing(reason.value.0.clone()),
                Line::Extra(played.reason.clone()),
            ],
            span: reason.span,
        });
    }
    problems
}

fn path(played: &Played, expect: &Expect, found: &Found<'_>) -> Option<Problem> {
    let written = expect.path.as_ref()?;
    let expected: Vec<String> = found
        .path
        .iter()
        .map(|state| found.places.state(*state).to_owned())
        .collect();
    if expected == played.path {
        return None;
    }
    let equal = |one: &String, other: &String| one == other;
    let lines = compare(&expected, &played.path, equal, Clone::clone, Clone::clone);
    let span = written.first().map_or(expect.exit.span, |first| first.span);
    Some(Problem {
        key: "path",
        message: "it went another way".to_owned(),
        lines,
        span,
    })
}

fn never(expect: &Expect, found: &Found<'_>) -> Vec<Problem> {
    let came_to = |site: &Site| match site {
        Site::State(state) => found.happened.taken.contains(&Taken::State(*state)),
        Site::Step(step) => found.happened.tries.contains_key(step),
    };
    let names = expect.never.iter().zip(found.never);
    names
        .filter(|(_, site)| came_to(site))
        .map(|(name, _)| {
            let message = format!("`{}` was come to", name.value);
            problem("never", message, name.span)
        })
        .collect()
}

fn commands(played: &Played, expect: &Expect) -> Vec<Problem> {
    let sent = &played.commands;
    let commands = &expect.commands;
    let fits = |pattern: &Spanned<Pattern>, text: &String| pattern.value.matches(text);
    let shown = |pattern: &Spanned<Pattern>| pattern.value.0.clone();
    let mut problems = Vec::new();
    if let Some(exactly) = &commands.exactly {
        let lines = compare(exactly, sent, fits, shown, Clone::clone);
        if lines.iter().any(|line| !matches!(line, Line::Same(_))) {
            let span = exactly.first().map_or(expect.exit.span, |first| first.span);
            problems.push(Problem {
                key: "commands.exactly",
                message: "something else was sent".to_owned(),
                lines,
                span,
            });
        }
    }
    let mut rest = sent.iter();
    let missing = commands
        .in_order
        .iter()
        .find(|pattern| !rest.any(|text| fits(pattern, text)));
    if let Some(pattern) = missing {
        let lines = compare(&commands.in_order, sent, fits, shown, Clone::clone);
        problems.push(Problem {
            key: "commands.in_order",
            message: format!("`{}` was not sent, or not in its place", pattern.value.0),
            lines,
            span: pattern.span,
        });
    }
    for pattern in &commands.any_order {
        if !sent.iter().any(|text| fits(pattern, text)) {
            problems.push(Problem {
                key: "commands.any_order",
                message: format!("`{}` was not sent", pattern.value.0),
                lines: sent.iter().cloned().map(Line::Extra).collect(),
                span: pattern.span,
            });
        }
    }
    for pattern in &commands.never {
        if let Some(text) = sent.iter().find(|text| fits(pattern, text)) {
            let message = format!("`{text}` was sent");
            problems.push(problem("commands.never", message, pattern.span));
        }
    }
    problems
}

fn took(played: &Played, expect: &Expect) -> Option<Problem> {
    let bounds = expect.duration.as_ref()?;
    let (least, most) = (bounds.value.at_least, bounds.value.at_most);
    if (least..=most).contains(&played.took) {
        return None;
    }
    let got = duration::print(played.took);
    let message = if least == most {
        format!("expected {}, got {got}", duration::print(least))
    } else if played.took > most {
        format!("expected at most {}, got {got}", duration::print(most))
    } else {
        format!("expected at least {}, got {got}", duration::print(least))
    };
    Some(problem("duration", message, bounds.span))
}

/// What was told beforehand and had no part in the run: the scenario does not show what it says.
fn unused(scenario: &Scenario, found: &Found<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let tries = |step: StepId| found.happened.tries.get(&step).copied().unwrap_or(0) as usize;
    for (name, outcomes) in &scenario.steps {
        if let Some(probe) = name.value.strip_prefix(PROBE) {
            let tried = found.happened.probes.contains(probe);
            let message = match (tried, outcomes.len()) {
                (false, _) => format!("`{}` was not tried", name.value),
                (true, 2..) => format!("`{}` is tried once", name.value),
                (true, _) => continue,
            };
            problems.push(problem("steps", message, name.span));
            continue;
        }
        let Ok(step) = found.places.find_step(&name.value) else {
            continue;
        };
        let made = tries(step);
        if made < outcomes.len() {
            let message = match made {
                0 => format!("`{}` was not tried", name.value),
                _ => format!(
                    "`{}` has {}, and was tried {}",
                    name.value,
                    plural(outcomes.len(), "outcome"),
                    plural(made, "time")
                ),
            };
            problems.push(problem("steps", message, name.span));
        }
    }
    for (signal, cue) in scenario.signals.iter().zip(&found.script.signals) {
        if !cue.sent {
            let during = found.places.step(cue.during);
            let message = match cue.due {
                None => format!("`{during}` was not at work that often, so no signal came"),
                Some(_) => "it was over before the signal came".to_owned(),
            };
            problems.push(problem("signal", message, signal.span));
        }
    }
    problems
}
