//! A key of a recipe as data.

use super::shape::Shape;
use crate::recipe::GearKind;

/// A key that a map of the language may have.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// What its value may be.
    pub takes: Takes,
    /// Whether it must be given.
    pub required: bool,
    /// Whether its value can hold no template.
    pub literal: bool,
    /// What counts where it is not given, as a recipe would write it.
    pub default: Option<&'static str>,
    /// What it is for.
    pub doc: &'static str,
}

/// What the value of a key may be.
#[derive(Clone, Copy, Debug)]
pub enum Takes {
    /// A value as parameters of actions are.
    Shape(Shape),
    /// A name, literal.
    Name,
    /// The name of a state, or `done`, literal.
    Target,
    /// A target, or rows of `{when, to}`.
    Next,
    /// A target, or a map from kinds of error to targets.
    Catch,
    /// A number of tries, or the keys of [`RETRY`](super::keys::RETRY).
    Retry,
    /// The same with [`STATE_RETRY`](super::keys::STATE_RETRY).
    StateRetry,
    /// A list, or an expression that gives one.
    Items,
    /// Steps of a list of this kind.
    Steps(List),
    /// States by name.
    States,
    /// Values by name.
    Values,
    /// Environment variables by name, or a template of such a map.
    Env,
    /// A map of [`DEFAULTS`](super::keys::DEFAULTS).
    Defaults,
    /// Tracked values by name, each a value or a list of values, literal.
    Needs,
    /// A map of [`ENSURES`](super::keys::ENSURES).
    Ensures,
    /// A status, `lost` or `any`, or a list of these, literal.
    Expect,
    /// True or false, or a list of kinds of error, literal.
    AllowFailure,
    /// Whose fault a failure is.
    Verdict,
    /// Inputs by name.
    Inputs,
    /// Inputs, and groups of them, by name.
    Groups,
    /// Hosts by name.
    Hosts,
    /// Gear by name.
    Gear,
    /// A driver of this kind of gear.
    Driver(GearKind),
    /// Lists of values by name, literal.
    Tracks,
    /// A list of [`RULE`](super::keys::RULE).
    Rules,
    /// Probes by name, each a step.
    Blame,
    /// Procedures by name.
    Procedures,
    /// Stages by name.
    Stages,
    /// The type of an input, or a list of types.
    Types,
    /// An input, or the name of a type.
    ItemType,
    /// A whole number of so much or more, literal.
    Count(u32),
    /// A number within these bounds.
    Number(f64, f64),
    /// A bound of an input: a number, a duration or a size, literal.
    Bound,
    /// An action's name, literal.
    Action,
    /// A map of any data.
    Data,
    /// Scenarios by name.
    Scenarios,
    /// Outcomes of tries by the name of their step, each one or a list.
    Outcomes,
    /// A map of [`SIGNAL`](super::keys::scenario::SIGNAL), or a list of these.
    Signals,
    /// A map of [`EXPECT`](super::keys::scenario::EXPECT).
    Expectations,
    /// A map of [`COMMANDS`](super::keys::scenario::COMMANDS).
    Commands,
    /// A duration, or a map of [`TOOK`](super::keys::scenario::TOOK).
    Took,
    /// A kind of error that a try can end with.
    TryError,
    /// Whose fault it is, or that it is nobody's.
    AnyVerdict,
}

/// Lists of steps, which differ in the actions that they hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// `do`.
    Do,
    /// `enter`.
    Enter,
    /// `exit` and `between`.
    Exit,
    /// A verb of a driver.
    Driver,
}

impl Key {
    pub(in crate::recipe::vocabulary) const fn new(
        name: &'static str,
        takes: Takes,
        doc: &'static str,
    ) -> Self {
        Self {
            name,
            takes,
            required: false,
            literal: false,
            default: None,
            doc,
        }
    }

    /// A key whose value is of a shape.
    pub(in crate::recipe::vocabulary) const fn shaped(
        name: &'static str,
        shape: Shape,
        doc: &'static str,
    ) -> Self {
        Self::new(name, Takes::Shape(shape), doc)
    }

    pub(in crate::recipe::vocabulary) const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub(in crate::recipe::vocabulary) const fn literal(mut self) -> Self {
        self.literal = true;
        self
    }

    pub(in crate::recipe::vocabulary) const fn default(mut self, written: &'static str) -> Self {
        self.default = Some(written);
        self
    }
}

/// The names of `N` keys.
pub const fn names<const N: usize>(keys: &[Key]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut n = 0;
    while n < N && n < keys.len() {
        names[n] = keys[n].name;
        n += 1;
    }
    names
}
