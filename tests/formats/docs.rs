//! What the documents show works: every command line is one, every recipe passes.

use std::path::Path;
use std::process::Command;

use tf_engine::cli::parses;

use super::schema::{fenced, value};

const DOCUMENTS: &[&str] = &["README.md", "docs/checking.md", "docs/testflinger.md"];

fn text(path: &str) -> String {
    std::fs::read_to_string(path).expect("the document is there")
}

/// The words of a command line, without its comment, its redirections and what stands in brackets.
fn words(line: &str) -> Vec<String> {
    let line = line.split(" #").next().unwrap_or_default();
    let line = line
        .split([';', '|', '>', '&'])
        .next()
        .unwrap_or_default()
        .replace(['[', ']'], "");
    line.split_whitespace()
        .map(|word| word.trim_matches(['"', '`']).to_owned())
        .collect()
}

/// Everything in a document that calls the program: in consoles, in CI jobs, in the text.
fn command_lines(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some((_, rest)) = line.split_once("`tf-engine ")
            && let Some((command, _)) = rest.split_once('`')
        {
            found.push(words(&format!("tf-engine {command}")));
        } else if let Some(at) = line.find("tf-engine ").filter(|at| {
            let before = line[..*at].trim();
            ["$", "-", "run:", "- run:", "entry:"].contains(&before)
        }) {
            found.push(words(&line[at..]));
        }
    }
    found
}

#[test]
fn every_command_line_is_one() {
    let mut seen = 0;
    for path in DOCUMENTS.iter().copied().chain([".pre-commit-hooks.yaml"]) {
        for words in command_lines(&text(path)) {
            let mut words = words;
            // A hook is given the names of files.
            if path.starts_with('.') {
                words.push("recipes/my_board.yaml".to_owned());
            }
            if let Err(error) = parses(&words) {
                assert!(
                    words.contains(&"help".to_owned()),
                    "{path}: {words:?}\n{error}"
                );
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} command lines were found");
}

/// Recipes and the beginnings of files in the documents; CI jobs and hooks are other programs'.
#[test]
fn every_recipe_passes() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut seen = 0;
    for path in DOCUMENTS {
        for recipe in fenced(&text(path), "yaml").filter(|text| text.starts_with("recipe: ")) {
            let file = folder.path().join("my_board.yaml");
            std::fs::write(&file, recipe).expect("it is written");
            let checked = Command::new(env!("CARGO_BIN_EXE_tf-engine"))
                .args(["check", "my_board.yaml"])
                .current_dir(folder.path())
                .output()
                .expect("it starts");
            // Notes are fine: the recipes show the language, not every precaution.
            let said = String::from_utf8_lossy(&checked.stderr);
            let summary = String::from_utf8_lossy(&checked.stdout);
            assert!(
                summary.contains("1 recipe checked: 0 errors, 0 warnings"),
                "{path}\n{summary}{said}"
            );
            seen += 1;
        }
    }
    assert_eq!(seen, 2);
}

#[test]
fn hooks_are_what_pre_commit_reads() {
    let hooks = value(&text(".pre-commit-hooks.yaml"));
    for hook in hooks.as_array().expect("a list") {
        for key in ["id", "name", "entry", "language"] {
            assert!(hook[key].is_string(), "{key} of {hook}");
        }
    }
}

/// The lines by which editors find the schemas lead to files that are there.
#[test]
fn shipped_recipes_name_their_schema() {
    for entry in std::fs::read_dir("recipes").expect("the recipes") {
        let path = entry.expect("a file").path();
        if path.extension().is_none_or(|kind| kind != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a recipe");
        let first = text.lines().next().unwrap_or_default();
        let schema = first
            .strip_prefix("# yaml-language-server: $schema=")
            .unwrap_or_else(|| panic!("{} names no schema", path.display()));
        assert!(Path::new("recipes").join(schema).exists(), "{schema}");
    }
}
