//! Keys of a config that nothing reads, and keys that are nothing without another.

use super::fit::{device_inputs, reads};
use super::given;
use crate::diagnostic::{Code, Finding, Findings, Span, list, nearest};
use crate::recipe::model::{InputType, Recipe};
use crate::recipe::yaml::Node;

/// Keys that no recipe declares, and that are read all the same: the agent's name stands in logs and
/// in the environment of tests, which `env` is for.
pub(super) const READ_WHOLE: [&str; 2] = ["agent_name", "env"];

/// Keys that are nothing without the other.
const PAIRS: [(&str, &str, &str); 8] = [
    (
        "serial_host",
        "serial_port",
        "the serial line is not logged",
    ),
    (
        "serial_port",
        "serial_host",
        "the serial line is not logged",
    ),
    (
        "poweroff_script",
        "poweron_script",
        "the board is not kept off while its control host restarts",
    ),
    (
        "poweron_script",
        "poweroff_script",
        "the board is not kept off while its control host restarts",
    ),
    (
        "control_host_reboot_script",
        "control_host",
        "there is no control host to restart",
    ),
    ("maas_user", "node_id", "MAAS is not asked for anything"),
    ("node_id", "maas_user", "MAAS is not asked for anything"),
    (
        "select_test_script",
        "select_master_script",
        "the board can't be brought back to its master image",
    ),
];

pub(super) fn judge(recipes: &[Recipe], best: &Recipe, config: &Node, findings: &mut Findings) {
    for (key, value) in config.entries() {
        let name = key.name.as_str();
        if value.is_null() || READ_WHOLE.contains(&name) {
            continue;
        }
        if !reads(best, name) {
            findings.push(unread(recipes, best, name, key.span));
            continue;
        }
        let takes_lists = device_inputs(best)
            .any(|(known, input)| known == name && input.types == [InputType::List]);
        if takes_lists && value.text().is_some() {
            findings.push(
                Finding::new(
                    Code::ConfigText,
                    value.span,
                    format!("`{name}` is a list, and is given as one text"),
                )
                .label("taken as a list of one")
                .help(format!("write it as a list: `{name}: [ … ]`")),
            );
        }
        let lacks = PAIRS
            .iter()
            .find(|(first, second, _)| *first == name && !given(config).any(|key| key == *second));
        if let Some((_, second, what)) = lacks {
            findings.push(
                Finding::new(
                    Code::ConfigHalf,
                    key.span,
                    format!("`{name}` counts for nothing without `{second}`: {what}"),
                )
                .help(format!("add `{second}`, or leave out `{name}`")),
            );
        }
    }
}

/// What is said of a key that nothing reads.
fn unread(recipes: &[Recipe], best: &Recipe, name: &str, span: Span) -> Finding {
    let finding = Finding::new(
        Code::ConfigUnread,
        span,
        format!("`{}` does not read `{name}`", best.name),
    );
    let others: Vec<&str> = recipes
        .iter()
        .filter(|recipe| reads(recipe, name))
        .map(|recipe| recipe.name.as_str())
        .collect();
    let known = device_inputs(best).map(|(name, _)| name).chain(READ_WHOLE);
    let similar = nearest(name, known);
    if name == "control_host_reboot_timeout" {
        finding.help("the control host is waited for until it answers, no longer: it can go")
    } else if similar.is_some() {
        finding.suggest(similar)
    } else if others.is_empty() {
        finding.help("no recipe reads it: it can go")
    } else {
        finding.help(format!(
            "{} would; it can go if the board is none of these",
            list(others, "and")
        ))
    }
}
