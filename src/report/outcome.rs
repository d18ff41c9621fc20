//! `outcome.json`: what a stage came to, for whoever started it.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::quantity::elapsed;
use super::whole::write_whole;
pub use crate::engine::run::OUTCOME_FILE as FILE_NAME;
use crate::engine::{RunReport, utc};
use crate::recipe::{ErrorKind, Verdict};

/// The version of the file's form.
pub const VERSION: u32 = 1;

/// The content of `outcome.json`. Every member is always there; what does not apply is null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// [`VERSION`].
    pub version: u32,
    /// The recipe's name, or what was asked for where there is no such recipe.
    pub recipe: String,
    /// The stage.
    pub stage: String,
    /// `run.id`; null where nothing was begun.
    pub run_id: Option<String>,
    /// The exit status of the process.
    pub exit_status: u8,
    /// Whose fault it was.
    pub verdict: Verdict,
    /// Why, in one sentence.
    pub reason: String,
    /// The path of the state that decided it.
    pub state: Option<String>,
    /// The name of the step that decided it.
    pub step: Option<String>,
    /// Its try, from 1.
    #[serde(rename = "try")]
    pub number: Option<u32>,
    /// The kind of error.
    pub kind: Option<ErrorKind>,
    /// The end of what that step printed; secrets are masked.
    pub output_tail: Option<String>,
    /// When the run began: RFC 3339, UTC.
    pub started: String,
    /// How long it took.
    pub seconds: f64,
    /// What the recipe's probes found after a failure, in the recipe's order.
    pub evidence: Vec<Found>,
    /// Whether another board would be worth a try; see [`retry_elsewhere`].
    pub retry_elsewhere: Option<bool>,
}

/// What a probe found after a failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// The probe's name in the recipe.
    pub probe: String,
    /// Whether what it looked at is well; null: it could not be looked at.
    pub holds: Option<bool>,
    /// Whose fault it is that it is not; null where it is well or not known.
    pub verdict: Option<Verdict>,
    /// Whether it decided the verdict of the stage.
    pub decisive: bool,
    /// What was seen, or why nothing was; where all is well, what was done. Secrets are masked.
    pub message: String,
    /// How long it took.
    pub seconds: f64,
}

/// Whether another board would be worth a try, by whose fault it was. The lab's gear and the board
/// stay behind when the job goes elsewhere: yes. What the job asked for, or a test that failed, goes
/// with it: no. A board that did not come up after an image was written tells neither from the other
/// (null), and nothing can be said of a success or a cancelled run (null).
pub fn retry_elsewhere(verdict: Verdict) -> Option<bool> {
    match verdict {
        Verdict::Infra | Verdict::Device => Some(true),
        Verdict::Job | Verdict::Test => Some(false),
        Verdict::Image | Verdict::Ok | Verdict::Cancelled => None,
    }
}

impl Outcome {
    /// Of a run that was begun.
    pub fn of(report: &RunReport, exit_status: u8) -> Self {
        let decided = report.decided.as_ref();
        Self {
            version: VERSION,
            recipe: report.opening.recipe.to_string(),
            stage: report.opening.stage.to_string(),
            run_id: Some(report.opening.run_id.to_string()),
            exit_status,
            verdict: report.verdict,
            reason: report.reason.clone(),
            state: decided.and_then(|decided| Some(decided.state.as_ref()?.to_string())),
            step: decided.and_then(|decided| Some(decided.step.as_ref()?.name.to_string())),
            number: decided.and_then(|decided| decided.number),
            kind: decided.and_then(|decided| decided.kind),
            output_tail: decided
                .map(|decided| decided.tail.clone())
                .filter(|tail| !tail.is_empty()),
            started: utc(report.opening.time),
            seconds: seconds(report.took),
            evidence: report
                .evidence
                .iter()
                .enumerate()
                .map(|(at, one)| Found {
                    probe: one.probe.to_string(),
                    holds: one.holds,
                    verdict: one.verdict,
                    decisive: report.blamed == Some(at),
                    message: one.message.clone(),
                    seconds: seconds(one.took),
                })
                .collect(),
            retry_elsewhere: retry_elsewhere(report.verdict),
        }
    }

    /// Of a run that was refused before anything was touched.
    pub fn refused(
        recipe: &str,
        stage: &str,
        exit_status: u8,
        verdict: Verdict,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            version: VERSION,
            recipe: recipe.to_owned(),
            stage: stage.to_owned(),
            run_id: None,
            exit_status,
            verdict,
            reason: reason.into(),
            state: None,
            step: None,
            number: None,
            kind: Some(ErrorKind::Input),
            output_tail: None,
            started: utc(SystemTime::now()),
            seconds: 0.0,
            evidence: Vec::new(),
            retry_elsewhere: retry_elsewhere(verdict),
        }
    }

    /// Writes the file; a reader sees the whole of it or what was there before.
    ///
    /// # Errors
    /// The directory can't be written.
    pub fn write(&self, run_dir: &Path) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        write_whole(&run_dir.join(FILE_NAME), text.as_bytes())
    }

    /// The whole in one line: the last of the log.
    pub fn line(&self) -> String {
        let took = elapsed(Duration::try_from_secs_f64(self.seconds).unwrap_or_default());
        let mut line = match self.verdict {
            Verdict::Ok => format!("{} succeeded in {took}", self.stage),
            Verdict::Cancelled => format!("{} was cancelled after {took}", self.stage),
            _ => format!(
                "{} failed after {took}, verdict {}",
                self.stage,
                verdict_word(self.verdict)
            ),
        };
        if let Some(found) = self.evidence.iter().find(|found| found.decisive) {
            let what = found.probe.replace('_', " ");
            line.push_str(&format!(" ({what}: {})", found.message));
        }
        line.push_str(&format!(", exit status {}", self.exit_status));
        if self.verdict != Verdict::Ok {
            let place: Vec<&str> = [&self.state, &self.step]
                .into_iter()
                .filter_map(|part| part.as_deref())
                .filter(|part| *part != "/")
                .collect();
            if !place.is_empty() {
                line.push_str(&format!(", at {}", place.join(" ").trim_start_matches('/')));
            }
            if let Some(number) = self.number {
                line.push_str(&format!(" (try {number})"));
            }
            line.push_str(&format!(": {}", self.reason));
        }
        line
    }
}

/// Seconds with milliseconds.
fn seconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1000.0).round() / 1000.0
}

/// The word of a verdict, as in the file.
pub fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Infra => "infra",
        Verdict::Device => "device",
        Verdict::Image => "image",
        Verdict::Job => "job",
        Verdict::Test => "test",
        Verdict::Cancelled => "cancelled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_run_has_every_member_and_is_read_back() {
        let dir = tempfile::tempdir().expect("a folder");
        let outcome = Outcome {
            started: "2026-11-24T14:00:00.000Z".into(),
            ..Outcome::refused(
                "muxpi",
                "provision",
                2,
                Verdict::Job,
                "`job.provision_data.url` is missing",
            )
        };
        outcome.write(dir.path()).expect("writes");
        let text = std::fs::read_to_string(dir.path().join(FILE_NAME)).expect("reads");
        insta::assert_snapshot!(text, @r#"
        {
          "version": 1,
          "recipe": "muxpi",
          "stage": "provision",
          "run_id": null,
          "exit_status": 2,
          "verdict": "job",
          "reason": "`job.provision_data.url` is missing",
          "state": null,
          "step": null,
          "try": null,
          "kind": "input",
          "output_tail": null,
          "started": "2026-11-24T14:00:00.000Z",
          "seconds": 0.0,
          "evidence": [],
          "retry_elsewhere": false
        }
        "#);
        assert_eq!(
            serde_json::from_str::<Outcome>(&text).expect("JSON"),
            outcome
        );
        let names: Vec<_> = std::fs::read_dir(dir.path())
            .expect("reads")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        assert_eq!(names, [FILE_NAME], "no temporary file stays");
    }

    #[test]
    fn one_line_says_it_all() {
        let outcome = Outcome {
            state: Some("/storage/write".into()),
            step: Some("flash".into()),
            number: Some(3),
            kind: Some(ErrorKind::Timeout),
            verdict: Verdict::Infra,
            exit_status: 1,
            seconds: 5402.0,
            ..Outcome::refused(
                "muxpi",
                "provision",
                1,
                Verdict::Infra,
                "it took longer than its timeout (30m)",
            )
        };
        assert_eq!(
            outcome.line(),
            "provision failed after 1h30m2s, verdict infra, exit status 1, at storage/write flash (try 3): it took longer than its timeout (30m)"
        );
    }
}
