//! What is declared, saved or set, and never used.
//!
//! A library's inputs, hosts, gear and constants are there for its children, and what a recipe
//! inherits is its parent's: only what stands in the recipe's own file is looked at.

use std::collections::{BTreeMap, HashSet};

use super::whole::{Unit, UnitKind, Whole};
use crate::diagnostic::{Code, Finding, Findings, Severity, Sources, Span, nearest};
use crate::recipe::Value;
use crate::recipe::model::{Declared, Driver, Group, Recipe, Step, TreeKind};
use crate::recipe::reads::{self, Text};

/// Looks at the recipe's own declarations.
pub(super) fn check(whole: &Whole<'_>, findings: &mut Findings) {
    let recipe = whole.recipe;
    let Some((own, _)) = recipe.sources.iter().next() else {
        return;
    };
    let is_own = |span: Span| span.source == own && span.end > span.start;
    let mut used = Used::default();
    let mut in_stages: HashSet<String> = HashSet::new();
    used.surroundings(recipe);
    for unit in &whole.units {
        let mut vars = Used::default();
        vars.unit(unit);
        if unit.home().is_none() {
            if is_own(unit.outline.states[0].state.name.span) {
                variables(unit, &vars, &recipe.sources, findings);
                parameters(unit, &vars, findings);
            }
            if matches!(unit.kind, UnitKind::Stage(_)) {
                in_stages.extend(vars.members("vars").map(str::to_owned));
                if vars.whole.contains("vars") {
                    in_stages.extend(recipe.vars.keys().cloned());
                }
            }
            used.add(vars);
        } else {
            // Its names are another recipe's; the calls in it may be of this one.
            used.procedures.extend(vars.procedures);
        }
    }
    for text in recipe.vars.values() {
        reads::of_tree(text, &mut |text| used.text(text));
    }
    if recipe.library {
        return;
    }
    let mut paths = Paths::of(&used);
    inputs(
        &recipe.device,
        &mut vec!["device".to_owned()],
        &mut paths,
        &is_own,
        findings,
    );
    inputs(
        &recipe.job,
        &mut vec!["job".to_owned()],
        &mut paths,
        &is_own,
        findings,
    );
    for (name, host) in &recipe.hosts {
        if is_own(host.span) && host.login.is_some() && !used.hosts.contains(name) {
            findings.push(
                Finding::new(
                    Code::UnusedName,
                    host.span,
                    format!("nothing uses the host `{name}`"),
                )
                .help(format!(
                    "is a `host: {name}` missing on a step? Else remove it"
                )),
            );
        }
    }
    for (name, gear) in &recipe.gear {
        if is_own(gear.span) && !used.gear.contains(name) {
            findings.push(
                Finding::new(
                    Code::UnusedName,
                    gear.span,
                    format!("nothing uses the gear `{name}`"),
                )
                .help("remove it, or is a step that drives it missing?"),
            );
        }
    }
    for (name, value) in &recipe.lets {
        let at = key_before(&recipe.sources, name, value.span);
        if is_own(at) && !used.names.contains(&("let".to_owned(), name.clone())) {
            findings.push(
                Finding::new(Code::UnusedName, at, format!("nothing reads `let.{name}`"))
                    .help("remove it, or read it where it was meant to be read"),
            );
        }
    }
    for (name, value) in &recipe.vars {
        let at = key_before(&recipe.sources, name, value.span);
        if is_own(at) && !in_stages.contains(name) {
            findings.push(
                Finding::new(Code::NeverRead, at, format!("nothing reads `vars.{name}`"))
                    .help("remove it, or read it where it was meant to be read"),
            );
        }
    }
    for (name, procedure) in &recipe.procedures {
        let at = procedure.root.name.span;
        if procedure.home.is_none() && is_own(at) && !used.procedures.contains(name) {
            let mut finding =
                Finding::new(Code::UnusedName, at, format!("nothing here calls `{name}`"));
            finding.severity = Severity::Note;
            findings
                .push(finding.help("other recipes call it by the recipe's name; else remove it"));
        }
    }
}

/// What texts read and steps use.
#[derive(Default)]
struct Used {
    /// Root and member.
    names: HashSet<(String, String)>,
    /// Roots that are read as a whole.
    whole: HashSet<String>,
    /// Paths of `device` and `job`.
    paths: HashSet<Vec<String>>,
    hosts: HashSet<String>,
    gear: HashSet<String>,
    procedures: HashSet<String>,
}

impl Used {
    fn add(&mut self, other: Self) {
        self.names.extend(other.names);
        self.whole.extend(other.whole);
        self.paths.extend(other.paths);
        self.hosts.extend(other.hosts);
        self.gear.extend(other.gear);
        self.procedures.extend(other.procedures);
    }

    fn members<'u>(&'u self, root: &'u str) -> impl Iterator<Item = &'u str> {
        self.names
            .iter()
            .filter(move |(of, _)| of == root)
            .map(|(_, member)| member.as_str())
    }

    fn reads(&self, root: &str, member: &str) -> bool {
        self.whole.contains(root) || self.names.contains(&(root.to_owned(), member.to_owned()))
    }

    fn text(&mut self, text: Text<'_>) {
        for read in text.reads() {
            let Some(root) = read.path.first().cloned() else {
                continue;
            };
            match read.path.get(1) {
                Some(member) => {
                    if root == "gear" {
                        self.gear.insert(member.clone());
                    }
                    self.names.insert((root.clone(), member.clone()));
                }
                None => {
                    self.whole.insert(root.clone());
                }
            }
            if root == "device" || root == "job" {
                self.paths.insert(read.path);
            }
        }
    }

    /// Hosts, gear and constants.
    fn surroundings(&mut self, recipe: &Recipe) {
        for host in recipe.hosts.values() {
            reads::of_host(host, &mut |text| self.text(text));
            if let Some(via) = host.login.as_ref().and_then(|login| login.via.as_ref()) {
                self.hosts.insert(via.value.clone());
            }
        }
        for gear in recipe.gear.values() {
            reads::of_gear(gear, &mut |text| self.text(text));
            self.hosts
                .extend(gear.host.iter().map(|host| host.value.clone()));
            if let Some(Driver::Steps(verbs)) = &gear.driver {
                verbs.values().flatten().for_each(|step| self.step(step));
            }
        }
        for value in recipe.lets.values() {
            reads::of_tree(value, &mut |text| self.text(text));
        }
        for probe in recipe.blame.values() {
            reads::of_step(probe, &mut |text| self.text(text));
            self.step(probe);
        }
        if let Some(status) = &recipe.lab_failure_status {
            self.text(Text::Expr(status));
        }
    }

    fn unit(&mut self, unit: &Unit<'_>) {
        for placed in &unit.outline.states {
            reads::of_state(placed.state, &mut |text| self.text(text));
            for step in reads::steps(placed.state) {
                reads::of_step(step, &mut |text| self.text(text));
                self.step(step);
            }
        }
        match unit.kind {
            UnitKind::Procedure(procedure) => {
                if let Some(returns) = &procedure.returns {
                    self.text(Text::Expr(returns));
                }
            }
            UnitKind::Stage(stage) => {
                let ensured = stage
                    .ensures
                    .success
                    .keys()
                    .chain(stage.ensures.always.keys());
                self.gear.extend(ensured.cloned());
            }
        }
    }

    /// Hosts, gear and procedures that a step names.
    fn step(&mut self, step: &Step) {
        self.hosts
            .extend(step.host.iter().map(|host| host.value.clone()));
        for (key, tree) in &step.params {
            let text = match &tree.kind {
                TreeKind::Literal(Value::String(text)) => text.as_str(),
                TreeKind::Template(template) => template.text.as_ref(),
                _ => continue,
            };
            match (step.action.name, key.as_str()) {
                ("authorize", "host") | ("wait", "ssh") => {
                    self.hosts.insert(text.to_owned());
                }
                ("flash", "to") | (_, "gear") => {
                    self.gear.insert(text.to_owned());
                }
                ("copy", "from" | "to") => {
                    self.hosts
                        .extend(text.split_once(':').map(|(host, _)| host.to_owned()));
                }
                _ => {}
            }
        }
        self.procedures
            .extend(step.call.iter().map(|call| call.procedure.value.clone()));
        for inner in &step.inner {
            self.step(inner);
        }
    }
}

/// Paths that are read, and all that lead to them.
struct Paths<'u> {
    read: &'u HashSet<Vec<String>>,
    above: HashSet<&'u [String]>,
}

impl<'u> Paths<'u> {
    fn of(used: &'u Used) -> Self {
        let above = used
            .paths
            .iter()
            .flat_map(|path| (1..=path.len()).filter_map(|len| path.get(..len)))
            .collect();
        Self {
            read: &used.paths,
            above,
        }
    }

    /// Whether this, something in it, or a whole that holds it is read.
    fn contain(&self, path: &[String]) -> bool {
        self.above.contains(path)
            || (1..path.len())
                .filter_map(|len| path.get(..len))
                .any(|above| self.read.contains(above))
    }
}

fn inputs(
    group: &Group,
    path: &mut Vec<String>,
    paths: &mut Paths<'_>,
    is_own: &impl Fn(Span) -> bool,
    findings: &mut Findings,
) {
    for (name, declared) in &group.members {
        path.push(name.clone());
        match declared {
            Declared::Group(inner) => inputs(inner, path, paths, is_own, findings),
            Declared::Input(input) if is_own(input.span) && !paths.contain(path) => {
                let whole = path.join(".");
                findings.push(
                    Finding::new(
                        Code::UnusedInput,
                        input.span,
                        format!("nothing reads `{whole}`"),
                    )
                    .help("remove it, or read it where it was meant to be read"),
                );
            }
            Declared::Input(_) => {}
        }
        path.pop();
    }
}

fn parameters(unit: &Unit<'_>, used: &Used, findings: &mut Findings) {
    let UnitKind::Procedure(procedure) = unit.kind else {
        return;
    };
    for (name, input) in &procedure.params {
        if !used.reads("params", name) {
            let message = format!("nothing in `{}` reads `params.{name}`", unit.name);
            findings.push(
                Finding::new(Code::UnusedName, input.span, message)
                    .help("remove it, or read it where it was meant to be read"),
            );
        }
    }
}

/// What a stage or procedure saves or sets, and does not read.
fn variables(unit: &Unit<'_>, used: &Used, sources: &Sources, findings: &mut Findings) {
    // The first place of each, and how it gets its value.
    let mut given: BTreeMap<&str, (Span, &str)> = BTreeMap::new();
    for placed in &unit.outline.states {
        for (name, value) in &placed.state.vars {
            let at = key_before(sources, name, value.span);
            given.entry(name).or_insert((at, "declared"));
        }
        for step in reads::steps(placed.state) {
            for step in std::iter::once(step).chain(&step.inner) {
                if let Some(save) = &step.save {
                    given.entry(&save.value).or_insert((save.span, "saved"));
                }
                if step.action.name == "set" {
                    for (name, value) in &step.params {
                        let at = key_before(sources, name, value.span);
                        given.entry(name).or_insert((at, "set"));
                    }
                }
            }
        }
    }
    let unread: Vec<&str> = used
        .members("vars")
        .filter(|name| !given.contains_key(name))
        .collect();
    for (name, (at, how)) in &given {
        if used.reads("vars", name) {
            continue;
        }
        let similar = nearest(
            name,
            given
                .keys()
                .copied()
                .filter(|other| used.reads("vars", other))
                .chain(unread.iter().copied()),
        );
        let finding = Finding::new(
            Code::NeverRead,
            *at,
            format!("`vars.{name}` is {how} and never read"),
        );
        findings.push(match similar {
            Some(_) => finding.suggest(similar),
            None => finding.help(format!(
                "remove it, or read `vars.{name}` where it was meant to be read"
            )),
        });
    }
}

/// The key that a value stands behind.
fn key_before(sources: &Sources, name: &str, value: Span) -> Span {
    let Some(file) = sources.get(value.source) else {
        return value;
    };
    let before = file.text.get(..value.start as usize).unwrap_or_default();
    match before.trim_end().rfind(name) {
        // A key, its colon, and perhaps quotes and a line's end.
        Some(at) if value.start as usize - at <= name.len() + 200 => {
            Span::new(value.source, at, at + name.len())
        }
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::super::example::told;

    #[track_caller]
    fn case(head: &str, steps: &str, expected: &[&str]) {
        let text = format!(
            "recipe: example\nsummary: X\n{head}stages:\n  provision:\n    timeout: 1h\n    do:\n{steps}"
        );
        assert_eq!(told(&text), expected, "{text}");
    }

    #[test]
    fn what_is_declared_is_used() {
        let head = "device: { a: { type: string }, b: { type: string } }\n";
        case(head, "      - run: \"x {{ device.a }}\"\n", &["TF0322 b"]);
        case(head, "      - log: \"{{ device }}\"\n", &[]);
        case(
            head,
            "      - run: \"x {{ device.a }}\"\n        when: device.b\n",
            &[],
        );
        let head = "device: { a: { type: string, required: true } }\nlet: { l: \"{{ device.a }}\", m: 1 }\n";
        case(head, "      - log: \"{{ let.l }}\"\n", &["TF0323 m"]);
        let head = "hosts:\n  dut: { address: a }\n  via: { address: b }\n  in: { address: c, via: via }\n";
        let on = |host: &str| format!("      - run: x\n        host: {host}\n");
        case(head, &on("in"), &["TF0323 dut"]);
        case(
            head,
            &format!("{}      - copy: {{ from: \"dut:x\", to: x }}\n", on("in")),
            &[],
        );
        case(
            head,
            &format!(
                "{}      - wait: {{ ssh: dut }}\n        timeout: 1m\n",
                on("in")
            ),
            &[],
        );
    }

    #[test]
    fn what_a_library_declares_is_for_its_children() {
        let head =
            "library: true\ndevice: { a: { type: string } }\nhosts: { dut: { address: a } }\n";
        case(head, "      - log: x\n", &[]);
        // What is inherited is the parent's.
        case("extends: base\n", "      - log: x\n", &[]);
    }

    #[test]
    fn what_is_saved_is_read() {
        case("", "      - run: x\n        save: y\n", &["TF0324 y"]);
        case(
            "",
            "      - run: x\n        save: y\n      - log: \"{{ vars.y.stdout }}\"\n",
            &[],
        );
        case("", "      - set: { y: 1 }\n", &["TF0324 y"]);
        case("vars: { y: 1 }\n", "      - run: x\n", &["TF0324 y"]);
        case("vars: { y: 1 }\n", "      - log: \"{{ vars.y }}\"\n", &[]);
        case("vars: { y: 1 }\n", "      - log: \"{{ vars }}\"\n", &[]);
    }
}
