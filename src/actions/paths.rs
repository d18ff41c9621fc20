//! Paths of the engine's own machine: in the run directory, unless the recipe itself says otherwise.
//!
//! What a stranger put into a path (job data, a command's output) may name files of the run
//! directory alone; nor may a link in the run directory lead out of it, since the run directory
//! holds a stranger's attachments.

use std::path::{Component, Path, PathBuf};

use super::fields::Field;
use super::{Lab, PlanContext, StepError};
use crate::recipe::model::{Tree, TreeKind};

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
    let trusted = cx.step.params.get(key).is_some_and(is_trusted);
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
    let real_root = root.canonicalize().ok()?;
    // What exists of it must be inside once links are followed; the rest has no links.
    let existing = whole.ancestors().find_map(|part| {
        // A link that leads nowhere is there, and could be written through.
        part.symlink_metadata().ok()?;
        Some(part.canonicalize().ok())
    })?;
    existing?.starts_with(&real_root).then_some(whole)
}

/// Whether the job may have had a say in the parameter `key`: a name of `let` may come from it.
pub(super) fn may_be_the_jobs(cx: &PlanContext, key: &str) -> bool {
    let of_let = |tree: &Tree| match &tree.kind {
        TreeKind::Template(template) => template.text.contains("let."),
        _ => false,
    };
    let tree = cx.step.params.get(key);
    tree.is_some_and(|tree| !is_trusted(tree) || of_let(tree))
}

/// Whether all of a path was chosen by the recipe or the lab.
fn is_trusted(tree: &Tree) -> bool {
    match &tree.kind {
        TreeKind::Literal(_) => true,
        TreeKind::Template(template) => !names(&template.text).any(|word| STRANGE.contains(&word)),
        TreeKind::List(items) => items.iter().all(is_trusted),
        TreeKind::Map(members) => members.values().all(is_trusted),
        TreeKind::Expr(_) | TreeKind::Deferred(_) => false,
    }
}

/// Every word of a template that could be a name that it reads, and perhaps some that are none.
pub(super) fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
}
