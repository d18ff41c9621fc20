//! Values on their way into the journal.

use std::sync::Arc;

use serde_json::Value;

use super::super::frames::Kept;
use super::super::memory::Memory;
use super::super::record::Noted;
use super::ExitReads;
use crate::machine::{Site, StepId};
use crate::recipe::reads::of_step;

/// The largest value that the journal keeps, in bytes of JSON. Exit steps read names and small records;
/// what is larger is the output of a command, and would be written at every turn.
const LARGEST: usize = 64 << 10;

impl Memory {
    /// From now on, values that exit steps read come with the facts.
    pub(in crate::engine) fn note_values(&mut self) {
        self.exits = Some(Arc::new(ExitReads::of(self.chart())));
    }

    /// A var of the present frame gets its value.
    pub(in crate::engine) fn set_var(&mut self, name: &str, kept: &Kept) {
        self.note("vars", name, kept);
        self.frame().set_var(name, kept);
    }

    pub(in crate::engine) fn note(&mut self, root: &str, member: &str, kept: &Kept) {
        if self.exit_reads(|exits| exits.member(root, member)) {
            let noted = self.noted(kept);
            self.noted.insert(format!("{root}.{member}"), noted);
        }
    }

    /// A list that a step saves was shown.
    pub(in crate::engine) fn note_list(&mut self, shown: Option<(String, Kept)>) {
        if let Some((name, kept)) = shown {
            self.note("vars", &name, &kept);
        }
    }

    /// A `for_each` goes on to its present item.
    pub(in crate::engine) fn note_item(&mut self, of: Site) {
        if !self.exit_reads(|exits| exits.root("item")) {
            return;
        }
        let item = self.frame().items(of).and_then(|items| {
            Some(Kept {
                value: items.present()?.clone(),
                secret: items.secret,
            })
        });
        if let Some(item) = item {
            let noted = self.noted(&item);
            self.noted.insert("item".to_owned(), noted);
        }
    }

    /// `error` is set.
    pub(in crate::engine) fn note_error(&mut self, error: &Value) {
        if self.exit_reads(|exits| exits.root("error")) {
            let error = Kept {
                value: error.clone(),
                secret: false,
            };
            let noted = self.noted(&error);
            self.noted.insert("error".to_owned(), noted);
        }
    }

    /// What a step reads and a recovery does not have, in a sentence.
    pub(in crate::engine) fn missing(&self, step: StepId) -> Option<String> {
        let frame = self.frames.last()?;
        let items = frame.nearest_items(self.chart(), Site::Step(step), true);
        let item = items.and_then(|items| items.lost.as_ref());
        if item.is_none() && frame.lost.is_empty() {
            return None;
        }
        let mut missing = None;
        of_step(self.chart().step(step), &mut |text| {
            for read in text.reads() {
                let of_item = item.filter(|_| read.path.first().is_some_and(|root| root == "item"));
                let of_item = of_item.map(|why| format!("`item` isn't known any more: {why}"));
                missing = missing
                    .take()
                    .or(of_item)
                    .or_else(|| frame.lost.missing(&read.path));
            }
        });
        missing
    }

    fn exit_reads(&self, what: impl Fn(&ExitReads) -> bool) -> bool {
        self.exits.as_deref().is_some_and(what)
    }

    /// A value as the journal keeps it. One in which a secret is found is none that could be used again
    /// with the secret masked.
    fn noted(&self, kept: &Kept) -> Noted {
        if kept.secret || self.lab.mask_value(&kept.value) != kept.value {
            return Noted::Secret;
        }
        let size = kept.value.to_string().len();
        if size > LARGEST {
            Noted::Large(size)
        } else {
            Noted::Value(kept.value.clone())
        }
    }
}
