//! Every map of a recipe besides steps: its keys, what they take, and what they are for.
//!
//! The loader knows keys by these tables and no others; the schema is made from them.

use super::key::{Key, List, Takes};
use super::shape::Shape;
use crate::recipe::GearKind;

/// The file.
pub const RECIPE: &[Key] = &[
    Key::new(
        "recipe",
        Takes::Name,
        "The recipe's name: that of its file, without `.yaml`.",
    )
    .required(),
    Key::shaped(
        "library",
        Shape::Boolean,
        "Whether it is there for other recipes alone: not listed, not run.",
    )
    .literal()
    .default("false"),
    Key::shaped(
        "summary",
        Shape::Text,
        "One line for `list` and reports; required where there are stages.",
    )
    .literal(),
    Key::new(
        "extends",
        Takes::Name,
        "The recipe that this one inherits from. Entries of sections replace the parent's of the same name; null removes one.",
    ),
    Key::new(
        "device",
        Takes::Inputs,
        "What the recipe reads of the device config.",
    ),
    Key::new(
        "job",
        Takes::Groups,
        "What the recipe reads of the job data.",
    ),
    Key::new("hosts", Takes::Hosts, "Where steps run, besides `local`."),
    Key::new(
        "gear",
        Takes::Gear,
        "The lab's equipment at the board: power, muxes, serial lines.",
    ),
    Key::new(
        "let",
        Takes::Values,
        "Constants of the run, computed once at its start.",
    ),
    Key::new(
        "vars",
        Takes::Values,
        "Initial values of variables at the start of every stage.",
    ),
    Key::new(
        "tracks",
        Takes::Tracks,
        "What the recipe keeps track of: names, each with its possible values. Power and mux gears are tracked without it.",
    ),
    Key::new(
        "rules",
        Takes::Rules,
        "What must hold before each step of an action.",
    ),
    DEFAULTS_KEY,
    Key::new(
        "procedures",
        Takes::Procedures,
        "State machines with parameters, which `call` runs.",
    ),
    Key::new(
        "stages",
        Takes::Stages,
        "What an agent may ask for; each is one state machine.",
    ),
];

const DEFAULTS_KEY: Key = Key::new(
    "defaults",
    Takes::Defaults,
    "What steps inside take where they say nothing themselves.",
);

/// Stages that an agent may ask for.
pub const STAGES: &[&str] = &[
    "provision",
    "firmware_update",
    "runtest",
    "allocate",
    "reserve",
    "cleanup",
];

/// A host.
pub const HOST: &[Key] = &[
    Key::shaped("address", Shape::Text, "Name or IP address.").required(),
    Key::shaped("port", Shape::Integer(1, 65_535), "The SSH port.").default("22"),
    Key::shaped("user", Shape::Text, "Who logs in; the engine's own user where not given."),
    Key::shaped("password", Shape::Text, "A password, which is never printed."),
    Key::shaped("identity", Shape::OneOrMany(&Shape::Path), "Files with private keys; the engine's keys where not given."),
    Key::shaped("host_key", Shape::Word(&["accept_new", "known", "any"]), "Which host keys are accepted: a new one and then the same for ever, only known ones, or any.").literal().default("accept_new"),
    Key::shaped("via", Shape::Host, "The host that one logs in to first."),
    Key::shaped("connect_timeout", Shape::Duration, "Bound on connecting.").default("10s"),
    SHELL,
    Key::shaped("role", Shape::Word(&["lab", "device"]), "Whose fault it is when it fails: the lab's or the board's. `device` for a host named `dut`, else `lab`.").literal(),
];

/// The host `local`, the engine's machine.
pub const LOCAL: &[Key] = &[SHELL];

const SHELL: Key = Key::shaped(
    "shell",
    Shape::Word(&["bash", "sh"]),
    "What runs shell strings there.",
)
.literal()
.default("bash");

const KIND: Key = Key::shaped(
    "kind",
    Shape::Word(&["power", "mux", "serial"]),
    "What it is.",
)
.literal()
.required();
const VERIFY: Key = Key::shaped(
    "verify",
    Shape::Boolean,
    "Whether the state is read back after acting, where the driver can.",
)
.default("true");

/// A power gear.
pub const POWER: &[Key] = &[
    KIND,
    Key::new(
        "driver",
        Takes::Driver(GearKind::Power),
        "How it is switched: steps by verb. Where it is none, the gear is absent.",
    )
    .required(),
    Key::shaped("off_time", Shape::Duration, "How long `cycle` stays off.").default("5s"),
    VERIFY,
];

/// A mux.
pub const MUX: &[Key] = &[
    KIND,
    Key::new(
        "driver",
        Takes::Driver(GearKind::Mux),
        "How it is switched: steps by verb. Where it is none, the gear is absent.",
    )
    .required(),
    VERIFY,
    Key::shaped(
        "media",
        Shape::Path,
        "The medium's device path while it is on our side; the last line that `to_host` printed where not given.",
    ),
    Key::shaped("host", Shape::Host, "Where that path is.").default("local"),
];

/// A serial line: `address` and `port`, or `tty`.
pub const SERIAL: &[Key] = &[
    KIND,
    Key::shaped("address", Shape::Text, "The console server."),
    Key::shaped(
        "port",
        Shape::Integer(1, 65_535),
        "Its TCP port for this line.",
    ),
    Key::shaped("tty", Shape::Path, "A serial port of the engine's machine."),
    Key::shaped(
        "baud",
        Shape::Integer(50, 20_000_000),
        "The speed of a `tty`.",
    )
    .default("115200"),
];

/// An input, or a parameter of a procedure.
pub const INPUT: &[Key] = &[
    Key::new(
        "type",
        Takes::Types,
        "What it is; a single value is taken for a `list` of one.",
    )
    .required(),
    Key::shaped(
        "required",
        Shape::Boolean,
        "Whether stages that read it need it.",
    )
    .literal()
    .default("false"),
    Key::shaped("default", Shape::Any, "Its value where none is given.").literal(),
    Key::shaped(
        "enum",
        Shape::List(&Shape::Any),
        "The values that are allowed.",
    )
    .literal(),
    Key::shaped(
        "pattern",
        Shape::Text,
        "A regular expression that the whole text matches.",
    )
    .literal(),
    Key::new(
        "min",
        Takes::Bound,
        "The least value: a number, a duration or a size.",
    ),
    Key::new(
        "max",
        Takes::Bound,
        "The greatest value: a number, a duration or a size.",
    ),
    Key::new("min_items", Takes::Count(0), "The least number of items.").default("0"),
    Key::new(
        "max_items",
        Takes::Count(0),
        "The greatest number of items.",
    ),
    Key::new("items", Takes::ItemType, "What each item of a list is."),
    Key::new("keys", Takes::Inputs, "Members of a map."),
    Key::shaped(
        "open",
        Shape::Boolean,
        "Whether a map may have members that `keys` does not name; true without `keys`.",
    )
    .literal(),
    Key::shaped(
        "unit",
        Shape::Text,
        "What a bare number counts: `s`, `m`, `h`, `d`, or for sizes `B` to `TiB`.",
    )
    .literal(),
    Key::shaped(
        "within",
        Shape::Text,
        "A folder of the run directory that a path is relative to and may not leave.",
    )
    .literal(),
    Key::shaped("secret", Shape::Boolean, "Whether it is never printed.")
        .literal()
        .default("false"),
    Key::shaped("description", Shape::Text, "What it is for.").literal(),
];

/// A rule.
pub const RULE: &[Key] = &[
    Key::new(
        "before",
        Takes::Action,
        "The action before whose steps it must hold.",
    )
    .required(),
    Key::new("needs", Takes::Needs, "The tracked values that must hold.").required(),
];

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
