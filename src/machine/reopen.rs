//! A run that was killed, put back to where it stood, for its scopes to be left.
//!
//! What was killed can't go on: nobody knows what the step in hand had done. What is owed can be done:
//! the exit steps of every scope that was entered and not left, innermost first, with the outcome
//! `cancelled`. So the machine is put where the run stood, with that in flight, and leaves as it does
//! after a signal: nothing is retried or caught, and each exit step has its own bound and retry.

use std::sync::Arc;

use super::configuration::{Configuration, Cursor, Fault, Flight, Frame, Halt, Next};
use super::place::List;
use super::{Bound, Chart, Machine, Outcome, RetryPlan, StateId, StepId, TrackValue};
use crate::recipe::ErrorKind;

/// An activation that was on the stack when a run was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activation {
    /// The state.
    pub state: StateId,
    /// Its item, where it has a `for_each`.
    pub item: Option<Item>,
    /// The step of it that had called the activation inside, and that step's item.
    pub call: Option<(StepId, Option<Item>)>,
}

/// An item of a `for_each` under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// From 0.
    pub index: u32,
    /// How many there were.
    pub count: u32,
}

impl Machine {
    /// A run that was killed where these activations were on the stack, the stage first, the innermost
    /// open scope last. [`Event::Begin`](super::Event::Begin) leaves them. Of tracked values nothing is
    /// known. `None`: no run of this chart can have stood so.
    pub fn reopen(chart: Arc<Chart>, seed: u64, stack: &[Activation]) -> Option<Self> {
        let innermost = stack.last()?;
        if !is_stack(&chart, stack) {
            return None;
        }
        let mut at = Configuration::new(chart.tracks.len(), seed);
        at.tracks.fill(TrackValue::Unknown);
        at.halt = Some(Halt::Killed);
        at.flight = Flight::Error(Fault {
            halting: true,
            ..Fault::new(ErrorKind::Cancelled, innermost.state, false)
        });
        let mut recovery = false;
        for activation in stack {
            let frame = frame(&chart, activation, recovery);
            let of_call = activation
                .call
                .is_some_and(|(step, _)| chart.step(step).recovery);
            recovery = frame.recovery || of_call;
            at.frames.push(frame);
        }
        at.next = Next::Reopened;
        Some(Self::standing(chart, at))
    }
}

/// Whether each activation is inside the one before: a child of that scope, or the procedure that its
/// step calls.
fn is_stack(chart: &Chart, stack: &[Activation]) -> bool {
    let begins = stack.first().map(|outermost| outermost.state) == Some(chart.root());
    let nested = stack.windows(2).all(|pair| match pair {
        [outer, inner] => match outer.call {
            Some((step, _)) => {
                chart.owner(step) == outer.state && chart.called(step) == Some(inner.state)
            }
            None => chart.parent(inner.state) == Some(outer.state),
        },
        _ => true,
    });
    let ends = stack
        .last()
        .is_some_and(|innermost| chart.is_scope(innermost.state) && innermost.call.is_none());
    begins && nested && ends
}

fn frame(chart: &Chart, activation: &Activation, around: bool) -> Frame {
    let cursor = match activation.call {
        Some((step, item)) => {
            let list = chart.position(step).0;
            Cursor {
                list,
                step: step.0,
                end: chart.range(activation.state, list).end,
                item: item.map_or(0, |item| item.index),
                count: item.map(|item| item.count),
                number: 1,
                ..Cursor::NONE
            }
        }
        None => {
            // Its enter steps are done.
            let end = chart.range(activation.state, List::Enter).end;
            Cursor {
                step: end,
                end,
                ..Cursor::NONE
            }
        }
    };
    Frame {
        state: activation.state,
        visit: 1,
        item: activation.item.map_or(0, |item| item.index),
        count: activation.item.map(|item| item.count),
        active: true,
        timeout: None,
        limit: None,
        bound: Bound::State(activation.state),
        plan: RetryPlan::ONCE,
        tries: 1,
        delay: 0,
        retried: None,
        recovery: around || chart.state(activation.state).recovery,
        recovery_around: around,
        visits_from: 0,
        opened_from: 0,
        outcome: Outcome::Ok,
        failed: None,
        cursor,
    }
}
