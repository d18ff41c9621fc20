//! What comes from outside: answers, signals, a journal that can't be written.

use std::time::Duration;

use super::advance::{GRACE, LAST_GRACE, Run, truth};
use super::attempt::Failed;
use super::configuration::{Flight, Halt, Next, Question};
use super::{Answer, Bound, Decision, Fact, Moment, RetryPlan, Signal, TryId};
use crate::recipe::model::EndKind;

impl Run<'_> {
    /// The world's answer; `None`: it has no value. An answer of another kind than was asked for is
    /// no value.
    pub(super) fn answered(&mut self, question: Question, answer: Option<Answer>) {
        let count = match answer {
            Some(Answer::Count(count)) => Some(count),
            _ => None,
        };
        let after = match answer {
            Some(Answer::After(after)) => {
                Some(after).filter(|after| *after != Some(Duration::ZERO))
            }
            _ => None,
        };
        let plan = match answer {
            Some(Answer::Retry(plan)) => Some(plan).filter(RetryPlan::is_valid),
            _ => None,
        };
        let done = matches!(answer, Some(Answer::Done));
        match question {
            Question::When => self.guarded(truth(answer)),
            Question::Items => self.counted(count),
            Question::Timeout => match after {
                Some(after) => self.bounded(after),
                None => self.not_entered(),
            },
            Question::Retry => match plan {
                Some(plan) => self.planned(plan),
                None => self.not_entered(),
            },
            Question::Vars if done => self.at.next = Next::Enter,
            Question::Vars => self.not_entered(),
            Question::Row(row) => self.chosen(row, truth(answer)),
            Question::ExitStatus => {
                let status = match answer {
                    Some(Answer::Status(status)) => Some(status),
                    _ => None,
                };
                self.end(EndKind::Failure, status);
            }
            Question::StepWhen => self.step_guarded(truth(answer)),
            Question::StepItems => self.step_counted(count),
            Question::StepTimeout => match after {
                Some(after) => self.step_bounded(after),
                None => self.refuse(),
            },
            Question::StepRetry => match plan {
                Some(plan) => self.step_planned(plan),
                None => self.refuse(),
            },
            Question::Arguments if done => match self.check() {
                Some(fault) => self.body_raises(fault, None),
                None => self.at.next = Next::StepBegin,
            },
            Question::Arguments => self.refuse(),
            Question::Returns if done => self.returned(),
            Question::Returns => self.not_returned(),
            Question::Reading { id, set } => {
                let value = match answer {
                    Some(Answer::Reading(value)) => value,
                    _ => None,
                };
                self.has_read(id, set, value);
            }
        }
    }

    /// A signal: the first leaves all scopes, the second leaves them to the next start.
    pub(super) fn cancel(&mut self, signal: Signal) -> Decision {
        if self.at.abandoned {
            return self.awaited();
        }
        let number = if self.at.cancel.is_some() { 2 } else { 1 };
        self.facts.push(Fact::Cancelled { signal, number });
        if self.at.cancel.is_some() {
            return self.abandon();
        }
        let step = match self.at.next {
            Next::Running { .. } | Next::Stopping { .. } => Some(self.top().cursor.id()),
            _ => None,
        };
        let state = self.at.frames.last().map(|top| top.state);
        self.at.cancel = Some((signal, state.unwrap_or(self.chart.root()), step));
        self.halt(Halt::Signal(signal))
    }

    /// The journal can't be written, and the last decision was not carried out.
    pub(super) fn lose_journal(&mut self) -> Decision {
        let leaving = !self.at.frames.is_empty() && self.is_leaving();
        match self.at.next {
            Next::Running {
                id,
                limit,
                fresh: true,
                ..
            } => {
                // It was not started. An exit step is owed all the same.
                self.at.halt = self.at.halt.or(Some(Halt::Journal));
                match self.halted().filter(|_| !leaving) {
                    Some(fault) => self.try_cancelled(id, fault.kind, fault),
                    None => {
                        let step = self.top().cursor.id();
                        return Decision::Try { id, step, limit };
                    }
                }
                self.go_on()
            }
            Next::Stopping { id, why, grace, .. } => {
                self.at.halt = self.at.halt.or(Some(Halt::Journal));
                Decision::Stop { id, why, grace }
            }
            _ => self.halt(Halt::Journal),
        }
    }

    /// Nothing new begins but exit steps. What is under way is stopped or dropped; an error that waits
    /// for its retry goes on.
    fn halt(&mut self, halt: Halt) -> Decision {
        if self.at.halt.is_some() {
            return self.awaited();
        }
        self.at.halt = Some(halt);
        let why = match halt {
            Halt::Signal(signal) => Bound::Signal(signal),
            Halt::Journal | Halt::Killed => Bound::Journal,
        };
        match self.at.next {
            Next::New => self.finish(),
            _ if self.at.yielded => {}
            Next::Asking(_, question) => {
                if self.is_leaving() {
                    return self.awaited();
                }
                self.drop_question(question);
            }
            Next::Running { id, depth, .. } if !self.is_leaving() => {
                return self.stop(id, why, depth, GRACE);
            }
            Next::StepPausing(_) if !self.is_leaving() => {
                if let Some(fault) = self.top_mut().cursor.retried.take() {
                    self.step_fails(fault, true, Failed::Dropped);
                }
            }
            Next::Pausing(_) => {
                if let Some(fault) = self.top().retried {
                    self.at.flight = Flight::Error(fault);
                }
                self.retrying_over();
            }
            _ => return self.awaited(),
        }
        self.go_on()
    }

    fn drop_question(&mut self, question: Question) {
        let Some(fault) = self.halted() else { return };
        match question {
            Question::Reading { id, .. } => self.try_cancelled(id, fault.kind, fault),
            Question::Returns => self.call_cut(fault),
            Question::StepWhen
            | Question::StepItems
            | Question::StepTimeout
            | Question::StepRetry
            | Question::Arguments => self.body_raises(fault, None),
            // A scope that was to be entered again has left.
            Question::Vars if self.top().active => {
                self.raise(fault, None);
                self.retrying_over();
            }
            _ => {
                self.raise(fault, None);
                self.at.next = Next::ItemOver;
            }
        }
    }

    /// The second signal.
    fn abandon(&mut self) -> Decision {
        self.at.abandoned = true;
        let last = self.at.now.after(LAST_GRACE);
        match self.at.next {
            Next::Running { id, depth, .. } => {
                let why = self.first_signal();
                self.stop(id, why, depth, LAST_GRACE)
            }
            Next::Stopping {
                id, depth, grace, ..
            } => {
                let (why, grace) = (self.first_signal(), grace.min(last));
                self.stopping(id, why, depth, grace)
            }
            _ => {
                self.finish();
                self.awaited()
            }
        }
    }

    fn first_signal(&self) -> Bound {
        match self.at.cancel {
            Some((signal, ..)) => Bound::Signal(signal),
            None => Bound::Journal,
        }
    }

    /// Asks a running try to stop.
    pub(super) fn stop(
        &mut self,
        id: TryId,
        why: Bound,
        depth: Option<u32>,
        grace: Duration,
    ) -> Decision {
        let grace = self.at.now.after(grace);
        self.stopping(id, why, depth, grace)
    }

    fn stopping(&mut self, id: TryId, why: Bound, depth: Option<u32>, grace: Moment) -> Decision {
        self.facts.push(Fact::TryStopping { id, why });
        self.at.next = Next::Stopping {
            id,
            why,
            depth,
            grace,
        };
        Decision::Stop { id, why, grace }
    }
}
