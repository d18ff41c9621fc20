//! A recipe as a whole: its sections, in the order in which they need each other.

use std::collections::{BTreeMap, BTreeSet};

use super::cx::{Cx, Import, Names};
use super::defaults::Defaults;
use super::input::is_input;
use crate::diagnostic::{Code, Finding, SourceId, Span, Spanned};
use crate::recipe::extends::{Document, Files, merged};
use crate::recipe::library::Opened;
use crate::recipe::model::{
    Declared, Group, Host, Map, Procedure, Recipe, Role, Rule, ShellKind, Stage, Tree, TreeKind,
};
use crate::recipe::vocabulary::{self, ACTIONS};
use crate::recipe::yaml::{Kind, Node};

const KEYS: &[&str] = &[
    "recipe",
    "library",
    "summary",
    "extends",
    "device",
    "job",
    "hosts",
    "gear",
    "let",
    "vars",
    "tracks",
    "rules",
    "defaults",
    "procedures",
    "stages",
];

/// Stages that an agent may ask for.
pub(super) const STAGES: &[&str] = &[
    "provision",
    "firmware_update",
    "runtest",
    "allocate",
    "reserve",
    "cleanup",
];

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
        sources: crate::diagnostic::Sources::default(),
        device,
        job,
        hosts,
        gear,
        lets,
        vars,
        tracks: names.tracks.clone(),
        rules,
        procedures,
        stages,
        imports: Map::new(),
    };
    let mut callers = callers.to_vec();
    callers.push(name);
    import(files, &mut recipe, wanted, &callers);
    Some(recipe)
}

/// Reads the recipes whose procedures are called, and takes their procedures.
fn import(files: &mut Files<'_>, recipe: &mut Recipe, wanted: Vec<Import>, callers: &[String]) {
    let mut failed = BTreeSet::new();
    for import in wanted {
        if callers.contains(&import.recipe) {
            files.findings.push(
                Finding::new(
                    Code::RecipeCycle,
                    import.span,
                    format!("`{}` calls itself by way of another recipe", import.recipe),
                )
                .help("put what both need into a recipe that both call or extend"),
            );
            continue;
        }
        if !recipe.imports.contains_key(&import.recipe) && !failed.contains(&import.recipe) {
            let library = files.library;
            let opened = files.open(library, &import.recipe, Some(import.span));
            match opened.and_then(|opened| read(files, opened, callers)) {
                Some(mut other) => {
                    recipe
                        .procedures
                        .extend(std::mem::take(&mut other.procedures));
                    recipe.imports.extend(std::mem::take(&mut other.imports));
                    recipe.imports.insert(import.recipe.clone(), other);
                }
                None => {
                    failed.insert(import.recipe.clone());
                }
            }
        }
        if failed.contains(&import.recipe) {
            continue;
        }
        let name = format!("{}.{}", import.recipe, import.procedure);
        if !recipe.procedures.contains_key(&name) {
            let prefix = format!("{}.", import.recipe);
            let known: Vec<&str> = recipe
                .procedures
                .keys()
                .filter(|name| name.starts_with(&prefix))
                .map(String::as_str)
                .collect();
            let similar = crate::diagnostic::nearest(&name, known.iter().copied());
            files.findings.push(
                Finding::new(
                    Code::UnknownProcedure,
                    import.span,
                    format!(
                        "there is no procedure `{}` in `{}`",
                        import.procedure, import.recipe
                    ),
                )
                .suggest(similar),
            );
        }
    }
}

/// Sections of all files, merged.
struct Sections {
    device: Option<Node>,
    job: Option<Node>,
    hosts: Option<Node>,
    gear: Option<Node>,
    lets: Option<Node>,
    vars: Option<Node>,
    tracks: Option<Node>,
    procedures: Option<Node>,
    stages: Option<Node>,
}

impl Sections {
    fn new(documents: &[Document]) -> Self {
        let flat = |section| merged(documents, section, |_| false);
        Self {
            device: flat("device"),
            job: merged(documents, "job", |node| {
                matches!(node.kind, Kind::Map(_)) && !is_input(node)
            }),
            hosts: flat("hosts"),
            gear: flat("gear"),
            lets: flat("let"),
            vars: flat("vars"),
            tracks: flat("tracks"),
            procedures: flat("procedures"),
            stages: flat("stages"),
        }
    }
}

impl Names {
    fn gather(&mut self, sections: &Sections, device: &Group, job: &Group) {
        self.hosts.insert("local".to_owned());
        self.hosts
            .extend(entries(sections.hosts.as_ref()).map(|(key, _)| key.name.clone()));
        for (key, node) in entries(sections.gear.as_ref()) {
            if let Some(kind) = Cx::kind_of_gear(node) {
                self.gear.insert(key.name.clone(), kind);
            }
        }
        self.procedures
            .extend(entries(sections.procedures.as_ref()).map(|(key, _)| key.name.clone()));
        self.limited(device, "device");
        self.limited(job, "job");
    }

    /// Paths of lists whose length has a bound.
    fn limited(&mut self, group: &Group, path: &str) {
        for (name, declared) in &group.members {
            let path = format!("{path}.{name}");
            match declared {
                Declared::Input(input) if input.max_items.is_some() => {
                    self.limited_lists.insert(path);
                }
                Declared::Input(_) => {}
                Declared::Group(group) => self.limited(group, &path),
            }
        }
    }
}

fn entries(section: Option<&Node>) -> impl Iterator<Item = &(crate::recipe::yaml::Key, Node)> {
    section.map_or(&[] as &[_], Node::entries).iter()
}

fn local() -> Host {
    Host {
        span: Span::default(),
        login: None,
        shell: ShellKind::Bash,
        role: Role::Lab,
    }
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
            "procedures",
            "stages",
        ] {
            if let Some(node) = node.get(section) {
                self.is_map(section, node);
            }
        }
    }

    /// `tracks`: names with the values that each can have.
    fn tracks(&mut self, node: Option<&Node>, names: &Names) -> Map<Vec<String>> {
        let mut tracks = Map::new();
        for (key, value) in entries(node) {
            if !self.declared(key) {
                continue;
            }
            if names
                .gear
                .get(&key.name)
                .is_some_and(|kind| !kind.values().is_empty())
            {
                self.push(
                    Finding::new(
                        Code::NameTwice,
                        key.span,
                        format!("`{}` is a gear, and so a tracked value already", key.name),
                    )
                    .help("give one of them another name"),
                );
                continue;
            }
            let Kind::Seq(items) = &value.kind else {
                self.wrong_type(&key.name, value, "a list of values");
                continue;
            };
            let mut values = Vec::new();
            for item in items {
                if let Kind::Bool(truth) = item.kind {
                    self.push(
                        Finding::new(
                            Code::YamlTrap,
                            item.span,
                            "a tracked value is a text, not a boolean",
                        )
                        .help(format!("put it in quotes: \"{truth}\"")),
                    );
                    continue;
                }
                if let Some(text) = self.literal(&key.name, item, "a text") {
                    values.push(text);
                }
            }
            tracks.insert(key.name.clone(), values);
        }
        tracks
    }

    /// The rules of all files.
    fn rules(&mut self, documents: &[Document]) -> Vec<Rule> {
        let mut rules = Vec::new();
        for document in documents {
            let Some(node) = document.node.get("rules") else {
                continue;
            };
            let Kind::Seq(items) = &node.kind else {
                self.wrong_type("rules", node, "a list of `{before, needs}`");
                continue;
            };
            for item in items {
                if !self.is_map("a rule", item) {
                    continue;
                }
                self.known_keys(item, "a rule", &["before", "needs"], |_| None);
                let before = self.required(item, "before", "a rule", item.span);
                let needs = self.required(item, "needs", "a rule", item.span);
                let (Some(before), Some(needs)) = (before, needs) else {
                    continue;
                };
                let needs = self.needs("needs", needs);
                let Some(action) = self.literal("before", before, "the name of an action") else {
                    continue;
                };
                if vocabulary::action(&action).is_none() {
                    self.unknown(
                        Code::UnknownAction,
                        before.span,
                        "action",
                        &action,
                        ACTIONS.iter().map(|action| action.name),
                    );
                    continue;
                }
                rules.push(Rule {
                    before: Spanned::new(action, before.span),
                    needs,
                });
            }
        }
        rules
    }

    /// Constants, each after those that it reads; complains about circles.
    fn ordered(&mut self, mut lets: Map<Tree>) -> Map<Tree> {
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
            .help(format!(
                "look at {}",
                crate::diagnostic::list(circle, "and")
            ));
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
