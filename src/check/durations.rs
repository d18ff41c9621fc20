//! How long each stage can last, and what makes that up.

use std::time::Duration;

use super::whole::Whole;
use crate::diagnostic::{Code, Finding, Findings, Span};
use crate::machine::{Chart, Costly, RetryPlan, Share, StateId};
use crate::recipe::duration;
use crate::recipe::model::{Declared, Group, Input, InputType, Recipe, Retry, Tree, TreeKind};

/// How long a stage can last.
#[derive(Clone, Debug)]
pub struct StageDuration {
    /// The stage's name.
    pub stage: String,
    /// At most; `None`: nothing bounds it.
    pub longest: Option<Duration>,
    /// What makes that up, each before what is inside it.
    pub parts: Vec<Part>,
}

/// A part of a stage's longest time.
#[derive(Clone, Debug)]
pub struct Part {
    /// How deep it is inside other parts, from 1.
    pub depth: usize,
    /// A state's path, a step's name.
    pub what: String,
    /// How often at most; `None`: nothing bounds it.
    pub times: Option<u64>,
    /// How long each time; `None`: nothing bounds it.
    pub each: Option<Duration>,
    /// All times; `None`: nothing bounds it.
    pub total: Option<Duration>,
    /// Its own bound counts, not what is in it.
    pub is_bound: bool,
    /// It is a step or a pause, or its bound counts: nothing in it is told apart.
    pub is_last: bool,
}

/// How long the stages of a recipe can last; a stage that can't be run has no such time.
pub fn durations(recipe: &Recipe) -> Vec<StageDuration> {
    let charts = recipe.stages.keys();
    charts
        .filter_map(|stage| Some(of_chart(recipe, &Chart::build(recipe, stage).ok()?)))
        .collect()
}

fn of_chart(recipe: &Recipe, chart: &Chart) -> StageDuration {
    let known = |state: StateId, text: &str| greatest(recipe, chart, state, text);
    let shares = chart.shares(&known);
    let longest = shares.first().and_then(|share| share.each);
    let parts = shares
        .iter()
        .skip(1)
        .enumerate()
        // The root of a procedure says no more than the call.
        .map(|(at, share)| part(chart, share, shares.get(at + 2)));
    StageDuration {
        stage: chart.stage().to_owned(),
        longest,
        parts: parts.collect(),
    }
}

fn part(chart: &Chart, share: &Share, next: Option<&Share>) -> Part {
    let what = match share.of {
        Costly::State(state) => chart.path(state).to_owned(),
        Costly::Step(step) => {
            let (list, index) = chart.position(step);
            let name = &chart.step(step).name;
            format!(
                "{name} ({}.{index} of {})",
                list.word(),
                chart.path(chart.owner(step))
            )
        }
        Costly::Delays(state) => format!("delays of {}", chart.path(state)),
    };
    Part {
        depth: share.depth,
        what,
        times: share.times,
        each: share.each,
        total: share.total(),
        is_bound: share.is_cut,
        is_last: next.is_none_or(|next| next.depth <= share.depth),
    }
}

impl StageDuration {
    /// The parts that take longest, in words: `flash: 3 × 30m5s`.
    pub fn most(&self) -> String {
        let mut last: Vec<&Part> = self.parts.iter().filter(|part| part.is_last).collect();
        last.sort_by_key(|part| std::cmp::Reverse(part.total.unwrap_or(Duration::MAX)));
        let words: Vec<String> = last.iter().take(3).map(|part| part.words()).collect();
        words.join(", ")
    }
}

impl Part {
    /// How often and how long, and what: `flash: 3 × 30m5s`.
    pub fn words(&self) -> String {
        let what = &self.what;
        match (self.times, self.each.map(duration::print)) {
            (Some(1), Some(each)) => format!("{what}: {each}"),
            (Some(times), Some(each)) => format!("{what}: {times} × {each}"),
            (None, Some(each)) => format!("{what}: {each}, any number of times"),
            (_, None) => format!("{what}: nothing bounds it"),
        }
    }
}

/// No stage may take longer than it is given.
pub(super) fn check(whole: &Whole<'_>, chart: &Chart, findings: &mut Findings) {
    let options = whole.options;
    let agent = options
        .agent
        .global_timeout
        .filter(|_| chart.stage() != "reserve");
    let limits = [
        options
            .max_duration
            .map(|limit| (limit, None, "`--max-duration`")),
        agent.map(|limit| (limit.value, Some(limit.span), "the job's `global_timeout`")),
    ];
    if limits.iter().all(Option::is_none) {
        return;
    }
    let found = of_chart(whole.recipe, chart);
    let state = chart.state(chart.root());
    let span = state.places.value("timeout").unwrap_or(state.name.span);
    for (limit, at, words) in limits.into_iter().flatten() {
        if found.longest.is_some_and(|longest| longest <= limit) {
            continue;
        }
        let limit = duration::print(limit);
        let message = match found.longest {
            Some(longest) => format!(
                "stage `{}` may take {}, more than the {limit} of {words}",
                found.stage,
                duration::print(longest)
            ),
            None => format!(
                "nothing bounds stage `{}`, which has the {limit} of {words}",
                found.stage
            ),
        };
        let mut finding = Finding::new(Code::TooLong, span, message);
        if !found.parts.is_empty() {
            finding = finding.help(format!("most of it: {}", found.most()));
        }
        if let Some(at) = at {
            finding = finding.related(at, "no longer than this");
        }
        findings.push(finding);
    }
}

/// The test phase is ended by the agent when it is silent for too long. While a step runs the log has
/// a line from time to time, unless its output passes through: there the bound is meant. In the pause
/// before another try it has none.
pub(super) fn silence(whole: &Whole<'_>, chart: &Chart, findings: &mut Findings) {
    let options = whole.options;
    let Some(limit) = options
        .agent
        .output_timeout
        .filter(|_| chart.stage() == "runtest")
    else {
        return;
    };
    let words = duration::print(limit.value);
    if let Some(beat) = options.heartbeat.filter(|beat| *beat >= limit.value) {
        findings.push(
            Finding::new(
                Code::SilentTooLong,
                limit.span,
                format!("a step may be silent for {}, and the agent waits for {words}", duration::print(beat)),
            )
            .help("while a step runs without output the log says so once in that time: allow more than that"),
        );
    }
    let of_states = chart
        .states()
        .filter_map(|state| chart.state(state).retry.as_ref());
    let of_steps = chart
        .steps()
        .filter_map(|step| chart.step(step).retry.as_ref());
    for retry in of_states.chain(of_steps) {
        if let Some((pause, span)) = pause(retry).filter(|(pause, _)| *pause >= limit.value) {
            findings.push(
                Finding::new(
                    Code::SilentTooLong,
                    span,
                    format!("this pause is silent for {}, and the agent ends the test after {words}", duration::print(pause)),
                )
                .related(limit.span, "no longer than this")
                .help("a shorter `delay` with more `attempts`, or a `wait`, which tells how far it is"),
            );
        }
    }
}

/// The longest delay, and where it is written.
fn pause(retry: &Retry) -> Option<(Duration, Span)> {
    let pause = RetryPlan::literal(retry)?.longest_delay();
    let places = &retry.places;
    Some((pause, places.value("delay").unwrap_or(retry.span)))
}

/// The greatest number that the text of a state can give: the `max` of the input that it reads, and
/// nothing else.
fn greatest(recipe: &Recipe, chart: &Chart, state: StateId, text: &str) -> Option<f64> {
    let home = chart
        .home(state)
        .and_then(|home| recipe.imports.get(home))
        .unwrap_or(recipe);
    let params = chart
        .procedure(state)
        .and_then(|name| recipe.procedures.get(name))
        .map(|it| &it.params);
    let mut text = text;
    // Constants may be made of constants; their circles are refused.
    for _ in 0..8 {
        let path: Vec<&str> = bare(text).split('.').collect();
        let (root, rest) = path.split_first()?;
        let input = match (*root, rest) {
            ("device", rest) => input_of(&home.device, rest)?,
            ("job", rest) => input_of(&home.job, rest)?,
            ("params", [name]) => params?.get(*name)?,
            ("let", [name]) => match &home.lets.get(*name)?.kind {
                TreeKind::Template(template) => {
                    text = &template.text;
                    continue;
                }
                _ => return literal(home.lets.get(*name)?),
            },
            _ => return None,
        };
        return most_of(input);
    }
    None
}

/// The expression of a text that is one.
fn bare(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix("{{")
        .and_then(|text| text.strip_suffix("}}"))
        .unwrap_or(text)
        .trim()
}

fn input_of<'r>(group: &'r Group, path: &[&str]) -> Option<&'r Input> {
    let (name, path) = path.split_first()?;
    match group.members.get(*name)? {
        Declared::Group(group) => input_of(group, path),
        Declared::Input(input) => path.is_empty().then_some(input),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "lists are shorter than 2^52 items"
)]
fn most_of(input: &Input) -> Option<f64> {
    if input.types.contains(&InputType::List) {
        return input.max_items.map(|items| items as f64);
    }
    input.max
}

#[expect(
    clippy::cast_precision_loss,
    reason = "lists are shorter than 2^52 items"
)]
fn literal(tree: &Tree) -> Option<f64> {
    match &tree.kind {
        TreeKind::List(items) => Some(items.len() as f64),
        TreeKind::Literal(value) => match value.as_array() {
            Some(items) => Some(items.len() as f64),
            None => duration::of_value(value).map(|it| it.as_secs_f64()),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::durations;
    use crate::check::{AgentLimits, Options, check_with};
    use crate::diagnostic::{Findings, Span, Spanned};
    use crate::recipe::duration::print;
    use crate::recipe::library::Library;
    use crate::recipe::load::load_text;
    use crate::recipe::model::Recipe;

    fn recipe(stages: &str) -> Recipe {
        let text = format!(
            "recipe: x\nsummary: X\ndevice:\n  up: {{ type: duration, max: 10m }}\n  free: {{ type: duration }}\n  cmds: {{ type: list, items: string, max_items: 3 }}\nlet: {{ up: \"{{{{ device.up }}}}\" }}\nstages:\n{stages}"
        );
        let loaded = load_text(&Library::default(), "x", &text);
        assert!(loaded.findings.0.is_empty(), "{:?}", loaded.findings);
        loaded.recipe.expect("it is a recipe")
    }

    #[test]
    fn the_longest_walk_counts_and_inputs_bound_it() {
        #[track_caller]
        fn case(states: &str, longest: &str, most: &str) {
            let recipe = recipe(&format!(
                "  provision:\n    timeout: 9d\n    initial: a\n    states:\n{states}"
            ));
            let found = durations(&recipe);
            let shown = found[0].longest.map(print);
            assert_eq!(
                (shown.as_deref(), found[0].most().as_str()),
                (Some(longest), most),
                "{states}"
            );
        }
        // One of two branches is taken.
        case(
            "      a: { next: [ { when: device.up, to: b }, { to: c } ] }
      b: { do: [ { run: x, timeout: 55s } ], next: done }
      c: { do: [ { run: x, timeout: 175s, retry: 2 } ], next: done }
",
            "6m",
            "run (do.0 of /c): 2 × 3m",
        );
        case(
            "      a: { do: [ { run: x, timeout: \"{{ let.up }}\", for_each: device.cmds } ], next: done }
",
            "30m15s",
            "run (do.0 of /a): 3 × 10m5s",
        );
        // The state's bound counts, and with a template that nothing bounds that of the stage.
        case(
            "      a: { do: [ { run: x, timeout: 1h } ], timeout: 55s, next: done }
",
            "1m",
            "/a: 1m",
        );
        case(
            "      a: { do: [ { run: x, timeout: \"{{ device.free }}\" } ], next: done }
",
            "9d5s",
            "run (do.0 of /a): nothing bounds it",
        );
    }

    #[test]
    fn a_stage_keeps_to_what_it_is_given() {
        let recipe = recipe(
            "  runtest:\n    timeout: 1h\n    do: [ { run: x, timeout: 10m, retry: { attempts: 3, delay: 5m } } ]\n  reserve:\n    timeout: 2h\n    do: [ { run: x, timeout: 2h } ]\n",
        );
        let said = |options: Options| -> Vec<String> {
            let Findings(mut found) = check_with(&recipe, &options);
            found.retain(|it| it.code.number().starts_with("TF05"));
            found
                .into_iter()
                .map(|it| format!("{} {}", it.code.number(), it.message))
                .collect()
        };
        let minutes = |n: u64| Duration::from_secs(60 * n);
        assert_eq!(said(Options::default()), [""; 0]);
        assert_eq!(
            said(Options {
                max_duration: Some(minutes(90)),
                ..Options::default()
            }),
            ["TF0503 stage `reserve` may take 2h5s, more than the 1h30m of `--max-duration`"]
        );
        let agent = AgentLimits {
            global_timeout: Some(Spanned::new(minutes(30), Span::default())),
            output_timeout: Some(Spanned::new(minutes(5), Span::default())),
        };
        assert_eq!(
            said(Options {
                agent,
                ..Options::default()
            }),
            [
                "TF0503 stage `runtest` may take 40m15s, more than the 30m of the job's `global_timeout`",
                "TF0504 this pause is silent for 5m, and the agent ends the test after 5m",
            ]
        );
    }
}
