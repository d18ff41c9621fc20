//! A recipe as a page of documentation, in Markdown.

use std::fmt::Write as _;

use super::inputs::{InputRow, rows};
use super::text::duration;
use super::unrecoverable;
use crate::diagnostic::SourceId;
use crate::machine::Chart;
use crate::recipe::model::Recipe;
use crate::recipe::vocabulary::keys::STAGES;
use crate::report::{graph, verdict_word};

/// The page: summary, stages, a picture of `provision` and of each other stage that is the recipe's
/// own, device and job keys, what can end in 46.
pub fn page(recipe: &Recipe) -> String {
    let own = recipe.sources.iter().next().map(|(id, _)| id);
    let mut text = format!("# {}\n", recipe.name);
    if let Some(summary) = &recipe.summary {
        let _ = write!(text, "\n{}.\n", cell(summary.trim_end_matches('.')));
    }
    stages(&mut text, recipe);
    pictures(&mut text, recipe, own);
    keys(&mut text, "Device config", &device(recipe), own);
    keys(&mut text, "Job", &rows(&recipe.job), own);
    recovery(&mut text, recipe);
    probes(&mut text, recipe);
    text
}

fn stages(text: &mut String, recipe: &Recipe) {
    text.push_str("\n## Stages\n\n| stage | at most | |\n| --- | --- | --- |\n");
    for name in STAGES {
        let (bound, summary) = match recipe.stages.get(*name) {
            Some(stage) => (
                stage.root.timeout.as_ref().map(duration),
                stage.root.summary.clone().unwrap_or_default(),
            ),
            None => (None, "nothing to do".to_owned()),
        };
        let bound = bound.unwrap_or_default();
        let _ = writeln!(text, "| `{name}` | {} | {} |", cell(&bound), cell(&summary));
    }
}

fn pictures(text: &mut String, recipe: &Recipe, own: Option<SourceId>) {
    for (name, stage) in &recipe.stages {
        // Those that many device types share are drawn where they are written.
        if name != "provision" && Some(stage.root.name.span.source) != own {
            continue;
        }
        let Ok(chart) = Chart::build(recipe, name) else {
            continue;
        };
        let picture = graph::mermaid(&graph::Graph::new(recipe, &chart));
        let _ = write!(text, "\n## How {name} goes\n\n```mermaid\n{picture}```\n");
    }
}

/// The device config's keys, those that called recipes read included.
fn device(recipe: &Recipe) -> Vec<InputRow> {
    let mut all = rows(&recipe.device);
    for import in recipe.imports.values() {
        for row in rows(&import.device) {
            if all.iter().all(|known| known.path != row.path) {
                all.push(row);
            }
        }
    }
    all
}

/// Its own first, then what it shares with others.
fn keys(text: &mut String, title: &str, rows: &[InputRow], own: Option<SourceId>) {
    let (own, shared): (Vec<_>, Vec<_>) = rows.iter().partition(|row| Some(row.span.source) == own);
    for (rows, of) in [(own, ""), (shared, ", shared with other device types")] {
        if rows.is_empty() {
            continue;
        }
        let _ = write!(
            text,
            "\n## {title}{of}\n\n| key | type | |\n| --- | --- | --- |\n"
        );
        for row in rows {
            let _ = writeln!(
                text,
                "| `{}` | {} | {} |",
                row.path,
                cell(&row.shape),
                cell(&row.description)
            );
        }
    }
}

fn recovery(text: &mut String, recipe: &Recipe) {
    text.push_str("\n## What can end in 46\n\n");
    let mut any = false;
    for (name, stage) in &recipe.stages {
        for place in unrecoverable::places(recipe, &stage.root) {
            any = true;
            let _ = writeln!(text, "- `{name}`, {}", cell(&place));
        }
    }
    if !any {
        text.push_str("Nothing.\n");
    }
}

/// What is looked at after a failure.
fn probes(text: &mut String, recipe: &Recipe) {
    if recipe.blame.is_empty() {
        return;
    }
    text.push_str(
        "\n## What is looked at after a failure\n\n| probe | if it fails | |\n| --- | --- | --- |\n",
    );
    for (name, probe) in &recipe.blame {
        let verdict = probe.verdict.map(verdict_word).unwrap_or_default();
        let when = probe
            .when
            .as_ref()
            .map(|when| format!("when {}", when.text));
        let _ = writeln!(
            text,
            "| {} | {verdict} | {} |",
            cell(name),
            cell(&when.unwrap_or_default())
        );
    }
}

/// Text that can stand in a table.
fn cell(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '|' | '<' | '*' | '_' | '[' | ']' | '\\') {
            shown.push('\\');
        }
        shown.push(c);
    }
    shown
}
