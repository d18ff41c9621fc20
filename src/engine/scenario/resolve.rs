//! The names of a scenario in the stage that it runs.

use super::places::{Places, Unclear};
use crate::check::raises::Raises;
use crate::diagnostic::{Code, Finding, Findings, Spanned, list, nearest, plural};
use crate::engine::at_once;
use crate::engine::scripted::{Cue, Script};
use crate::machine::{Chart, Signal, Site, StateId, StepId};
use crate::recipe::ErrorKind;
use crate::recipe::model::{Recipe, Step};
use crate::recipe::scenario::{Scenario, Sent, TryOutcome};

/// A scenario's names, found.
#[derive(Clone, Default)]
pub(super) struct Resolved {
    pub(super) script: Script,
    pub(super) path: Vec<StateId>,
    pub(super) never: Vec<Site>,
}

/// What stands before a probe's name among the steps of a scenario.
pub(super) const PROBE: &str = "blame.";

/// Looks up all names, and complains about those that mean nothing and outcomes that can't be.
pub(super) fn resolve(
    raises: &Raises<'_>,
    recipe: &Recipe,
    chart: &Chart,
    scenario: &Scenario,
    findings: &mut Findings,
) -> Resolved {
    let places = Places::new(chart);
    let mut resolver = Resolver {
        raises,
        chart,
        places: &places,
        findings,
    };
    let mut resolved = Resolved::default();
    for (name, outcomes) in &scenario.steps {
        if let Some(probe) = name.value.strip_prefix(PROBE) {
            if let Some(step) = resolver.probe(recipe, probe, name) {
                for outcome in outcomes {
                    resolver.outcome(None, step, name, outcome);
                }
                let outcomes = outcomes.clone();
                resolved.script.probes.insert(probe.to_owned(), outcomes);
            }
            continue;
        }
        let Some(step) = resolver.step(name) else {
            continue;
        };
        if resolver.is_scripted(step, name) {
            let declared = chart.step(step);
            let home = chart.home(chart.owner(step));
            for outcome in outcomes {
                resolver.outcome(home, declared, name, outcome);
            }
            resolved.script.tries.insert(step, outcomes.clone());
        }
    }
    for signal in &scenario.signals {
        if let Some(during) = resolver.step(&signal.during) {
            resolved.script.signals.push(Cue {
                during,
                attempt: signal.attempt,
                after: signal.after,
                signal: match signal.send {
                    Sent::Int => Signal::Int,
                    Sent::Term => Signal::Term,
                },
                due: None,
                sent: false,
            });
        }
    }
    if let Some(expect) = &scenario.expect {
        for name in expect.path.iter().flatten() {
            let found = places.find_state(&name.value);
            resolved.path.extend(resolver.found(found, name, "state"));
        }
        for name in &expect.never {
            let found = places.find(&name.value);
            resolved
                .never
                .extend(resolver.found(found, name, "state or step"));
        }
    }
    resolved
}

struct Resolver<'a> {
    raises: &'a Raises<'a>,
    chart: &'a Chart,
    places: &'a Places<'a>,
    findings: &'a mut Findings,
}

impl Resolver<'_> {
    fn step(&mut self, name: &Spanned<String>) -> Option<StepId> {
        let found = self.places.find_step(&name.value);
        self.found(found, name, "step")
    }

    fn probe<'r>(
        &mut self,
        recipe: &'r Recipe,
        probe: &str,
        name: &Spanned<String>,
    ) -> Option<&'r Step> {
        let found = recipe.blame.get(probe);
        if found.is_none() {
            let known = || recipe.blame.keys().map(String::as_str);
            let message = format!("`blame` has no probe `{probe}`");
            let similar = nearest(probe, known());
            let mut finding = Finding::new(Code::UnknownStep, name.span, message).suggest(similar);
            if similar.is_none() {
                finding = finding.help(match list(known(), "and") {
                    all if all.is_empty() => "the recipe has none".to_owned(),
                    all => format!("it has {all}"),
                });
            }
            self.findings.push(finding);
        }
        found.map(AsRef::as_ref)
    }

    fn found<T>(
        &mut self,
        found: Result<T, Unclear>,
        name: &Spanned<String>,
        what: &str,
    ) -> Option<T> {
        let noun = if what.contains(' ') { "place" } else { what };
        let finding = match found {
            Ok(found) => return Some(found),
            Err(Unclear::Unknown(similar)) => {
                let code = match what {
                    "state" => Code::UnknownState,
                    _ => Code::UnknownStep,
                };
                let stage = self.chart.stage();
                let message = format!("`{stage}` has no {what} `{}`", name.value);
                let finding = Finding::new(code, name.span, message).suggest(similar.as_deref());
                match (similar, what) {
                    (None, "step" | "state or step") => finding.help(
                        "a step is `STATE/NAME`, such as `write/flash`, or `STATE:LIST.N`, such as \
                         `write:do.0`",
                    ),
                    _ => finding,
                }
            }
            Err(Unclear::Several(all)) => Finding::new(
                Code::AmbiguousName,
                name.span,
                format!("{} are called `{}`", plural(all.len(), noun), name.value),
            )
            .help(format!(
                "write {}",
                list(all.iter().map(String::as_str), "or")
            )),
        };
        self.findings.push(finding);
        None
    }

    /// Whether the outcomes of a step are a scenario's to say.
    fn is_scripted(&mut self, step: StepId, name: &Spanned<String>) -> bool {
        let action = self.chart.step(step).action.name;
        let help = if let Some(root) = self.chart.called(step) {
            let procedure = self.places.state(root);
            format!("a call ends as its procedure does: name steps of `{procedure}`")
        } else if at_once::ACTIONS.contains(&action) {
            format!("`{action}` touches nothing, and is performed as in a run")
        } else if action == "sleep" {
            "a `sleep` takes as long as it says".to_owned()
        } else {
            return true;
        };
        self.findings.push(
            Finding::new(
                Code::ImpossibleOutcome,
                name.span,
                format!("`{}` has no outcome of its own", name.value),
            )
            .help(help),
        );
        false
    }

    fn outcome(
        &mut self,
        home: Option<&str>,
        step: &Step,
        name: &Spanned<String>,
        outcome: &TryOutcome,
    ) {
        let mut kinds = self.raises.of_try(home, step);
        if outcome.takes.is_none() {
            // It does not end by itself: a bound around it does that.
            kinds = kinds.with(ErrorKind::Timeout);
        }
        if let Some(error) = outcome.error
            && !kinds.contains(error.value)
        {
            let words: Vec<&str> = kinds.iter().map(ErrorKind::word).collect();
            self.findings.push(
                Finding::new(
                    Code::ImpossibleOutcome,
                    error.span,
                    format!("`{}` never ends with `{}`", name.value, error.value),
                )
                .help(format!("it can end with {}", list(words, "or"))),
            );
        }
        for (key, _) in &outcome.output {
            let known = || step.action.output.iter().copied();
            if known().any(|field| field == key.name) {
                continue;
            }
            let words = || known().chain(["error", "takes", "message"]);
            let similar = nearest(&key.name, words());
            let mut finding = Finding::new(
                Code::UnknownOutput,
                key.span,
                format!("the output of `{}` has no `{}`", step.action.name, key.name),
            )
            .suggest(similar);
            if similar.is_none() {
                finding = finding.help(match list(known(), "and") {
                    all if all.is_empty() => format!("`{}` has no output", step.action.name),
                    all => format!("it has {all}"),
                });
            }
            self.findings.push(finding);
        }
    }
}
