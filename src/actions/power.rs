//! `power`: switches a power gear on or off, cycles it, or reads it.

use std::time::Duration;

use serde_json::json;

use super::driver::{Drive, last_line};
use super::exec::stopped;
use super::fields::{Field, Fields};
use super::{
    Deed, Note, Output, Performed, Performing, PlanContext, Request, StepContext, StepError,
};
use crate::recipe::{ErrorKind, duration};

/// How long `cycle` stays off where neither step nor gear says.
const OFF_TIME: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, PartialEq, Eq)]
enum To {
    On,
    Off,
    Cycle,
    Read,
}

enum Act {
    Nothing,
    Once(Drive),
    /// Off, a pause, on.
    Twice(Drive, Duration, Drive),
}

struct Power {
    gear: String,
    to: To,
    act: Act,
    read: Option<Drive>,
}

pub(super) fn plan(cx: &PlanContext) -> Result<Box<dyn Request>, StepError> {
    let fields = Fields::render(&cx.step.params, cx.context)?;
    let gear = fields.need("gear")?.text()?.value;
    let declared = cx.lab.present_gear(cx.home, &gear)?;
    let to = fields.need("to")?.word(&[
        ("on", To::On),
        ("off", To::Off),
        ("cycle", To::Cycle),
        ("read", To::Read),
    ])?;
    let off_time = match fields.get("off_time") {
        Some(field) => field.duration()?,
        None => match &declared.off_time {
            Some(own) => own.get(&cx.lab.home(cx.home)?.context)?,
            None => OFF_TIME,
        },
    };
    let verify = match fields.get("verify") {
        Some(field) => field.boolean()?,
        None => cx
            .lab
            .gear_field(cx.home, "verify", declared.verify.as_ref())?
            .as_ref()
            .map_or(Ok(true), Field::boolean)?,
    };
    let act = match to {
        To::Read => Act::Nothing,
        To::On => Act::Once(Drive::must(cx, &gear, "turn_on")?),
        To::Off => Act::Once(Drive::must(cx, &gear, "turn_off")?),
        To::Cycle => match Drive::plan(cx, &gear, "cycle")? {
            Some(cycle) => Act::Once(cycle),
            None => Act::Twice(
                Drive::must(cx, &gear, "turn_off")?,
                off_time,
                Drive::must(cx, &gear, "turn_on")?,
            ),
        },
    };
    let read = match to {
        To::Read => Some(Drive::must(cx, &gear, "read")?),
        _ if verify => Drive::plan(cx, &gear, "read")?,
        _ => None,
    };
    Ok(Box::new(Power {
        gear,
        to,
        act,
        read,
    }))
}

impl Power {
    async fn execute(self, cx: &StepContext) -> Performed {
        match self.act {
            Act::Nothing => {}
            Act::Once(drive) => {
                drive.perform(cx).await?;
            }
            Act::Twice(off, pause, on) => {
                off.perform(cx).await?;
                let shown = duration::print(pause);
                cx.notes.say(Note::Doing(format!("off for {shown}"))).await;
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = cx.stop.wanted() => {
                        return Err(stopped(&format!(
                            "a power cycle of `{}` (it is off)", self.gear
                        )));
                    }
                }
                on.perform(cx).await?;
            }
        }
        let wanted = match self.to {
            To::Read => None,
            To::Off => Some("off"),
            To::On | To::Cycle => Some("on"),
        };
        read_back(&self.gear, self.read, wanted, &["on", "off"], cx)
            .await
            .map(|(state, verified)| {
                let mut fields = serde_json::Map::new();
                fields.insert("state".to_owned(), json!(state));
                fields.insert("verified".to_owned(), json!(verified));
                Output::of(fields)
            })
    }
}

/// Reads a gear back, where that was planned: its state, and whether that was read. A state that
/// can't be read is `unknown`, and not the one that was wanted.
pub(super) async fn read_back(
    gear: &str,
    read: Option<Drive>,
    wanted: Option<&str>,
    values: &[&str],
    cx: &StepContext,
) -> Result<(String, bool), StepError> {
    let Some(read) = read else {
        return Ok((wanted.unwrap_or("unknown").to_owned(), false));
    };
    let printed = read.perform(cx).await?;
    let line = last_line(&printed);
    let state = if values.contains(&line) {
        line
    } else {
        "unknown"
    };
    match wanted {
        Some(wanted) if wanted != state => {
            let shown: String = line.chars().take(80).collect();
            let found = if state == "unknown" {
                format!("it can't be told: reading it printed `{shown}`")
            } else {
                format!("it reads `{state}`")
            };
            Err(StepError::new(
                ErrorKind::Mismatch,
                format!("`{gear}` was to be `{wanted}`, but {found}"),
            )
            .with_tail(printed.clone()))
        }
        _ => Ok((state.to_owned(), state != "unknown")),
    }
}

impl Request for Power {
    fn describe(&self) -> Vec<String> {
        let mut shown = match &self.act {
            Act::Nothing => Vec::new(),
            Act::Once(drive) => drive.describe(),
            Act::Twice(off, pause, on) => {
                let mut shown = off.describe();
                shown.push(format!("off for {}", duration::print(*pause)));
                shown.extend(on.describe());
                shown
            }
        };
        shown.extend(self.read.iter().flat_map(Drive::describe));
        shown
    }

    fn deeds(&self) -> Vec<Deed> {
        let mut deeds = match &self.act {
            Act::Nothing => Vec::new(),
            Act::Once(drive) => drive.deeds(),
            Act::Twice(off, _, on) => [off.deeds(), on.deeds()].concat(),
        };
        deeds.extend(self.read.iter().flat_map(Drive::deeds));
        deeds
    }

    fn perform(self: Box<Self>, cx: StepContext) -> Performing {
        Box::pin(async move { self.execute(&cx).await })
    }
}
