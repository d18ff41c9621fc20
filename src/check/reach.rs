//! States that nothing leads to.

use std::collections::HashSet;

use super::whole::Unit;
use crate::diagnostic::{Code, Finding, Findings};

/// Warns about each state that is not its scope's initial one, and that no state that can be
/// reached leads to. States inside such a one are not named too.
pub(super) fn check(unit: &Unit<'_>, findings: &mut Findings) {
    let outline = &unit.outline;
    let edges = outline.sibling_edges();
    let mut dead: HashSet<usize> = HashSet::new();
    for scope in 0..outline.states.len() {
        let children = &outline.states[scope].children;
        if children.is_empty() {
            continue;
        }
        if dead.contains(&scope) {
            dead.extend(children.values());
            continue;
        }
        // Where the initial state is unknown, that has been said.
        let Some(initial) = outline.initial(scope) else {
            continue;
        };
        let mut reached = HashSet::from([initial]);
        let mut open = vec![initial];
        let from_here = edges.get(&scope).map_or(&[] as &[_], Vec::as_slice);
        while let Some(at) = open.pop() {
            let first = from_here.partition_point(|(from, _)| *from < at);
            for (_, to) in from_here[first..]
                .iter()
                .take_while(|(from, _)| *from == at)
            {
                if reached.insert(*to) {
                    open.push(*to);
                }
            }
        }
        let mut lost: Vec<usize> = children
            .values()
            .copied()
            .filter(|child| !reached.contains(child))
            .collect();
        lost.sort_unstable();
        for child in lost {
            dead.insert(child);
            let name = &outline.states[child].state.name;
            findings.push(
                Finding::new(
                    Code::UnreachableState,
                    name.span,
                    format!("nothing leads to `{}`", name.value),
                )
                .help("remove it, or name it in a `next` or `catch`"),
            );
        }
    }
}
