//! Where an action does something: a host, with the name that messages and plans show.

use super::{PlanContext, StepError};
use crate::transport::Host;

/// A place with its name, as messages and plans show it.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) host: Host,
    pub(super) name: String,
}

impl Place {
    /// The host of the step.
    pub(super) fn of(cx: &PlanContext) -> Result<Self, StepError> {
        let name = cx.step.host.as_ref().map_or("local", |host| &host.value);
        Self::named(cx, name)
    }

    /// The host of this name.
    pub(super) fn named(cx: &PlanContext, name: &str) -> Result<Self, StepError> {
        Ok(Self {
            host: cx.lab.host(cx.home, name)?,
            name: name.to_owned(),
        })
    }

    /// Whether it is the engine's own machine.
    pub(super) fn is_local(&self) -> bool {
        matches!(self.host, Host::Local(_))
    }

    /// `something` as it reads when it is done there.
    pub(super) fn describe(&self, something: &str) -> String {
        if self.is_local() {
            something.to_owned()
        } else {
            format!("{}: {something}", self.name)
        }
    }

    /// ` on NAME`, or nothing for the engine's own machine.
    pub(super) fn suffix(&self) -> String {
        if self.is_local() {
            String::new()
        } else {
            format!(" on `{}`", self.name)
        }
    }
}
