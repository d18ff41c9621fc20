//! Arguments of a call, checked against the procedure's parameters.

use std::path::Path;

use serde_json::Value;

use super::frames::Kept;
use crate::recipe::model::{Input, Map};

/// The parameters' values: as given, else their default, else none.
///
/// # Errors
/// A sentence about the argument that is missing or wrong.
pub(super) fn bound_arguments(
    params: &Map<Input>,
    given: Vec<(String, Kept)>,
    _run_dir: &Path,
) -> Result<Vec<(String, Kept)>, String> {
    let mut given: std::collections::HashMap<String, Kept> = given.into_iter().collect();
    let mut bound = Vec::with_capacity(params.len());
    for (name, input) in params {
        let kept = given.remove(name).filter(|kept| !kept.value.is_null());
        let kept = match (kept, &input.default) {
            (Some(kept), _) => kept,
            (None, Some(default)) => Kept {
                value: default.clone(),
                secret: false,
            },
            (None, None) if input.required => {
                return Err(format!("the argument `{name}` is missing"));
            }
            (None, None) => Kept {
                value: Value::Null,
                secret: false,
            },
        };
        let secret = kept.secret || input.secret;
        bound.push((name.clone(), Kept { secret, ..kept }));
    }
    Ok(bound)
}
