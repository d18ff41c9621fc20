//! What a journal begins with: all that a later recovery needs besides the facts.

use serde_json::{Map, Value, json};

use super::journal::Header;
use super::prepare::{Inputs, Prepared};
use super::record::utc;
use crate::image::Sha256;
use crate::recipe::secret::HIDDEN;

impl Prepared {
    /// The recipe as it was, inputs that are not secret, `let`, the seed.
    pub(super) fn header(&self) -> Header {
        let sources: Vec<Value> = self
            .recipe
            .sources
            .iter()
            .map(|(_, file)| {
                json!({
                    "name": file.name,
                    "sha256": Sha256::of(file.text.as_bytes()).to_string(),
                    "text": file.text,
                })
            })
            .collect();
        let mut imports = Map::new();
        let mut own = Map::new();
        for (home, inputs) in &self.inputs {
            match home {
                None => own = told(inputs),
                Some(home) => {
                    imports.insert(home.clone(), told(inputs).into());
                }
            }
        }
        let mut fields = Map::new();
        fields.insert("t".into(), utc(self.time).into());
        fields.insert("engine".into(), env!("CARGO_PKG_VERSION").into());
        fields.insert("recipe".into(), self.recipe.name.clone().into());
        fields.insert("stage".into(), self.stage.clone().into());
        fields.insert("run_id".into(), self.id.clone().into());
        fields.insert("pid".into(), std::process::id().into());
        fields.insert("seed".into(), self.seed.into());
        fields.extend(own);
        if !imports.is_empty() {
            fields.insert("imports".into(), imports.into());
        }
        fields.insert("let".into(), self.lets.clone());
        fields.insert("sources".into(), sources.into());
        Header { fields }
    }
}

/// The inputs of one recipe: `device` and `job`, with secrets hidden, and where these were.
fn told(inputs: &Inputs) -> Map<String, Value> {
    let hidden = |root: &str, value: &Value| {
        let mut value = value.clone();
        for path in &inputs.secrets {
            if let Some((first, rest)) = path.split_first()
                && first == root
            {
                hide(&mut value, rest);
            }
        }
        value
    };
    let mut told = Map::new();
    told.insert("device".into(), hidden("device", &inputs.device));
    told.insert("job".into(), hidden("job", &inputs.job));
    if !inputs.secrets.is_empty() {
        told.insert("secrets".into(), inputs.secrets.clone().into());
    }
    told
}

/// Puts `•••` in the place of a secret.
fn hide(value: &mut Value, path: &[String]) {
    match path.split_first() {
        None => {
            if !value.is_null() {
                *value = HIDDEN.into();
            }
        }
        Some((first, rest)) => {
            if let Some(inner) = value.get_mut(first) {
                hide(inner, rest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_at_its_place() {
        let mut value = json!({ "login": { "password": "hunter22", "user": "u" } });
        hide(&mut value, &["login".to_owned(), "password".to_owned()]);
        assert_eq!(
            value,
            json!({ "login": { "password": HIDDEN, "user": "u" } })
        );
        hide(&mut value, &["nothing".to_owned(), "there".to_owned()]);
    }
}
