//! No value from outside becomes shell syntax.
//!
//! Where a value may stand in a shell string, and that it is quoted there, is settled when the string
//! is loaded. Here is what needs the whole recipe: `| raw`, which is not quoted, `commands`, whose
//! lines are commands as they are, and pipes, which need to know the host.

use super::origins::{Origins, Table};
use super::sites::{Sites, Text};
use crate::diagnostic::{Code, Finding, Findings};
use crate::recipe::model::{Recipe, ShellKind};
use crate::recipe::template::{Read, Style, pipes};
use crate::recipe::yaml::place;

pub(super) fn check(recipe: &Recipe, sites: &Sites<'_>, findings: &mut Findings) {
    let table = Table::of(recipe, sites);
    raw(recipe, sites, &table, findings);
    commands(recipe, sites, &table, findings);
    piped(recipe, sites, findings);
}

fn raw(recipe: &Recipe, sites: &Sites<'_>, table: &Table<'_>, findings: &mut Findings) {
    let outside = Origins::JOB.and(Origins::OUTPUT);
    for site in &sites.all {
        if !matches!(site.text, Text::Template(template) if template.style == Style::Shell) {
            continue;
        }
        for used in site.text.analyse().filters {
            if used.name != "raw" {
                continue;
            }
            let bad = used
                .of
                .iter()
                .filter(|read| !read.control)
                .map(|read| (read, table.read(read, site).common(outside)))
                .find(|(_, origins)| !origins.is_empty());
            if let Some((read, origins)) = bad {
                let span = site.text.place(&recipe.sources, used.range.clone());
                let message = format!("`| raw` on {}", described(read, origins));
                findings.push(
                    Finding::new(Code::RawFromOutside, span, message)
                        .help("without `| raw` the value is quoted, as one word"),
                );
            }
        }
    }
}

fn commands(recipe: &Recipe, sites: &Sites<'_>, table: &Table<'_>, findings: &mut Findings) {
    let inside = Origins::DEVICE.and(Origins::RUN);
    for site in &sites.commands {
        for read in site.text.analyse().reads {
            if read.control {
                continue;
            }
            let origins = table.read(&read, site).without(inside);
            if origins.is_empty() {
                continue;
            }
            let span = site.text.place(&recipe.sources, read.range.clone());
            let message = format!("`commands` would run {}", described(&read, origins));
            findings.push(Finding::new(Code::CommandsFromOutside, span, message).help(
                "`commands` takes literals, `run`, and values from `device` alone; `run` quotes values",
            ));
        }
    }
}

fn described(read: &Read, origins: Origins) -> String {
    let path = read.path.join(".");
    match read.path.first().map(String::as_str) {
        Some("vars" | "params" | "let" | "item" | "gear" | "host") => {
            format!("`{path}`, which may come {}", origins.words())
        }
        _ => format!("`{path}`, which comes {}", origins.words()),
    }
}

fn piped(recipe: &Recipe, sites: &Sites<'_>, findings: &mut Findings) {
    for shell in &sites.shells {
        let Some(host) = shell
            .scope
            .host()
            .filter(|host| host.shell == ShellKind::Sh)
        else {
            continue;
        };
        let name = shell.scope.host.unwrap_or_default();
        for range in pipes(shell.text) {
            let span = place(&recipe.sources, shell.span, shell.text, range);
            let message = format!("a pipe on `{name}`, whose shell is `sh`");
            findings.push(
                Finding::new(Code::PipeInSh, span, message)
                    .help("`sh` does not tell when the left side fails: use a file between two steps, or a `script` of its own")
                    .related(host.span, format!("`{name}` is declared here")),
            );
        }
    }
}
