//! The lab's equipment as templates and actions see it.

use super::fields::Field;
use super::serial_line::SerialLine;
use super::{Lab, StepError};
use crate::recipe::GearKind;
use crate::recipe::Value;
use crate::recipe::model::{Driver, Gear, Tree};
use crate::recipe::template::Context;

/// The speed of a serial port where none is given.
const BAUD: i64 = 115_200;

fn absent(gear: &Gear, name: &str) -> StepError {
    let missing = match gear.kind {
        GearKind::Serial if gear.tty.is_none() && gear.command.is_none() => "`address` or `port`",
        GearKind::Serial => "`address` or `port`, `tty` or `command`",
        GearKind::Power | GearKind::Mux => "`driver`",
    };
    StepError::input(format!(
        "this lab has no gear `{name}`: its {missing} is none"
    ))
}

impl Lab {
    /// Sets the name `gear` of templates: `present`, `kind` and `media` of each. What has no value
    /// is none; a step on such a gear says why.
    pub fn introduce_gear(&self, home: Option<&str>, context: &mut Context) {
        let mut all = serde_json::Map::new();
        let mut secrets = Vec::new();
        if let Ok(of) = self.home(home) {
            for (name, gear) in &of.gear {
                let media = gear
                    .media
                    .as_ref()
                    .and_then(|tree| Field::render("media", tree, &of.context).ok());
                if media.as_ref().is_some_and(Field::is_secret) {
                    secrets.push(name.clone());
                }
                let mut values = serde_json::Map::new();
                let present = self.present(home, gear).unwrap_or(false);
                values.insert("present".to_owned(), present.into());
                values.insert("kind".to_owned(), gear.kind.word().into());
                let media = media.map_or(Value::Null, |media| media.value());
                values.insert("media".to_owned(), media);
                all.insert(name.clone(), Value::Object(values));
            }
        }
        context.unset("gear");
        context.set("gear", Value::Object(all));
        for name in secrets {
            context.mark_secret(["gear", &name, "media"]);
        }
    }

    /// The path of a mux gear's medium while it is on our side: as declared, else as `to_host` last
    /// printed it. `None` where `to_host` has not run yet.
    ///
    /// # Errors
    /// `input`: there is no such gear, or its `media` has no value or is no path.
    pub fn media(&self, home: Option<&str>, name: &str) -> Result<Option<String>, StepError> {
        Ok(match self.declared_media(home, name)? {
            Some(path) => Some(path),
            None => self.printed_media(home, name),
        })
    }

    /// The name of the host that a mux gear's medium is on.
    ///
    /// # Errors
    /// `input`: there is no such gear.
    pub fn media_host(&self, home: Option<&str>, name: &str) -> Result<&str, StepError> {
        let host = self.gear(home, name)?.host.as_ref();
        Ok(host.map_or("local", |host| &host.value))
    }

    pub(super) fn declared_media(
        &self,
        home: Option<&str>,
        name: &str,
    ) -> Result<Option<String>, StepError> {
        let media = self.gear_field(home, "media", self.gear(home, name)?.media.as_ref())?;
        media.map(|media| media.path_text()).transpose()
    }

    /// A piece of gear that is there.
    pub(super) fn present_gear(&self, home: Option<&str>, name: &str) -> Result<&Gear, StepError> {
        let gear = self.gear(home, name)?;
        if self.present(home, gear)? {
            return Ok(gear);
        }
        Err(absent(gear, name))
    }

    pub(super) fn gear(&self, home: Option<&str>, name: &str) -> Result<&Gear, StepError> {
        self.home(home)?
            .gear
            .get(name)
            .ok_or_else(|| StepError::input(format!("there is no gear `{name}`")))
    }

    /// A value of a piece of gear, unless it is absent or none.
    pub(super) fn gear_field(
        &self,
        home: Option<&str>,
        key: &str,
        tree: Option<&Tree>,
    ) -> Result<Option<Field>, StepError> {
        let Some(tree) = tree else {
            return Ok(None);
        };
        let field = Field::render(key, tree, &self.home(home)?.context)?;
        Ok((!field.is_none()).then_some(field))
    }

    /// Where a serial line is: the first that is there of `command`, `tty`, `address` and `port`.
    pub(super) fn serial_line(
        &self,
        home: Option<&str>,
        name: &str,
    ) -> Result<SerialLine, StepError> {
        let gear = self.present_gear(home, name)?;
        if let Some(command) = self.gear_field(home, "command", gear.command.as_ref())? {
            return Ok(SerialLine::Command(command.text()?));
        }
        if let Some(tty) = self.gear_field(home, "tty", gear.tty.as_ref())? {
            let baud = self.gear_field(home, "baud", gear.baud.as_ref())?;
            let baud = baud.map_or(Ok(BAUD), |baud| baud.integer(50, 20_000_000))?;
            return Ok(SerialLine::Tty {
                path: tty.path_text()?.into(),
                baud: u32::try_from(baud).unwrap_or(u32::MAX),
            });
        }
        let address = self.gear_field(home, "address", gear.address.as_ref())?;
        let port = self.gear_field(home, "port", gear.port.as_ref())?;
        match (address, port) {
            (Some(address), Some(port)) => Ok(SerialLine::Tcp {
                address: address.text()?,
                port: port.port()?,
            }),
            _ => Err(absent(gear, name)),
        }
    }

    fn present(&self, home: Option<&str>, gear: &Gear) -> Result<bool, StepError> {
        let there = |key: &str, tree: &Option<Tree>| -> Result<bool, StepError> {
            Ok(self.gear_field(home, key, tree.as_ref())?.is_some())
        };
        match gear.kind {
            GearKind::Serial => Ok(there("command", &gear.command)?
                || there("tty", &gear.tty)?
                || there("address", &gear.address)? && there("port", &gear.port)?),
            GearKind::Power | GearKind::Mux => match &gear.driver {
                None => Ok(false),
                Some(Driver::Steps(_)) => Ok(true),
                Some(Driver::Named(tree)) => {
                    Ok(self.gear_field(home, "driver", Some(tree))?.is_some())
                }
            },
        }
    }
}
