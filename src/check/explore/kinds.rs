//! Kinds of error that nothing tells apart are one: the explorer takes the first for all.

use super::variables::Variables;
use crate::machine::{Chart, Configuration, StepId};
use crate::recipe::{ErrorKind, KindSet};

/// What tells kinds apart, by place.
#[derive(Debug)]
pub(super) struct Kinds {
    /// By step: what one try can raise.
    raised: Vec<KindSet>,
    /// Kinds that guards compare `error.kind` or `outcome.kind` with, each alone.
    named: Vec<KindSet>,
}

impl Kinds {
    pub(super) fn new(
        chart: &Chart,
        variables: &Variables<'_>,
        raised: impl Fn(StepId) -> KindSet,
    ) -> Self {
        let mut named = Vec::new();
        for variable in &variables.all {
            if !variable.reads("error", None) && !variable.reads("outcome", None) {
                continue;
            }
            for value in variable.compared() {
                if let Some(kind) = value.as_str().and_then(|word| word.parse().ok()) {
                    named.push(KindSet::of(&[kind]));
                }
            }
        }
        Self {
            raised: chart.steps().map(raised).collect(),
            named,
        }
    }

    /// What a try of the step in hand can raise, in classes: kinds of one class lead to the same from
    /// here on. `own_bound`: a timeout by its own bound is explored as such.
    pub(super) fn classes(
        &self,
        chart: &Chart,
        at: &Configuration,
        step: StepId,
        own_bound: bool,
        into: &mut Vec<KindSet>,
    ) {
        into.clear();
        let raised = self.raised.get(step.index()).copied();
        let mut raised = raised.unwrap_or_default().without(ErrorKind::Cancelled);
        if own_bound {
            raised = raised.without(ErrorKind::Timeout);
        }
        if raised == KindSet::NONE {
            return;
        }
        into.push(raised);
        let mut split = |mask: KindSet| {
            for n in 0..into.len() {
                if let Some(class) = into.get_mut(n) {
                    let (inside, outside) = (class.common(mask), class.minus(mask));
                    if inside != KindSet::NONE && outside != KindSet::NONE {
                        *class = inside;
                        into.push(outside);
                    }
                }
            }
        };
        self.named.iter().for_each(|kind| split(*kind));
        chart.kinds_of_step(step, &mut split);
        for standing in at.standings() {
            chart.kinds_of_state(standing.state, &mut split);
            // A call on the way: its step's modifiers see the error, too.
            if standing.active {
                chart.kinds_of_step(standing.step, &mut split);
            }
        }
    }
}
