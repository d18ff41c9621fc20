//! What exploring a stage gives.

use std::collections::HashSet;
use std::sync::Arc;

use super::admit::Try;
use super::effects::Effects;
use super::example::Example;
use super::kinds::Kinds;
use super::live::Liveness;
use super::questions::Questions;
use super::search::{Search, Seen};
use super::variables::Variables;
use super::walk::Setting;
use super::watch::Breach;
use crate::check::raises::Raises;
use crate::machine::{Chart, ChartError, Ending, StateId, StepId, TrackId, TrackValue, Transition};
use crate::recipe::KindSet;
use crate::recipe::model::Recipe;

/// How far to look.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The most situations to look at.
    pub max_states: usize,
    /// A signal may come, once, at each try and pause.
    pub signals: bool,
    /// Ways to one exit status that differ only in where its error was raised are told apart. (Ways to
    /// 46 always are.)
    pub places: bool,
    /// A try may end with any kind, and not with those alone that its action can raise: for tests
    /// whose actions are made up.
    pub any_kind: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_states: 2_000_000,
            signals: true,
            places: false,
            any_kind: false,
        }
    }
}

/// All runs of one stage.
#[derive(Clone, Debug)]
pub struct Exploration {
    /// The stage as the machine runs it.
    pub chart: Arc<Chart>,
    /// Situations that were seen.
    pub states: usize,
    /// Different runs: ways through the graph of situations, kinds of error counted one by one. Beyond
    /// 2^53 it is rounded.
    pub schedules: f64,
    /// Nothing was left out: the bound on situations was enough.
    pub complete: bool,
    /// How runs end, each with a shortest example; by exit status.
    pub ways: Vec<Way>,
    /// Transitions that were taken.
    pub taken: HashSet<(StateId, Transition)>,
    /// By state: some run comes to it.
    pub entered: Vec<bool>,
    /// By step: some run tries it.
    pub tried: Vec<bool>,
    /// What no run may do and some does.
    pub breaches: Vec<(Breach, Example)>,
    /// Steps that are refused because their `needs` are unmet.
    pub unmet: Vec<Unmet>,
    /// `ensures` that do not hold at the end of some run.
    pub broken: Vec<Broken>,
}

/// One way to end.
#[derive(Clone, Debug)]
pub struct Way {
    /// The exit status.
    pub status: u8,
    /// The status is computed by the recipe from what is not known here; it is taken as 1.
    pub computed: bool,
    /// What decided it.
    pub ending: Ending,
    /// How many runs end so.
    pub schedules: f64,
    /// A shortest one.
    pub example: Example,
}

/// `needs` of a step that some run finds unmet.
#[derive(Clone, Debug)]
pub struct Unmet {
    /// The step.
    pub step: StepId,
    /// The tracked value.
    pub track: TrackId,
    /// What is known of it there.
    pub value: TrackValue,
    /// A shortest run to there.
    pub example: Example,
}

/// `ensures` that some run breaks.
#[derive(Clone, Debug)]
pub struct Broken {
    /// The tracked value.
    pub track: TrackId,
    /// What is known of it at the end.
    pub value: TrackValue,
    /// Broken at what would have been a success; else at another end (`always`).
    pub success: bool,
    /// A shortest run.
    pub example: Example,
}

/// Explores one stage.
///
/// # Errors
/// The recipe is no chart; loading and checking have complained about that.
pub fn explore(recipe: &Recipe, stage: &str, options: Options) -> Result<Exploration, ChartError> {
    let chart = Arc::new(Chart::build(recipe, stage)?);
    Ok(explore_chart(recipe, &chart, &Raises::of(recipe), options))
}

/// The same, of a stage's chart.
pub(crate) fn explore_chart(
    recipe: &Recipe,
    chart: &Arc<Chart>,
    raises: &Raises<'_>,
    options: Options,
) -> Exploration {
    let setting = Setting::new(recipe, raises, chart, options);
    let search = Search::run(&setting, options.max_states);
    gather(&setting, &search)
}

/// Whether some run of a stage has just these tries in this order, and ends with this exit status
/// (SIGINT as SIGTERM). `None`: too many runs begin so to tell.
///
/// # Errors
/// The recipe is no chart.
pub fn admits(
    recipe: &Recipe,
    stage: &str,
    options: Options,
    tries: &[Try],
    status: u8,
) -> Result<Option<bool>, ChartError> {
    let chart = Arc::new(Chart::build(recipe, stage)?);
    let setting = Setting::new(recipe, &Raises::of(recipe), &chart, options);
    let status = if status == 130 { 143 } else { status };
    Ok(setting.admits(tries, status))
}

impl Setting {
    pub(super) fn new(
        recipe: &Recipe,
        raises: &Raises<'_>,
        chart: &Arc<Chart>,
        options: Options,
    ) -> Self {
        let mut variables = Variables::new(recipe, chart.stage());
        let questions = Questions::new(chart, &mut variables, recipe);
        let effects = Effects::new(chart, &variables, recipe);
        let live = Liveness::new(chart, &questions, &variables);
        let kinds = Kinds::new(chart, &variables, |step| match options.any_kind {
            true => KindSet::ALL,
            false => raises.of_try(chart.home(chart.owner(step)), chart.step(step)),
        });
        Self {
            chart: Arc::clone(chart),
            values: effects.at_start(&variables),
            variables: variables.all,
            questions,
            effects,
            live,
            kinds,
            contents: chart.worst_contents(),
            signals: options.signals,
            places: options.places,
            any_kind: options.any_kind,
        }
    }
}

fn gather(setting: &Setting, search: &Search) -> Exploration {
    let (counts, circle) = search.ways();
    let example = |seen: Seen| setting.example(search.way_to(seen));
    let mut ways: Vec<Way> = Vec::new();
    for end in &search.ends {
        let status = end.ending.end.status();
        let apart = setting.places || status == 46;
        let same = ways.iter_mut().find(|way| {
            way.status == status
                && way.computed == end.computed
                && (!apart
                    || (way.ending.state, way.ending.step, way.ending.kind)
                        == (end.ending.state, end.ending.step, end.ending.kind))
        });
        let schedules = counts.get(end.node as usize).copied().unwrap_or_default();
        match same {
            Some(way) => way.schedules += schedules,
            None => ways.push(Way {
                status,
                computed: end.computed,
                ending: end.ending,
                schedules,
                example: example(Seen {
                    node: end.node,
                    choice: None,
                }),
            }),
        }
    }
    ways.sort_by_key(|way| (way.status, way.computed));
    let mut breaches: Vec<(Breach, Example)> = search
        .seen
        .breaches
        .iter()
        .map(|(breach, seen)| (*breach, example(*seen)))
        .collect();
    if let (Some(node), true) = (circle, search.complete) {
        let choice = None;
        breaches.push((Breach::NoEnd, example(Seen { node, choice })));
    }
    let unmet = search.seen.unmet.iter();
    let broken = search.seen.broken.iter();
    Exploration {
        chart: Arc::clone(&setting.chart),
        states: search.count(),
        schedules: ways.iter().map(|way| way.schedules).sum(),
        complete: search.complete,
        taken: search.seen.transitions.clone(),
        entered: search.seen.entered.clone(),
        tried: search.seen.tried.clone(),
        breaches,
        unmet: unmet
            .map(|(step, track, value, seen)| Unmet {
                step: *step,
                track: *track,
                value: *value,
                example: example(*seen),
            })
            .collect(),
        broken: broken
            .map(|(track, value, success, seen)| Broken {
                track: *track,
                value: *value,
                success: *success,
                example: example(*seen),
            })
            .collect(),
        ways,
    }
}
