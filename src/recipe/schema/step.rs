//! Schemas of steps, told apart by their action.

use serde_json::{Map, Value, json};

use super::part::takes;
use super::shape::{NAME, fields};
use super::{described, of, with_default};
use crate::recipe::vocabulary::key::List;
use crate::recipe::vocabulary::{
    ACTIONS, Action, BLAME_ACTIONS, BLAME_MODIFIERS, DRIVER_ACTIONS, DRIVER_MODIFIERS, MODIFIERS,
    Modifier, PROBE_MODIFIERS, Places, Shape,
};

/// The steps of each kind of list, and of a probe.
pub(super) fn definitions() -> Map<String, Value> {
    let mut definitions = Map::new();
    for action in ACTIONS {
        let parameters = described(parameters(action), action.summary);
        definitions.insert(format!("action_{}", action.name), parameters);
        definitions.insert(format!("step_{}", action.name), with(action, |_| true));
    }
    for modifier in MODIFIERS {
        definitions.insert(format!("modifier_{}", modifier.name), value(modifier));
    }
    for (list, name) in [
        (List::Do, "step"),
        (List::Enter, "enter_step"),
        (List::Exit, "exit_step"),
    ] {
        let here = |action: &&Action| match (action.places, list) {
            (Places::Any, _) | (Places::NotExit, List::Do) | (_, List::Enter) => true,
            (Places::NotExit | Places::Enter, _) => false,
        };
        let actions: Vec<&Action> = ACTIONS.iter().copied().filter(here).collect();
        definitions.insert(
            name.to_owned(),
            step(
                &actions,
                |_| true,
                |action| of(&format!("step_{}", action.name)),
            ),
        );
    }
    let these = |names: &[&str]| -> Vec<&Action> {
        ACTIONS
            .iter()
            .copied()
            .filter(|action| names.contains(&action.name))
            .collect()
    };
    let in_driver = |modifier: &Modifier| DRIVER_MODIFIERS.contains(&modifier.name);
    let driver = step(&these(DRIVER_ACTIONS), in_driver, |action| {
        with(action, in_driver)
    });
    definitions.insert("driver_step".to_owned(), driver);
    let in_blame = |modifier: &Modifier| BLAME_MODIFIERS.contains(&modifier.name);
    let blame = step(&these(BLAME_ACTIONS), in_blame, |action| {
        with(action, in_blame)
    });
    definitions.insert("blame_probe".to_owned(), blame);
    let probes = ACTIONS
        .iter()
        .flat_map(|action| action.fields.params)
        .find_map(|param| match param.shape {
            Shape::Steps(actions) => Some(actions),
            _ => None,
        })
        .unwrap_or_default();
    let in_probe = |modifier: &Modifier| PROBE_MODIFIERS.contains(&modifier.name);
    let probe = step(&these(probes), in_probe, |action| with(action, in_probe));
    definitions.insert("probe_step".to_owned(), probe);
    definitions
}

/// An action with those of its modifiers that are allowed, and nothing else.
fn with(action: &Action, allowed: impl Fn(&Modifier) -> bool) -> Value {
    let mut properties = Map::new();
    properties.insert(
        action.name.to_owned(),
        of(&format!("action_{}", action.name)),
    );
    for modifier in action.modifiers().filter(|modifier| allowed(modifier)) {
        properties.insert(
            modifier.name.to_owned(),
            of(&format!("modifier_{}", modifier.name)),
        );
    }
    json!({ "properties": properties, "additionalProperties": false })
}

/// A step with one of these actions, each of which `whole` describes.
fn step(
    actions: &[&Action],
    allowed: impl Fn(&Modifier) -> bool,
    whole: impl Fn(&Action) -> Value,
) -> Value {
    let mut all = Map::new();
    let mut by_action = Vec::new();
    for action in actions {
        all.insert(
            action.name.to_owned(),
            json!({ "description": action.summary }),
        );
        by_action.push(json!({
            "if": { "required": [action.name] },
            "then": whole(action),
        }));
    }
    // A step with none of them: the key that is no modifier is what is wrong, if there is one.
    let mut without = all.clone();
    for modifier in MODIFIERS.iter().filter(|modifier| allowed(modifier)) {
        without.insert(modifier.name.to_owned(), json!({}));
    }
    let any: Vec<Value> = actions
        .iter()
        .map(|action| json!({ "required": [action.name] }))
        .collect();
    by_action.push(json!({
        "if": { "anyOf": any },
        "else": {
            "properties": without,
            "additionalProperties": false,
            "if": { "propertyNames": { "enum": without.keys().collect::<Vec<_>>() } },
            "then": { "required": actions.iter().take(1).map(|action| action.name).collect::<Vec<_>>() },
        },
    }));
    json!({ "type": "object", "properties": all, "allOf": by_action })
}

fn value(modifier: &Modifier) -> Value {
    let schema = takes(&modifier.takes, modifier.literal());
    // `name` has no default that could be written.
    let default = modifier.default.filter(|_| modifier.name != "name");
    described(with_default(schema, default), modifier.doc)
}

/// What an action is given.
fn parameters(action: &Action) -> Value {
    match action.name {
        "mux" => {
            let to = action.fields.param("to").map(|param| param.shape);
            let words = match to {
                Some(Shape::Word(words)) => words,
                _ => &[],
            };
            json!({
                "type": "object",
                "minProperties": 1,
                "maxProperties": 1,
                "propertyNames": { "pattern": NAME },
                "additionalProperties": { "enum": words },
            })
        }
        "set" => json!({ "type": "object", "propertyNames": { "pattern": NAME } }),
        "call" => json!({
            "type": "string",
            "pattern": r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$",
            "patternErrorMessage": "A procedure of this recipe, or `RECIPE.NAME`.",
        }),
        _ => fields(&action.fields),
    }
}
