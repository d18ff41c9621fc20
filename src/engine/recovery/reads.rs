//! What the exit steps of a stage, and of the procedures that it can reach, read of what a run makes.

use std::collections::BTreeSet;

use crate::machine::{Chart, List};
use crate::recipe::reads::of_step;

/// Names that exit steps read. `device`, `job`, `let` and the like are not among them: what begins a
/// run is in the journal's header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct ExitReads {
    names: BTreeSet<Vec<String>>,
}

impl ExitReads {
    /// Those of a chart.
    pub(in crate::engine) fn of(chart: &Chart) -> Self {
        let mut names = BTreeSet::new();
        let exit = |step: &crate::machine::StepId| chart.position(*step).0 == List::Exit;
        for step in chart.steps().filter(exit) {
            of_step(chart.step(step), &mut |text| {
                for read in text.reads() {
                    let mut path = read.path;
                    path.truncate(2);
                    names.insert(path);
                }
            });
        }
        Self { names }
    }

    /// Whether one of them reads this member of a root, or the whole of it.
    pub(in crate::engine) fn member(&self, root: &str, member: &str) -> bool {
        self.names.iter().any(|path| match path.as_slice() {
            [whole] => whole == root,
            [of, name, ..] => of == root && name == member,
            [] => false,
        })
    }

    /// Whether one of them reads this root, or something in it.
    pub(in crate::engine) fn root(&self, root: &str) -> bool {
        self.names
            .iter()
            .any(|path| path.first().is_some_and(|of| of == root))
    }
}
