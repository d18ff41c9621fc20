//! Paths of the engine's own machine: in the run directory, unless the recipe itself says otherwise.
//!
//! What a stranger put into a path (job data, a command's output) may name files of the run
//! directory alone; nor may a link in the run directory lead out of it, since the run directory
//! holds a stranger's attachments.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use super::fields::Field;
use super::{Lab, PlanContext, StepError};
use crate::recipe::model::{Map, Tree, TreeKind};

/// Names whose values a stranger may have chosen.
const STRANGE: &[&str] = &[
    "job", "params", "vars", "item", "error", "result", "outcome",
];

/// The path of the parameter `key`. It need not exist.
///
/// # Errors
/// `input`: it is no path, or leads out of the run directory and may not.
pub fn local(cx: &PlanContext, key: &str, field: &Field) -> Result<PathBuf, StepError> {
    let text = field.path_text()?;
    let path = Path::new(&text);
    let trusted = !may_be_the_jobs(cx, key);
    if path.is_absolute() && trusted {
        return Ok(path.to_owned());
    }
    inside(cx.lab, path)
        .ok_or_else(|| field.wrong("a path that does not lead out of the run directory"))
}

/// A path as it is inside the run directory; `None` where it leads out of it, by `..` or by links.
pub fn inside(lab: &Lab, path: &Path) -> Option<PathBuf> {
    let root = lab.run_dir();
    let mut depth = 0_usize;
    let relative = path.strip_prefix(root).unwrap_or(path);
    for component in relative.components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir => depth = depth.checked_sub(1)?,
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    let whole = root.join(relative);
    let real_root = match root.canonicalize() {
        Ok(real_root) => real_root,
        // A dry run's may not be there: then no link is in it either.
        Err(error) if error.kind() == ErrorKind::NotFound => return Some(whole),
        Err(_) => return None,
    };
    // What exists of it must be inside once links are followed; the rest has no links.
    let existing = whole.ancestors().find_map(|part| {
        // A link that leads nowhere is there, and could be written through.
        part.symlink_metadata().ok()?;
        Some(part.canonicalize().ok())
    })?;
    existing?.starts_with(&real_root).then_some(whole)
}

/// Whether a stranger may have had a say in the parameter `key`.
pub(super) fn may_be_the_jobs(cx: &PlanContext, key: &str) -> bool {
    let none = HashSet::new();
    let lets = cx.lab.home(cx.home).map_or(&none, |home| &home.job_lets);
    let tree = cx.step.params.get(key);
    tree.is_none_or(|tree| is_strange(tree, lets))
}

/// Whether the recipe itself has written this at the beginning of the parameter `key`.
pub(super) fn begins_with(cx: &PlanContext, key: &str, beginning: &str) -> bool {
    match cx.step.params.get(key).map(|tree| &tree.kind) {
        Some(TreeKind::Literal(value)) => value
            .as_str()
            .is_some_and(|text| text.starts_with(beginning)),
        Some(TreeKind::Template(template)) => template.text.starts_with(beginning),
        _ => false,
    }
}

/// The constants that a stranger may have had a say in, by way of each other too; each stands after
/// those that it reads.
pub(super) fn lets_of_the_job(lets: &Map<Tree>) -> HashSet<String> {
    let mut found = HashSet::new();
    for (name, tree) in lets {
        if is_strange(tree, &found) {
            found.insert(name.clone());
        }
    }
    found
}

/// Whether a stranger may have chosen a part of it: `lets` are the constants that one may.
fn is_strange(tree: &Tree, lets: &HashSet<String>) -> bool {
    match &tree.kind {
        TreeKind::Literal(_) => false,
        TreeKind::Template(template) => reads_strange(&template.text, lets),
        TreeKind::Expr(expr) | TreeKind::Deferred(expr) => reads_strange(&expr.text, lets),
        TreeKind::List(items) => items.iter().any(|item| is_strange(item, lets)),
        TreeKind::Map(members) => members.values().any(|member| is_strange(member, lets)),
    }
}

/// A word that only looks like a name costs a stranger's trust, and no more.
fn reads_strange(text: &str, lets: &HashSet<String>) -> bool {
    names(text).any(|word| STRANGE.contains(&word) || lets.contains(word))
}

/// Every word of a template that could be a name that it reads, and perhaps some that are none.
pub(super) fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Map, Tree, TreeKind, lets_of_the_job};
    use crate::diagnostic::Span;
    use crate::recipe::template::{Style, Template};

    #[test]
    fn a_constant_is_the_jobs_by_way_of_others_too() {
        let text = |text: &str| Tree {
            span: Span::default(),
            kind: TreeKind::Template(Template {
                text: Arc::from(text),
                span: Span::default(),
                style: Style::Value,
            }),
        };
        let lets = Map::from_iter([
            ("folder".to_owned(), text("{{ device.folder }}")),
            ("image".to_owned(), text("{{ job.image }}")),
            (
                "path".to_owned(),
                text("{{ let.folder }}/{{ let['image'] }}"),
            ),
            ("log".to_owned(), text("{{ let.folder }}/log")),
        ]);
        let mut found: Vec<String> = lets_of_the_job(&lets).into_iter().collect();
        found.sort();
        assert_eq!(found, ["image", "path"]);
    }
}
