//! Rendering values of any shape, and values of a type.

use std::time::Duration;

use super::super::model::{Templated, Tree, TreeKind};
use super::super::{Value, duration};
use super::{Context, RenderError, Rendered, Template};

impl Tree {
    /// Its value, all templates in it rendered. Members that the action evaluates itself are left
    /// out. Secret if any part of it is.
    ///
    /// # Errors
    /// That of the first part that has no value.
    pub fn render(&self, context: &Context) -> Result<Rendered, RenderError> {
        Ok(self.render_part(context)?.unwrap_or(Rendered {
            value: Value::Null,
            secret: false,
        }))
    }

    fn render_part(&self, context: &Context) -> Result<Option<Rendered>, RenderError> {
        let mut secret = false;
        let mut keep = |part: Rendered| {
            secret |= part.secret;
            part.value
        };
        let value = match &self.kind {
            TreeKind::Literal(value) => value.clone(),
            TreeKind::Template(template) => keep(template.render(context)?),
            TreeKind::Expr(expr) => keep(expr.evaluate(context)?),
            TreeKind::Deferred(_) => return Ok(None),
            TreeKind::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    list.extend(item.render_part(context)?.map(&mut keep));
                }
                Value::Array(list)
            }
            TreeKind::Map(members) => {
                let mut map = serde_json::Map::new();
                for (name, member) in members {
                    if let Some(part) = member.render_part(context)? {
                        map.insert(name.clone(), keep(part));
                    }
                }
                Value::Object(map)
            }
        };
        Ok(Some(Rendered { value, secret }))
    }
}

/// A type that a templated value can be of.
pub trait Typed: Clone {
    /// The value, or what it should have been.
    ///
    /// # Errors
    /// A message for a person: what was expected.
    fn typed(value: &Value) -> Result<Self, String>;
}

impl<T: Typed> Templated<T> {
    /// Its value. The ranges of the key it stands under are not checked here.
    ///
    /// # Errors
    /// The template has no value, or one of another type.
    pub fn get(&self, context: &Context) -> Result<T, RenderError> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Template(template) => typed(template, context),
        }
    }
}

fn typed<T: Typed>(template: &Template, context: &Context) -> Result<T, RenderError> {
    let rendered = template.render(context)?;
    T::typed(&rendered.value).map_err(|expected| RenderError {
        message: if rendered.secret {
            format!("`{}` is not {expected}", template.text)
        } else {
            let value = shortened(&rendered.value);
            format!("`{}` gave {value}, which is not {expected}", template.text)
        },
        span: template.span,
    })
}

fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}

impl Typed for Duration {
    fn typed(value: &Value) -> Result<Self, String> {
        let expected =
            || "a duration (seconds, or a text such as `1h30m`; at most 366d)".to_owned();
        if let Some(text) = value.as_str() {
            return duration::parse(text, 1).map_err(|_| expected());
        }
        value
            .as_f64()
            .and_then(|seconds| duration::from_number(seconds, 1).ok())
            .ok_or_else(expected)
    }
}

impl Typed for u64 {
    fn typed(value: &Value) -> Result<Self, String> {
        let digits = value.as_str().and_then(|text| text.parse().ok());
        value
            .as_u64()
            .or(digits)
            .ok_or_else(|| "an integer from 0".to_owned())
    }
}

impl Typed for u32 {
    fn typed(value: &Value) -> Result<Self, String> {
        u64::typed(value)
            .ok()
            .and_then(|wide| Self::try_from(wide).ok())
            .ok_or_else(|| format!("an integer from 0 to {}", Self::MAX))
    }
}

impl Typed for f64 {
    fn typed(value: &Value) -> Result<Self, String> {
        let digits = value.as_str().and_then(|text| text.parse().ok());
        value
            .as_f64()
            .or(digits)
            .filter(|number: &Self| number.is_finite())
            .ok_or_else(|| "a number".to_owned())
    }
}

impl Typed for bool {
    fn typed(value: &Value) -> Result<Self, String> {
        match value {
            Value::Bool(flag) => Ok(*flag),
            Value::String(text) if text == "true" => Ok(true),
            Value::String(text) if text == "false" => Ok(false),
            _ => Err("true or false".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::super::{Context, Expr, Style, Template};
    use super::Typed;
    use crate::diagnostic::Span;
    use crate::recipe::model::{Templated, Tree, TreeKind};

    fn tree(kind: TreeKind) -> Tree {
        Tree {
            span: Span::default(),
            kind,
        }
    }

    fn template(text: &str) -> Template {
        Template {
            text: text.into(),
            span: Span::default(),
            style: Style::Value,
        }
    }

    fn context() -> Context {
        let mut context = Context::new();
        context.set(
            "vars",
            json!({"n": 3, "wait": "1h30m", "password": "hunter22"}),
        );
        context.mark_secret(["vars", "password"]);
        context
    }

    #[test]
    fn a_tree_is_rendered_without_what_the_action_evaluates_itself() {
        let expr = || Expr {
            text: "vars.n + 1".into(),
            span: Span::default(),
        };
        let whole = tree(TreeKind::Map(
            [
                ("a".to_owned(), TreeKind::Literal(json!(1))),
                ("b".to_owned(), TreeKind::Template(template("{{ vars.n }}"))),
                ("c".to_owned(), TreeKind::Expr(expr())),
                ("until".to_owned(), TreeKind::Deferred(expr())),
                (
                    "d".to_owned(),
                    TreeKind::List(vec![
                        tree(TreeKind::Deferred(expr())),
                        tree(TreeKind::Template(template("x{{ vars.password }}"))),
                    ]),
                ),
            ]
            .into_iter()
            .map(|(name, kind)| (name, tree(kind)))
            .collect(),
        ));
        let rendered = whole.render(&context());
        assert!(rendered.is_ok_and(|it| {
            it.secret && it.value == json!({"a": 1, "b": 3, "c": 4, "d": ["xhunter22"]})
        }));
    }

    #[test]
    fn a_templated_value_is_checked_for_its_type() {
        #[track_caller]
        fn case<T: Typed + PartialEq + std::fmt::Debug>(text: &str, expected: Result<T, &str>) {
            let value = Templated::<T>::Template(template(text)).get(&context());
            assert_eq!(
                value.map_err(|error| error.message),
                expected.map_err(str::to_owned),
                "{text}"
            );
        }
        case("{{ vars.wait }}", Ok(Duration::from_secs(5400)));
        case("{{ vars.n / 2 }}", Ok(Duration::from_millis(1500)));
        case("{{ vars.n }}", Ok(3_u32));
        case("{{ vars.n }}", Ok(3_u64));
        case("1{{ vars.n }}", Ok(13_u32));
        case("{{ vars.n / 2 }}", Ok(1.5_f64));
        case("{{ vars.n == 3 }}", Ok(true));
        case::<bool>(
            "{{ vars.n }}",
            Err("`{{ vars.n }}` gave `3`, which is not true or false"),
        );
        case::<u32>(
            "{{ -vars.n }}",
            Err("`{{ -vars.n }}` gave `-3`, which is not an integer from 0 to 4294967295"),
        );
        case::<u64>(
            "{{ vars.password }}",
            Err("`{{ vars.password }}` is not an integer from 0"),
        );
        case::<f64>("{{ vars.x }}", Err("`vars.x` is undefined"));
        assert!(Duration::typed(&json!(-1)).is_err());
        assert!(Duration::typed(&json!(f64::MAX)).is_err());
        assert!(Duration::typed(&json!("soon")).is_err());
    }
}
