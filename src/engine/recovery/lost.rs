//! Values that were there when a run was killed, and that its recovery does not have.

/// What is lost, by path (`vars`, `token`), each with the reason.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Lost(Vec<(Vec<String>, String)>);

impl Lost {
    pub(in crate::engine) fn add(&mut self, path: Vec<String>, why: impl Into<String>) {
        self.0.push((path, why.into()));
    }

    pub(in crate::engine) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name has a value again.
    pub(in crate::engine) fn found(&mut self, root: &str, member: &str) {
        self.0
            .retain(|(path, _)| !path.iter().eq([root, member].iter()));
    }

    /// What is missing to who reads this path: the path itself, something in it, or a whole that holds
    /// it.
    pub(in crate::engine) fn missing(&self, read: &[String]) -> Option<String> {
        self.0
            .iter()
            .find(|(path, _)| path.iter().zip(read).all(|(lost, read)| lost == read))
            .map(|(path, why)| format!("`{}` isn't known any more: {why}", path.join(".")))
    }
}

#[cfg(test)]
mod tests {
    use super::Lost;

    fn path(text: &str) -> Vec<String> {
        text.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn what_reads_a_lost_value_its_part_or_its_whole_is_told() {
        let mut lost = Lost::default();
        lost.add(path("vars.token"), "it was secret");
        for read in ["vars", "vars.token", "vars.token.id"] {
            assert_eq!(
                lost.missing(&path(read)).as_deref(),
                Some("`vars.token` isn't known any more: it was secret"),
                "{read}"
            );
        }
        assert_eq!(lost.missing(&path("vars.card")), None);
        lost.found("vars", "token");
        assert_eq!(lost.missing(&path("vars.token")), None);
    }
}
