//! `extends`: a recipe's file and those that it inherits from, merged name by name.

use std::collections::HashMap;

use super::library::{Library, OpenError, Opened};
use super::yaml::{Dialect, Key, Kind, Node, read};
use crate::diagnostic::{Code, Finding, Findings, SourceId, Sources, Span, nearest};

/// How many recipes one may inherit from, one after the other.
const MAX_PARENTS: usize = 4;

/// One file of a recipe.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub(super) name: String,
    /// A map.
    pub(super) node: Node,
}

/// Files that one load has read, each once.
#[derive(Debug)]
pub(super) struct Files<'a> {
    pub(super) library: &'a Library,
    pub(super) sources: &'a mut Sources,
    pub(super) findings: &'a mut Findings,
    /// By label; `None` for what can't be read.
    read: HashMap<String, Option<Document>>,
}

impl<'a> Files<'a> {
    pub(super) fn new(
        library: &'a Library,
        sources: &'a mut Sources,
        findings: &'a mut Findings,
    ) -> Self {
        Self {
            library,
            sources,
            findings,
            read: HashMap::new(),
        }
    }

    /// Opens a recipe that another one names at `span`.
    pub(super) fn open(
        &mut self,
        library: &Library,
        name: &str,
        span: Option<Span>,
    ) -> Option<Opened> {
        match library.open(name) {
            Ok(opened) => Some(opened),
            Err(error) => {
                let code = match &error {
                    OpenError::Unknown { .. } => Code::UnknownRecipe,
                    OpenError::Unreadable { .. } => Code::Unreadable,
                };
                let names = library.names();
                let similar = nearest(name, names.iter().map(String::as_str));
                let mut finding = Finding::new(code, span, error.to_string()).suggest(similar);
                if similar.is_none() && code == Code::UnknownRecipe {
                    finding = finding.help("`tf-engine list` shows the recipes that there are");
                }
                self.findings.push(finding);
                None
            }
        }
    }

    /// A recipe's files, its most distant ancestor first.
    pub(super) fn chain(&mut self, opened: Opened) -> Option<Vec<Document>> {
        let library = match &opened.folder {
            Some(folder) => self.library.beside(folder),
            None => self.library.clone(),
        };
        let mut chain = vec![self.document(opened)?];
        let mut names: Vec<String> = chain.iter().map(|document| document.name.clone()).collect();
        loop {
            let last = &chain[chain.len() - 1];
            let Some(parent) = last.node.get("extends") else {
                break;
            };
            let span = parent.span;
            let Some(name) = parent.text().map(str::to_owned) else {
                self.findings.push(Finding::new(
                    Code::WrongType,
                    span,
                    format!("`extends` must be a recipe's name, not {}", parent.what()),
                ));
                break;
            };
            if names.contains(&name) {
                self.findings.push(
                    Finding::new(
                        Code::RecipeCycle,
                        span,
                        format!("`{name}` inherits from itself"),
                    )
                    .help(format!("{} → {name}", names.join(" → "))),
                );
                break;
            }
            if chain.len() > MAX_PARENTS {
                self.findings.push(Finding::new(
                    Code::RecipeCycle,
                    span,
                    format!("a recipe inherits from at most {MAX_PARENTS} others"),
                ));
                break;
            }
            let Some(opened) = self.open(&library, &name, Some(span)) else {
                break;
            };
            let Some(document) = self.document(opened) else {
                break;
            };
            names.push(name);
            chain.push(document);
        }
        chain.reverse();
        Some(chain)
    }

    fn document(&mut self, opened: Opened) -> Option<Document> {
        if let Some(known) = self.read.get(&opened.label) {
            return known.clone();
        }
        let source = self.sources.add(opened.label.clone(), opened.text);
        let document = self.parse(opened.name, source);
        self.read.insert(opened.label, document.clone());
        document
    }

    fn parse(&mut self, name: String, source: SourceId) -> Option<Document> {
        let node = read(self.sources, source, Dialect::Recipe, self.findings)?;
        if matches!(node.kind, Kind::Map(_)) {
            return Some(Document { name, node });
        }
        self.findings.push(
            Finding::new(
                Code::WrongType,
                node.span,
                format!("a recipe must be a map, not {}", node.what()),
            )
            .help("it begins with `recipe: NAME`"),
        );
        None
    }
}

/// What the files say under `section`, merged by name: a later file's entry replaces that of an
/// earlier one, and null removes it. Where `is_group` holds for both, they are merged in turn.
/// `None` where no file has the section; what is no map is left out.
pub(super) fn merged(
    documents: &[Document],
    section: &str,
    is_group: fn(&Node) -> bool,
) -> Option<Node> {
    let mut whole: Option<Node> = None;
    for document in documents {
        let Some(node) = document.node.get(section) else {
            continue;
        };
        let Kind::Map(entries) = &node.kind else {
            continue;
        };
        let mut base = whole.take().unwrap_or(Node {
            span: node.span,
            kind: Kind::Map(Vec::new()),
        });
        base.span = node.span;
        if let Kind::Map(merged) = &mut base.kind {
            merge(merged, entries, is_group);
        }
        whole = Some(base);
    }
    whole
}

fn merge(merged: &mut Vec<(Key, Node)>, entries: &[(Key, Node)], is_group: fn(&Node) -> bool) {
    let mut places: HashMap<String, usize> = merged
        .iter()
        .enumerate()
        .map(|(at, (key, _))| (key.name.clone(), at))
        .collect();
    for (key, value) in entries {
        match places.get(&key.name).copied() {
            Some(at) if is_group(value) && is_group(&merged[at].1) => {
                merged[at].0 = key.clone();
                if let Kind::Map(inner) = &mut merged[at].1.kind {
                    merge(inner, value.entries(), is_group);
                }
            }
            // A removed entry stays as null until all are merged, so that places hold.
            Some(at) => merged[at] = (key.clone(), value.clone()),
            None => {
                places.insert(key.name.clone(), merged.len());
                merged.push((key.clone(), value.clone()));
            }
        }
    }
    merged.retain(|(_, value)| !value.is_null());
}
