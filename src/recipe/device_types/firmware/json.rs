//! JSON that programs print among other things.

use serde_json::{Deserializer, Value};

/// The first object in `text`: what `whose` prints before it (warnings, a logo) and after it is
/// passed over.
pub(super) fn object_in(text: &str, whose: &str) -> Result<Value, String> {
    let from = text.find('{').and_then(|at| text.get(at..));
    let first = from.and_then(|from| Deserializer::from_str(from).into_iter::<Value>().next());
    match first {
        Some(Ok(object)) => Ok(object),
        Some(Err(error)) => Err(format!(
            "{whose} is not the JSON that it should be: {error}"
        )),
        None => Err(format!(
            "{whose} is not the JSON that it should be: no object in it"
        )),
    }
}

/// A member that is a text and not empty.
pub(super) fn text<'v>(object: &'v Value, name: &str) -> Option<&'v str> {
    object.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// A member that is a list; empty where there is none.
pub(super) fn list<'v>(object: &'v Value, name: &str) -> &'v [Value] {
    object
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::object_in;

    #[test]
    fn what_stands_around_the_object_is_passed_over() {
        let printed = "WARNING: no TPM\n{\"a\": [1]}\n{\"b\": 2}";
        assert_eq!(object_in(printed, "it"), Ok(json!({"a": [1]})));
        assert!(
            object_in("", "the answer")
                .unwrap_err()
                .starts_with("the answer is not")
        );
        assert!(object_in("{\"a\":", "it").is_err());
        let deep = "{\"a\":".repeat(100_000);
        assert!(object_in(&deep, "it").is_err());
    }
}
