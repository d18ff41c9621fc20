//! Tries of a step: `needs`, beginning, ending, their retry, and what is forgiven.

use std::time::Duration;

use super::advance::Run;
use super::chart::SetTo;
use super::configuration::{Fault, Flight, Next, Question};
use super::{AfterTry, Bound, Decision, Fact, Moment, Outcome, Reason, Site, TrackValue, TryId};
use crate::recipe::ErrorKind;

/// How a try of a step failed, for the fact that says so.
#[derive(Clone, Copy)]
pub(super) enum Failed {
    /// It was running.
    Try(TryId),
    /// It did not begin.
    Refused,
    /// It had failed before, and its retry does not begin.
    Dropped,
    /// A call, whose procedure has left.
    Call(Outcome),
    /// Likewise, by an error that was raised inside it and is in flight already.
    Passed(Outcome),
}

impl Run<'_> {
    /// A try that fails before it begins, and that the step's own modifiers may take.
    pub(super) fn refuse(&mut self) {
        let fault = self.step_fault(ErrorKind::Input);
        self.step_fails(fault, true, Failed::Refused);
    }

    /// Before a try: `needs`, and the arguments of a call.
    pub(super) fn step_try(&mut self) {
        if let Some(fault) = self.step_check() {
            return self.body_raises(fault, None);
        }
        let (_, node) = self.in_hand();
        for need in &node.needs {
            let value = self.at.track(need.track);
            if !matches!(value, TrackValue::Known(value) if need.any_of.contains(&value)) {
                let fault = Fault {
                    reason: Reason::Needs {
                        track: need.track,
                        value,
                    },
                    ..self.step_fault(ErrorKind::Mismatch)
                };
                return self.step_fails(fault, false, Failed::Refused);
            }
        }
        match node.call.and_then(|call| call.arguments) {
            Some(ask) => self.ask(ask, Question::Arguments),
            None => self.at.next = Next::StepBegin,
        }
    }

    pub(super) fn step_begin(&mut self) -> Option<Decision> {
        let (step, node) = self.in_hand();
        for set in &node.sets {
            self.track(set.track, TrackValue::Unknown);
        }
        if let Some(call) = node.call {
            self.begin_call(step, call.root);
            return None;
        }
        let (limit, depth) = self.try_limit();
        let id = TryId(self.at.next_try);
        self.at.next_try = self.at.next_try.wrapping_add(1);
        let cursor = self.top().cursor;
        self.facts.push(Fact::TryStarted {
            id,
            step,
            number: cursor.number,
            of: cursor.plan.attempts,
            limit,
        });
        self.at.next = Next::Running {
            id,
            limit,
            depth,
            fresh: true,
        };
        Some(Decision::Try { id, step, limit })
    }

    /// The running try has ended by itself. At its limit it is over it, however it ended.
    pub(super) fn ended(&mut self, outcome: Outcome) {
        let Next::Running {
            id, limit, depth, ..
        } = self.at.next
        else {
            return;
        };
        if let Some(limit) = limit.filter(|limit| limit.at <= self.at.now) {
            return self.cut(id, limit.bound, depth);
        }
        match outcome {
            Outcome::Ok => self.read(id, 0),
            Outcome::Failed(kind) => {
                // Nobody but the machine cancels; a try that says so went away.
                let kind = match kind {
                    ErrorKind::Cancelled => ErrorKind::Lost,
                    kind => kind,
                };
                let fault = self.step_fault(kind);
                self.step_fails(fault, true, Failed::Try(id));
            }
            Outcome::Failure | Outcome::Unrecoverable => {
                let fault = self.step_fault(ErrorKind::Failed);
                self.step_fails(fault, true, Failed::Try(id));
            }
        }
    }

    /// The try that was asked to stop has ended, or was killed.
    pub(super) fn stopped(&mut self) {
        let Next::Stopping { id, why, depth, .. } = self.at.next else {
            return;
        };
        let of_bound = matches!(why, Bound::Step(_) | Bound::State(_) | Bound::Call(_));
        let halted = self.halted().filter(|_| !self.is_leaving() || !of_bound);
        match halted {
            None => self.cut(id, why, depth),
            Some(fault) => {
                let kind = if of_bound {
                    ErrorKind::Timeout
                } else {
                    fault.kind
                };
                self.try_cancelled(id, kind, fault);
            }
        }
    }

    /// A try is over because of a signal or a lost journal: the step's modifiers do not take that.
    pub(super) fn try_cancelled(&mut self, id: TryId, kind: ErrorKind, fault: Fault) {
        let step = self.top().cursor.id();
        self.facts.push(Fact::TryEnded {
            id,
            step,
            outcome: Outcome::Failed(kind),
            then: AfterTry::Raised,
        });
        if self.at.abandoned {
            return self.finish();
        }
        let (_, node) = self.in_hand();
        let recovery = fault.kind == ErrorKind::Io && node.step.recovery;
        let fault = Fault {
            step: Some(step),
            recovery: fault.recovery || recovery,
            ..fault
        };
        self.body_raises(fault, None);
    }

    /// A bound was hit while a try ran: the step's own, or that of a frame further out.
    fn cut(&mut self, id: TryId, bound: Bound, depth: Option<u32>) {
        let owner = depth.and_then(|depth| self.at.frames.get(depth as usize));
        let state = owner.map_or(self.top().state, |frame| frame.state);
        let fault = Fault {
            state,
            bound: depth,
            hit: Some(bound),
            ..self.step_fault(ErrorKind::Timeout)
        };
        self.step_fails(fault, true, Failed::Try(id));
    }

    /// The try has ended well; what it read is asked for, then it counts.
    pub(super) fn read(&mut self, id: TryId, from: u32) {
        let (step, node) = self.in_hand();
        let rest = (from..).zip(node.sets.iter().skip(from as usize));
        for (set, rule) in rest {
            if let SetTo::Reading(ask) = rule.to {
                return self.ask(ask, Question::Reading { id, set });
            }
        }
        self.facts.push(Fact::TryEnded {
            id,
            step,
            outcome: Outcome::Ok,
            then: AfterTry::Done,
        });
        if node.lives_with_scope {
            self.at.opened.push(step);
        }
        self.settle_sets();
        self.after_try();
    }

    pub(super) fn has_read(&mut self, id: TryId, set: u32, value: Option<u16>) {
        let (_, node) = self.in_hand();
        if let Some(rule) = node.sets.get(set as usize) {
            let values = self.chart.track_values(rule.track).len();
            let value = value.filter(|value| usize::from(*value) < values);
            let value = value.map_or(TrackValue::Unknown, TrackValue::Known);
            self.track(rule.track, value);
        }
        self.read(id, set.saturating_add(1));
    }

    pub(super) fn settle_sets(&mut self) {
        let (_, node) = self.in_hand();
        for set in &node.sets {
            if let SetTo::Value(value) = set.to {
                self.track(set.track, TrackValue::Known(value));
            }
        }
    }

    /// A try that was done, forgiven or recorded is followed by a check, then by what comes next.
    pub(super) fn after_try(&mut self) {
        match self.step_check() {
            Some(fault) => self.body_raises(fault, None),
            None => self.step_item_over(),
        }
    }

    /// A try failed. `own`: the step's modifiers may take the error; else (unmet `needs`) none does.
    pub(super) fn step_fails(&mut self, fault: Fault, own: bool, how: Failed) {
        let (step, node) = self.in_hand();
        let cursor = self.top().cursor;
        let own = own && !fault.halting && !self.is_bound_outside(&fault);
        let kind = fault.kind;
        let again = own
            && node.retry.is_some_and(|rule| rule.errors.contains(kind))
            && kind != ErrorKind::Cancelled
            && cursor.number < cursor.plan.attempts
            && (self.at.halt.is_none() || self.is_leaving());
        let lapsed = self.lapsed().filter(|_| again && !self.is_leaving());
        let forgiven = own && node.forgives.contains(kind);
        let recorded = own
            && cursor.count.is_some()
            && node.step.continue_on_item_error
            && kind != ErrorKind::Cancelled;
        let then = if again && lapsed.is_none() {
            let (delay, at) = self.delay_step();
            self.top_mut().cursor.delay = delay;
            let number = cursor.number.saturating_add(1);
            AfterTry::Again { at, number }
        } else if again {
            AfterTry::Raised
        } else if forgiven {
            AfterTry::Forgiven
        } else if recorded {
            AfterTry::Recorded
        } else {
            AfterTry::Raised
        };
        let (number, of, reason) = (cursor.number, cursor.plan.attempts, fault.reason);
        self.facts.push(match how {
            Failed::Try(id) => Fact::TryEnded {
                id,
                step,
                outcome: Outcome::Failed(kind),
                then,
            },
            Failed::Refused => Fact::TryRefused {
                step,
                number,
                of,
                kind,
                reason,
                then,
            },
            Failed::Dropped => Fact::RetryDropped { step, kind, then },
            Failed::Call(outcome) | Failed::Passed(outcome) => Fact::CallLeft {
                step,
                outcome,
                then,
            },
        });
        match then {
            AfterTry::Again { at, .. } => {
                self.top_mut().cursor.retried = Some(fault);
                self.at.next = self.pausing(at, Next::StepPausing, Next::StepResume);
            }
            AfterTry::Done | AfterTry::Forgiven => self.after_try(),
            AfterTry::Recorded => {
                self.facts.push(Fact::ItemFailed {
                    of: Site::Step(step),
                    index: cursor.item,
                    kind,
                });
                self.after_try();
            }
            AfterTry::Raised => match (lapsed, how) {
                (Some(lapsed), _) => self.body_raises(lapsed, Some(fault)),
                (None, Failed::Passed(_)) => {
                    self.at.flight = Flight::Error(fault);
                    self.body_fails();
                }
                (None, _) => self.step_raises(fault),
            },
        }
    }

    /// The delay before the next try, without jitter in milliseconds, and when that try begins.
    fn delay_step(&self) -> (u64, Moment) {
        let cursor = &self.top().cursor;
        let delay = match cursor.number {
            1 => cursor.plan.first_delay(),
            _ => cursor.plan.next_delay(cursor.delay),
        };
        let place = self.place_of_step();
        let short = cursor
            .plan
            .shortened(delay, self.at.seed, place, cursor.number);
        (delay, self.at.now.after(Duration::from_millis(short)))
    }

    pub(super) fn step_resume(&mut self) {
        let retried = self.top().cursor.retried;
        if let Some(fault) = self.step_check() {
            return self.body_raises(fault, retried);
        }
        let cursor = &mut self.top_mut().cursor;
        cursor.number = cursor.number.saturating_add(1);
        cursor.retried = None;
        self.at.next = Next::StepPlan;
    }

    /// A step failed for good. An exit step is noted, and the next one begins.
    pub(super) fn step_raises(&mut self, fault: Fault) {
        if !self.is_leaving() {
            return self.body_raises(fault, None);
        }
        let (step, node) = self.in_hand();
        let scope = self.depth().checked_sub(1);
        let fault = Fault {
            from_exit: scope,
            marked: node.step.recovery,
            ..fault
        };
        let failed = &mut self.top_mut().failed;
        if failed.is_none_or(|failed| fault.marked && !failed.marked) {
            *failed = Some(fault);
        }
        self.facts.push(Fact::ExitStepFailed {
            step,
            kind: fault.kind,
        });
        self.end_step_items();
        self.next_step();
    }
}
