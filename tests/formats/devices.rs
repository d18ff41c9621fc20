//! The page of each device type is what its recipe says.
//!
//! After a change that is meant: `UPDATE_DOCS=1 cargo test --test formats devices`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use tf_engine::recipe::library::Library;
use tf_engine::recipe::load::load;
use tf_engine::recipe::model::{Declared, Recipe};
use tf_engine::report::show::page;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/devices")
}

/// All shipped recipes that can be run.
fn recipes() -> Vec<Recipe> {
    let library = Library::default();
    let recipes = library.names().into_iter();
    recipes
        .filter_map(|name| load(&library, &name).recipe)
        .filter(|recipe| !recipe.library)
        .collect()
}

fn index(recipes: &[Recipe]) -> String {
    let mut text = String::from("# Device types\n\n| recipe | |\n| --- | --- |\n");
    for recipe in recipes {
        let summary = recipe.summary.as_deref().unwrap_or_default();
        let _ = writeln!(text, "| [{0}]({0}.md) | {summary} |", recipe.name);
    }
    text
}

#[test]
fn the_pages_are_current() {
    let recipes = recipes();
    let mut pages: Vec<(String, String)> = recipes
        .iter()
        .map(|recipe| (format!("{}.md", recipe.name), page(recipe)))
        .collect();
    pages.push(("README.md".to_owned(), index(&recipes)));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(folder()).expect("a folder");
        for (name, text) in &pages {
            fs::write(folder().join(name), text).expect("it is written");
        }
    }
    let is_current = |(name, text): &&(String, String)| {
        fs::read_to_string(folder().join(name)).is_ok_and(|there| there == *text)
    };
    let old: Vec<&str> = pages
        .iter()
        .filter(|page| !is_current(page))
        .map(|(name, _)| name.as_str())
        .collect();
    assert!(old.is_empty(), "not current (UPDATE_DOCS=1): {old:?}");
    let there: BTreeSet<String> = fs::read_dir(folder())
        .expect("the folder is there")
        .map(|entry| {
            entry
                .expect("a file")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    let meant: BTreeSet<String> = pages.into_iter().map(|(name, _)| name).collect();
    assert_eq!(there, meant, "a page of no recipe");
}

#[test]
fn every_key_of_a_device_config_says_what_it_is_for() {
    let mut silent = BTreeSet::new();
    for recipe in recipes() {
        for (name, declared) in &recipe.device.members {
            let Declared::Input(input) = declared else {
                continue;
            };
            if input.description.is_none() {
                silent.insert(format!("{}: {name}", recipe.name));
            }
        }
    }
    assert!(silent.is_empty(), "no description: {silent:?}");
}
