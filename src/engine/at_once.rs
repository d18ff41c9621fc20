//! Steps that touch nothing outside the run: a world without a lab performs them for real.

use std::sync::Arc;

use futures_util::FutureExt;

use super::memory::Memory;
use crate::actions::{Note, Notes, Performed, Request, ScopeWork, StepContext};
use crate::recipe::model::Step;
use crate::recipe::template::Context;
use crate::transport::Stop;

/// Actions that end at once and change nothing but `vars`.
pub(super) const ACTIONS: [&str; 4] = ["set", "assert", "fail", "log"];

/// How such a step ends, and what it says; `None` for all others.
pub(super) fn performed(
    memory: &Memory,
    request: Box<dyn Request>,
    step: &Arc<Step>,
    context: Context,
) -> Option<(Performed, Option<Note>)> {
    if !ACTIONS.contains(&step.action.name) {
        return None;
    }
    let (notes, mut said) = Notes::channel(1);
    let done = request
        .perform(StepContext {
            step: Arc::clone(step),
            lab: Arc::clone(&memory.lab),
            home: None,
            context,
            stop: Stop::new(),
            notes,
            scope: ScopeWork::default(),
        })
        .now_or_never()?;
    Some((done, said.try_recv().ok()))
}
