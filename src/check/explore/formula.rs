//! Conditions over variables.

use super::variables::{VarId, same};
use crate::recipe::Value;
use crate::recipe::template::Logic;

/// A condition over variables.
#[derive(Clone, Debug)]
pub(super) enum Formula {
    Constant(bool),
    /// A variable is one of these values.
    Is(VarId, u64),
    Not(Box<Formula>),
    And(Box<[Formula; 2]>),
    Or(Box<[Formula; 2]>),
    Choice(Box<[Formula; 3]>),
}

impl Formula {
    /// Whether it holds; or the variable that must be known first.
    pub(super) fn holds(&self, values: &[u8]) -> Result<bool, VarId> {
        match self {
            Self::Constant(holds) => Ok(*holds),
            Self::Is(var, mask) => match values.get(usize::from(*var)).copied() {
                Some(value @ 1..) => Ok(mask >> (value - 1) & 1 == 1),
                _ => Err(*var),
            },
            Self::Not(inner) => inner.holds(values).map(|holds| !holds),
            Self::And(both) => Ok(both[0].holds(values)? && both[1].holds(values)?),
            Self::Or(either) => Ok(either[0].holds(values)? || either[1].holds(values)?),
            Self::Choice(parts) => {
                let at = if parts[0].holds(values)? { 1 } else { 2 };
                parts[at].holds(values)
            }
        }
    }

    /// Visits the variables in it.
    pub(super) fn variables(&self, visit: &mut impl FnMut(VarId)) {
        match self {
            Self::Constant(_) => {}
            Self::Is(var, _) => visit(*var),
            Self::Not(inner) => inner.variables(visit),
            Self::And(parts) | Self::Or(parts) => {
                parts.iter().for_each(|part| part.variables(visit));
            }
            Self::Choice(parts) => parts.iter().for_each(|part| part.variables(visit)),
        }
    }
}

/// `logic == value`, as far as `logic` tells what it gives.
pub(super) fn equal_to(logic: Logic, value: &Value) -> Logic {
    let truth_is = |logic: Logic| match value {
        Value::Bool(true) => logic,
        Value::Bool(false) => Logic::Not(Box::new(logic)),
        _ => Logic::Constant(Value::Bool(false)),
    };
    match logic {
        Logic::Constant(known) => Logic::Constant(Value::Bool(same(&known, value))),
        Logic::Path(_) | Logic::Other { .. } => Logic::Equal(Box::new(logic), value.clone()),
        Logic::Not(_) | Logic::Equal(..) => truth_is(logic),
        Logic::And(a, b) => Logic::Choice(Box::new([
            (*a).clone(),
            equal_to(*b, value),
            equal_to(*a, value),
        ])),
        Logic::Or(a, b) => Logic::Choice(Box::new([
            (*a).clone(),
            equal_to(*a, value),
            equal_to(*b, value),
        ])),
        Logic::Choice(parts) => {
            let [test, a, b] = *parts;
            Logic::Choice(Box::new([test, equal_to(a, value), equal_to(b, value)]))
        }
    }
}

/// The names that an expression reads.
pub(super) fn paths(logic: &Logic, into: &mut Vec<Vec<String>>) {
    match logic {
        Logic::Constant(_) => {}
        Logic::Path(path) => into.push(path.clone()),
        Logic::Other { reads, .. } => into.extend(reads.iter().cloned()),
        Logic::Not(of) | Logic::Equal(of, _) => paths(of, into),
        Logic::And(a, b) | Logic::Or(a, b) => {
            paths(a, into);
            paths(b, into);
        }
        Logic::Choice(parts) => parts.iter().for_each(|part| paths(part, into)),
    }
}
