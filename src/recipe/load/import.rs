//! Recipes whose procedures are called.

use std::collections::BTreeSet;

use super::cx::Import;
use super::recipe::read;
use crate::diagnostic::{Code, Finding};
use crate::recipe::extends::Files;
use crate::recipe::library::Library;
use crate::recipe::model::Recipe;

/// Reads the recipes whose procedures are called, and takes their procedures. `library` begins with
/// the calling recipe's own folder.
pub(super) fn import(
    files: &mut Files<'_>,
    library: &Library,
    recipe: &mut Recipe,
    wanted: Vec<Import>,
    callers: &[String],
) {
    let mut failed = BTreeSet::new();
    for import in wanted {
        if callers.contains(&import.recipe) {
            files.findings.push(
                Finding::new(
                    Code::RecipeCycle,
                    import.span,
                    format!("`{}` calls itself by way of another recipe", import.recipe),
                )
                .help("put what both need into a recipe that both call or extend"),
            );
            continue;
        }
        if !recipe.imports.contains_key(&import.recipe) && !failed.contains(&import.recipe) {
            let opened = files.open(library, &import.recipe, Some(import.span));
            match opened.and_then(|opened| read(files, opened, callers)) {
                Some(mut other) => {
                    recipe
                        .procedures
                        .extend(std::mem::take(&mut other.procedures));
                    recipe.imports.extend(std::mem::take(&mut other.imports));
                    recipe.imports.insert(import.recipe.clone(), other);
                }
                None => {
                    failed.insert(import.recipe.clone());
                }
            }
        }
        if failed.contains(&import.recipe) {
            continue;
        }
        let name = format!("{}.{}", import.recipe, import.procedure);
        if !recipe.procedures.contains_key(&name) {
            let prefix = format!("{}.", import.recipe);
            let known: Vec<&str> = recipe
                .procedures
                .keys()
                .filter(|name| name.starts_with(&prefix))
                .map(String::as_str)
                .collect();
            let similar = crate::diagnostic::nearest(&name, known.iter().copied());
            files.findings.push(
                Finding::new(
                    Code::UnknownProcedure,
                    import.span,
                    format!(
                        "there is no procedure `{}` in `{}`",
                        import.procedure, import.recipe
                    ),
                )
                .suggest(similar),
            );
        }
    }
}
