//! Names of states: targets, initial states, names that stand twice.

use std::collections::HashMap;

use super::outline::{Outline, Target};
use super::whole::Unit;
use crate::diagnostic::{Code, Finding, Findings, list, nearest};
use crate::recipe::model::Body;

/// After so many findings names are no longer looked up for similar ones: many states times many
/// mistakes take long, and nobody reads them.
const MOST_SUGGESTED: usize = 200;

pub(super) fn check(unit: &Unit<'_>, findings: &mut Findings) {
    let outline = &unit.outline;
    names(outline, &unit.words(), findings);
    for at in 0..outline.states.len() {
        initial(outline, at, findings);
        targets(outline, at, findings);
    }
}

/// Names are unique within a stage.
fn names(outline: &Outline<'_>, whole: &str, findings: &mut Findings) {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for (at, placed) in outline.states.iter().enumerate().skip(1) {
        let name = &placed.state.name;
        match seen.get(name.value.as_str()) {
            Some(first) => findings.push(
                Finding::new(
                    Code::NameTwice,
                    name.span,
                    format!("{whole} has two states `{}`", name.value),
                )
                .related(outline.states[*first].state.name.span, "the first one")
                .help("a target says no more than a name: give one of them another"),
            ),
            None => {
                seen.insert(&name.value, at);
            }
        }
    }
}

fn initial(outline: &Outline<'_>, at: usize, findings: &mut Findings) {
    let Body::Scope { initial, .. } = &outline.states[at].state.body else {
        return;
    };
    let children = &outline.states[at].children;
    // An empty name was complained about when it was read.
    if initial.value.is_empty()
        || children.is_empty()
        || children.contains_key(initial.value.as_str())
    {
        return;
    }
    let mut names: Vec<&str> = children.keys().copied().collect();
    names.sort_unstable();
    let similar = nearest(&initial.value, names.iter().copied());
    let mut finding = Finding::new(
        Code::UnknownState,
        initial.span,
        format!("there is no state `{}` in this scope", initial.value),
    )
    .suggest(similar);
    if let Some(child) = similar.and_then(|name| children.get(name)) {
        finding = finding.related(
            outline.states[*child].state.name.span,
            "a similar state is here",
        );
    } else {
        finding = finding.help(format!("`initial` is {}", list(names, "or")));
    }
    findings.push(finding);
}

fn targets(outline: &Outline<'_>, from: usize, findings: &mut Findings) {
    for edge in outline.edges(from) {
        let name = edge.to.value.as_str();
        match outline.target(from, name) {
            Target::Done => {}
            Target::State(to) => {
                let state = outline.states[to].state;
                if edge.is_catch && state.when.is_some() {
                    findings.push(
                        Finding::new(
                            Code::CatchToGuarded,
                            edge.to.span,
                            format!("`{name}` has a `when`: an error might pass it by"),
                        )
                        .related(state.name.span, "the state")
                        .help("catch to a choice that picks by the same condition"),
                    );
                }
            }
            Target::Inside(to) => {
                let state = outline.states[to].state;
                let scope = outline.states[to]
                    .parent
                    .map(|parent| outline.states[parent].state.name.value.as_str());
                let mut finding = Finding::new(
                    Code::IntoScope,
                    edge.to.span,
                    format!("`{name}` is inside another scope"),
                )
                .related(state.name.span, "the state");
                finding = match scope {
                    Some(scope) => finding.help(format!(
                        "nothing jumps into a scope: go to `{scope}`, which begins with its `initial`"
                    )),
                    None => finding,
                };
                findings.push(finding);
            }
            Target::Nowhere if findings.0.len() > MOST_SUGGESTED => findings.push(Finding::new(
                Code::UnknownState,
                edge.to.span,
                format!("there is no state `{name}`"),
            )),
            Target::Nowhere => findings.push(unknown(outline, from, name, edge.to.span)),
        }
    }
}

fn unknown(
    outline: &Outline<'_>,
    from: usize,
    name: &str,
    span: crate::diagnostic::Span,
) -> Finding {
    let mut known: Vec<(&str, Option<usize>)> = Vec::new();
    let mut scope = outline.states[from].parent;
    while let Some(at) = scope {
        let mut here: Vec<(&str, usize)> = outline.states[at]
            .children
            .iter()
            .map(|(name, child)| (*name, *child))
            .collect();
        here.sort_unstable_by_key(|(_, child)| *child);
        known.extend(here.into_iter().map(|(name, child)| (name, Some(child))));
        scope = outline.states[at].parent;
    }
    known.push(("done", None));
    let similar = nearest(name, known.iter().map(|(name, _)| *name));
    let finding = Finding::new(
        Code::UnknownState,
        span,
        format!("there is no state `{name}`"),
    )
    .suggest(similar);
    match similar.and_then(|similar| known.iter().find(|(name, _)| *name == similar)) {
        Some((_, Some(child))) => finding.related(
            outline.states[*child].state.name.span,
            "a similar state is here",
        ),
        Some((_, None)) => finding,
        None => {
            const SHOWN: usize = 12;
            let names = known.iter().map(|(name, _)| *name);
            let all = list(names.take(SHOWN), "or");
            finding.help(if known.len() > SHOWN {
                format!("targets here are {all}, and others")
            } else {
                format!("a target here is {all}")
            })
        }
    }
}
