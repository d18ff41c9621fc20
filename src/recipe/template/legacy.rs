//! What existing jobs and device configs expect of the program that is replaced.

use std::iter::Peekable;
use std::str::CharIndices;

use super::super::Value;

/// The test script as a file: `#!/bin/bash` goes before what has no `#!` line of its own.
pub(super) fn shebang(script: &str) -> String {
    if script.starts_with("#!") {
        script.to_owned()
    } else {
        format!("#!/bin/bash\n{script}")
    }
}

/// Fills `{name}`, `{name[key]}` and `{name.key}` from the device config, in a text that holds `{{`;
/// any other text stays as it is. `{{` and `}}` become single braces. A field whose first name the
/// config does not have stays as it was written.
///
/// This is Python's `str.format`, as old jobs use it; it is deprecated there and here. A lone brace
/// is an error there: no such script ever ran. Here it stays as it is.
pub(super) fn format(text: &str, config: &Value) -> Result<String, String> {
    if !text.contains("{{") {
        return Ok(text.to_owned());
    }
    let mut filled = String::with_capacity(text.len());
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '{' if doubled(&mut chars, '{') => filled.push('{'),
            '}' if doubled(&mut chars, '}') => filled.push('}'),
            '{' => {
                let rest = text.get(at + 1..).unwrap_or_default();
                match rest.find(['{', '}']) {
                    Some(end) if rest[end..].starts_with('}') => {
                        let field = &rest[..end];
                        match field_value(field, config)? {
                            Some(value) => filled.push_str(&value),
                            None => {
                                filled.push('{');
                                filled.push_str(field);
                                filled.push('}');
                            }
                        }
                        while chars.next_if(|(next, _)| *next <= at + 1 + end).is_some() {}
                    }
                    _ => filled.push('{'),
                }
            }
            other => filled.push(other),
        }
    }
    Ok(filled)
}

fn doubled(chars: &mut Peekable<CharIndices<'_>>, brace: char) -> bool {
    chars.next_if(|(_, next)| *next == brace).is_some()
}

/// The value of `name[key].key!conversion:format`; nothing if the config has no `name`.
fn field_value(field: &str, config: &Value) -> Result<Option<String>, String> {
    let (path, format) = match field.find([':', '!']) {
        Some(end) => field.split_at(end),
        None => (field, ""),
    };
    let end = path.find(['.', '[']).unwrap_or(path.len());
    let (name, mut rest) = path.split_at(end);
    let Some(mut value) = config.get(name) else {
        return Ok(None);
    };
    if !format.is_empty() {
        return Err(format!(
            "`{{{field}}}`: conversions and formats (`{format}`) are not supported"
        ));
    }
    while !rest.is_empty() {
        let key;
        (key, rest) = if let Some(inside) = rest.strip_prefix('[') {
            inside
                .split_once(']')
                .ok_or_else(|| format!("`{{{field}}}`: `[` is not closed"))?
        } else {
            let inside = rest.strip_prefix('.').unwrap_or(rest);
            inside.split_at(inside.find(['.', '[']).unwrap_or(inside.len()))
        };
        value = match value {
            Value::Array(items) => key.parse().ok().and_then(|n: usize| items.get(n)),
            other => other.get(key),
        }
        .ok_or_else(|| format!("`{{{field}}}`: the device config has no `{key}` there"))?;
    }
    Ok(Some(match value {
        Value::String(text) => text.clone(),
        Value::Null => "None".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        other => other.to_string(),
    }))
}

/// The environment of test commands, on top of the engine's: the device config's `env`, then
/// `AGENT_NAME` and `REBOOT_SCRIPT`, then the job's `test_data.secrets`. What is empty is none, which
/// takes the name away, also one that the engine's environment (`inherited`) has.
pub(super) fn test_env(
    device: &Value,
    job: &Value,
    inherited: impl Iterator<Item = (String, String)>,
) -> Value {
    let mut merged = serde_json::Map::new();
    for (name, value) in inherited {
        if value.is_empty() {
            merged.insert(name, Value::Null);
        }
    }
    let mut put = |name: &str, value: &Value| {
        merged.insert(name.to_owned(), environment_text(value));
    };
    for (name, value) in members(device.get("env")) {
        put(name, value);
    }
    put(
        "AGENT_NAME",
        device.get("agent_name").unwrap_or(&Value::Null),
    );
    put(
        "REBOOT_SCRIPT",
        &match device.get("reboot_script") {
            Some(Value::Array(lines)) => {
                let lines: Vec<&str> = lines.iter().filter_map(Value::as_str).collect();
                Value::String(lines.join(";"))
            }
            Some(other) => other.clone(),
            None => Value::Null,
        },
    );
    let secrets = job.get("test_data").and_then(|data| data.get("secrets"));
    for (name, value) in members(secrets) {
        put(name, value);
    }
    Value::Object(merged)
}

fn members(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}

/// Text, or none for what Python calls false.
fn environment_text(value: &Value) -> Value {
    if !super::evaluate::truth(value) {
        return Value::Null;
    }
    Value::String(match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{format, shebang, test_env};

    #[test]
    fn fields_are_filled_only_where_double_braces_ask_for_it() {
        let config = json!({"device_ip": "1.2.3.4", "env": {"A": "b"}, "list": ["x"]});
        #[track_caller]
        fn case(config: &serde_json::Value, text: &str, filled: &str) {
            assert_eq!(format(text, config).as_deref(), Ok(filled));
        }
        case(
            &config,
            "{{x}} {device_ip} {env[A]} {unk} {} {0} ${HOME}",
            "{x} 1.2.3.4 b {unk} {} {0} ${HOME}",
        );
        case(&config, "{device_ip}", "{device_ip}");
        case(
            &config,
            "{{}} {env.A} {list[0]} é{device_ip}é",
            "{} b x é1.2.3.4é",
        );
        case(&config, "awk '{{print $1}}' }", "awk '{print $1}' }");
        case(&config, "{{ {", "{ {");
        assert!(format("{{}} {env[B]}", &config).is_err());
        assert!(format("{{}} {device_ip!r}", &config).is_err());
    }

    #[test]
    fn a_script_gets_a_first_line_only_if_it_has_none() {
        assert_eq!(shebang("#!/bin/sh\n:"), "#!/bin/sh\n:");
        assert_eq!(shebang(":"), "#!/bin/bash\n:");
    }

    #[test]
    fn later_sources_win_and_empty_values_take_names_away() {
        let device = json!({
            "agent_name": "lab-1",
            "reboot_script": ["off", "on"],
            "env": {"PORT": 22, "EMPTY": "", "SHARED": "device"},
        });
        let job = json!({"test_data": {"secrets": {"SHARED": "job", "TOKEN": "t"}}});
        let inherited = [
            ("OLD".to_owned(), String::new()),
            ("PATH".into(), "/bin".into()),
        ];
        assert_eq!(
            test_env(&device, &job, inherited.into_iter()),
            json!({
                "OLD": null, "PORT": "22", "EMPTY": null, "SHARED": "job", "AGENT_NAME": "lab-1",
                "REBOOT_SCRIPT": "off;on", "TOKEN": "t",
            })
        );
        assert_eq!(
            test_env(&json!({"env": null}), &json!({}), std::iter::empty()),
            json!({"AGENT_NAME": null, "REBOOT_SCRIPT": null})
        );
    }
}
