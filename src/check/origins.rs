//! Where values come from: the device config, the job, saved output.
//!
//! A value carries the origins of all that it is computed from, through `let`, `vars`, `params`,
//! `item`, gear and hosts. What only decides (the condition of an `if`) is no origin: its outcome is
//! one of two values that have origins of their own.

use std::collections::{BTreeMap, HashMap};

use super::scope::{Site, bare};
use super::sites::{Sites, Target, texts};
use crate::recipe::model::{Declared, Group, Input, Map, Recipe};
use crate::recipe::template::{Analysis, Read};

/// A set of origins; empty: written in the recipe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Origins(u8);

impl Origins {
    pub(super) const DEVICE: Self = Self(1);
    pub(super) const JOB: Self = Self(2);
    /// Output of steps, and what is made of it: errors, outcomes.
    pub(super) const OUTPUT: Self = Self(4);
    pub(super) const ENV: Self = Self(8);
    pub(super) const RUN: Self = Self(16);
    /// An input that is declared secret.
    pub(super) const SECRET: Self = Self(32);

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) const fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The gravest of them, for a message: `from the job`.
    pub(super) fn words(self) -> &'static str {
        [
            (Self::JOB, "from the job"),
            (Self::OUTPUT, "from saved output"),
            (Self::ENV, "from the engine's environment"),
            (Self::DEVICE, "from the device config"),
            (Self::RUN, "from the run"),
        ]
        .into_iter()
        .find(|(origin, _)| !self.common(*origin).is_empty())
        .map_or("from the recipe", |(_, words)| words)
    }
}

/// The origins of every name of a recipe.
pub(super) struct Table<'r> {
    names: HashMap<Target, Origins>,
    /// By recipe and name.
    lets: BTreeMap<(&'r str, &'r str), Origins>,
    items: Vec<Made>,
    /// Of each space.
    params: Vec<Option<&'r Map<Input>>>,
}

/// What a value is made of.
#[derive(Clone, Default)]
struct Made {
    known: Origins,
    names: Vec<Target>,
}

impl<'r> Table<'r> {
    pub(super) fn of(recipe: &'r Recipe, sites: &Sites<'r>) -> Self {
        let mut table = Self {
            names: HashMap::new(),
            lets: BTreeMap::new(),
            items: Vec::new(),
            params: sites.spaces.iter().map(|space| space.params).collect(),
        };
        for home in std::iter::once(recipe).chain(recipe.imports.values()) {
            // In an order in which each comes after those that it reads.
            for (name, value) in &home.lets {
                let mut origins = Origins::default();
                for site in texts(value, bare(home)) {
                    origins = origins.and(table.made_by(&site).known);
                }
                table.lets.insert((&home.name, name), origins);
            }
        }
        // An outer `for_each` comes before those inside it.
        for made_of in &sites.items {
            let mut whole = Made::default();
            made_of
                .iter()
                .for_each(|site| whole.add(table.made_by(site)));
            table.items.push(whole);
        }
        table.spread(sites);
        table
    }

    /// Follows the flows until nothing changes. Origins only grow, so this ends.
    fn spread(&mut self, sites: &Sites<'r>) {
        let flows: Vec<(Target, Made)> = sites
            .flows
            .iter()
            .map(|flow| {
                let mut whole = Made::default();
                flow.from
                    .iter()
                    .for_each(|site| whole.add(self.made_by(site)));
                if flow.output {
                    whole.known = whole.known.and(Origins::OUTPUT);
                }
                (flow.to.clone(), whole)
            })
            .collect();
        loop {
            let mut changed = false;
            for (to, made) in &flows {
                let new = self.resolve(made);
                let old = self.names.entry(to.clone()).or_default();
                changed |= !new.without(*old).is_empty();
                *old = old.and(new);
            }
            if !changed {
                return;
            }
        }
    }

    fn resolve(&self, made: &Made) -> Origins {
        made.names.iter().fold(made.known, |origins, name| {
            origins.and(self.names.get(name).copied().unwrap_or_default())
        })
    }

    /// The origins of one reading.
    pub(super) fn read(&self, read: &Read, site: &Site<'r>) -> Origins {
        let mut made = Made::default();
        self.add_read(read, site, &mut made);
        self.resolve(&made)
    }

    fn made_by(&self, site: &Site<'r>) -> Made {
        let mut made = Made::default();
        let analysis = site.text.analyse();
        made.known = functions(&analysis);
        for read in analysis.reads.iter().filter(|read| !read.control) {
            self.add_read(read, site, &mut made);
        }
        made
    }

    fn add_read(&self, read: &Read, site: &Site<'r>, made: &mut Made) {
        let scope = &site.scope;
        let member = read.path.get(1).map(String::as_str);
        match read.path.first().map(String::as_str) {
            Some("device") => {
                made.know(Origins::DEVICE.and(declared(&scope.home.device, rest(read))));
            }
            Some("job") => made.know(Origins::JOB.and(declared(&scope.home.job, rest(read)))),
            Some("env") => made.know(Origins::ENV),
            Some("run") => made.know(Origins::RUN),
            Some("error" | "outcome" | "result") => made.know(Origins::OUTPUT),
            Some("let") => {
                let home = scope.home.name.as_str();
                let known = match member {
                    Some(member) => self.lets.get(&(home, member)).copied().unwrap_or_default(),
                    None => Origins::JOB,
                };
                made.know(known);
            }
            Some("gear") => {
                if matches!(
                    read.path.get(2).map(String::as_str),
                    Some("present" | "kind")
                ) {
                    return;
                }
                let gear = member.and_then(|member| scope.home.gear.get(member));
                match gear.and_then(|gear| gear.media.as_ref()) {
                    Some(media) => {
                        for site in texts(media, bare(scope.home)) {
                            made.add(self.made_by(&site));
                        }
                    }
                    None => made.know(Origins::OUTPUT),
                }
            }
            Some("host") => {
                let login = scope.host().and_then(|host| host.login.as_ref());
                let parts = login
                    .into_iter()
                    .flat_map(|login| std::iter::once(&login.address).chain(login.user.as_ref()));
                for part in parts {
                    for site in texts(part, bare(scope.home)) {
                        made.add(self.made_by(&site));
                    }
                }
            }
            Some("item") => {
                if let Some(items) = scope.item.and_then(|item| self.items.get(item)) {
                    made.add(items.clone());
                }
            }
            Some(root @ ("vars" | "params")) => match (scope.space, member) {
                (Some(space), Some(member)) if root == "params" => {
                    let params = self.params.get(space).copied().flatten();
                    if let Some(input) = params.and_then(|params| params.get(member)) {
                        made.know(of_input(input, rest(read).get(1..).unwrap_or_default()));
                    }
                    made.names.push(Target::Param(space, member.to_owned()));
                }
                (Some(space), Some(member)) => {
                    made.names.push(Target::Var(space, member.to_owned()));
                }
                // All of them, or a computed one.
                (Some(_), None) => made.know(Origins::JOB.and(Origins::OUTPUT)),
                (None, _) => {}
            },
            _ => {}
        }
    }
}

/// The names after the root.
fn rest(read: &Read) -> &[String] {
    read.path.get(1..).unwrap_or_default()
}

/// [`Origins::SECRET`] if what is read of these inputs is, or may be.
fn declared(group: &Group, path: &[String]) -> Origins {
    let Some((name, path)) = path.split_first() else {
        return Origins::default();
    };
    match group.members.get(name) {
        Some(Declared::Group(group)) => declared(group, path),
        Some(Declared::Input(input)) => of_input(input, path),
        None => Origins::default(),
    }
}

fn of_input(input: &Input, path: &[String]) -> Origins {
    if input.secret {
        return Origins::SECRET;
    }
    match (path.split_first(), &input.keys) {
        (Some((name, path)), Some(keys)) => keys
            .get(name)
            .map_or_else(Origins::default, |input| of_input(input, path)),
        _ => Origins::default(),
    }
}

impl Made {
    fn know(&mut self, origins: Origins) {
        self.known = self.known.and(origins);
    }

    fn add(&mut self, other: Self) {
        self.known = self.known.and(other.known);
        self.names.extend(other.names);
    }
}

/// Origins that functions and filters bring in.
fn functions(analysis: &Analysis) -> Origins {
    let mut origins = Origins::default();
    for used in analysis.functions.iter().chain(&analysis.filters) {
        origins = origins.and(match used.name.as_str() {
            "iot_kwargs" | "iot_username" => Origins::JOB,
            "test_env" => Origins::JOB.and(Origins::DEVICE),
            "legacy_format" => Origins::DEVICE,
            "now" => Origins::RUN,
            _ => Origins::default(),
        });
    }
    origins
}
