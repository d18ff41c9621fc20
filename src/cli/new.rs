//! `new`: a recipe to begin with, and its scenarios.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::output::Streams;
use super::{Exit, Global};
use crate::recipe::load::is_name;
use crate::recipe::scenario::SUFFIX;

/// Write a recipe to begin with, and its scenarios
#[derive(Debug, Args)]
pub(super) struct New {
    /// The recipe's name: a lower-case letter, then letters, digits and `_`
    name: String,
    /// Where the files go
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

/// What both texts call their recipe.
const CALLED: &str = "recipe: board\n";

const RECIPE: &str = include_str!("new/board.yaml");
const SCENARIOS: &str = include_str!("new/board.test.yaml");

impl New {
    pub(super) fn run(self, global: &Global, streams: &mut Streams) -> Exit {
        match self.write(global) {
            Ok([recipe, scenarios]) => streams.out(&format!(
                "{recipe}: a recipe to begin with\n{scenarios}: its scenarios\n\nTry them: \
                 tf-engine check {recipe} && tf-engine test {recipe}\n",
                recipe = recipe.display(),
                scenarios = scenarios.display(),
            )),
            Err(why) => {
                streams.err(&format!("tf-engine: {why}\n"));
                Exit::Rejected
            }
        }
    }

    /// The files that were written; `Err`: why none was.
    fn write(&self, global: &Global) -> Result<[PathBuf; 2], String> {
        let name = &self.name;
        if !is_name(name) {
            return Err(format!(
                "`{name}` is no name: a name is a lower-case letter, then letters, digits and `_`"
            ));
        }
        if let Ok(known) = global.library().open(name) {
            return Err(format!(
                "there is a recipe `{name}` already: {}",
                known.label
            ));
        }
        let paths = [
            self.dir.join(format!("{name}.yaml")),
            self.dir.join(format!("{name}{SUFFIX}")),
        ];
        if let Some(path) = paths.iter().find(|path| path.exists()) {
            return Err(format!("{} is there already", path.display()));
        }
        for (path, text) in paths.iter().zip([RECIPE, SCENARIOS]) {
            let text = text.replacen(CALLED, &format!("recipe: {name}\n"), 1);
            create(path, &text)
                .map_err(|error| format!("{} can't be written: {error}", path.display()))?;
        }
        Ok(paths)
    }
}

/// Writes a file that is not there.
fn create(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())
}
