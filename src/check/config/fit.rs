//! Which recipes a config is for.

use std::cmp::Reverse;
use std::collections::HashSet;

use super::given;
use super::keys::READ_WHOLE;
use crate::recipe::model::{Declared, Input, Recipe};
use crate::recipe::reads::Used;
use crate::recipe::yaml::Node;

/// What a key weighs that one recipe alone reads; of several each has its share.
const SOLE: usize = 1000;

/// How well a recipe fits a config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fit {
    /// The recipe's name.
    pub recipe: String,
    /// Its summary.
    pub summary: Option<String>,
    /// Keys of the config that its provisioning reads, and that of few others.
    pub telling: Vec<String>,
    /// Keys that it requires and the config lacks.
    pub missing: Vec<String>,
    /// How much the telling keys tell: the fewer recipes read a key, the more.
    pub(crate) weight: usize,
    /// How many keys of the config it does not read.
    unread: usize,
}

/// The inputs of a recipe's device config, those of recipes that it calls included.
pub(super) fn device_inputs(recipe: &Recipe) -> impl Iterator<Item = (&str, &Input)> {
    let groups = std::iter::once(recipe).chain(recipe.imports.values());
    groups.flat_map(|recipe| {
        recipe
            .device
            .members
            .iter()
            .filter_map(|(name, declared)| match declared {
                Declared::Input(input) => Some((name.as_str(), &**input)),
                Declared::Group(_) => None,
            })
    })
}

pub(super) fn reads(recipe: &Recipe, key: &str) -> bool {
    device_inputs(recipe).any(|(name, _)| name == key)
}

/// The keys of the device config that provisioning reads, in calls of other recipes too.
pub(super) fn provisioned_by(recipe: &Recipe) -> HashSet<String> {
    let used = Used::by_stage(recipe, "provision");
    let homes = std::iter::once(None).chain(recipe.imports.keys().map(|name| Some(name.as_str())));
    homes
        .flat_map(|home| used.paths(home))
        .filter_map(|path| match path {
            [root, key, ..] if root == "device" => Some(key.clone()),
            _ => None,
        })
        .collect()
}

/// All recipes, the best fit first.
pub(super) fn ranked(recipes: &[Recipe], config: &Node) -> Vec<Fit> {
    let provisioned: Vec<HashSet<String>> = recipes.iter().map(provisioned_by).collect();
    let readers = |key: &str| provisioned.iter().filter(|keys| keys.contains(key)).count();
    let is_telling = |key: &str| readers(key) * 3 < recipes.len() && !READ_WHOLE.contains(&key);
    let mut fits: Vec<Fit> = recipes
        .iter()
        .zip(&provisioned)
        // One that reads nothing of a config fits all of them.
        .filter(|(_, provisioned)| recipes.len() == 1 || !provisioned.is_empty())
        .map(|(recipe, provisioned)| {
            let read: Vec<&str> = given(config).filter(|key| reads(recipe, key)).collect();
            let mut missing: Vec<String> = Vec::new();
            for (name, input) in device_inputs(recipe) {
                let lacks = input.required
                    && provisioned.contains(name)
                    && !given(config).any(|key| key == name);
                if lacks && missing.iter().all(|known| known != name) {
                    missing.push(name.to_owned());
                }
            }
            let unread = given(config).count() - read.len();
            let telling: Vec<&str> = read
                .into_iter()
                .filter(|key| provisioned.contains(*key) && is_telling(key))
                .collect();
            Fit {
                recipe: recipe.name.clone(),
                summary: recipe.summary.clone(),
                weight: telling.iter().map(|key| SOLE / readers(key).max(1)).sum(),
                telling: telling.into_iter().map(str::to_owned).collect(),
                missing,
                unread,
            }
        })
        .collect();
    fits.sort_by_key(|fit| {
        (
            !fit.missing.is_empty(),
            Reverse(fit.weight),
            fit.unread,
            fit.missing.len(),
        )
    });
    fits
}
