//! How long `check` takes: `cargo bench --bench check`.
//!
//! A thousand recipes of 30 states on all processors, read from files as on the command line; then what is
//! large or hostile: 10,000 states, scopes 200 deep, a template of a megabyte, a thousand states that
//! each lead to each other.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and one that can't go on may panic"
)]

use std::fmt::Write;
use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

use tf_engine::check::check;
use tf_engine::recipe::library::Library;
use tf_engine::recipe::load::load_text;

/// Recipes on the command line.
const RECIPES: usize = 1_000;

fn main() {
    many();
    one("10,000 states", &states(10_000));
    one("scopes 200 deep", &deep(200));
    one("a template of 1 MB", &template(1 << 20));
    one("an expression of 1 MB", &expression(1 << 20));
    one("300 states that lead to each other", &tangle(300));
}

/// The program itself, on a folder.
fn many() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..RECIPES {
        let text = states(30).replace("recipe: bench", &format!("recipe: r{n}"));
        std::fs::write(folder.path().join(format!("r{n}.yaml")), text).unwrap();
    }
    let began = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_tf-engine"))
        .arg("check")
        .arg(folder.path())
        .output()
        .unwrap();
    let took = began.elapsed();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{RECIPES} recipes of 30 states: {took:?} ({})", said.trim());
}

fn one(what: &str, text: &str) {
    let began = Instant::now();
    let loaded = load_text(&Library::default(), "bench", text);
    let read = began.elapsed();
    let found = loaded.recipe.as_ref().map(check).unwrap_or_default();
    let took = began.elapsed();
    let first = loaded.findings.0.first().or(found.0.first());
    println!(
        "{what} ({} kB): {took:?}, {read:?} of it to read; {} findings, the first: {}",
        text.len() / 1000,
        loaded.findings.0.len() + found.0.len(),
        first.map_or("none", |finding| finding.message.as_str())
    );
    black_box(found);
}

const HEAD: &str = "recipe: bench\nsummary: A recipe of a benchmark\ndevice:\n  \
    address: { type: string, default: board }\n  lines: { type: list, items: string, default: [] }\n\
    hosts: { board: { address: \"{{ device.address }}\" } }\nvars: { go: true }\n";

/// Scopes of four leaves each, one after another.
fn states(count: usize) -> String {
    let mut text =
        format!("{HEAD}stages:\n  provision:\n    timeout: 20d\n    initial: s0\n    states:\n");
    let scopes = count / 5;
    for n in 0..scopes {
        let next = match n + 1 {
            last if last == scopes => "done".to_owned(),
            next => format!("s{next}"),
        };
        write!(
            text,
            "      s{n}:
        enter:
          - log: entering {n}
        initial: a{n}
        states:
          a{n}:
            do:
              - run: echo {{{{ device.address }}}} | tee log
                timeout: 1m
                retry: {{ attempts: 3, delay: 2s }}
                save: said{n}
              - commands: \"{{{{ device.lines }}}}\"
                host: board
            catch: d{n}
            next: b{n}
          b{n}:
            timeout: 10m
            do:
              - log: \"it said {{{{ vars.said{n}.stdout }}}}\"
            next: c{n}
          c{n}:
            next:
              - when: vars.go
                to: d{n}
              - to: done
          d{n}:
            do:
              - run: [echo, \"{{{{ device.address }}}}\"]
            next: done
        exit:
          - run: tidy-up
            retry: 2
        next: {next}
"
        )
        .unwrap();
    }
    text
}

fn deep(depth: usize) -> String {
    let mut text =
        format!("{HEAD}stages:\n  provision:\n    timeout: 1h\n    initial: s0\n    states:\n");
    for n in 0..depth {
        let pad = "  ".repeat(3 + 2 * n);
        let initial = n + 1;
        write!(
            text,
            "{pad}s{n}:\n{pad}  next: done\n{pad}  initial: s{initial}\n{pad}  states:\n"
        )
        .unwrap();
    }
    let pad = "  ".repeat(3 + 2 * depth);
    writeln!(text, "{pad}s{depth}: {{ do: [], next: done }}").unwrap();
    text
}

fn template(size: usize) -> String {
    let text = "{{ device.address }} ".repeat(size / 21);
    format!("{HEAD}stages:\n  provision:\n    timeout: 1h\n    do:\n      - run: echo {text}\n")
}

fn expression(size: usize) -> String {
    let text = "device.address ~ ".repeat(size / 17);
    format!(
        "{HEAD}stages:\n  provision:\n    timeout: 1h\n    do:\n      - log: \"{{{{ {text} 1 }}}}\"\n"
    )
}

fn tangle(count: usize) -> String {
    let mut text =
        format!("{HEAD}stages:\n  provision:\n    timeout: 1h\n    initial: s0\n    states:\n");
    for n in 0..count {
        write!(text, "      s{n}:\n        max_visits: 3\n        next:\n").unwrap();
        for to in 0..count {
            writeln!(text, "          - {{ when: vars.go == {to}, to: s{to} }}").unwrap();
        }
        text.push_str("          - to: done\n");
    }
    text
}
