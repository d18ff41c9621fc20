//! Around an activation: arriving at a state, its guard, its items, its `next` and `catch`.

use super::advance::Run;
use super::chart::{Kind, Known, Target};
use super::configuration::{Fault, Flight, Next, Question};
use super::{Bound, Fact, Outcome, Reason, Site, StateId};
use crate::recipe::ErrorKind;
use crate::recipe::model::EndKind;

impl Run<'_> {
    /// Arrives at a child of the innermost scope: the visit is counted, and refused where it is one
    /// too many.
    pub(super) fn arrive(&mut self, state: StateId) {
        let scope = *self.top();
        let node = self.chart.node(state);
        let at = (scope.visits_from as usize).saturating_add(node.child as usize);
        let visit = self.at.visits.get(at).map_or(1, |n| n.saturating_add(1));
        if let Some(visits) = self.at.visits.get_mut(at) {
            *visits = visit;
        }
        let max = node.state.max_visits.unwrap_or(u32::MAX);
        let reason = Reason::Visits { state, max };
        if visit.saturating_sub(max) > 1 {
            let fault = Fault {
                reason,
                ..Fault::new(ErrorKind::Loop, scope.state, scope.recovery)
            };
            self.raise(fault, None);
            self.at.next = Next::Leave;
            return;
        }
        self.push(state, visit, Bound::State(state), None, scope.recovery);
        if visit > max {
            self.raise_around(ErrorKind::Loop, reason);
            return;
        }
        match node.when {
            Some(ask) => self.ask(ask, Question::When),
            None => self.at.next = Next::Reached,
        }
    }

    /// An error in the innermost state, but not inside an activation of it: its `retry` does not
    /// apply.
    pub(super) fn raise_around(&mut self, kind: ErrorKind, reason: Reason) {
        let top = self.top();
        let fault = Fault {
            reason,
            ..Fault::new(kind, top.state, top.recovery)
        };
        self.raise(fault, None);
        self.at.next = Next::ItemOver;
    }

    /// Gives up what the innermost state was about to do: an outer bound or a signal came first.
    fn cut_around(&mut self, fault: Fault) {
        self.raise(fault, None);
        self.at.next = Next::ItemOver;
    }

    pub(super) fn guarded(&mut self, holds: Option<bool>) {
        let (state, visit) = (self.top().state, self.top().visit);
        match holds {
            None => self.raise_around(ErrorKind::Input, Reason::Itself),
            Some(true) => self.at.next = Next::Reached,
            Some(false) => {
                self.facts.push(Fact::StatePassed { state, visit });
                self.at.next = Next::Follow(0);
            }
        }
    }

    pub(super) fn reached(&mut self) {
        let (state, visit) = (self.top().state, self.top().visit);
        let node = self.chart.node(state);
        match node.kind {
            Kind::Leaf | Kind::Scope => match node.items {
                Some(ask) => self.ask(ask, Question::Items),
                None => self.at.next = Next::Item,
            },
            Kind::Choice => {
                self.facts.push(Fact::StateReached { state, visit });
                self.at.next = Next::Follow(0);
            }
            Kind::End { end, status } => {
                self.facts.push(Fact::StateReached { state, visit });
                match status {
                    Some(ask) => self.ask(ask, Question::ExitStatus),
                    None => self.end(end, None),
                }
            }
        }
    }

    /// An end is in flight. A status that a failure may not have is 1.
    pub(super) fn end(&mut self, end: EndKind, status: Option<i64>) {
        let allowed = status
            .and_then(|status| u8::try_from(status).ok())
            .filter(|status| !matches!(status, 0 | 2 | 46 | 130 | 143));
        if let (Some(asked), None) = (status, allowed) {
            let state = self.top().state;
            self.facts.push(Fact::StatusReplaced { state, asked });
        }
        self.at.flight = Flight::End {
            state: self.top().state,
            end,
            status: allowed.unwrap_or(1),
        };
        self.at.next = Next::Out;
    }

    pub(super) fn counted(&mut self, count: Option<u32>) {
        match count {
            None => self.raise_around(ErrorKind::Input, Reason::Itself),
            Some(count) => {
                self.top_mut().count = Some(count);
                if count == 0 {
                    self.at.next = Next::ItemOver;
                } else {
                    self.at.next = Next::Item;
                }
            }
        }
    }

    pub(super) fn item(&mut self) {
        if let Some(fault) = self.check() {
            return self.cut_around(fault);
        }
        let top = *self.top();
        if let Some(count) = top.count {
            self.facts.push(Fact::ItemBegun {
                of: Site::State(top.state),
                index: top.item,
                count,
            });
        }
        self.at.next = Next::Bound;
    }

    /// Its bound. A procedure has the smaller of its own and its caller's.
    pub(super) fn bound(&mut self) {
        match self.chart.node(self.top().state).timeout {
            Some(Known::Ask(ask)) => self.ask(ask, Question::Timeout),
            Some(Known::Literal(after)) => self.bounded(Some(after)),
            None => self.bounded(None),
        }
    }

    pub(super) fn bounded(&mut self, own: Option<std::time::Duration>) {
        let called = self.caller().map(|caller| caller.cursor.timeout);
        let call = self.caller().map(|caller| caller.cursor.id());
        let top = self.top_mut();
        let of_call = called.flatten();
        top.timeout = own;
        top.bound = Bound::State(top.state);
        if let (Some(call), Some(after)) = (call, of_call)
            && own.is_none_or(|own| after <= own)
        {
            top.timeout = of_call;
            top.bound = Bound::Call(call);
        }
        self.at.next = Next::Retry;
    }

    pub(super) fn retry(&mut self) {
        let plan = self
            .chart
            .node(self.top().state)
            .retry
            .map(|rule| rule.plan);
        match plan {
            Some(Known::Ask(ask)) => self.ask(ask, Question::Retry),
            Some(Known::Literal(plan)) => self.planned(plan),
            None => self.planned(super::RetryPlan::ONCE),
        }
    }

    pub(super) fn planned(&mut self, plan: super::RetryPlan) {
        self.top_mut().plan = plan;
        self.at.next = Next::Vars;
    }

    /// Its values: a scope's at each entry, a leaf's when it is pushed.
    pub(super) fn vars(&mut self) {
        match self.chart.node(self.top().state).vars {
            Some(ask) => self.ask(ask, Question::Vars),
            None => self.at.next = Next::Enter,
        }
    }

    /// The world has no value for its bound, its retry or its vars. Where that is a scope's re-entry,
    /// the scope has left already.
    pub(super) fn not_entered(&mut self) {
        self.pop_activation();
        self.raise_around(ErrorKind::Input, Reason::Itself);
    }

    /// The activation is over; the frame stays for what is around it.
    pub(super) fn pop_activation(&mut self) {
        let top = self.top_mut();
        top.active = false;
        top.limit = None;
        let visits = top.visits_from as usize;
        self.at.visits.truncate(visits);
    }

    pub(super) fn item_over(&mut self) {
        let top = *self.top();
        self.top_mut().retried = None;
        let node = self.chart.node(top.state);
        if let (Flight::Error(fault), Some(_)) = (self.at.flight, top.count)
            && node.state.continue_on_item_error
            && !self.is_beyond(&fault)
        {
            self.facts.push(Fact::ItemFailed {
                of: Site::State(top.state),
                index: top.item,
                kind: fault.kind,
            });
            self.at.flight = Flight::None;
        }
        let goes_on = self.at.flight == Flight::None;
        if let Some(count) = top.count {
            let item = top.item.saturating_add(1);
            if goes_on && item < count {
                let top = self.top_mut();
                (top.item, top.tries, top.delay) = (item, 1, 0);
                self.at.next = Next::Item;
                return;
            }
            self.top_mut().count = None;
            self.facts.push(Fact::ItemsEnded {
                of: Site::State(top.state),
            });
        }
        self.at.next = match self.at.flight {
            Flight::Error(_) => Next::Catch,
            Flight::Move { .. } | Flight::End { .. } => Next::Out,
            Flight::None if node.parent.is_none() => Next::Out,
            Flight::None => match self.check() {
                Some(fault) => return self.cut_around(fault),
                None => Next::Follow(0),
            },
        };
    }

    /// Whether an error passes a state by: its `catch` and `on_item_error` are not asked.
    fn is_beyond(&self, fault: &Fault) -> bool {
        self.at.halt.is_some() || fault.kind == ErrorKind::Cancelled || self.is_bound_outside(fault)
    }

    pub(super) fn follow(&mut self, row: u32) {
        let node = self.chart.node(self.top().state);
        match node.rows.get(row as usize) {
            // Only a leaf that ends in `fail` has no `next`, and it does not come here.
            None => self.raise_around(ErrorKind::Failed, Reason::Itself),
            Some(rule) => match rule.when {
                None => self.take(rule.to, None),
                Some(ask) => match self.check() {
                    Some(fault) => self.cut_around(fault),
                    None => self.ask(ask, Question::Row(row)),
                },
            },
        }
    }

    pub(super) fn chosen(&mut self, row: u32, holds: Option<bool>) {
        let rows = &self.chart.node(self.top().state).rows;
        match (holds, rows.get(row as usize)) {
            (Some(true), Some(rule)) => self.take(rule.to, None),
            (Some(false), _) => self.at.next = Next::Follow(row.saturating_add(1)),
            _ => self.raise_around(ErrorKind::Input, Reason::Itself),
        }
    }

    fn take(&mut self, to: Target, caught: Option<Fault>) {
        let from = self.top().state;
        let (to, flight) = match to {
            Target::Done => (None, Flight::None),
            Target::State(to) => (Some(to), Flight::Move { to, caught }),
        };
        self.facts.push(Fact::Moved { from, to });
        self.at.flight = flight;
        self.at.next = Next::Out;
    }

    /// The state's `catch`. No handler begins inside a bound that has lapsed meanwhile: that bound's
    /// `timeout` takes the error's place, and its flag.
    pub(super) fn catch(&mut self) {
        self.at.next = Next::Out;
        let Flight::Error(fault) = self.at.flight else {
            return;
        };
        let state = self.top().state;
        if self.is_beyond(&fault) {
            return;
        }
        let Some(to) = self.chart.caught(state, fault.kind) else {
            return;
        };
        if let Some(lapsed) = self.lapsed() {
            return self.raise(lapsed, Some(fault));
        }
        self.facts.push(Fact::Caught {
            state,
            kind: fault.kind,
        });
        self.take(to, Some(fault));
    }

    /// Done with the innermost state: the scope around goes on, or the calling step, or nothing.
    pub(super) fn out(&mut self) {
        let over = self.at.frames.pop();
        let parent = over.and_then(|frame| self.chart.parent(frame.state));
        if self.at.frames.is_empty() {
            self.finish();
        } else if parent.is_none() {
            self.call_over();
        } else {
            self.at.next = Next::Route;
        }
    }

    /// What a scope does once its child is done with: it goes on to the next one, or leaves.
    pub(super) fn route(&mut self) {
        let fault = match self.at.flight {
            Flight::Error(_) => None,
            Flight::End { end, .. } if end != EndKind::Success => None,
            _ => self.check(),
        };
        if let Some(fault) = fault {
            let cause = self.at.flight.fault();
            self.raise(fault, cause);
        }
        let scope = self.top().state;
        match self.at.flight {
            Flight::Move { to, .. } if self.chart.parent(to) == Some(scope) => {
                self.at.flight = Flight::None;
                self.arrive(to);
            }
            _ => self.at.next = Next::Leave,
        }
    }

    /// How a state that is left by what is in flight ended.
    pub(super) fn because(&self) -> Outcome {
        self.at.flight.outcome()
    }
}
