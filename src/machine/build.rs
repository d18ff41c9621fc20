//! From a loaded recipe to a chart: ids given out, names resolved, questions numbered.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use petgraph::graph::{DiGraph, NodeIndex};

use super::chart::{
    Home, Kind, Known, Need, Node, RETRIED, RetryRule, Set, SetTo, StepNode, Track, forgiven_kinds,
};
use super::place::List;
use super::{Ask, AskId, AskKind, Chart, RetryPlan, Site, StateId, StepId, TrackId};
use crate::recipe::model::{
    Body, EndKind, Map, Needs, Recipe, Retry, State, Step, StepTimeout, Templated,
};

/// Actions whose work goes on until the scope that they were an enter step of has left.
const LIVE_WITH_SCOPE: [&str; 2] = ["capture", "serve"];

/// Why a recipe is no chart. The loader refuses all of these with their places; the machine does not
/// rely on that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChartError {
    /// No such stage.
    #[error("there is no stage `{0}`")]
    NoStage(String),
    /// A stage or procedure that is a choice or an end.
    #[error("`{0}` is neither a leaf nor a scope")]
    NotRunnable(String),
    /// A target or `initial` that names nothing it may name.
    #[error("`{at}` leads to `{target}`, which is not a state beside it or around it")]
    NoTarget {
        /// The state's path.
        at: String,
        /// The name.
        target: String,
    },
    /// A `next` whose rows may all be false.
    #[error("`{0}` has a `next` whose last row has a `when`, or none at all")]
    OpenNext(String),
    /// A call of what does not exist.
    #[error("`{at}` calls `{procedure}`, which does not exist")]
    NoProcedure {
        /// The step's name.
        at: String,
        /// The procedure's.
        procedure: String,
    },
    /// A call elsewhere than in `do` or `enter`.
    #[error("`{0}` is a call: these stand in `do` and `enter` only")]
    MisplacedCall(String),
    /// Procedures that call each other.
    #[error("procedure `{0}` calls itself")]
    CallCycle(String),
    /// A cycle without `max_visits`.
    #[error("a cycle has no `max_visits`: {}", .0.join(" → "))]
    UnboundedCycle(Vec<String>),
    /// More states, steps or tracked values than there are ids for.
    #[error("the recipe is too large")]
    TooLarge,
}

impl Chart {
    /// The chart of one stage.
    pub fn build(recipe: &Recipe, stage: &str) -> Result<Self, ChartError> {
        let root = recipe
            .stages
            .get(stage)
            .ok_or_else(|| ChartError::NoStage(stage.to_owned()))?;
        let mut builder = Builder {
            recipe,
            chart: Self {
                stage: stage.to_owned(),
                graph: DiGraph::new(),
                steps: Vec::new(),
                asks: Vec::new(),
                tracks: Vec::new(),
                ensures_success: Vec::new(),
                ensures_always: Vec::new(),
            },
            procedures: HashMap::new(),
            calls: DiGraph::new(),
        };
        builder.declare_tracks();
        builder.add_tree(&root.root, None)?;
        builder.chart.ensures_success = builder.needs(&root.ensures.success, None)?;
        builder.chart.ensures_always = builder.needs(&root.ensures.always, None)?;
        builder.add_called()?;
        builder.resolve_targets()?;
        let chart = builder.chart;
        chart.refuse_unbounded_cycles()?;
        Ok(chart)
    }
}

pub(super) struct Builder<'r> {
    pub(super) recipe: &'r Recipe,
    pub(super) chart: Chart,
    pub(super) procedures: HashMap<String, StateId>,
    /// Who calls whom, by procedure; node 0 is the stage.
    pub(super) calls: DiGraph<String, ()>,
}

impl Builder<'_> {
    fn declare_tracks(&mut self) {
        for (name, values) in &self.recipe.tracks {
            self.declare(None, name, values.iter().map(String::as_str));
        }
        for (name, gear) in &self.recipe.gear {
            self.declare(None, name, gear.kind.values().iter().copied());
        }
    }

    fn declare<'v>(
        &mut self,
        home: Option<&str>,
        name: &str,
        values: impl Iterator<Item = &'v str>,
    ) {
        let values: Vec<String> = values.map(str::to_owned).collect();
        if !values.is_empty() {
            self.chart.tracks.push(Track {
                home: home.map(str::to_owned),
                name: name.to_owned(),
                values,
            });
        }
    }

    /// The tracked value that a state of `home` calls so: that recipe's gear, else the run's.
    fn track(&mut self, home: Option<&str>, name: &str) -> Result<TrackId, ChartError> {
        let gear = home.and_then(|recipe| self.recipe.imports.get(recipe)?.gear.get(name));
        let home = home.filter(|_| gear.is_some());
        let known = |track: &Track| track.name == name && track.home.as_deref() == home;
        let at = match self.chart.tracks.iter().position(known) {
            Some(at) => at,
            None => {
                let values = gear.map_or(&[][..], |gear| gear.kind.values());
                self.chart.tracks.push(Track {
                    home: home.map(str::to_owned),
                    name: name.to_owned(),
                    values: values.iter().map(|value| (*value).to_owned()).collect(),
                });
                self.chart.tracks.len() - 1
            }
        };
        u16::try_from(at)
            .map(TrackId)
            .map_err(|_| ChartError::TooLarge)
    }

    fn value(&mut self, track: TrackId, value: &str) -> Result<u16, ChartError> {
        let values = &mut self.chart.tracks[usize::from(track.0)].values;
        let at = values.iter().position(|known| known == value);
        let at = at.unwrap_or_else(|| {
            values.push(value.to_owned());
            values.len() - 1
        });
        u16::try_from(at).map_err(|_| ChartError::TooLarge)
    }

    fn needs(&mut self, needs: &Needs, home: Option<&str>) -> Result<Vec<Need>, ChartError> {
        let mut rules = Vec::with_capacity(needs.len());
        for (name, values) in needs {
            let track = self.track(home, name)?;
            let any_of = values.value.iter().map(|value| self.value(track, value));
            rules.push(Need {
                track,
                any_of: any_of.collect::<Result<_, _>>()?,
            });
        }
        Ok(rules)
    }

    fn sets(
        &mut self,
        sets: &Map<Option<String>>,
        home: Option<&str>,
        of: Site,
    ) -> Result<Vec<Set>, ChartError> {
        let mut rules = Vec::with_capacity(sets.len());
        for (name, value) in sets {
            let track = self.track(home, name)?;
            let to = match value {
                Some(value) => SetTo::Value(self.value(track, value)?),
                None => SetTo::Reading(self.ask(AskKind::Reading(track), of)?),
            };
            rules.push(Set { track, to });
        }
        Ok(rules)
    }

    pub(super) fn ask(&mut self, kind: AskKind, of: Site) -> Result<AskId, ChartError> {
        let id = u32::try_from(self.chart.asks.len()).map_err(|_| ChartError::TooLarge)?;
        self.chart.asks.push(Ask { kind, of });
        Ok(AskId(id))
    }

    pub(super) fn ask_if(
        &mut self,
        asked: bool,
        kind: AskKind,
        of: Site,
    ) -> Result<Option<AskId>, ChartError> {
        asked.then(|| self.ask(kind, of)).transpose()
    }

    /// Adds a stage or procedure with all states inside, level by level, so that siblings have ids in
    /// a row.
    pub(super) fn add_tree(
        &mut self,
        root: &Arc<State>,
        procedure: Option<&Arc<Home>>,
    ) -> Result<StateId, ChartError> {
        if !matches!(root.body, Body::Leaf { .. } | Body::Scope { .. }) {
            return Err(ChartError::NotRunnable(root.name.value.clone()));
        }
        let path = procedure.map_or("/", |home| &home.procedure).to_owned();
        let id = self.add_state(root, path, procedure, None, 0)?;
        let mut at = id.0;
        while (at as usize) < self.chart.graph.node_count() {
            self.add_inside(StateId(at))?;
            at += 1;
        }
        Ok(id)
    }

    fn add_state(
        &mut self,
        state: &Arc<State>,
        path: String,
        procedure: Option<&Arc<Home>>,
        parent: Option<StateId>,
        child: u32,
    ) -> Result<StateId, ChartError> {
        let id = u32::try_from(self.chart.graph.node_count())
            .map(StateId)
            .map_err(|_| ChartError::TooLarge)?;
        self.chart.graph.add_node(Node {
            state: Arc::clone(state),
            path,
            procedure: procedure.cloned(),
            parent,
            child,
            children: 0..0,
            initial: None,
            kind: Kind::Choice,
            when: None,
            items: None,
            vars: None,
            timeout: None,
            retry: None,
            rows: Vec::new(),
            catch: Vec::new(),
            first: 0..0,
            exit: 0..0,
            between: 0..0,
        });
        Ok(id)
    }

    /// The questions, steps and children of a state that has its id.
    fn add_inside(&mut self, id: StateId) -> Result<(), ChartError> {
        let node = self.chart.node(id);
        let (state, path) = (Arc::clone(&node.state), node.path.clone());
        let procedure = node.procedure.clone();
        let of = Site::State(id);
        let is_root = node.parent.is_none();
        let with_recipe_vars = id == self.chart.root() && !self.recipe.vars.is_empty();

        let when = self.ask_if(state.when.is_some(), AskKind::When, of)?;
        let items = self.ask_if(state.for_each.is_some() && !is_root, AskKind::Items, of)?;
        let has_vars = !state.vars.is_empty() || with_recipe_vars;
        let vars = self.ask_if(has_vars, AskKind::Vars, of)?;
        let timeout = self.duration(state.timeout.as_ref(), of)?;
        let retry = self.retry(state.retry.as_ref(), of)?;
        let between = match &state.retry {
            Some(retry) => self.add_steps(&retry.between, id, List::Between)?,
            None => 0..0,
        };
        let (mut first, mut exit, mut children) = (0..0, 0..0, 0..0);
        let kind = match &state.body {
            Body::Leaf { steps } => {
                first = self.add_steps(steps, id, List::Do)?;
                Kind::Leaf
            }
            Body::Scope {
                enter,
                states,
                exit: exit_steps,
                ..
            } => {
                first = self.add_steps(enter, id, List::Enter)?;
                exit = self.add_steps(exit_steps, id, List::Exit)?;
                let begin = self.chart.graph.node_count();
                for (n, (name, child)) in (0..).zip(states) {
                    let slash = if path.ends_with('/') { "" } else { "/" };
                    let path = format!("{path}{slash}{name}");
                    self.add_state(child, path, procedure.as_ref(), Some(id), n)?;
                }
                children = range(begin, self.chart.graph.node_count())?;
                Kind::Scope
            }
            Body::Choice => Kind::Choice,
            Body::End {
                end, exit_status, ..
            } => {
                let asked = *end == EndKind::Failure && exit_status.is_some();
                Kind::End {
                    end: *end,
                    status: self.ask_if(asked, AskKind::ExitStatus, of)?,
                }
            }
        };
        let node = &mut self.chart.graph[NodeIndex::new(id.0 as usize)];
        node.kind = kind;
        node.when = when;
        node.items = items;
        node.vars = vars;
        node.timeout = timeout;
        node.retry = retry;
        node.between = between;
        node.first = first;
        node.exit = exit;
        node.children = children;
        Ok(())
    }

    fn add_steps(
        &mut self,
        steps: &[Arc<Step>],
        owner: StateId,
        list: List,
    ) -> Result<Range<u32>, ChartError> {
        let begin = self.chart.steps.len();
        for (index, step) in (0..).zip(steps) {
            let id = u32::try_from(self.chart.steps.len()).map_err(|_| ChartError::TooLarge)?;
            let node = self.step(step, StepId(id), owner, list, index)?;
            self.chart.steps.push(node);
        }
        range(begin, self.chart.steps.len())
    }

    fn step(
        &mut self,
        step: &Arc<Step>,
        id: StepId,
        owner: StateId,
        list: List,
        index: u32,
    ) -> Result<StepNode, ChartError> {
        let of = Site::Step(id);
        let home = self.chart.node(owner).procedure.clone();
        let home = home.as_ref().and_then(|home| home.recipe.as_deref());
        let timeout = match &step.timeout {
            StepTimeout::None => None,
            StepTimeout::After(after) => self.duration(Some(after), of)?,
            StepTimeout::PerLine(_) => Some(Known::Ask(self.ask(AskKind::Timeout, of)?)),
        };
        Ok(StepNode {
            step: Arc::clone(step),
            owner,
            list,
            index,
            when: self.ask_if(step.when.is_some(), AskKind::When, of)?,
            items: self.ask_if(step.for_each.is_some(), AskKind::Items, of)?,
            timeout,
            retry: self.retry(step.retry.as_ref(), of)?,
            call: None,
            needs: self.needs(&step.needs, home)?,
            sets: self.sets(&step.sets, home, of)?,
            forgives: forgiven_kinds(step.allow_failure),
            lives_with_scope: list == List::Enter && LIVE_WITH_SCOPE.contains(&step.action.name),
        })
    }

    fn duration(
        &mut self,
        timeout: Option<&Templated<Duration>>,
        of: Site,
    ) -> Result<Option<Known<Duration>>, ChartError> {
        Ok(match timeout {
            None => None,
            Some(Templated::Literal(after)) => Some(Known::Literal(*after)),
            Some(Templated::Template(_)) => Some(Known::Ask(self.ask(AskKind::Timeout, of)?)),
        })
    }

    fn retry(&mut self, retry: Option<&Retry>, of: Site) -> Result<Option<RetryRule>, ChartError> {
        let Some(retry) = retry else { return Ok(None) };
        let plan = match RetryPlan::literal(retry) {
            Some(plan) => Known::Literal(plan),
            None => Known::Ask(self.ask(AskKind::Retry, of)?),
        };
        Ok(Some(RetryRule {
            plan,
            errors: retry.errors.unwrap_or(RETRIED),
        }))
    }
}

fn range(begin: usize, end: usize) -> Result<Range<u32>, ChartError> {
    let [begin, end] = [begin, end].map(u32::try_from);
    match (begin, end) {
        (Ok(begin), Ok(end)) => Ok(begin..end),
        _ => Err(ChartError::TooLarge),
    }
}
