//! A step's parameters, rendered: what each is, whether it is secret, and what is wrong with it.
//!
//! The loader has checked what is literal. What a template gave is checked here, key by key, so that
//! a message says which key, what it was, and what it must be.

use std::time::Duration;

use indexmap::IndexMap;

use super::StepError;
use crate::image::Sha256;
use crate::recipe::model::{Map, Tree, TreeKind};
use crate::recipe::secret::HIDDEN;
use crate::recipe::template::Context;
use crate::recipe::{ErrorKind, Value, duration, size};

/// A text that may be secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Text {
    /// The text itself.
    pub value: String,
    /// Whether something secret went into it.
    pub secret: bool,
}

impl Text {
    /// A text that is no secret.
    pub fn plain(value: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            secret: false,
        }
    }

    /// What may be shown of it.
    pub fn shown(&self) -> &str {
        if self.secret { HIDDEN } else { &self.value }
    }
}

/// One rendered value, with its place among the parameters.
#[derive(Clone, Debug)]
pub struct Field {
    /// Where it stands: `headers.Accept`, `argv[2]`.
    path: String,
    node: Node,
    secret: bool,
}

#[derive(Clone, Debug)]
enum Node {
    Scalar(Value),
    List(Vec<Field>),
    Map(Map<Field>),
}

impl Field {
    /// Renders a tree. `path` is the key that messages name.
    ///
    /// # Errors
    /// `input`: a template has no value.
    pub fn render(path: &str, tree: &Tree, cx: &Context) -> Result<Self, StepError> {
        let failed = |error: crate::recipe::template::RenderError| {
            StepError::new(ErrorKind::Input, format!("`{path}`: {}", error.message))
        };
        Ok(match &tree.kind {
            TreeKind::Literal(value) => Self::from_value(path, value.clone(), false),
            TreeKind::Template(template) => {
                let rendered = template.render(cx).map_err(failed)?;
                Self::from_value(path, rendered.value, rendered.secret)
            }
            TreeKind::Expr(expr) => {
                let rendered = expr.evaluate(cx).map_err(failed)?;
                Self::from_value(path, rendered.value, rendered.secret)
            }
            TreeKind::Deferred(_) => Self::from_value(path, Value::Null, false),
            TreeKind::List(items) => {
                let items: Vec<Self> = items
                    .iter()
                    .enumerate()
                    .map(|(at, item)| Self::render(&format!("{path}[{at}]"), item, cx))
                    .collect::<Result<_, _>>()?;
                Self {
                    path: path.to_owned(),
                    secret: items.iter().any(|item| item.secret),
                    node: Node::List(items),
                }
            }
            TreeKind::Map(members) => {
                let mut fields = IndexMap::with_capacity(members.len());
                for (key, member) in members {
                    let inner = format!("{path}.{key}");
                    fields.insert(key.clone(), Self::render(&inner, member, cx)?);
                }
                Self {
                    path: path.to_owned(),
                    secret: fields.values().any(|field| field.secret),
                    node: Node::Map(fields),
                }
            }
        })
    }

    /// A value as a field; all of it is secret where `secret` is set.
    pub fn from_value(path: &str, value: Value, secret: bool) -> Self {
        let node = match value {
            Value::Array(items) => Node::List(
                items
                    .into_iter()
                    .enumerate()
                    .map(|(at, item)| Self::from_value(&format!("{path}[{at}]"), item, secret))
                    .collect(),
            ),
            Value::Object(members) => Node::Map(
                members
                    .into_iter()
                    .map(|(key, member)| {
                        let inner = format!("{path}.{key}");
                        (key, Self::from_value(&inner, member, secret))
                    })
                    .collect(),
            ),
            scalar => Node::Scalar(scalar),
        };
        Self {
            path: path.to_owned(),
            node,
            secret,
        }
    }

    /// Whether something secret is in it.
    pub fn is_secret(&self) -> bool {
        self.secret
    }

    /// Whether it is none.
    pub fn is_none(&self) -> bool {
        matches!(self.node, Node::Scalar(Value::Null))
    }

    /// Whether it is a list.
    pub fn is_list(&self) -> bool {
        matches!(self.node, Node::List(_))
    }

    /// Whether it is a map.
    pub fn is_map(&self) -> bool {
        matches!(self.node, Node::Map(_))
    }

    /// Where it stands.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The value as it is.
    pub fn value(&self) -> Value {
        match &self.node {
            Node::Scalar(value) => value.clone(),
            Node::List(items) => items.iter().map(Self::value).collect(),
            Node::Map(members) => Value::Object(
                members
                    .iter()
                    .map(|(key, member)| (key.clone(), member.value()))
                    .collect(),
            ),
        }
    }

    /// The value as it may be shown: secret scalars are [`HIDDEN`].
    pub fn shown(&self) -> Value {
        match &self.node {
            Node::Scalar(Value::Null) => Value::Null,
            Node::Scalar(_) if self.secret => Value::String(HIDDEN.to_owned()),
            Node::Scalar(value) => value.clone(),
            Node::List(items) => items.iter().map(Self::shown).collect(),
            Node::Map(members) => Value::Object(
                members
                    .iter()
                    .map(|(key, member)| (key.clone(), member.shown()))
                    .collect(),
            ),
        }
    }

    /// A text; a number or boolean as it is written.
    ///
    /// # Errors
    /// `input`: it is none, a list or a map.
    pub fn text(&self) -> Result<Text, StepError> {
        let value = match &self.node {
            Node::Scalar(Value::String(text)) => text.clone(),
            Node::Scalar(Value::Number(number)) => number.to_string(),
            Node::Scalar(Value::Bool(truth)) => truth.to_string(),
            _ => return Err(self.wrong("a text")),
        };
        Ok(Text {
            value,
            secret: self.secret,
        })
    }

    /// A path: a text that is not empty and holds no NUL.
    ///
    /// # Errors
    /// `input`: it is none.
    pub fn path_text(&self) -> Result<String, StepError> {
        let text = self.text().map_err(|_| self.wrong("a path"))?;
        if text.value.is_empty() || text.value.contains('\0') {
            return Err(self.wrong("a path, which is not empty and holds no NUL byte"));
        }
        Ok(text.value)
    }

    /// True or false, or one of these words.
    ///
    /// # Errors
    /// `input`: it is something else.
    pub fn boolean(&self) -> Result<bool, StepError> {
        match &self.node {
            Node::Scalar(Value::Bool(truth)) => Ok(*truth),
            Node::Scalar(Value::String(text)) if text == "true" => Ok(true),
            Node::Scalar(Value::String(text)) if text == "false" => Ok(false),
            _ => Err(self.wrong("true or false")),
        }
    }

    /// A whole number within these bounds, or its digits.
    ///
    /// # Errors
    /// `input`: it is something else, or out of bounds.
    pub fn integer(&self, least: i64, most: i64) -> Result<i64, StepError> {
        let number = match &self.node {
            Node::Scalar(Value::Number(number)) => number.as_i64(),
            Node::Scalar(Value::String(text)) => text.parse().ok(),
            _ => None,
        };
        number
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| self.wrong(&format!("a whole number from {least} to {most}")))
    }

    /// A TCP port.
    ///
    /// # Errors
    /// `input`: it is none.
    pub fn port(&self) -> Result<u16, StepError> {
        let number = self.integer(1, i64::from(u16::MAX))?;
        u16::try_from(number).map_err(|_| self.wrong("a port"))
    }

    /// A duration.
    ///
    /// # Errors
    /// `input`: it is none.
    pub fn duration(&self) -> Result<Duration, StepError> {
        let read = match &self.node {
            Node::Scalar(value) => duration::of_value(value),
            Node::List(_) | Node::Map(_) => None,
        };
        read.ok_or_else(|| {
            self.wrong("a duration, such as 90s or 1m30s, in whole milliseconds and at most 366d")
        })
    }

    /// A number of bytes.
    ///
    /// # Errors
    /// `input`: it is none.
    pub fn size(&self) -> Result<u64, StepError> {
        let read = match &self.node {
            Node::Scalar(value) => size::of_value(value),
            Node::List(_) | Node::Map(_) => None,
        };
        read.ok_or_else(|| self.wrong("a size, such as 1.5GiB"))
    }

    /// A SHA-256 digest.
    ///
    /// # Errors
    /// `input`: it is none.
    pub fn sha256(&self) -> Result<Sha256, StepError> {
        let text = self.text()?.value;
        text.parse()
            .map_err(|_| self.wrong("a SHA-256 digest: 64 hexadecimal digits"))
    }

    /// The items of a list.
    ///
    /// # Errors
    /// `input`: it is no list.
    pub fn list(&self) -> Result<&[Self], StepError> {
        match &self.node {
            Node::List(items) => Ok(items),
            _ => Err(self.wrong("a list")),
        }
    }

    /// The members of a map.
    ///
    /// # Errors
    /// `input`: it is no map.
    pub fn map(&self) -> Result<&Map<Self>, StepError> {
        match &self.node {
            Node::Map(members) => Ok(members),
            _ => Err(self.wrong("a map")),
        }
    }

    /// One of a set of words. `on` and `off` may be given as booleans, as older YAML reads them.
    ///
    /// # Errors
    /// `input`: it is another.
    pub fn word<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, StepError> {
        let given = match &self.node {
            Node::Scalar(Value::String(text)) => text.as_str(),
            Node::Scalar(Value::Bool(true)) => "on",
            Node::Scalar(Value::Bool(false)) => "off",
            _ => "",
        };
        words
            .iter()
            .find(|(word, _)| *word == given)
            .map(|(_, meaning)| *meaning)
            .ok_or_else(|| {
                let all = crate::diagnostic::list(words.iter().map(|(word, _)| *word), "or");
                self.wrong(&all)
            })
    }

    /// The error that says what it must be, and what it is.
    pub fn wrong(&self, must_be: &str) -> StepError {
        StepError::new(
            ErrorKind::Input,
            format!("`{}` must be {must_be}, but is {}", self.path, self.what()),
        )
    }

    /// What it is, in a few words.
    fn what(&self) -> String {
        match &self.node {
            Node::Scalar(Value::Null) => "none".to_owned(),
            Node::List(items) => {
                format!(
                    "a list of {}",
                    crate::diagnostic::plural(items.len(), "item")
                )
            }
            Node::Map(_) => "a map".to_owned(),
            Node::Scalar(_) if self.secret => "a secret".to_owned(),
            Node::Scalar(Value::String(text)) if text.chars().count() > 60 => {
                let start: String = text.chars().take(60).collect();
                format!("the text `{start}…`")
            }
            Node::Scalar(Value::String(text)) => format!("the text `{text}`"),
            Node::Scalar(value) => format!("`{value}`"),
        }
    }
}

/// The parameters of one step.
#[derive(Clone, Debug)]
pub struct Fields {
    fields: Map<Field>,
}

impl Fields {
    /// Renders them all. Expressions that the action evaluates itself are left out.
    ///
    /// # Errors
    /// `input`: a template has no value.
    pub fn render(params: &Map<Tree>, cx: &Context) -> Result<Self, StepError> {
        let mut fields = IndexMap::with_capacity(params.len());
        for (key, tree) in params {
            if !matches!(tree.kind, TreeKind::Deferred(_)) {
                fields.insert(key.clone(), Field::render(key, tree, cx)?);
            }
        }
        Ok(Self { fields })
    }

    /// The members of a field that is a map, as parameters of their own.
    ///
    /// # Errors
    /// `input`: it is no map.
    pub fn of(field: &Field) -> Result<Self, StepError> {
        Ok(Self {
            fields: field.map()?.clone(),
        })
    }

    /// One parameter of this name.
    pub fn single(key: &str, field: &Field) -> Self {
        let mut fields = IndexMap::new();
        fields.insert(key.to_owned(), field.clone());
        Self { fields }
    }

    /// A value, unless it is absent or none.
    pub fn get(&self, key: &str) -> Option<&Field> {
        self.fields.get(key).filter(|field| !field.is_none())
    }

    /// A value that must be there.
    ///
    /// # Errors
    /// `input`: it is absent or none.
    pub fn need(&self, key: &str) -> Result<&Field, StepError> {
        self.get(key).ok_or_else(|| {
            let how = match self.fields.get(key) {
                Some(_) => "is none",
                None => "is missing",
            };
            StepError::new(ErrorKind::Input, format!("`{key}` is required, but {how}"))
        })
    }

    /// A boolean, or its default.
    ///
    /// # Errors
    /// `input`: it is something else.
    pub fn boolean(&self, key: &str, default: bool) -> Result<bool, StepError> {
        self.get(key).map_or(Ok(default), Field::boolean)
    }

    /// A duration, or its default.
    ///
    /// # Errors
    /// `input`: it is something else.
    pub fn duration(&self, key: &str, default: Duration) -> Result<Duration, StepError> {
        self.get(key).map_or(Ok(default), Field::duration)
    }

    /// A duration, `none` for no bound, or what counts where it is not given.
    ///
    /// # Errors
    /// `input`: it is something else.
    pub fn duration_or_none(
        &self,
        key: &str,
        default: Option<Duration>,
    ) -> Result<Option<Duration>, StepError> {
        match self.get(key) {
            None => Ok(default),
            Some(field) if field.value() == "none" => Ok(None),
            Some(field) => field.duration().map(Some),
        }
    }

    /// A text, if there is one.
    ///
    /// # Errors
    /// `input`: it is a list or a map.
    pub fn text(&self, key: &str) -> Result<Option<Text>, StepError> {
        self.get(key).map(Field::text).transpose()
    }

    /// All, in the order of the recipe, those that are none included.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Field)> {
        self.fields.iter().map(|(key, field)| (key.as_str(), field))
    }
}
