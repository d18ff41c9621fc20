//! Parameters of an action by the vocabulary's tables.

use super::cx::Cx;
use crate::diagnostic::{Code, Finding, Span, list};
use crate::recipe::model::{Map, Tree};
use crate::recipe::vocabulary::{Fields, MODIFIERS, Param, Shape};
use crate::recipe::yaml::{Key, Kind, Node};

impl Cx<'_> {
    /// The parameters of `owner` in long form. Members of the shape [`Shape::Steps`] are left to
    /// the caller.
    pub(super) fn fields(
        &mut self,
        owner: &str,
        fields: &Fields,
        node: &Node,
        span: Span,
    ) -> Map<Tree> {
        let mut params = Map::new();
        let Kind::Map(entries) = &node.kind else {
            let short = match &node.kind {
                Kind::Seq(_) => fields.short_list.or(fields.short),
                _ => fields.short,
            };
            if node.is_null() {
                self.complain(Code::MissingKey, span, format!("`{owner}` is empty"));
            } else if let Some(param) = short.and_then(|name| fields.param(name)) {
                if let Some(tree) = self.shaped(owner, &param.shape, node, param.literal) {
                    params.insert(param.name.to_owned(), tree);
                }
            } else {
                self.wrong_type(owner, node, "a map");
            }
            return params;
        };
        let known: Vec<&str> = fields.params.iter().map(|param| param.name).collect();
        self.known_keys(node, &format!("`{owner}`"), &known, |key| {
            MODIFIERS
                .iter()
                .any(|modifier| modifier.name == key)
                .then(|| format!("`{key}` is a modifier: it stands beside `{owner}`, not inside"))
        });
        for (key, value) in entries {
            let Some(param) = fields.param(&key.name) else {
                continue;
            };
            if let Some(tree) = self.member(param, value) {
                params.insert(key.name.clone(), tree);
            }
        }
        self.needed(owner, fields, node, span);
        self.companions(owner, fields, node);
        params
    }

    fn member(&mut self, param: &Param, value: &Node) -> Option<Tree> {
        if value.is_null() || matches!(param.shape, Shape::Steps(_)) {
            return None;
        }
        self.shaped(param.name, &param.shape, value, param.literal)
    }

    /// Complains about parameters that belong to another one that is not there.
    fn companions(&mut self, owner: &str, fields: &Fields, node: &Node) {
        for (key, value) in node.entries() {
            let Some(param) = fields.param(&key.name) else {
                continue;
            };
            if let Some(companion) = param.with
                && !value.is_null()
                && node.get(companion).is_none()
            {
                self.push(
                    Finding::new(
                        Code::Misplaced,
                        key.span,
                        format!(
                            "`{}` has no place in `{owner}` without `{companion}`",
                            key.name
                        ),
                    )
                    .help(format!("it belongs to `{companion}`")),
                );
            }
        }
        let bodies = |(key, value): &&(Key, Node)| {
            fields.at_most_one.contains(&key.name.as_str()) && !value.is_null()
        };
        let mut given = node.entries().iter().filter(bodies);
        if let (Some((first, _)), Some((second, _))) = (given.next(), given.next()) {
            self.exclusive(first, second);
        }
    }

    fn exclusive(&mut self, first: &Key, second: &Key) {
        let finding = Finding::new(
            Code::OneOf,
            second.span,
            format!("`{}` and `{}` exclude each other", first.name, second.name),
        )
        .related(first.span, "given here");
        self.push(finding);
    }

    /// Complains about what is missing, and about alternatives that stand together.
    fn needed(&mut self, owner: &str, fields: &Fields, node: &Node, span: Span) {
        for param in fields.params.iter().filter(|param| param.required) {
            self.required(node, param.name, &format!("`{owner}`"), span);
        }
        if fields.one_of.is_empty() {
            return;
        }
        let given: Vec<&(Key, Node)> = node
            .entries()
            .iter()
            .filter(|(key, value)| fields.one_of.contains(&key.name.as_str()) && !value.is_null())
            .collect();
        match given.as_slice() {
            [_] => {}
            [] => {
                let all = list(fields.one_of.iter().copied(), "or");
                self.complain(Code::OneOf, span, format!("`{owner}` needs one of {all}"));
            }
            [(first, _), (second, _), ..] => self.exclusive(first, second),
        }
    }
}
