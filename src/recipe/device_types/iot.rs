//! What a control host is asked for when it provisions an IoT board (its method `ProvisioningIoT`).
//!
//! A job either names a `preset` that the control host knows, or brings a `provision_plan` of its
//! own: a `config` with the login of the system, and a `run_stage`, the list of what is done.

use serde_json::{Map, Value, json};

/// User and password of a system about which the job says nothing.
const LOGIN: (&str, &str) = ("ubuntu", "ubuntu");

/// The login that the provisioned system will have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) username: String,
    pub(crate) password: String,
}

impl Login {
    /// The tests' own where the job has one (`test_data`), else the plan's, else `ubuntu`.
    pub(crate) fn of(provision_data: &Map<String, Value>, test_data: &Value) -> Self {
        let config = given(provision_data, "provision_plan").and_then(|plan| plan.get("config"));
        let pick = |of_tests: &str, of_plan: &str, otherwise: &str| {
            let found = test_data
                .get(of_tests)
                .and_then(text)
                .or_else(|| config?.get(of_plan).and_then(text));
            found.unwrap_or_else(|| otherwise.to_owned())
        };
        Self {
            username: pick("test_username", "username", LOGIN.0),
            password: pick("test_password", "password", LOGIN.1),
        }
    }
}

/// The arguments of `ProvisioningIoT` for a job's `provision_data`.
///
/// # Errors
/// The plan lacks a part, or asks for a login that it can't have; names the key.
pub(crate) fn kwargs(
    provision_data: &Map<String, Value>,
    login: &Login,
) -> Result<Map<String, Value>, String> {
    let email = given(provision_data, "ubuntu_sso_email");
    let or_none = |key: &str| given(provision_data, key).cloned().unwrap_or_default();
    let mut kwargs = Map::new();
    let username = match email {
        Some(email) => email.clone(),
        None => json!(login.username),
    };
    kwargs.insert("username".to_owned(), username);
    kwargs.insert("password".to_owned(), json!(login.password));
    kwargs.insert("preset".to_owned(), or_none("preset"));
    kwargs.insert("preset_kwargs".to_owned(), or_none("preset_kwargs"));
    if let Some(plan) = given(provision_data, "provision_plan") {
        let plan = with_login(plan, login, email.is_some())?;
        kwargs.insert("custom_provision_plan".to_owned(), plan);
    }
    kwargs.insert("urls".to_owned(), urls(provision_data));
    Ok(kwargs)
}

/// `url` counts where both are there.
fn urls(provision_data: &Map<String, Value>) -> Value {
    match given(provision_data, "url").or_else(|| given(provision_data, "urls")) {
        Some(Value::Array(urls)) => json!(urls),
        Some(url) => json!([url]),
        None => json!([]),
    }
}

/// The plan with the login in its `config`.
fn with_login(plan: &Value, login: &Login, has_email: bool) -> Result<Value, String> {
    let whole = "provision_data.provision_plan";
    let Value::Object(plan) = plan else {
        return Err(format!("`{whole}` is no map"));
    };
    let Some(Value::Object(config)) = plan.get("config") else {
        return Err(format!("`{whole}` needs `config`, a map"));
    };
    let Some(Value::Array(stages)) = plan.get("run_stage") else {
        return Err(format!("`{whole}` needs `run_stage`, a list"));
    };
    let asks_for_email = stages
        .iter()
        .position(|stage| method(stage) == Some("console-conf"));
    if let Some(index) = asks_for_email
        && !has_email
    {
        return Err(format!(
            "`{whole}.run_stage[{index}]` logs in by `console-conf`, which needs \
             `provision_data.ubuntu_sso_email`"
        ));
    }
    let mut config = config.clone();
    config.insert("username".to_owned(), json!(login.username));
    config.insert("password".to_owned(), json!(login.password));
    let mut plan = plan.clone();
    plan.insert("config".to_owned(), Value::Object(config));
    Ok(Value::Object(plan))
}

/// How a stage of a plan logs in first; stages of other shapes don't.
fn method(stage: &Value) -> Option<&str> {
    stage.get("initial_login")?.get("method")?.as_str()
}

fn given<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    map.get(key).filter(|value| !value.is_null())
}

/// A word as it was written: a password may look like a number.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{Login, kwargs};

    fn of(provision_data: &Value, test_data: &Value) -> Result<Value, String> {
        let provision_data = provision_data.as_object().expect("a map");
        let login = Login::of(provision_data, test_data);
        kwargs(provision_data, &login).map(Value::Object)
    }

    #[track_caller]
    fn case(provision_data: &Value, test_data: &Value, expected: &Value) {
        assert_eq!(
            of(provision_data, test_data).as_ref(),
            Ok(expected),
            "{provision_data} {test_data}"
        );
    }

    #[test]
    fn a_preset_and_its_images() {
        case(
            &json!({"url": "http://a/core.img.xz"}),
            &Value::Null,
            &json!({
                "username": "ubuntu", "password": "ubuntu", "preset": null, "preset_kwargs": null,
                "urls": ["http://a/core.img.xz"],
            }),
        );
        case(
            &json!({
                "urls": ["http://a/1", "http://a/2"], "preset": "raspi", "preset_kwargs": {"a": 1},
                "agent_ssh_access": false, "provisioning_timeout": 60, "attachments": null,
            }),
            &json!({"test_username": "admin", "test_password": 1234}),
            &json!({
                "username": "admin", "password": "1234", "preset": "raspi",
                "preset_kwargs": {"a": 1}, "urls": ["http://a/1", "http://a/2"],
            }),
        );
        // An image that came with the job; `url` before `urls`.
        case(
            &json!({"preset": "raspi"}),
            &json!({}),
            &json!({
                "username": "ubuntu", "password": "ubuntu", "preset": "raspi",
                "preset_kwargs": null, "urls": [],
            }),
        );
        let both = json!({"url": "http://a/1", "urls": ["http://a/2"]});
        let made = of(&both, &Value::Null).expect("kwargs");
        assert_eq!(made["urls"], json!(["http://a/1"]));
    }

    #[test]
    fn a_plan_gets_the_login_that_the_tests_use() {
        let plan = json!({
            "config": {"username": "admin", "password": "secret", "serial_console": true},
            "run_stage": ["initial_login", {"initial_login": {"method": "system-user"}}, 7],
        });
        let job = json!({"provision_plan": plan, "urls": []});
        // Its own, where there is no other.
        case(
            &job,
            &Value::Null,
            &json!({
                "username": "admin", "password": "secret", "preset": null, "preset_kwargs": null,
                "custom_provision_plan": plan, "urls": [],
            }),
        );
        let made = of(
            &job,
            &json!({"test_username": "tester", "test_password": "t"}),
        );
        let made = made.expect("kwargs");
        assert_eq!(made["username"], "tester");
        assert_eq!(
            made["custom_provision_plan"]["config"],
            json!({"username": "tester", "password": "t", "serial_console": true})
        );
    }

    #[test]
    fn an_account_of_ubuntu_one_logs_in_by_its_address() {
        let plan = json!({
            "config": {"username": "admin"},
            "run_stage": [{"initial_login": {"method": "console-conf"}}],
        });
        let job = json!({"provision_plan": plan, "ubuntu_sso_email": "a@b.c"});
        let made = of(&job, &Value::Null).expect("kwargs");
        assert_eq!(made["username"], "a@b.c");
        assert_eq!(made["custom_provision_plan"]["config"]["username"], "admin");
    }

    #[test]
    fn a_plan_that_lacks_something_is_refused_by_its_key() {
        #[track_caller]
        fn case(plan: &Value, message: &str) {
            let job = json!({"provision_plan": plan});
            assert_eq!(of(&job, &Value::Null), Err(message.to_owned()), "{plan}");
        }
        case(&json!([]), "`provision_data.provision_plan` is no map");
        case(
            &json!({"run_stage": []}),
            "`provision_data.provision_plan` needs `config`, a map",
        );
        case(
            &json!({"config": null, "run_stage": []}),
            "`provision_data.provision_plan` needs `config`, a map",
        );
        case(
            &json!({"config": {}, "run_stage": "boot"}),
            "`provision_data.provision_plan` needs `run_stage`, a list",
        );
        case(
            &json!({"config": {}, "run_stage": [
                "boot", {"initial_login": {"method": "console-conf"}},
            ]}),
            "`provision_data.provision_plan.run_stage[1]` logs in by `console-conf`, which needs \
             `provision_data.ubuntu_sso_email`",
        );
    }

    proptest! {
        #[test]
        fn the_plan_and_the_arguments_have_one_login(
            tests in proptest::option::of("[a-z]{1,8}"),
            plan in proptest::option::of("[a-z]{1,8}"),
            password in proptest::option::of(".{1,8}"),
            stages in prop::collection::vec("[a-z]{1,8}", 0..4),
        ) {
            let config = json!({"username": plan, "password": "p", "more": 1});
            let job = json!({"provision_plan": {"config": config, "run_stage": stages}});
            let test_data = json!({"test_username": tests, "test_password": password});
            let made = of(&job, &test_data).expect("kwargs");
            let inner = &made["custom_provision_plan"];
            prop_assert_eq!(&made["username"], &inner["config"]["username"]);
            prop_assert_eq!(&made["password"], &inner["config"]["password"]);
            let expected = tests.or(plan).unwrap_or_else(|| "ubuntu".to_owned());
            prop_assert_eq!(&made["username"], &json!(expected));
            // All else of the plan is the job's.
            prop_assert_eq!(&inner["run_stage"], &json!(stages));
            prop_assert_eq!(&inner["config"]["more"], 1);
        }
    }
}
