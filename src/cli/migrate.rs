//! `migrate`: what a device config of Testflinger's device connectors comes to here.

use std::path::PathBuf;

use clap::Args;

use super::bounded::read_text;
use super::findings::FindingsArgs;
use super::output::Streams;
use super::{Exit, Global, recipes};
use crate::check::config::advise;
use crate::diagnostic::SourceFile;
use crate::recipe::load::load;
use crate::recipe::model::Recipe;
use crate::report::fits;

/// Look at a device config: which recipe fits, what is missing, of no use or dangerous in it
///
/// Exit status: 0 it can be used as it is, 2 it can't.
#[derive(Debug, Args)]
pub(super) struct Migrate {
    /// The board's config, as it is
    config: PathBuf,
    /// The recipe that it is for; the one that fits best where not given
    #[arg(long, value_name = "RECIPE")]
    device: Option<String>,
    #[command(flatten)]
    findings: FindingsArgs,
}

impl Migrate {
    pub(super) fn run(self, global: &Global, streams: &mut Streams) -> Exit {
        let name = self.config.display().to_string();
        let text = match read_text(&self.config) {
            Ok(text) => text,
            Err(why) => {
                streams.err(&format!("tf-engine: `{name}` can't be read: {why}\n"));
                return Exit::Rejected;
            }
        };
        let library = global.library();
        let candidates: Vec<Recipe> = match &self.device {
            Some(device) => match recipes::usable(&library, device, streams) {
                Ok(recipe) => vec![recipe],
                // What is wrong was shown with its places.
                Err(_) => return Exit::Rejected,
            },
            None => {
                let names = library.names().into_iter();
                let recipes = names.filter_map(|name| load(&library, &name).recipe);
                recipes.filter(|recipe| !recipe.library).collect()
            }
        };
        let advice = advise(
            &candidates,
            &SourceFile {
                name: name.clone(),
                text,
            },
        );
        let said = self
            .findings
            .say(&[(&advice.sources, &advice.findings)], streams);
        let said = if self.findings.is_human() {
            streams.out(&fits::fits(&name, &advice.fits))
        } else {
            said
        };
        let usable = advice
            .fits
            .first()
            .is_some_and(|fit| fit.missing.is_empty());
        if advice.findings.has_errors() || !usable {
            Exit::Rejected
        } else {
            said
        }
    }
}
