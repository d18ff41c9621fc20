//! The short notation of the worked examples, lowered to the recipe model.
//!
//! Lists of steps hold names: `a` is a step, `x?` one that shows `outcome.kind`, `h!` one that shows
//! `error.kind`; `{a: {retry: 2}}` has modifiers; `set` and `call` are themselves.

use std::sync::Arc;

use serde_json::Value;
use tf_engine::diagnostic::{Findings, Sources, Span, Spanned};
use tf_engine::recipe::model::{
    AllowFailure, Body, Call, Catch, EndKind, Ensures, Group, Input, Items, Map, Needs, Procedure,
    Recipe, Retry, Row, Stage, State, Step, StepTimeout, Templated, Tree, TreeKind,
};
use tf_engine::recipe::places::Places;
use tf_engine::recipe::template::{Expr, Style, Template};
use tf_engine::recipe::yaml::{self, Dialect};
use tf_engine::recipe::{ErrorKind, KindSet, duration, vocabulary};

/// A recipe with one stage, `provision`, and `vars` of its own.
pub(crate) fn recipe(text: &str, vars: &str) -> Recipe {
    let top = value(text);
    let (stage, procedures) = match top.get("stage") {
        Some(stage) => (stage.clone(), map(&top, "procedures")),
        None => (top, Map::new()),
    };
    Recipe {
        complete: true,
        stages: [(
            "provision".to_owned(),
            Stage {
                ensures: Ensures {
                    success: needs(stage.get("ensures").and_then(|all| all.get("success"))),
                    always: needs(stage.get("ensures").and_then(|all| all.get("always"))),
                },
                root: state("provision", &stage),
            },
        )]
        .into(),
        procedures: procedures
            .iter()
            .map(|(name, body)| (name.clone(), procedure(name, body)))
            .collect(),
        vars: members(&value(vars)),
        ..empty()
    }
}

/// A recipe with nothing in it.
pub(crate) fn empty() -> Recipe {
    Recipe {
        complete: true,
        name: "test".to_owned(),
        summary: None,
        library: false,
        sources: Sources::default(),
        device: Group::default(),
        job: Group::default(),
        hosts: Map::new(),
        gear: Map::new(),
        lets: Map::new(),
        vars: Map::new(),
        tracks: Map::new(),
        rules: Vec::new(),
        blame: Map::new(),
        lab_failure_status: None,
        procedures: Map::new(),
        stages: Map::new(),
        imports: Map::new(),
    }
}

fn value(text: &str) -> Value {
    let mut sources = Sources::default();
    let source = sources.add("example", text);
    let mut findings = Findings::default();
    let node = yaml::read(&sources, source, Dialect::Recipe, &mut findings);
    node.unwrap_or_else(|| panic!("no YAML: {text}")).to_value()
}

fn procedure(name: &str, body: &Value) -> Procedure {
    let mut params = Map::new();
    params.insert("good".to_owned(), Input::default());
    Procedure {
        root: state(name, body),
        params,
        returns: body.get("returns").map(|text| expr(text.as_str().unwrap())),
        home: None,
    }
}

/// A state with nothing in it but its body.
pub(crate) fn plain(name: &str, body: Body) -> State {
    State {
        name: spanned(name),
        places: Places::default(),
        summary: None,
        when: None,
        body,
        next: Vec::new(),
        catch: Vec::new(),
        retry: None,
        timeout: None,
        max_visits: None,
        recovery: false,
        for_each: None,
        continue_on_item_error: false,
        vars: Map::new(),
        verdict: None,
    }
}

/// A step with nothing but its name and action.
pub(crate) fn step(name: &str, action: &str) -> Step {
    let action = vocabulary::action(action).unwrap();
    Step {
        name: name.to_owned(),
        ..Step::new(action, Span::default())
    }
}

pub(crate) fn spanned(text: &str) -> Spanned<String> {
    Spanned::new(text.to_owned(), Span::default())
}

pub(crate) fn expr(text: &str) -> Expr {
    Expr {
        text: text.into(),
        span: Span::default(),
    }
}

fn state(name: &str, body: &Value) -> Arc<State> {
    let kind = if let Some(end) = body.get("end") {
        Body::End {
            end: match end.as_str().unwrap() {
                "success" => EndKind::Success,
                "failure" => EndKind::Failure,
                _ => EndKind::Unrecoverable,
            },
            message: None,
            exit_status: body.get("exit_status").map(|text| expr(&text_of(text))),
        }
    } else if body.get("do").is_some() {
        Body::Leaf {
            steps: steps(body, "do"),
        }
    } else if body.get("states").is_some() {
        Body::Scope {
            enter: steps(body, "enter"),
            initial: spanned(body["initial"].as_str().unwrap()),
            states: map(body, "states")
                .iter()
                .map(|(name, inner)| (name.clone(), state(name, inner)))
                .collect(),
            exit: steps(body, "exit"),
        }
    } else {
        Body::Choice
    };
    Arc::new(State {
        when: body.get("when").map(|text| expr(&text_of(text))),
        next: rows(body.get("next")),
        catch: catches(body.get("catch")),
        retry: body.get("retry").map(retry),
        timeout: body
            .get("timeout")
            .map(|text| Templated::Literal(duration(text).unwrap())),
        max_visits: body
            .get("max_visits")
            .map(|max| u32::try_from(max.as_u64().unwrap()).unwrap()),
        recovery: truth(body, "recovery"),
        for_each: body.get("for_each").map(items),
        continue_on_item_error: is_continue(body),
        vars: body.get("vars").map(members).unwrap_or_default(),
        ..plain(name, kind)
    })
}

fn steps(body: &Value, list: &str) -> Vec<Arc<Step>> {
    let list = body.get(list).and_then(Value::as_array);
    list.into_iter().flatten().map(one_step).collect()
}

fn one_step(written: &Value) -> Arc<Step> {
    let (name, mods) = match written {
        Value::String(name) => (name.as_str(), &Value::Null),
        Value::Object(map) if map.contains_key("call") => ("call", written),
        Value::Object(map) => {
            let (name, mods) = map.iter().next().unwrap();
            (name.as_str(), mods)
        }
        other => panic!("no step: {other}"),
    };
    let action = match name {
        "set" | "call" => name,
        _ => "run",
    };
    let params = if name == "set" {
        members(mods)
    } else {
        Map::new()
    };
    let mods = if name == "set" { &Value::Null } else { mods };
    Arc::new(Step {
        params,
        call: mods.get("call").map(|procedure| Call {
            procedure: spanned(procedure.as_str().unwrap()),
            with: mods.get("with").map(members).unwrap_or_default(),
        }),
        when: mods.get("when").map(|text| expr(&text_of(text))),
        for_each: mods.get("for_each").map(items),
        continue_on_item_error: is_continue(mods),
        timeout: mods.get("timeout").map_or(StepTimeout::None, |text| {
            StepTimeout::After(Templated::Literal(duration(text).unwrap()))
        }),
        retry: mods.get("retry").map(retry),
        allow_failure: match mods.get("allow_failure") {
            Some(Value::Bool(true)) => AllowFailure::All,
            Some(list @ Value::Array(_)) => AllowFailure::Kinds(kinds(list)),
            _ => AllowFailure::No,
        },
        needs: needs(mods.get("needs")),
        sets: mods
            .get("sets")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), Some(text_of(value))))
            .collect(),
        recovery: truth(mods, "recovery"),
        ..step(name, action)
    })
}

fn rows(next: Option<&Value>) -> Vec<Row> {
    match next {
        None => Vec::new(),
        Some(Value::String(to)) => vec![Row {
            when: None,
            to: spanned(to),
        }],
        Some(rows) => rows
            .as_array()
            .unwrap()
            .iter()
            .map(|row| Row {
                when: row.get("when").map(|text| expr(&text_of(text))),
                to: spanned(row["to"].as_str().unwrap()),
            })
            .collect(),
    }
}

fn catches(catch: Option<&Value>) -> Vec<Catch> {
    match catch {
        None => Vec::new(),
        Some(Value::String(to)) => vec![Catch {
            span: Span::default(),
            kind: None,
            to: spanned(to),
        }],
        Some(rows) => rows
            .as_object()
            .unwrap()
            .iter()
            .map(|(kind, to)| Catch {
                span: Span::default(),
                kind: kind.parse().ok(),
                to: spanned(to.as_str().unwrap()),
            })
            .collect(),
    }
}

fn retry(written: &Value) -> Retry {
    let whole = |value: &Value| u32::try_from(value.as_u64().unwrap()).unwrap();
    let time = |key: &str, default: u64| {
        let written = written.get(key).map(|text| duration(text).unwrap());
        Templated::Literal(written.unwrap_or(std::time::Duration::from_secs(default)))
    };
    let number = |key: &str, default: f64| {
        Templated::Literal(written.get(key).and_then(Value::as_f64).unwrap_or(default))
    };
    Retry {
        places: Places::default(),
        span: Span::default(),
        attempts: Templated::Literal(whole(written.get("attempts").unwrap_or(written))),
        delay: time("delay", 0),
        backoff: number("backoff", 1.0),
        max_delay: time("max_delay", 3600),
        jitter: number("jitter", 0.0),
        errors: written.get("errors").map(kinds),
        named: Vec::new(),
        between: steps(written, "between"),
    }
}

fn kinds(list: &Value) -> KindSet {
    let list: Vec<ErrorKind> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| kind.as_str().unwrap().parse().unwrap())
        .collect();
    KindSet::of(&list)
}

fn needs(written: Option<&Value>) -> Needs {
    written
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, value)| {
            let values = match value {
                Value::Array(values) => values.iter().map(text_of).collect(),
                one => vec![text_of(one)],
            };
            (name.clone(), Spanned::new(values, Span::default()))
        })
        .collect()
}

fn items(written: &Value) -> Items {
    match written {
        Value::String(text) => Items::Expr(expr(text)),
        list => Items::List(tree(list)),
    }
}

fn members(written: &Value) -> Map<Tree> {
    let map = written.as_object();
    map.into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), tree(value)))
        .collect()
}

fn tree(written: &Value) -> Tree {
    let kind = match written {
        Value::String(text) if Template::is_in(text) => TreeKind::Template(Template {
            text: text.as_str().into(),
            span: Span::default(),
            style: Style::Value,
        }),
        other => TreeKind::Literal(other.clone()),
    };
    Tree {
        span: Span::default(),
        kind,
    }
}

fn map(of: &Value, key: &str) -> Map<Value> {
    let map = of.get(key).and_then(Value::as_object);
    map.into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn truth(of: &Value, key: &str) -> bool {
    of.get(key).and_then(Value::as_bool).unwrap_or_default()
}

fn is_continue(of: &Value) -> bool {
    of.get("on_item_error").and_then(Value::as_str) == Some("continue")
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
