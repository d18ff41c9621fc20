//! `mux`: gives the medium behind a mux to the host or to the board, or reads where it is.

use serde_json::json;

use super::driver::{Drive, last_line};
use super::fields::{Field, Fields};
use super::power::read_back;
use super::{Deed, Output, Performed, Performing, PlanContext, Request, StepContext, StepError};
use crate::recipe::ErrorKind;

struct Mux {
    gear: String,
    /// `host` or `dut`; `None` to read.
    to: Option<&'static str>,
    act: Option<Drive>,
    read: Option<Drive>,
    /// As declared.
    media: Option<String>,
}

pub(super) fn plan(cx: &PlanContext) -> Result<Box<dyn Request>, StepError> {
    let fields = Fields::render(&cx.step.params, cx.context)?;
    let gear = fields.need("gear")?.text()?.value;
    let declared = cx.lab.present_gear(cx.home, &gear)?;
    let to =
        fields
            .need("to")?
            .word(&[("host", Some("host")), ("dut", Some("dut")), ("read", None)])?;
    let verify = cx
        .lab
        .gear_field(cx.home, "verify", declared.verify.as_ref())?
        .as_ref()
        .map_or(Ok(true), Field::boolean)?;
    let act = match to {
        None => None,
        Some("host") => Some(Drive::must(cx, &gear, "to_host")?),
        Some(_) => Some(Drive::must(cx, &gear, "to_dut")?),
    };
    let read = match to {
        None => Some(Drive::must(cx, &gear, "read")?),
        Some(_) if verify => Drive::plan(cx, &gear, "read")?,
        Some(_) => None,
    };
    Ok(Box::new(Mux {
        media: cx.lab.declared_media(cx.home, &gear)?,
        gear,
        to,
        act,
        read,
    }))
}

impl Mux {
    async fn execute(self, cx: &StepContext) -> Performed {
        let home = cx.home.as_deref();
        let mut printed = String::new();
        if let Some(drive) = self.act {
            printed = drive.perform(cx).await?;
        }
        let (state, verified) =
            read_back(&self.gear, self.read, self.to, &["host", "dut"], cx).await?;
        let device = match self.media {
            Some(media) => Some(media),
            None if self.to == Some("host") => {
                let line = last_line(&printed);
                if !line.starts_with('/') {
                    let shown: String = line.chars().take(80).collect();
                    return Err(StepError::new(
                        ErrorKind::Mismatch,
                        format!(
                            "`{}` has no `media`, so `to_host` must print the medium's path as its \
                             last line, but that was `{shown}`",
                            self.gear
                        ),
                    )
                    .with_tail(printed.clone()));
                }
                cx.lab.note_media(home, &self.gear, line);
                Some(line.to_owned())
            }
            None => cx.lab.printed_media(home, &self.gear),
        };
        let mut fields = serde_json::Map::new();
        fields.insert("state".to_owned(), json!(state));
        fields.insert("device".to_owned(), json!(device));
        fields.insert("verified".to_owned(), json!(verified));
        Ok(Output::of(fields))
    }
}

impl Request for Mux {
    fn describe(&self) -> Vec<String> {
        [&self.act, &self.read]
            .into_iter()
            .flatten()
            .flat_map(Drive::describe)
            .collect()
    }

    fn deeds(&self) -> Vec<Deed> {
        [&self.act, &self.read]
            .into_iter()
            .flatten()
            .flat_map(Drive::deeds)
            .collect()
    }

    fn perform(self: Box<Self>, cx: StepContext) -> Performing {
        Box::pin(async move { self.execute(&cx).await })
    }
}
