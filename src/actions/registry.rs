//! From an action's name to what does it.

use super::{PlanContext, Request, StepError};

/// What makes a request of a step.
pub type Plan = fn(&PlanContext) -> Result<Box<dyn Request>, StepError>;

/// Every action of [`ACTIONS`](crate::recipe::vocabulary::ACTIONS) but `call`, whose place the
/// machine gives to a procedure.
const PLANS: &[(&str, Plan)] = &[
    ("run", super::run::plan),
    ("commands", super::commands::plan),
    ("read", super::read::plan),
    ("write", super::write::plan),
    ("capture", super::capture::plan),
    ("copy", super::copy::plan),
    ("download", super::download::plan),
    ("serve", super::serve::plan),
    ("flash", super::flash::plan),
    ("power", super::power::plan),
    ("mux", super::mux::plan),
    ("authorize", super::authorize::plan),
    ("wait", super::wait::plan),
    ("http", super::http::plan),
    ("sleep", super::sleep::plan),
    ("set", super::set::plan),
    ("assert", super::assert::plan),
    ("log", super::log::plan),
    ("fail", super::fail::plan),
];

/// Renders a step and checks what came of it: the request that a dry run prints and a real run
/// performs.
///
/// # Errors
/// `input`: a value is missing or wrong, a gear is absent, a host can't be named.
pub fn plan(cx: &PlanContext) -> Result<Box<dyn Request>, StepError> {
    let name = cx.step.action.name;
    let plan = PLANS
        .iter()
        .find(|(action, _)| *action == name)
        .map(|(_, plan)| plan)
        .ok_or_else(|| StepError::input(format!("`{name}` is no action that can be performed")))?;
    plan(cx)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::PLANS;
    use crate::recipe::vocabulary::ACTIONS;

    #[test]
    fn every_action_of_the_language_is_here_once() {
        let planned: BTreeSet<&str> = PLANS.iter().map(|(name, _)| *name).collect();
        let known: BTreeSet<&str> = ACTIONS
            .iter()
            .map(|action| action.name)
            .filter(|name| *name != "call")
            .collect();
        assert_eq!(planned, known);
        assert_eq!(planned.len(), PLANS.len());
    }
}
