//! Where recipes come from: those that ship with the program, a search path, and files.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::scenario::SUFFIX;
use super::yaml::MAX_BYTES;

mod shipped;

/// Recipes and the files that they need. Folders of the search path come before what ships.
#[derive(Clone, Debug, Default)]
pub struct Library {
    folders: Vec<PathBuf>,
    /// If there are any, these are all recipes that there are.
    texts: Arc<[Opened]>,
}

/// A recipe's text as it was found.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The recipe's name: the file's stem.
    pub name: String,
    /// What a person calls it: the path, or `base.yaml (built in)`.
    pub label: String,
    /// The text.
    pub text: String,
    /// The folder that it is in, where it is a file.
    pub folder: Option<PathBuf>,
}

/// Why a recipe can't be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// There is none of this name.
    #[error("there is no recipe `{name}`")]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The file is there and can't be read.
    #[error("`{path}` can't be read: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// The system's reason.
        why: String,
    },
}

impl Library {
    /// What ships, after these folders in their order (`--recipes`, `$TF_ENGINE_RECIPES`).
    pub fn new(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        Self {
            folders: folders.into_iter().collect(),
            texts: Arc::default(),
        }
    }

    /// These recipes, as what was read in other days: no folder and nothing that ships is looked at.
    /// Each is a label ([`Opened::label`]) and a text.
    pub fn of_texts<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let opened = |(label, text): (&str, &str)| Opened {
            name: stem(label).to_owned(),
            label: label.to_owned(),
            text: text.to_owned(),
            folder: None,
        };
        Self {
            folders: Vec::new(),
            texts: texts.into_iter().map(opened).collect(),
        }
    }

    /// This library with one more folder before all others: that of a recipe given by its path,
    /// whose parent may stand beside it.
    #[must_use]
    pub fn beside(&self, folder: &Path) -> Self {
        let mut folders = vec![folder.to_owned()];
        folders.extend(self.folders.iter().cloned());
        Self {
            folders,
            texts: self.texts.clone(),
        }
    }

    /// The names of all recipes, sorted, each once.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = shipped::RECIPES
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect();
        for folder in &self.folders {
            let Ok(entries) = std::fs::read_dir(folder) else {
                continue;
            };
            names.extend(entries.filter_map(|entry| {
                let path = entry.ok()?.path();
                let is_yaml = path.extension().is_some_and(|kind| kind == "yaml")
                    && !path.to_string_lossy().ends_with(SUFFIX);
                is_yaml
                    .then(|| path.file_stem()?.to_str().map(str::to_owned))
                    .flatten()
            }));
        }
        names.sort();
        names.dedup();
        names
    }

    /// Opens a recipe by its name, or by the path of its file (which holds a `/` or ends in
    /// `.yaml`).
    ///
    /// # Errors
    /// There is none of this name, or its file can't be read.
    pub fn open(&self, what: &str) -> Result<Opened, OpenError> {
        if !self.texts.is_empty() {
            let known = |opened: &&Opened| opened.label == what || opened.name == stem(what);
            return self
                .texts
                .iter()
                .find(known)
                .cloned()
                .ok_or_else(|| OpenError::Unknown {
                    name: what.to_owned(),
                });
        }
        let is_path = what.contains('/')
            || Path::new(what)
                .extension()
                .is_some_and(|kind| kind == "yaml" || kind == "yml");
        if is_path {
            return read(Path::new(what));
        }
        for folder in &self.folders {
            let path = folder.join(format!("{what}.yaml"));
            if path.is_file() {
                return read(&path);
            }
        }
        shipped::RECIPES
            .iter()
            .find(|(name, _)| *name == what)
            .map(|(name, text)| Opened {
                name: (*name).to_owned(),
                label: format!("{name}.yaml (built in)"),
                text: (*text).to_owned(),
                folder: None,
            })
            .ok_or_else(|| OpenError::Unknown {
                name: what.to_owned(),
            })
    }

    /// Opens the scenarios of a recipe by its name, or a scenario file by its path (which ends in
    /// `.test.yaml`). [`Opened::name`] is the recipe's.
    ///
    /// # Errors
    /// There are none of this recipe, or the file can't be read.
    pub fn open_scenarios(&self, what: &str) -> Result<Opened, OpenError> {
        if let Some(stem) = what.strip_suffix(SUFFIX) {
            let opened = read(Path::new(what))?;
            let name = stem.rsplit('/').next().unwrap_or_default().to_owned();
            return Ok(Opened { name, ..opened });
        }
        for folder in &self.folders {
            let path = folder.join(format!("{what}{SUFFIX}"));
            if path.is_file() {
                let opened = read(&path)?;
                return Ok(Opened {
                    name: what.to_owned(),
                    ..opened
                });
            }
        }
        shipped::SCENARIOS
            .iter()
            .find(|(name, _)| *name == what)
            .map(|(name, text)| Opened {
                name: (*name).to_owned(),
                label: format!("{name}{SUFFIX} (built in)"),
                text: (*text).to_owned(),
                folder: None,
            })
            .ok_or_else(|| OpenError::Unknown {
                name: what.to_owned(),
            })
    }

    /// The names of all recipes that have scenarios, sorted, each once.
    pub fn tested(&self) -> Vec<String> {
        let mut names: Vec<String> = shipped::SCENARIOS
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect();
        for folder in &self.folders {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            names.extend(entries.filter_map(|entry| {
                let name = entry.file_name().to_str()?.strip_suffix(SUFFIX)?.to_owned();
                Some(name)
            }));
        }
        names.sort();
        names.dedup();
        names
    }

    /// A shipped file by its name, `NAME/file`: of the folders' `files/`, else of those that ship.
    pub fn asset(&self, name: &str) -> Option<String> {
        let plain = !name.is_empty()
            && name
                .split('/')
                .all(|part| !part.is_empty() && part != ".." && part != ".");
        if !plain {
            return None;
        }
        for folder in &self.folders {
            if let Ok(opened) = read(&folder.join("files").join(name)) {
                return Some(opened.text);
            }
        }
        shipped::ASSETS
            .iter()
            .find(|(asset, _)| *asset == name)
            .map(|(_, text)| (*text).to_owned())
    }

    /// The names of the files that ship.
    pub fn shipped_assets() -> impl Iterator<Item = &'static str> {
        shipped::ASSETS.iter().map(|(name, _)| *name)
    }
}

/// The name of a recipe by its label or path: `base` of `/lab/base.yaml` and of
/// `base.yaml (built in)`.
fn stem(label: &str) -> &str {
    let file = label.rsplit('/').next().unwrap_or(label);
    let file = file.strip_suffix(" (built in)").unwrap_or(file);
    let known = [".yaml", ".yml"].iter();
    known
        .filter_map(|suffix| file.strip_suffix(suffix))
        .next()
        .unwrap_or(file)
}

/// Reads a regular file. (A device or pipe could block for ever.)
fn read(path: &Path) -> Result<Opened, OpenError> {
    let label = path.display().to_string();
    let unreadable = |why: String| OpenError::Unreadable {
        path: label.clone(),
        why,
    };
    let kind = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => unreadable("there is no such file".to_owned()),
        _ => unreadable(error.to_string()),
    })?;
    if !kind.is_file() {
        return Err(unreadable("it is no regular file".to_owned()));
    }
    let file = std::fs::File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(error.to_string()))?;
    if bytes.len() > MAX_BYTES {
        return Err(unreadable(format!(
            "it is larger than {} MiB",
            MAX_BYTES >> 20
        )));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        unreadable(format!("line {line} is not UTF-8"))
    })?;
    Ok(Opened {
        name: path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default(),
        label,
        text,
        folder: path.parent().map(Path::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::{Library, OpenError, SUFFIX, shipped};

    fn files(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder)
            .expect("the folder is there")
            .flatten()
        {
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                files(&entry.path(), &format!("{name}/"), found);
            } else {
                found.insert(name);
            }
        }
    }

    #[test]
    fn the_table_of_what_ships_is_the_folder() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes");
        let mut found = BTreeSet::new();
        files(&root.join("files"), "", &mut found);
        let table: BTreeSet<String> = shipped::ASSETS
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect();
        assert_eq!(table, found);
        let recipes: BTreeSet<String> = std::fs::read_dir(&root)
            .expect("the folder is there")
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                let recipe = name.strip_suffix(".yaml")?;
                (!name.ends_with(SUFFIX)).then(|| recipe.to_owned())
            })
            .collect();
        let table: BTreeSet<String> = shipped::RECIPES
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect();
        assert_eq!(table, recipes);
        let tested: BTreeSet<String> = shipped::SCENARIOS
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect();
        assert_eq!(tested, recipes, "every recipe has scenarios");
    }

    #[test]
    fn a_folder_comes_before_what_ships() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("base.yaml"), "recipe: base\n").expect("a file");
        std::fs::write(folder.path().join("mine.yaml"), "recipe: mine\n").expect("a file");
        let library = Library::new([folder.path().to_owned()]);
        assert_eq!(
            library.open("base").expect("it is there").text,
            "recipe: base\n"
        );
        assert!(library.names().contains(&"mine".to_owned()));
        assert!(
            Library::default()
                .open("base")
                .expect("it ships")
                .label
                .contains("built in")
        );
        let path = folder.path().join("mine.yaml");
        assert_eq!(
            library
                .open(&path.to_string_lossy())
                .expect("it is there")
                .name,
            "mine"
        );
    }

    #[test]
    fn what_cannot_be_opened_says_why() {
        let library = Library::default();
        assert!(matches!(
            library.open("nowhere"),
            Err(OpenError::Unknown { .. })
        ));
        assert!(matches!(
            library.open("./nowhere.yaml"),
            Err(OpenError::Unreadable { .. })
        ));
        assert!(matches!(
            library.open("/dev/zero.yaml"),
            Err(OpenError::Unreadable { .. })
        ));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x.yaml");
        std::fs::write(&path, b"a: b\n\xff\n").expect("a file");
        let error = library
            .open(&path.to_string_lossy())
            .expect_err("it is not UTF-8");
        assert!(
            error.to_string().ends_with("line 2 is not UTF-8"),
            "{error}"
        );
        assert_eq!(library.asset("../Cargo.toml"), None);
    }
}
