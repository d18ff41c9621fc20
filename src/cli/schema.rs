//! `schema`: JSON Schemas, by which editors check and complete.

use clap::Args;
use serde_json::Value;

use super::output::Streams;
use super::{Exit, Global, recipes};
use crate::recipe::schema::{self, Document};

/// Print the JSON Schema of recipes or scenario files, or of the data that a recipe reads
#[derive(Debug, Args)]
pub(super) struct Schema {
    /// `recipe` or `scenario`; with --device or --job a recipe's name or file
    #[arg(default_value = "recipe")]
    what: String,
    /// The schema of the recipe's device config
    #[arg(long, conflicts_with = "job")]
    device: bool,
    /// The schema of the recipe's job data
    #[arg(long)]
    job: bool,
}

impl Schema {
    pub(super) fn run(self, global: &Global, streams: &mut Streams) -> Exit {
        let document = match (self.device, self.job) {
            (true, _) => Document::Device,
            (_, true) => Document::Job,
            (false, false) => return self.of_the_language(streams),
        };
        match recipes::usable(&global.library(), &self.what, streams) {
            Ok(recipe) => print(&schema::data(&recipe, document), streams),
            Err(_) => Exit::Rejected,
        }
    }

    fn of_the_language(&self, streams: &mut Streams) -> Exit {
        match self.what.as_str() {
            "recipe" => print(&schema::recipe(), streams),
            "scenario" => print(&schema::scenarios(), streams),
            what => {
                streams.err(&format!(
                    "tf-engine: there is no schema of {what}: write `recipe` or `scenario`, or a recipe with --device or --job\n"
                ));
                Exit::Rejected
            }
        }
    }
}

fn print(schema: &Value, streams: &mut Streams) -> Exit {
    streams.out(&format!("{schema:#}\n"))
}
