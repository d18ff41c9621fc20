//! The sections of a recipe's file, and what stands in them.

use super::state::DEFAULTS_KEY;
use crate::recipe::GearKind;
use crate::recipe::vocabulary::Shape;
use crate::recipe::vocabulary::key::{Key, Takes};

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
        "blame",
        Takes::Blame,
        "What is looked at once a run has failed, to tell whose fault it was: by name one step each, which changes nothing. Of those that fail the first decides the verdict.",
    ),
    Key::shaped(
        "lab_failure_status",
        Shape::Expr,
        "The exit status where a failed recovery is laid on the lab's own gear by a probe of `blame`: 1 or 46.",
    )
    .default("46"),
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

/// A serial line: `address` and `port`, `tty`, or `command`; the last of these that is there counts.
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
    Key::shaped(
        "command",
        Shape::Text,
        "A command line of the engine's machine (`sh -c`) that prints the line; literal, or from `device` alone.",
    ),
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
