//! Calls: the procedure stands, as a scope or leaf, in the place of the step.

use super::advance::Run;
use super::attempt::Failed;
use super::configuration::{Fault, Flight, Frame, Next, Question};
use super::place::PlaceHash;
use super::{AfterTry, Bound, Fact, Outcome, Reason, StateId, StepId};
use crate::recipe::ErrorKind;
use crate::recipe::model::EndKind;
use std::fmt::Write;

impl Run<'_> {
    pub(super) fn begin_call(&mut self, step: StepId, root: StateId) {
        let (_, node) = self.in_hand();
        let top = self.top();
        let (cursor, recovery) = (top.cursor, top.recovery || node.step.recovery);
        self.facts.push(Fact::CallEntered {
            step,
            procedure: root,
            number: cursor.number,
            of: cursor.plan.attempts,
        });
        self.push(root, 1, Bound::State(root), None, recovery);
        self.at.next = Next::Bound;
    }

    /// The frame whose step has called the innermost one, where that is a procedure's root.
    pub(super) fn caller(&self) -> Option<&Frame> {
        let [.., caller, top] = &self.at.frames[..] else {
            return None;
        };
        self.chart.parent(top.state).is_none().then_some(caller)
    }

    /// The procedure has left; the calling step goes on with what is in flight.
    pub(super) fn call_over(&mut self) {
        let (step, node) = self.in_hand();
        let flight = self.at.flight;
        match flight {
            Flight::Error(fault) => {
                self.at.flight = Flight::None;
                let how = Failed::Passed(Outcome::Failed(fault.kind));
                self.step_fails(fault, true, how);
            }
            Flight::End {
                end: EndKind::Failure,
                ..
            } => {
                self.at.flight = Flight::None;
                let fault = Fault {
                    reason: Reason::Call,
                    ..self.step_fault(ErrorKind::Failed)
                };
                let how = Failed::Call(Outcome::Failed(ErrorKind::Failed));
                self.step_fails(fault, true, how);
            }
            Flight::End {
                end: EndKind::Unrecoverable,
                ..
            } => {
                self.facts.push(Fact::CallLeft {
                    step,
                    outcome: Outcome::Unrecoverable,
                    then: AfterTry::Raised,
                });
                self.body_fails();
            }
            Flight::None | Flight::Move { .. } | Flight::End { .. } => {
                self.at.flight = Flight::None;
                match node.call.and_then(|call| call.returns) {
                    Some(ask) => self.ask(ask, Question::Returns),
                    None => self.returned(),
                }
            }
        }
    }

    /// The call has its value. A bound or signal that came meanwhile goes before that.
    pub(super) fn returned(&mut self) {
        let step = self.top().cursor.id();
        if let Some(fault) = self.check() {
            return self.call_cut(fault);
        }
        self.facts.push(Fact::CallLeft {
            step,
            outcome: Outcome::Ok,
            then: AfterTry::Done,
        });
        self.settle_sets();
        self.after_try();
    }

    /// The procedure has left well, but its step does not end so.
    pub(super) fn call_cut(&mut self, fault: Fault) {
        self.facts.push(Fact::CallLeft {
            step: self.top().cursor.id(),
            outcome: Outcome::Failed(fault.kind),
            then: AfterTry::Raised,
        });
        self.body_raises(fault, None);
    }

    /// The world has no value for `returns`: the try has failed.
    pub(super) fn not_returned(&mut self) {
        let fault = self.step_fault(ErrorKind::Input);
        let how = Failed::Call(Outcome::Failed(ErrorKind::Input));
        self.step_fails(fault, true, how);
    }

    /// The innermost state's full name, hashed.
    pub(super) fn place_of_state(&self) -> PlaceHash {
        let mut place = PlaceHash::EMPTY;
        for pair in self.at.frames.windows(2) {
            let [caller, inner] = pair else { continue };
            if self.chart.parent(inner.state).is_none() {
                let step = self.chart.step_name(caller.cursor.id());
                place.add(format_args!("{step}>"));
            }
        }
        place.add(format_args!("{}", self.chart.path(self.top().state)));
        place
    }

    /// The full name of the step in hand, hashed.
    pub(super) fn place_of_step(&self) -> PlaceHash {
        let mut place = self.place_of_state();
        let step = self.chart.step_name(self.top().cursor.id());
        place.add(format_args!(":{}.{}", step.list.word(), step.index));
        place
    }
}

impl PlaceHash {
    fn add(&mut self, piece: std::fmt::Arguments<'_>) {
        // Hashing can't fail.
        let _ = self.write_fmt(piece);
    }
}
