//! The functions that templates may call.

use std::time::Duration;

use minijinja::value::Kwargs;
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::super::device_types;
use super::context::Services;
use super::convert::{from_plain, to_plain};
use super::{control_host, filters, firmware, legacy};

/// The longest time that `now` may look ahead: the language's longest duration, 366 days.
const MAX_AHEAD: f64 = 366.0 * 86_400.0;

pub(super) fn add(environment: &mut Environment<'static>) {
    environment.add_function("asset", asset);
    environment.add_function("efi_order", efi_order);
    control_host::add(environment);
    environment.add_function("maas_user_data", device_types::user_data);
    environment.add_function("now", now);
    environment.add_function("power_switches", power_switches);
    environment.add_function("ssh_key_url", ssh_key_url);
    environment.add_function("storage_plan", storage_plan);
    environment.add_function("test_env", test_env);
    firmware::add(environment);
}

pub(super) fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// The same, of a message that quotes no secret: it is told even where secrets went in.
pub(super) fn told(message: impl Into<String>) -> Error {
    refused(message).with_source(Told)
}

/// Whether the error's message quotes no secret.
pub(super) fn is_told(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<Told>())
}

/// Marks an error of [`told`].
#[derive(Debug, thiserror::Error)]
#[error("the message quotes no secret")]
struct Told;

/// The text of a shipped file.
fn asset(state: &State<'_, '_>, name: &str) -> Result<Value, Error> {
    let assets = Services::of(state)
        .assets
        .clone()
        .ok_or_else(|| refused("there are no shipped files here"))?;
    assets(name)
        .map(Value::from)
        .ok_or_else(|| refused(format!("there is no shipped file `{name}`")))
}

/// The time in UTC, so many seconds from now (RFC 3339).
fn now(state: &State<'_, '_>, ahead: &Value) -> Result<String, Error> {
    let seconds = filters::seconds_of(ahead)?;
    if !(0.0..=MAX_AHEAD).contains(&seconds) {
        return Err(refused("`now` looks at most 366d ahead"));
    }
    Services::of(state)
        .now
        .and_then(|now| now.checked_add(Duration::from_secs_f64(seconds)))
        // The format has four digits for the year.
        .filter(|at| {
            at.duration_since(std::time::UNIX_EPOCH)
                .is_ok_and(|since| since.as_secs() < 253_402_300_800)
        })
        .map(|at| humantime::format_rfc3339_seconds(at).to_string())
        .ok_or_else(|| refused("there is no time here that `now` could tell"))
}

/// Where the public keys of an account are: `lp:USER` on Launchpad, `gh:USER` on GitHub, or on the
/// servers that the arguments `lp` and `gh` name in their place.
#[expect(
    clippy::needless_pass_by_value,
    reason = "minijinja hands keyword arguments over by value"
)]
fn ssh_key_url(key: &str, servers: Kwargs) -> Result<String, Error> {
    let server = |site: &str, usual: &str| -> Result<String, Error> {
        let given: Option<String> = servers.get(site)?;
        let server = given.unwrap_or_else(|| usual.to_owned());
        Ok(server.trim_end_matches('/').to_owned())
    };
    let launchpad = server("lp", "https://launchpad.net")?;
    let github = server("gh", "https://github.com")?;
    servers.assert_all_used()?;
    let known = key.split_once(':').and_then(|(site, user)| {
        let user_is_plain = !user.is_empty()
            && user
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.+".contains(c));
        match site {
            _ if !user_is_plain => None,
            "lp" => Some(format!("{launchpad}/~{user}/+sshkeys")),
            "gh" => Some(format!("{github}/{user}.keys")),
            _ => None,
        }
    });
    known.ok_or_else(|| refused("an SSH key is named `lp:USER` or `gh:USER`"))
}

/// The environment of test commands, from device config, job and the engine's environment.
fn test_env(state: &State<'_, '_>) -> Value {
    let services = Services::of(state);
    let inherited = state.lookup("env").unwrap_or_default();
    let names = inherited.try_iter().into_iter().flatten();
    let pairs = names.filter_map(|name| {
        let value = inherited.get_item(&name).ok()?;
        Some((name.as_str()?.to_owned(), value.as_str()?.to_owned()))
    });
    from_plain(&legacy::test_env(&services.device, &services.job, pairs))
}

/// Where a board's power switches are, as the lab says or as its own commands show: a list of maps
/// with `host`, `port` (none where it is not known) and `address` (`HOST:PORT`, or the host alone).
fn power_switches(given: &Value, lines: &Value) -> Result<Value, Error> {
    let texts = |value: &Value| -> Result<Vec<String>, Error> {
        if value.is_none() {
            return Ok(Vec::new());
        }
        let items = value.try_iter()?;
        items
            .map(|item| {
                let text = item.as_str().map(str::to_owned);
                text.ok_or_else(|| refused("`power_switches` takes two lists of texts"))
            })
            .collect()
    };
    let (given, lines) = (texts(given)?, texts(lines)?);
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let found = device_types::power_switches(&given, &lines).map_err(refused)?;
    Ok(found
        .iter()
        .map(|one| {
            Value::from_pairs([
                ("host", Value::from(one.host.as_str())),
                (
                    "port",
                    one.port.map_or_else(|| Value::from(()), Value::from),
                ),
                ("address", Value::from(one.address())),
            ])
        })
        .collect())
}

/// The EFI boot order that has the network first, from what `efibootmgr -v` prints.
fn efi_order(listing: &str) -> Result<String, Error> {
    device_types::efi_order(listing).map_err(refused)
}

/// What has to be asked of MAAS for a storage layout, on the node's block devices.
fn storage_plan(disks: &Value, block_devices: &Value) -> Result<Value, Error> {
    let disks = to_plain(disks).map_err(refused)?;
    let block_devices = to_plain(block_devices).map_err(refused)?;
    device_types::storage_plan(&disks, &block_devices)
        .map(|plan| from_plain(&plan))
        .map_err(refused)
}
