//! Actions on files.

use std::time::Duration;

use super::action::{Action, Places};
use super::shape::{Fields, Param, Shape};
use crate::recipe::ErrorKind;

pub(super) const READ: Action = Action::new(
    "read",
    "Reads a file, or lists the paths that match a pattern.",
    Fields::new(&[
        Param::new("path", Shape::Path, "The file."),
        Param::new("glob", Shape::Path, "A pattern of paths: `*`, `?`, `[…]`."),
        Param::new("optional", Shape::Boolean, "Whether it may be missing.").default("false"),
    ])
    .short("path")
    .one_of(&["path", "glob"]),
)
.on_host()
.seconds(30)
.raises(&[ErrorKind::Io, ErrorKind::Mismatch])
.gives(&["text", "json", "lines", "exists", "paths"]);

pub(super) const WRITE: Action = Action::new(
    "write",
    "Writes a file as a whole or not at all.",
    Fields::new(&[
        Param::new("path", Shape::Path, "The file.").required(),
        Param::new("content", Shape::Text, "What is written."),
        Param::new("asset", Shape::Asset, "A shipped file that is copied."),
        Param::new("template", Shape::Asset, "A shipped file that is rendered."),
        Param::new("mode", Shape::Mode, "The file's mode.").default("\"0644\""),
        Param::new(
            "parents",
            Shape::Boolean,
            "Whether missing folders are made.",
        )
        .default("false"),
        Param::new("sudo", Shape::Boolean, "Whether it is written by `sudo`.").default("false"),
    ])
    .one_of(&["content", "asset", "template"]),
)
.on_host()
.seconds(60)
.raises(&[ErrorKind::Io, ErrorKind::Exit])
.gives(&["path", "bytes", "sha256", "changed"]);

pub(super) const COPY: Action = Action::new(
    "copy",
    "Copies files between the run directory and hosts.",
    Fields::new(&[
        Param::new(
            "from",
            Shape::HostPath,
            "What is copied: a path, or `HOST:path`.",
        )
        .required(),
        Param::new(
            "to",
            Shape::HostPath,
            "Where it goes: a path, or `HOST:path`.",
        )
        .required(),
        Param::new(
            "mode",
            Shape::Mode,
            "The copy's mode; the original's where not given.",
        ),
        Param::new("sudo", Shape::Boolean, "Whether it is written by `sudo`.").default("false"),
        Param::new("recursive", Shape::Boolean, "Whether folders are copied.").default("false"),
    ]),
)
.progress()
.seconds(10 * 60)
.raises(&[ErrorKind::Io, ErrorKind::Exit])
.gives(&["bytes", "files"]);

pub(super) const DOWNLOAD: Action = {
    let mut action = Action::new(
        "download",
        "Fetches a file over HTTP into the run directory.",
        Fields::new(&[
            Param::new("url", Shape::Url, "Where it comes from.").required(),
            Param::new("to", Shape::Path, "Where it goes.").required(),
            Param::new("sha256", Shape::Sha256, "What the file's digest must be."),
            Param::new("size_max", Shape::Size, "How large it may be."),
            Param::new(
                "headers",
                Shape::Map(&Shape::Text),
                "Headers of the request.",
            ),
            Param::new(
                "resume",
                Shape::Boolean,
                "Whether a further try goes on where the last one broke off.",
            )
            .default("true"),
        ]),
    )
    .progress()
    .seconds(60 * 60)
    .raises(&[
        ErrorKind::Unreachable,
        ErrorKind::Lost,
        ErrorKind::Http,
        ErrorKind::Mismatch,
        ErrorKind::Io,
    ])
    .gives(&["path", "bytes", "sha256", "url"]);
    action.stall = Some(Duration::from_secs(2 * 60));
    action
};

pub(super) const SERVE: Action = {
    let mut action = Action::new(
        "serve",
        "Lets others fetch one file from this machine for as long as its scope is open.",
        Fields::new(&[
            Param::new("file", Shape::Path, "The file.").required(),
            Param::new(
                "to",
                Shape::Host,
                "Who fetches it: it is offered at our address on the way there.",
            )
            .required(),
            Param::new(
                "protocol",
                Shape::Word(&["http", "tcp"]),
                "How it is asked for; `tcp`: whoever connects gets the bytes.",
            )
            .default("http"),
            Param::new(
                "port",
                Shape::Integer(0, 65535),
                "The port; 0: one that is free.",
            )
            .default("0"),
            Param::new(
                "address",
                Shape::Text,
                "An address of this machine; `auto`: the one on the way to `to`.",
            )
            .default("auto"),
            Param::new(
                "pack",
                Shape::Word(&["none", "xz"]),
                "`xz`: what is packed otherwise, or not at all, is sent as xz.",
            )
            .default("none"),
            Param::new(
                "once",
                Shape::Boolean,
                "Whether it is over once somebody has it whole.",
            )
            .default("false"),
            Param::new(
                "tally",
                Shape::Path,
                "A file that says as JSON how often it was sent: `whole`, `broken`.",
            ),
        ]),
    )
    .seconds(10)
    .without_defaults()
    .raises(&[ErrorKind::Io, ErrorKind::Unreachable])
    .gives(&["url", "address", "port", "name"]);
    action.places = Places::Enter;
    action
};
