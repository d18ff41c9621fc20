//! Lists and maps as they are put together, and what keys may be.

use std::collections::HashMap;

use super::node::{Key, Kind, Node, Style};
use super::read::{Dialect, Reader};
use crate::diagnostic::{Code, Finding, Severity, Span};

/// A list or map that is not complete yet.
pub(super) struct Open {
    pub(super) start: usize,
    /// The end of what it holds so far.
    pub(super) end: usize,
    pub(super) anchor: usize,
    pub(super) body: Body,
}

pub(super) enum Body {
    Seq(Vec<Node>),
    Map {
        entries: Vec<(Key, Node)>,
        /// Where each name stands in `entries`.
        seen: HashMap<String, usize>,
        pending: Option<Pending>,
        /// Values of merge keys: they give what the map itself has not got.
        merges: Vec<Node>,
        /// Whether it is a template without quotes, `{{ x }}`, which YAML takes for a map in a map.
        is_template: bool,
    },
}

/// A key whose value has not come yet.
pub(super) enum Pending {
    Key(Key),
    Merge(Span),
    /// A key that was refused: its value is left out.
    Refused,
    /// The inner braces of a template without quotes.
    Template,
}

impl Reader<'_> {
    pub(super) fn key(&mut self, node: &Node) -> Pending {
        let written = self
            .text
            .get(node.span.start as usize..node.span.end as usize)
            .unwrap_or_default();
        let (name, is_text) = match &node.kind {
            Kind::Str { text, style } => {
                if text == "<<" && *style == Style::Plain {
                    if self.dialect == Dialect::Data {
                        return Pending::Merge(node.span);
                    }
                    self.findings.push(
                        Finding::new(Code::UnsupportedYaml, node.span, "a merge key (`<<`)")
                            .help("write the keys out, or use `defaults` or `extends`"),
                    );
                    return Pending::Refused;
                }
                (text.clone(), true)
            }
            Kind::Seq(_) | Kind::Map(_) => {
                if written.starts_with('{') {
                    let whole = self.widen(node.span);
                    self.findings.push(
                        Finding::new(Code::YamlTrap, whole, "YAML reads this template as a map")
                            .help("a template at the start of a value needs quotes: `\"{{ x }}\"`"),
                    );
                    return Pending::Template;
                }
                self.findings.push(Finding::new(
                    Code::UnsupportedYaml,
                    node.span,
                    "a key that is not a text",
                ));
                return Pending::Refused;
            }
            Kind::Null | Kind::Bool(_) | Kind::Int(_) | Kind::Float(_) => {
                (written.to_owned(), false)
            }
        };
        if !is_text && self.dialect == Dialect::Recipe {
            self.findings.push(
                Finding::new(
                    Code::UnsupportedYaml,
                    node.span,
                    format!("a key that is {}, not a text", node.what()),
                )
                .help(format!("put it in quotes: \"{name}\"")),
            );
        }
        Pending::Key(Key {
            name,
            span: node.span,
        })
    }

    /// With the braces around it.
    fn widen(&self, span: Span) -> Span {
        let (start, end) = (span.start as usize, span.end as usize);
        let before = self
            .text
            .get(..start)
            .is_some_and(|text| text.ends_with('{'));
        let after = self
            .text
            .get(end..)
            .is_some_and(|text| text.starts_with('}'));
        Span::new(
            self.source,
            start - usize::from(before),
            end + usize::from(after),
        )
    }

    pub(super) fn member(
        &mut self,
        entries: &mut Vec<(Key, Node)>,
        seen: &mut HashMap<String, usize>,
        key: Key,
        node: Node,
    ) {
        if let Some(first) = seen.get(&key.name).and_then(|at| entries.get_mut(*at)) {
            let mut finding = Finding::new(
                Code::DuplicateKey,
                key.span,
                format!("`{}` stands twice in this map", key.name),
            )
            .related(first.0.span, "first here");
            if self.dialect == Dialect::Data {
                finding.severity = Severity::Warning;
                *first = (key, node);
                finding = finding.help("the last one counts");
            } else {
                finding = finding.help("remove one of them");
            }
            self.findings.push(finding);
            return;
        }
        seen.insert(key.name.clone(), entries.len());
        entries.push((key, node));
    }

    /// `<<: *base` in data: a map, or a list of maps.
    pub(super) fn merge(&mut self, merges: &mut Vec<Node>, node: Node, span: Span) {
        match node.kind {
            Kind::Map(_) => merges.push(node),
            Kind::Seq(maps) if maps.iter().all(|map| matches!(map.kind, Kind::Map(_))) => {
                merges.extend(maps);
            }
            _ => self.findings.push(Finding::new(
                Code::UnsupportedYaml,
                span,
                "a merge key whose value is no map",
            )),
        }
    }
}
