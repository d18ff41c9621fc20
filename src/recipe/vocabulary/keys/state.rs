//! States, stages and procedures.

use crate::recipe::vocabulary::Shape;
use crate::recipe::vocabulary::key::{Key, List, Takes};

pub(super) const DEFAULTS_KEY: Key = Key::new(
    "defaults",
    Takes::Defaults,
    "What steps inside take where they say nothing themselves.",
);

/// `defaults`.
pub const DEFAULTS: &[Key] = &[
    Key::shaped("timeout", Shape::DurationOrNone, "Bound on one try."),
    Key::new("retry", Takes::Retry, "Further tries."),
    Key::shaped("host", Shape::Host, "Where steps run."),
    Key::new("env", Takes::Env, "Environment variables of commands."),
];

/// `ensures`.
pub const ENSURES: &[Key] = &[
    Key::new("success", Takes::Needs, "What must hold at exit 0."),
    Key::new(
        "always",
        Takes::Needs,
        "What must hold at every end but 46; what was never touched counts as holding.",
    ),
];

/// A row of `next`.
pub const ROW: &[Key] = &[
    Key::shaped("when", Shape::Expr, "An expression; the last row has none."),
    Key::new("to", Takes::Target, "The state that follows, or `done`.").required(),
];

const ATTEMPTS: Key = Key::shaped(
    "attempts",
    Shape::Integer(1, u32::MAX as i64),
    "All tries, the first included.",
)
.required();
const DELAY: Key =
    Key::shaped("delay", Shape::Duration, "Time before the second try.").default("0");
const BACKOFF: Key = Key::new(
    "backoff",
    Takes::Number(1.0, f64::MAX),
    "Each further delay is the last one times this.",
)
.default("1");
const MAX_DELAY: Key =
    Key::shaped("max_delay", Shape::Duration, "The longest delay.").default("1h");
const JITTER: Key = Key::new(
    "jitter",
    Takes::Number(0.0, 1.0),
    "The share of each delay that chance may take off.",
)
.default("0");
const ERRORS: Key = Key::shaped(
    "errors",
    Shape::Kinds,
    "The kinds of error that are retried; all but `input` and `cancelled` where not given.",
);

/// `retry` of a step.
pub const RETRY: &[Key] = &[ATTEMPTS, DELAY, BACKOFF, MAX_DELAY, JITTER, ERRORS];

/// `retry` of a leaf, scope, stage or procedure.
pub const STATE_RETRY: &[Key] = &[
    ATTEMPTS,
    DELAY,
    BACKOFF,
    MAX_DELAY,
    JITTER,
    ERRORS,
    Key::new(
        "between",
        Takes::Steps(List::Exit),
        "Steps after the delay, before each further try.",
    )
    .default("[]"),
];

const SUMMARY: Key = Key::shaped("summary", Shape::Text, "What it is for, in a line.").literal();
const WHEN: Key = Key::shaped(
    "when",
    Shape::Expr,
    "An expression; where it is false the state is passed over and its `next` is taken.",
)
.default("true");
const DO: Key = Key::new(
    "do",
    Takes::Steps(List::Do),
    "Steps, run in order; `[]` does nothing.",
);
const INITIAL: Key = Key::new(
    "initial",
    Takes::Name,
    "The state that the scope begins with.",
)
.required();
const STATES: Key = Key::new("states", Takes::States, "The states inside.").required();
const ENTER: Key = Key::new(
    "enter",
    Takes::Steps(List::Enter),
    "Steps before the initial state.",
)
.default("[]");
const EXIT: Key = Key::new(
    "exit",
    Takes::Steps(List::Exit),
    "Steps that run exactly once however the scope is left.",
)
.default("[]");
const NEXT: Key = Key::new(
    "next",
    Takes::Next,
    "What follows: a state, `done` (completes the scope around), or rows of `{when, to}`.",
);
const CATCH: Key = Key::new(
    "catch",
    Takes::Catch,
    "Where errors lead: a state, or a map from kinds of error to states.",
);
const RETRY_KEY: Key = Key::new("retry", Takes::StateRetry, "Further tries of the whole.");
const TIMEOUT: Key = Key::shaped(
    "timeout",
    Shape::Duration,
    "Bound on everything in it: tries, delays, inner scopes' exit steps.",
);
const MAX_VISITS: Key = Key::new(
    "max_visits",
    Takes::Count(1),
    "How often it may be come to while the scope around is open; one more raises `loop`.",
);
const RECOVERY: Key = Key::shaped(
    "recovery",
    Shape::Boolean,
    "Whether an error raised here that nothing catches means that the board needs hands: exit 46.",
)
.literal()
.default("false");
const FOR_EACH: Key = Key::new(
    "for_each",
    Takes::Items,
    "A list, or an expression that gives one: the state runs once per item.",
);
const ON_ITEM_ERROR: Key = Key::shaped(
    "on_item_error",
    Shape::Word(&["stop", "continue"]),
    "`stop` at the first item that fails, or `continue`.",
)
.literal()
.default("stop");
const VARS: Key = Key::new(
    "vars",
    Takes::Values,
    "Variables with their values at each entry.",
);
const VERDICT: Key = Key::new("verdict", Takes::Verdict, "Whose fault a failure here is.");

/// A leaf.
pub const LEAF: &[Key] = &[
    SUMMARY,
    WHEN,
    DO.required(),
    NEXT,
    CATCH,
    RETRY_KEY,
    TIMEOUT,
    MAX_VISITS,
    RECOVERY,
    FOR_EACH,
    ON_ITEM_ERROR,
    VARS,
    DEFAULTS_KEY,
    VERDICT,
];

/// A scope.
pub const SCOPE: &[Key] = &[
    SUMMARY,
    WHEN,
    INITIAL,
    STATES,
    ENTER,
    EXIT,
    NEXT.required(),
    CATCH,
    RETRY_KEY,
    TIMEOUT,
    MAX_VISITS,
    RECOVERY,
    FOR_EACH,
    ON_ITEM_ERROR,
    VARS,
    DEFAULTS_KEY,
    VERDICT,
];

/// A choice.
pub const CHOICE: &[Key] = &[SUMMARY, NEXT.required(), MAX_VISITS];

/// An end.
pub const END: &[Key] = &[
    SUMMARY,
    Key::shaped(
        "end",
        Shape::Word(&["success", "failure", "unrecoverable"]),
        "How the stage, or the call, ends.",
    )
    .literal()
    .required(),
    Key::shaped("message", Shape::Printed, "What is said."),
    Key::shaped(
        "exit_status",
        Shape::Expr,
        "Of `failure`: 1 or 3 to 255, but not 46, 130 or 143.",
    )
    .default("1"),
    VERDICT,
];

/// What a stage and a procedure have in common with a leaf or scope.
pub const ROOT: &[Key] = &[
    SUMMARY,
    DO,
    INITIAL,
    STATES,
    ENTER,
    EXIT,
    RETRY_KEY,
    TIMEOUT,
    RECOVERY,
    VARS,
    DEFAULTS_KEY,
    VERDICT,
];

/// What a stage has besides.
pub const STAGE: &[Key] = &[Key::new(
    "ensures",
    Takes::Ensures,
    "Tracked values that must hold at its end.",
)];

/// What a procedure has besides.
pub const PROCEDURE: &[Key] = &[
    Key::new(
        "params",
        Takes::Inputs,
        "Its parameters, which `with` gives.",
    ),
    Key::shaped(
        "returns",
        Shape::Expr,
        "An expression: what the call gives, after the last exit step.",
    ),
];
