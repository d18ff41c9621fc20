//! Functions of the device types whose boards a control host provisions.

use minijinja::{Environment, Error, State, Value};
use serde_json::{Map, Value as Plain};

use super::context::Services;
use super::convert::{from_plain, to_plain};
use super::functions::{refused, told};
use crate::recipe::device_types::{iot, kvm};

pub(super) fn add(environment: &mut Environment<'static>) {
    environment.add_function("iot_kwargs", iot_kwargs);
    environment.add_function("iot_username", iot_username);
    environment.add_function("kvm_kwargs", kvm_kwargs);
}

/// What a control host is asked for to provision an IoT board.
fn iot_kwargs(state: &State<'_, '_>, provision_data: &Value) -> Result<Value, Error> {
    let provision_data = map(provision_data)?;
    let login = iot_login(state, &provision_data);
    iot::kwargs(&provision_data, &login)
        .map(|kwargs| from_plain(&Plain::Object(kwargs)))
        .map_err(told)
}

/// Who can log in on an IoT board once it is provisioned.
fn iot_username(state: &State<'_, '_>, provision_data: &Value) -> Result<String, Error> {
    Ok(iot_login(state, &map(provision_data)?).username)
}

fn iot_login(state: &State<'_, '_>, provision_data: &Map<String, Plain>) -> iot::Login {
    let job = &Services::of(state).job;
    iot::Login::of(provision_data, &job["test_data"])
}

/// What a control host is asked for to install a PC. Logins are lists of user and password.
fn kvm_kwargs(
    provision_data: &Value,
    login: Vec<String>,
    oem_login: Vec<String>,
    oem_user_data: &str,
) -> Result<Value, Error> {
    let pair = |login: Vec<String>| {
        <[String; 2]>::try_from(login).map_err(|_| refused("a login is a user and a password"))
    };
    let (login, oem_login) = (pair(login)?, pair(oem_login)?);
    kvm::kwargs(
        &map(provision_data)?,
        login.each_ref().map(String::as_str),
        oem_login.each_ref().map(String::as_str),
        oem_user_data,
    )
    .map(|kwargs| from_plain(&Plain::Object(kwargs)))
    .map_err(told)
}

/// A map, as plain data.
fn map(value: &Value) -> Result<Map<String, Plain>, Error> {
    match to_plain(value).map_err(refused)? {
        Plain::Object(members) => Ok(members),
        _ => Err(refused("this function takes a map")),
    }
}
