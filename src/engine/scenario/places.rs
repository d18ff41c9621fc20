//! What scenarios call the states and steps of a stage: by the names that the recipe gives them.

use std::collections::HashMap;

use crate::diagnostic::nearest;
use crate::machine::{Chart, List, Site, StateId, StepId};

/// The lists that steps stand in.
const LISTS: [List; 4] = [List::Enter, List::Do, List::Exit, List::Between];

/// The names of one stage and of the procedures that it reaches.
pub(super) struct Places<'c> {
    chart: &'c Chart,
    states: HashMap<StateId, String>,
}

/// Why a name means nothing.
pub(super) enum Unclear {
    /// There is none of this name; perhaps this one was meant.
    Unknown(Option<String>),
    /// There are several; these names tell them apart.
    Several(Vec<String>),
}

impl<'c> Places<'c> {
    pub(super) fn new(chart: &'c Chart) -> Self {
        let mut named: HashMap<&str, u32> = HashMap::new();
        for state in chart.states() {
            *named.entry(chart.name(state)).or_default() += 1;
        }
        let states = chart
            .states()
            .map(|state| {
                let name = chart.name(state);
                let own = named.get(name) == Some(&1);
                let label = if own { name } else { chart.path(state) };
                (state, label.to_owned())
            })
            .collect();
        Self { chart, states }
    }

    /// What a state is called: its name, or its path where several have that name.
    pub(super) fn state(&self, state: StateId) -> &str {
        self.states.get(&state).map_or("", String::as_str)
    }

    /// What a step is called: `STATE/NAME`, or `STATE:LIST.N` where several have that name.
    pub(super) fn step(&self, step: StepId) -> String {
        let owner = self.chart.owner(step);
        let state = self.state(owner);
        let name = &self.chart.step(step).name;
        if self.named(owner, name).len() == 1 {
            format!("{state}/{name}")
        } else {
            self.placed(step)
        }
    }

    fn placed(&self, step: StepId) -> String {
        let (list, at) = self.chart.position(step);
        let state = self.state(self.chart.owner(step));
        format!("{state}:{}.{at}", list.word())
    }

    fn named(&self, owner: StateId, name: &str) -> Vec<StepId> {
        let all = self
            .chart
            .steps()
            .filter(|step| self.chart.owner(*step) == owner);
        all.filter(|step| self.chart.step(*step).name == name)
            .collect()
    }

    /// The state that a name or path means.
    pub(super) fn find_state(&self, text: &str) -> Result<StateId, Unclear> {
        if let Some(state) = self.chart.find_state(text) {
            return Ok(state);
        }
        let mut found = self
            .chart
            .states()
            .filter(|state| self.chart.name(*state) == text);
        match (found.next(), found.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => {
                let all = self
                    .chart
                    .states()
                    .filter(|state| self.chart.name(*state) == text);
                let paths = all.map(|state| self.chart.path(state).to_owned());
                Err(Unclear::Several(paths.collect()))
            }
            (None, _) => {
                let labels = self.states.values().map(String::as_str);
                Err(Unclear::Unknown(nearest(text, labels).map(str::to_owned)))
            }
        }
    }

    /// The step that `STATE/NAME` or `STATE:LIST.N` means.
    pub(super) fn find_step(&self, text: &str) -> Result<StepId, Unclear> {
        if let Some((state, place)) = text.rsplit_once(':') {
            let owner = self.find_state(state)?;
            let name = format!("{}:{place}", self.chart.path(owner));
            return self.chart.find_step(&name).ok_or_else(|| {
                let steps = LISTS
                    .into_iter()
                    .flat_map(|list| self.chart.steps_of(owner, list));
                let labels: Vec<String> = steps.map(|step| self.placed(step)).collect();
                let similar = nearest(text, labels.iter().map(String::as_str));
                Unclear::Unknown(similar.map(str::to_owned))
            });
        }
        let unknown = || {
            let labels: Vec<String> = self.chart.steps().map(|step| self.step(step)).collect();
            let similar = nearest(text, labels.iter().map(String::as_str));
            Unclear::Unknown(similar.map(str::to_owned))
        };
        let Some((state, name)) = text.rsplit_once('/') else {
            return Err(unknown());
        };
        let state = if state.is_empty() { "/" } else { state };
        let owner = self.find_state(state).map_err(|unclear| match unclear {
            Unclear::Unknown(_) => unknown(),
            Unclear::Several(paths) => {
                Unclear::Several(paths.iter().map(|path| format!("{path}/{name}")).collect())
            }
        })?;
        match self.named(owner, name).as_slice() {
            [] => Err(unknown()),
            [only] => Ok(*only),
            several => Err(Unclear::Several(
                several.iter().map(|step| self.placed(*step)).collect(),
            )),
        }
    }

    /// The state or step that a text means; a state goes first.
    pub(super) fn find(&self, text: &str) -> Result<Site, Unclear> {
        match self.find_state(text) {
            Ok(state) => Ok(Site::State(state)),
            Err(unclear) => match self.find_step(text) {
                Ok(step) => Ok(Site::Step(step)),
                Err(step) if text.contains(['/', ':']) => Err(step),
                Err(_) => Err(unclear),
            },
        }
    }
}
