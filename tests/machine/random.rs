//! Random recipes: every key of states, steps and procedures that the machine knows.
//!
//! A recipe is drawn as a shape without names, so that it shrinks well; names, targets and the
//! `max_visits` that cycles need are added when it is lowered to the model.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use tf_engine::diagnostic::{Span, Spanned};
use tf_engine::recipe::GearKind;
use tf_engine::recipe::model::{
    AllowFailure, Body, Call, Catch, EndKind, Ensures, Gear, Input, Items, Map, Needs, Procedure,
    Recipe, Retry, Row, Stage, State, Step, StepTimeout, Templated, Tree, TreeKind,
};
use tf_engine::recipe::places::Places;
use tf_engine::recipe::template::{Style, Template};
use tf_engine::recipe::{ErrorKind, KindSet};

use crate::notation::{empty, expr, plain, spanned, step};

/// A recipe without names.
#[derive(Clone, Debug)]
pub(crate) struct RecipeShape {
    stage: StateShape,
    procedures: Vec<StateShape>,
    vars: bool,
    success: Vec<Tracked>,
    always: Vec<Tracked>,
}

#[derive(Clone, Debug)]
struct StateShape {
    body: BodyShape,
    when: bool,
    next: Vec<u8>,
    catch: Vec<(Option<ErrorKind>, u8)>,
    retry: Option<RetryShape>,
    timeout: Option<Time>,
    max_visits: Option<u32>,
    recovery: bool,
    for_each: Option<ItemsShape>,
    on_item_error: bool,
    vars: bool,
    returns: bool,
    params: bool,
}

#[derive(Clone, Debug)]
enum BodyShape {
    Leaf(Vec<StepShape>),
    Scope {
        enter: Vec<StepShape>,
        initial: u8,
        inside: Vec<StateShape>,
        exit: Vec<StepShape>,
    },
    Choice,
    End(EndKind, bool),
}

#[derive(Clone, Debug)]
struct StepShape {
    action: u8,
    when: bool,
    for_each: Option<ItemsShape>,
    on_item_error: bool,
    timeout: Option<Time>,
    per_line: bool,
    retry: Option<RetryShape>,
    allow_failure: AllowFailure,
    needs: Vec<Tracked>,
    sets: Vec<(u8, Option<bool>)>,
    recovery: bool,
}

#[derive(Clone, Copy, Debug)]
enum ItemsShape {
    /// An expression; the world says how many.
    Free,
    /// A literal list.
    List(u8),
}

#[derive(Clone, Copy, Debug)]
enum Time {
    Seconds(u64),
    Template,
}

#[derive(Clone, Debug)]
struct RetryShape {
    attempts: u32,
    template: bool,
    delay: u64,
    backoff: f64,
    max_delay: u64,
    jitter: f64,
    errors: Option<KindSet>,
    between: Vec<StepShape>,
}

/// A tracked value, and which of its first two values are allowed.
type Tracked = (u8, bool, bool);

const TRACKS: [&str; 3] = ["seal", "card", "power"];
const VALUES: [[&str; 2]; 3] = [["whole", "broken"], ["host", "dut"], ["on", "off"]];

fn kind() -> impl Strategy<Value = ErrorKind> {
    proptest::sample::select(vec![
        ErrorKind::Timeout,
        ErrorKind::Lost,
        ErrorKind::Exit,
        ErrorKind::Mismatch,
        ErrorKind::Input,
        ErrorKind::Io,
        ErrorKind::Loop,
        ErrorKind::Failed,
    ])
}

fn kinds() -> impl Strategy<Value = KindSet> {
    vec(kind(), 1..4).prop_map(|kinds| KindSet::of(&kinds))
}

fn time() -> impl Strategy<Value = Time> {
    prop_oneof![
        5 => (1..9_u64).prop_map(Time::Seconds),
        1 => Just(Time::Template),
    ]
}

fn rarely() -> impl Strategy<Value = bool> {
    proptest::bool::weighted(0.15)
}

fn items() -> impl Strategy<Value = Option<ItemsShape>> {
    let some = prop_oneof![(0..4_u8).prop_map(ItemsShape::List), Just(ItemsShape::Free),];
    option::weighted(0.2, some)
}

fn retry(between: impl Strategy<Value = Vec<StepShape>>) -> impl Strategy<Value = RetryShape> {
    (
        1..4_u32,
        rarely(),
        0..4_u64,
        prop_oneof![Just(1.0), Just(1.5), Just(2.0)],
        prop_oneof![Just(3600), Just(2_u64)],
        prop_oneof![Just(0.0), Just(0.5), Just(1.0)],
        option::weighted(0.3, kinds()),
        between,
    )
        .prop_map(
            |(attempts, template, delay, backoff, max_delay, jitter, errors, between)| RetryShape {
                attempts,
                template,
                delay,
                backoff,
                max_delay,
                jitter,
                errors,
                between,
            },
        )
}

fn tracked() -> impl Strategy<Value = Tracked> {
    (0..3_u8, any::<bool>(), any::<bool>())
}

fn a_step() -> impl Strategy<Value = StepShape> {
    let allow = prop_oneof![
        6 => Just(AllowFailure::No),
        1 => Just(AllowFailure::All),
        1 => kinds().prop_map(AllowFailure::Kinds),
    ];
    (
        (any::<u8>(), rarely(), items(), any::<bool>()),
        (option::weighted(0.4, time()), rarely()),
        option::weighted(0.3, retry(Just(Vec::new()))),
        allow,
        vec(tracked(), 0..2),
        vec((0..3_u8, option::of(any::<bool>())), 0..2),
        rarely(),
        rarely(),
    )
        .prop_map(
            |((action, when, for_each, on_item_error), time, retry, allow, needs, sets, r, n)| {
                StepShape {
                    action,
                    when,
                    for_each,
                    on_item_error,
                    timeout: time.0,
                    per_line: time.1,
                    retry,
                    allow_failure: allow,
                    // Mostly unmet: rarer, so that runs go on.
                    needs: if n { needs } else { Vec::new() },
                    sets,
                    recovery: r,
                }
            },
        )
}

fn step_list(most: usize) -> impl Strategy<Value = Vec<StepShape>> {
    vec(a_step(), 0..=most)
}

fn around(body: impl Strategy<Value = BodyShape>) -> impl Strategy<Value = StateShape> {
    (
        body,
        (rarely(), vec(any::<u8>(), 1..3)),
        vec((option::of(kind()), any::<u8>()), 0..3),
        option::weighted(0.4, retry(step_list(1))),
        option::weighted(0.4, time()),
        option::of(1..4_u32),
        (rarely(), items(), any::<bool>()),
        (rarely(), any::<bool>(), any::<bool>()),
    )
        .prop_map(
            |(body, next, catch, retry, timeout, max_visits, more, keys)| StateShape {
                body,
                when: next.0,
                next: next.1,
                catch,
                retry,
                timeout,
                max_visits,
                recovery: more.0,
                for_each: more.1,
                on_item_error: more.2,
                vars: keys.0,
                returns: keys.1,
                params: keys.2,
            },
        )
}

fn state() -> impl Strategy<Value = StateShape> {
    let end = prop_oneof![
        Just(EndKind::Success),
        Just(EndKind::Failure),
        Just(EndKind::Unrecoverable),
    ];
    let small = prop_oneof![
        6 => step_list(3).prop_map(BodyShape::Leaf),
        1 => Just(BodyShape::Choice),
        1 => (end, any::<bool>()).prop_map(|(end, status)| BodyShape::End(end, status)),
    ];
    around(small).prop_recursive(3, 12, 3, |inner| around(scope(inner)))
}

fn scope(inner: impl Strategy<Value = StateShape>) -> impl Strategy<Value = BodyShape> {
    (step_list(2), any::<u8>(), vec(inner, 1..4), step_list(3)).prop_map(
        |(enter, initial, inside, exit)| BodyShape::Scope {
            enter,
            initial,
            inside,
            exit,
        },
    )
}

fn root() -> impl Strategy<Value = StateShape> {
    prop_oneof![
        5 => around(scope(state())),
        1 => around(step_list(3).prop_map(BodyShape::Leaf)),
    ]
}

/// Any recipe.
pub(crate) fn any_recipe() -> impl Strategy<Value = RecipeShape> {
    (
        root(),
        vec(root(), 0..3),
        any::<bool>(),
        vec(tracked(), 0..2),
        vec(tracked(), 0..2),
    )
        .prop_map(|(stage, procedures, vars, success, always)| RecipeShape {
            stage,
            procedures,
            vars,
            success,
            always,
        })
}

impl RecipeShape {
    /// The recipe of this shape.
    pub(crate) fn recipe(&self) -> Recipe {
        let mut recipe = empty();
        recipe.tracks.insert(
            "seal".to_owned(),
            vec!["whole".to_owned(), "broken".to_owned()],
        );
        recipe.gear.insert("card".to_owned(), gear(GearKind::Mux));
        recipe
            .gear
            .insert("power".to_owned(), gear(GearKind::Power));
        if self.vars {
            recipe.vars.insert("v".to_owned(), literal());
        }
        let mut namer = Namer {
            shape: self,
            names: 0,
            procedure: 0,
            bounded: HashSet::new(),
        };
        for (n, shape) in self.procedures.iter().enumerate() {
            namer.procedure = n + 1;
            let name = format!("p{n}");
            let mut params = Map::new();
            if shape.params {
                params.insert("x".to_owned(), Input::default());
            }
            let procedure = Procedure {
                root: namer.root(&name, shape),
                params,
                returns: shape.returns.then(|| expr("vars.v")),
                home: None,
            };
            recipe.procedures.insert(name, procedure);
        }
        namer.procedure = 0;
        let ensures = Ensures {
            success: needs(&self.success),
            always: needs(&self.always),
        };
        let root = namer.root("provision", &self.stage);
        recipe
            .stages
            .insert("provision".to_owned(), Stage { root, ensures });
        recipe
    }
}

/// A scope around, seen from a state in it: its children, and which of them the state is in.
struct Around {
    children: Vec<(String, bool)>,
    here: usize,
}

struct Namer<'s> {
    shape: &'s RecipeShape,
    names: u32,
    /// 0: the stage; a procedure calls only those behind it.
    procedure: usize,
    /// States that lie on a cycle: they need `max_visits`.
    bounded: HashSet<String>,
}

impl Namer<'_> {
    fn root(&mut self, name: &str, shape: &StateShape) -> Arc<State> {
        let state = self.state(name, shape, &mut Vec::new());
        Arc::new(State {
            next: Vec::new(),
            catch: Vec::new(),
            when: None,
            max_visits: None,
            for_each: None,
            ..self.bound(state)
        })
    }

    /// Adds the `max_visits` that cycles need, once all targets are known.
    fn bound(&self, mut state: State) -> State {
        if self.bounded.contains(&state.name.value) {
            state.max_visits = Some(state.max_visits.unwrap_or(2));
        }
        if let Body::Scope { states, .. } = &mut state.body {
            for inner in states.values_mut() {
                *inner = Arc::new(self.bound(inner.as_ref().clone()));
            }
        }
        state
    }

    fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    fn state(&mut self, name: &str, shape: &StateShape, around: &mut Vec<Around>) -> State {
        let retry = shape.retry.as_ref().map(|retry| self.retry(retry));
        let mut fails = false;
        let body = match &shape.body {
            BodyShape::Leaf(steps) => {
                fails = steps.last().is_some_and(|step| step.action % 16 == 15);
                Body::Leaf {
                    steps: self.steps(steps, true),
                }
            }
            BodyShape::Scope {
                enter,
                initial,
                inside,
                exit,
            } => {
                let is_end = |shape: &StateShape| matches!(shape.body, BodyShape::End(..));
                let children: Vec<_> = inside
                    .iter()
                    .map(|shape| (self.name("s"), is_end(shape)))
                    .collect();
                let names: Vec<_> = children.iter().map(|(name, _)| name.clone()).collect();
                around.push(Around { children, here: 0 });
                let mut states = Map::new();
                for (n, (name, shape)) in names.iter().zip(inside).enumerate() {
                    if let Some(scope) = around.last_mut() {
                        scope.here = n;
                    }
                    let state = self.state(name, shape, around);
                    states.insert(name.clone(), Arc::new(state));
                }
                around.pop();
                Body::Scope {
                    enter: self.steps(enter, true),
                    initial: spanned(&names[usize::from(*initial) % names.len()]),
                    states,
                    exit: self.steps(exit, false),
                }
            }
            BodyShape::Choice => Body::Choice,
            BodyShape::End(end, status) => Body::End {
                end: *end,
                message: None,
                exit_status: status.then(|| expr("7")),
            },
        };
        let runs = matches!(body, Body::Leaf { .. } | Body::Scope { .. });
        let ends = matches!(body, Body::End { .. });
        let last = shape.next.len() - 1;
        let next = match ends || fails {
            true => Vec::new(),
            false => shape
                .next
                .iter()
                .enumerate()
                .map(|(n, target)| Row {
                    when: (n < last).then(|| expr("vars.v")),
                    to: self.target(*target, around),
                })
                .collect(),
        };
        let catch = shape
            .catch
            .iter()
            .filter(|_| runs)
            .map(|(kind, target)| Catch {
                span: Span::default(),
                kind: *kind,
                to: self.target(*target, around),
            });
        State {
            next,
            catch: catch.collect(),
            when: (shape.when && runs).then(|| expr("vars.v")),
            retry: retry.filter(|_| runs),
            timeout: shape.timeout.filter(|_| runs).map(duration),
            max_visits: shape.max_visits.filter(|_| !ends),
            recovery: shape.recovery && runs,
            for_each: shape.for_each.filter(|_| runs).map(list),
            continue_on_item_error: shape.on_item_error,
            vars: [("v".to_owned(), literal())]
                .into_iter()
                .filter(|_| shape.vars && runs)
                .collect(),
            ..plain(name, body)
        }
    }

    /// `done`, or any state of any scope around.
    fn target(&mut self, choice: u8, around: &[Around]) -> Spanned<String> {
        let inner_first = around.iter().rev();
        let all: Vec<_> = inner_first
            .flat_map(|scope| {
                let here = scope.here;
                let children = scope.children.iter().enumerate();
                children.map(move |(n, (name, is_end))| (name, n <= here && !is_end))
            })
            .collect();
        match usize::from(choice) % (all.len() + 1) {
            0 => spanned("done"),
            n => {
                let (name, back) = all[n - 1];
                if back {
                    self.bounded.insert(name.clone());
                }
                spanned(name)
            }
        }
    }

    fn steps(&mut self, shapes: &[StepShape], may_call: bool) -> Vec<Arc<Step>> {
        let steps = shapes.iter().map(|shape| self.step(shape, may_call));
        steps.collect()
    }

    fn step(&mut self, shape: &StepShape, may_call: bool) -> Arc<Step> {
        let name = self.name("n");
        let callable = self.shape.procedures.len() - self.procedure;
        let (action, call) = match shape.action % 16 {
            10..=13 if may_call && callable > 0 => {
                let to = self.procedure + usize::from(shape.action / 16) % callable;
                let call = Call {
                    procedure: spanned(&format!("p{to}")),
                    with: Map::new(),
                };
                ("call", Some(call))
            }
            14 => ("capture", None),
            15 => ("fail", None),
            _ => ("run", None),
        };
        Arc::new(Step {
            call,
            when: shape.when.then(|| expr("vars.v")),
            for_each: shape.for_each.map(list),
            continue_on_item_error: shape.on_item_error,
            timeout: match shape.timeout {
                None => StepTimeout::None,
                Some(_) if shape.per_line => StepTimeout::PerLine(Duration::from_secs(2)),
                Some(time) => StepTimeout::After(duration(time)),
            },
            retry: shape.retry.as_ref().map(|retry| self.retry(retry)),
            allow_failure: shape.allow_failure,
            needs: needs(&shape.needs),
            sets: shape
                .sets
                .iter()
                .map(|(track, value)| {
                    let n = usize::from(*track);
                    let value = value.map(|second| VALUES[n][usize::from(second)].to_owned());
                    (TRACKS[n].to_owned(), value)
                })
                .collect(),
            recovery: shape.recovery,
            ..step(&name, action)
        })
    }

    fn retry(&mut self, shape: &RetryShape) -> Retry {
        let seconds = |n| Templated::Literal(Duration::from_secs(n));
        Retry {
            places: Places::default(),
            span: Span::default(),
            attempts: match shape.template {
                true => Templated::Template(template()),
                false => Templated::Literal(shape.attempts),
            },
            delay: seconds(shape.delay),
            backoff: Templated::Literal(shape.backoff),
            max_delay: seconds(shape.max_delay),
            jitter: Templated::Literal(shape.jitter),
            errors: shape.errors,
            named: Vec::new(),
            between: self.steps(&shape.between, false),
        }
    }
}

fn needs(tracked: &[Tracked]) -> Needs {
    tracked
        .iter()
        .map(|(track, first, second)| {
            let n = usize::from(*track);
            let values = [(first, VALUES[n][0]), (second, VALUES[n][1])];
            let values = values.iter().filter(|(allowed, _)| **allowed);
            let values = values.map(|(_, value)| (*value).to_owned()).collect();
            (TRACKS[n].to_owned(), Spanned::new(values, Span::default()))
        })
        .collect()
}

fn list(shape: ItemsShape) -> Items {
    match shape {
        ItemsShape::Free => Items::Expr(expr("vars.v")),
        ItemsShape::List(length) => Items::List(Tree {
            span: Span::default(),
            kind: TreeKind::List((0..length).map(|_| literal()).collect()),
        }),
    }
}

fn duration(time: Time) -> Templated<Duration> {
    match time {
        Time::Seconds(n) => Templated::Literal(Duration::from_secs(n)),
        Time::Template => Templated::Template(template()),
    }
}

fn template() -> Template {
    Template {
        text: "{{ vars.v }}".into(),
        span: Span::default(),
        style: Style::Value,
    }
}

fn literal() -> Tree {
    Tree {
        span: Span::default(),
        kind: TreeKind::Literal(0.into()),
    }
}

fn gear(kind: GearKind) -> Gear {
    Gear {
        span: Span::default(),
        kind,
        driver: None,
        off_time: None,
        verify: None,
        media: None,
        host: None,
        address: None,
        port: None,
        tty: None,
        baud: None,
        command: None,
    }
}
