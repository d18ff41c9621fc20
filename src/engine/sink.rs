//! Who reads a run as it happens.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::record::{NamedStep, Record};
use crate::actions::Note;
use crate::machine::Moment;

/// What is known of a run before it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The recipe's name.
    pub recipe: Arc<str>,
    /// The stage.
    pub stage: Arc<str>,
    /// `run.id`.
    pub run_id: Arc<str>,
    /// Where the run's files go.
    pub run_dir: PathBuf,
    /// When it began.
    pub time: SystemTime,
    /// What the reader should know of the directory's past.
    pub warnings: Vec<String>,
}

/// Something that is said while a try runs: never a fact, never journalled.
#[derive(Clone, Debug, PartialEq)]
pub struct Saying {
    /// Since the run began.
    pub at: Moment,
    /// The same as a time of day.
    pub time: SystemTime,
    /// The step that it is about.
    pub step: NamedStep,
    /// What is said.
    pub said: Said,
}

/// What is said.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// What the try sends, one entry per thing that is done; secrets are masked.
    Request(Vec<String>),
    /// What the try says itself.
    Note(Note),
}

/// A reader of a run. A sink that fails says so itself and never stops the run: nothing here returns
/// an error, and nothing may wait for a slow reader.
pub trait Sink: Send {
    /// A run begins, or the recovery of an earlier one in the same directory.
    fn open(&mut self, opening: &Opening);

    /// Something became true.
    fn fact(&mut self, record: &Record);

    /// A try says something.
    fn say(&mut self, saying: &Saying);

    /// Time has passed: for lines that tell how far a long step is. Called about every
    /// [`TICK`](super::live::TICK) while something is awaited.
    fn tick(&mut self, now: Moment, time: SystemTime);

    /// Whether its reader is so far behind that notes should wait. The try that makes them is then
    /// slowed down; facts, signals and bounds are not.
    fn behind(&self) -> bool {
        false
    }
}
