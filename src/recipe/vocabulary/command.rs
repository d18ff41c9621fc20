//! Actions that run programs.

use super::action::Action;
use super::shape::{Fields, Param, Shape};
use crate::recipe::ErrorKind;

/// What `run` takes; also as a probe of `wait`.
pub(super) const RUN_FIELDS: Fields = Fields::new(&[
    Param::new(
        "shell",
        Shape::Shell,
        "A command line for the host's shell.",
    ),
    Param::new(
        "argv",
        Shape::List(&Shape::Text),
        "A program and its arguments; an element that is none is dropped, a list is spliced.",
    ),
    Param::new(
        "script",
        Shape::Asset,
        "A shipped file, put on the host as a file of its own, run by its `#!` line and removed.",
    ),
    Param::new("args", Shape::List(&Shape::Text), "The script's arguments.")
        .with("script")
        .default("[]"),
    Param::new(
        "input",
        Shape::Text,
        "Standard input; empty where not given.",
    ),
    Param::new("cwd", Shape::Path, "The working directory."),
    Param::new(
        "output_to",
        Shape::Path,
        "A file that gets the standard output.",
    ),
    Param::new(
        "plain",
        Shape::Boolean,
        "To standard output as it comes, both streams, also without the end of a line.",
    )
    .default("false"),
    Param::new(
        "show",
        Shape::Boolean,
        "Whether the standard output is shown as it comes; the end of it is in an error anyway.",
    )
    .default("true"),
])
.short("shell")
.short_list("argv")
.one_of(&["shell", "argv", "script"])
.at_most_one(&["output_to", "plain"]);

pub(super) const RUN: Action = Action::new(
    "run",
    "Runs a shell command, a program with arguments, or a shipped script.",
    RUN_FIELDS,
)
.on_host()
.progress()
.seconds(5 * 60)
.raises(&[ErrorKind::Exit, ErrorKind::Io, ErrorKind::Mismatch])
.gives(&[
    "stdout",
    "stderr",
    "exit",
    "signal",
    "truncated",
    "json",
    "lines",
]);

pub(super) const COMMANDS: Action = Action::new(
    "commands",
    "Runs lines of a device config, each by `sh -c`, in order, to the first failure.",
    Fields::new(&[
        Param::new(
            "lines",
            Shape::OneOrMany(&Shape::Text),
            "The command lines; literal, or from `device` alone.",
        )
        .required(),
        Param::new("each", Shape::DurationOrNone, "Bound on one line.").default("none"),
        Param::new(
            "allow_empty",
            Shape::Boolean,
            "Whether a list without lines is fine.",
        )
        .default("false"),
    ])
    .short("lines")
    .short_list("lines"),
)
.on_host()
.progress()
.seconds(2 * 60)
.raises(&[ErrorKind::Exit])
.gives(&["results"]);
