//! Every action and modifier as data: parameters, bounds, outputs and kinds of error.
//!
//! The loader reads any step by these tables, `actions` implements each entry (a test holds the
//! two against each other), and the language's reference and schema are made from them. A
//! parameter's template, where it holds one, is checked by its [`Shape`] once it has been rendered.

mod action;
mod board;
mod command;
mod file;
mod flow;
pub mod key;
pub mod keys;
mod modifier;
mod net;
mod shape;

pub use action::{Action, Places};
pub use modifier::{BLAME_MODIFIERS, DRIVER_MODIFIERS, MODIFIERS, Modifier, PROBE_MODIFIERS};
pub use shape::{Fields, Param, Shape};

/// All actions, in the order of the reference.
pub const ACTIONS: &[&Action] = &[
    &command::RUN,
    &command::COMMANDS,
    &file::READ,
    &file::WRITE,
    &file::COPY,
    &file::DOWNLOAD,
    &file::SERVE,
    &board::FLASH,
    &board::CAPTURE,
    &board::POWER,
    &board::MUX,
    &net::WAIT,
    &board::AUTHORIZE,
    &net::HTTP,
    &flow::SLEEP,
    &flow::SET,
    &flow::ASSERT,
    &flow::LOG,
    &flow::FAIL,
    &flow::CALL,
];

/// Actions of drivers. (Later: `serial`, `snmp`, `tcp`.)
pub const DRIVER_ACTIONS: &[&str] = &["run", "commands", "http", "sleep"];

/// Actions of the probes of `blame`: those that can look at something and leave it as it is.
pub const BLAME_ACTIONS: &[&str] = &["run", "wait", "http"];

/// Actions of the language that this version does not have.
pub const LATER: &[&str] = &["serial"];

/// What the loader puts in the place of an action that it does not know, so that it can go on. A
/// recipe with one is refused.
pub static UNKNOWN: Action = Action::new(
    "unknown",
    "An action that the language does not have.",
    Fields::new(&[]),
);

/// The action of this name.
pub fn action(name: &str) -> Option<&'static Action> {
    ACTIONS.iter().copied().find(|action| action.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{ACTIONS, MODIFIERS, Shape, action};

    #[test]
    fn names_are_told_apart() {
        let mut seen = HashSet::new();
        for action in ACTIONS {
            assert!(seen.insert(action.name), "two actions `{}`", action.name);
            assert!(!action.summary.is_empty());
        }
        for modifier in MODIFIERS {
            assert!(
                seen.insert(modifier.name),
                "`{}` is two things",
                modifier.name
            );
            assert!(!modifier.doc.is_empty());
        }
        assert!(action("flash").is_some_and(|action| action.progress));
        assert!(action("teleport").is_none());
    }

    #[test]
    fn groups_and_short_forms_name_parameters() {
        for action in ACTIONS {
            let known = |name: &str| action.fields.params.iter().any(|param| param.name == name);
            for name in action
                .fields
                .one_of
                .iter()
                .chain(action.fields.short.iter())
            {
                assert!(known(name), "`{}` has no `{name}`", action.name);
            }
            assert_eq!(action.short, action.fields.short);
            for param in action.fields.params {
                assert!(!param.doc.is_empty(), "`{}.{}`", action.name, param.name);
                assert!(!(param.required && param.default.is_some()));
            }
            let has_steps = action
                .fields
                .params
                .iter()
                .any(|param| matches!(param.shape, Shape::Steps(_)));
            assert_eq!(has_steps, action.name == "wait");
        }
    }
}
