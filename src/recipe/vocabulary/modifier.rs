//! The modifiers of a step.

/// A key that stands beside the action's.
#[derive(Debug)]
pub struct Modifier {
    /// The key.
    pub name: &'static str,
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
    on: On,
    default: Option<&'static str>,
    doc: &'static str,
) -> Modifier {
    Modifier {
        name,
        on,
        default,
        doc,
    }
}

/// All modifiers, in the order of the reference. (`with` is the arguments of `call`.)
pub const MODIFIERS: &[Modifier] = &[
    modifier(
        "name",
        On::All,
        Some("the action"),
        "Its name in logs, literal, unique within the state.",
    ),
    modifier(
        "when",
        On::All,
        Some("true"),
        "An expression; where it is false the step is skipped and counts as done.",
    ),
    modifier(
        "host",
        On::Hosts,
        Some("local"),
        "The host where it runs, literal.",
    ),
    modifier(
        "for_each",
        On::AllBut(&["serve", "capture", "call"]),
        None,
        "A list, or an expression that gives one: the step runs once per item.",
    ),
    modifier(
        "on_item_error",
        On::AllBut(&["serve", "capture", "call"]),
        Some("stop"),
        "`stop` at the first item that fails, or `continue`.",
    ),
    modifier(
        "save",
        On::Output,
        None,
        "The name in `vars` that gets the output.",
    ),
    modifier(
        "timeout",
        On::AllBut(&["sleep"]),
        None,
        "Bound on one try; `none` leaves only the bounds around it.",
    ),
    modifier(
        "stall",
        On::Progress,
        None,
        "Bound on the time without progress.",
    ),
    modifier(
        "retry",
        On::AllBut(&["serve", "capture", "fail"]),
        Some("1"),
        "Further tries of the step.",
    ),
    modifier(
        "expect",
        On::Only(&["run", "commands", "http", "wait"]),
        None,
        "Which answers are success: statuses, `lost`, or `any`.",
    ),
    modifier(
        "allow_failure",
        On::AllBut(&["fail"]),
        Some("false"),
        "Forgives every error, or a list of kinds.",
    ),
    modifier(
        "env",
        On::Only(&["run", "commands", "wait"]),
        None,
        "Environment variables; null removes one.",
    ),
    modifier(
        "parse",
        On::Only(&["run", "read", "http", "wait"]),
        Some("text"),
        "How output is read: `json`, `lines` or `text`.",
    ),
    modifier(
        "max_output",
        On::Only(&["run", "commands", "read", "http", "wait"]),
        Some("1MiB"),
        "How much output is kept.",
    ),
    modifier(
        "needs",
        On::All,
        None,
        "Tracked values that must hold before each try.",
    ),
    modifier(
        "sets",
        On::All,
        None,
        "Tracked values that it changes, and what they are once it has ended well.",
    ),
    modifier(
        "recovery",
        On::All,
        Some("false"),
        "An error raised here that nothing catches ends the stage with 46.",
    ),
    modifier(
        "verdict",
        On::All,
        None,
        "Whose fault its failure is: `infra`, `device`, `image`, `job` or `test`.",
    ),
    modifier(
        "with",
        On::Only(&["call"]),
        None,
        "The arguments of the procedure.",
    ),
];
