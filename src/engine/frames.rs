//! What templates see while a run goes on: a frame for the stage, and one for each call under way.
//!
//! Only facts change it ([`Memory`](super::memory::Memory) folds them). What was computed for a fact
//! that has not come yet (`vars` of a state, items, arguments) is held aside until it does.

use std::collections::HashMap;

use serde_json::Value;

use crate::machine::{Chart, Site, StateId, StepId};
use crate::recipe::template::Context;

/// The items of a `for_each` under way.
#[derive(Clone, Debug)]
pub(super) struct Items {
    pub(super) values: Vec<Value>,
    pub(super) secret: bool,
    /// The present one, from 0.
    pub(super) index: usize,
}

/// A value and whether something secret went into it.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) value: Value,
    pub(super) secret: bool,
}

/// What the stage, or a procedure that was called, sees.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// The recipe whose inputs, hosts and gear it uses; `None`: the running one.
    pub(super) home: Option<String>,
    /// All names but `item`, `index` and `host`, which depend on the place.
    pub(super) context: Context,
    items: HashMap<Site, Items>,
    /// Lists that steps with `for_each` have saved so far.
    grown: HashMap<StepId, (Vec<Value>, bool)>,
}

impl Frame {
    /// A frame over the constants of a run.
    pub(super) fn new(home: Option<String>, mut context: Context) -> Self {
        context.set("vars", Value::Object(serde_json::Map::new()));
        context.set("error", Value::Null);
        Self {
            home,
            context,
            items: HashMap::new(),
            grown: HashMap::new(),
        }
    }

    pub(super) fn begin_items(&mut self, of: Site, items: Items) {
        self.items.insert(of, items);
    }

    pub(super) fn item_begun(&mut self, of: Site, index: u32) {
        if let Some(items) = self.items.get_mut(&of) {
            items.index = usize::try_from(index).unwrap_or(usize::MAX);
        }
    }

    pub(super) fn end_items(&mut self, of: Site) {
        self.items.remove(&of);
    }

    /// The present item of a step's own `for_each`, and its number.
    pub(super) fn own_item(&self, step: StepId) -> Option<(Value, usize)> {
        let items = self.items.get(&Site::Step(step))?;
        Some((items.values.get(items.index)?.clone(), items.index))
    }

    /// What templates of a place see: with `item` and `index` of the nearest `for_each`. `inside`
    /// says whether the place's own counts: its `when` and its list are computed before.
    pub(super) fn context_at(&self, chart: &Chart, at: Site, inside: bool) -> Context {
        let own = inside.then_some(at);
        let from: Option<StateId> = match at {
            Site::State(state) => chart.parent(state),
            Site::Step(step) => Some(chart.owner(step)),
        };
        let around = from
            .into_iter()
            .flat_map(|state| chart.chain(state))
            .map(Site::State);
        let nearest = own
            .into_iter()
            .chain(around)
            .find_map(|site| self.items.get(&site));
        let mut context = self.context.clone();
        if let Some(items) = nearest
            && let Some(item) = items.values.get(items.index)
        {
            context.set("item", item.clone());
            context.set("index", Value::from(items.index));
            if items.secret {
                context.mark_secret(["item"]);
            }
        }
        context
    }

    pub(super) fn set_var(&mut self, name: &str, kept: &Kept) {
        self.context
            .set_member("vars", name, &kept.value, kept.secret);
    }

    /// Begins the list that a step with `for_each` saves.
    pub(super) fn begin_list(&mut self, step: StepId, name: &str) {
        self.grown.insert(step, (Vec::new(), false));
        self.context
            .set_member("vars", name, &Value::Array(Vec::new()), false);
    }

    /// Adds to that list.
    pub(super) fn grow_list(&mut self, step: StepId, name: &str, kept: Kept) {
        let (list, secret) = self.grown.entry(step).or_default();
        list.push(kept.value);
        *secret |= kept.secret;
        self.context
            .set_member("vars", name, &Value::Array(list.clone()), *secret);
    }

    /// Forgets what only matters while the step's list grows.
    pub(super) fn end_list(&mut self, step: StepId) {
        self.grown.remove(&step);
    }
}
