//! A stage that calls one procedure, so that a procedure can be tried by itself.

use std::sync::Arc;

use crate::diagnostic::{Span, Spanned};
use crate::machine::{Chart, StateId};
use crate::recipe::model::{Body, Call, Ensures, Map, Recipe, Stage, State, Step, Templated, Tree};
use crate::recipe::places::Places;
use crate::recipe::{duration, vocabulary};

/// The stage's name: none that a recipe can have.
pub(super) const STAGE: &str = "(procedure)";

/// The recipe with that stage; `None`: there is no such procedure.
pub(super) fn with_stage(recipe: &Recipe, name: &str, with: Map<Tree>) -> Option<Recipe> {
    recipe.procedures.get(name)?;
    let span = Span::default();
    let mut call = Step::new(vocabulary::action("call")?, span);
    call.call = Some(Call {
        procedure: Spanned::new(name.to_owned(), span),
        with,
    });
    let root = State {
        name: Spanned::new(STAGE.to_owned(), span),
        places: Places::default(),
        summary: None,
        when: None,
        body: Body::Leaf {
            steps: vec![Arc::new(call)],
        },
        next: Vec::new(),
        catch: Vec::new(),
        retry: None,
        timeout: Some(Templated::Literal(duration::MAX)),
        max_visits: None,
        recovery: false,
        for_each: None,
        continue_on_item_error: false,
        vars: Map::new(),
        verdict: None,
    };
    let mut recipe = recipe.clone();
    recipe.stages.insert(
        STAGE.to_owned(),
        Stage {
            root: Arc::new(root),
            ensures: Ensures::default(),
        },
    );
    Some(recipe)
}

/// Whether a state is the stage that calls.
pub(super) fn is_caller(chart: &Chart, state: StateId) -> bool {
    chart.stage() == STAGE && state == chart.root()
}
