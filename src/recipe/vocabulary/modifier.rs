//! The modifiers of a step.

use super::key::Takes;
use super::shape::Shape;

/// A key that stands beside the action's.
#[derive(Debug)]
pub struct Modifier {
    /// The key.
    pub name: &'static str,
    /// What its value may be.
    pub takes: Takes,
    /// Which actions take it.
    pub on: On,
    /// What counts where it is not given.
    pub default: Option<&'static str>,
    /// What it does.
    pub doc: &'static str,
}

/// Which actions take a modifier.
#[derive(Clone, Copy, Debug)]
pub enum On {
    /// All.
    All,
    /// Those that run on a host.
    Hosts,
    /// Those that report progress.
    Progress,
    /// Those that have an output.
    Output,
    /// All but these.
    AllBut(&'static [&'static str]),
    /// These.
    Only(&'static [&'static str]),
}

const fn modifier(
    name: &'static str,
    takes: Takes,
    on: On,
    default: Option<&'static str>,
    doc: &'static str,
) -> Modifier {
    Modifier {
        name,
        takes,
        on,
        default,
        doc,
    }
}

/// All modifiers, in the order of the reference. (`with` is the arguments of `call`.)
pub const MODIFIERS: &[Modifier] = &[
    modifier(
        "name",
        Takes::Shape(Shape::Text),
        On::All,
        Some("the action"),
        "Its name in logs, literal, unique within the state.",
    ),
    modifier(
        "when",
        Takes::Shape(Shape::Expr),
        On::All,
        Some("true"),
        "An expression; where it is false the step is skipped and counts as done.",
    ),
    modifier(
        "host",
        Takes::Shape(Shape::Host),
        On::Hosts,
        Some("local"),
        "The host where it runs, literal.",
    ),
    modifier(
        "for_each",
        Takes::Items,
        On::AllBut(&["serve", "capture", "call"]),
        None,
        "A list, or an expression that gives one: the step runs once per item.",
    ),
    modifier(
        "on_item_error",
        Takes::Shape(Shape::Word(&["stop", "continue"])),
        On::AllBut(&["serve", "capture", "call"]),
        Some("stop"),
        "`stop` at the first item that fails, or `continue`.",
    ),
    modifier(
        "save",
        Takes::Name,
        On::Output,
        None,
        "The name in `vars` that gets the output.",
    ),
    modifier(
        "timeout",
        Takes::Shape(Shape::DurationOrNone),
        On::AllBut(&["sleep"]),
        None,
        "Bound on one try; `none` leaves only the bounds around it.",
    ),
    modifier(
        "stall",
        Takes::Shape(Shape::Duration),
        On::Progress,
        None,
        "Bound on the time without progress.",
    ),
    modifier(
        "retry",
        Takes::Retry,
        On::AllBut(&["serve", "capture", "fail"]),
        Some("1"),
        "Further tries of the step.",
    ),
    modifier(
        "expect",
        Takes::Expect,
        On::Only(&["run", "commands", "http", "wait"]),
        None,
        "Which answers are success: statuses, `lost`, or `any`.",
    ),
    modifier(
        "allow_failure",
        Takes::AllowFailure,
        On::AllBut(&["fail"]),
        Some("false"),
        "Forgives every error, or a list of kinds.",
    ),
    modifier(
        "env",
        Takes::Env,
        On::Only(&["run", "commands", "wait"]),
        None,
        "Environment variables; null removes one.",
    ),
    modifier(
        "parse",
        Takes::Shape(Shape::Word(&["json", "lines", "text"])),
        On::Only(&["run", "read", "http", "wait"]),
        Some("text"),
        "How output is read: `json`, `lines` or `text`.",
    ),
    modifier(
        "max_output",
        Takes::Shape(Shape::Size),
        On::Only(&["run", "commands", "read", "http", "wait"]),
        Some("1MiB"),
        "How much output is kept.",
    ),
    modifier(
        "needs",
        Takes::Needs,
        On::All,
        None,
        "Tracked values that must hold before each try.",
    ),
    modifier(
        "sets",
        Takes::Needs,
        On::All,
        None,
        "Tracked values that it changes, and what they are once it has ended well.",
    ),
    modifier(
        "recovery",
        Takes::Shape(Shape::Boolean),
        On::All,
        Some("false"),
        "An error raised here that nothing catches ends the stage with 46.",
    ),
    modifier(
        "verdict",
        Takes::Verdict,
        On::All,
        None,
        "Whose fault its failure is: `infra`, `device`, `image`, `job` or `test`.",
    ),
    modifier(
        "with",
        Takes::Values,
        On::Only(&["call"]),
        None,
        "The arguments of the procedure.",
    ),
];

/// The modifiers that steps of a driver take.
pub const DRIVER_MODIFIERS: &[&str] = &[
    "name",
    "when",
    "host",
    "env",
    "expect",
    "timeout",
    "allow_failure",
    "verdict",
];

/// The modifiers that steps of a probe take.
pub const PROBE_MODIFIERS: &[&str] = &[
    "name",
    "when",
    "host",
    "for_each",
    "save",
    "timeout",
    "env",
    "expect",
    "allow_failure",
    "parse",
    "max_output",
];

/// The modifiers that probes of `blame` take.
pub const BLAME_MODIFIERS: &[&str] = &[
    "when",
    "host",
    "for_each",
    "timeout",
    "env",
    "expect",
    "parse",
    "max_output",
    "verdict",
];

/// Modifiers whose value can hold no template, though its shape could.
const LITERAL: &[&str] = &["name", "on_item_error", "parse", "recovery"];

impl Modifier {
    /// Whether its value can hold no template.
    pub fn literal(&self) -> bool {
        LITERAL.contains(&self.name)
    }
}
