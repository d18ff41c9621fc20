//! A recipe as plain text, for a terminal.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use super::inputs::{InputRow, rows, value};
use super::unrecoverable;
use crate::recipe::ErrorKind;
use crate::recipe::duration::print;
use crate::recipe::model::{
    Body, Declared, Driver, EndKind, Gear, Group, Host, Map, Recipe, Row, State, Step, Templated,
    Tree, TreeKind,
};
use crate::report::verdict_word;

/// The recipe for a person, as plain text that ends with a line break.
pub fn show(recipe: &Recipe) -> String {
    let mut page = Page::default();
    match &recipe.summary {
        Some(summary) => page.line(0, &format!("{}: {summary}", recipe.name)),
        None => page.line(0, &recipe.name),
    }
    inputs(&mut page, "Device config", &recipe.device);
    inputs(&mut page, "Job data", &recipe.job);
    hosts(&mut page, &recipe.hosts);
    gear(&mut page, &recipe.gear);
    for (name, stage) in &recipe.stages {
        let bound = stage
            .root
            .timeout
            .as_ref()
            .map(|bound| format!(", at most {}", duration(bound)));
        page.heading(&format!("Stage {name}{}", bound.unwrap_or_default()));
        state(&mut page, 1, &stage.root, true);
        recovery(&mut page, recipe, &stage.root);
    }
    blame(&mut page, &recipe.blame);
    for (name, procedure) in &recipe.procedures {
        page.heading(&format!("Procedure {name}"));
        if let Some(summary) = &procedure.root.summary {
            page.line(1, summary);
        }
        let parameters = Group {
            one_of: Vec::new(),
            members: procedure
                .params
                .iter()
                .map(|(name, input)| (name.clone(), Declared::Input(Box::new(input.clone()))))
                .collect(),
        };
        table(&mut page, &rows(&parameters));
        state(&mut page, 1, &procedure.root, true);
    }
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, depth: usize, text: &str) {
        let _ = writeln!(self.text, "{:1$}{text}", "", depth * 2);
    }

    fn heading(&mut self, text: &str) {
        self.text.push('\n');
        self.line(0, text);
    }
}

fn inputs(page: &mut Page, title: &str, group: &Group) {
    let rows = rows(group);
    if rows.is_empty() {
        return;
    }
    page.heading(title);
    table(page, &rows);
}

fn table(page: &mut Page, rows: &[InputRow]) {
    let width = |cell: fn(&InputRow) -> &str| {
        rows.iter()
            .map(|row| cell(row).chars().count())
            .max()
            .unwrap_or(0)
    };
    let (path, shape) = (width(|row| &row.path), width(|row| &row.shape).min(44));
    for row in rows {
        let line = format!(
            "{:path$}  {:shape$}  {}",
            row.path, row.shape, row.description
        );
        page.line(1, line.trim_end());
    }
}

fn hosts(page: &mut Page, hosts: &Map<Host>) {
    let logins: Vec<_> = hosts
        .iter()
        .filter_map(|(name, host)| Some((name, host.login.as_ref()?)))
        .collect();
    if logins.is_empty() {
        return;
    }
    page.heading("Hosts");
    for (name, login) in logins {
        let user = login
            .user
            .as_ref()
            .map(|user| format!("{}@", tree(user)))
            .unwrap_or_default();
        let via = login
            .via
            .as_ref()
            .map(|via| format!(" via {}", via.value))
            .unwrap_or_default();
        page.line(1, &format!("{name}  {user}{}{via}", tree(&login.address)));
    }
}

fn gear(page: &mut Page, gear: &Map<Gear>) {
    if gear.is_empty() {
        return;
    }
    page.heading("Gear");
    for (name, gear) in gear {
        let kind = gear.kind.word();
        let driver = match &gear.driver {
            Some(Driver::Steps(verbs)) => {
                format!(", {}", verbs.keys().cloned().collect::<Vec<_>>().join(", "))
            }
            Some(Driver::Named(driver)) => format!(", driver {}", tree(driver)),
            None => String::new(),
        };
        page.line(1, &format!("{name}  {kind}{driver}"));
    }
}

fn blame(page: &mut Page, probes: &Map<Arc<Step>>) {
    if probes.is_empty() {
        return;
    }
    page.heading("Looked at after a failure");
    for (name, probe) in probes {
        let mut line = format!("{name}  {}", probe.action.name);
        if let Some(verdict) = probe.verdict {
            let _ = write!(line, ", if it fails: {}", verdict_word(verdict));
        }
        if let Some(when) = &probe.when {
            let _ = write!(line, "  when {}", when.text);
        }
        page.line(1, &line);
    }
}

pub(in crate::report) fn tree(tree: &Tree) -> String {
    match &tree.kind {
        TreeKind::Literal(literal) => value(literal),
        TreeKind::Template(template) => template.text.to_string(),
        TreeKind::Expr(expr) | TreeKind::Deferred(expr) => expr.text.to_string(),
        TreeKind::List(items) => format!(
            "[{}]",
            items.iter().map(self::tree).collect::<Vec<_>>().join(", ")
        ),
        TreeKind::Map(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(key, member)| format!("{key}: {}", self::tree(member)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}

pub(in crate::report) fn duration(bound: &Templated<Duration>) -> String {
    match bound {
        Templated::Literal(duration) => print(*duration),
        Templated::Template(template) => template.text.to_string(),
    }
}

fn state(page: &mut Page, depth: usize, state: &State, root: bool) {
    let mut depth = depth;
    if !root {
        page.line(depth, state_line(state).trim_end());
        depth += 1;
    }
    match &state.body {
        Body::Leaf { steps: list } => steps(page, depth, "", list),
        Body::Scope {
            enter,
            states,
            exit,
            ..
        } => {
            steps(page, depth, "enter ", enter);
            for child in states.values() {
                self::state(page, depth, child, false);
            }
            steps(page, depth, "exit ", exit);
        }
        Body::Choice | Body::End { .. } => {}
    }
}

fn state_line(state: &State) -> String {
    let mut line = state.name.value.clone();
    if let Body::End { end, .. } = &state.body {
        let end = match end {
            EndKind::Success => "success",
            EndKind::Failure => "failure",
            EndKind::Unrecoverable => "unrecoverable",
        };
        let _ = write!(line, " = {end}");
    }
    if !state.next.is_empty() {
        let _ = write!(
            line,
            " → {}",
            state.next.iter().map(row).collect::<Vec<_>>().join(", ")
        );
    }
    for catch in &state.catch {
        let kind = catch.kind.map_or("any", ErrorKind::word);
        let _ = write!(line, "  catch {kind} → {}", catch.to.value);
    }
    if let Some(retry) = &state.retry {
        let _ = write!(line, "  {} tries", attempts(&retry.attempts));
    }
    if let Some(bound) = &state.timeout {
        let _ = write!(line, "  at most {}", duration(bound));
    }
    if state.recovery {
        line.push_str("  recovery");
    }
    if let Some(summary) = &state.summary {
        let _ = write!(line, "  ({summary})");
    }
    line
}

fn row(row: &Row) -> String {
    match &row.when {
        Some(when) => format!("{} when {}", row.to.value, when.text),
        None => row.to.value.clone(),
    }
}

pub(in crate::report) fn attempts(attempts: &Templated<u32>) -> String {
    match attempts {
        Templated::Literal(attempts) => attempts.to_string(),
        Templated::Template(template) => template.text.to_string(),
    }
}

fn steps(page: &mut Page, depth: usize, list: &str, steps: &[Arc<Step>]) {
    for step in steps {
        page.line(depth, &format!("{list}{}", step_line(step)));
    }
}

fn step_line(step: &Step) -> String {
    let mut line = step.action.name.to_owned();
    if let Some(call) = &step.call {
        let _ = write!(line, " {}", call.procedure.value);
    } else if step.name != step.action.name {
        let _ = write!(line, " ({})", step.name);
    }
    if let Some(host) = step.host.as_ref().filter(|host| host.value != "local") {
        let _ = write!(line, " on {}", host.value);
    }
    if let Some(retry) = &step.retry {
        let _ = write!(line, "  {} tries", attempts(&retry.attempts));
    }
    if step.recovery {
        line.push_str("  recovery");
    }
    line
}

/// Lists every place of a stage, its procedures included, whose failure is a failed recovery.
fn recovery(page: &mut Page, recipe: &Recipe, root: &State) {
    let found = unrecoverable::places(recipe, root);
    page.text.push('\n');
    if found.is_empty() {
        page.line(1, "Nothing here ends in 46.");
        return;
    }
    page.line(1, "Can end in 46:");
    for site in &found {
        page.line(2, site);
    }
}
