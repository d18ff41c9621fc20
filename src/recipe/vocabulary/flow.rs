//! Actions that touch nothing outside the run.

use super::action::{Action, Places};
use super::shape::{Fields, Param, Shape};
use crate::recipe::ErrorKind;

pub(super) const SLEEP: Action = Action::new(
    "sleep",
    "Waits for a fixed time.",
    Fields::new(&[Param::new("duration", Shape::Duration, "How long.").required()])
        .short("duration"),
)
.without_defaults();

/// Written `set: {NAME: VALUE}`: its parameters are the names.
pub(super) const SET: Action = Action::new(
    "set",
    "Gives names in `vars` new values, all computed from the old ones.",
    Fields::new(&[]),
)
.seconds(10)
.without_defaults();

pub(super) const ASSERT: Action = Action::new(
    "assert",
    "Fails where an expression does not hold.",
    Fields::new(&[
        Param::new("that", Shape::Expr, "What must hold.").required(),
        Param::new("message", Shape::Printed, "What is said where it does not."),
        Param::new("kind", Shape::Kind, "The kind of error that is raised.").default("mismatch"),
    ])
    .short("that"),
)
.seconds(10)
.without_defaults()
.raises(&[ErrorKind::Mismatch]);

pub(super) const LOG: Action = Action::new(
    "log",
    "Prints a text.",
    Fields::new(&[
        Param::new("text", Shape::Printed, "The text.").required(),
        Param::new(
            "level",
            Shape::Word(&["info", "warn", "debug"]),
            "How it is printed.",
        )
        .default("info"),
        Param::new("plain", Shape::Boolean, "To standard output, as it is.").default("false"),
    ])
    .short("text"),
)
.seconds(10)
.without_defaults();

/// `fail: error` is lowered to `{error: true}`.
pub(super) const FAIL: Action = Action::new(
    "fail",
    "Raises an error, or the caught one again (`fail: error`).",
    Fields::new(&[
        Param::new("kind", Shape::Kind, "The kind of error.").default("failed"),
        Param::new("message", Shape::Printed, "What is said."),
        Param::new(
            "error",
            Shape::Boolean,
            "Whether the caught error is raised again.",
        )
        .literal()
        .default("false"),
    ])
    .short("message")
    .one_of(&["message", "error"]),
)
.without_defaults()
.raises(&[ErrorKind::Failed]);

/// Written `call: NAME`, with `with` beside it; lowered to
/// [`Step::call`](crate::recipe::model::Step).
pub(super) const CALL: Action = {
    let mut action = Action::new(
        "call",
        "Runs a procedure in the place of the step.",
        Fields::new(&[]),
    )
    .without_defaults()
    .raises(&[ErrorKind::Failed])
    .gives(&["value"]);
    action.places = Places::NotExit;
    action
};
