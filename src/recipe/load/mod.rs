//! From YAML to a [`Recipe`]: shapes, words and names are checked, short forms written out, defaults
//! and rules applied.
//!
//! Readers are written by hand over the tree of [`yaml`](super::yaml), so that each complaint has
//! the place of the very key or value, and one never hides another. What an action takes is in the
//! [`vocabulary`](super::vocabulary)'s tables. What can be said of a recipe only as a whole (targets,
//! cycles, calls, variables) is `check`'s.

mod action;
mod bound;
mod cx;
mod defaults;
mod fields;
mod gear;
mod host;
mod import;
mod input;
mod lets;
mod modifier;
mod params;
mod recipe;
mod reference;
mod retry;
mod root;
mod sections;
mod shape;
mod state;
mod step;
mod texts;
mod tracks;
mod transition;
mod value;

use super::extends::Files;
use super::library::{Library, Opened};
use super::model::Recipe;
use crate::diagnostic::{Findings, Sources};

/// What one load has found.
#[derive(Debug)]
pub struct Loaded {
    /// The recipe, as far as it could be read. If there are errors among the findings it must not
    /// be run; `check` can say more about it all the same.
    pub recipe: Option<Recipe>,
    /// All complaints, by place.
    pub findings: Findings,
    /// The texts that the findings' places are in.
    pub sources: Sources,
}

/// Loads a recipe by its name or the path of its file.
pub fn load(library: &Library, what: &str) -> Loaded {
    read(library, |files| files.open(library, what, None))
}

/// Loads a recipe whose text is given.
pub fn load_text(library: &Library, name: &str, text: &str) -> Loaded {
    read(library, |_| {
        Some(Opened {
            name: name.to_owned(),
            label: format!("{name}.yaml"),
            text: text.to_owned(),
            folder: None,
        })
    })
}

fn read(library: &Library, open: impl FnOnce(&mut Files<'_>) -> Option<Opened>) -> Loaded {
    let mut sources = Sources::default();
    let mut findings = Findings::default();
    let mut files = Files::new(library, &mut sources, &mut findings);
    let mut found = open(&mut files).and_then(|opened| recipe::read(&mut files, opened, &[]));
    if let Some(recipe) = &mut found {
        share(recipe, &sources);
    }
    findings.sort();
    Loaded {
        recipe: found,
        findings,
        sources,
    }
}

/// Gives a recipe and those that it calls the texts that were read.
fn share(recipe: &mut Recipe, sources: &Sources) {
    recipe.sources = sources.clone();
    for other in recipe.imports.values_mut() {
        share(other, sources);
    }
}

#[cfg(test)]
mod tests {
    use super::load_text;
    use crate::recipe::library::Library;
    use crate::recipe::model::{Body, StepTimeout, Templated};

    const TWO_STATES: &str = "\
recipe: two
summary: Two states
stages:
  provision:
    timeout: 1m
    initial: first
    states:
      first:
        do:
          - run: echo one
            save: said
          - log: \"it said {{ vars.said.stdout }}\"
        next: second
      second:
        do:
          - set: { x: 1 }
        next: done
";

    #[test]
    fn a_recipe_of_two_states_is_loaded() {
        let loaded = load_text(&Library::default(), "two", TWO_STATES);
        assert!(loaded.findings.0.is_empty(), "{:?}", loaded.findings);
        let recipe = loaded.recipe.expect("it is a recipe");
        let Body::Scope {
            states, initial, ..
        } = &recipe.stages["provision"].root.body
        else {
            unreachable!("the stage is a scope");
        };
        assert_eq!(initial.value, "first");
        let Body::Leaf { steps } = &states["first"].body else {
            unreachable!("`first` is a leaf");
        };
        assert_eq!(steps[0].action.name, "run");
        assert!(steps[0].params.contains_key("shell"));
        assert!(matches!(
            steps[0].timeout,
            StepTimeout::After(Templated::Literal(bound)) if bound.as_secs() == 300
        ));
        assert_eq!(
            steps[0].host.as_ref().map(|host| host.value.as_str()),
            Some("local")
        );
    }

    #[test]
    fn what_ships_loads_without_a_complaint() {
        let library = Library::default();
        for name in library.names() {
            let loaded = super::load(&library, &name);
            let said: Vec<String> = loaded
                .findings
                .0
                .iter()
                .map(|finding| {
                    let at = finding.span.and_then(|span| loaded.sources.position(span));
                    format!("{name}: {at:?} {}", finding.message)
                })
                .collect();
            assert!(said.is_empty(), "{said:#?}");
        }
    }
}
