//! The filters, tests and functions of the language, one minijinja environment per style.

use std::sync::LazyLock;

use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior};

use super::Style;
use super::quote::interpolated;
use super::syntax::SYNTAX;
use super::{filters, functions};

/// What one evaluation may do, in minijinja's units: an instruction, or 64 bytes of data. Enough for
/// a dozen filters on an output of 1 MiB; spent in some ten milliseconds.
pub(super) const FUEL: u64 = 400_000;

/// All filters. Of minijinja's own, those for HTML and those that take members by computed names
/// are left out.
pub const FILTERS: &[&str] = &[
    "abs",
    "at_least",
    "b64decode",
    "b64encode",
    "basename",
    "batch",
    "bool",
    "by_key",
    "capitalize",
    "capture",
    "chain",
    "count",
    "d",
    "default",
    "dictsort",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "legacy_format",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "merge",
    "min",
    "numbered",
    "raw",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "seconds",
    "select",
    "selectattr",
    "shebang",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
    "urlencode",
    "zip",
];

/// All tests (`x is NAME`).
pub const TESTS: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "even",
    "false",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "true",
    "undefined",
    "upper",
];

/// All functions.
pub const FUNCTIONS: &[&str] = &[
    "asset",
    "dict",
    "efi_order",
    "firmware_way",
    "hpe_bmc",
    "hpe_folder",
    "hpe_plan",
    "hpe_release",
    "hpe_unmet",
    "iot_kwargs",
    "iot_username",
    "kvm_kwargs",
    "lvfs_problems",
    "lvfs_updates",
    "maas_user_data",
    "now",
    "power_switches",
    "range",
    "ssh_key_url",
    "storage_plan",
    "test_env",
];

static VALUE: LazyLock<Environment<'static>> = LazyLock::new(|| build(Style::Value));
static PRINTED: LazyLock<Environment<'static>> = LazyLock::new(|| build(Style::Printed));
static SHELL: LazyLock<Environment<'static>> = LazyLock::new(|| build(Style::Shell));
static URL: LazyLock<Environment<'static>> = LazyLock::new(|| build(Style::Url));

pub(super) fn environment(style: Style) -> &'static Environment<'static> {
    match style {
        Style::Value => &VALUE,
        Style::Printed => &PRINTED,
        Style::Shell => &SHELL,
        Style::Url => &URL,
    }
}

fn build(style: Style) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_debug(true); // errors name what was undefined
    environment.set_fuel(Some(FUEL));
    environment.set_syntax(SYNTAX.clone());
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_formatter(
        move |out: &mut Output<'_>, _: &mut State<'_, '_>, value: &minijinja::Value| {
            let text = interpolated(value, style)
                .map_err(|message| Error::new(ErrorKind::InvalidOperation, message))?;
            out.write_str(&text).map_err(Error::from)
        },
    );
    for filter in ["safe", "escape", "e", "attr", "pprint"] {
        environment.remove_filter(filter);
    }
    for test in ["safe", "escaped", "filter", "test"] {
        environment.remove_test(test);
    }
    for global in ["debug", "namespace"] {
        environment.remove_global(global);
    }
    filters::add(&mut environment);
    functions::add(&mut environment);
    environment
}

#[cfg(test)]
mod tests {
    use minijinja::ErrorKind;

    use super::{FILTERS, FUNCTIONS, TESTS, environment};
    use crate::recipe::template::Style;

    fn unknown(expression: &str) -> bool {
        let evaluated = environment(Style::Value)
            .compile_expression(expression)
            .and_then(|compiled| compiled.eval(()));
        evaluated.is_err_and(|error| {
            matches!(
                error.kind(),
                ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction
            )
        })
    }

    #[test]
    fn every_name_of_the_tables_is_there_and_html_is_not() {
        for name in FILTERS {
            assert!(!unknown(&format!("'x' | {name}")), "{name}");
        }
        for name in TESTS {
            assert!(!unknown(&format!("1 is {name}(1)")), "{name}");
        }
        for name in FUNCTIONS {
            assert!(!unknown(&format!("{name}(1)")), "{name}");
        }
        assert!(unknown("'x' | safe"));
        assert!(unknown("debug()"));
    }
}
