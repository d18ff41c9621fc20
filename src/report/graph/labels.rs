//! Steps, guards and bounds in a few words.

use super::model::StepLine;
use crate::recipe::duration::{of_value, print};
use crate::recipe::model::{
    Body, EndKind, Items, Map, Retry, State, Step, StepTimeout, Templated, Tree, TreeKind,
};
use crate::recipe::{KindSet, Value};
use crate::report::show;

/// A step: its action and what it is mostly about.
pub(super) fn step(step: &Step, calls: Option<usize>) -> StepLine {
    let action = step.action.name;
    let about = if let Some(call) = &step.call {
        call.procedure.value.clone()
    } else if step.name != action {
        step.name.clone()
    } else {
        about(action, &step.params, step.action.short)
    };
    let text = format!("{action} {}", about.trim()).trim_end().to_owned();
    let mut long = text.clone();
    if let Some(host) = step.host.as_ref().filter(|host| host.value != "local") {
        long.push_str(&format!(", on {}", host.value));
    }
    if let Some(when) = &step.when {
        long.push_str(&format!(", if {}", when.text));
    }
    if let Some(items) = &step.for_each {
        long.push_str(&format!(", for each of {}", self::items(items)));
    }
    match &step.timeout {
        StepTimeout::None => {}
        StepTimeout::After(bound) => {
            long.push_str(&format!(", at most {}", show::duration(bound)));
        }
        StepTimeout::PerLine(bound) => {
            let bound = show::duration(&Templated::Literal(*bound));
            long.push_str(&format!(", at most {bound} a line"));
        }
    }
    let tries = step.retry.as_ref().map(retry);
    if let Some(tries) = &tries {
        long.push_str(&format!(", {tries}"));
    }
    if step.recovery {
        long.push_str(", recovery");
    }
    StepLine {
        text,
        conditional: step.when.is_some(),
        tries,
        recovery: step.recovery,
        long,
        calls,
    }
}

/// What the step is mostly about, by the parameters that tell most.
fn about(action: &str, params: &Map<Tree>, short: Option<&str>) -> String {
    let given = |name: &str| params.get(name).map(brief);
    let both = |one: &str, between: &str, other: &str| match (given(one), given(other)) {
        (Some(one), Some(other)) => Some(format!("{one}{between}{other}")),
        (one, other) => one.or(other),
    };
    let told = match action {
        "power" | "mux" => both("gear", ": ", "to"),
        "flash" => both(
            "image",
            " → ",
            if params.contains_key("to") {
                "to"
            } else {
                "device"
            },
        ),
        "copy" => both("from", " → ", "to"),
        "http" => both("method", " ", "url"),
        "sleep" => params.values().next().map(duration),
        "set" => Some(members(params)),
        "wait" => params
            .first()
            .map(|(probe, tree)| format!("{probe}: {}", brief(tree))),
        _ => None,
    };
    told.or_else(|| short.and_then(given))
        .or_else(|| params.values().next().map(brief))
        .unwrap_or_default()
}

fn duration(tree: &Tree) -> String {
    match &tree.kind {
        TreeKind::Literal(value) => of_value(value).map_or_else(|| brief(tree), print),
        _ => brief(tree),
    }
}

fn members(members: &Map<Tree>) -> String {
    let members = members
        .iter()
        .map(|(key, member)| format!("{key}: {}", brief(member)));
    members.collect::<Vec<_>>().join(", ")
}

fn brief(tree: &Tree) -> String {
    match &tree.kind {
        TreeKind::List(items) => items.iter().map(brief).collect::<Vec<_>>().join(" "),
        TreeKind::Map(map) if map.len() == 1 => map.values().map(brief).collect(),
        TreeKind::Map(map) => match map.get("url") {
            Some(url) => brief(url),
            None => members(map),
        },
        TreeKind::Literal(Value::String(text)) => text.clone(),
        TreeKind::Literal(_)
        | TreeKind::Template(_)
        | TreeKind::Expr(_)
        | TreeKind::Deferred(_) => show::tree(tree),
    }
}

/// `3 tries`, `3 tries on timeout, lost`.
pub(super) fn retry(retry: &Retry) -> String {
    let attempts = show::attempts(&retry.attempts);
    let tries = if attempts == "1" { "try" } else { "tries" };
    match retry.errors {
        Some(kinds) => format!("{attempts} {tries} on {}", words(kinds)),
        None => format!("{attempts} {tries}"),
    }
}

fn words(kinds: KindSet) -> String {
    let words: Vec<&str> = kinds.iter().map(|kind| kind.word()).collect();
    words.join(", ")
}

/// What decides whether and how often a state is run.
pub(super) fn conditions(state: &State) -> Vec<String> {
    let when = state.when.as_ref().map(|when| format!("if {}", when.text));
    let each = state.for_each.as_ref();
    let each = each.map(|items| format!("for each of {}", self::items(items)));
    when.into_iter().chain(each).collect()
}

fn items(items: &Items) -> String {
    match items {
        Items::List(tree) => show::tree(tree),
        Items::Expr(expr) => expr.text.to_string(),
    }
}

/// How long and how often a state may be run.
pub(super) fn bounds(state: &State) -> Vec<String> {
    let time = state.timeout.as_ref();
    let time = time.map(|bound| format!("≤ {}", show::duration(bound)));
    let visits = state.max_visits.map(|visits| match visits {
        1 => "≤ 1 visit".to_owned(),
        visits => format!("≤ {visits} visits"),
    });
    time.into_iter().chain(visits).collect()
}

/// How an end ends the run.
pub(super) fn ending(body: &Body) -> Option<String> {
    let Body::End {
        end, exit_status, ..
    } = body
    else {
        return None;
    };
    Some(match (end, exit_status) {
        (EndKind::Success, _) => "success".to_owned(),
        (EndKind::Failure, None) => "failure".to_owned(),
        (EndKind::Failure, Some(status)) => format!("failure, exit {}", status.text),
        (EndKind::Unrecoverable, _) => "unrecoverable".to_owned(),
    })
}
