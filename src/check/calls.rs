//! Calls: their arguments, circles, and how deep they go.

use std::collections::{HashMap, HashSet};

use super::whole::Whole;
use crate::diagnostic::{Code, Finding, Findings, Span, list, nearest};
use crate::recipe::inputs::bind_params;
use crate::recipe::model::{Call, Map, Recipe, State, Tree, TreeKind};
use crate::recipe::{Value, reads};

/// How deep calls may nest.
const MAX_DEPTH: usize = 8;

pub(super) fn check(whole: &Whole<'_>, findings: &mut Findings) {
    let recipe = whole.recipe;
    let roots = recipe
        .stages
        .values()
        .map(|stage| &stage.root)
        .chain(recipe.procedures.values().map(|procedure| &procedure.root));
    for root in roots {
        for (call, span) in calls(root) {
            arguments(recipe, call, span, findings);
        }
    }
    if !circles(recipe, findings) {
        depth(recipe, findings);
    }
}

/// The calls of a stage or procedure, each with its step's place.
fn calls(root: &State) -> impl Iterator<Item = (&Call, Span)> {
    reads::states(root)
        .into_iter()
        .flat_map(reads::steps)
        .filter_map(|step| step.call.as_ref().map(|call| (call, step.span)))
}

fn arguments(recipe: &Recipe, call: &Call, span: Span, findings: &mut Findings) {
    let name = &call.procedure.value;
    let Some(procedure) = recipe.procedures.get(name) else {
        return;
    };
    for (argument, tree) in &call.with {
        if let Some((name, input)) = procedure.params.get_key_value(argument) {
            let given = literal(tree).filter(|value| !value.is_null());
            let bound = given.map(|value| {
                bind_params(
                    &Map::from_iter([(name.clone(), input.clone())]),
                    &Map::from_iter([(name.clone(), value)]),
                )
            });
            if let Some(Err((_, message))) = bound {
                findings.push(
                    Finding::new(Code::WrongInput, tree.span, message)
                        .related(input.span, "declared here"),
                );
            }
            continue;
        }
        let known = || procedure.params.keys().map(String::as_str);
        let similar = nearest(argument, known());
        let mut finding = Finding::new(
            Code::UnknownParameter,
            tree.span,
            format!("`{name}` has no parameter `{argument}`"),
        )
        .suggest(similar);
        if similar.is_none() {
            finding = finding.help(if procedure.params.is_empty() {
                "it has no parameters".to_owned()
            } else {
                format!("its parameters are {}", list(known(), "and"))
            });
        }
        findings.push(finding);
    }
    for (param, input) in &procedure.params {
        let given = call
            .with
            .get(param)
            .is_some_and(|tree| !matches!(&tree.kind, TreeKind::Literal(value) if value.is_null()));
        if input.required && !given {
            findings.push(
                Finding::new(
                    Code::MissingInput,
                    span,
                    format!("`{name}` needs the parameter `{param}`"),
                )
                .related(input.span, "declared here")
                .help(format!("write `with: {{ {param}: … }}` beside the `call`")),
            );
        }
    }
}

/// A value that holds no template.
fn literal(tree: &Tree) -> Option<Value> {
    match &tree.kind {
        TreeKind::Literal(value) => Some(value.clone()),
        TreeKind::List(items) => items.iter().map(literal).collect(),
        TreeKind::Map(members) => members
            .iter()
            .map(|(name, member)| Some((name.clone(), literal(member)?)))
            .collect::<Option<serde_json::Map<_, _>>>()
            .map(Value::Object),
        TreeKind::Template(_) | TreeKind::Expr(_) | TreeKind::Deferred(_) => None,
    }
}

/// Procedures by those that they call, each with a place of a call.
fn graph(recipe: &Recipe) -> HashMap<&str, Vec<(&str, Span)>> {
    recipe
        .procedures
        .iter()
        .map(|(name, procedure)| {
            let mut seen = HashSet::new();
            let called = calls(&procedure.root)
                .filter(|(call, _)| recipe.procedures.contains_key(&call.procedure.value))
                .filter(|(call, _)| seen.insert(call.procedure.value.as_str()))
                .map(|(call, _)| (call.procedure.value.as_str(), call.procedure.span))
                .collect();
            (name.as_str(), called)
        })
        .collect()
}

/// Complains about each circle of calls; says whether there was one.
fn circles(recipe: &Recipe, findings: &mut Findings) -> bool {
    let graph = graph(recipe);
    let mut done: HashSet<&str> = HashSet::new();
    let mut found = false;
    for start in recipe.procedures.keys() {
        // A path by hand: procedures may be many, and the stack is not.
        let mut path: Vec<(&str, usize)> = vec![(start, 0)];
        while let Some((name, next)) = path.last_mut() {
            let called = graph.get(name).map_or(&[] as &[_], Vec::as_slice);
            let Some((to, span)) = called.get(*next).copied() else {
                done.insert(name);
                path.pop();
                continue;
            };
            *next += 1;
            if let Some(at) = path.iter().position(|(name, _)| *name == to) {
                found = true;
                let circle: Vec<&str> = path[at..].iter().map(|(name, _)| *name).collect();
                findings.push(
                    Finding::new(Code::CallCycle, span, format!("`{to}` calls itself"))
                        .label(format!("{} → {to}", circle.join(" → ")))
                        .help("a cycle of states with `max_visits` repeats something"),
                );
            } else if !done.contains(to) {
                path.push((to, 0));
            }
        }
    }
    found
}

/// Complains about chains of calls that are too long. There are no circles.
fn depth(recipe: &Recipe, findings: &mut Findings) {
    let graph = graph(recipe);
    let mut depths: HashMap<&str, usize> = HashMap::new();
    // Each round settles one more level: as many rounds as the longest allowed chain and one more.
    for _ in 0..=MAX_DEPTH {
        for (name, called) in &graph {
            let below = called
                .iter()
                .map(|(to, _)| depths.get(to).copied().unwrap_or(1))
                .max()
                .unwrap_or(0);
            depths.insert(name, below + 1);
        }
    }
    for stage in recipe.stages.values() {
        for (call, _) in calls(&stage.root) {
            let name = call.procedure.value.as_str();
            if depths.get(name).is_some_and(|depth| *depth > MAX_DEPTH) {
                findings.push(
                    Finding::new(
                        Code::CallCycle,
                        call.procedure.span,
                        format!("this call leads through more than {MAX_DEPTH} procedures"),
                    )
                    .help("call some of them from the stage itself"),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::recipe::library::Library;
    use crate::recipe::load::load_text;

    #[test]
    fn a_written_argument_is_checked_like_an_input() {
        let text = "recipe: x
summary: X
procedures:
  p:
    params: { n: { type: integer, max: 9 }, l: { type: list, items: integer } }
    do: [ { log: \"{{ params.n }} {{ params.l }}\" } ]
stages:
  provision:
    timeout: 1m
    do:
      - { call: p, with: { n: \"7\", l: [1, \"2\"] } }
      - { call: p, with: { n: \"{{ run.id }}\", l: [\"{{ run.id }}\"] } }
      - { call: p, with: { n: 10, l: [one] } }
";
        let loaded = load_text(&Library::default(), "x", text);
        let recipe = loaded.recipe.expect("it is a recipe");
        let said: Vec<String> = crate::check::check(&recipe)
            .0
            .iter()
            .map(|finding| finding.message.clone())
            .collect();
        assert_eq!(
            said,
            [
                "the parameter `n`: `10` is too large: it must be 9 or less",
                "the parameter `l`: it must be a whole number, not a text",
            ]
        );
    }
}
