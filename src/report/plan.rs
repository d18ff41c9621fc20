//! A dry run's plan as a person reads it.

use crate::diagnostic::plain;
use crate::engine::{Plan, Planned};

/// The plan as text: a line for each state that is entered, and under it what each step would send.
/// A state stands again where steps of it follow those of others (its exit steps).
pub fn plan_text(plan: &Plan) -> String {
    let mut text = format!(
        "{} of {}: what would be sent, if every step ends well\n",
        plan.stage, plan.recipe
    );
    let mut state: Option<&str> = None;
    for entry in &plan.entries {
        match entry {
            Planned::Otherwise { place, guard } => {
                state = None;
                text.push_str(&format!("\nif `{guard}` does not hold at {place}\n"));
            }
            Planned::State { path } => {
                state = Some(path);
                text.push_str(&format!("{path}\n"));
            }
            Planned::Step { step, host, sends } => {
                stand(&mut text, &mut state, &step.state);
                let host = match host {
                    Some(host) if host.as_ref() != "local" => format!(" on {host}"),
                    _ => String::new(),
                };
                let mut lines = sends.iter().flat_map(|send| send.lines()).map(plain);
                let first = lines.next().unwrap_or_default();
                // `sleep 10ms` says what it is.
                let says_itself = host.is_empty()
                    && first
                        .strip_prefix(step.name.as_ref())
                        .is_some_and(|rest| rest.starts_with([' ', ':']));
                if says_itself {
                    text.push_str(&format!("  {first}\n"));
                } else {
                    text.push_str(&format!("  {}{host}: {first}\n", step.name));
                }
                for line in lines {
                    text.push_str(&format!("    {line}\n"));
                }
            }
            Planned::Fails {
                step,
                kind,
                message,
            } => {
                stand(&mut text, &mut state, &step.state);
                let message = message.lines().map(plain).collect::<Vec<_>>().join(" ⏎ ");
                text.push_str(&format!(
                    "  {} would fail with {kind}: {message}\n",
                    step.name
                ));
            }
            Planned::Ends { success: true } => text.push_str("the stage succeeds\n"),
            Planned::Ends { success: false } => text.push_str("the stage fails\n"),
        }
    }
    text
}

fn stand<'p>(text: &mut String, state: &mut Option<&'p str>, of: &'p str) {
    if *state != Some(of) {
        *state = Some(of);
        text.push_str(&format!("{of}\n"));
    }
}
