//! The kinds of error, whose fault they are, and the kinds of gear.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal;)+) => {
        /// What kind of error ended a try.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[repr(u8)]
        pub enum ErrorKind { $($(#[doc = $doc])+ $name,)+ }

        impl ErrorKind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The word that recipes use.
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// What it means, in a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc,)+).trim_ascii(),)+ }
            }
        }
    };
}

kinds! {
    /// A bound was hit, or there was no progress within `stall`.
    Timeout = "timeout";
    /// No connection, name or route, or the program could not be started; nothing was started there.
    Unreachable = "unreachable";
    /// Link or process went away after the start; nobody knows what happened.
    Lost = "lost";
    /// Connected, and refused.
    Auth = "auth";
    /// An exit status that `expect` does not name.
    Exit = "exit";
    /// An HTTP status that `expect` does not name.
    Http = "http";
    /// A check, expectation, verification, parse or `needs` failed.
    Mismatch = "mismatch";
    /// A value is missing or wrong; a gear is absent.
    Input = "input";
    /// A file, disk, port or serial line failed.
    Io = "io";
    /// `max_visits` was passed.
    Loop = "loop";
    /// Raised by `fail`, or a call that ended in failure.
    Failed = "failed";
    /// A signal; never named in a recipe.
    Cancelled = "cancelled";
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for ErrorKind {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.word() == word)
            .ok_or(())
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct KindSet(u16);

impl KindSet {
    /// No kind.
    pub const NONE: Self = Self(0);
    /// Every kind.
    pub const ALL: Self = Self((1 << ErrorKind::ALL.len()) - 1);

    /// These kinds.
    pub const fn of(kinds: &[ErrorKind]) -> Self {
        let mut bits = 0;
        let mut n = 0;
        while n < kinds.len() {
            bits |= 1 << kinds[n] as u16;
            n += 1;
        }
        Self(bits)
    }

    /// Whether `kind` is among them.
    pub const fn contains(self, kind: ErrorKind) -> bool {
        self.0 & (1 << kind as u16) != 0
    }

    /// These and one more.
    #[must_use]
    pub const fn with(self, kind: ErrorKind) -> Self {
        Self(self.0 | (1 << kind as u16))
    }

    /// These without one.
    #[must_use]
    pub const fn without(self, kind: ErrorKind) -> Self {
        Self(self.0 & !(1 << kind as u16))
    }

    /// These and those.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are in both.
    #[must_use]
    pub const fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// These without those.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// How many there are.
    pub const fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The kinds, in the order of [`ErrorKind::ALL`].
    pub fn iter(self) -> impl Iterator<Item = ErrorKind> {
        ErrorKind::ALL
            .iter()
            .copied()
            .filter(move |kind| self.contains(*kind))
    }
}

impl FromIterator<ErrorKind> for KindSet {
    fn from_iter<I: IntoIterator<Item = ErrorKind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::NONE, Self::with)
    }
}

/// Whose fault a failure was, as a recipe may say with `verdict`, and as `outcome.json` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The stage succeeded.
    Ok,
    /// The lab's own gear failed.
    Infra,
    /// The board failed.
    Device,
    /// The image failed.
    Image,
    /// What the user asked for is wrong.
    Job,
    /// The test failed.
    Test,
    /// A signal ended the run.
    Cancelled,
}

impl Verdict {
    /// Those that a recipe may name.
    pub const IN_RECIPES: &'static [(&'static str, Self)] = &[
        ("infra", Self::Infra),
        ("device", Self::Device),
        ("image", Self::Image),
        ("job", Self::Job),
        ("test", Self::Test),
    ];
}

/// What a piece of gear is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GearKind {
    /// A power switch: `on`, `off`.
    Power,
    /// A mux: `host`, `dut`.
    Mux,
    /// A serial line.
    Serial,
}

impl GearKind {
    /// The word that recipes use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Mux => "mux",
            Self::Serial => "serial",
        }
    }

    /// The values that it can have, as a tracked value.
    pub fn values(self) -> &'static [&'static str] {
        match self {
            Self::Power => &["on", "off"],
            Self::Mux => &["host", "dut"],
            Self::Serial => &[],
        }
    }
}
