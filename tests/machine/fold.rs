//! The laws, checked by folding facts: what is open, counted and in flight is rebuilt from the facts
//! alone, and each fact is held against that.

use std::collections::{HashMap, HashSet};

use tf_engine::machine::{
    AfterTry, Bound, Chart, Decision, End, Event, Fact, Limit, List, Machine, Moment, Outcome,
    Reason, Site, StateId, StepId, TrackId, TrackValue, TryId,
};
use tf_engine::recipe::model::{Body, EndKind};
use tf_engine::recipe::{ErrorKind, KindSet};

use crate::journey::Turned;

/// An activation, or one that has ended and whose follow-up is not known yet.
#[derive(Debug)]
struct Level {
    state: StateId,
    attempt: u32,
    limit: Option<Moment>,
    /// A scope that owes its exit steps.
    open: bool,
    leaving: Option<Outcome>,
    /// Its retry was announced and has not begun.
    retried: Option<Flight>,
    /// It is over; only a retry can follow.
    over: bool,
    /// Exit steps that were dealt with.
    exits: u32,
    visits: HashMap<StateId, u32>,
    /// The child that is being visited, and the one that a transition leads to.
    visited: Option<StateId>,
    coming: Option<StateId>,
}

/// An error in flight.
#[derive(Clone, Copy, Debug)]
struct Flight {
    kind: ErrorKind,
    recovery: bool,
    bound: Option<Bound>,
    from_exit: Option<StateId>,
}

/// Everything that the facts have told so far.
pub(crate) struct Fold<'c> {
    chart: &'c Chart,
    now: Moment,
    levels: Vec<Level>,
    /// Calls, each with the number of levels below it.
    calls: Vec<(StepId, usize)>,
    tracks: HashMap<TrackId, TrackValue>,
    running: Option<(TryId, StepId, Option<Limit>)>,
    stopping: bool,
    ids: HashSet<TryId>,
    tries: HashMap<StepId, u32>,
    halted: Option<Moment>,
    signals: u8,
    flight: Option<Flight>,
    ended: Option<EndKind>,
    last: Option<Fact>,
    moved: Option<(Option<StateId>, bool)>,
    stops_after: u32,
    finished: bool,
}

impl<'c> Fold<'c> {
    pub(crate) fn new(chart: &'c Chart) -> Self {
        Self {
            chart,
            now: Moment::START,
            levels: Vec::new(),
            calls: Vec::new(),
            tracks: HashMap::new(),
            running: None,
            stopping: false,
            ids: HashSet::new(),
            tries: HashMap::new(),
            halted: None,
            signals: 0,
            flight: None,
            ended: None,
            last: None,
            moved: None,
            stops_after: 0,
            finished: false,
        }
    }

    /// One turn: its facts, and where the machine says that it stands now.
    pub(crate) fn turn(&mut self, machine: &Machine, turned: &Turned) {
        self.now = self.now.max(turned.at);
        if turned.stray {
            assert_eq!(turned.facts, [], "an event that does not fit has no facts");
            assert!(!matches!(
                turned.next,
                Decision::Try { .. } | Decision::Stop { .. }
            ));
        }
        if matches!(turned.event, Event::Cancel(_) | Event::Unjournalled) && !self.finished {
            self.halted = self.halted.or(Some(self.now));
        }
        for fact in &turned.facts {
            self.fact(fact);
            self.last = Some(fact.clone());
        }
        if self.finished {
            return;
        }
        let open = self.levels.iter().filter(|level| level.open);
        let open: Vec<_> = open.map(|level| level.state).collect();
        assert_eq!(open, machine.open_scopes().collect::<Vec<_>>());
        for track in self.chart.tracks() {
            let folded = self.tracks.get(&track).copied().unwrap_or_default();
            assert_eq!(folded, machine.configuration().track(track));
        }
    }

    fn top(&mut self) -> &mut Level {
        self.levels.last_mut().expect("something is active")
    }

    fn is_live(&self, state: StateId) -> bool {
        self.levels.iter().any(|level| level.state == state)
    }

    /// Levels of the innermost call, or of the stage.
    fn base(&self) -> usize {
        self.calls.last().map_or(0, |(_, base)| *base)
    }

    /// Forgets activations that are over and were not tried again.
    fn settle(&mut self) {
        let base = self.base();
        while self.levels.len() > base
            && let Some(top) = self.levels.last()
            && (top.over || top.retried.is_some() && self.chart.is_scope(top.state))
        {
            let waiting = top.retried;
            self.levels.pop();
            if self.flight.is_none() {
                self.flight = waiting;
            }
        }
    }

    /// An error was taken by something inside: no transition is under way any more.
    fn taken(&mut self) {
        self.flight = None;
        let base = self.base();
        self.levels[base..]
            .iter_mut()
            .for_each(|level| level.coming = None);
    }

    /// A state is visited: counted once per arrival.
    fn visit(&mut self, state: StateId, visit: Option<u32>) {
        let Some(parent) = self.chart.parent(state) else {
            assert!(visit.is_none_or(|visit| visit == 1));
            return;
        };
        let max = self.chart.state(state).max_visits;
        let scope = self.top();
        assert_eq!(scope.state, parent);
        let count = scope.visits.entry(state).or_default();
        if scope.coming == Some(state) {
            *count += 1;
            scope.coming = None;
            scope.visited = Some(state);
        }
        assert_eq!(scope.visited, Some(state));
        assert!(
            visit.is_none_or(|visit| visit == *count),
            "{visit:?} {count}"
        );
        if let Some(max) = max {
            assert!(*count <= max + 2);
            assert!(visit.is_none_or(|visit| visit <= max));
        }
    }

    fn fact(&mut self, fact: &Fact) {
        assert!(!self.finished);
        match *fact {
            Fact::StateEntered {
                state,
                visit,
                attempt,
                of,
                limit,
                ..
            } => self.entered(state, visit, attempt, of, limit),
            Fact::StatePassed { state, visit } => {
                self.settle();
                self.visit(state, Some(visit));
            }
            Fact::StateReached { state, visit } => {
                self.settle();
                self.visit(state, Some(visit));
                if let Body::End { end, .. } = self.chart.state(state).body {
                    self.ended = Some(end);
                }
            }
            Fact::StatusReplaced { .. } => self.settle(),
            Fact::Moved { from, to } => {
                self.settle();
                assert_eq!(self.chart.parent(from), Some(self.top().state));
                let caught = matches!(self.last, Some(Fact::Caught { .. }));
                assert!(self.flight.is_none());
                self.moved = Some((to, caught));
                if let Some(to) = to {
                    let scope = self.chart.parent(to);
                    let level = self
                        .levels
                        .iter_mut()
                        .find(|level| Some(level.state) == scope);
                    level.expect("a target around").coming = Some(to);
                }
            }
            Fact::LeafLeft { state, because } => {
                let flight = self.flight;
                let top = self.top();
                assert_eq!(top.state, state);
                let flight = flight.or(top.retried.filter(|_| because != Outcome::Ok));
                top.over = true;
                top.retried = None;
                self.flight = flight;
                self.outcome(because);
            }
            Fact::ScopeLeaving { state, because } => self.leaving(state, because),
            Fact::ScopeLeft { state, because } => {
                self.settle_inside();
                let count = self.chart.steps_of(state, List::Exit).count();
                let top = self.top();
                assert_eq!((top.state, top.leaving), (state, Some(because)));
                assert_eq!(top.exits as usize, count, "every exit step is dealt with");
                (top.open, top.leaving, top.over) = (false, None, true);
            }
            Fact::ItemBegun { of, .. } | Fact::ItemsEnded { of } => self.item(of),
            Fact::ItemFailed { of, kind, .. } => {
                assert_ne!(kind, ErrorKind::Cancelled);
                if let Site::State(_) = of {
                    self.settle();
                    let flight = self.flight.expect("an error");
                    assert_eq!(flight.kind, kind);
                    self.taken_by(flight, true);
                    assert!(self.halted.is_none());
                    self.taken();
                }
                self.item(of);
            }
            Fact::TryStarted {
                id,
                step,
                number,
                of,
                limit,
            } => {
                self.begins(step, number, of);
                assert!(self.ids.insert(id), "{id:?} is used twice");
                self.running = Some((id, step, limit));
                self.stopping = false;
            }
            Fact::TryStopping { id, .. } => {
                let (running, step, _) = self.running.expect("a try");
                assert_eq!(running, id);
                if self.halted.is_some() && self.signals < 2 {
                    self.stops_after += u32::from(!self.is_exit(step));
                    assert!(self.stops_after <= 1);
                }
                assert!(!self.stopping || self.signals == 2);
                self.stopping = true;
            }
            Fact::TryEnded {
                id,
                step,
                outcome,
                then,
            } => {
                let (running, of, limit) = self.running.take().expect("a try");
                assert_eq!((running, of), (id, step));
                if outcome == Outcome::Ok {
                    assert!(!self.stopping);
                    assert_eq!(then, AfterTry::Done);
                }
                if let Some(limit) = limit
                    && limit.at <= self.now
                    && !self.stopping
                {
                    // What a try read may be asked for after its end.
                    let read = self.chart.step(step).sets.values().any(Option::is_none);
                    let late = outcome == Outcome::Failed(ErrorKind::Timeout);
                    assert!(late || read);
                }
                self.after(step, outcome, then);
            }
            Fact::TryRefused {
                step,
                number,
                of,
                kind,
                reason,
                then,
            } => {
                assert!(self.running.is_none());
                self.exit_step(step);
                assert!(number <= of);
                let unmet = matches!(reason, Reason::Needs { .. });
                assert!(!unmet || then == AfterTry::Raised && kind == ErrorKind::Mismatch);
                self.tries.insert(step, number);
                self.after(step, Outcome::Failed(kind), then);
            }
            Fact::RetryDropped { step, kind, then } => {
                assert!(self.halted.is_some());
                assert!(!matches!(then, AfterTry::Again { .. } | AfterTry::Done));
                self.after(step, Outcome::Failed(kind), then);
            }
            Fact::Raised {
                kind,
                state,
                step,
                recovery,
                bound,
                cause,
                reason,
            } => self.raised(kind, (state, step), recovery, bound, cause, reason),
            Fact::StepSkipped { step } | Fact::ExitStepFailed { step, .. } => {
                self.exit_step(step);
            }
            Fact::Caught { state, kind } => {
                self.settle();
                let flight = self.flight.expect("an error");
                assert_eq!(flight.kind, kind);
                assert!(self.halted.is_none());
                self.taken_by(flight, true);
                let mut catch = self.chart.state(state).catch.iter();
                assert!(catch.any(|row| row.kind.is_none_or(|named| named == kind)));
                self.taken();
            }
            Fact::Retrying {
                state,
                kind,
                attempt,
                of,
                ..
            } => self.retrying(state, kind, attempt, of),
            Fact::CallEntered {
                step,
                procedure,
                number,
                of,
            } => {
                self.begins(step, number, of);
                assert_eq!(self.chart.called(step), Some(procedure));
                self.calls.push((step, self.levels.len()));
            }
            Fact::CallLeft {
                step,
                outcome,
                then,
            } => {
                self.settle();
                let (called, base) = self.calls.pop().expect("a call");
                assert_eq!((called, base), (step, self.levels.len()));
                if self.ended != Some(EndKind::Unrecoverable) {
                    self.ended = None;
                }
                if then != AfterTry::Raised {
                    self.flight = None;
                }
                self.after(step, outcome, then);
            }
            Fact::Tracked { track, value } => {
                self.tracks.insert(track, value);
            }
            Fact::Cancelled { number, .. } => self.signals = number,
            Fact::StageEnded { ending } => {
                self.ending(ending.end);
                self.finished = true;
            }
        }
    }

    fn entered(
        &mut self,
        state: StateId,
        visit: u32,
        attempt: u32,
        of: u32,
        limit: Option<Moment>,
    ) {
        assert!(attempt <= of);
        assert!(self.halted.is_none() && self.flight.is_none());
        let scope = self.chart.is_scope(state);
        let initial = match &self.chart.state(state).body {
            Body::Scope { initial, .. } => self
                .chart
                .children(state)
                .find(|child| self.chart.name(*child) == initial.value),
            _ => None,
        };
        let level = match self.levels.last() {
            Some(top) if top.state == state && attempt > 1 => {
                assert!(scope && !top.open && top.retried.is_some());
                assert_eq!((top.attempt + 1, top.limit), (attempt, limit));
                self.levels.pop()
            }
            _ => {
                self.settle();
                let parent = self.levels.last().map(|level| level.state);
                match self.chart.parent(state) {
                    Some(around) => assert_eq!(parent, Some(around)),
                    None => assert_eq!(self.base(), self.levels.len()),
                }
                assert!(self.levels.iter().all(|level| level.leaving.is_none()));
                assert_eq!(attempt, 1);
                self.visit(state, Some(visit));
                None
            }
        };
        self.levels.push(Level {
            state,
            attempt,
            limit,
            open: scope,
            leaving: None,
            retried: None,
            over: false,
            exits: 0,
            visits: HashMap::new(),
            visited: None,
            coming: initial,
        });
        drop(level);
    }

    fn leaving(&mut self, state: StateId, because: Outcome) {
        self.settle();
        let moved = self.moved.take();
        let (chart, now, ended) = (self.chart, self.now, self.ended);
        let top = self.top();
        assert_eq!(top.state, state);
        assert!(top.open && top.leaving.is_none());
        (top.leaving, top.exits) = (Some(because), 0);
        if because == Outcome::Ok {
            // It completed, was moved out of, or ended with success, before its limit.
            assert!(top.limit.is_none_or(|limit| now < limit));
            match (ended, moved) {
                (Some(end), _) => assert_eq!(end, EndKind::Success),
                (None, Some((Some(to), caught))) => {
                    assert!(!caught && chart.parent(to) != Some(state));
                }
                // It completed, or a scope inside has left by the same transition.
                (None, Some((None, _)) | None) => {}
            }
            assert!(self.flight.is_none());
        } else if let (Some((Some(_), caught)), None, None) = (moved, self.flight, ended) {
            assert!(caught);
        } else {
            self.outcome(because);
        }
        // Kept for the scopes further out, which leave by the same transition.
        self.moved = moved.filter(|(to, _)| to.is_some());
    }

    /// An outcome tells what is in flight.
    fn outcome(&self, because: Outcome) {
        match because {
            Outcome::Ok => assert!(self.flight.is_none()),
            Outcome::Failed(kind) => match self.flight {
                Some(flight) => assert_eq!(flight.kind, kind),
                None => assert!(self.moved.is_some_and(|(_, caught)| caught)),
            },
            Outcome::Failure => assert_eq!(self.ended, Some(EndKind::Failure)),
            Outcome::Unrecoverable => assert_eq!(self.ended, Some(EndKind::Unrecoverable)),
        }
    }

    fn settle_inside(&mut self) {
        while self.levels.last().is_some_and(|top| top.over) {
            self.levels.pop();
        }
    }

    fn item(&mut self, of: Site) {
        match of {
            Site::State(state) => {
                // After an item, the next arrival may be under way already.
                let was_inside = self.levels.last().is_some_and(|top| top.state == state);
                self.settle();
                if !was_inside && self.flight.is_none() {
                    self.visit(state, None);
                }
            }
            Site::Step(step) => self.exit_step(step),
        }
    }

    fn is_exit(&self, step: StepId) -> bool {
        self.chart.position(step).0 == List::Exit
    }

    /// Exit steps come in order; each is dealt with before its scope has left.
    fn exit_step(&mut self, step: StepId) {
        let (list, index) = self.chart.position(step);
        let owner = self.chart.owner(step);
        let top = self.top();
        if list == List::Exit {
            assert_eq!(top.state, owner);
            assert!(top.leaving.is_some());
            assert!(index + 1 == top.exits || index == top.exits);
            top.exits = index + 1;
        }
    }

    fn begins(&mut self, step: StepId, number: u32, of: u32) {
        assert!(self.running.is_none(), "two tries at once");
        assert!(number <= of);
        let before = self.tries.insert(step, number);
        assert!(number == 1 || before == Some(number - 1));
        self.exit_step(step);
        let (list, _) = self.chart.position(step);
        let now = self.now;
        let owner = self.chart.owner(step);
        assert_eq!(self.top().state, owner);
        for set in self.chart.step(step).sets.keys() {
            let track = self.chart.track(None, set).expect("a tracked value");
            assert_eq!(self.tracks.get(&track), Some(&TrackValue::Unknown));
        }
        if list == List::Exit {
            return;
        }
        assert!(self.halted.is_none(), "a step begins after a signal");
        assert!(
            self.flight.is_none(),
            "a step begins while an error unwinds"
        );
        assert!(self.ended.is_none(), "a step begins after an end");
        for level in &self.levels {
            assert!(level.leaving.is_none());
            assert!(level.limit.is_none_or(|limit| now < limit));
        }
        let top = self.top();
        match list {
            List::Between => assert!(top.retried.is_some()),
            List::Do => top.retried = None,
            List::Enter | List::Exit => assert!(top.retried.is_none() && top.open),
        }
    }

    /// What follows a try.
    fn after(&mut self, step: StepId, outcome: Outcome, then: AfterTry) {
        let model = self.chart.step(step);
        let Outcome::Failed(kind) = outcome else {
            let raised = outcome == Outcome::Unrecoverable;
            assert_eq!(
                then,
                if raised {
                    AfterTry::Raised
                } else {
                    AfterTry::Done
                }
            );
            return;
        };
        match then {
            AfterTry::Done => panic!("a failed try is not done"),
            AfterTry::Again { number, .. } => {
                let retry = model.retry.as_ref().expect("a retry");
                let errors = retry.errors.unwrap_or(retried_by_default());
                assert!(errors.contains(kind) && kind != ErrorKind::Cancelled);
                assert!(self.halted.is_none() || self.is_exit(step));
                assert_eq!(self.tries.get(&step).copied(), Some(number - 1));
            }
            AfterTry::Forgiven => {
                use tf_engine::recipe::model::AllowFailure;
                assert_ne!(kind, ErrorKind::Cancelled);
                match model.allow_failure {
                    AllowFailure::No => panic!("nothing forgives it"),
                    AllowFailure::All => assert_ne!(kind, ErrorKind::Loop),
                    AllowFailure::Kinds(kinds) => assert!(kinds.contains(kind)),
                }
            }
            AfterTry::Recorded => {
                assert!(model.continue_on_item_error && model.for_each.is_some());
                assert_ne!(kind, ErrorKind::Cancelled);
            }
            AfterTry::Raised => {}
        }
    }

    fn raised(
        &mut self,
        kind: ErrorKind,
        (state, step): (StateId, Option<StepId>),
        recovery: bool,
        bound: Option<Bound>,
        cause: Option<ErrorKind>,
        reason: Reason,
    ) {
        if let Reason::Ensures { .. } = reason {
            assert!(!recovery);
            return;
        }
        let from_exit = match self.last {
            Some(Fact::ScopeLeft { state, .. }) if bound.is_none() => Some(state),
            Some(Fact::ScopeLeft { state, .. }) if matches!(bound, Some(Bound::Step(_))) => {
                Some(state)
            }
            _ => None,
        };
        let has = |state: &StateId| self.chart.state(*state).recovery;
        let of_step = |step: StepId| self.chart.step(step).recovery;
        let live = |over: bool| {
            let live = self.levels.iter().filter(move |level| over || !level.over);
            let mut states = live.map(|level| level.state);
            states.any(|state| has(&state)) || self.calls.iter().any(|(call, _)| of_step(*call))
        };
        // `cancelled` has no flag; a bound's is that of the stack and the step that it cut.
        let raiser = step.is_some_and(of_step) || bound.is_none() && has(&state);
        let lent = self.flight.is_some_and(|flight| flight.recovery)
            || self
                .levels
                .last()
                .is_some_and(|top| top.retried.is_some_and(|error| error.recovery));
        if kind == ErrorKind::Cancelled {
            assert!(!recovery);
        } else {
            assert!(!live(false) || recovery, "the flag is lost");
            let dropped = matches!(self.last, Some(Fact::RetryDropped { .. }));
            let known = live(true) || raiser || lent || cause.is_some() || dropped;
            assert!(!recovery || known, "the flag comes from nowhere");
        }
        if kind == ErrorKind::Cancelled || bound == Some(Bound::Journal) {
            assert!(self.halted.is_some());
        }
        // An arrival that did nothing is counted, too.
        let arrived = match reason {
            Reason::Visits { state, .. } => Some(state),
            _ if kind == ErrorKind::Input && step.is_none() => Some(state),
            _ => None,
        };
        if let Some(state) = arrived
            && self
                .levels
                .iter()
                .rev()
                .find(|level| !level.over)
                .is_some_and(|top| top.coming == Some(state))
        {
            self.settle();
            self.visit(state, None);
        }
        self.flight = Some(Flight {
            kind,
            recovery,
            bound,
            from_exit,
        });
        if self.ended != Some(EndKind::Unrecoverable) {
            self.ended = None;
        }
    }

    /// A bound's error passes all that is inside the bound.
    fn taken_by(&self, flight: Flight, around: bool) {
        assert_ne!(flight.kind, ErrorKind::Cancelled);
        match flight.bound {
            Some(Bound::State(owner)) => {
                let live = self.is_live(owner);
                assert!(!live || !around, "taken inside its bound");
            }
            Some(Bound::Call(step)) => {
                assert!(self.calls.iter().all(|(call, _)| *call != step));
            }
            Some(Bound::Signal(_) | Bound::Journal) => panic!("nothing takes it"),
            Some(Bound::Step(_)) | None => {}
        }
    }

    fn retrying(&mut self, state: StateId, kind: ErrorKind, attempt: u32, of: u32) {
        assert!(self.halted.is_none());
        let model = self.chart.state(state);
        let retry = model.retry.as_ref().expect("a retry");
        let errors = retry.errors.unwrap_or(retried_by_default());
        assert!(errors.contains(kind));
        let flight = self.flight.take().expect("an error to retry");
        assert_eq!(flight.kind, kind);
        self.taken_by(flight, true);
        assert_ne!(flight.from_exit, Some(state));
        self.taken();
        let scope = self.chart.is_scope(state);
        let top = self.top();
        assert_eq!(top.state, state);
        assert_eq!(top.over, scope);
        assert!(top.attempt < attempt && attempt <= of);
        if !scope {
            assert_eq!(top.attempt + 1, attempt);
            top.attempt = attempt;
        }
        (top.over, top.retried) = (false, Some(flight));
    }

    fn ending(&mut self, end: End) {
        self.settle();
        if self.signals < 2 {
            assert_eq!(self.levels.iter().filter(|level| level.open).count(), 0);
            assert!(self.levels.is_empty() && self.calls.is_empty());
        }
        let failed = self.flight.is_some_and(|flight| flight.recovery);
        let unrecoverable = failed || self.ended == Some(EndKind::Unrecoverable);
        match end {
            End::Unrecoverable => assert!(unrecoverable || self.signals == 2),
            End::Cancelled(_) => assert!(self.signals > 0 && !unrecoverable),
            End::Failure { .. } => assert!(self.signals == 0 && !unrecoverable),
            End::Success => {
                assert!(self.halted.is_none() && self.flight.is_none() && !unrecoverable);
            }
        }
    }

    /// When nothing new began any more, if it came to that.
    pub(crate) fn halted(&self) -> Option<Moment> {
        self.halted
    }
}

fn retried_by_default() -> KindSet {
    KindSet::ALL
        .without(ErrorKind::Input)
        .without(ErrorKind::Cancelled)
}
