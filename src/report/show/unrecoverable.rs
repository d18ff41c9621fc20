//! What can end in 46.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::recipe::ErrorKind;
use crate::recipe::model::{Body, EndKind, Recipe, State, Step};

/// Every place of a stage, its procedures included, whose failure is a failed recovery.
pub(super) fn places(recipe: &Recipe, root: &State) -> Vec<String> {
    let mut sites = Sites {
        recipe,
        called: BTreeSet::new(),
        found: Vec::new(),
    };
    sites.walk(root, &root.name.value, "", &[]);
    sites.found
}

struct Sites<'r> {
    recipe: &'r Recipe,
    called: BTreeSet<String>,
    found: Vec<String>,
}

impl<'r> Sites<'r> {
    /// `shown` is what a person calls the state, `inside` the prefix of its children's paths;
    /// `around` is where an error of this place may be caught on its way out.
    fn walk(&mut self, state: &'r State, shown: &str, inside: &str, around: &[String]) {
        let mut around = around.to_vec();
        around.extend(state.catch.iter().map(|catch| {
            format!(
                "{} by {shown} → {}",
                catch.kind.map_or("any error", ErrorKind::word),
                catch.to.value
            )
        }));
        if state.recovery {
            self.say(shown, "an error here", &around);
        }
        match &state.body {
            Body::Leaf { steps } => self.steps(shown, "do", steps, &around),
            Body::Scope {
                enter,
                states,
                exit,
                ..
            } => {
                self.steps(shown, "enter", enter, &around);
                for child in states.values() {
                    let path = format!("{inside}/{}", child.name.value);
                    self.walk(child, &path, &path, &around);
                }
                self.steps(shown, "exit", exit, &around);
            }
            Body::End {
                end: EndKind::Unrecoverable,
                ..
            } => self.found.push(format!("{shown}: whenever it is reached")),
            Body::Choice | Body::End { .. } => {}
        }
        if let Some(retry) = &state.retry {
            self.steps(shown, "between", &retry.between, &around);
        }
    }

    fn steps(&mut self, path: &str, list: &str, steps: &'r [Arc<Step>], around: &[String]) {
        for step in steps {
            if step.recovery {
                self.say(
                    &format!("{path}, {list} step {}", step.name),
                    "its failure",
                    around,
                );
            }
            if let Some(call) = &step.call
                && let Some(procedure) = self.recipe.procedures.get(&call.procedure.value)
                && self
                    .called
                    .insert(format!("{path}>{}", call.procedure.value))
            {
                let path = format!("{path}>{}", call.procedure.value);
                self.walk(&procedure.root, &path, &path, around);
            }
        }
    }

    fn say(&mut self, place: &str, what: &str, around: &[String]) {
        let caught = if around.is_empty() {
            String::new()
        } else {
            format!(", unless caught: {}", around.join("; "))
        };
        self.found.push(format!("{place}: {what}{caught}"));
    }
}
