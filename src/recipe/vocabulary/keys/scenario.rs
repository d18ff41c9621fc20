//! The maps of a scenario file: their keys, what they take, and what they are for.

use super::STAGES;
use crate::recipe::vocabulary::Shape;
use crate::recipe::vocabulary::key::{Key, Takes};

/// The file.
pub const FILE: &[Key] = &[
    Key::new(
        "recipe",
        Takes::Name,
        "The recipe whose scenarios these are.",
    )
    .required(),
    Key::new("device", Takes::Data, "The device config of all scenarios."),
    Key::new("job", Takes::Data, "The job data of all scenarios."),
    Key::new(
        "env",
        Takes::Env,
        "The engine's environment in all scenarios.",
    ),
    Key::new("scenarios", Takes::Scenarios, "What is tried, by name.").required(),
];

/// A scenario.
pub const SCENARIO: &[Key] = &[
    Key::shaped("summary", Shape::Text, "What it shows.").literal(),
    Key::shaped("stage", Shape::Word(STAGES), "The stage that is run.")
        .literal()
        .default("provision"),
    Key::shaped(
        "procedure",
        Shape::Text,
        "The procedure that is called instead of a stage.",
    )
    .literal(),
    Key::new("with", Takes::Values, "The arguments of the procedure."),
    Key::new(
        "device",
        Takes::Data,
        "Device config, over the file's; null takes a key away.",
    ),
    Key::new(
        "job",
        Takes::Data,
        "Job data, over the file's; null takes a key away.",
    ),
    Key::new(
        "env",
        Takes::Env,
        "Environment, over the file's; null takes a variable away.",
    ),
    Key::new(
        "steps",
        Takes::Outcomes,
        "How the tries of steps end, by the step's name; a step that is not named ends well.",
    ),
    Key::new(
        "signal",
        Takes::Signals,
        "A signal that comes, or a list of them.",
    ),
    Key::new(
        "expect",
        Takes::Expectations,
        "What must follow; `test --update` writes it.",
    ),
];

/// A signal.
pub const SIGNAL: &[Key] = &[
    Key::shaped("during", Shape::Text, "The step that is at work.")
        .literal()
        .required(),
    Key::new(
        "try",
        Takes::Count(1),
        "Its try, counted over the whole run.",
    )
    .default("1"),
    Key::shaped(
        "after",
        Shape::Duration,
        "How long after the try has begun.",
    )
    .literal()
    .default("0"),
    Key::shaped("send", Shape::Word(&["INT", "TERM"]), "Which signal.")
        .literal()
        .default("TERM"),
];

/// What must follow.
pub const EXPECT: &[Key] = &[
    Key::shaped(
        "exit",
        Shape::Integer(0, 255),
        "The exit status; 2: the inputs are refused before anything is touched.",
    )
    .literal()
    .required(),
    Key::new("verdict", Takes::AnyVerdict, "Whose fault it is."),
    Key::shaped(
        "reason",
        Shape::Text,
        "The sentence that says why it ended so; `*` stands for any text.",
    )
    .literal(),
    Key::shaped(
        "path",
        Shape::List(&Shape::Text),
        "The states that are entered, in order.",
    )
    .literal(),
    Key::shaped(
        "never",
        Shape::List(&Shape::Text),
        "States and steps that are not come to.",
    )
    .literal(),
    Key::new(
        "commands",
        Takes::Commands,
        "What is sent; `*` stands for any text.",
    ),
    Key::new(
        "duration",
        Takes::Took,
        "How long it takes on the virtual clock.",
    ),
];

/// What is sent.
pub const COMMANDS: &[Key] = &[
    Key::shaped(
        "exactly",
        Shape::List(&Shape::Text),
        "All of it, in this order.",
    )
    .literal(),
    Key::shaped(
        "in_order",
        Shape::List(&Shape::Text),
        "These, in this order; others may be between.",
    )
    .literal(),
    Key::shaped("any_order", Shape::List(&Shape::Text), "These.").literal(),
    Key::shaped("never", Shape::List(&Shape::Text), "None like these.").literal(),
];

/// How long it takes.
pub const TOOK: &[Key] = &[
    Key::shaped("at_least", Shape::Duration, "At least so long.").literal(),
    Key::shaped("at_most", Shape::Duration, "At most so long.").literal(),
];

/// How a try ends. Other keys are fields of the output.
pub const OUTCOME: &[Key] = &[
    Key::new(
        "error",
        Takes::TryError,
        "The kind of error; `timeout` without `takes` does not end by itself.",
    ),
    Key::shaped("takes", Shape::Duration, "How long it takes.").literal(),
    Key::shaped("message", Shape::Text, "What the error says.").literal(),
];
