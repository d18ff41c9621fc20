//! What a recipe is checked against besides itself.

use std::time::Duration;

use crate::diagnostic::{Code, Finding, Findings, SourceId, Sources, Spanned};
use crate::recipe::yaml::{Dialect, Kind, Node, read};

/// Limits that a recipe does not know of.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The longest that a stage may last (`--max-duration`).
    pub max_duration: Option<Duration>,
    /// What the agent that runs a stage allows.
    pub agent: AgentLimits,
    /// The longest that the log is silent while a step runs; where nobody says, it may be silent for
    /// as long as the step.
    pub heartbeat: Option<Duration>,
}

/// The limits of Testflinger's agent, as a job has them; what a job leaves out is the agent's own
/// matter.
#[derive(Clone, Debug, Default)]
pub struct AgentLimits {
    /// `global_timeout`, seconds: no phase but `reserve` lasts longer.
    pub global_timeout: Option<Spanned<Duration>>,
    /// `output_timeout`, seconds: the test phase is never silent for longer.
    pub output_timeout: Option<Spanned<Duration>>,
}

impl AgentLimits {
    /// Reads them from the text of a job.
    pub fn read(sources: &Sources, job: SourceId, findings: &mut Findings) -> Self {
        let Some(root) = read(sources, job, Dialect::Data, findings) else {
            return Self::default();
        };
        Self {
            global_timeout: seconds(&root, "global_timeout", findings),
            output_timeout: seconds(&root, "output_timeout", findings),
        }
    }
}

fn seconds(root: &Node, key: &str, findings: &mut Findings) -> Option<Spanned<Duration>> {
    let node = root.get(key)?;
    let seconds = match node.kind {
        Kind::Int(seconds) => u64::try_from(seconds).ok(),
        _ => None,
    };
    if seconds.is_none() {
        let message = format!("`{key}` is a whole number of seconds");
        findings.push(Finding::new(Code::WrongInput, node.span, message));
    }
    Some(Spanned::new(Duration::from_secs(seconds?), node.span))
}
