//! A recipe as a whole: its sections, in the order in which they need each other.

use std::collections::BTreeMap;

use super::cx::{Cx, Names};
use super::defaults::Defaults;
use super::import::import;
use super::sections::{Sections, entries};
use crate::diagnostic::{Code, Finding, SourceId, Span};
use crate::recipe::extends::{Document, Files};
use crate::recipe::library::Opened;
use crate::recipe::model::{Declared, Group, Host, Map, Procedure, Recipe, Role, ShellKind, Stage};
use crate::recipe::vocabulary::key::names;
use crate::recipe::vocabulary::keys::{self, STAGES};
use crate::recipe::yaml::{Kind, Node};

const KEYS: &[&str] = &names::<{ keys::RECIPE.len() }>(keys::RECIPE);

/// Reads a recipe and all that it needs. `callers` are the recipes that call this one's procedures;
/// where there is one, stages are left out.
pub(super) fn read(files: &mut Files<'_>, opened: Opened, callers: &[String]) -> Option<Recipe> {
    let stem = opened.name.clone();
    let library = match &opened.folder {
        Some(folder) => files.library.beside(folder),
        None => files.library.clone(),
    };
    let documents = files.chain(opened)?;
    let own = documents.last()?;
    let name = own_name(files, own, &stem);
    let prefix = (!callers.is_empty()).then(|| name.clone());
    let sections = Sections::new(&documents);
    let mut names = Names::default();
    let mut cx = Cx {
        library: &library,
        sources: &*files.sources,
        findings: &mut *files.findings,
        names: &Names::default(),
        prefix: prefix.as_deref(),
        imports: Vec::new(),
    };
    for document in &documents {
        cx.document(document);
    }
    let device = Group {
        one_of: Vec::new(),
        members: sections.device.as_ref().map_or_else(Map::new, |node| {
            cx.inputs("device", node)
                .into_iter()
                .map(|(name, input)| (name, Declared::Input(Box::new(input))))
                .collect()
        }),
    };
    let job = sections
        .job
        .as_ref()
        .and_then(|node| cx.group(node))
        .unwrap_or_default();
    names.gather(&sections, &device, &job);
    names.tracks = cx.tracks(sections.tracks.as_ref(), &names);
    let bare = names.clone();
    cx.names = &bare;
    let rules = cx.rules(&documents);
    names.rules = rules
        .iter()
        .map(|rule| (rule.before.value.clone(), rule.needs.clone()))
        .collect();
    let Cx { imports, .. } = cx;
    let mut cx = Cx {
        library: &library,
        sources: &*files.sources,
        findings: &mut *files.findings,
        names: &names,
        prefix: prefix.as_deref(),
        imports,
    };
    let mut hosts = Map::new();
    hosts.insert("local".to_owned(), local());
    for (key, node) in entries(sections.hosts.as_ref()) {
        if let Some(host) = cx.declared(key).then(|| cx.host_entry(key, node)).flatten() {
            hosts.insert(key.name.clone(), host);
        }
    }
    cx.via_cycles(&hosts);
    let mut gear = Map::new();
    for (key, node) in entries(sections.gear.as_ref()) {
        if let Some(entry) = cx.declared(key).then(|| cx.gear_entry(key, node)).flatten() {
            gear.insert(key.name.clone(), entry);
        }
    }
    let lets = cx.named_trees("let", sections.lets.as_ref());
    let lets = cx.ordered(lets);
    let vars = cx.named_trees("vars", sections.vars.as_ref());
    let defaults: BTreeMap<SourceId, Defaults> = documents
        .iter()
        .map(|document| {
            let defaults = cx.defaults(&Defaults::default(), document.node.get("defaults"));
            (document.node.span.source, defaults)
        })
        .collect();
    let of = |span: Span| defaults.get(&span.source).cloned().unwrap_or_default();
    let (mut blame, mut lab_failure_status) = (Map::new(), None);
    if prefix.is_none() {
        blame = cx.blame(sections.blame.as_ref());
        let nearest = documents.iter().rev();
        lab_failure_status = nearest
            .filter_map(|document| document.node.get("lab_failure_status"))
            .find(|node| !node.is_null())
            .and_then(|node| cx.lab_failure_status(node));
    }
    let mut procedures: Map<Procedure> = Map::new();
    for (key, node) in entries(sections.procedures.as_ref()) {
        if cx.declared(key)
            && let Some(procedure) = cx.procedure(key, node, &of(key.span))
        {
            let name = match cx.prefix {
                Some(recipe) => format!("{recipe}.{}", key.name),
                None => key.name.clone(),
            };
            procedures.insert(name, procedure);
        }
    }
    let mut stages: Map<Stage> = Map::new();
    for (key, node) in entries(sections.stages.as_ref()) {
        if !STAGES.contains(&key.name.as_str()) {
            cx.unknown(
                Code::UnknownStage,
                key.span,
                "stage",
                &key.name,
                STAGES.iter().copied(),
            );
        } else if prefix.is_none()
            && let Some(stage) = cx.stage(key, node, &of(key.span))
        {
            stages.insert(key.name.clone(), stage);
        }
    }
    let wanted = std::mem::take(&mut cx.imports);
    let text = |key: &str| own.node.get(key).and_then(Node::text).map(str::to_owned);
    let mut recipe = Recipe {
        name: name.clone(),
        summary: text("summary"),
        library: matches!(
            own.node.get("library").map(|node| &node.kind),
            Some(Kind::Bool(true))
        ),
        complete: false,
        sources: crate::diagnostic::Sources::default(),
        device,
        job,
        hosts,
        gear,
        lets,
        vars,
        tracks: names.tracks.clone(),
        rules,
        blame,
        lab_failure_status,
        procedures,
        stages,
        imports: Map::new(),
    };
    let mut callers = callers.to_vec();
    callers.push(name);
    import(files, &library, &mut recipe, wanted, &callers);
    Some(recipe)
}

/// The name under `recipe`, which is the file's.
fn own_name(files: &mut Files<'_>, document: &Document, stem: &str) -> String {
    let Some(node) = document.node.get("recipe") else {
        let (span, message) = match document.node.entry("recipe") {
            Some((key, _)) => (key.span, "`recipe` is empty".to_owned()),
            None => (
                Span::new(document.node.span.source, 0, 0),
                "the recipe has no `recipe`, which it needs".to_owned(),
            ),
        };
        files.findings.push(
            Finding::new(Code::MissingKey, span, message)
                .help(format!("it begins with `recipe: {stem}`")),
        );
        return stem.to_owned();
    };
    match node.text() {
        Some(name) if name == stem => {}
        Some(name) => files.findings.push(
            Finding::new(
                Code::BadName,
                node.span,
                format!("the recipe `{name}` is in a file of another name"),
            )
            .help(format!("a recipe is called as its file: `recipe: {stem}`")),
        ),
        None => files.findings.push(Finding::new(
            Code::WrongType,
            node.span,
            format!("`recipe` must be a name, not {}", node.what()),
        )),
    }
    stem.to_owned()
}

impl Cx<'_> {
    /// The keys of a file that are read nowhere else.
    fn document(&mut self, document: &Document) {
        let node = &document.node;
        self.known_keys(node, "a recipe", KEYS, |_| None);
        if !super::cx::is_name(&document.name) {
            self.push(
                Finding::new(
                    Code::BadName,
                    node.entry("recipe").map(|(_, node)| node.span),
                    format!("`{}` is no name for a recipe", document.name),
                )
                .help("a name is a lower-case letter, then letters, digits and `_`"),
            );
        }
        if let Some(library) = node.get("library") {
            self.boolean("library", library);
        }
        if let Some(summary) = node.get("summary") {
            self.literal("summary", summary, "a text");
        } else if let Some((key, _)) = node.entry("stages") {
            self.push(
                Finding::new(
                    Code::MissingKey,
                    key.span,
                    "a recipe with stages has a `summary`",
                )
                .help("one line, for lists and reports"),
            );
        }
        for section in [
            "device",
            "job",
            "hosts",
            "gear",
            "let",
            "vars",
            "tracks",
            "blame",
            "procedures",
            "stages",
        ] {
            if let Some(node) = node.get(section) {
                self.is_map(section, node);
            }
        }
    }
}

fn local() -> Host {
    Host {
        span: Span::default(),
        login: None,
        shell: ShellKind::Bash,
        role: Role::Lab,
    }
}
