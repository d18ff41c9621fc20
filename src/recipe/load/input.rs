//! Declarations of inputs and parameters.

use super::cx::Cx;
use super::value::has_template;
use crate::diagnostic::{Code, Finding, Span, Spanned, list, nearest};
use crate::recipe::inputs::convert;
use crate::recipe::model::{Declared, Group, Input, InputType, Map};
use crate::recipe::vocabulary::key::names;
use crate::recipe::vocabulary::keys;
use crate::recipe::yaml::{Key, Kind, Node};
use crate::recipe::{Value, duration, size};

const KEYS: &[&str] = &names::<{ keys::INPUT.len() }>(keys::INPUT);

impl Cx<'_> {
    /// A flat map of inputs: `device`, `params`, `keys`.
    pub(super) fn inputs(&mut self, owner: &str, node: &Node) -> Map<Input> {
        let mut inputs = Map::new();
        if !self.is_map(owner, node) {
            return inputs;
        }
        for (key, value) in node.entries() {
            // Members of documents have names that are not ours.
            if owner != "keys" {
                self.is_name(&key.name, key.span);
            }
            if value.is_null() {
                self.complain(
                    Code::MissingKey,
                    key.span,
                    format!("`{}` is empty", key.name),
                );
            } else if let Some(input) = self.input(key, value) {
                inputs.insert(key.name.clone(), input);
            }
        }
        inputs
    }

    /// What one name of `job` is: an input, or a group of them.
    pub(super) fn declaration(&mut self, key: &Key, node: &Node) -> Option<Declared> {
        if is_input(node) || !matches!(node.kind, Kind::Map(_)) {
            return self
                .input(key, node)
                .map(|input| Declared::Input(Box::new(input)));
        }
        self.group(node).map(Declared::Group)
    }

    /// A group of inputs.
    pub(super) fn group(&mut self, node: &Node) -> Option<Group> {
        let mut group = Group::default();
        for (key, value) in node.entries() {
            if key.name == "one_of" {
                continue;
            }
            if !matches!(value.kind, Kind::Map(_)) && !value.is_null() {
                self.stray_member(key, value);
                continue;
            }
            self.is_name(&key.name, key.span);
            if value.is_null() {
                self.complain(
                    Code::MissingKey,
                    key.span,
                    format!("`{}` is empty", key.name),
                );
            } else if let Some(declared) = self.declaration(key, value) {
                group.members.insert(key.name.clone(), declared);
            }
        }
        if let Some(names) = node.get("one_of") {
            group.one_of = self.one_of(names, &group);
        }
        Some(group)
    }

    /// In a group each member is a map; a scalar is most likely a key of an input that has no type.
    fn stray_member(&mut self, key: &Key, value: &Node) {
        if key.name == "type" {
            if let Some(text) = value.text() {
                self.unknown_type(value.span, text);
            } else {
                self.wrong_type("type", value, "a type's name, or a list of these");
            }
            return;
        }
        if KEYS.contains(&key.name.as_str()) {
            self.push(
                Finding::new(
                    Code::MissingKey,
                    key.span,
                    "an input has no `type`, which it needs",
                )
                .help(format!("types are {}", types())),
            );
            return;
        }
        self.push(
            Finding::new(
                Code::UnknownKey,
                key.span,
                format!("an input has no key `{}`", key.name),
            )
            .suggest(nearest(&key.name, KEYS.iter().copied())),
        );
    }

    /// `one_of` of a group: names of members.
    fn one_of(&mut self, node: &Node, group: &Group) -> Vec<Spanned<String>> {
        let Kind::Seq(items) = &node.kind else {
            self.wrong_type("one_of", node, "a list of members");
            return Vec::new();
        };
        let mut names = Vec::new();
        for item in items {
            let Some(name) = self.literal("one_of", item, "the name of a member") else {
                continue;
            };
            if !group.members.contains_key(&name) {
                self.unknown(
                    Code::UnknownKey,
                    item.span,
                    "member",
                    &name,
                    group.members.keys().map(String::as_str),
                );
                continue;
            }
            names.push(Spanned::new(name, item.span));
        }
        names
    }

    /// One input.
    pub(super) fn input(&mut self, key: &Key, node: &Node) -> Option<Input> {
        if !matches!(node.kind, Kind::Map(_)) {
            let mut finding = Finding::new(
                Code::WrongType,
                node.span,
                format!("input `{}` must be a map, not {}", key.name, node.what()),
            );
            if let Some(word) = node.text().filter(|text| input_type(text).is_some()) {
                finding = finding.help(format!("write `{{ type: {word} }}`"));
            }
            self.push(finding);
            return None;
        }
        let owner = format!("input `{}`", key.name);
        self.known_keys(node, &owner, KEYS, |_| None);
        let types = self
            .required(node, "type", &owner, key.span)
            .and_then(|node| self.types(node))?;
        let mut input = Input {
            span: key.span,
            types,
            open: node.get("keys").is_none(),
            ..Input::default()
        };
        self.for_types(node, &input);
        let flag = |cx: &mut Self, name: &str, default: bool| {
            node.get(name)
                .and_then(|node| cx.boolean(name, node))
                .unwrap_or(default)
        };
        input.required = flag(self, "required", false);
        input.secret = flag(self, "secret", false);
        input.open = flag(self, "open", input.open);
        input.description = node
            .get("description")
            .and_then(|node| self.literal("description", node, "a text"));
        input.unit = node.get("unit").and_then(|node| self.unit(node, &input));
        input.pattern = node.get("pattern").and_then(|node| self.pattern(node));
        input.within = node.get("within").and_then(|node| self.within(node));
        input.min = node
            .get("min")
            .and_then(|node| self.bound("min", node, &input));
        input.max = node
            .get("max")
            .and_then(|node| self.bound("max", node, &input));
        let items = |cx: &mut Self, name: &str| {
            node.get(name)
                .and_then(|node| cx.count(name, node, 0))
                .map(|count| count as usize)
        };
        input.min_items = items(self, "min_items");
        input.max_items = items(self, "max_items");
        input.items = node.get("items").and_then(|node| self.item_type(key, node));
        input.keys = node.get("keys").map(|node| self.inputs("keys", node));
        if let Some(allowed) = node.get("enum") {
            input.allowed = self.allowed(allowed, &input);
        }
        if let Some((key, value)) = node.entry("default").filter(|(_, value)| !value.is_null()) {
            if input.required {
                self.push(
                    Finding::new(
                        Code::OneOf,
                        key.span,
                        "`default` and `required` exclude each other",
                    )
                    .help("what has a default need not be given"),
                );
            }
            input.default = self.default("default", value, &input);
        }
        if let (Some(min), Some(max)) = (input.min, input.max)
            && min > max
        {
            self.complain(Code::BadValue, key.span, "`min` is more than `max`");
        }
        Some(input)
    }

    fn types(&mut self, node: &Node) -> Option<Vec<InputType>> {
        let items = match &node.kind {
            Kind::Seq(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut types = Vec::new();
        for item in items {
            let Some(word) = self.literal("type", item, "a type's name") else {
                continue;
            };
            match input_type(&word) {
                Some(found) => types.push(found),
                None => self.unknown_type(item.span, &word),
            }
        }
        (!types.is_empty()).then_some(types)
    }

    fn unknown_type(&mut self, span: Span, word: &str) {
        let similar = nearest(word, InputType::WORDS.iter().map(|(name, _)| *name));
        let finding = Finding::new(Code::BadValue, span, format!("there is no type `{word}`"));
        let finding = match similar {
            Some(_) => finding.suggest(similar),
            None => finding.help(format!("types are {}", types())),
        };
        self.push(finding);
    }

    /// Keys that belong to other types.
    fn for_types(&mut self, node: &Node, input: &Input) {
        use InputType::{Any, Duration, Integer, List, Map, Number, Path, Size, String};
        let rules: &[(&str, &[InputType])] = &[
            ("pattern", &[String]),
            ("min", &[Integer, Number, Duration, Size]),
            ("max", &[Integer, Number, Duration, Size]),
            ("min_items", &[List]),
            ("max_items", &[List]),
            ("items", &[List]),
            ("keys", &[Map]),
            ("open", &[Map]),
            ("unit", &[Duration, Size]),
            ("within", &[Path]),
        ];
        for (name, wanted) in rules {
            let Some((key, _)) = node.entry(name) else {
                continue;
            };
            if !input
                .types
                .iter()
                .any(|has| wanted.contains(has) || *has == Any)
            {
                let words = wanted.iter().map(|wanted| type_word(*wanted));
                self.push(
                    Finding::new(
                        Code::Misplaced,
                        key.span,
                        format!("`{name}` has no place on this input"),
                    )
                    .help(format!("`{name}` is for {}", list(words, "and"))),
                );
            }
        }
    }

    fn unit(&mut self, node: &Node, input: &Input) -> Option<u64> {
        let word = self.literal("unit", node, "a unit")?;
        let read = if input.types.contains(&InputType::Size) {
            size::parse(&format!("1{word}"), 1)
        } else {
            duration::parse(&format!("1{word}"), 1).map(|unit| unit.as_secs())
        };
        match read {
            Ok(unit) if unit > 0 => Some(unit),
            _ => {
                self.push(
                    Finding::new(Code::BadValue, node.span, format!("`{word}` is no unit"))
                        .help("units are `s`, `m`, `h`, `d`, and for sizes `B`, `kB` to `TiB`"),
                );
                None
            }
        }
    }

    fn pattern(&mut self, node: &Node) -> Option<String> {
        let pattern = self.literal("pattern", node, "a regular expression")?;
        if let Err(error) = regex_lite::Regex::new(&format!("^(?:{pattern})$")) {
            self.push(
                Finding::new(
                    Code::BadValue,
                    node.span,
                    format!("`pattern` is no regular expression: {error}"),
                )
                .help("there is no look-around and no back-reference"),
            );
            return None;
        }
        Some(pattern)
    }

    fn within(&mut self, node: &Node) -> Option<String> {
        let folder = self.literal("within", node, "a folder of the run directory")?;
        let leaves = folder.starts_with('/') || folder.split('/').any(|part| part == "..");
        if leaves || folder.is_empty() {
            self.complain(
                Code::BadValue,
                node.span,
                "`within` must be a folder inside the run directory",
            );
            return None;
        }
        Some(folder.trim_end_matches('/').to_owned())
    }

    /// `min` and `max`: a number, or a duration or size of the input's type.
    fn bound(&mut self, key: &str, node: &Node, input: &Input) -> Option<f64> {
        let written = self.written(node);
        let kind = input
            .types
            .iter()
            .find(|kind| matches!(kind, InputType::Duration | InputType::Size));
        let unit = input.unit.unwrap_or(1);
        let read = match kind {
            Some(InputType::Duration) => {
                duration::parse(&written, unit).map(|bound| bound.as_secs_f64())
            }
            #[expect(
                clippy::cast_precision_loss,
                reason = "bounds on sizes are compared as f64"
            )]
            Some(_) => size::parse(&written, unit).map(|bytes| bytes as f64),
            None => match node.kind {
                #[expect(clippy::cast_precision_loss, reason = "bounds are compared as f64")]
                Kind::Int(number) => Ok(number as f64),
                Kind::Float(number) => Ok(number),
                _ => Err(format!("`{key}` must be a number")),
            },
        };
        read.map_err(|message| self.complain(Code::BadValue, node.span, message))
            .ok()
    }

    /// `items`: a type's name, or an input.
    fn item_type(&mut self, key: &Key, node: &Node) -> Option<Box<Input>> {
        if let Some(text) = node.text().filter(|text| !has_template(text)) {
            return match input_type(text) {
                Some(found) => Some(Box::new(Input {
                    span: node.span,
                    types: vec![found],
                    open: true,
                    ..Input::default()
                })),
                None => {
                    self.unknown_type(node.span, text);
                    None
                }
            };
        }
        self.input(key, node).map(Box::new)
    }

    fn allowed(&mut self, node: &Node, input: &Input) -> Vec<Value> {
        let Kind::Seq(items) = &node.kind else {
            self.wrong_type("enum", node, "a list of values");
            return Vec::new();
        };
        items
            .iter()
            .filter_map(|item| self.default("enum", item, input))
            .collect()
    }

    /// A value of the recipe for an input, converted as data are.
    fn default(&mut self, key: &str, node: &Node, input: &Input) -> Option<Value> {
        if let Some(text) = node.text().filter(|text| has_template(text)) {
            let finding = Finding::new(
                Code::NotLiteral,
                node.span,
                "a default can't hold a template",
            )
            .help(format!(
                "`{text}` would be taken literally: compute it in `let`"
            ));
            self.push(finding);
            return None;
        }
        match convert(input, node, self.sources) {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.complain(
                    Code::BadValue,
                    wrong.span,
                    format!("`{key}`: {}", wrong.message),
                );
                None
            }
        }
    }
}

fn types() -> String {
    list(InputType::WORDS.iter().map(|(name, _)| *name), "and")
}

fn input_type(word: &str) -> Option<InputType> {
    InputType::WORDS
        .iter()
        .find(|(name, _)| *name == word)
        .map(|(_, found)| *found)
}

/// The word of a type.
fn type_word(wanted: InputType) -> &'static str {
    InputType::WORDS
        .iter()
        .find(|(_, found)| *found == wanted)
        .map_or("any", |(word, _)| word)
}

/// Whether a map declares an input: its `type` is a type's name, or a list of them.
pub(super) fn is_input(node: &Node) -> bool {
    let Some(kind) = node.get("type") else {
        return false;
    };
    match &kind.kind {
        Kind::Seq(items) => items
            .iter()
            .all(|item| item.text().is_some_and(|text| input_type(text).is_some())),
        _ => kind.text().is_some_and(|text| input_type(text).is_some()),
    }
}
