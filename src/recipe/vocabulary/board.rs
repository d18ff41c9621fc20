//! Actions on the board and the lab's gear.

use std::time::Duration;

use super::action::{Action, Places};
use super::shape::{Fields, Param, Shape};
use crate::recipe::ErrorKind;
use crate::recipe::GearKind;

pub(super) const FLASH: Action = {
    let mut action = Action::new(
        "flash",
        "Writes an image to a block device or file, and compares what was written.",
        Fields::new(&[
            Param::new(
                "image",
                Shape::PathOrUrl,
                "The image: a path in the run directory, or a URL.",
            )
            .required(),
            Param::new(
                "to",
                Shape::Gear(GearKind::Mux),
                "A mux: its host and path are the target.",
            ),
            Param::new("device", Shape::Path, "The target on the step's host."),
            Param::new(
                "format",
                Shape::Word(&["auto", "raw", "xz", "zstd", "gzip", "bzip2"]),
                "How the image is packed; `auto`: by its first bytes.",
            )
            .default("auto"),
            Param::new(
                "bmap",
                Shape::PathOrUrl,
                "A block map; `auto`: the image's neighbour where there is one; `none`.",
            )
            .default("auto"),
            Param::new("sha256", Shape::Sha256, "What the image's digest must be."),
            Param::new("verify", Shape::Boolean, "Whether it is read back.").default("true"),
            Param::new("sudo", Shape::Boolean, "Whether it is written by `sudo`.").default("true"),
        ])
        .one_of(&["to", "device"]),
    )
    .on_host()
    .progress()
    .seconds(60 * 60)
    .raises(&[
        ErrorKind::Io,
        ErrorKind::Http,
        ErrorKind::Lost,
        ErrorKind::Unreachable,
        ErrorKind::Mismatch,
    ])
    .gives(&["bytes", "written", "sha256", "device", "verified"]);
    action.stall = Some(Duration::from_secs(2 * 60));
    action
};

pub(super) const CAPTURE: Action = {
    let mut action = Action::new(
        "capture",
        "Logs a serial line to a file for as long as its scope is open.",
        Fields::new(&[
            Param::new("gear", Shape::Gear(GearKind::Serial), "The serial line.").required(),
            Param::new("to", Shape::Path, "The file.").default("serial.log"),
            Param::new(
                "reconnect",
                Shape::Duration,
                "How long after a drop the line is tried again.",
            )
            .default("30s"),
        ])
        .short("gear"),
    )
    .seconds(10)
    .without_defaults()
    .gives(&["path"]);
    action.places = Places::Enter;
    action
};

pub(super) const POWER: Action = Action::new(
    "power",
    "Switches a power gear on or off, cycles it, or reads it.",
    Fields::new(&[
        Param::new(
            "gear",
            Shape::Gear(GearKind::Power),
            "The gear; the only power gear where not given.",
        ),
        Param::new(
            "to",
            Shape::Word(&["on", "off", "cycle", "read"]),
            "What is done.",
        )
        .required()
        .literal(),
        Param::new(
            "off_time",
            Shape::Duration,
            "How long `cycle` stays off; the gear's where not given.",
        ),
        Param::new(
            "verify",
            Shape::Boolean,
            "Whether the state is read back; as the gear says where not given.",
        ),
    ])
    .short("to"),
)
.seconds(60)
.raises(&[
    ErrorKind::Exit,
    ErrorKind::Http,
    ErrorKind::Io,
    ErrorKind::Lost,
    ErrorKind::Unreachable,
])
.gives(&["state", "verified"]);

/// Written `mux: {GEAR: WHERE}`, and lowered to these two.
pub(super) const MUX: Action = Action::new(
    "mux",
    "Gives the medium behind a mux to the host or to the board, or reads where it is.",
    Fields::new(&[
        Param::new("gear", Shape::Gear(GearKind::Mux), "The mux: the key.").required(),
        Param::new(
            "to",
            Shape::Word(&["host", "dut", "read"]),
            "What is done: the value.",
        )
        .required()
        .literal(),
    ]),
)
.seconds(60)
.raises(&[
    ErrorKind::Exit,
    ErrorKind::Http,
    ErrorKind::Io,
    ErrorKind::Lost,
    ErrorKind::Unreachable,
])
.gives(&["state", "device", "verified"]);

pub(super) const AUTHORIZE: Action = Action::new(
    "authorize",
    "Lets SSH keys log in on a host.",
    Fields::new(&[
        Param::new("host", Shape::Host, "The host.").required(),
        Param::new(
            "keys",
            Shape::OneOrMany(&Shape::Text),
            "Public keys; the engine's own where not given.",
        ),
        Param::new(
            "create_key",
            Shape::Boolean,
            "Whether a key of the engine's is made where there is none.",
        )
        .default("true"),
    ]),
)
.seconds(30)
.raises(&[
    ErrorKind::Io,
    ErrorKind::Exit,
    ErrorKind::Unreachable,
    ErrorKind::Lost,
    ErrorKind::Auth,
])
.gives(&["added", "host_key"]);
