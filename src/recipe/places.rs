//! Where the keys of a part of a recipe stand.

use super::yaml::Node;
use crate::diagnostic::Span;

/// The keys that a state, a step or a retry was written with, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Places(Vec<Place>);

#[derive(Clone, Debug)]
struct Place {
    name: Box<str>,
    key: Span,
    value: Span,
}

impl Places {
    /// The keys of a map that have a value; none of anything else.
    pub fn of(node: &Node) -> Self {
        let mut places = Self::default();
        for (key, value) in node.entries().iter().filter(|(_, value)| !value.is_null()) {
            places.add(&key.name, key.span, value.span);
        }
        places
    }

    /// Adds a key and its value.
    pub fn add(&mut self, name: &str, key: Span, value: Span) {
        let name = name.into();
        self.0.push(Place { name, key, value });
    }

    /// Where a key stands; `None` where it is not written.
    pub fn key(&self, name: &str) -> Option<Span> {
        Some(self.find(name)?.key)
    }

    /// Where its value stands.
    pub fn value(&self, name: &str) -> Option<Span> {
        Some(self.find(name)?.value)
    }

    fn find(&self, name: &str) -> Option<&Place> {
        self.0.iter().find(|place| &*place.name == name)
    }
}
