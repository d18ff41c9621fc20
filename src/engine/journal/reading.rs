//! Reading a journal back: the runs of a directory, with what each had open at its last line.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::super::record::{Record, What};
use super::{Header, RECOVERS, VERSION};

/// One run as its journal tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Journalled {
    /// Its header.
    pub header: Header,
    /// Its facts, in order; those of its recovery follow.
    pub records: Vec<Record>,
}

impl Journalled {
    /// Its `run.id`; empty where its header has none.
    pub fn run_id(&self) -> &str {
        self.header.text("run_id")
    }

    /// Scopes that were entered and never left, outermost first, by path. A run that ended has none,
    /// but where a second signal left them to the next start.
    pub fn open_scopes(&self) -> Vec<Arc<str>> {
        let mut open: Vec<Arc<str>> = Vec::new();
        for record in &self.records {
            match &record.what {
                What::StateEntered {
                    state, scope: true, ..
                } => open.push(state.clone()),
                What::ScopeLeft { state, .. } => {
                    if let Some(at) = open.iter().rposition(|other| other == state) {
                        open.truncate(at);
                    }
                }
                _ => {}
            }
        }
        open
    }

    /// Whether the run came to its end.
    pub fn ended(&self) -> bool {
        // What probes found of a failure comes after it.
        self.records
            .iter()
            .rev()
            .any(|record| matches!(record.what, What::StageEnded { .. }))
    }
}

/// Reads a journal back: its runs in order. A last line without its end was torn by a kill or a
/// power cut, and is left out; an ended line that is empty or cut is so too where a header follows,
/// which is how the next run ends it.
///
/// # Errors
/// A sentence that names the line: the file can't be read, or was damaged or edited.
pub fn read_back(path: &Path) -> Result<Vec<Journalled>, String> {
    let text = std::fs::read(path)
        .map_err(|error| format!("{} can't be read: {error}", path.display()))?;
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    lines.pop(); // what follows the last line feed: nothing, or a torn line
    let mut runs: Vec<Journalled> = Vec::new();
    let mut at: Option<usize> = None;
    let mut damaged: Option<String> = None;
    for (number, line) in lines.into_iter().enumerate() {
        let place = format!("{}:{}", path.display(), number + 1);
        let parsed = match serde_json::from_slice::<Value>(line) {
            Ok(parsed) => parsed,
            Err(error) => {
                if let Some(damage) = damaged {
                    return Err(damage);
                }
                damaged = Some(format!("{place}: not JSON: {error}"));
                continue;
            }
        };
        if let Value::Object(fields) = &parsed
            && let Some(version) = fields.get("journal")
        {
            if version.as_u64() != Some(VERSION) {
                return Err(format!(
                    "{place}: version {version} of the journal; this tf-engine reads version {VERSION}"
                ));
            }
            let mut fields = fields.clone();
            fields.shift_remove("journal");
            damaged = None;
            at = match fields.get(RECOVERS).and_then(Value::as_str) {
                None => {
                    runs.push(Journalled {
                        header: Header { fields },
                        records: Vec::new(),
                    });
                    Some(runs.len() - 1)
                }
                Some(id) => Some(
                    runs.iter()
                        .rposition(|run| run.run_id() == id)
                        .ok_or_else(|| format!("{place}: a run `{id}` that is not in it"))?,
                ),
            };
            continue;
        }
        if let Some(damage) = damaged {
            return Err(damage);
        }
        let record = Record::from_json(parsed).map_err(|error| format!("{place}: {error}"))?;
        match at.and_then(|at| runs.get_mut(at)) {
            Some(run) => run.records.push(record),
            None => return Err(format!("{place}: a fact before any run's beginning")),
        }
    }
    match damaged {
        Some(damage) => Err(damage),
        None => Ok(runs),
    }
}
