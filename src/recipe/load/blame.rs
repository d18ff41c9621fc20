//! `blame`: what is looked at after a failure, and what exit status that may lead to.

use std::sync::Arc;
use std::time::Duration;

use super::cx::Cx;
use super::defaults::Defaults;
use super::sections::entries;
use super::step::Place;
use crate::diagnostic::{Code, Finding, Span};
use crate::recipe::Value;
use crate::recipe::model::{Map, Step, StepTimeout, Templated, Tree, TreeKind};
use crate::recipe::template::Expr;
use crate::recipe::yaml::{Key, Kind, Node};

/// The longest that one probe may take.
const LONGEST: Duration = Duration::from_secs(30);

/// Methods that change nothing (RFC 9110, section 9.2.1).
const SAFE: &[&str] = &["GET", "HEAD", "OPTIONS"];

impl Cx<'_> {
    /// All probes, in order.
    pub(super) fn blame(&mut self, section: Option<&Node>) -> Map<Arc<Step>> {
        let mut probes = Map::new();
        for (key, node) in entries(section) {
            if self.declared(key)
                && let Some(probe) = self.probe(key, node)
            {
                probes.insert(key.name.clone(), Arc::new(probe));
            }
        }
        probes
    }

    fn probe(&mut self, key: &Key, node: &Node) -> Option<Step> {
        let mut step = self.step(node, Place::Blame, &Defaults::default())?;
        step.name.clone_from(&key.name);
        if let StepTimeout::After(Templated::Literal(bound)) = step.timeout
            && bound > LONGEST
        {
            let span = step.places.value("timeout").unwrap_or(key.span);
            self.complain(
                Code::BadValue,
                span,
                "a probe of `blame` takes at most 30 s: whoever waits for the run waits for it too",
            );
        }
        self.changes_nothing(&step);
        Some(step)
    }

    /// A probe only looks: whatever the run has left is left as it is.
    fn changes_nothing(&mut self, step: &Step) {
        if let Some(tree) = step.params.get("authorize")
            && !matches!(tree.kind, TreeKind::Literal(Value::Bool(false)))
        {
            self.changes(tree.span, "`authorize` puts a key on the host");
        }
        self.reads_only(&step.params);
        if let Some(TreeKind::Map(request)) = step.params.get("http").map(|tree| &tree.kind) {
            self.reads_only(request);
        }
        for inner in &step.inner {
            self.reads_only(&inner.params);
        }
    }

    /// The method of a request; without one a body makes it a POST.
    fn reads_only(&mut self, request: &Map<Tree>) {
        if let Some(method) = request.get("method") {
            let safe = match &method.kind {
                TreeKind::Literal(Value::String(method)) => SAFE.contains(&method.as_str()),
                _ => false,
            };
            if !safe {
                self.changes(method.span, "its request is a `GET` or a `HEAD`");
            }
        }
        for body in ["json", "body", "form", "multipart"] {
            if let Some(body) = request.get(body) {
                self.changes(body.span, "its request has no body");
            }
        }
    }

    fn changes(&mut self, span: Span, help: &str) {
        self.push(
            Finding::new(Code::Misplaced, span, "a probe of `blame` changes nothing").help(help),
        );
    }

    /// `lab_failure_status`: 1 or 46, or an expression that gives one of them.
    pub(super) fn lab_failure_status(&mut self, node: &Node) -> Option<Expr> {
        if let Kind::Int(number) = node.kind
            && !matches!(number, 1 | 46)
        {
            self.complain(
                Code::BadValue,
                node.span,
                format!("`lab_failure_status` is 1 or 46, not {number}"),
            );
        }
        self.expr("lab_failure_status", node)
    }
}

#[cfg(test)]
mod tests {
    use crate::diagnostic::Findings;
    use crate::recipe::library::Library;
    use crate::recipe::load::{load, load_text};
    use crate::recipe::model::Recipe;

    const STAGE: &str = "stages:\n  provision:\n    timeout: 1m\n    do: []\n";

    fn read(blame: &str) -> (Option<Recipe>, Findings) {
        let text = format!("recipe: x\nsummary: X\n{blame}{STAGE}");
        let loaded = load_text(&Library::default(), "x", &text);
        (loaded.recipe, loaded.findings)
    }

    #[test]
    fn a_probe_has_its_key_as_name_and_a_bound() {
        let (recipe, findings) =
            read("blame: { switch: { run: x }, board: { wait: { tcp: a:1 } } }\n");
        assert!(findings.0.is_empty(), "{findings:?}");
        let recipe = recipe.expect("it is a recipe");
        let probes: Vec<String> = recipe
            .blame
            .iter()
            .map(|(name, step)| format!("{name} {} {:?}", step.name, step.timeout))
            .collect();
        assert_eq!(
            probes,
            [
                "switch switch After(Literal(5s))",
                "board board After(Literal(5s))"
            ]
        );
    }

    #[test]
    fn a_probe_only_looks() {
        #[track_caller]
        fn case(probe: &str, expected: &[&str]) {
            let (_, findings) = read(&format!("blame:\n  x:\n    {probe}\n"));
            let said: Vec<&str> = findings
                .0
                .iter()
                .map(|finding| finding.message.as_str())
                .collect();
            assert_eq!(said, expected, "{probe}");
        }
        const CHANGES: &str = "a probe of `blame` changes nothing";
        case("http: { method: HEAD, url: \"http://a/\" }", &[]);
        case("http: \"http://a/\"", &[]);
        case(
            "http: { url: \"http://a/\", json: { on: true } }",
            &[CHANGES],
        );
        case("http: { method: PUT, url: \"http://a/\" }", &[CHANGES]);
        case(
            "wait: { http: { method: POST, url: \"http://a/\" } }",
            &[CHANGES],
        );
        case(
            "wait: { steps: [ { http: { method: POST, url: \"http://a/\" } } ] }",
            &[CHANGES],
        );
        case(
            "wait: { ssh: dut, authorize: false }\nhosts: { dut: { address: a } }",
            &[],
        );
        case(
            "wait: { ssh: dut, authorize: true }\nhosts: { dut: { address: a } }",
            &[CHANGES],
        );
        case("wait: { tcp: \"a:1\" }\n    timeout: 30s", &[]);
    }

    #[test]
    fn a_child_adds_probes_and_takes_them_away() {
        let folder = tempfile::tempdir().expect("a folder");
        let parent = "recipe: parent\nlibrary: true\nblame: { a: { run: a }, b: { run: b } }\nlab_failure_status: 1\n";
        let child = format!(
            "recipe: child\nsummary: X\nextends: parent\nblame: {{ c: {{ run: c }}, a: null }}\n{STAGE}"
        );
        let path = folder.path().join("child.yaml");
        std::fs::write(folder.path().join("parent.yaml"), parent).expect("a file");
        std::fs::write(&path, child).expect("a file");
        let loaded = load(&Library::default(), &path.to_string_lossy());
        let recipe = loaded.recipe.expect("it is a recipe");
        let names: Vec<&String> = recipe.blame.keys().collect();
        assert_eq!(names, ["b", "c"]);
        let status = recipe.lab_failure_status.expect("it is inherited");
        assert_eq!(&*status.text, "1");
    }
}
