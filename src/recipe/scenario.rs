//! A scenario file as it was read: what a recipe is given, how chosen tries end, what must follow.
//!
//! `NAME.test.yaml` stands beside `NAME.yaml`. Names of states and steps are texts here: they mean
//! something only beside a stage of the recipe.

use std::time::Duration;

use super::model::Tree;
use super::yaml::{Key, Node};
use super::{ErrorKind, Value, Verdict};
use crate::diagnostic::{Span, Spanned};

/// The end of a scenario file's name.
pub const SUFFIX: &str = ".test.yaml";

/// One file of scenarios.
#[derive(Clone, Debug)]
pub struct ScenarioFile {
    /// The recipe that they try.
    pub recipe: Spanned<String>,
    /// In the order of the file.
    pub scenarios: Vec<Scenario>,
}

/// One scenario. What the file shares is merged into it.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its key.
    pub name: Spanned<String>,
    /// The whole of its value.
    pub span: Span,
    /// What it shows.
    pub summary: Option<String>,
    /// What is run.
    pub runs: Runs,
    /// The device config, a map.
    pub device: Node,
    /// The job data, a map.
    pub job: Node,
    /// The engine's environment.
    pub env: Vec<(String, String)>,
    /// How tries of steps end, by the step's reference.
    pub steps: Vec<(Spanned<String>, Vec<TryOutcome>)>,
    /// Signals that come.
    pub signals: Vec<SignalAt>,
    /// What must follow; `None`: not written yet.
    pub expect: Option<Expect>,
}

/// What a scenario runs.
#[derive(Clone, Debug)]
pub enum Runs {
    /// A stage of the recipe.
    Stage(Spanned<String>),
    /// A procedure, as if a stage called it and did nothing else.
    Procedure {
        /// Its name.
        name: Spanned<String>,
        /// Its arguments.
        with: Vec<(Key, Tree)>,
    },
}

/// How one try ends. Without an error, well.
#[derive(Clone, Debug, Default)]
pub struct TryOutcome {
    /// Where it is written.
    pub span: Span,
    /// The error that it ends with. `timeout` without `takes`: the try does not end by itself.
    pub error: Option<Spanned<ErrorKind>>,
    /// How long it takes.
    pub takes: Option<Duration>,
    /// What the error says.
    pub message: Option<String>,
    /// Fields of the output.
    pub output: Vec<(Key, Value)>,
}

/// A signal, and when it comes.
#[derive(Clone, Debug)]
pub struct SignalAt {
    /// Where it is written.
    pub span: Span,
    /// The step that is at work.
    pub during: Spanned<String>,
    /// Its try, from 1, counted over the whole run.
    pub attempt: u32,
    /// How long after the try has begun.
    pub after: Duration,
    /// Which.
    pub send: Sent,
}

/// The signals of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// SIGINT.
    Int,
    /// SIGTERM.
    Term,
}

/// What must follow.
#[derive(Clone, Debug)]
pub struct Expect {
    /// The exit status; 2: the inputs are refused before anything is touched.
    pub exit: Spanned<u8>,
    /// Whose fault it is.
    pub verdict: Option<Spanned<Verdict>>,
    /// The sentence that says why it ended so.
    pub reason: Option<Spanned<Pattern>>,
    /// States that are entered and ends that are reached, in order.
    pub path: Option<Vec<Spanned<String>>>,
    /// States and steps that are not come to.
    pub never: Vec<Spanned<String>>,
    /// What is sent.
    pub commands: Commands,
    /// How long it takes on the virtual clock.
    pub duration: Option<Spanned<Took>>,
}

/// What must be said of all that is sent.
#[derive(Clone, Debug, Default)]
pub struct Commands {
    /// All of it, in this order.
    pub exactly: Option<Vec<Spanned<Pattern>>>,
    /// These, in this order; others may be between.
    pub in_order: Vec<Spanned<Pattern>>,
    /// These.
    pub any_order: Vec<Spanned<Pattern>>,
    /// None like these.
    pub never: Vec<Spanned<Pattern>>,
}

/// How long something takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Took {
    /// At least so long.
    pub at_least: Duration,
    /// At most so long.
    pub at_most: Duration,
}

/// A text in which `*` stands for any text, also none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(pub String);

impl Pattern {
    /// Whether all of a text is like this. Line ends at the end of either do not count.
    pub fn matches(&self, text: &str) -> bool {
        let text = text.trim_end();
        let mut parts = self.0.trim_end().split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = text.strip_prefix(first) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        for part in parts {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn a_star_stands_for_any_text() {
        #[track_caller]
        fn case(pattern: &str, text: &str, expected: bool) {
            assert_eq!(Pattern(pattern.to_owned()).matches(text), expected);
        }
        case("stm -ts", "stm -ts", true);
        case("stm -ts", "stm -ts\n", true);
        case("stm", "stm -ts", false);
        case("stm*", "stm -ts", true);
        case("*-ts", "stm -ts", true);
        case("s*m*s", "stm -ts", true);
        case("s*x*s", "stm -ts", false);
        case("ab*ba", "aba", false);
        case("rm 99-*", "rm 99-*?.cfg", true);
        case("", "", true);
        case("", "x", false);
        case("*", "a\nb", true);
        case("é*", "é", true);
    }
}
