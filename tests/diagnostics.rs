//! Every code is met by a bad file of its own, and what a person reads is a snapshot.
//!
//! `diagnostics/CODE.yaml`, or `CODE__WHAT.yaml` where one code has several faces; where there is a
//! scenario file beside it, what is said is of that; `config_…` are device configs; device config and job data of the same name are in `diagnostics/data`. After a change that is meant:
//! `INSTA_UPDATE=always cargo test --test diagnostics`, and read the difference.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use tf_engine::check::config::advise;
use tf_engine::check::{AgentLimits, Options, check, check_with};
use tf_engine::diagnostic::{Code, Findings, SourceFile, Sources};
use tf_engine::engine::scenario::Suite;
use tf_engine::recipe::inputs::bind;
use tf_engine::recipe::library::Library;
use tf_engine::recipe::load::load;
use tf_engine::recipe::model::Recipe;
use tf_engine::recipe::scenario::SUFFIX;
use tf_engine::report::findings::{Style, render};

/// Cargo runs tests in the package's folder, and names in messages are relative to it.
fn folder() -> PathBuf {
    PathBuf::from("tests/diagnostics")
}

/// All that is said about a recipe, measured against the limits of a job.
fn check_for(recipe: &Recipe, job: Option<&str>) -> Findings {
    let mut sources = recipe.sources.clone();
    let mut findings = Findings::default();
    let mut options = Options {
        heartbeat: Some(Duration::from_secs(60)),
        ..Options::default()
    };
    if let Some(job) = job {
        let id = sources.add("testflinger.json", job);
        // What is no job is complained about where it is bound.
        options.agent = AgentLimits::read(&sources, id, &mut Findings::default());
    }
    findings.0.extend(check_with(recipe, &options).0);
    findings
}

/// All that is said about one file.
fn findings(path: &Path) -> (Sources, Findings) {
    let stem = path
        .file_stem()
        .expect("it has a name")
        .to_string_lossy()
        .into_owned();
    if stem.starts_with("config_") {
        let text = std::fs::read_to_string(path).expect("it can be read");
        return about_config(&path.display().to_string(), &text);
    }
    let scenarios = path.with_extension("test.yaml");
    if scenarios.is_file() {
        let opened = Suite::open(&Library::default(), &scenarios.to_string_lossy());
        return (opened.sources, opened.findings);
    }
    let loaded = load(&Library::default(), &path.to_string_lossy());
    let mut findings = loaded.findings;
    let mut sources = loaded.sources;
    if let Some(recipe) = &loaded.recipe {
        let job = folder().join("data").join(format!("{stem}.job.json"));
        let job = std::fs::read_to_string(job).ok();
        let intact = !findings.has_errors() && !check(recipe).has_errors();
        findings.0.extend(check_for(recipe, job.as_deref()).0);
        if intact {
            let data = |suffix: &str| {
                let name = format!("{stem}{suffix}");
                let text = std::fs::read_to_string(folder().join("data").join(&name)).ok()?;
                Some(SourceFile { name, text })
            };
            let binding = bind(
                recipe,
                "provision",
                data(".device.yaml"),
                data(".job.json"),
                None,
            );
            findings.0.extend(binding.findings.0);
            sources = binding.sources;
        }
    }
    findings.sort();
    (sources, findings)
}

/// All that is said about a device config; the shipped recipes are what it may be for.
fn about_config(name: &str, text: &str) -> (Sources, Findings) {
    static RECIPES: LazyLock<Vec<Recipe>> = LazyLock::new(|| {
        let library = Library::default();
        let recipes = library.names().into_iter();
        recipes
            .filter_map(|name| load(&library, &name).recipe)
            .filter(|recipe| !recipe.library)
            .collect()
    });
    let config = SourceFile {
        name: name.to_owned(),
        text: text.to_owned(),
    };
    let advice = advise(&RECIPES, &config);
    (advice.sources, advice.findings)
}

/// The name of a code as its file has it: `UnknownKey` is `unknown_key`.
fn file_name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

#[test]
fn every_code_is_met_and_reads_well() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("diagnostics/snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let style = Style {
        color: false,
        width: 100,
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder())
        .expect("the folder is there")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "yaml"))
        .filter(|path| !path.to_string_lossy().ends_with(SUFFIX))
        .collect();
    files.push(folder().join("unreadable.yaml"));
    files.sort();
    let mut met = BTreeSet::new();
    for path in files {
        let stem = path
            .file_stem()
            .expect("it has a name")
            .to_string_lossy()
            .into_owned();
        let wanted = stem.split("__").next().unwrap_or_default();
        let (sources, findings) = findings(&path);
        let has_it = findings
            .0
            .iter()
            .any(|finding| file_name(finding.code) == wanted);
        settings
            .bind(|| insta::assert_snapshot!(stem.as_str(), render(&sources, &findings, style)));
        assert!(has_it, "{stem}.yaml has no finding of its code");
        met.insert(wanted.to_owned());
    }
    let missing: Vec<String> = Code::ALL
        .iter()
        .map(|code| file_name(*code))
        .filter(|name| !met.contains(name))
        .collect();
    assert!(missing.is_empty(), "no file for {missing:?}");
}

#[test]
fn every_code_is_explained() {
    let mut numbers = BTreeSet::new();
    for code in Code::ALL {
        assert!(numbers.insert(code.number()), "{} twice", code.number());
        let explanation = code.explanation().trim();
        assert!(
            explanation.ends_with('.'),
            "{}: {explanation}",
            code.number()
        );
    }
}

/// A fenced block of a page.
struct Block<'a> {
    fence: &'a str,
    text: String,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(fence) = line.strip_prefix("```") {
            let inside = lines.by_ref().take_while(|line| *line != "```");
            let text = inside.map(|line| format!("{line}\n")).collect();
            blocks.push(Block { fence, text });
        }
    }
    blocks
}

/// What is said about a page's recipe, bound to device config or job data where they are given.
fn about(recipe: &str, device: Option<&str>, job: Option<&str>) -> (Sources, Findings) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("example.yaml");
    std::fs::write(&path, recipe).expect("it is written");
    let loaded = load(&Library::default(), &path.to_string_lossy());
    let mut findings = loaded.findings;
    let mut sources = loaded.sources;
    if let Some(recipe) = &loaded.recipe {
        findings.0.extend(check_for(recipe, job).0);
        if device.is_some() || job.is_some() {
            let data = |name: &str, text: &str| SourceFile {
                name: name.to_owned(),
                text: text.to_owned(),
            };
            let device = device.map(|text| data("default.yaml", text));
            let job = job.map(|text| data("testflinger.json", text));
            let binding = bind(recipe, "provision", device, job, None);
            findings.0.extend(binding.findings.0);
            sources = binding.sources;
        }
    }
    findings.sort();
    (sources, findings)
}

/// What is said about scenarios of a page's recipe.
fn about_scenarios(recipe: &str, scenarios: &str) -> (Sources, Findings) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(format!("example{SUFFIX}"));
    std::fs::write(folder.path().join("example.yaml"), recipe).expect("it is written");
    std::fs::write(&path, scenarios).expect("it is written");
    let opened = Suite::open(&Library::default(), &path.to_string_lossy());
    (opened.sources, opened.findings)
}

/// Every `bad` block gets the page's code and nothing worse; every `good` one gets nothing at all.
#[test]
fn every_page_shows_its_code_and_the_way_out() {
    let style = Style {
        color: false,
        width: 100,
    };
    let mut wrong = Vec::new();
    for code in Code::ALL {
        let blocks = blocks(code.page());
        let good = blocks.iter().find(|block| block.fence == "yaml good");
        let shows_configs = blocks.iter().any(|block| block.fence == "yaml config good");
        if good.is_none() && !shows_configs && *code != Code::Unreadable {
            wrong.push(format!("{}: no `yaml good`", code.number()));
        }
        for block in &blocks {
            let recipe = good.map_or("", |good| &good.text);
            let (sources, findings) = match block.fence {
                "yaml bad" | "yaml good" => about(&block.text, None, None),
                "yaml device bad" | "yaml device good" => about(recipe, Some(&block.text), None),
                "yaml config bad" | "yaml config good" => about_config("default.yaml", &block.text),
                "yaml scenarios bad" | "yaml scenarios good" => {
                    about_scenarios(recipe, &block.text)
                }
                "json job bad" | "json job good" => about(recipe, None, Some(&block.text)),
                _ => continue,
            };
            let is_right = if block.fence.ends_with("good") {
                findings.0.is_empty()
            } else {
                findings.0.iter().any(|finding| finding.code == *code)
                    && findings
                        .0
                        .iter()
                        .all(|finding| finding.code == *code || finding.severity > code.severity())
            };
            if !is_right {
                wrong.push(format!(
                    "{} `{}`:\n{}",
                    code.number(),
                    block.fence,
                    render(&sources, &findings, style)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
