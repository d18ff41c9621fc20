//! What a person or a machine reads of a run.
//!
//! The engine hands facts and notes to one [`Sink`]; [`Readers`] fans them out. When the run is over,
//! [`Readers::conclude`] writes the story of a failure and the last line, which says the outcome. No
//! reader returns an error: one that fails falls silent, and the others go on.

pub mod console;
pub mod durations;
pub mod explore;
mod failure;
pub mod findings;
pub mod fits;
pub mod graph;
mod jsonl;
mod lines;
pub mod list;
mod outcome;
mod plan;
mod quantity;
pub mod scenarios;
pub mod show;
pub mod testflinger;
mod whole;
mod writer;

use std::time::SystemTime;

pub use console::{Console, Look, connector_lines};
pub use failure::Story;
pub use jsonl::JsonLines;
pub use outcome::{FILE_NAME, Outcome, VERSION, retry_elsewhere, verdict_word};
pub use plan::{plan_json, plan_text};
pub use writer::{To, Writer};

use crate::engine::{Opening, Record, RunReport, Saying, Sink};
use crate::machine::Moment;

/// A sink that also wants to say how the run ended.
pub trait Reader: Sink {
    /// The run is over: `story` tells how it came to fail, line by line (empty where it did not). Ends
    /// with everything written, or its reader given up.
    fn conclude(&mut self, outcome: &Outcome, story: &[String]);
}

/// Several readers of one run, and the memory that a failure's story is told from.
#[derive(Default)]
pub struct Readers {
    readers: Vec<Box<dyn Reader>>,
    story: Story,
}

impl Readers {
    /// These readers.
    pub fn new(readers: Vec<Box<dyn Reader>>) -> Self {
        Self {
            readers,
            story: Story::default(),
        }
    }

    /// Tells every reader how the run ended; gives the story that they were told.
    pub fn conclude(&mut self, report: &RunReport, outcome: &Outcome) -> Vec<String> {
        let story = self.story.tell(report, outcome);
        for reader in &mut self.readers {
            reader.conclude(outcome, &story);
        }
        story
    }
}

impl Sink for Readers {
    fn open(&mut self, opening: &Opening) {
        // The recovery of an earlier run is a story of its own.
        self.story = Story::default();
        for reader in &mut self.readers {
            reader.open(opening);
        }
    }

    fn fact(&mut self, record: &Record) {
        self.story.fact(record);
        for reader in &mut self.readers {
            reader.fact(record);
        }
    }

    fn say(&mut self, saying: &Saying) {
        self.story.say(saying);
        for reader in &mut self.readers {
            reader.say(saying);
        }
    }

    fn tick(&mut self, now: Moment, time: SystemTime) {
        for reader in &mut self.readers {
            reader.tick(now, time);
        }
    }

    fn behind(&self) -> bool {
        self.readers.iter().any(|reader| reader.behind())
    }
}
