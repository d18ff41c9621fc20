//! What a control host is asked for when it drives a PC's installer (its method `ProvisioningKVM`).
//!
//! A job asks for one of three things, in this order: a `preset` that the control host knows, an
//! image of an OEM (`alloem_url`), or an ISO (`url`) with the `robot_tasks` that click through its
//! installer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use saphyr_parser::{Event, Parser};
use serde_json::{Map, Value, json};

/// The preset of an OEM image of Ubuntu 22.04.
const JAMMY_OEM: &str = "desktop-jammy-oem";
/// What all keys of an unattended installation begin with.
const AUTOINSTALL: &str = "autoinstall_";
/// Forwarded where the job has them. With a preset all keys are, but for [`OURS`].
const OPTIONAL: &[&str] = &[
    "cmdline_append",
    "skip_download",
    "wait_until_ssh",
    "live_image",
    "ubuntu_sso_email",
    "robot_retries",
    "reboot_script",
    "poweron_script",
];
/// Keys of the job that say what we do, not what the control host does.
const OURS: &[&str] = &[
    "attachments",
    "oem",
    "password",
    "provisioning_timeout",
    "skip",
    "username",
];

/// The arguments of `ProvisioningKVM` for a job's `provision_data`, but for the keys that are let in.
///
/// `login` is the user and password that the system gets, `oem_login` those that an OEM's image has.
/// `oem_user_data` is the answer to the installer's questions that `autoinstall_oem` stands for.
///
/// # Errors
/// A key that is needed is missing, or a value makes no sense; names both.
pub(crate) fn kwargs(
    provision_data: &Map<String, Value>,
    login: [&str; 2],
    oem_login: [&str; 2],
    oem_user_data: &str,
) -> Result<Map<String, Value>, String> {
    let job = Job(provision_data);
    let [username, password] = if job.is_oem() { oem_login } else { login };
    let autoinstall = job.autoinstall(oem_user_data)?;
    let mut kwargs = Map::new();
    if job.get("preset").is_some() {
        kwargs.extend(job.preset());
        if let Some(autoinstall) = autoinstall {
            kwargs.insert("autoinstall_conf".to_owned(), autoinstall);
        }
    } else {
        let (url, what) = match job.get("alloem_url") {
            Some(url) => (url, "`provision_data.alloem_url`"),
            None => (job.url()?, "`provision_data.url` without a `preset`"),
        };
        let tasks = job.robot_tasks(what)?;
        kwargs.insert("url".to_owned(), url.clone());
        kwargs.insert("autoinstall_conf".to_owned(), json!(autoinstall));
        kwargs.insert("robot_tasks".to_owned(), tasks.clone());
    }
    kwargs.insert("username".to_owned(), json!(username));
    kwargs.insert("password".to_owned(), json!(password));
    for key in OPTIONAL {
        if let Some(value) = job.get(key) {
            kwargs.insert((*key).to_owned(), value.clone());
        }
    }
    Ok(kwargs)
}

/// A job's `provision_data`; a key that is null is not there.
struct Job<'a>(&'a Map<String, Value>);

impl<'a> Job<'a> {
    fn get(&self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    fn given(&self) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.0.iter().filter(|(_, value)| !value.is_null())
    }

    fn is_jammy_oem(&self) -> bool {
        self.get("preset").and_then(Value::as_str) == Some(JAMMY_OEM)
    }

    /// Whether the system that is installed is an OEM's, with a login of its own.
    fn is_oem(&self) -> bool {
        self.is_jammy_oem() || self.get("alloem_url").is_some()
    }

    fn url(&self) -> Result<&'a Value, String> {
        self.get("url").ok_or_else(|| {
            "`provision_data` has none of `preset`, `alloem_url` and `url`: there is nothing to \
             install"
                .to_owned()
        })
    }

    fn robot_tasks(&self, what: &str) -> Result<&'a Value, String> {
        self.get("robot_tasks").ok_or_else(|| {
            format!("{what} needs `provision_data.robot_tasks`, which lead through the installer")
        })
    }

    /// What goes with a preset.
    fn preset(&self) -> Map<String, Value> {
        let mut kwargs: Map<String, Value> = self
            .given()
            .filter(|(key, _)| !key.starts_with("autoinstall") && !OURS.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if self.is_jammy_oem() {
            // `url` is the image that is recovered from afterwards.
            kwargs.shift_remove("url");
            if let Some(image) = kwargs.shift_remove("alloem_url") {
                kwargs.insert("url".to_owned(), image);
            }
        }
        kwargs
    }

    /// How an unattended installation is answered; none where the job has no word about it.
    fn autoinstall(&self, oem_user_data: &str) -> Result<Option<Value>, String> {
        let oem = self.get("autoinstall_oem");
        if let Some(oem) = oem
            && !oem.is_boolean()
        {
            return Err(wrong("autoinstall_oem", oem, "is neither true nor false"));
        }
        if oem == Some(&Value::Bool(true)) {
            return Ok(Some(json!({
                "base_user_data": STANDARD.encode(oem_user_data),
                "storage_layout": "direct",
            })));
        }
        let mut conf = Map::new();
        for (key, value) in self.given() {
            let (name, value) = match key.strip_prefix(AUTOINSTALL) {
                None | Some("" | "oem") => continue,
                Some(name @ "base_user_data") => (name, user_data(key, value)?),
                Some(name) => (name, value.clone()),
            };
            conf.insert(name.to_owned(), value);
        }
        Ok((!conf.is_empty()).then_some(Value::Object(conf)))
    }
}

/// The base64 of a YAML text, without the blanks and line ends that jobs break it with.
fn user_data(key: &str, value: &Value) -> Result<Value, String> {
    let Some(text) = value.as_str() else {
        return Err(wrong(key, value, "is no text: it is YAML in base64"));
    };
    let packed: String = text.split_ascii_whitespace().collect();
    let bytes = STANDARD
        .decode(&packed)
        .map_err(|error| wrong(key, value, &format!("is not base64 encoded: {error}")))?;
    let yaml = String::from_utf8(bytes).map_err(|_| {
        wrong(
            key,
            value,
            "is not a valid YAML: what it encodes is no UTF-8",
        )
    })?;
    match problem(&yaml) {
        Some(problem) => Err(wrong(
            key,
            value,
            &format!("is not a valid YAML, once decoded: {problem}"),
        )),
        None => Ok(Value::String(packed)),
    }
}

/// Why a text is no YAML with one document.
fn problem(yaml: &str) -> Option<String> {
    let mut documents = 0;
    for event in Parser::new_from_str(yaml) {
        match event {
            Ok((Event::DocumentStart(_), _)) => documents += 1,
            Ok(_) => {}
            Err(error) => return Some(error.to_string()),
        }
    }
    (documents > 1).then(|| "it has several documents".to_owned())
}

/// A complaint about a value, which is cut where it is long.
fn wrong(key: &str, value: &Value, why: &str) -> String {
    const SHOWN: usize = 40;
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("`provision_data.{key}` ({shown}) {why}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::kwargs;

    const OEM: &str = "autoinstall: { storage: { layout: { name: direct } } }\n";
    /// `OEM` in base64.
    const OEM_64: &str =
        "YXV0b2luc3RhbGw6IHsgc3RvcmFnZTogeyBsYXlvdXQ6IHsgbmFtZTogZGlyZWN0IH0gfSB9Cg==";

    const LOGIN: [&str; 2] = ["admin", "secret"];

    fn of(job: &Value) -> Result<Map<String, Value>, String> {
        let job = job.as_object().expect("a map");
        kwargs(job, LOGIN, ["ubuntu", "u"], OEM)
    }

    #[track_caller]
    fn case(job: &Value, expected: &Value) {
        assert_eq!(of(job).map(Value::Object).as_ref(), Ok(expected), "{job}");
    }

    #[test]
    fn an_iso_is_installed_by_robot_tasks() {
        case(
            &json!({"url": "http://a/b.iso", "robot_tasks": ["a.robot"]}),
            &json!({
                "url": "http://a/b.iso", "autoinstall_conf": null, "robot_tasks": ["a.robot"],
                "username": "admin", "password": "secret",
            }),
        );
        // What the control host may be told besides; the rest is not its affair.
        case(
            &json!({
                "url": "http://a/b.iso", "robot_tasks": ["a.robot"], "robot_retries": 3,
                "cmdline_append": "quiet", "skip_download": true, "wait_until_ssh": false,
                "live_image": false, "ubuntu_sso_email": "a@b.c", "reboot_script": ["r"],
                "poweron_script": ["p"], "provisioning_timeout": 60, "attachments": [], "x": 1,
                "poweroff_script": null,
            }),
            &json!({
                "url": "http://a/b.iso", "autoinstall_conf": null, "robot_tasks": ["a.robot"],
                "username": "admin", "password": "secret",
                "robot_retries": 3, "cmdline_append": "quiet", "skip_download": true,
                "wait_until_ssh": false, "live_image": false, "ubuntu_sso_email": "a@b.c",
                "reboot_script": ["r"], "poweron_script": ["p"],
            }),
        );
    }

    #[test]
    fn an_image_of_an_oem_has_its_own_login() {
        case(
            &json!({
                "alloem_url": "http://a/oem.iso", "url": "http://a/b.iso", "robot_tasks": [],
                "oem": "hp",
            }),
            &json!({
                "url": "http://a/oem.iso", "autoinstall_conf": null, "robot_tasks": [],
                "username": "ubuntu", "password": "u",
            }),
        );
    }

    #[test]
    fn a_preset_is_given_what_the_job_has() {
        case(
            &json!({"preset": "server", "any": {"thing": 1}, "robot_tasks": null}),
            &json!({
                "preset": "server", "any": {"thing": 1},
                "username": "admin", "password": "secret",
            }),
        );
        // The job's own login does not count, nor do the keys that are for us.
        case(
            &json!({
                "preset": "server", "username": "x", "password": "y", "attachments": [],
                "provisioning_timeout": 7200, "oem": "dell", "skip": false,
                "autoinstall_storage_layout": "lvm",
            }),
            &json!({
                "preset": "server", "autoinstall_conf": {"storage_layout": "lvm"},
                "username": "admin", "password": "secret",
            }),
        );
    }

    #[test]
    fn the_image_to_recover_from_is_not_the_one_to_install() {
        case(
            &json!({"preset": "desktop-jammy-oem", "url": "http://a/b.iso"}),
            &json!({"preset": "desktop-jammy-oem", "username": "ubuntu", "password": "u"}),
        );
        case(
            &json!({
                "preset": "desktop-jammy-oem", "url": "http://a/b.iso",
                "alloem_url": "http://a/oem.iso",
            }),
            &json!({
                "preset": "desktop-jammy-oem", "url": "http://a/oem.iso",
                "username": "ubuntu", "password": "u",
            }),
        );
    }

    #[test]
    fn the_keys_of_an_unattended_installation_go_together() {
        #[track_caller]
        fn conf(job: &Value, expected: &Value) {
            let mut whole = json!({"url": "http://a/b.iso", "robot_tasks": []});
            let (Value::Object(whole), Value::Object(job)) = (&mut whole, job) else {
                panic!("maps")
            };
            whole.extend(job.clone());
            let whole = Value::Object(whole.clone());
            assert_eq!(
                of(&whole).map(|kwargs| kwargs["autoinstall_conf"].clone()),
                Ok(expected.clone()),
                "{whole}"
            );
        }
        conf(
            &json!({"autoinstall_storage_layout": "lvm", "autoinstall_base_user_data": OEM_64}),
            &json!({"storage_layout": "lvm", "base_user_data": OEM_64}),
        );
        // Only the beginning is taken off, and only once.
        conf(
            &json!({"autoinstall_autoinstall_x": 1, "my_autoinstall_y": 2}),
            &json!({"autoinstall_x": 1}),
        );
        conf(
            &json!({"autoinstall_oem": true, "autoinstall_storage_layout": "lvm"}),
            &json!({"base_user_data": OEM_64, "storage_layout": "direct"}),
        );
        conf(&json!({"autoinstall_oem": false}), &Value::Null);
        conf(
            &json!({"autoinstall_oem": false, "autoinstall_storage_layout": "lvm"}),
            &json!({"storage_layout": "lvm"}),
        );
        // Jobs break long values into lines.
        let (one, two) = OEM_64.split_at(30);
        conf(
            &json!({"autoinstall_base_user_data": format!("{one}\n  {two}\n")}),
            &json!({"base_user_data": OEM_64}),
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_value() {
        #[track_caller]
        fn case(job: &Value, message: &str) {
            assert_eq!(of(job), Err(message.to_owned()), "{job}");
        }
        case(
            &json!({"robot_tasks": []}),
            "`provision_data` has none of `preset`, `alloem_url` and `url`: there is nothing to \
             install",
        );
        case(
            &json!({"url": "http://a/b.iso"}),
            "`provision_data.url` without a `preset` needs `provision_data.robot_tasks`, which \
             lead through the installer",
        );
        case(
            &json!({"alloem_url": "http://a/b.iso"}),
            "`provision_data.alloem_url` needs `provision_data.robot_tasks`, which lead through \
             the installer",
        );
        let preset = |key: &str, value: Value| json!({"preset": "p", key: value});
        case(
            &preset("autoinstall_base_user_data", json!("a: b")),
            "`provision_data.autoinstall_base_user_data` (a: b) is not base64 encoded: Invalid \
             symbol 58, offset 1.",
        );
        case(
            &preset("autoinstall_base_user_data", json!(["a"])),
            "`provision_data.autoinstall_base_user_data` ([\"a\"]) is no text: it is YAML in base64",
        );
        case(
            &preset("autoinstall_oem", json!("yes")),
            "`provision_data.autoinstall_oem` (yes) is neither true nor false",
        );
        // `a: [`, an open bracket.
        let error =
            of(&preset("autoinstall_base_user_data", json!("YTogWwo="))).expect_err("no YAML");
        assert!(error.contains("is not a valid YAML"), "{error}");
        // Two documents.
        let error =
            of(&preset("autoinstall_base_user_data", json!("YQotLS0KYgo="))).expect_err("no YAML");
        assert!(error.contains("several documents"), "{error}");
        // Bytes that are no text; a value that is cut.
        let error = of(&preset(
            "autoinstall_base_user_data",
            json!("/".repeat(400)),
        ))
        .expect_err("no text");
        assert!(
            error.contains("no UTF-8") && error.contains("/…)"),
            "{error}"
        );
    }

    fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i32>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::String),
            prop::collection::vec(".{0,4}", 0..3).prop_map(|items| json!(items)),
        ]
    }

    fn any_job() -> impl Strategy<Value = Map<String, Value>> {
        let known = prop::sample::select(vec![
            "preset",
            "alloem_url",
            "oem",
            "username",
            "password",
            "attachments",
            "provisioning_timeout",
            "autoinstall_storage_layout",
            "live_image",
        ])
        .prop_map(str::to_owned);
        let key = prop_oneof![4 => known, 1 => "[a-z_]{1,12}"];
        let pairs = prop::collection::vec((key, any_value()), 0..8);
        (pairs, any::<bool>(), any::<bool>()).prop_map(|(pairs, oem, answers)| {
            let mut job = Map::new();
            job.insert("url".to_owned(), json!("http://a/b.iso"));
            job.insert("robot_tasks".to_owned(), json!([]));
            job.insert("autoinstall_oem".to_owned(), json!(oem));
            if answers {
                job.insert("autoinstall_base_user_data".to_owned(), json!(OEM_64));
            }
            job.extend(pairs);
            job
        })
    }

    proptest! {
        #[test]
        fn whatever_the_job_has(job in any_job()) {
            let make = |job: &Map<String, Value>| kwargs(job, LOGIN, ["ubuntu", "u"], OEM);
            let made = make(&job);
            prop_assume!(made.is_ok());
            let made = made.expect("it was made");
            // There is one login, and it is never the job's.
            let oem = made["username"] == "ubuntu";
            prop_assert_eq!(&made["password"], if oem { "u" } else { "secret" });
            prop_assert!(oem || made["username"] == "admin");
            for ours in ["attachments", "oem", "provisioning_timeout", "skip"] {
                prop_assert!(!made.contains_key(ours), "{}", ours);
            }
            // Only the answers of the installation are made of several keys.
            prop_assert!(made.keys().all(|key| !key.starts_with("autoinstall")
                || key == "autoinstall_conf"));
            // A key that is null is as good as none.
            let given = job.into_iter().filter(|(_, value)| !value.is_null()).collect();
            prop_assert_eq!(make(&given), Ok(made));
        }
    }
}
