//! Parameters by the vocabulary's tables.

use super::cx::Cx;
use super::value::{has_template, is_whole_template};
use crate::diagnostic::{Code, Finding, list, nearest};
use crate::recipe::Value;
use crate::recipe::duration;
use crate::recipe::model::{Map, Templated, Tree, TreeKind};
use crate::recipe::template::Style;
use crate::recipe::vocabulary::Shape;
use crate::recipe::yaml::{Kind, Node};

impl Cx<'_> {
    /// A value of a shape, or a template of one unless it is literal.
    pub(super) fn shaped(
        &mut self,
        key: &str,
        shape: &Shape,
        node: &Node,
        literal: bool,
    ) -> Option<Tree> {
        if literal && node.text().is_some_and(has_template) {
            self.literal(key, node, "it out");
            return None;
        }
        let value = |kind| {
            Some(Tree {
                span: node.span,
                kind,
            })
        };
        match shape {
            Shape::Any => self.tree(node, Style::Value),
            Shape::Text => self.text(key, node, Style::Value),
            Shape::Asset => self.asset(key, node),
            Shape::Printed => self.text(key, node, Style::Printed),
            Shape::Shell => self.text(key, node, Style::Shell),
            Shape::Path => self.path(key, node, Style::Value),
            Shape::HostPath => {
                self.host_of_path(node);
                self.path(key, node, Style::Value)
            }
            Shape::Url => self.url(key, node),
            Shape::HostPort => self.host_port(key, node),
            Shape::PathOrUrl => {
                let is_url = node.text().is_some_and(starts_as_url);
                self.path(key, node, if is_url { Style::Url } else { Style::Value })
            }
            Shape::Mode => self.mode(key, node),
            Shape::Sha256 => {
                let tree = self.text(key, node, Style::Value)?;
                if let TreeKind::Literal(Value::String(text)) = &tree.kind
                    && !(text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit()))
                {
                    self.complain(
                        Code::BadValue,
                        node.span,
                        format!("`{key}` must be 64 hexadecimal digits"),
                    );
                    return None;
                }
                Some(tree)
            }
            Shape::Boolean => match (&node.kind, node.text()) {
                (Kind::Bool(truth), _) => value(TreeKind::Literal(Value::Bool(*truth))),
                (_, Some(text)) if is_whole_template(text) => self.tree(node, Style::Value),
                _ => {
                    self.wrong_type(key, node, "`true` or `false`");
                    None
                }
            },
            Shape::Integer(least, most) => self.integer(key, node, *least, *most),
            Shape::Duration => self.duration(key, node, false).and_then(|read| match read {
                Templated::Literal(read) => value(TreeKind::Literal(duration::to_value(read))),
                Templated::Template(template) => value(TreeKind::Template(template)),
            }),
            Shape::DurationOrNone => {
                if node.text() == Some("none") {
                    value(TreeKind::Literal(Value::from("none")))
                } else {
                    self.shaped(key, &Shape::Duration, node, literal)
                }
            }
            Shape::Size => self.size(key, node).and_then(|read| match read {
                Templated::Literal(read) => value(TreeKind::Literal(Value::from(read))),
                Templated::Template(template) => value(TreeKind::Template(template)),
            }),
            Shape::Word(words) => self.one_word(key, node, words),
            Shape::Expr => self
                .expr(key, node)
                .and_then(|expr| value(TreeKind::Expr(expr))),
            Shape::Deferred => self
                .expr(key, node)
                .and_then(|expr| value(TreeKind::Deferred(expr))),
            Shape::Host => self
                .host(key, node)
                .and_then(|name| value(TreeKind::Literal(Value::String(name.value)))),
            Shape::Gear(kind) => self
                .gear_name(key, node, *kind)
                .and_then(|name| value(TreeKind::Literal(Value::String(name)))),
            Shape::Kind => self.raised_kind(key, node),
            Shape::Kinds => {
                let kinds = self.kinds(key, node);
                let words = kinds
                    .iter()
                    .map(|kind| Value::from(kind.value.word()))
                    .collect();
                value(TreeKind::Literal(Value::Array(words)))
            }
            Shape::List(inner) => self.list(key, inner, node, literal),
            Shape::OneOrMany(inner) => match &node.kind {
                Kind::Seq(_) => self.list(key, inner, node, literal),
                // A whole template may itself give a list.
                _ if node.text().is_some_and(is_whole_template) => self.tree(node, Style::Value),
                _ => {
                    let one = self.shaped(key, inner, node, literal)?;
                    value(TreeKind::List(vec![one]))
                }
            },
            Shape::Map(inner) => match &node.kind {
                Kind::Map(entries) => {
                    let mut members = Map::new();
                    for (name, member) in entries {
                        let member = if member.is_null() {
                            Some(Tree {
                                span: name.span,
                                kind: TreeKind::Literal(Value::Null),
                            })
                        } else {
                            self.shaped(&name.name, inner, member, literal)
                        };
                        if let Some(member) = member {
                            members.insert(name.name.clone(), member);
                        }
                    }
                    value(TreeKind::Map(members))
                }
                _ if node.text().is_some_and(is_whole_template) => self.tree(node, Style::Value),
                _ => {
                    self.wrong_type(key, node, "a map");
                    None
                }
            },
            Shape::Fields(fields) => {
                let members = self.fields(key, fields, node, node.span);
                value(TreeKind::Map(members))
            }
            // Read by the step that has them.
            Shape::Steps(_) => None,
        }
    }

    fn list(&mut self, key: &str, inner: &Shape, node: &Node, literal: bool) -> Option<Tree> {
        let Kind::Seq(items) = &node.kind else {
            if node.text().is_some_and(is_whole_template) {
                return self.tree(node, Style::Value);
            }
            self.wrong_type(key, node, "a list");
            return None;
        };
        let items = items
            .iter()
            .filter_map(|item| {
                if item.is_null() {
                    return Some(Tree {
                        span: item.span,
                        kind: TreeKind::Literal(Value::Null),
                    });
                }
                self.shaped(key, inner, item, literal)
            })
            .collect();
        Some(Tree {
            span: node.span,
            kind: TreeKind::List(items),
        })
    }

    fn path(&mut self, key: &str, node: &Node, style: Style) -> Option<Tree> {
        let tree = self.text(key, node, style)?;
        if let TreeKind::Literal(Value::String(text)) = &tree.kind
            && (text.is_empty() || text.contains('\0'))
        {
            self.complain(
                Code::BadValue,
                node.span,
                format!("`{key}` must be a path, which is not empty"),
            );
            return None;
        }
        Some(tree)
    }

    fn url(&mut self, key: &str, node: &Node) -> Option<Tree> {
        let tree = self.text(key, node, Style::Url)?;
        let text = node.text().unwrap_or_default();
        // A template at the beginning may give the scheme.
        if !text.starts_with("{{") && !text.starts_with("{%") && !starts_as_url(text) {
            self.push(
                Finding::new(Code::BadValue, node.span, format!("`{key}` is no URL"))
                    .help("a URL is absolute, and begins with `http://` or `https://`"),
            );
            return None;
        }
        Some(tree)
    }

    fn host_port(&mut self, key: &str, node: &Node) -> Option<Tree> {
        let tree = self.text(key, node, Style::Value)?;
        if let TreeKind::Literal(Value::String(text)) = &tree.kind
            && !text.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)
            })
        {
            self.push(
                Finding::new(
                    Code::BadValue,
                    node.span,
                    format!("`{key}` must be `HOST:PORT`, not `{text}`"),
                )
                .help("the port is a number from 1 to 65535, as in `192.168.1.20:22`"),
            );
            return None;
        }
        Some(tree)
    }

    fn mode(&mut self, key: &str, node: &Node) -> Option<Tree> {
        if matches!(node.kind, Kind::Int(_) | Kind::Float(_)) {
            let written = self.written(node);
            self.push(
                Finding::new(
                    Code::YamlTrap,
                    node.span,
                    "readers of YAML disagree about this number",
                )
                .help(format!("a mode is a text: \"{written}\"")),
            );
            return None;
        }
        let tree = self.text(key, node, Style::Value)?;
        if let TreeKind::Literal(Value::String(text)) = &tree.kind
            && !(matches!(text.len(), 3 | 4)
                && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte)))
        {
            self.push(
                Finding::new(
                    Code::BadValue,
                    node.span,
                    format!("`{text}` is no file mode"),
                )
                .help("a mode is three or four octal digits, as in \"0644\""),
            );
            return None;
        }
        Some(tree)
    }

    fn integer(&mut self, key: &str, node: &Node, least: i64, most: i64) -> Option<Tree> {
        match &node.kind {
            Kind::Int(number) if (least..=most).contains(number) => Some(Tree {
                span: node.span,
                kind: TreeKind::Literal(Value::from(*number)),
            }),
            Kind::Int(_) => {
                self.complain(
                    Code::BadValue,
                    node.span,
                    format!("`{key}` must be a whole number from {least} to {most}"),
                );
                None
            }
            Kind::Str { text, .. } if is_whole_template(text) => self.tree(node, Style::Value),
            _ => {
                self.wrong_type(key, node, "a whole number");
                None
            }
        }
    }

    fn one_word(&mut self, key: &str, node: &Node, words: &[&str]) -> Option<Tree> {
        if node.text().is_some_and(has_template) {
            return self.text(key, node, Style::Value);
        }
        let all = list(words.iter().copied(), "or");
        let finding = match &node.kind {
            Kind::Str { text, .. } if words.contains(&text.as_str()) => {
                return Some(Tree {
                    span: node.span,
                    kind: TreeKind::Literal(Value::String(text.clone())),
                });
            }
            Kind::Str { text, .. } => Finding::new(
                Code::BadValue,
                node.span,
                format!("`{key}` must be {all}, not `{text}`"),
            )
            .suggest(nearest(text, words.iter().copied())),
            Kind::Bool(truth) if words.contains(&"on") => Finding::new(
                Code::YamlTrap,
                node.span,
                format!("`{key}` must be {all}, not a boolean"),
            )
            .help(if *truth {
                "write \"on\""
            } else {
                "write \"off\""
            }),
            _ => Finding::new(
                Code::WrongType,
                node.span,
                format!("`{key}` must be {all}, not {}", node.what()),
            ),
        };
        self.push(finding);
        None
    }
}

fn starts_as_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}
