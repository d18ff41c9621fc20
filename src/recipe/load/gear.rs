//! Gear: power, muxes, serial lines.

use super::cx::Cx;
use super::defaults::Defaults;
use super::step::Place;
use super::value::has_template;
use crate::diagnostic::{Code, Finding, list};
use crate::recipe::GearKind;
use crate::recipe::model::{Driver, Gear, Map};
use crate::recipe::template::Style;
use crate::recipe::vocabulary::Shape;
use crate::recipe::vocabulary::key::names;
use crate::recipe::vocabulary::keys;
use crate::recipe::yaml::{Key, Kind, Node};

const KINDS: &[(&str, GearKind)] = &[
    ("power", GearKind::Power),
    ("mux", GearKind::Mux),
    ("serial", GearKind::Serial),
];

impl GearKind {
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Power => const { &names::<{ keys::POWER.len() }>(keys::POWER) },
            Self::Mux => const { &names::<{ keys::MUX.len() }>(keys::MUX) },
            Self::Serial => const { &names::<{ keys::SERIAL.len() }>(keys::SERIAL) },
        }
    }

    /// What a driver of this kind can be asked for, and which of these it must have.
    pub(in crate::recipe) fn verbs(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Power => (
                &["turn_on", "turn_off", "cycle", "read"],
                &["turn_on", "turn_off"],
            ),
            Self::Mux => (&["to_host", "to_dut", "read"], &["to_host", "to_dut"]),
            Self::Serial => (&[], &[]),
        }
    }
}

impl Cx<'_> {
    /// The kind of a gear, without any complaint: names are gathered before they are read.
    pub(super) fn kind_of_gear(node: &Node) -> Option<GearKind> {
        let word = node.get("kind")?.text()?;
        KINDS
            .iter()
            .find(|(name, _)| *name == word)
            .map(|(_, kind)| *kind)
    }

    /// One gear.
    pub(super) fn gear_entry(&mut self, key: &Key, node: &Node) -> Option<Gear> {
        if !self.is_map(&key.name, node) {
            return None;
        }
        let owner = format!("gear `{}`", key.name);
        let kind = self
            .required(node, "kind", &owner, key.span)
            .and_then(|node| self.word("kind", node, KINDS))?;
        let what = format!("{owner} ({})", kind.word());
        self.known_keys(node, &what, kind.keys(), |name| {
            KINDS
                .iter()
                .find(|(_, other)| other.keys().contains(&name))
                .map(|(word, _)| format!("`{name}` belongs to a gear of kind `{word}`"))
        });
        let driver = if kind == GearKind::Serial {
            self.serial_line(key, node);
            None
        } else {
            self.required(node, "driver", &owner, key.span)
                .and_then(|node| self.driver(kind, node))
        };
        let mut optional = |name: &str, shape: &Shape| {
            let member = node.get(name).filter(|_| kind.keys().contains(&name))?;
            self.shaped(name, shape, member, false)
        };
        let verify = optional("verify", &Shape::Boolean);
        let media = optional("media", &Shape::Path);
        let address = optional("address", &Shape::Text);
        let port = optional("port", &Shape::Integer(1, 65_535));
        let tty = optional("tty", &Shape::Path);
        let baud = optional("baud", &Shape::Integer(50, 20_000_000));
        let command = optional("command", &Shape::Text);
        Some(Gear {
            span: key.span,
            kind,
            driver,
            off_time: node
                .get("off_time")
                .filter(|_| kind == GearKind::Power)
                .and_then(|node| self.duration("off_time", node, false)),
            verify,
            media,
            host: node
                .get("host")
                .filter(|_| kind == GearKind::Mux)
                .and_then(|node| self.host("host", node)),
            address,
            port,
            tty,
            baud,
            command,
        })
    }

    /// A serial line has an address and a port, a tty, or a command; a template of each may be none.
    fn serial_line(&mut self, key: &Key, node: &Node) {
        let has = |name| node.get(name).is_some();
        let finding = match (has("address"), has("port"), has("tty") || has("command")) {
            (true, true, _) | (false, false, true) => return,
            (false, false, false) => {
                "a serial line needs `address` and `port`, `tty`, or `command`"
            }
            _ => "a serial line needs `address` and `port` together",
        };
        self.complain(Code::OneOf, key.span, finding);
    }

    fn driver(&mut self, kind: GearKind, node: &Node) -> Option<Driver> {
        let (verbs, needed) = kind.verbs();
        let Kind::Map(entries) = &node.kind else {
            let Some(text) = node.text() else {
                self.wrong_type(
                    "driver",
                    node,
                    "a map of verbs with steps, or a driver's name",
                );
                return None;
            };
            if !has_template(text) {
                self.no_driver(node, text);
            }
            return self.text("driver", node, Style::Value).map(Driver::Named);
        };
        if let Some(name) = node.get("driver") {
            if let Some(text) = name.text().filter(|text| !has_template(text)) {
                self.no_driver(name, text);
            }
            return self.tree(node, Style::Value).map(Driver::Named);
        }
        self.known_keys(node, "a driver", verbs, |_| None);
        let missing: Vec<&str> = needed
            .iter()
            .copied()
            .filter(|verb| node.get(verb).is_none())
            .collect();
        if !missing.is_empty() {
            self.push(
                Finding::new(
                    Code::MissingKey,
                    node.span,
                    format!(
                        "a driver of a {} has {}",
                        kind.word(),
                        list(needed.iter().copied(), "and")
                    ),
                )
                .label(format!("{} is missing", list(missing, "and"))),
            );
        }
        let mut steps = Map::new();
        for (key, value) in entries {
            if verbs.contains(&key.name.as_str()) && !value.is_null() {
                let listed = self.steps(&key.name, value, Place::Driver, &Defaults::default());
                steps.insert(key.name.clone(), listed);
            }
        }
        Some(Driver::Steps(steps))
    }

    fn no_driver(&mut self, node: &Node, name: &str) {
        self.push(
            Finding::new(
                Code::NotYet,
                node.span,
                format!("there is no driver `{name}`: driver files are not in this version"),
            )
            .help("write the driver's steps here, verb by verb"),
        );
    }
}
