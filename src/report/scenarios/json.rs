//! One JSON object: `scenarios` and, where it was asked for, `coverage`.

use serde_json::{Value, json};

use super::story::story;
use super::{Covered, Tested, counts};
use crate::engine::millis;
use crate::engine::scenario::{Line, Problem, Tried};

/// All of it, on one line.
pub fn json(tested: &[Tested], covered: Option<&Covered>) -> String {
    let (all, failed) = counts(tested);
    let scenarios: Vec<Value> = tested
        .iter()
        .flat_map(|file| file.tried.iter().map(move |tried| scenario(file, tried)))
        .collect();
    let mut report = json!({
        "version": 1,
        "tried": all,
        "failed": failed,
        "scenarios": scenarios,
    });
    if let Some(covered) = covered {
        let recipes = covered.recipes.iter().map(|recipe| {
            let missed = recipe.missed.iter().map(|missed| {
                json!({
                    "file": missed.file,
                    "line": missed.at.line,
                    "column": missed.at.column,
                    "what": missed.what,
                })
            });
            json!({
                "recipe": recipe.recipe,
                "taken": recipe.taken,
                "of": recipe.of,
                "percent": recipe.percent(),
                "missed": missed.collect::<Vec<_>>(),
            })
        });
        report["coverage"] = recipes.collect();
    }
    format!("{report}\n")
}

fn scenario(file: &Tested, tried: &Tried) -> Value {
    let mut value = json!({
        "recipe": file.recipe,
        "file": file.label,
        "name": tried.name,
        "summary": tried.summary,
        "passed": tried.passed(),
    });
    match &tried.played {
        Ok(played) => {
            value["exit"] = json!(played.exit);
            value["reason"] = json!(played.reason);
            value["milliseconds"] = json!(millis(played.took));
            value["path"] = json!(played.path);
            value["commands"] = json!(played.commands);
            value["problems"] = played.problems.iter().map(problem).collect();
        }
        Err(_) => {
            let story: Vec<String> = story(file, tried).iter().map(|told| told.text()).collect();
            value["problems"] =
                json!([{"key": "inputs", "message": story.join("\n"), "lines": []}]);
        }
    }
    value
}

fn problem(problem: &Problem) -> Value {
    let lines: Vec<Value> = problem
        .lines
        .iter()
        .map(|line| match line {
            Line::Same(text) => json!({"same": text}),
            Line::Missing(text) => json!({"missing": text}),
            Line::Extra(text) => json!({"extra": text}),
        })
        .collect();
    json!({"key": problem.key, "message": problem.message, "lines": lines})
}
