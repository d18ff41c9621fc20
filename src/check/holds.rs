//! `needs`, `sets`, `ensures` and `rules`: what must hold is looked for on every path.
//!
//! The explorer drives the machine through all of them; a finding tells the shortest that breaks one.

use std::sync::Arc;

use super::explore::{Broken, Exploration, Options, Unmet, explore_chart, known};
use super::whole::Whole;
use crate::diagnostic::{Code, Finding, Findings, Span};
use crate::machine::{Chart, List, StepId, TrackId, TrackValue};
use crate::recipe::model::{Needs, Recipe};

/// Situations that are looked at while checking: some milliseconds.
const MOST_STATES: usize = 20_000;

/// Looks at one stage, if anything must hold in it.
pub(super) fn check(whole: &Whole<'_>, chart: &Chart, findings: &mut Findings) {
    if !chart.has_needs() || !whole.recipe.complete {
        return;
    }
    let options = Options {
        max_states: MOST_STATES,
        signals: chart.ensures_always(),
        ..Options::default()
    };
    let chart = Arc::new(chart.clone());
    let found = explore_chart(whole.recipe, &chart, &whole.raises, options);
    let mut told: Vec<(StepId, TrackId)> = Vec::new();
    for unmet in &found.unmet {
        // A gear that has failed is unknown, and an interlock then refuses what it must on the way out.
        let is_exit = chart.position(unmet.step).0 == List::Exit;
        if is_exit && unmet.value == TrackValue::Unknown {
            continue;
        }
        if !told.contains(&(unmet.step, unmet.track)) {
            told.push((unmet.step, unmet.track));
            push(findings, refused(&found, unmet));
        }
    }
    let mut told: Vec<(TrackId, bool)> = Vec::new();
    for broken in &found.broken {
        if !told.contains(&(broken.track, broken.success)) {
            told.push((broken.track, broken.success));
            push(findings, ensured(whole.recipe, &found, broken));
        }
    }
    if !found.complete {
        let stage = chart.state(chart.root());
        let message = format!(
            "`{}` has more than {MOST_STATES} situations: not all were looked at for what must hold",
            chart.stage()
        );
        push(
            findings,
            Finding::new(Code::NotProved, stage.name.span, message).help(format!(
                "`tf-engine explore {} --stage {}` looks at all",
                whole.recipe.name,
                chart.stage()
            )),
        );
    }
}

/// A procedure's step may be come to from several stages: it is told once.
fn push(findings: &mut Findings, finding: Finding) {
    let known = findings
        .0
        .iter()
        .any(|known| known.code == finding.code && known.span == finding.span);
    if !known {
        findings.push(finding);
    }
}

fn refused(found: &Exploration, unmet: &Unmet) -> Finding {
    let chart = &found.chart;
    let step = chart.step(unmet.step);
    let track = chart.track_name(unmet.track);
    let is = known(chart, unmet.track, unmet.value);
    let (wanted, span) = wanted(&step.needs, track, step.span);
    let never = found.complete && found.tried.get(unmet.step.index()) == Some(&false);
    let (code, message) = if never {
        (
            Code::NeverMet,
            format!(
                "`{}` is never run: on no way here is `{track}` {wanted}",
                step.name
            ),
        )
    } else if chart.position(unmet.step).0 == List::Exit {
        (
            Code::RefusedExit,
            format!(
                "exit step `{}` is refused where `{track}` is {is}",
                step.name
            ),
        )
    } else {
        (
            Code::UnmetNeeds,
            format!("`{}` can be reached while `{track}` is {is}", step.name),
        )
    };
    Finding::new(code, span, message)
        .label(format!("needs `{track}` to be {wanted}"))
        .help(format!(
            "a shortest way there:{}",
            unmet.example.told(chart)
        ))
}

fn ensured(recipe: &Recipe, found: &Exploration, broken: &Broken) -> Finding {
    let chart = &found.chart;
    let track = chart.track_name(broken.track);
    let is = known(chart, broken.track, broken.value);
    let root = chart.state(chart.root());
    let ensures = recipe.stages.get(chart.stage()).map(|stage| &stage.ensures);
    let needs = ensures.map(|ensures| {
        if broken.success {
            &ensures.success
        } else {
            &ensures.always
        }
    });
    let (wanted, span) = needs.map_or((String::new(), root.name.span), |needs| {
        wanted(needs, track, root.name.span)
    });
    let how = if broken.success { "well" } else { "" };
    let message = format!("the stage can end {how} while `{track}` is {is}").replace("  ", " ");
    Finding::new(Code::BrokenEnsures, span, message)
        .label(format!("ensures that it is {wanted}"))
        .help(format!(
            "a shortest way there:{}",
            broken.example.told(chart)
        ))
}

/// The values that are wanted, and where they stand.
fn wanted(needs: &Needs, track: &str, otherwise: Span) -> (String, Span) {
    match needs.get(track) {
        Some(values) => {
            let names = values.value.iter().map(String::as_str);
            let words = crate::diagnostic::list(names, "or");
            (words, values.span)
        }
        None => ("as it needs".to_owned(), otherwise),
    }
}
