//! A fact as a reader sees it: with names in the place of ids, and with its time.
//!
//! The machine's facts hold ids of one chart, which mean nothing in another run. The world resolves
//! each as it applies it; the journal, the console and every report read the result. A record can be
//! read back from a journal line, so that a finished run is shown by the code that shows a live one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::machine::{Moment, Outcome, Signal};
use crate::recipe::{ErrorKind, Verdict};

/// A fact, resolved, and when it became true.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Since the run began.
    pub at: Moment,
    /// The same as a time of day.
    pub time: SystemTime,
    /// What became true.
    pub what: What,
    /// Values that came with it and that exit steps read, by name: `vars.NAME`, `params.NAME`, `item`,
    /// `error`. A later start that has to run those steps finds them here.
    pub values: BTreeMap<String, Noted>,
}

/// A value as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Noted {
    /// The value.
    Value(Value),
    /// It is, or holds, a secret.
    Secret,
    /// It is larger than the journal keeps: so many bytes of JSON.
    Large(usize),
}

/// A step by its names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NamedStep {
    /// The path of the state that it belongs to, through calls.
    pub state: Arc<str>,
    /// Its place: `/outer/a:do.0`.
    pub place: Arc<str>,
    /// Its `name`, or the action's.
    pub name: Arc<str>,
}

/// What follows the end of a try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// The step (or this item of it) is done.
    Done,
    /// It is tried again: the next try, and when (milliseconds since the run began).
    Again {
        /// Milliseconds since the run began.
        at: u64,
        /// The next try, from 2.
        number: u32,
    },
    /// The failure is forgiven.
    Forgiven,
    /// The failed item is recorded, the next one follows.
    Recorded,
    /// The error goes on.
    Raised,
}

/// Why a try failed, as far as a reader is told: secrets are masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// One sentence.
    pub message: String,
    /// The end of what was printed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tail: String,
}

/// Fields of a journal line, in a fact's own words. Moments are milliseconds since the run began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "the fields are those of `machine::Fact`, with names in the place of ids"
)]
pub enum What {
    /// A state was entered: from here a scope owes its exit steps.
    StateEntered {
        state: Arc<str>,
        scope: bool,
        visit: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        item: Option<u32>,
        attempt: u32,
        of: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u64>,
    },
    /// Its `when` was false.
    StatePassed { state: Arc<str>, visit: u32 },
    /// A choice or an end was reached; an end may say something.
    StateReached {
        state: Arc<str>,
        visit: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        end: Option<Arc<str>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// A failure's exit status is one that it may not have: 1 is given.
    StatusReplaced { state: Arc<str>, asked: i64 },
    /// A transition was taken, to a state's path or to `done`.
    Moved { state: Arc<str>, to: Arc<str> },
    /// A leaf was left.
    LeafLeft {
        state: Arc<str>,
        #[serde(with = "outcome")]
        outcome: Outcome,
    },
    /// A scope begins to leave.
    ScopeLeaving {
        state: Arc<str>,
        #[serde(with = "outcome")]
        outcome: Outcome,
    },
    /// A scope has left.
    ScopeLeft {
        state: Arc<str>,
        #[serde(with = "outcome")]
        outcome: Outcome,
    },
    /// A `for_each` goes on to this item.
    ItemBegun {
        of: Arc<str>,
        index: u32,
        count: u32,
    },
    /// An item failed, and the next one is begun.
    ItemFailed {
        of: Arc<str>,
        index: u32,
        kind: ErrorKind,
    },
    /// A `for_each` is over.
    ItemsEnded { of: Arc<str> },
    /// A step's `when` was false.
    StepSkipped { step: NamedStep },
    /// A try begins.
    TryStarted {
        id: u32,
        step: NamedStep,
        action: Arc<str>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<Arc<str>>,
        number: u32,
        of: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bound: Option<Arc<str>>,
    },
    /// A running try is asked to stop.
    TryStopping {
        id: u32,
        step: NamedStep,
        why: Arc<str>,
    },
    /// A try has ended.
    TryEnded {
        id: u32,
        step: NamedStep,
        #[serde(with = "outcome")]
        outcome: Outcome,
        then: Then,
        took: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
    },
    /// A try failed before it began: nothing was done.
    TryRefused {
        step: NamedStep,
        number: u32,
        of: u32,
        kind: ErrorKind,
        then: Then,
        message: String,
    },
    /// A further try that was announced does not begin.
    RetryDropped {
        step: NamedStep,
        kind: ErrorKind,
        then: Then,
    },
    /// An error is in flight.
    Raised {
        kind: ErrorKind,
        state: Arc<str>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<NamedStep>,
        recovery: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bound: Option<Arc<str>>,
        message: String,
    },
    /// An exit step failed beside an outcome that stays.
    ExitStepFailed {
        step: NamedStep,
        kind: ErrorKind,
        message: String,
    },
    /// A state's `catch` took the error in flight.
    Caught { state: Arc<str>, kind: ErrorKind },
    /// A leaf or scope will be tried again.
    Retrying {
        state: Arc<str>,
        kind: ErrorKind,
        attempt: u32,
        of: u32,
        again: u64,
    },
    /// A call's procedure was entered.
    CallEntered {
        step: NamedStep,
        procedure: Arc<str>,
        number: u32,
        of: u32,
    },
    /// A call ended.
    CallLeft {
        step: NamedStep,
        #[serde(with = "outcome")]
        outcome: Outcome,
        then: Then,
    },
    /// A tracked value changed.
    Tracked { name: Arc<str>, value: Arc<str> },
    /// A signal came.
    Cancelled { signal: Signal, number: u8 },
    /// The run is over.
    StageEnded {
        end: Arc<str>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<Arc<str>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<Arc<str>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<ErrorKind>,
    },
    /// The run has failed, and these probes look for what explains it. `limit`: milliseconds.
    Probing { probes: Vec<Arc<str>>, limit: u64 },
    /// A probe has ended; `holds` is none where it could not be made.
    Probed {
        probe: Arc<str>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        holds: Option<bool>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verdict: Option<Verdict>,
        message: String,
        took: u64,
    },
    /// A probe decided whose fault the failure is. `exit_status`: that in the place of 46.
    Blamed {
        probe: Arc<str>,
        verdict: Verdict,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exit_status: Option<u8>,
    },
}

/// An [`Outcome`] as one word.
pub fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::Failed(kind) => kind.word(),
        Outcome::Failure => "failure",
        Outcome::Unrecoverable => "unrecoverable",
    }
}

mod outcome {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Outcome, outcome_word};

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde's `with` calls it so"
    )]
    pub(super) fn serialize<S: Serializer>(outcome: &Outcome, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(outcome_word(*outcome))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Outcome, D::Error> {
        let word = String::deserialize(from)?;
        match word.as_str() {
            "ok" => Ok(Outcome::Ok),
            "failure" => Ok(Outcome::Failure),
            "unrecoverable" => Ok(Outcome::Unrecoverable),
            kind => kind
                .parse()
                .map(Outcome::Failed)
                .map_err(|()| D::Error::custom(format!("`{kind}` is no outcome"))),
        }
    }
}

/// Milliseconds of a duration, at most 2⁶⁴ − 1.
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A time of day as RFC 3339 in UTC, with milliseconds.
pub fn utc(time: SystemTime) -> String {
    // humantime can't write years past 9999, and panics there when printed.
    let last = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    humantime::format_rfc3339_millis(time.clamp(SystemTime::UNIX_EPOCH, last)).to_string()
}

impl Record {
    /// The object of a journal line: `t` (RFC 3339), `at` (milliseconds since the run began), `fact`,
    /// the fact's fields, and `values` where there are any.
    pub fn to_json(&self) -> Value {
        let mut line = Map::new();
        line.insert("t".into(), Value::from(utc(self.time)));
        line.insert("at".into(), Value::from(millis(self.at.0)));
        if let Ok(Value::Object(fields)) = serde_json::to_value(&self.what) {
            line.extend(fields);
        }
        if !self.values.is_empty()
            && let Ok(values) = serde_json::to_value(&self.values)
        {
            line.insert("values".into(), values);
        }
        Value::Object(line)
    }

    /// Reads such an object back.
    ///
    /// # Errors
    /// A sentence that says what is missing or wrong.
    pub fn from_json(line: Value) -> Result<Self, String> {
        let Value::Object(mut fields) = line else {
            return Err("a journal line is not an object".to_owned());
        };
        let time = fields
            .remove("t")
            .and_then(|t| humantime::parse_rfc3339(t.as_str()?).ok())
            .ok_or("a journal line has no time `t`")?;
        let at = fields
            .remove("at")
            .and_then(|at| at.as_u64())
            .ok_or("a journal line has no moment `at`")?;
        let values = match fields.remove("values") {
            Some(values) => serde_json::from_value(values).map_err(|error| error.to_string())?,
            None => BTreeMap::new(),
        };
        let what =
            serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())?;
        Ok(Self {
            at: Moment(Duration::from_millis(at)),
            time,
            what,
            values,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_flat_object_and_is_read_back() {
        let record = Record {
            at: Moment(Duration::from_millis(1500)),
            time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_528_800_123),
            what: What::ScopeLeft {
                state: "/storage".into(),
                outcome: Outcome::Failed(ErrorKind::Timeout),
            },
            values: BTreeMap::from([
                ("vars.a".to_owned(), Noted::Value(Value::from(7))),
                ("vars.b".to_owned(), Noted::Secret),
                ("vars.c".to_owned(), Noted::Large(70_000)),
            ]),
        };
        let json = record.to_json();
        assert_eq!(
            json.to_string(),
            r#"{"t":"2026-11-24T14:00:00.123Z","at":1500,"fact":"scope_left","state":"/storage","outcome":"timeout","values":{"vars.a":{"value":7},"vars.b":"secret","vars.c":{"large":70000}}}"#
        );
        assert_eq!(Record::from_json(json), Ok(record));
    }

    #[test]
    fn a_damaged_line_is_an_error_and_no_panic() {
        for line in [
            "7",
            "{}",
            r#"{"t":"x","at":1}"#,
            r#"{"t":"2026-11-24T14:00:00Z","at":-1}"#,
            r#"{"t":"2026-11-24T14:00:00Z","at":1,"fact":"unheard_of"}"#,
        ] {
            let json = serde_json::from_str(line).expect("JSON");
            assert!(Record::from_json(json).is_err(), "{line}");
        }
    }

    #[test]
    fn times_out_of_range_are_cut() {
        assert_eq!(
            utc(SystemTime::UNIX_EPOCH - Duration::from_secs(1)),
            "1970-01-01T00:00:00.000Z"
        );
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40);
        assert_eq!(utc(far), "9999-12-31T23:59:59.000Z");
    }
}
