//! Constants in an order in which they can be computed.

use std::collections::{BTreeMap, BTreeSet};

use super::cx::Cx;
use crate::diagnostic::{Code, Finding, list};
use crate::recipe::model::{Map, Tree, TreeKind};

impl Cx<'_> {
    /// Constants, each after those that it reads; complains about circles.
    pub(super) fn ordered(&mut self, mut lets: Map<Tree>) -> Map<Tree> {
        let mut reads: BTreeMap<String, BTreeSet<String>> = lets
            .iter()
            .map(|(name, tree)| {
                let mut of = BTreeSet::new();
                constants(tree, &mut of);
                of.retain(|other| lets.contains_key(other));
                (name.clone(), of)
            })
            .collect();
        let mut ordered = Map::new();
        loop {
            let ready: Vec<String> = lets
                .keys()
                .filter(|name| reads.get(*name).is_none_or(BTreeSet::is_empty))
                .cloned()
                .collect();
            if ready.is_empty() {
                break;
            }
            for name in ready {
                if let Some(tree) = lets.shift_remove(&name) {
                    ordered.insert(name.clone(), tree);
                }
                for of in reads.values_mut() {
                    of.remove(&name);
                }
            }
        }
        if let Some((name, tree)) = lets.first() {
            let circle: Vec<&str> = lets.keys().map(String::as_str).collect();
            let finding = Finding::new(
                Code::LetCycle,
                tree.span,
                format!("`let.{name}` is computed from itself"),
            )
            .help(format!("look at {}", list(circle, "and")));
            self.push(finding);
        }
        ordered.extend(lets);
        ordered
    }
}

/// The constants that a tree reads.
fn constants(tree: &Tree, found: &mut BTreeSet<String>) {
    let reads = match &tree.kind {
        TreeKind::Template(template) => template.reads(),
        TreeKind::Expr(expr) | TreeKind::Deferred(expr) => expr.reads(),
        TreeKind::List(items) => {
            items.iter().for_each(|item| constants(item, found));
            return;
        }
        TreeKind::Map(members) => {
            members.values().for_each(|member| constants(member, found));
            return;
        }
        TreeKind::Literal(_) => return,
    };
    for read in reads {
        if let [root, name, ..] = read.path.as_slice()
            && root == "let"
        {
            found.insert(name.clone());
        }
    }
}
