//! Values that name something: gear, shipped files, hosts in paths, kinds of error.

use super::cx::{Cx, is_name};
use crate::diagnostic::{Code, Finding, Span, nearest};
use crate::recipe::GearKind;
use crate::recipe::library::Library;
use crate::recipe::model::{Tree, TreeKind};
use crate::recipe::template::Style;
use crate::recipe::yaml::Node;
use crate::recipe::{ErrorKind, Value};

impl Cx<'_> {
    /// `HOST:path`: a name before a colon is a host's.
    pub(super) fn host_of_path(&mut self, node: &Node) {
        let names = self.names;
        if let Some((host, _)) = node.text().and_then(|text| text.split_once(':'))
            && is_name(host)
            && !names.hosts.contains(host)
        {
            self.unknown(
                Code::UnknownHost,
                node.span,
                "host",
                host,
                names.hosts.iter().map(String::as_str),
            );
        }
    }

    /// The name of a shipped file, which is looked up where it is literal.
    pub(super) fn asset(&mut self, key: &str, node: &Node) -> Option<Tree> {
        let tree = self.text(key, node, Style::Value)?;
        if let TreeKind::Literal(Value::String(name)) = &tree.kind
            && self.library.asset(name).is_none()
        {
            let similar = Library::shipped_assets()
                .find(|asset| asset.rsplit('/').next() == name.rsplit('/').next())
                .or_else(|| nearest(name, Library::shipped_assets()));
            let mut finding = Finding::new(
                Code::UnknownAsset,
                node.span,
                format!("there is no shipped file `{name}`"),
            )
            .suggest(similar);
            if similar.is_none() {
                finding = finding
                    .help("files are named `FOLDER/FILE`, and are in `files/` beside the recipes");
            }
            self.push(finding);
        }
        Some(tree)
    }

    /// The name of a gear of this kind.
    pub(super) fn gear_name(&mut self, key: &str, node: &Node, kind: GearKind) -> Option<String> {
        let name = self.literal(key, node, "the name of a gear")?;
        self.is_gear(&name, node.span, kind);
        Some(name)
    }

    /// Complains where there is no gear of this name and kind.
    pub(super) fn is_gear(&mut self, name: &str, span: Span, kind: GearKind) {
        let names = self.names;
        match names.gear.get(name) {
            Some(other) if *other == kind => {}
            Some(other) => self.complain(
                Code::UnknownGear,
                span,
                format!("`{name}` is a {} gear, not a {}", other.word(), kind.word()),
            ),
            None => self.unknown(
                Code::UnknownGear,
                span,
                &format!("{} gear", kind.word()),
                name,
                names
                    .gear
                    .iter()
                    .filter(move |(_, other)| **other == kind)
                    .map(|(name, _)| name.as_str()),
            ),
        }
    }

    /// A kind that a step may raise.
    pub(super) fn raised_kind(&mut self, key: &str, node: &Node) -> Option<Tree> {
        let word = self.literal(key, node, "a kind of error")?;
        let kind = self.kind(&word, node.span)?;
        if matches!(kind, ErrorKind::Loop | ErrorKind::Timeout) {
            self.push(
                Finding::new(
                    Code::UnknownKind,
                    node.span,
                    format!("`{kind}` can't be raised by a step"),
                )
                .help("only a bound raises `timeout`, and only `max_visits` raises `loop`"),
            );
            return None;
        }
        Some(Tree {
            span: node.span,
            kind: TreeKind::Literal(Value::from(kind.word())),
        })
    }
}
