//! Why a scenario failed, line by line.

use super::Tested;
use crate::diagnostic::{Findings, Sources, plain};
use crate::engine::scenario::{Line, Logged, Played, Problem, Tried};
use crate::engine::{Said, What};
use crate::recipe::duration;
use crate::report::lines::told;

/// Lines of a comparison that are shown around each difference.
const AROUND: usize = 3;

/// Lines of the log's end that are shown.
const LOG: usize = 12;

/// A line of the story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// What is different.
    Problem(String),
    /// In both, or beside the comparison.
    Context(String),
    /// Expected alone.
    Missing(String),
    /// Happened alone.
    Extra(String),
}

impl Told {
    /// As a line without colour.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Problem(text) => text.clone(),
            Self::Context(text) => format!("    {text}"),
            Self::Missing(text) => format!("  - {text}"),
            Self::Extra(text) => format!("  + {text}"),
        }
    }
}

/// The story of a scenario that failed.
pub(super) fn story(tested: &Tested, tried: &Tried) -> Vec<Told> {
    let mut lines = Vec::new();
    match &tried.played {
        Err(findings) => wrong_inputs(&tested.sources, findings, &mut lines),
        Ok(played) => {
            if !tried.expects {
                lines.push(Told::Problem(
                    "it says nothing of what must follow: `--update` writes what happened"
                        .to_owned(),
                ));
            }
            for problem in &played.problems {
                compared(tested, problem, &mut lines);
            }
            ended(played, &mut lines);
        }
    }
    lines
}

/// One line: the first thing that is different.
pub(super) fn headline(tested: &Tested, tried: &Tried) -> String {
    let story = story(tested, tried);
    let first = story.into_iter().find_map(|told| match told {
        Told::Problem(text) => Some(text),
        _ => None,
    });
    first.unwrap_or_else(|| "it failed".to_owned())
}

fn place(sources: &Sources, problem: &Problem) -> String {
    let file = sources.get(problem.span.source);
    match (file, sources.position(problem.span)) {
        (Some(file), Some(at)) => format!(" ({}:{}:{})", file.name, at.line, at.column),
        _ => String::new(),
    }
}

fn wrong_inputs(sources: &Sources, findings: &Findings, lines: &mut Vec<Told>) {
    for finding in &findings.0 {
        let at = finding.span.and_then(|span| {
            let file = sources.get(span.source)?;
            let at = sources.position(span)?;
            Some(format!(" ({}:{}:{})", file.name, at.line, at.column))
        });
        let at = at.unwrap_or_default();
        lines.push(Told::Problem(format!("{}{at}", finding.message)));
        if let Some(help) = &finding.help {
            lines.push(Told::Context(help.clone()));
        }
    }
    lines.push(Told::Context(
        "if the inputs are to be refused, expect `exit: 2`".to_owned(),
    ));
}

fn compared(tested: &Tested, problem: &Problem, lines: &mut Vec<Told>) {
    let at = place(&tested.sources, problem);
    lines.push(Told::Problem(format!(
        "{}: {}{at}",
        problem.key,
        plain(&problem.message)
    )));
    let is_different = |line: &Line| !matches!(line, Line::Same(_));
    let mut left_out = 0;
    for (at, line) in problem.lines.iter().enumerate() {
        let near = problem
            .lines
            .get(at.saturating_sub(AROUND)..(at + AROUND + 1).min(problem.lines.len()));
        if !near.unwrap_or_default().iter().any(is_different) {
            left_out += 1;
            continue;
        }
        skipped(&mut left_out, lines);
        let short = |text: &String| plain(&text.replace('\n', " ⏎ "));
        lines.push(match line {
            Line::Same(text) => Told::Context(short(text)),
            Line::Missing(text) => Told::Missing(short(text)),
            Line::Extra(text) => Told::Extra(short(text)),
        });
    }
    skipped(&mut left_out, lines);
}

fn skipped(left_out: &mut usize, lines: &mut Vec<Told>) {
    if *left_out > 0 {
        lines.push(Told::Context(format!("… {left_out} as expected")));
        *left_out = 0;
    }
}

/// How the run ended, and the end of its log.
fn ended(played: &Played, lines: &mut Vec<Told>) {
    let took = duration::print(played.took);
    lines.push(Told::Problem(format!(
        "it ended with {} after {took}: {}",
        played.exit,
        plain(&played.reason)
    )));
    let log = logged(&played.log);
    let from = log.len().saturating_sub(LOG);
    if from > 0 {
        lines.push(Told::Context(format!("… {from} earlier lines of its log")));
    }
    lines.extend(log.into_iter().skip(from).map(Told::Context));
}

/// The log as a person reads it, each line with the time since the run began.
pub(super) fn logged(log: &[Logged]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut action: Option<String> = None;
    for entry in log {
        let (at, state, text) = match entry {
            Logged::Fact(record) => {
                if let What::TryStarted { action: own, .. } = &record.what {
                    action = Some(own.to_string());
                }
                let Some((_, state, text)) = told(record, action.as_deref()) else {
                    continue;
                };
                (record.at, state, text)
            }
            Logged::Saying(saying) => match &saying.said {
                Said::Request(sends) => (
                    saying.at,
                    saying.step.state.to_string(),
                    format!("{}: {}", saying.step.name, sends.join("; ")),
                ),
                Said::Note(_) => continue,
            },
        };
        let state = match state.trim_start_matches('/') {
            "" => "/",
            path => path,
        };
        let text = text.trim_end().replace('\n', " ⏎ ");
        lines.push(plain(&format!(
            "{:>8}  {state}  {text}",
            duration::print(at.0)
        )));
    }
    lines
}
