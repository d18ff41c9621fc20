//! The sections of a recipe's files, merged, and the names in them.

use super::cx::{Cx, Names};
use super::input::is_input;
use crate::recipe::extends::{Document, merged};
use crate::recipe::model::{Declared, Group};
use crate::recipe::yaml::{Key, Kind, Node};

/// Sections of all files, merged.
pub(super) struct Sections {
    pub(super) device: Option<Node>,
    pub(super) job: Option<Node>,
    pub(super) hosts: Option<Node>,
    pub(super) gear: Option<Node>,
    pub(super) lets: Option<Node>,
    pub(super) vars: Option<Node>,
    pub(super) tracks: Option<Node>,
    pub(super) blame: Option<Node>,
    pub(super) procedures: Option<Node>,
    pub(super) stages: Option<Node>,
}

impl Sections {
    pub(super) fn new(documents: &[Document]) -> Self {
        let flat = |section| merged(documents, section, |_| false);
        Self {
            device: flat("device"),
            job: merged(documents, "job", |node| {
                matches!(node.kind, Kind::Map(_)) && !is_input(node)
            }),
            hosts: flat("hosts"),
            gear: flat("gear"),
            lets: flat("let"),
            vars: flat("vars"),
            tracks: flat("tracks"),
            blame: flat("blame"),
            procedures: flat("procedures"),
            stages: flat("stages"),
        }
    }
}

impl Names {
    pub(super) fn gather(&mut self, sections: &Sections, device: &Group, job: &Group) {
        self.hosts.insert("local".to_owned());
        self.hosts
            .extend(entries(sections.hosts.as_ref()).map(|(key, _)| key.name.clone()));
        for (key, node) in entries(sections.gear.as_ref()) {
            if let Some(kind) = Cx::kind_of_gear(node) {
                self.gear.insert(key.name.clone(), kind);
            }
        }
        self.procedures
            .extend(entries(sections.procedures.as_ref()).map(|(key, _)| key.name.clone()));
        self.limited(device, "device");
        self.limited(job, "job");
    }

    /// Paths of lists whose length has a bound.
    fn limited(&mut self, group: &Group, path: &str) {
        for (name, declared) in &group.members {
            let path = format!("{path}.{name}");
            match declared {
                Declared::Input(input) if input.max_items.is_some() => {
                    self.limited_lists.insert(path);
                }
                Declared::Input(_) => {}
                Declared::Group(group) => self.limited(group, &path),
            }
        }
    }
}

pub(super) fn entries(section: Option<&Node>) -> impl Iterator<Item = &(Key, Node)> {
    section.map_or(&[] as &[_], Node::entries).iter()
}
