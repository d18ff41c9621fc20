//! What a try gives where nothing is really done: the output of an action that goes well, and how far
//! a scenario's own fields change that.
//!
//! Each field is what the real action would give of a lab in which nothing is printed and every answer
//! is the expected one. What follows from fields follows here as well: an exit status that `expect`
//! does not name is an error, `parse` reads the text.

use serde_json::{Map, Value, json};

use super::exec::brief;
use super::fields::{Field, Fields};
use super::modifiers::parse_into;
use super::{Output, Performed, PlanContext, StepError};
use crate::recipe::ErrorKind;
use crate::recipe::model::{Driver, Expect, Parse};

/// A digest that no file has.
const DIGEST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A boot id that no machine has.
const BOOT_ID: &str = "00000000-0000-4000-8000-000000000000";

/// The output of a try that goes well but for what `given` says of it. `sends` is what the step's
/// request describes.
///
/// # Errors
/// As the action would raise them: a status that is not expected, a text that does not parse, a value
/// that is wrong.
pub fn performed(cx: &PlanContext, sends: &[String], given: Map<String, Value>) -> Performed {
    let fields = Fields::render(&cx.step.params, cx.context)?;
    let mut output = neutral(cx, &fields, sends)?;
    output.extend(given);
    let what = format!("`{}`", brief(sends.first().map_or("", String::as_str)));
    let step = cx.step;
    let expect = |default: &[u32]| {
        step.expect.clone().unwrap_or_else(|| Expect {
            statuses: default.to_vec(),
            ..Expect::default()
        })
    };
    let text = |name: &str| output.get(name).and_then(Value::as_str).unwrap_or_default();
    let (read, kind) = match step.action.name {
        "run" => {
            let status = output.get("exit").and_then(Value::as_u64);
            if let Some(status) = status.filter(|status| !takes(&expect(&[0]), *status)) {
                let message = format!("{what} ended with exit status {status}");
                return Err(StepError::new(ErrorKind::Exit, message)
                    .with_tail(format!("{}{}", text("stdout"), text("stderr")))
                    .with_output(Value::Object(output)));
            }
            ("stdout", "the output")
        }
        "http" => {
            let status = output.get("status").and_then(Value::as_u64);
            let fits = |status: &u64| match &step.expect {
                Some(expect) => takes(expect, *status),
                None => (200..300).contains(status),
            };
            if let Some(status) = status.filter(|status| !fits(status)) {
                let message = format!("{what} was answered with status {status}");
                return Err(StepError::new(ErrorKind::Http, message)
                    .with_tail(text("body").to_owned())
                    .with_output(Value::Object(output)));
            }
            ("body", "the body")
        }
        "read" => ("text", "the file"),
        "mux" => {
            note_media(cx, &fields, &output)?;
            return Ok(Output::of(output));
        }
        _ => return Ok(Output::of(output)),
    };
    let has_it = |name: &str| output.contains_key(name);
    if !has_it("json") && !has_it("lines") {
        let text = text(read).to_owned();
        // What is not there has no lines; a JSON value has to be given.
        let parse = step.parse.unwrap_or_default();
        if !(parse == Parse::Json && text.is_empty()) {
            parse_into(&mut output, kind, &text, false, parse)?;
        } else {
            output.insert("json".to_owned(), Value::Null);
        }
    }
    Ok(Output::of(output))
}

fn takes(expect: &Expect, status: u64) -> bool {
    expect.any || expect.statuses.iter().any(|own| u64::from(*own) == status)
}

/// The status of an answer that is expected.
fn expected(cx: &PlanContext, default: u32) -> Value {
    match &cx.step.expect {
        Some(expect) if !expect.any && !expect.statuses.contains(&default) => expect
            .statuses
            .first()
            .map_or(Value::Null, |first| json!(first)),
        _ => json!(default),
    }
}

fn neutral(
    cx: &PlanContext,
    fields: &Fields,
    sends: &[String],
) -> Result<Map<String, Value>, StepError> {
    let value = |name: &str| fields.get(name).map_or(Value::Null, Field::value);
    let or = |value: Value, default: Value| if value.is_null() { default } else { value };
    let fields = match cx.step.action.name {
        "run" => command(expected(cx, 0)),
        "commands" => {
            let results: Vec<Value> = sends
                .iter()
                .map(|line| {
                    let mut fields = Map::from_iter([("command".to_owned(), json!(line))]);
                    fields.extend(command(expected(cx, 0)));
                    Value::Object(fields)
                })
                .collect();
            object([("results", json!(results))])
        }
        "read" if fields.get("glob").is_some() => object([
            ("exists", json!(false)),
            ("paths", json!([])),
            ("text", Value::Null),
        ]),
        "read" => object([
            ("exists", json!(true)),
            ("text", json!("")),
            ("paths", Value::Null),
        ]),
        "write" => {
            let content = fields.text("content")?.map_or(0, |text| text.value.len());
            object([
                ("path", value("path")),
                ("bytes", json!(content)),
                ("sha256", json!(DIGEST)),
                ("changed", json!(true)),
            ])
        }
        "copy" => object([("bytes", json!(0)), ("files", json!(1))]),
        "download" => object([
            ("path", value("to")),
            ("bytes", json!(0)),
            ("sha256", or(value("sha256"), json!(DIGEST))),
            ("url", value("url")),
        ]),
        "flash" => {
            let device = match fields.text("to")? {
                Some(gear) => json!(cx.lab.media(cx.home, &gear.value)?),
                None => value("device"),
            };
            object([
                ("bytes", json!(0)),
                ("written", json!(0)),
                ("sha256", or(value("sha256"), json!(DIGEST))),
                ("device", device),
                ("verified", or(value("verify"), json!(true))),
            ])
        }
        "serve" => {
            let name = served_name(&value("file"));
            let address = match value("address").as_str() {
                None | Some("auto") => "192.0.2.1".to_owned(),
                Some(address) => address.to_owned(),
            };
            let port = value("port").as_u64().filter(|port| *port > 0);
            let port = port.unwrap_or(49152);
            let url = match value("protocol").as_str() {
                Some("tcp") => format!("tcp://{address}:{port}"),
                _ => format!("http://{address}:{port}/{name}"),
            };
            object([
                ("url", json!(url)),
                ("address", json!(address)),
                ("port", json!(port)),
                ("name", json!(name)),
            ])
        }
        "capture" => object([("path", or(value("to"), json!("serial.log")))]),
        "power" => {
            let state = match value("to").as_str() {
                Some("off") => "off",
                Some("read") | None => "unknown",
                Some(_) => "on",
            };
            gear(cx, fields, state)?
        }
        "mux" => {
            let to = fields.need("to")?.text()?.value;
            let name = fields.need("gear")?.text()?.value;
            let mut output = gear(cx, fields, if to == "read" { "unknown" } else { &to })?;
            let device = match cx.lab.media(cx.home, &name)? {
                None if to == "host" => Some(format!("/dev/{name}")),
                known => known,
            };
            output.insert("device".to_owned(), json!(device));
            output
        }
        "authorize" => object([("added", json!(1)), ("host_key", json!(""))]),
        "http" => response(expected(cx, 200), value("url")),
        "wait" => {
            let mut output = object([("elapsed", json!(0.0)), ("probes", json!(1))]);
            if fields.get("ssh").is_some() {
                output.insert("boot_id".to_owned(), json!(BOOT_ID));
            } else if fields.get("run").is_some() {
                output.extend(command(expected(cx, 0)));
            } else if let Some(http) = fields.get("http") {
                let url = http.map()?.get("url").map_or(Value::Null, Field::value);
                output.extend(response(expected(cx, 200), url));
            }
            output
        }
        _ => Map::new(),
    };
    Ok(fields)
}

/// The last part of a path.
fn served_name(file: &Value) -> String {
    let path = std::path::Path::new(file.as_str().unwrap_or_default());
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    Map::from_iter(fields)
}

fn command(exit: Value) -> Map<String, Value> {
    object([
        ("stdout", json!("")),
        ("stderr", json!("")),
        ("exit", exit),
        ("signal", Value::Null),
        ("truncated", json!(false)),
    ])
}

fn response(status: Value, url: Value) -> Map<String, Value> {
    object([
        ("status", status),
        ("headers", json!({})),
        ("body", json!("")),
        ("url", url),
        ("truncated", json!(false)),
    ])
}

/// A state is read back where the driver can.
fn gear(cx: &PlanContext, fields: &Fields, state: &str) -> Result<Map<String, Value>, StepError> {
    let own = fields.get("gear").map(|field| field.text()).transpose()?;
    let declared = own.map(|name| cx.lab.present_gear(cx.home, &name.value));
    let reads = match declared.transpose()?.and_then(|gear| gear.driver.as_ref()) {
        Some(Driver::Steps(verbs)) => verbs.contains_key("read"),
        _ => false,
    };
    Ok(object([
        ("state", json!(state)),
        ("verified", json!(reads && state != "unknown")),
    ]))
}

/// A path that `to_host` printed is the medium's from then on.
fn note_media(
    cx: &PlanContext,
    fields: &Fields,
    output: &Map<String, Value>,
) -> Result<(), StepError> {
    let name = fields.need("gear")?.text()?.value;
    if cx.lab.declared_media(cx.home, &name)?.is_none()
        && fields.need("to")?.text()?.value == "host"
        && let Some(path) = output.get("device").and_then(Value::as_str)
    {
        cx.lab.note_media(cx.home, &name, path);
    }
    Ok(())
}
