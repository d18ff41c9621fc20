//! What templates see while a run goes on: a frame for the stage, and one for each call under way.
//!
//! Only facts change it ([`Memory`](super::memory::Memory) folds them). What was computed for a fact
//! that has not come yet (`vars` of a state, items, arguments) is held aside until it does.

use std::collections::HashMap;

use serde_json::Value;

use super::recovery::Lost;
use crate::machine::{Chart, Site, StateId, StepId};
use crate::recipe::template::Context;

/// The items of a `for_each` under way.
#[derive(Clone, Debug)]
pub(super) struct Items {
    /// Those from `first` on. Of a run that was killed only the present one is known, or none.
    pub(super) values: Vec<Value>,
    /// The number of the first that is known.
    pub(super) first: usize,
    pub(super) secret: bool,
    /// Why the present one is not known.
    pub(super) lost: Option<String>,
    /// The present one, from 0.
    pub(super) index: usize,
}

impl Items {
    /// The present one.
    pub(super) fn present(&self) -> Option<&Value> {
        self.values.get(self.index.checked_sub(self.first)?)
    }
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
    /// What a recovery does not know of it.
    pub(super) lost: Lost,
    items: HashMap<Site, Items>,
    /// Lists that steps with `for_each` have saved so far.
    grown: HashMap<StepId, Grown>,
}

/// A list that grows.
#[derive(Clone, Debug)]
struct Grown {
    name: String,
    values: Vec<Value>,
    secret: bool,
    /// The step reads it while it grows; else it is shown once it is whole, for each showing costs as
    /// much as the list is long.
    watched: bool,
}

impl Frame {
    /// A frame over the constants of a run.
    pub(super) fn new(home: Option<String>, mut context: Context) -> Self {
        context.set("vars", Value::Object(serde_json::Map::new()));
        context.set("error", Value::Null);
        Self {
            home,
            context,
            lost: Lost::default(),
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

    /// The items of a `for_each` under way.
    pub(super) fn items(&self, of: Site) -> Option<&Items> {
        self.items.get(&of)
    }

    pub(super) fn end_items(&mut self, of: Site) {
        self.items.remove(&of);
    }

    /// The present item of a step's own `for_each`, and its number.
    pub(super) fn own_item(&self, step: StepId) -> Option<(Value, usize)> {
        let items = self.items.get(&Site::Step(step))?;
        Some((items.present()?.clone(), items.index))
    }

    /// What templates of a place see: with `item` and `index` of the nearest `for_each`. `inside`
    /// says whether the place's own counts: its `when` and its list are computed before.
    pub(super) fn context_at(&self, chart: &Chart, at: Site, inside: bool) -> Context {
        let mut context = self.context.clone();
        if let Some(items) = self.nearest_items(chart, at, inside) {
            context.set("index", Value::from(items.index));
            if let Some(item) = items.present() {
                context.set("item", item.clone());
            }
            if items.secret {
                context.mark_secret(["item"]);
            }
        }
        context
    }

    /// The `for_each` whose `item` a place sees.
    pub(super) fn nearest_items(&self, chart: &Chart, at: Site, inside: bool) -> Option<&Items> {
        let own = inside.then_some(at);
        let from: Option<StateId> = match at {
            Site::State(state) => chart.parent(state),
            Site::Step(step) => Some(chart.owner(step)),
        };
        let around = from
            .into_iter()
            .flat_map(|state| chart.chain(state))
            .map(Site::State);
        own.into_iter()
            .chain(around)
            .find_map(|site| self.items.get(&site))
    }

    pub(super) fn set_var(&mut self, name: &str, kept: &Kept) {
        self.lost.found("vars", name);
        self.context
            .set_member("vars", name, &kept.value, kept.secret);
    }

    /// Begins the list that a step with `for_each` saves. Gives it where it is shown.
    pub(super) fn begin_list(
        &mut self,
        step: StepId,
        name: &str,
        watched: bool,
    ) -> Option<(String, Kept)> {
        let grown = Grown {
            name: name.to_owned(),
            values: Vec::new(),
            secret: false,
            watched,
        };
        self.grown.insert(step, grown);
        self.show_list(step)
    }

    /// Adds to that list. Gives it where it is shown.
    pub(super) fn grow_list(&mut self, step: StepId, kept: Kept) -> Option<(String, Kept)> {
        let list = self.grown.get_mut(&step)?;
        list.values.push(kept.value);
        list.secret |= kept.secret;
        if list.watched {
            self.show_list(step)
        } else {
            None
        }
    }

    /// The list is whole. Gives it.
    pub(super) fn end_list(&mut self, step: StepId) -> Option<(String, Kept)> {
        let shown = self.show_list(step);
        self.grown.remove(&step);
        shown
    }

    fn show_list(&mut self, step: StepId) -> Option<(String, Kept)> {
        let list = self.grown.get(&step)?;
        let name = list.name.clone();
        let kept = Kept {
            value: Value::Array(list.values.clone()),
            secret: list.secret,
        };
        self.set_var(&name, &kept);
        Some((name, kept))
    }
}
