//! From YAML to a [`Recipe`]: shapes, words and names are checked, short forms written out, defaults
//! and rules applied.
//!
//! Readers are written by hand over the tree of [`yaml`](super::yaml), so that each complaint has
//! the place of the very key or value, and one never hides another. What an action takes is in the
//! [`vocabulary`](super::vocabulary)'s tables. What can be said of a recipe only as a whole (targets,
//! cycles, calls, variables) is `check`'s.

mod action;
mod blame;
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
mod scenario;
mod sections;
mod shape;
mod state;
mod step;
mod texts;
mod tracks;
mod transition;
mod value;

pub use cx::is_name;
pub use scenario::read_scenarios;

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
        recipe.complete = !findings.has_errors();
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
    use std::sync::Arc;

    use super::load_text;
    use crate::recipe::library::Library;
    use crate::recipe::model::{Body, Declared, Recipe, Step, StepTimeout, Templated};

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

    fn recipe(text: &str) -> Recipe {
        let loaded = load_text(
            &Library::default(),
            "x",
            &format!("recipe: x\nsummary: X\n{text}"),
        );
        assert!(!loaded.findings.has_errors(), "{:?}", loaded.findings);
        loaded.recipe.expect("it is a recipe")
    }

    /// The steps of the stage, which is a leaf.
    fn steps(recipe: &Recipe) -> &[Arc<Step>] {
        let Body::Leaf { steps } = &recipe.stages["provision"].root.body else {
            unreachable!("the stage is a leaf");
        };
        steps
    }

    const GEAR: &str = "gear:\n  outlet: { kind: power, driver: { turn_on: [ { run: x } ], turn_off: [ { run: x } ] } }\n  card: { kind: mux, driver: { to_host: [ { run: x } ], to_dut: [ { run: x } ] } }\n";

    #[test]
    fn gear_says_what_is_set_and_what_must_hold() {
        let recipe = recipe(&format!(
            "{GEAR}rules: [ {{ before: mux, needs: {{ outlet: \"off\" }} }} ]\nstages:\n  provision:\n    timeout: 1m\n    do:\n      - power: off\n      - power: cycle\n      - power: read\n      - mux: {{ card: host }}\n      - flash: {{ image: x, to: card }}\n"
        ));
        let steps = steps(&recipe);
        let sets = |at: usize, name: &str| steps[at].sets.get(name).cloned().flatten();
        assert_eq!(sets(0, "outlet").as_deref(), Some("off"));
        assert_eq!(sets(1, "outlet").as_deref(), Some("on"));
        assert_eq!(steps[2].sets.get("outlet"), Some(&None));
        assert_eq!(sets(3, "card").as_deref(), Some("host"));
        assert_eq!(steps[3].needs["outlet"].value, ["off"]);
        assert_eq!(steps[4].needs["card"].value, ["host"]);
        assert!(steps[0].needs.is_empty());
    }

    #[test]
    fn the_nearest_defaults_win_key_by_key() {
        let recipe = recipe(
            "hosts: { far: { address: x } }\ndefaults: { timeout: 9s, host: far }\nstages:\n  provision:\n    timeout: 1m\n    defaults: { timeout: 7s, retry: 2 }\n    do:\n      - run: x\n      - run: x\n        timeout: 5s\n        host: local\n        retry: 4\n      - log: x\n      - commands: [a, b]\n        timeout: none\n",
        );
        let steps = steps(&recipe);
        let seconds = |at: usize| match &steps[at].timeout {
            StepTimeout::After(Templated::Literal(bound)) => Some(bound.as_secs()),
            _ => None,
        };
        let attempts = |at: usize| match steps[at].retry.as_ref().map(|retry| &retry.attempts) {
            Some(Templated::Literal(attempts)) => Some(*attempts),
            _ => None,
        };
        let host = |at: usize| steps[at].host.as_ref().map(|host| host.value.as_str());
        assert_eq!(
            (seconds(0), attempts(0), host(0)),
            (Some(7), Some(2), Some("far"))
        );
        assert_eq!(
            (seconds(1), attempts(1), host(1)),
            (Some(5), Some(4), Some("local"))
        );
        // `log` has a bound of its own, no retry of `defaults`, and no host.
        assert_eq!((seconds(2), attempts(2), host(2)), (Some(10), None, None));
        assert!(matches!(steps[3].timeout, StepTimeout::None));
    }

    #[test]
    fn exit_steps_have_a_minute_and_no_defaults() {
        let recipe = recipe(
            "stages:\n  provision:\n    timeout: 1m\n    defaults: { timeout: 7s, retry: 2 }\n    initial: a\n    states: { a: { do: [], next: done } }\n    exit: [ { run: x }, { sleep: 5m } ]\n",
        );
        let Body::Scope { exit, .. } = &recipe.stages["provision"].root.body else {
            unreachable!("the stage is a scope");
        };
        assert!(exit[0].retry.is_none());
        assert!(matches!(
            exit[0].timeout,
            StepTimeout::After(Templated::Literal(bound)) if bound.as_secs() == 60
        ));
        assert!(matches!(exit[1].timeout, StepTimeout::None));
    }

    #[test]
    fn a_child_replaces_adds_and_removes_by_name() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(format!("{name}.yaml"));
            std::fs::write(&path, text).expect("a file");
            path.to_string_lossy().into_owned()
        };
        write(
            "parent",
            "recipe: parent\nlibrary: true\nsummary: P\ndefaults: { timeout: 3s }\njob:\n  group: { a: { type: string }, b: { type: string } }\nhosts: { one: { address: x }, two: { address: x } }\nstages:\n  cleanup: { timeout: 1m, do: [ { run: x } ] }\n  reserve: { timeout: 1m, do: [] }\n",
        );
        let child = write(
            "child",
            "recipe: child\nextends: parent\nsummary: C\ndefaults: { timeout: 8s }\njob:\n  group: { b: { type: integer }, a: null, c: { type: string } }\nhosts: { two: null, three: { address: x } }\nstages:\n  reserve: null\n  provision: { timeout: 1m, do: [ { run: x } ] }\n",
        );
        let loaded = super::load(&Library::default(), &child);
        assert!(loaded.findings.0.is_empty(), "{:?}", loaded.findings);
        let recipe = loaded.recipe.expect("it is a recipe");
        assert_eq!(
            recipe.hosts.keys().collect::<Vec<_>>(),
            ["local", "one", "three"]
        );
        assert_eq!(
            recipe.stages.keys().collect::<Vec<_>>(),
            ["cleanup", "provision"]
        );
        let Declared::Group(group) = &recipe.job.members["group"] else {
            unreachable!("it is a group");
        };
        assert_eq!(group.members.keys().collect::<Vec<_>>(), ["b", "c"]);
        let bound = |stage: &str| {
            let Body::Leaf { steps } = &recipe.stages[stage].root.body else {
                unreachable!("it is a leaf");
            };
            match &steps[0].timeout {
                StepTimeout::After(Templated::Literal(bound)) => bound.as_secs(),
                _ => 0,
            }
        };
        // `defaults` belong to the file.
        assert_eq!((bound("cleanup"), bound("provision")), (3, 8));
    }

    #[test]
    fn procedures_of_another_recipe_keep_their_home() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let other = "recipe: other\ndevice: { ip: { type: string } }\nprocedures:\n  first: { do: [ { call: second } ] }\n  second: { do: [ { log: \"{{ device.ip }}\" } ] }\n";
        std::fs::write(folder.path().join("other.yaml"), other).expect("a file");
        let library = Library::new([folder.path().to_owned()]);
        let text = "recipe: x\nsummary: X\nstages:\n  provision: { timeout: 1m, do: [ { call: other.first } ] }\n";
        let loaded = load_text(&library, "x", text);
        assert!(loaded.findings.0.is_empty(), "{:?}", loaded.findings);
        let recipe = loaded.recipe.expect("it is a recipe");
        assert_eq!(
            recipe.procedures.keys().collect::<Vec<_>>(),
            ["other.first", "other.second"]
        );
        let first = &recipe.procedures["other.first"];
        assert_eq!(first.home.as_deref(), Some("other"));
        let Body::Leaf { steps } = &first.root.body else {
            unreachable!("it is a leaf");
        };
        let call = steps[0].call.as_ref().expect("it calls");
        assert_eq!(call.procedure.value, "other.second");
        assert!(recipe.imports["other"].device.members.contains_key("ip"));

        let path = folder.path().join("x.yaml");
        std::fs::write(&path, text).expect("a file");
        let beside = super::load(&Library::default(), &path.to_string_lossy());
        assert!(beside.findings.0.is_empty(), "{:?}", beside.findings);
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
