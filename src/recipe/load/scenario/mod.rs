//! Scenario files: shapes and words are checked here; what the names in them mean is looked up where
//! the recipe is at hand.

mod expect;
mod outcome;

use super::cx::{Cx, Names};
use crate::diagnostic::{Code, Finding, Findings, SourceId, Sources, Span, Spanned, nearest};
use crate::recipe::library::Library;
use crate::recipe::model::Templated;
use crate::recipe::scenario::{Runs, Scenario, ScenarioFile, Sent, SignalAt};
use crate::recipe::template::Style;
use crate::recipe::vocabulary::key::names;
use crate::recipe::vocabulary::keys::STAGES;
use crate::recipe::vocabulary::keys::scenario;
use crate::recipe::yaml::{Dialect, Key, Kind, Node, read};

const FILE: &[&str] = &names::<{ scenario::FILE.len() }>(scenario::FILE);
const SCENARIO: &[&str] = &names::<{ scenario::SCENARIO.len() }>(scenario::SCENARIO);
const SIGNAL: &[&str] = &names::<{ scenario::SIGNAL.len() }>(scenario::SIGNAL);

/// Reads a scenario file that is among the sources, as far as it can be read.
pub fn read_scenarios(
    sources: &Sources,
    source: SourceId,
    findings: &mut Findings,
) -> Option<ScenarioFile> {
    let node = read(sources, source, Dialect::Recipe, findings)?;
    let library = Library::default();
    let names = Names::default();
    let mut cx = Cx {
        library: &library,
        sources,
        findings,
        names: &names,
        prefix: None,
        imports: Vec::new(),
    };
    cx.scenario_file(&node)
}

impl Cx<'_> {
    fn scenario_file(&mut self, node: &Node) -> Option<ScenarioFile> {
        if !matches!(node.kind, Kind::Map(_)) {
            self.push(
                Finding::new(
                    Code::WrongType,
                    node.span,
                    format!("a scenario file must be a map, not {}", node.what()),
                )
                .help("it begins with `recipe: NAME`"),
            );
            return None;
        }
        self.known_keys(node, "a scenario file", FILE, |key| {
            SCENARIO
                .contains(&key)
                .then(|| format!("`{key}` belongs to a scenario: `scenarios: {{ NAME: … }}`"))
        });
        let start = Span::new(
            node.span.source,
            node.span.start as usize,
            node.span.start as usize,
        );
        let recipe = self.required(node, "recipe", "a scenario file", start)?;
        let name = self.literal("recipe", recipe, "a recipe's name")?;
        let recipe = Spanned::new(name, recipe.span);
        let mut scenarios = Vec::new();
        if let Some(all) = self.required(node, "scenarios", "a scenario file", start)
            && self.is_map("scenarios", all)
        {
            for (key, value) in all.entries() {
                scenarios.extend(self.scenario(node, key, value));
            }
        }
        Some(ScenarioFile { recipe, scenarios })
    }

    fn scenario(&mut self, file: &Node, key: &Key, node: &Node) -> Option<Scenario> {
        self.is_name(&key.name, key.span);
        if node.is_null() {
            self.complain(
                Code::MissingKey,
                key.span,
                format!("`{}` is empty", key.name),
            );
            return None;
        }
        if !self.is_map(&key.name, node) {
            return None;
        }
        self.known_keys(node, "a scenario", SCENARIO, |_| None);
        let runs = self.runs(node);
        let summary = node.get("summary");
        let summary = summary.and_then(|node| self.literal("summary", node, "a text"));
        let (device, job) = (
            self.shared(file, node, "device"),
            self.shared(file, node, "job"),
        );
        let env = self.environment(file, node);
        let steps = self.scripted_steps(node.get("steps"));
        let signals = self.signals(node.get("signal"));
        let expect = node.get("expect");
        let expect = expect.and_then(|node| self.expectations(node));
        Some(Scenario {
            name: Spanned::new(key.name.clone(), key.span),
            span: node.span,
            summary,
            runs: runs?,
            device,
            job,
            env,
            steps,
            signals,
            expect,
        })
    }

    fn runs(&mut self, node: &Node) -> Option<Runs> {
        let stage = node.get("stage");
        let Some(procedure) = node.get("procedure") else {
            if let Some((key, _)) = node.entry("with") {
                self.push(
                    Finding::new(
                        Code::Misplaced,
                        key.span,
                        "`with` has no place in a scenario without `procedure`",
                    )
                    .help("a stage has no parameters"),
                );
            }
            let Some(stage) = stage else {
                return Some(Runs::Stage(Spanned::new(
                    "provision".to_owned(),
                    Span::new(
                        node.span.source,
                        node.span.start as usize,
                        node.span.start as usize,
                    ),
                )));
            };
            let name = self.literal("stage", stage, "a stage's name")?;
            if !STAGES.contains(&name.as_str()) {
                self.push(
                    Finding::new(
                        Code::UnknownStage,
                        stage.span,
                        format!("there is no stage `{name}`"),
                    )
                    .suggest(nearest(&name, STAGES.iter().copied())),
                );
                return None;
            }
            return Some(Runs::Stage(Spanned::new(name, stage.span)));
        };
        if let Some(stage) = stage {
            self.push(
                Finding::new(
                    Code::OneOf,
                    procedure.span,
                    "`stage` and `procedure` exclude each other",
                )
                .related(stage.span, "given here"),
            );
        }
        let name = self.literal("procedure", procedure, "a procedure's name")?;
        let mut with = Vec::new();
        if let Some(arguments) = node.get("with")
            && self.is_map("with", arguments)
        {
            for (key, value) in arguments.entries() {
                if let Some(tree) = self.tree(value, Style::Value) {
                    with.push((key.clone(), tree));
                }
            }
        }
        Some(Runs::Procedure {
            name: Spanned::new(name, procedure.span),
            with,
        })
    }

    /// A map of the scenario, merged over the file's.
    fn shared(&mut self, file: &Node, node: &Node, key: &str) -> Node {
        let empty = Node {
            span: node.span,
            kind: Kind::Map(Vec::new()),
        };
        let mut merged = empty;
        for owner in [file, node] {
            if let Some(given) = owner.get(key)
                && self.is_map(key, given)
            {
                merged = merge(&merged, given);
            }
        }
        merged
    }

    fn environment(&mut self, file: &Node, node: &Node) -> Vec<(String, String)> {
        let merged = self.shared(file, node, "env");
        let mut env = Vec::new();
        for (key, value) in merged.entries() {
            match &value.kind {
                Kind::Null => {}
                Kind::Seq(_) | Kind::Map(_) => self.wrong_type(&key.name, value, "a text"),
                _ => env.push((key.name.clone(), self.written(value))),
            }
        }
        env
    }

    fn signals(&mut self, node: Option<&Node>) -> Vec<SignalAt> {
        let Some(node) = node else {
            return Vec::new();
        };
        match &node.kind {
            Kind::Seq(items) => items.iter().filter_map(|item| self.signal(item)).collect(),
            _ => self.signal(node).into_iter().collect(),
        }
    }

    fn signal(&mut self, node: &Node) -> Option<SignalAt> {
        if !self.is_map("signal", node) {
            return None;
        }
        self.known_keys(node, "`signal`", SIGNAL, |_| None);
        let during = self.required(node, "during", "`signal`", node.span);
        let during = during.and_then(|at| {
            let text = self.literal("during", at, "a step")?;
            Some(Spanned::new(text, at.span))
        });
        let words = [("INT", Sent::Int), ("TERM", Sent::Term)];
        let send = match node.get("send") {
            Some(send) => self.word("send", send, &words),
            None => Some(Sent::Term),
        };
        let attempt = match node.get("try") {
            Some(number) => self.count("try", number, 1),
            None => Some(1),
        };
        let after = match node.get("after") {
            Some(after) => self.fixed_duration("after", after),
            None => Some(std::time::Duration::ZERO),
        };
        Some(SignalAt {
            span: node.span,
            during: during?,
            attempt: attempt?,
            after: after?,
            send: send?,
        })
    }

    /// A duration that is written as such.
    fn fixed_duration(&mut self, key: &str, node: &Node) -> Option<std::time::Duration> {
        match self.duration(key, node, false)? {
            Templated::Literal(duration) => Some(duration),
            Templated::Template(_) => {
                self.literal(key, node, "a duration, such as `90s`");
                None
            }
        }
    }

    /// A list of names; one alone is refused, so that there is one way to write it.
    fn references(&mut self, key: &str, node: &Node, what: &str) -> Option<Vec<Spanned<String>>> {
        let Kind::Seq(items) = &node.kind else {
            self.wrong_type(key, node, "a list");
            return None;
        };
        let items = items.iter().filter_map(|item| {
            let text = self.literal(key, item, what)?;
            Some(Spanned::new(text, item.span))
        });
        Some(items.collect())
    }
}

/// A map with another one's members over it, however deep; a null takes a member away.
fn merge(under: &Node, over: &Node) -> Node {
    let mut entries: Vec<(Key, Node)> = under.entries().to_vec();
    for (key, value) in over.entries() {
        let known = entries.iter_mut().find(|(known, _)| known.name == key.name);
        match (known, &value.kind) {
            (Some(known), Kind::Map(_)) if matches!(known.1.kind, Kind::Map(_)) => {
                *known = (key.clone(), merge(&known.1, value));
            }
            (Some(known), _) => *known = (key.clone(), value.clone()),
            (None, _) => entries.push((key.clone(), value.clone())),
        }
    }
    entries.retain(|(_, value)| !value.is_null());
    Node {
        span: over.span,
        kind: Kind::Map(entries),
    }
}
