//! The journal: what became true, one line per fact, written before the effect that it announces.
//!
//! `tf-engine.journal.jsonl` in the run directory. Each run appends a line with a `journal` version
//! (its [`Header`]) and then one line per fact ([`Record::to_json`](super::Record::to_json)), so one
//! file tells the stages that were run in one directory, in order. The recovery of a run that was
//! killed begins with a header that names it ([`RECOVERS`]); its facts are that run's. A line is
//! written whole, with its line feed last: a run that is killed, or a machine that loses power, can
//! tear the last line only, and whoever reads the file back leaves that one out.

mod form;
mod reading;
mod writing;

pub use form::{FILE_NAME, Header, RECOVERS, VERSION};
pub use reading::{Journalled, read_back};
pub use writing::{Journal, Written, is_held};
