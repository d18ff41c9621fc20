//! Lists of steps: items, guards, bounds, and what comes next. A try is `attempt`'s.

use std::time::Duration;

use super::advance::Run;
use super::chart::{Known, StepNode};
use super::configuration::{Fault, Next, Question};
use super::{Fact, Site, StepId};
use crate::recipe::ErrorKind;

impl<'m> Run<'m> {
    pub(super) fn in_hand(&self) -> (StepId, &'m StepNode) {
        let id = self.top().cursor.id();
        (id, self.chart.step_node(id))
    }

    /// An error of the step in hand.
    pub(super) fn step_fault(&self, kind: ErrorKind) -> Fault {
        let (id, node) = self.in_hand();
        let top = self.top();
        Fault {
            step: Some(id),
            ..Fault::new(kind, top.state, top.recovery || node.step.recovery)
        }
    }

    /// [`Run::check`], but for exit steps, which nothing cuts.
    pub(super) fn step_check(&self) -> Option<Fault> {
        self.check().filter(|_| !self.is_leaving())
    }

    pub(super) fn step(&mut self) {
        let cursor = self.top().cursor;
        if cursor.step >= cursor.end {
            return self.list_over();
        }
        let Some(ask) = self.chart.step_node(cursor.id()).items else {
            self.at.next = Next::StepItem;
            return;
        };
        match self.step_check() {
            Some(fault) => self.body_raises(fault, None),
            None => self.ask(ask, Question::StepItems),
        }
    }

    pub(super) fn step_counted(&mut self, count: Option<u32>) {
        let Some(count) = count else {
            return self.step_raises(self.step_fault(ErrorKind::Input));
        };
        self.top_mut().cursor.count = Some(count);
        if count == 0 {
            self.end_step_items();
            self.next_step();
        } else {
            self.at.next = Next::StepItem;
        }
    }

    pub(super) fn step_item(&mut self) {
        if let Some(fault) = self.step_check() {
            return self.body_raises(fault, None);
        }
        let (id, node) = self.in_hand();
        let cursor = &mut self.top_mut().cursor;
        (cursor.number, cursor.delay, cursor.retried) = (1, 0, None);
        (cursor.timeout_known, cursor.plan_known) = (false, false);
        cursor.plan = super::RetryPlan::ONCE;
        if let (Some(count), index) = (cursor.count, cursor.item) {
            let of = Site::Step(id);
            self.facts.push(Fact::ItemBegun { of, index, count });
        }
        match node.when {
            Some(ask) => self.ask(ask, Question::StepWhen),
            None => self.at.next = Next::StepPlan,
        }
    }

    pub(super) fn step_guarded(&mut self, holds: Option<bool>) {
        match holds {
            None => self.step_raises(self.step_fault(ErrorKind::Input)),
            Some(true) => self.at.next = Next::StepPlan,
            Some(false) => {
                let step = self.top().cursor.id();
                self.facts.push(Fact::StepSkipped { step });
                self.step_item_over();
            }
        }
    }

    /// The step's retry, then its bound, where they are not known yet.
    pub(super) fn step_plan(&mut self) {
        let (_, node) = self.in_hand();
        let cursor = &self.top().cursor;
        match node.retry.map(|rule| rule.plan) {
            Some(Known::Ask(ask)) if !cursor.plan_known => self.ask(ask, Question::StepRetry),
            Some(Known::Literal(plan)) => self.step_planned(plan),
            _ => self.at.next = Next::StepBound,
        }
    }

    pub(super) fn step_planned(&mut self, plan: super::RetryPlan) {
        let cursor = &mut self.top_mut().cursor;
        (cursor.plan, cursor.plan_known) = (plan, true);
        self.at.next = Next::StepBound;
    }

    pub(super) fn step_bound(&mut self) {
        let (_, node) = self.in_hand();
        let cursor = &self.top().cursor;
        match node.timeout {
            Some(Known::Ask(ask)) if !cursor.timeout_known => self.ask(ask, Question::StepTimeout),
            Some(Known::Literal(after)) => self.step_bounded(Some(after)),
            Some(Known::Ask(_)) => self.at.next = Next::StepTry,
            None => self.step_bounded(None),
        }
    }

    pub(super) fn step_bounded(&mut self, timeout: Option<Duration>) {
        let cursor = &mut self.top_mut().cursor;
        (cursor.timeout, cursor.timeout_known) = (timeout, true);
        self.at.next = Next::StepTry;
    }

    pub(super) fn step_item_over(&mut self) {
        let cursor = &mut self.top_mut().cursor;
        let item = cursor.item.saturating_add(1);
        if cursor.count.is_some_and(|count| item < count) {
            cursor.item = item;
            self.at.next = Next::StepItem;
        } else {
            self.end_step_items();
            self.next_step();
        }
    }

    pub(super) fn end_step_items(&mut self) {
        let cursor = &mut self.top_mut().cursor;
        if cursor.count.take().is_some() {
            let of = Site::Step(cursor.id());
            self.facts.push(Fact::ItemsEnded { of });
        }
    }

    pub(super) fn next_step(&mut self) {
        let cursor = &mut self.top_mut().cursor;
        cursor.step = cursor.step.saturating_add(1);
        cursor.item = 0;
        self.at.next = Next::Step;
    }
}
