//! A recipe as it was loaded: checked, short forms written out, defaults applied, places kept.
//!
//! The loader makes these; the machine builds its chart from them, the engine renders them. States
//! and steps are behind `Arc`, so that a chart can hold what it needs.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;

use super::places::Places;
use super::template::{Expr, Template};
use super::vocabulary::Action;
use super::{ErrorKind, GearKind, KindSet, Value, Verdict};
use crate::diagnostic::{Sources, Span, Spanned};

/// A map that keeps the order of the file.
pub type Map<T> = IndexMap<String, T>;

/// One recipe with everything that it inherits.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Equals the file's stem.
    pub name: String,
    /// One line for lists and reports.
    pub summary: Option<String>,
    /// Not listed, not run: its stages are there for its children.
    pub library: bool,
    /// Whether all of it could be read. Where not, there are errors among the findings of its
    /// load, and parts are missing.
    pub complete: bool,
    /// Every text that it was read from.
    pub sources: Sources,
    /// Inputs of the device config.
    pub device: Group,
    /// Inputs of the job data.
    pub job: Group,
    /// Hosts by name; `local` is always there.
    pub hosts: Map<Host>,
    /// The lab's equipment by name.
    pub gear: Map<Gear>,
    /// Constants of the run, in an order in which each comes after those that it reads.
    pub lets: Map<Tree>,
    /// Initial values of `vars` at the start of every stage.
    pub vars: Map<Tree>,
    /// What the recipe keeps track of besides its gear, and the values each can have.
    pub tracks: Map<Vec<String>>,
    /// `needs` that hold before every step of an action. (Already added to the steps' own.)
    pub rules: Vec<Rule>,
    /// What is looked at once a run has failed, to tell whose fault it was: steps by name, in order.
    pub blame: Map<Arc<Step>>,
    /// The exit status of a failed recovery that a probe of `blame` lays on the lab's own gear; 46
    /// where absent.
    pub lab_failure_status: Option<Expr>,
    /// Its own and inherited ones by name; those of other recipes as `RECIPE.NAME`.
    pub procedures: Map<Procedure>,
    /// Its stages by name.
    pub stages: Map<Stage>,
    /// Other recipes whose procedures it calls, by name.
    pub imports: Map<Recipe>,
}

/// `{before: ACTION, needs}`.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The action's name.
    pub before: Spanned<String>,
    /// What must hold before it.
    pub needs: Needs,
}

/// Inputs under one name: a group of the job data, or the device config as a whole.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// At least one of these members must be given.
    pub one_of: Vec<Spanned<String>>,
    /// Members by name.
    pub members: Map<Declared>,
}

/// What a name of a group is.
#[derive(Clone, Debug)]
pub enum Declared {
    /// A value.
    Input(Box<Input>),
    /// A group of its own.
    Group(Group),
}

/// A declared input or parameter.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// Where it is declared (its key).
    pub span: Span,
    /// The types that it takes, in order of preference; never empty.
    pub types: Vec<InputType>,
    /// Whether it must be given.
    pub required: bool,
    /// Its value where the data have none.
    pub default: Option<Value>,
    /// The values allowed; empty: all.
    pub allowed: Vec<Value>,
    /// A regular expression that the whole value matches.
    pub pattern: Option<String>,
    /// The least value: a number, seconds, or bytes.
    pub min: Option<f64>,
    /// The greatest value.
    pub max: Option<f64>,
    /// The least number of items.
    pub min_items: Option<usize>,
    /// The greatest number of items.
    pub max_items: Option<usize>,
    /// What each item of a list is.
    pub items: Option<Box<Input>>,
    /// Members of a map.
    pub keys: Option<Map<Input>>,
    /// Whether a map may hold members that `keys` does not name.
    pub open: bool,
    /// What a bare number counts: seconds or bytes per unit.
    pub unit: Option<u64>,
    /// The folder of the run directory that a path is relative to and may not leave.
    pub within: Option<String>,
    /// Never printed.
    pub secret: bool,
    /// What it is for.
    pub description: Option<String>,
}

/// The type of an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the words of the language")]
pub enum InputType {
    String,
    Integer,
    Number,
    Boolean,
    Duration,
    Size,
    Url,
    Path,
    List,
    Map,
    #[default]
    Any,
}

impl InputType {
    /// All types, as recipes name them.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("string", Self::String),
        ("integer", Self::Integer),
        ("number", Self::Number),
        ("boolean", Self::Boolean),
        ("duration", Self::Duration),
        ("size", Self::Size),
        ("url", Self::Url),
        ("path", Self::Path),
        ("list", Self::List),
        ("map", Self::Map),
        ("any", Self::Any),
    ];
}

/// A named place where steps run.
#[derive(Clone, Debug)]
pub struct Host {
    /// Where it is declared.
    pub span: Span,
    /// How to get there; `None` for `local`.
    pub login: Option<Login>,
    /// What runs shell strings there.
    pub shell: ShellKind,
    /// Whose fault its failures are.
    pub role: Role,
}

/// An SSH login.
#[derive(Clone, Debug)]
pub struct Login {
    /// Name or address.
    pub address: Tree,
    /// TCP port; 22 where absent.
    pub port: Option<Tree>,
    /// The user; the engine's own where absent.
    pub user: Option<Tree>,
    /// Secret.
    pub password: Option<Tree>,
    /// Private key files; the engine's keys where absent.
    pub identity: Option<Tree>,
    /// What is done about the host's key.
    pub host_key: HostKeys,
    /// The host to jump through.
    pub via: Option<Spanned<String>>,
    /// Bound on connecting; 10 s where absent.
    pub connect_timeout: Option<Templated<Duration>>,
}

/// What runs shell strings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ShellKind {
    /// `bash -eo pipefail -c`.
    #[default]
    Bash,
    /// `sh -e -c`.
    Sh,
}

/// What is done about a host's key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HostKeys {
    /// Unknown keys are learnt, changed ones refused.
    #[default]
    AcceptNew,
    /// Only known keys.
    Known,
    /// Any key.
    Any,
}

/// Whose gear a host is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// The lab's.
    #[default]
    Lab,
    /// The board.
    Device,
}

/// A piece of the lab's equipment.
#[derive(Clone, Debug)]
pub struct Gear {
    /// Where it is declared.
    pub span: Span,
    /// What it is.
    pub kind: GearKind,
    /// How power or mux are driven; `None`: by nothing (serial), or absent.
    pub driver: Option<Driver>,
    /// How long `cycle` stays off; 5 s where absent.
    pub off_time: Option<Templated<Duration>>,
    /// Whether the state is read back after acting.
    pub verify: Option<Tree>,
    /// A mux: the path of the medium while it is on our side.
    pub media: Option<Tree>,
    /// A mux: where that path is.
    pub host: Option<Spanned<String>>,
    /// A serial line over TCP.
    pub address: Option<Tree>,
    /// Its port.
    pub port: Option<Tree>,
    /// A serial line of the engine's machine.
    pub tty: Option<Tree>,
    /// Its speed in baud; 115,200 where absent.
    pub baud: Option<Tree>,
    /// A command line whose standard output is the serial line.
    pub command: Option<Tree>,
}

/// How a piece of gear is driven.
#[derive(Clone, Debug)]
pub enum Driver {
    /// By steps of the recipe, per verb: `turn_on`, `turn_off`, `cycle`, `read`, `to_host`, `to_dut`.
    Steps(Map<Vec<Arc<Step>>>),
    /// By a driver file: its name, or `{driver: NAME, ...}`.
    Named(Tree),
}

/// One stage.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The stage as a leaf or scope; its name is the stage's, its path `/`.
    pub root: Arc<State>,
    /// What must hold at its end.
    pub ensures: Ensures,
}

/// What must hold at the end of a stage.
#[derive(Clone, Debug, Default)]
pub struct Ensures {
    /// At exit 0.
    pub success: Needs,
    /// At every end but 46.
    pub always: Needs,
}

/// Tracked values and what each may be: any of the list.
pub type Needs = Map<Spanned<Vec<String>>>;

/// A state machine with parameters.
#[derive(Clone, Debug)]
pub struct Procedure {
    /// The procedure as a leaf or scope.
    pub root: Arc<State>,
    /// Its parameters.
    pub params: Map<Input>,
    /// Its value.
    pub returns: Option<Expr>,
    /// The recipe in [`Recipe::imports`] whose inputs, hosts and gear it uses; `None`: this one.
    pub home: Option<String>,
}

/// A state, a stage's root or a procedure's.
#[derive(Clone, Debug)]
pub struct State {
    /// Its name (the key).
    pub name: Spanned<String>,
    /// Its keys.
    pub places: Places,
    /// What it is for.
    pub summary: Option<String>,
    /// Passed over where false.
    pub when: Option<Expr>,
    /// What it is.
    pub body: Body,
    /// Rows, the last without guard; empty on stages, procedures, ends, and leaves that end in `fail`.
    pub next: Vec<Row>,
    /// Where errors go.
    pub catch: Vec<Catch>,
    /// Further tries.
    pub retry: Option<Retry>,
    /// Bound on everything in it.
    pub timeout: Option<Templated<Duration>>,
    /// Visits per activation of the scope around it.
    pub max_visits: Option<u32>,
    /// An error raised here has the recovery flag.
    pub recovery: bool,
    /// Run once per item.
    pub for_each: Option<Items>,
    /// Whether a failed item is recorded and the next one begun.
    pub continue_on_item_error: bool,
    /// Values set anew at each entry.
    pub vars: Map<Tree>,
    /// Whose fault its failure is.
    pub verdict: Option<Verdict>,
}

/// What a state is.
#[derive(Clone, Debug)]
pub enum Body {
    /// Steps in order.
    Leaf {
        /// `do`.
        steps: Vec<Arc<Step>>,
    },
    /// States inside.
    Scope {
        /// Steps before the initial state.
        enter: Vec<Arc<Step>>,
        /// The first state.
        initial: Spanned<String>,
        /// The states inside, by name.
        states: Map<Arc<State>>,
        /// Steps that run whichever way the scope is left.
        exit: Vec<Arc<Step>>,
    },
    /// Only picks the next state.
    Choice,
    /// Ends the stage or the call.
    End {
        /// How.
        end: EndKind,
        /// What is said.
        message: Option<Tree>,
        /// With `failure`: the exit status.
        exit_status: Option<Expr>,
    },
}

/// How an `end` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndKind {
    /// Exit 0.
    Success,
    /// Exit 1, or the state's `exit_status`.
    Failure,
    /// A person must look at the board.
    Unrecoverable,
}

/// A row of `next`.
#[derive(Clone, Debug)]
pub struct Row {
    /// The guard; `None` always holds.
    pub when: Option<Expr>,
    /// A state's name, or `done`.
    pub to: Spanned<String>,
}

/// A row of `catch`.
#[derive(Clone, Debug)]
pub struct Catch {
    /// Where the kind stands, or the target where no kind is named.
    pub span: Span,
    /// The kind; `None`: any.
    pub kind: Option<ErrorKind>,
    /// A state's name, or `done`.
    pub to: Spanned<String>,
}

/// What a `for_each` goes over.
#[derive(Clone, Debug)]
pub enum Items {
    /// A literal list, its items perhaps templates.
    List(Tree),
    /// An expression that gives a list.
    Expr(Expr),
}

/// `retry`.
#[derive(Clone, Debug)]
pub struct Retry {
    /// Its keys; the short form has none.
    pub places: Places,
    /// Where it stands; in `defaults` where it came from there.
    pub span: Span,
    /// All tries, the first included; from 1.
    pub attempts: Templated<u32>,
    /// Before try 2.
    pub delay: Templated<Duration>,
    /// Each delay is this many times the last; from 1.
    pub backoff: Templated<f64>,
    /// The longest delay.
    pub max_delay: Templated<Duration>,
    /// The share that may be taken off a delay; 0 to 1.
    pub jitter: Templated<f64>,
    /// Which errors are retried; `None`: all but `input` and `cancelled`.
    pub errors: Option<KindSet>,
    /// The same, as written.
    pub named: Vec<Spanned<ErrorKind>>,
    /// Steps before each further try.
    pub between: Vec<Arc<Step>>,
}

/// A value that is written as such, or computed when it is needed.
#[derive(Clone, Debug)]
pub enum Templated<T> {
    /// As written, checked.
    Literal(T),
    /// To be rendered, then checked.
    Template(Template),
}

/// A value of any shape whose texts may be templates.
#[derive(Clone, Debug)]
pub struct Tree {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub kind: TreeKind,
}

/// What a [`Tree`] is.
#[derive(Clone, Debug)]
pub enum TreeKind {
    /// As written.
    Literal(Value),
    /// Rendered when needed.
    Template(Template),
    /// A bare expression, evaluated when the rest is rendered.
    Expr(Expr),
    /// A bare expression that the action itself evaluates (`until`, `abort_when`); rendering leaves it out.
    Deferred(Expr),
    /// Items.
    List(Vec<Tree>),
    /// Members.
    Map(Map<Tree>),
}

/// One step: an action and its modifiers, defaults applied.
#[derive(Clone, Debug)]
pub struct Step {
    /// The action's key and value.
    pub span: Span,
    /// Its keys; `timeout` has that of `defaults` where it came from there.
    pub places: Places,
    /// `name`, or the action's name.
    pub name: String,
    /// What is done.
    pub action: &'static Action,
    /// Its parameters in long form. Nested steps are in `inner`, a call in `call`.
    pub params: Map<Tree>,
    /// `wait: {steps}`: the probe's steps.
    pub inner: Vec<Arc<Step>>,
    /// `call`.
    pub call: Option<Call>,
    /// Skipped where false.
    pub when: Option<Expr>,
    /// Where it runs; `local` where nothing says otherwise; `None` for actions that have no host.
    pub host: Option<Spanned<String>>,
    /// Once per item.
    pub for_each: Option<Items>,
    /// Whether a failed item is recorded and the next one begun.
    pub continue_on_item_error: bool,
    /// The name in `vars` that its output gets.
    pub save: Option<Spanned<String>>,
    /// Bound on one try.
    pub timeout: StepTimeout,
    /// Bound on the time without progress.
    pub stall: Option<Templated<Duration>>,
    /// Further tries.
    pub retry: Option<Retry>,
    /// Which answers are success; `None`: the action's own.
    pub expect: Option<Expect>,
    /// Which errors are forgiven.
    pub allow_failure: AllowFailure,
    /// The kinds that it names, as written.
    pub forgiven: Vec<Spanned<ErrorKind>>,
    /// Environment: a map, or a template of one.
    pub env: Option<Tree>,
    /// How output is read.
    pub parse: Option<Parse>,
    /// How much output is kept, in bytes; `None`: 1 MiB.
    pub max_output: Option<Templated<u64>>,
    /// What must hold before each try (the rules' and the gear's own included).
    pub needs: Needs,
    /// Tracked values that it changes, and what they are when it has ended well. For `power` and
    /// `mux` their own gear: the value asked for, or `None` where only the output tells (`read`).
    pub sets: Map<Option<String>>,
    /// An error raised here has the recovery flag.
    pub recovery: bool,
    /// Whose fault its failure is.
    pub verdict: Option<Verdict>,
}

impl Step {
    /// An action without parameters and modifiers.
    pub fn new(action: &'static Action, span: Span) -> Self {
        Self {
            span,
            places: Places::default(),
            name: action.name.to_owned(),
            action,
            params: Map::new(),
            inner: Vec::new(),
            call: None,
            when: None,
            host: None,
            for_each: None,
            continue_on_item_error: false,
            save: None,
            timeout: StepTimeout::None,
            stall: None,
            retry: None,
            expect: None,
            allow_failure: AllowFailure::No,
            forgiven: Vec::new(),
            env: None,
            parse: None,
            max_output: None,
            needs: Needs::new(),
            sets: Map::new(),
            recovery: false,
            verdict: None,
        }
    }
}

/// A call of a procedure.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its key in [`Recipe::procedures`].
    pub procedure: Spanned<String>,
    /// Arguments.
    pub with: Map<Tree>,
}

/// The bound on one try of a step.
#[derive(Clone, Debug)]
pub enum StepTimeout {
    /// Only the bounds around it.
    None,
    /// This long.
    After(Templated<Duration>),
    /// So long for each line of `commands`.
    PerLine(Duration),
}

/// Which answers of a step are success.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expect {
    /// Every exit status or HTTP status.
    pub any: bool,
    /// A link that drops after the start.
    pub lost: bool,
    /// These.
    pub statuses: Vec<u32>,
}

/// Which errors of a step are forgiven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AllowFailure {
    /// None.
    #[default]
    No,
    /// Every kind but `cancelled`, `loop` and unmet `needs`.
    All,
    /// These kinds.
    Kinds(KindSet),
}

/// How output is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parse {
    /// As it is.
    #[default]
    Text,
    /// As lines.
    Lines,
    /// As JSON.
    Json,
}
