//! Changes to a whole recipe: every state and step passes by, to be changed in place.

use std::sync::Arc;

use tf_engine::recipe::model::{Body, Recipe, State, Step};

/// Where a step stands, as far as the laws tell steps apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Exit,
    Other,
}

/// Changes every state (the flag tells roots) and every step of the stage and the procedures.
pub(crate) fn rewrite(
    recipe: &Recipe,
    mut of_state: impl FnMut(&mut State, bool),
    mut of_step: impl FnMut(&mut Step, Place),
) -> Recipe {
    let mut recipe = recipe.clone();
    for stage in recipe.stages.values_mut() {
        state(&mut stage.root, true, &mut of_state, &mut of_step);
    }
    for procedure in recipe.procedures.values_mut() {
        state(&mut procedure.root, true, &mut of_state, &mut of_step);
    }
    recipe
}

fn state(
    at: &mut Arc<State>,
    root: bool,
    of_state: &mut impl FnMut(&mut State, bool),
    of_step: &mut impl FnMut(&mut Step, Place),
) {
    let inside = Arc::make_mut(at);
    of_state(inside, root);
    if let Some(retry) = &mut inside.retry {
        steps(&mut retry.between, Place::Other, of_step);
    }
    match &mut inside.body {
        Body::Leaf { steps: list } => steps(list, Place::Other, of_step),
        Body::Scope {
            enter,
            states,
            exit,
            ..
        } => {
            steps(enter, Place::Other, of_step);
            steps(exit, Place::Exit, of_step);
            for child in states.values_mut() {
                state(child, false, of_state, of_step);
            }
        }
        Body::Choice | Body::End { .. } => {}
    }
}

fn steps(list: &mut [Arc<Step>], place: Place, of_step: &mut impl FnMut(&mut Step, Place)) {
    for step in list {
        of_step(Arc::make_mut(step), place);
    }
}
