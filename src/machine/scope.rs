//! Activations: entering, leaving, trying again. Exit steps run once per entry.

use super::advance::Run;
use super::configuration::{Cursor, Fault, Flight, Next};
use super::place::List;
use super::{Fact, Moment};
use crate::recipe::ErrorKind;
use crate::recipe::model::EndKind;
use std::time::Duration;

impl Run<'_> {
    /// Pushes the activation, or enters a scope anew. From here a scope owes its exit steps.
    pub(super) fn enter(&mut self) {
        let (now, begun) = (self.at.now, self.at.begun);
        let is_stage = self.at.frames.len() == 1;
        let top = self.top_mut();
        if !top.active {
            let from = if is_stage { begun } else { now };
            top.limit = top.timeout.map(|after| from.after(after));
            top.active = true;
        }
        top.retried = None;
        let top = *top;
        self.facts.push(Fact::StateEntered {
            state: top.state,
            visit: top.visit,
            item: top.count.map(|_| top.item),
            attempt: top.tries,
            of: top.plan.attempts,
            limit: top.limit,
        });
        if self.chart.is_scope(top.state) {
            let (from, opened) = (top.visits_from as usize, top.opened_from as usize);
            let children = self.chart.node(top.state).children.len();
            self.at.visits.truncate(from);
            self.at.visits.resize(from.saturating_add(children), 0);
            self.at.opened.truncate(opened);
            self.begin_list(List::Enter);
        } else {
            self.begin_list(List::Do);
        }
    }

    pub(super) fn begin_list(&mut self, list: List) {
        let steps = self.chart.range(self.top().state, list);
        self.top_mut().cursor = Cursor {
            list,
            step: steps.start,
            end: steps.end,
            ..Cursor::NONE
        };
        self.at.next = Next::Step;
    }

    pub(super) fn list_over(&mut self) {
        match self.top().cursor.list {
            List::Enter => self.at.next = Next::Initial,
            List::Do => self.leaf_over(),
            List::Exit => self.at.next = Next::Close,
            List::Between => self.try_again(),
        }
    }

    pub(super) fn initial(&mut self) {
        if let Some(fault) = self.check() {
            return self.body_raises(fault, None);
        }
        match self.chart.node(self.top().state).initial {
            Some(initial) => self.arrive(initial),
            None => self.at.next = Next::Leave,
        }
    }

    /// An error in the body of the innermost activation: its steps, its pause.
    pub(super) fn body_raises(&mut self, fault: Fault, cause: Option<Fault>) {
        self.raise(fault, cause);
        self.body_fails();
    }

    /// What is in flight ends the body of the innermost activation.
    pub(super) fn body_fails(&mut self) {
        self.end_step_items();
        match self.top().cursor.list {
            List::Enter | List::Exit => self.at.next = Next::Leave,
            List::Do => match self.at.flight {
                Flight::Error(fault) if self.retries(&fault) => self.pause(fault, Self::leaf_over),
                _ => self.leaf_over(),
            },
            List::Between => self.retrying_over(),
        }
    }

    fn leaf_over(&mut self) {
        self.facts.push(Fact::LeafLeft {
            state: self.top().state,
            because: self.because(),
        });
        self.pop_activation();
        self.at.next = Next::ItemOver;
    }

    /// The scope begins to leave: its outcome is fixed.
    pub(super) fn leave(&mut self) {
        let because = self.because();
        let top = self.top_mut();
        (top.outcome, top.failed) = (because, None);
        let state = top.state;
        self.facts.push(Fact::ScopeLeaving { state, because });
        self.begin_list(List::Exit);
    }

    /// Work that an enter step opened ends with its scope, the last opened first.
    pub(super) fn close(&mut self) {
        let from = self.top().opened_from as usize;
        if self.at.opened.len() > from
            && let Some(step) = self.at.opened.pop()
        {
            self.at.next = Next::Closing(step);
        } else {
            self.at.next = Next::Left;
        }
    }

    /// The scope has left. A failed exit step that is marked goes before whatever was in flight but
    /// `end: unrecoverable`; another only where all was well.
    pub(super) fn left(&mut self) {
        let top = *self.top();
        self.facts.push(Fact::ScopeLeft {
            state: top.state,
            because: top.outcome,
        });
        let unrecoverable = matches!(
            self.at.flight,
            Flight::End {
                end: EndKind::Unrecoverable,
                ..
            }
        );
        if let Some(fault) = top.failed
            && (fault.marked && !unrecoverable || top.outcome == super::Outcome::Ok)
        {
            let cause = self.at.flight.fault();
            self.raise(fault, cause);
        }
        match self.at.flight {
            Flight::Error(fault) if self.retries(&fault) => self.pause(fault, Self::scope_over),
            _ => self.scope_over(),
        }
    }

    fn scope_over(&mut self) {
        self.pop_activation();
        self.at.next = Next::ItemOver;
    }

    /// Whether the `retry` of the innermost activation takes an error.
    fn retries(&self, fault: &Fault) -> bool {
        let top = self.top();
        let own_exit = self.depth().checked_sub(1);
        let rule = self.chart.node(top.state).retry;
        rule.is_some_and(|rule| rule.errors.contains(fault.kind))
            && top.tries < top.plan.attempts
            && fault.kind != ErrorKind::Cancelled
            && !self.is_bound_outside(fault)
            && (fault.from_exit.is_none() || fault.from_exit != own_exit)
            && self.at.halt.is_none()
    }

    /// Waits before the next try; or, inside a bound that has lapsed, goes `over` with its `timeout`.
    fn pause(&mut self, fault: Fault, over: fn(&mut Self)) {
        if let Some(lapsed) = self.lapsed() {
            self.raise(lapsed, Some(fault));
            return over(self);
        }
        let top = *self.top();
        let delay = match top.tries {
            1 => top.plan.first_delay(),
            _ => top.plan.next_delay(top.delay),
        };
        let place = self.place_of_state();
        let short = top.plan.shortened(delay, self.at.seed, place, top.tries);
        let at = self.at.now.after(Duration::from_millis(short));
        self.facts.push(Fact::Retrying {
            state: top.state,
            kind: fault.kind,
            attempt: top.tries.saturating_add(1),
            of: top.plan.attempts,
            at,
        });
        // A scope has left, so no list of its own is at work; its limits cut the pause again.
        self.begin_list(List::Between);
        let top = self.top_mut();
        (top.delay, top.retried) = (delay, Some(fault));
        self.at.flight = Flight::None;
        self.at.next = self.pausing(at, Next::Pausing, Next::Resume);
    }

    /// A pause until `at` or the limit that comes first; none where that is now.
    pub(super) fn pausing(&self, at: Moment, pause: fn(Moment) -> Next, over: Next) -> Next {
        let until = self.pause_end(at);
        if until > self.at.now {
            pause(until)
        } else {
            over
        }
    }

    /// The pause is over: `between`, then the next try.
    pub(super) fn resume(&mut self) {
        match self.check() {
            Some(fault) => {
                self.raise(fault, None);
                self.retrying_over();
            }
            None => self.begin_list(List::Between),
        }
    }

    /// The next try does not begin; what is in flight goes on outward. A scope has left already.
    pub(super) fn retrying_over(&mut self) {
        if self.chart.is_scope(self.top().state) {
            self.scope_over();
        } else {
            self.leaf_over();
        }
    }

    fn try_again(&mut self) {
        let top = self.top_mut();
        top.tries = top.tries.saturating_add(1);
        let state = top.state;
        if self.chart.is_scope(state) {
            self.at.next = Next::Vars;
        } else {
            self.top_mut().retried = None;
            self.begin_list(List::Do);
        }
    }
}
