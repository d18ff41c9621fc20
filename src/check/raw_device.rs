//! `flash` to a device path, although the card has a mux.

use super::whole::Whole;
use crate::diagnostic::{Code, Finding, Findings, list};
use crate::recipe::{GearKind, reads};

/// Warns about each: nothing holds the mux on our side then, and the write may meet a card that the
/// board is using.
pub(super) fn check(whole: &Whole<'_>, findings: &mut Findings) {
    let recipe = whole.recipe;
    let muxes: Vec<&str> = recipe
        .gear
        .iter()
        .filter(|(_, gear)| gear.kind == GearKind::Mux)
        .map(|(name, _)| name.as_str())
        .collect();
    let Some(first) = muxes.first() else {
        return;
    };
    for unit in whole.units.iter().filter(|unit| unit.home().is_none()) {
        for placed in &unit.outline.states {
            for step in reads::steps(placed.state) {
                let Some(device) = step
                    .params
                    .get("device")
                    .filter(|_| step.action.name == "flash")
                else {
                    continue;
                };
                let message = format!(
                    "this writes to a device path, although the card is behind {}",
                    list(muxes.iter().copied(), "or")
                );
                findings.push(
                    Finding::new(Code::RawDevice, device.span, message)
                        .label("nothing says that the card is on our side")
                        .help(format!(
                            "write `to: {first}`: then the step is refused unless the mux is at `host`"
                        )),
                );
            }
        }
    }
}
