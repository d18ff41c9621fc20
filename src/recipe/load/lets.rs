//! Constants in an order in which they can be computed.

use std::collections::BTreeSet;

use super::cx::Cx;
use crate::diagnostic::{Code, Finding, list};
use crate::recipe::model::{Map, Tree, TreeKind};

impl Cx<'_> {
    /// Constants, each after those that it reads; complains about circles.
    pub(super) fn ordered(&mut self, mut lets: Map<Tree>) -> Map<Tree> {
        // How many each still waits for, and who waits for it, by their places in the file.
        let mut missing = vec![0_usize; lets.len()];
        let mut waiting: Vec<Vec<usize>> = vec![Vec::new(); lets.len()];
        for (at, tree) in lets.values().enumerate() {
            let mut of = BTreeSet::new();
            constants(tree, &mut of);
            for other in of.iter().filter_map(|name| lets.get_index_of(name)) {
                missing[at] += 1;
                waiting[other].push(at);
            }
        }
        let mut places = Vec::with_capacity(lets.len());
        let mut ready: Vec<usize> = (0..lets.len()).filter(|at| missing[*at] == 0).collect();
        while !ready.is_empty() {
            let mut next = Vec::new();
            for reader in ready.iter().flat_map(|at| &waiting[*at]) {
                missing[*reader] -= 1;
                if missing[*reader] == 0 {
                    next.push(*reader);
                }
            }
            next.sort_unstable();
            places.append(&mut ready);
            ready = next;
        }
        let mut trees: Vec<Option<(String, Tree)>> =
            std::mem::take(&mut lets).into_iter().map(Some).collect();
        let mut ordered: Map<Tree> = places
            .into_iter()
            .filter_map(|at| trees[at].take())
            .collect();
        lets.extend(trees.into_iter().flatten());
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
