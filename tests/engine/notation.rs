//! The worked examples' short notation as a recipe that runs for real: each step is a command that
//! writes its name down and then does what the script says.

use serde_json::{Map, Value, json};
use tf_engine::diagnostic::{Findings, Sources};
use tf_engine::recipe::duration;
use tf_engine::recipe::yaml::{self, Dialect};

/// An example as it is written.
pub(crate) struct Example {
    pub(crate) stage: String,
    pub(crate) vars: String,
}

pub(crate) fn recipe(stage: &str, vars: &str) -> Example {
    Example {
        stage: stage.to_owned(),
        vars: vars.to_owned(),
    }
}

impl Example {
    /// The recipe's text (JSON, which is YAML). Bounds and delays are halved.
    pub(crate) fn text(&self) -> String {
        let top = value(&self.stage);
        let (mut stage, procedures) = match top.get("stage") {
            Some(stage) => (stage.clone(), top["procedures"].clone()),
            None => (top, json!({})),
        };
        state(&mut stage, false);
        if let Value::Object(stage) = &mut stage {
            stage.entry("timeout").or_insert("1m".into());
        }
        let mut procedures = procedures;
        for procedure in procedures.as_object_mut().into_iter().flatten() {
            state(procedure.1, false);
            if self.stage.contains("params.") {
                procedure.1["params"] = json!({ "good": { "type": "boolean" } });
            }
        }
        let mut vars = value(&self.vars);
        vars["seven"] = json!(7);
        json!({
            "recipe": "trial",
            "summary": "A worked example",
            "vars": vars,
            "tracks": { "card": ["host", "dut"] },
            "procedures": procedures,
            "stages": { "provision": stage },
        })
        .to_string()
    }
}

fn value(text: &str) -> Value {
    let mut sources = Sources::default();
    let source = sources.add("example", text);
    let mut findings = Findings::default();
    yaml::read(&sources, source, Dialect::Recipe, &mut findings)
        .expect("the examples are YAML")
        .to_value()
}

fn state(of: &mut Value, items: bool) {
    let Value::Object(state_) = of else { return };
    let items = items || state_.contains_key("for_each");
    halve(state_, "timeout");
    if let Some(Value::Object(retry)) = state_.get_mut("retry") {
        halve(retry, "delay");
        steps(retry, items);
    }
    steps(state_, items);
    for child in state_
        .get_mut("states")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flatten()
    {
        state(child.1, items);
    }
}

fn steps(of: &mut Map<String, Value>, items: bool) {
    for list in ["enter", "do", "exit", "between"] {
        for step in of
            .get_mut(list)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            *step = real(step, items);
        }
    }
}

/// A step of the notation as one that runs.
fn real(written: &Value, items: bool) -> Value {
    let (name, modifiers) = match written {
        Value::String(name) => (name.as_str(), Map::new()),
        Value::Object(map) => match map.iter().next() {
            Some((name, Value::Object(modifiers))) if map.len() == 1 && name != "set" => {
                (name.as_str(), modifiers.clone())
            }
            _ => {
                let mut step = map.clone();
                halve(&mut step, "timeout");
                return Value::Object(step);
            }
        },
        other => panic!("no step: {other}"),
    };
    let shown = match name.chars().last() {
        Some('?') => "{{ outcome.kind }}",
        Some('!') => "{{ error.kind }}",
        _ => "",
    };
    let name = name.trim_end_matches(['?', '!']);
    let item = if items || modifiers.contains_key("for_each") {
        "{{ item }}"
    } else {
        ""
    };
    let mut step = modifiers;
    halve(&mut step, "timeout");
    step.insert(
        "run".into(),
        json!({ "argv": ["./step", name, shown, item] }),
    );
    step.insert("name".into(), name.into());
    step.insert("parse".into(), "json".into());
    step.insert("stall".into(), "3s".into());
    Value::Object(step)
}

fn halve(map: &mut Map<String, Value>, key: &str) {
    if let Some(Value::String(text)) = map.get_mut(key) {
        let whole = duration::parse(text, 1).expect("a duration");
        *text = duration::print(whole / 2);
    }
}
