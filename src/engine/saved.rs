//! What steps leave in `vars`: outputs, failures that were forgiven, lists of items.

use serde_json::{Map, Value};

use super::frames::Kept;
use super::memory::Memory;
use super::record::millis;
use crate::actions::Output;
use crate::machine::{AfterTry, Moment, Site, StepId};
use crate::recipe::reads::of_step;

impl Memory {
    /// What a step gave becomes visible.
    pub(super) fn commit(&mut self, step: StepId, output: Output, at: Moment) {
        for assigned in output.vars {
            let kept = Kept {
                value: assigned.value,
                secret: assigned.secret,
            };
            self.set_var(&assigned.name, &kept);
        }
        let mut fields = match output.value {
            Value::Object(fields) => fields,
            Value::Null => Map::new(),
            other => Map::from_iter([("value".to_owned(), other)]),
        };
        // What `parse` gives is there with it alone; all else is there, none or not.
        let outputs = self.chart().step(step).action.output;
        for field in outputs
            .iter()
            .filter(|it| !matches!(**it, "json" | "lines"))
        {
            fields.entry(*field).or_insert(Value::Null);
        }
        fields.insert("ok".into(), true.into());
        fields.insert("error".into(), Value::Null);
        self.save(step, fields, output.secret, at);
    }

    /// A step failed: forgiven or recorded, it is saved so; else its error goes on.
    pub(super) fn failed(&mut self, step: StepId, then: AfterTry, at: Moment) {
        if !matches!(then, AfterTry::Forgiven | AfterTry::Recorded) {
            return;
        }
        // What is in flight is the call's own; beside an exit step it is the scope's, and goes on.
        if self.chart().called(step).is_some() {
            self.in_flight = None;
        }
        let error = self
            .last
            .as_ref()
            .filter(|(of, _)| *of == step)
            .map_or(Value::Null, |(_, incident)| incident.value());
        let outputs = self.chart().step(step).action.output;
        let mut fields: Map<String, Value> = outputs
            .iter()
            .map(|field| ((*field).to_owned(), Value::Null))
            .collect();
        fields.insert("ok".into(), false.into());
        fields.insert("error".into(), error);
        self.save(step, fields, false, at);
    }

    fn save(&mut self, step: StepId, mut fields: Map<String, Value>, secret: bool, at: Moment) {
        let declared = self.chart().step(step).clone();
        let Some(save) = &declared.save else { return };
        let (first, tries) = self.begun.get(&step).copied().unwrap_or((at, 1));
        let took = at.0.saturating_sub(first.0);
        #[expect(clippy::cast_precision_loss, reason = "exact up to 285,000 years")]
        let seconds = millis(took) as f64 / 1000.0;
        fields.insert("duration".into(), seconds.into());
        fields.insert("tries".into(), tries.into());
        let own = self.frame().own_item(step);
        if let Some((item, index)) = &own {
            fields.insert("item".into(), item.clone());
            fields.insert("index".into(), (*index).into());
        }
        let kept = Kept {
            value: Value::Object(fields),
            secret,
        };
        match own {
            Some(_) => {
                let shown = self.frame().grow_list(step, kept);
                self.note_list(shown);
            }
            None => self.set_var(&save.value, &kept),
        }
    }

    pub(super) fn item_begun(&mut self, of: Site, index: u32) {
        if let Some((_, items)) = self.aside.items.take_if(|(site, _)| *site == of) {
            self.frame().begin_items(of, items);
            self.begin_list(of);
        }
        self.frame().item_begun(of, index);
        self.note_item(of);
    }

    pub(super) fn items_ended(&mut self, of: Site) {
        // An empty list has no first item.
        if self.aside.items.take_if(|(site, _)| *site == of).is_some() {
            self.begin_list(of);
        }
        self.frame().end_items(of);
        if let Site::Step(step) = of {
            let shown = self.frame().end_list(step);
            self.note_list(shown);
        }
    }

    fn begin_list(&mut self, of: Site) {
        let Site::Step(step) = of else { return };
        let declared = self.chart().step(step).clone();
        if let Some(save) = &declared.save {
            let mut watched = false;
            of_step(&declared, &mut |text| {
                watched = watched
                    || text.reads().iter().any(|read| match read.path.as_slice() {
                        [root, name, ..] => root == "vars" && *name == save.value,
                        [root] => root == "vars",
                        [] => false,
                    });
            });
            let shown = self.frame().begin_list(step, &save.value, watched);
            self.note_list(shown);
        }
    }
}
