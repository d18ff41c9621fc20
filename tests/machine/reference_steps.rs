//! The lower half of the reference: waiting for the world, tries, steps, calls.

use std::sync::Arc;
use std::time::Duration;

use tf_engine::machine::{
    Answer, AskKind, Bound, Chart, Decision, Event, Limit, List, Moment, Outcome, RetryPlan, Site,
    StateId, StepId, TryId,
};
use tf_engine::recipe::model::{AllowFailure, EndKind, Needs, Retry, StepTimeout, Templated};
use tf_engine::recipe::{ErrorKind, KindSet};

use super::{Done, Error, Failure, Flow, Reference};

impl Reference<'_> {
    pub(super) fn now(&self) -> Moment {
        self.world.now
    }

    pub(super) fn flag(&self) -> bool {
        self.flags.iter().any(|flag| *flag)
    }

    pub(super) fn plain(&self, kind: ErrorKind, more: bool) -> Error {
        Error {
            kind,
            flag: self.flag() || more,
            bound: None,
            from_exit: None,
            halting: false,
        }
    }

    pub(super) fn halted(&self) -> Option<Error> {
        let kind = self.halt?;
        Some(Error {
            halting: true,
            flag: kind == ErrorKind::Io && self.flag(),
            ..self.plain(kind, false)
        })
    }

    pub(super) fn lapsed(&self) -> Option<Error> {
        let now = self.now();
        let at = self
            .stack
            .iter()
            .position(|active| active.limit.is_some_and(|limit| limit <= now))?;
        Some(Error {
            bound: Some(at),
            ..self.plain(ErrorKind::Timeout, false)
        })
    }

    pub(super) fn check(&self) -> Done<()> {
        match self.halted().or(self.lapsed()) {
            Some(error) => Err(Flow::Error(error)),
            None => Ok(()),
        }
    }

    pub(super) fn step_check(&self) -> Done<()> {
        if self.exiting { Ok(()) } else { self.check() }
    }

    pub(super) fn earliest(&self) -> Option<(usize, Moment)> {
        let limits = self.stack.iter().enumerate();
        let limits = limits.filter_map(|(at, active)| Some((at, active.limit?)));
        limits.min_by_key(|(at, limit)| (*limit, *at))
    }

    pub(super) fn outside(&self, error: &Error) -> bool {
        error.bound.is_some_and(|at| at < self.stack.len())
    }

    /// A signal or a lost journal; true: a second signal.
    pub(super) fn interrupt(&mut self, event: Event) -> bool {
        match event {
            Event::Cancel(signal) => {
                if self.signal.is_some() {
                    return true;
                }
                self.signal = Some(signal);
                self.halt = self.halt.or(Some(ErrorKind::Cancelled));
            }
            _ => {
                self.unjournalled = true;
                self.halt = self.halt.or(Some(ErrorKind::Io));
            }
        }
        false
    }

    pub(super) fn ask(&mut self, kind: AskKind, of: Site) -> Done<Option<Answer>> {
        let ask = self.chart.asks().find(|ask| {
            let known = self.chart.ask(*ask);
            (known.kind, known.of) == (kind, of)
        });
        let ask = ask.unwrap();
        loop {
            match self.world.next(&Decision::Ask(ask)) {
                (_, true) => {}
                (Event::Answer(answer), _) => return Ok(answer.ok()),
                (event, _) => {
                    let was = self.halt.is_some();
                    if self.interrupt(event) {
                        return Err(Flow::Abandon);
                    }
                    if !self.exiting && !was {
                        self.check()?;
                    }
                }
            }
        }
    }

    /// Waits; an error: a halt came first.
    pub(super) fn pause(&mut self, at: Moment) -> Done<()> {
        let outer = self.earliest().filter(|_| !self.exiting);
        let until = outer.map_or(at, |(_, limit)| limit.min(at));
        while self.now() < until {
            let (event, stray) = self.world.next(&Decision::Wait { until: Some(until) });
            if !stray && event != Event::Due {
                if self.interrupt(event) {
                    return Err(Flow::Abandon);
                }
                if !self.exiting {
                    self.check()?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn run_try(
        &mut self,
        step: StepId,
        number: u32,
        own: Option<Duration>,
    ) -> Result<(), Failure> {
        let own = own.or(self.exiting.then_some(Duration::from_secs(60)));
        let own = own.map(|own| self.now().after(own));
        let outer = self.earliest().filter(|_| !self.exiting);
        let (until, bound) = match (outer, own) {
            (Some((_, limit)), Some(own)) if own < limit => (Some(own), None),
            (Some((at, limit)), _) => (Some(limit), Some(at)),
            (None, own) => (own, None),
        };
        let marked = self.chart.step(step).recovery;
        let id = TryId(self.tries);
        self.tries += 1;
        self.log
            .push(format!("{} {number}", self.chart.step(step).name));
        let limit = until.map(|at| Limit {
            at,
            bound: Bound::Step(step),
        });
        let begin = Decision::Try { id, step, limit };
        let mut decision = begin.clone();
        let late = |this: &Self| Error {
            bound,
            ..this.plain(ErrorKind::Timeout, marked)
        };
        loop {
            let (event, stray) = self.world.next(&decision);
            let fresh = decision == begin;
            decision = Decision::Wait { until };
            match event {
                _ if stray => {}
                Event::Ended { outcome, .. } => {
                    if until.is_some_and(|until| until <= self.now()) {
                        return Err(Failure::Own(late(self)));
                    }
                    return match outcome {
                        Outcome::Failed(ErrorKind::Cancelled) => {
                            Err(Failure::Own(self.plain(ErrorKind::Lost, marked)))
                        }
                        Outcome::Failed(kind) => Err(Failure::Own(self.plain(kind, marked))),
                        _ => Ok(()),
                    };
                }
                Event::Due => break,
                event => {
                    if self.interrupt(event) {
                        return self.stop(id, Duration::from_secs(1), true, &late, marked);
                    }
                    let lost = event == Event::Unjournalled;
                    if self.exiting {
                        if lost && fresh {
                            decision = begin.clone();
                        }
                    } else if lost && fresh {
                        return Err(self.halt_of_try(marked).into());
                    } else {
                        break;
                    }
                }
            }
        }
        self.stop(id, Duration::from_secs(5), false, &late, marked)
    }

    pub(super) fn halt_of_try(&self, marked: bool) -> Flow {
        let mut error = self.halted().unwrap();
        error.flag |= marked && error.kind == ErrorKind::Io;
        Flow::Error(error)
    }

    pub(super) fn stop(
        &mut self,
        id: TryId,
        grace: Duration,
        mut last: bool,
        late: &dyn Fn(&Self) -> Error,
        marked: bool,
    ) -> Result<(), Failure> {
        let mut grace = self.now().after(grace);
        let why = Bound::Journal;
        let mut decision = Decision::Stop { id, why, grace };
        loop {
            let (event, stray) = self.world.next(&decision);
            decision = Decision::Wait { until: Some(grace) };
            match event {
                _ if stray => {}
                Event::Ended { .. } | Event::Due => break,
                event => {
                    let second = self.interrupt(event);
                    if second && !last {
                        last = true;
                        grace = grace.min(self.now().after(Duration::from_secs(1)));
                    }
                    if second || event == Event::Unjournalled {
                        decision = Decision::Stop { id, why, grace };
                    }
                }
            }
        }
        if last {
            return Err(Flow::Abandon.into());
        }
        if !self.exiting && self.halt.is_some() {
            return Err(self.halt_of_try(marked).into());
        }
        Err(Failure::Own(late(self)))
    }

    pub(super) fn list(&mut self, state: StateId, list: List) -> Done<()> {
        let steps: Vec<_> = self.chart.steps_of(state, list).collect();
        steps.into_iter().try_for_each(|step| self.step(step))
    }

    pub(super) fn step(&mut self, step: StepId) -> Done<()> {
        let model = Arc::clone(self.chart.step(step));
        let of = Site::Step(step);
        let input = |this: &Self| Flow::Error(this.plain(ErrorKind::Input, model.recovery));
        let mut count = 1;
        if model.for_each.is_some() {
            self.step_check()?;
            match self.ask(AskKind::Items, of)? {
                Some(Answer::Count(items)) => count = items,
                _ => return Err(input(self)),
            }
        }
        for _ in 0..count {
            self.step_check()?;
            if model.when.is_some() {
                match self.ask(AskKind::When, of)? {
                    Some(Answer::Truth(true)) => {}
                    Some(Answer::Truth(false)) => continue,
                    _ => return Err(input(self)),
                }
            }
            match self.tries(step) {
                Ok(()) => {}
                Err(Failure::Other(flow)) => return Err(flow),
                Err(Failure::Own(error)) => {
                    let forgiven = match model.allow_failure {
                        AllowFailure::No => false,
                        AllowFailure::All => error.kind != ErrorKind::Loop,
                        AllowFailure::Kinds(kinds) => kinds.contains(error.kind),
                    };
                    let recorded = model.for_each.is_some() && model.continue_on_item_error;
                    if self.outside(&error) || !forgiven && !recorded {
                        return Err(Flow::Error(error));
                    }
                }
            }
            self.step_check()?;
        }
        Ok(())
    }

    pub(super) fn tries(&mut self, step: StepId) -> Result<(), Failure> {
        let model = Arc::clone(self.chart.step(step));
        let of = Site::Step(step);
        let mut plan = model
            .retry
            .as_ref()
            .map_or(Some(RetryPlan::ONCE), RetryPlan::literal);
        let mut own = match &model.timeout {
            StepTimeout::None => Some(None),
            StepTimeout::After(Templated::Literal(after)) => Some(Some(*after)),
            _ => None,
        };
        let mut delay = None;
        let mut number = 1;
        loop {
            let result = 'once: {
                let input = self.plain(ErrorKind::Input, model.recovery);
                if plan.is_none() {
                    match self.ask(AskKind::Retry, of)? {
                        Some(Answer::Retry(valid)) if valid.is_valid() => plan = Some(valid),
                        _ => break 'once Err(Failure::Own(input)),
                    }
                }
                if own.is_none() {
                    match self.ask(AskKind::Timeout, of)? {
                        Some(Answer::After(after)) if after != Some(Duration::ZERO) => {
                            own = Some(after);
                        }
                        _ => break 'once Err(Failure::Own(input)),
                    }
                }
                self.step_check()?;
                if !self.met(&model.needs) {
                    let error = self.plain(ErrorKind::Mismatch, model.recovery);
                    return Err(Flow::Error(error).into());
                }
                self.one_try(step, number, own.flatten())
            };
            let error = match result {
                Ok(()) => return Ok(()),
                Err(Failure::Own(error)) if !self.outside(&error) => error,
                Err(Failure::Own(error)) => return Err(Flow::Error(error).into()),
                Err(other) => return Err(other),
            };
            let known = plan.unwrap_or(RetryPlan::ONCE);
            let taken = kinds(model.retry.as_ref()).contains(error.kind);
            let may = self.exiting || self.halt.is_none();
            if !taken || !may || number >= known.attempts {
                return Err(Failure::Own(error));
            }
            if let (Some(lapsed), false) = (self.lapsed(), self.exiting) {
                return Err(Flow::Error(lapsed.inherit(error)).into());
            }
            let next = next_delay(&known, delay);
            delay = Some(next);
            let at = self.now().after(next);
            match self.pause(at) {
                Err(Flow::Error(_)) => return Err(Failure::Own(error)),
                Err(flow) => return Err(flow.into()),
                Ok(()) => {}
            }
            if let Err(Flow::Error(lapsed)) = self.step_check() {
                return Err(Flow::Error(lapsed.inherit(error)).into());
            }
            number += 1;
        }
    }

    pub(super) fn met(&self, needs: &Needs) -> bool {
        needs.iter().all(|(track, values)| {
            let known = self.tracks.get(track).cloned().flatten();
            known.is_some_and(|known| values.value.contains(&known))
        })
    }

    pub(super) fn one_try(
        &mut self,
        step: StepId,
        number: u32,
        own: Option<Duration>,
    ) -> Result<(), Failure> {
        let model = Arc::clone(self.chart.step(step));
        let called = self.chart.called(step);
        let asks = |chart: &Chart, kind| {
            let of = Site::Step(step);
            chart
                .asks()
                .any(|ask| (chart.ask(ask).kind, chart.ask(ask).of) == (kind, of))
        };
        let input = |this: &Self| Err(Failure::Own(this.plain(ErrorKind::Input, model.recovery)));
        if called.is_some() && asks(self.chart, AskKind::Arguments) {
            if self.ask(AskKind::Arguments, Site::Step(step))? != Some(Answer::Done) {
                return input(self);
            }
            self.check()?;
        }
        for track in model.sets.keys() {
            self.tracks.insert(track.clone(), None);
        }
        match called {
            None => self.run_try(step, number, own)?,
            Some(root) => {
                self.flags.push(model.recovery);
                let result = self.activation(root, own, self.now());
                self.flags.pop();
                match result {
                    Ok(()) | Err(Flow::End(EndKind::Success, _) | Flow::Move(..)) => {}
                    Err(Flow::Error(error)) if error.halting => {
                        return Err(Flow::Error(error).into());
                    }
                    Err(Flow::Error(error)) => return Err(Failure::Own(error)),
                    Err(Flow::End(EndKind::Failure, _)) => {
                        return Err(Failure::Own(self.plain(ErrorKind::Failed, model.recovery)));
                    }
                    Err(flow) => return Err(flow.into()),
                }
                if asks(self.chart, AskKind::Returns)
                    && self.ask(AskKind::Returns, Site::Step(step))? != Some(Answer::Done)
                {
                    return input(self);
                }
                self.check()?;
            }
        }
        for (track, value) in &model.sets {
            let value = match value {
                Some(value) => Some(value.clone()),
                None => {
                    let id = self.chart.track(None, track).unwrap();
                    if called.is_some() {
                        continue;
                    }
                    match self.ask(AskKind::Reading(id), Site::Step(step)) {
                        Ok(Some(Answer::Reading(Some(at)))) => {
                            self.chart.track_values(id).get(usize::from(at)).cloned()
                        }
                        Ok(_) => None,
                        Err(Flow::Error(_)) => return Err(self.halt_of_try(model.recovery).into()),
                        Err(flow) => return Err(flow.into()),
                    }
                }
            };
            self.tracks.insert(track.clone(), value);
        }
        Ok(())
    }
}

pub(super) fn kinds(retry: Option<&Retry>) -> KindSet {
    let default = KindSet::ALL
        .without(ErrorKind::Input)
        .without(ErrorKind::Cancelled);
    retry.map_or(KindSet::NONE, |retry| retry.errors.unwrap_or(default))
}

pub(super) fn next_delay(plan: &RetryPlan, last: Option<Duration>) -> Duration {
    let next = match last {
        None => plan.delay,
        Some(last) => {
            let millis = u64::try_from(last.as_millis()).unwrap();
            Duration::from_millis(millis * plan.backoff_milli / 1000)
        }
    };
    next.min(plan.max_delay)
}
