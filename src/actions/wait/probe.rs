//! One look at what is waited for.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::actions::authorize::Authorize;
use crate::actions::bounded::within;
use crate::actions::driver::Steps;
use crate::actions::exec::stopped;
use crate::actions::fields::{Field, Fields, Text};
use crate::actions::http::Exchange;
use crate::actions::lab::verdict_of;
use crate::actions::place::Place;
use crate::actions::run::Run;
use crate::actions::{Deed, Output, PlanContext, StepContext, StepError};
use crate::recipe::{ErrorKind, Verdict, duration};
use crate::transport::{FaultKind, Host, PingMethod, SshHost, probe};

/// Bounds one knock at a port, or one ping, where `each` is `none`.
const KNOCK: Duration = Duration::from_secs(10);
/// A machine that is there answers a ping sooner than this; one that isn't would take all of `each`
/// to be missed.
const GONE: Duration = Duration::from_secs(3);

/// What is looked at.
pub(super) enum Probe {
    Ssh(Ssh),
    Tcp {
        address: Text,
        verdict: Verdict,
    },
    Ping {
        address: Text,
        method: PingMethod,
        down: bool,
        verdict: Verdict,
    },
    Http {
        exchange: Box<Exchange>,
        verdict: Option<Verdict>,
    },
    Run(Box<Run>),
    Steps(Box<Steps>),
}

pub(super) struct Ssh {
    place: Place,
    host: Arc<SshHost>,
    authorize: bool,
    changed_since: Option<Text>,
    verdict: Verdict,
}

/// What a probe that ended well saw.
pub(super) struct Seen {
    pub(super) output: Output,
    /// In a few words.
    pub(super) told: String,
}

impl Seen {
    fn of(output: Output, told: impl Into<String>) -> Self {
        Self {
            output,
            told: told.into(),
        }
    }
}

impl Probe {
    pub(super) fn plan(fields: &Fields, cx: &PlanContext) -> Result<Self, StepError> {
        if !cx.step.inner.is_empty() {
            return Ok(Self::Steps(Box::new(Steps {
                steps: cx.step.inner.clone(),
                context: cx.context.clone(),
                vars: Vec::new(),
            })));
        }
        if let Some(field) = fields.get("ssh") {
            return Ssh::plan(field, fields, cx).map(Self::Ssh);
        }
        if let Some(field) = fields.get("tcp") {
            let address = field.text()?;
            let host = address.value.rsplit_once(':').map(|(host, _)| host);
            let verdict = cx.lab.verdict_at(cx.home, host.unwrap_or_default());
            return Ok(Self::Tcp { address, verdict });
        }
        if let Some(field) = fields.get("ping") {
            let address = field.text()?;
            let method = cx.lab.ping().cloned().ok_or_else(|| {
                StepError::input(
                    "this machine can't ping: it allows no ICMP socket, and has no `ping` program",
                )
            })?;
            return Ok(Self::Ping {
                verdict: cx.lab.verdict_at(cx.home, &address.value),
                address,
                method,
                down: fields.boolean("down", false)?,
            });
        }
        if let Some(field) = fields.get("http") {
            let inner = named(field, "url")?;
            let url = inner.need("url")?.text()?.value;
            let host = host_of(&url);
            return Ok(Self::Http {
                exchange: Box::new(Exchange::of(&inner, cx)?),
                verdict: host.map(|host| cx.lab.verdict_at(cx.home, host)),
            });
        }
        if let Some(field) = fields.get("run") {
            let key = if field.is_list() { "argv" } else { "shell" };
            let inner = named(field, key)?;
            return Ok(Self::Run(Box::new(Run::of(&inner, cx)?)));
        }
        Err(StepError::input(
            "a wait needs one of `ssh`, `tcp`, `ping`, `http`, `run` or `steps`",
        ))
    }

    /// What is waited for, in a few words.
    pub(super) fn what(&self) -> String {
        match self {
            Self::Ssh(ssh) if ssh.changed_since.is_some() => {
                format!("SSH on `{}` after a boot", ssh.place.name)
            }
            Self::Ssh(ssh) => format!("SSH on `{}`", ssh.place.name),
            Self::Tcp { address, .. } => address.shown().to_owned(),
            Self::Ping { address, down, .. } => match down {
                true => format!("{} to be gone", address.shown()),
                false => format!("{} to answer pings", address.shown()),
            },
            Self::Http { exchange, .. } => exchange.first_line(),
            Self::Run(run) => format!(
                "`{}`",
                crate::actions::exec::brief(&run.describe().join(" "))
            ),
            Self::Steps(steps) => {
                let names: Vec<&str> = steps.steps.iter().map(|step| step.name.as_str()).collect();
                format!("the steps {}", crate::diagnostic::list(names, "and"))
            }
        }
    }

    /// What each look does, where that is more than [`what`](Self::what) tells.
    pub(super) fn describe(&self) -> Vec<String> {
        match self {
            Self::Http { exchange, .. } => exchange.describe(),
            Self::Run(run) => run.describe(),
            Self::Ssh(_) | Self::Tcp { .. } | Self::Ping { .. } | Self::Steps(_) => Vec::new(),
        }
    }

    pub(super) fn deeds(&self) -> Vec<Deed> {
        match self {
            Self::Http { exchange, .. } => exchange.deeds(),
            Self::Run(run) => run.deeds(),
            Self::Ssh(_) | Self::Tcp { .. } | Self::Ping { .. } | Self::Steps(_) => Vec::new(),
        }
    }

    /// Whose fault it is that it does not come; `None`: the step's host's.
    pub(super) fn verdict(&self) -> Option<Verdict> {
        match self {
            Self::Ssh(ssh) => Some(ssh.verdict),
            Self::Tcp { verdict, .. } | Self::Ping { verdict, .. } => Some(*verdict),
            Self::Http { verdict, .. } => *verdict,
            Self::Run(_) | Self::Steps(_) => None,
        }
    }

    /// Looks once, for no longer than `each`.
    pub(super) async fn look(
        &mut self,
        each: Option<Duration>,
        cx: &StepContext,
    ) -> Result<Seen, StepError> {
        let what = self.what();
        let (seen, expired) = within(each, &cx.stop, |stop| {
            let cx = StepContext { stop, ..cx.clone() };
            async move { Box::pin(self.once(each, &cx)).await }
        })
        .await;
        match seen {
            Err(error) if expired => Err(StepError {
                kind: ErrorKind::Timeout,
                message: format!(
                    "{what}: no answer within {} (`each`)",
                    duration::print(each.unwrap_or_default())
                ),
                ..error
            }),
            seen => seen,
        }
    }

    async fn once(&mut self, each: Option<Duration>, cx: &StepContext) -> Result<Seen, StepError> {
        let knock = each.unwrap_or(KNOCK);
        match self {
            Self::Ssh(ssh) => ssh.look(cx).await,
            Self::Tcp { address, .. } => {
                let knock = unless_stopped(probe::tcp(&address.value, knock), address, cx).await?;
                let to = knock.map_err(|fault| StepError::of_fault(&fault))?;
                Ok(Seen::of(Output::default(), format!("{to} is open")))
            }
            Self::Ping {
                address,
                method,
                down,
                ..
            } => {
                let limit = if *down { knock.min(GONE) } else { knock };
                let ping = method.ping(&address.value, limit);
                let answer = unless_stopped(ping, address, cx).await?;
                let shown = address.shown();
                match (answer, *down) {
                    (Ok(_), false) => Ok(Seen::of(Output::default(), format!("{shown} answers"))),
                    (Ok(took), true) => Err(StepError::new(
                        ErrorKind::Mismatch,
                        format!("{shown} still answers pings, after {took:.1?}"),
                    )),
                    (Err(fault), true) if fault.kind == FaultKind::Unreachable => {
                        Ok(Seen::of(Output::default(), fault.message))
                    }
                    (Err(fault), _) => Err(StepError::of_fault(&fault)),
                }
            }
            Self::Http { exchange, .. } => {
                let output = Exchange::clone(exchange).execute(cx).await?;
                let status = output.value.get("status").cloned().unwrap_or_default();
                Ok(Seen::of(
                    output,
                    format!("it answered with status {status}"),
                ))
            }
            Self::Run(run) => {
                let output = Run::clone(run).execute(cx).await?;
                let exit = output.value.get("exit").cloned().unwrap_or_default();
                Ok(Seen::of(
                    output,
                    format!("it ended with exit status {exit}"),
                ))
            }
            Self::Steps(steps) => {
                let last = steps.perform(cx).await?;
                let output = Output {
                    vars: steps.vars.clone(),
                    ..last
                };
                Ok(Seen::of(output, "all steps ended well"))
            }
        }
    }
}

impl Ssh {
    fn plan(field: &Field, fields: &Fields, cx: &PlanContext) -> Result<Self, StepError> {
        let place = Place::named(cx, &field.text()?.value)?;
        let Host::Ssh(host) = &place.host else {
            return Err(field.wrong("a host that is reached by SSH"));
        };
        Ok(Self {
            host: Arc::clone(host),
            authorize: fields.boolean("authorize", false)?,
            changed_since: fields.text("changed_since")?,
            verdict: verdict_of(cx.lab.role(cx.home, &place.name)),
            place,
        })
    }

    async fn look(&self, cx: &StepContext) -> Result<Seen, StepError> {
        let shown = Text::plain(format!("SSH on `{}`", self.place.name));
        let found = unless_stopped(Box::pin(self.host.probe()), &shown, cx).await?;
        let found = found.map_err(|fault| StepError::of_fault(&fault))?;
        let boot_id = found.boot_id.unwrap_or_default();
        if let Some(before) = &self.changed_since {
            if boot_id.is_empty() {
                return Err(StepError::new(
                    ErrorKind::Mismatch,
                    format!("`{}` has no boot id to compare", self.place.name),
                ));
            }
            if boot_id == before.value {
                return Err(StepError::new(
                    ErrorKind::Mismatch,
                    format!(
                        "`{}` lets us in, but has not booted since: its boot id is still {boot_id}",
                        self.place.name
                    ),
                ));
            }
        }
        if self.authorize {
            Authorize::own(self.place.clone()).execute(cx).await?;
        }
        let mut fields = serde_json::Map::new();
        fields.insert("boot_id".to_owned(), json!(boot_id));
        Ok(Seen::of(
            Output::of(fields),
            format!("`{}` lets us in", self.place.name),
        ))
    }
}

async fn unless_stopped<T>(
    look: impl Future<Output = T>,
    shown: &Text,
    cx: &StepContext,
) -> Result<T, StepError> {
    tokio::select! {
        seen = look => Ok(seen),
        () = cx.stop.wanted() => Err(stopped(shown.shown())),
    }
}

/// A map of parameters, or the one that a bare value stands for.
fn named(field: &Field, key: &str) -> Result<Fields, StepError> {
    if field.is_map() {
        Fields::of(field)
    } else {
        Ok(Fields::single(key, field))
    }
}

/// The host of a URL (RFC 3986, section 3.2.2).
fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    if let Some(bracketed) = host.strip_prefix('[') {
        return bracketed.split(']').next();
    }
    host.split(':').next()
}

#[cfg(test)]
mod tests {
    use super::host_of;

    #[test]
    fn the_host_of_a_url_stands_between_user_and_port() {
        assert_eq!(host_of("http://h:8000/health"), Some("h"));
        assert_eq!(host_of("https://u:p@h/x@y"), Some("h"));
        assert_eq!(host_of("http://[::1]:80?q"), Some("::1"));
        assert_eq!(host_of("h"), None);
    }
}
