//! A device config that a lab has had for years, held against the recipes: which one fits, and what is
//! missing, of no use, doubtful or dangerous in it.
//!
//! Nothing in a config names its device type (the agent knows that), so it is told by the keys that
//! few recipes read.

mod commands;
mod fit;
mod keys;

use std::collections::HashSet;

pub use fit::Fit;

use crate::diagnostic::{Findings, SourceFile, SourceId, Sources};
use crate::recipe::inputs::bind;
use crate::recipe::model::Recipe;
use crate::recipe::yaml::{Dialect, Node, read};

/// What there is to say of a device config.
#[derive(Debug)]
pub struct Advice {
    /// Recipes by how well they fit, the best first; those that need keys which are not there come
    /// last. Findings are about the first.
    pub fits: Vec<Fit>,
    /// What is wrong with the config, or could be better.
    pub findings: Findings,
    /// The texts that the findings' places are in.
    pub sources: Sources,
}

/// Holds a device config against recipes, of which none is a library. With only one it is clear what
/// device type is meant.
pub fn advise(recipes: &[Recipe], config: &SourceFile) -> Advice {
    let mut findings = Findings::default();
    let mut sources = Sources::default();
    let id = sources.add(config.name.as_str(), config.text.as_str());
    let Some(node) = read(&sources, id, Dialect::Data, &mut findings) else {
        return Advice {
            fits: Vec::new(),
            findings,
            sources,
        };
    };
    let fits = fit::ranked(recipes, &node);
    let best = fits
        .first()
        .and_then(|fit| recipes.iter().find(|recipe| recipe.name == fit.recipe));
    let Some(best) = best else {
        return Advice {
            fits,
            findings,
            sources,
        };
    };
    // The same text again, beside the recipe's own, which findings refer to.
    let mut sources = best.sources.clone();
    let id = sources.add(config.name.as_str(), config.text.as_str());
    let mut findings = Findings::default();
    if let Some(node) = read(&sources, id, Dialect::Data, &mut findings) {
        keys::judge(recipes, best, &node, &mut findings);
        commands::judge(best, &node, &mut findings);
    }
    bound(best, config, id, &mut findings);
    findings.sort();
    Advice {
        fits,
        findings,
        sources,
    }
}

/// What the stages themselves would say of the config.
fn bound(recipe: &Recipe, config: &SourceFile, id: SourceId, findings: &mut Findings) {
    let mut said = HashSet::new();
    for stage in recipe.stages.keys() {
        let binding = bind(recipe, stage, Some(config.clone()), None, None);
        for finding in binding.findings.0 {
            let is_of_the_config = finding.span.is_some_and(|span| span.source == id);
            let is_known = findings
                .0
                .iter()
                .any(|known| known.code == finding.code && known.span == finding.span);
            if is_of_the_config && !is_known && said.insert(finding.message.clone()) {
                findings.push(finding);
            }
        }
    }
}

/// The names of a config's keys, those without a value left out.
fn given(config: &Node) -> impl Iterator<Item = &str> {
    config
        .entries()
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, _)| key.name.as_str())
}
