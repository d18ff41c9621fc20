//! Nested limits: which is hit first, and whose it is.

use std::time::Duration;

use super::advance::Run;
use super::configuration::Fault;
use super::{Bound, Limit, Moment};
use crate::recipe::ErrorKind;

/// Bound on one try of an exit step that has none.
pub const EXIT_STEP: Duration = Duration::from_secs(60);

impl Run<'_> {
    /// What must be looked at before every small step that goes on: a signal, a lost journal, a limit
    /// that has passed.
    pub(super) fn check(&self) -> Option<Fault> {
        self.halted().or_else(|| self.lapsed())
    }

    /// The outermost limit on the stack that has passed, as an error.
    pub(super) fn lapsed(&self) -> Option<Fault> {
        let now = self.at.now;
        let activations = self.at.frames.iter().filter(|frame| frame.active);
        let (depth, frame) = (0..)
            .zip(activations)
            .find(|(_, frame)| frame.limit.is_some_and(|limit| limit <= now))?;
        Some(Fault {
            bound: Some(depth),
            hit: Some(frame.bound),
            ..Fault::new(ErrorKind::Timeout, frame.state, self.recovery())
        })
    }

    /// The earliest limit on the stack, the outermost of equals, with its depth.
    pub(super) fn earliest(&self) -> Option<(u32, Limit)> {
        let mut earliest: Option<(u32, Limit)> = None;
        for (depth, frame) in (0..).zip(&self.at.frames) {
            let Some(at) = frame.limit.filter(|_| frame.active) else {
                continue;
            };
            if earliest.is_none_or(|(_, limit)| at < limit.at) {
                let bound = frame.bound;
                earliest = Some((depth, Limit { at, bound }));
            }
        }
        earliest
    }

    /// When a try that begins now must be over, and the depth of the frame whose bound that is.
    pub(super) fn try_limit(&self) -> (Option<Limit>, Option<u32>) {
        let cursor = &self.top().cursor;
        let exit = self.is_leaving();
        let own = cursor.timeout.or(exit.then_some(EXIT_STEP));
        let own = own.map(|after| Limit {
            at: self.at.now.after(after),
            bound: Bound::Step(cursor.id()),
        });
        let outer = if exit { None } else { self.earliest() };
        match (outer, own) {
            (Some((depth, limit)), own) if own.is_none_or(|own| limit.at <= own.at) => {
                (Some(limit), Some(depth))
            }
            (_, own) => (own, None),
        }
    }

    /// Whether the bound that an error came of is still on the stack: it goes on outward.
    pub(super) fn is_bound_outside(&self, fault: &Fault) -> bool {
        fault.bound.is_some_and(|depth| depth < self.depth())
    }

    /// When a pause that should end at `at` does end: a limit may come first.
    pub(super) fn pause_end(&self, at: Moment) -> Moment {
        let earliest = self.earliest().filter(|_| !self.is_leaving());
        earliest.map_or(at, |(_, limit)| at.min(limit.at))
    }
}
