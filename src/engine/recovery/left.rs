//! What a run that was killed left, folded from its journal.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::super::record::{Noted, Record, What};
use crate::machine::{Activation, Chart, Item, StateId};

/// What was open at a journal's last line, and the values that exit steps read.
#[derive(Clone, Debug)]
pub(super) struct Left {
    /// Scopes, outermost first, by path through calls. Never empty.
    pub(super) open: Vec<Arc<str>>,
    /// Items of `for_each` under way, by the name of the state or step.
    pub(super) items: HashMap<Arc<str>, LeftItem>,
    /// Values by name, of the stage and of each call under way.
    pub(super) frames: Vec<BTreeMap<String, Noted>>,
}

/// An item of a `for_each` that was under way.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LeftItem {
    pub(super) at: Item,
    /// `None`: no exit step reads it.
    pub(super) value: Option<Noted>,
}

impl Left {
    /// What these facts leave open; `None`: nothing.
    pub(super) fn of(records: &[Record]) -> Option<Self> {
        let mut left = Self {
            open: Vec::new(),
            items: HashMap::new(),
            frames: vec![BTreeMap::new()],
        };
        for record in records {
            left.fold(record);
        }
        // A kill may fall between the end of a procedure and that of its call.
        let calls = left.open.last()?.matches('>').count();
        left.frames.truncate(calls.saturating_add(1));
        Some(left)
    }

    fn fold(&mut self, record: &Record) {
        match &record.what {
            What::StateEntered {
                state, scope: true, ..
            } => self.open.push(state.clone()),
            What::ScopeLeft { state, .. } => {
                if let Some(at) = self.open.iter().rposition(|open| open == state) {
                    self.open.truncate(at);
                }
            }
            What::ItemBegun { of, index, count } => {
                let item = LeftItem {
                    at: Item {
                        index: *index,
                        count: *count,
                    },
                    value: record.values.get("item").cloned(),
                };
                self.items.insert(of.clone(), item);
            }
            What::ItemsEnded { of } => {
                self.items.remove(of);
            }
            What::CallEntered { .. } => self.frames.push(BTreeMap::new()),
            What::CallLeft { .. } if self.frames.len() > 1 => {
                self.frames.pop();
            }
            _ => {}
        }
        if let Some(frame) = self.frames.last_mut() {
            let values = record.values.iter().filter(|(name, _)| *name != "item");
            frame.extend(values.map(|(name, noted)| (name.clone(), noted.clone())));
        }
    }

    /// The activations that were on the stack, outermost first: all those around the innermost open
    /// scope. `None`: the chart has no such places.
    pub(super) fn stack(&self, chart: &Chart) -> Option<Vec<Activation>> {
        let mut segments: Vec<&str> = self.open.last()?.split('>').collect();
        let innermost = chart.find_state(segments.pop()?)?;
        let mut stack = Vec::new();
        let mut calls = String::new();
        for segment in segments {
            let step = chart.find_step(segment)?;
            self.push_chain(chart, &calls, chart.owner(step), &mut stack);
            let place = format!("{calls}{segment}");
            if let Some(caller) = stack.last_mut() {
                caller.call = Some((step, self.item(&place)));
            }
            calls = format!("{place}>");
        }
        self.push_chain(chart, &calls, innermost, &mut stack);
        Some(stack)
    }

    /// Adds a state and those around it, the stage's or procedure's root first.
    fn push_chain(&self, chart: &Chart, calls: &str, state: StateId, stack: &mut Vec<Activation>) {
        let mut chain: Vec<StateId> = chart.chain(state).collect();
        chain.reverse();
        stack.extend(chain.into_iter().map(|state| Activation {
            state,
            item: self.item(&format!("{calls}{}", chart.path(state))),
            call: None,
        }));
    }

    fn item(&self, place: &str) -> Option<Item> {
        self.items.get(place).map(|item| item.at)
    }
}
