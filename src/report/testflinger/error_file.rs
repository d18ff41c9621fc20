//! `device-connector-error.json`: why a phase failed, for the agent, which hands it on to whoever
//! submitted the job.
//!
//! The agent reads the whole file as one JSON object, and looks for `PHASE_exception_info` in it. One
//! file serves all phases of a job: what is there of earlier ones stays. The program that is replaced
//! appended an object per failure; two of these are no JSON, so they are read as a sequence and
//! written as one.

use std::io;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::diagnostic::plain;
use crate::report::Outcome;
use crate::report::whole::write_whole;

/// The file's name in the run directory.
pub const ERROR_FILE: &str = "device-connector-error.json";

/// The longest message, in characters: it travels to a server, and into its events.
const LONGEST: usize = 16_000;

/// The agent's word for a stage: it runs the stage `runtest` in its phase `test`.
pub fn phase_of(stage: &str) -> &str {
    match stage {
        "runtest" => "test",
        other => other,
    }
}

/// Adds the story of a failed stage to the file: state, step, tries, last output.
///
/// # Errors
/// The run directory can't be written.
pub fn write_error(run_dir: &Path, outcome: &Outcome, story: &[String]) -> io::Result<()> {
    let path = run_dir.join(ERROR_FILE);
    let mut whole = earlier(&std::fs::read(&path).unwrap_or_default());
    let info = json!({
        "exception_name": name(outcome),
        "exception_message": message(outcome, story),
        "exception_cause": cause(story),
    });
    // Whoever reads it by the stage's name finds it as well.
    for key in [phase_of(&outcome.stage), &outcome.stage] {
        whole.insert(format!("{key}_exception_info"), info.clone());
    }
    write_whole(&path, Value::Object(whole).to_string().as_bytes())
}

/// What is known of earlier stages: the members of all objects of the file, later ones first.
fn earlier(bytes: &[u8]) -> Map<String, Value> {
    serde_json::Deserializer::from_slice(bytes)
        .into_iter::<Map<String, Value>>()
        .map_while(Result::ok)
        .flatten()
        .collect()
}

/// The error's name there: 46 is a `RecoveryError`.
fn name(outcome: &Outcome) -> &'static str {
    match (outcome.exit_status, outcome.stage.as_str()) {
        (46, _) => "RecoveryError",
        (2, _) => "InputError",
        (130 | 143, _) => "Cancelled",
        (_, "provision") => "ProvisioningError",
        (_, "firmware_update") => "FirmwareUpdateError",
        _ => "StageError",
    }
}

fn message(outcome: &Outcome, story: &[String]) -> String {
    let mut text = outcome.line();
    for line in story {
        text.push('\n');
        text.push_str(line);
    }
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// The nearest error that led to it.
fn cause(story: &[String]) -> Option<String> {
    story
        .iter()
        .find_map(|line| line.trim_start().strip_prefix("because"))
        .map(|cause| plain(cause.trim_start()))
}
