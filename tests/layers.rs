//! The direction of dependencies: a room uses none above it, and the machine has no clock, no IO and
//! nothing asynchronous.

use std::fs;
use std::path::{Path, PathBuf};

/// From the top: each may use those that stand after it.
const ROOMS: [&str; 10] = [
    "cli",
    "report",
    "engine",
    "actions",
    "transport",
    "image",
    "check",
    "machine",
    "recipe",
    "diagnostic",
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The rooms that a text names as `crate::ROOM` or `crate::{ROOM, …}`, each with its line.
fn rooms_used(text: &str) -> Vec<(usize, &'static str)> {
    let mut used = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split("//").next().unwrap_or_default();
        for (at, found) in line.match_indices("crate::") {
            // `tf_engine_x::crate::` is no path; `$crate::` in a macro is.
            let rest = &line[at + found.len()..];
            let names = match rest.strip_prefix('{') {
                Some(list) => list.split('}').next().unwrap_or_default(),
                None => rest.split(',').next().unwrap_or_default(),
            };
            for name in names.split(',') {
                let name = name.trim();
                let end = name
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .unwrap_or(name.len());
                let room = ROOMS.iter().find(|room| **room == &name[..end]);
                used.extend(room.map(|room| (number, *room)));
            }
        }
    }
    used
}

#[test]
fn no_room_uses_one_above_it() {
    let mut wrong = Vec::new();
    for (place, room) in ROOMS.iter().enumerate() {
        let folder = src().join(room);
        if !folder.is_dir() {
            continue;
        }
        for file in sources(&folder) {
            let text = fs::read_to_string(&file).expect("a readable file");
            for (line, used) in rooms_used(&text) {
                if ROOMS[..place].contains(&used) {
                    wrong.push(format!("{}:{line}: {room} uses {used}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_room_is_known_here() {
    for entry in fs::read_dir(src()).expect("a readable folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            assert!(
                ROOMS.contains(&name),
                "src/{name} has no place in the order"
            );
        }
    }
}

#[test]
fn the_machine_has_no_clock_no_io_and_no_randomness() {
    const FOREIGN: [&str; 12] = [
        "Instant",
        "SystemTime",
        "std::fs",
        "std::io",
        "std::net",
        "std::env",
        "std::process",
        "std::thread",
        "tokio",
        "async ",
        "rand",
        "RandomState",
    ];
    let mut wrong = Vec::new();
    for file in sources(&src().join("machine")) {
        let text = fs::read_to_string(&file).expect("a readable file");
        for (number, line) in (1..).zip(text.lines()) {
            let code = line.split("//").next().unwrap_or_default();
            let foreign = FOREIGN.iter().find(|word| {
                code.match_indices(**word).any(|(at, _)| {
                    let before = code[..at].chars().next_back();
                    let after = code[at + word.len()..].chars().next();
                    let part = |c: char| c.is_alphanumeric() || c == '_';
                    !before.is_some_and(part) && (word.ends_with(' ') || !after.is_some_and(part))
                })
            });
            if let Some(word) = foreign {
                wrong.push(format!("{}:{number}: {}", file.display(), word.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_use_is_found_wherever_it_stands() {
    assert_eq!(rooms_used("use crate::machine::Fact;"), [(1, "machine")]);
    assert_eq!(rooms_used("\nlet x = crate::cli::run();"), [(2, "cli")]);
    assert_eq!(
        rooms_used("use crate::{engine::Sink, recipe};"),
        [(1, "engine"), (1, "recipe")]
    );
    assert_eq!(rooms_used("// crate::cli is above"), []);
}
