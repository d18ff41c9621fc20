//! Shipped recipes with one mistake each, as a tired engineer makes them: `check`, `test` or `explore`
//! must notice.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tf_engine::check::explore::{Options, explore};
use tf_engine::diagnostic::{Findings, Sources};
use tf_engine::engine::scenario::{Statuses, Suite};
use tf_engine::machine::End;
use tf_engine::recipe::library::Library;
use tf_engine::recipe::load::load;
use tf_engine::recipe::yaml::{self, Dialect};

use super::mistakes::{Mistake, in_text, in_tree};

/// Recipes, and those whose scenarios try them, too.
const RECIPES: [(&str, &[&str]); 5] = [
    ("base", &["fake_connector", "noprovision", "muxpi"]),
    ("fake_connector", &[]),
    ("noprovision", &[]),
    ("simulated_board", &[]),
    ("muxpi", &[]),
];

const STATUSES: Statuses = Statuses {
    of: End::status,
    refused: 2,
};

/// What notices a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Noticed {
    Check,
    Test,
    Explore,
    Never,
}

/// What the tools say of a recipe.
struct Said {
    findings: BTreeMap<&'static str, usize>,
    errors: bool,
}

fn check(library: &Library, path: &Path) -> Said {
    let loaded = load(library, &path.to_string_lossy());
    let mut all = loaded.findings.0;
    if let Some(recipe) = &loaded.recipe {
        all.extend(tf_engine::check::check(recipe).0);
    }
    let errors = Findings(all.clone()).has_errors();
    let mut findings = BTreeMap::new();
    for finding in &all {
        *findings.entry(finding.code.number()).or_default() += 1;
    }
    Said { findings, errors }
}

/// Whether all scenarios of a recipe pass.
fn passes(library: &Library, folder: &Path, name: &str) -> bool {
    let path = folder.join(format!("{name}.test.yaml"));
    let Some(suite) = Suite::open(library, &path.to_string_lossy()).suite else {
        return false;
    };
    let count = suite.names().count();
    (0..count).all(|at| suite.run(at, STATUSES).is_some_and(|tried| tried.passed()))
}

/// What the explorer finds of each stage: exit statuses, how much is taken, what is broken.
fn explored(library: &Library, path: &Path) -> Vec<String> {
    let loaded = load(library, &path.to_string_lossy());
    let Some(recipe) = loaded.recipe else {
        return Vec::new();
    };
    let options = Options {
        max_states: 100_000,
        ..Options::default()
    };
    let stages = recipe.stages.keys();
    stages
        .map(|stage| match explore(&recipe, stage, options) {
            Ok(found) => {
                let statuses: Vec<u8> = found.ways.iter().map(|way| way.status).collect();
                let states = found.entered.iter().filter(|entered| **entered).count();
                let (taken, broken) = (found.taken.len(), found.broken.len());
                let (breaches, unmet) = (found.breaches.len(), found.unmet.len());
                format!("{stage} {statuses:?} {states} {taken} {broken} {breaches} {unmet}")
            }
            Err(error) => format!("{stage} {error}"),
        })
        .collect()
}

/// All recipes and scenarios, in a folder.
struct Bench {
    folder: tempfile::TempDir,
    library: Library,
}

impl Bench {
    fn new(texts: &[(String, String)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in texts {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        let library = Library::new([folder.path().to_owned()]);
        Self { folder, library }
    }

    fn put(&self, name: &str, text: &str) -> std::path::PathBuf {
        let path = self.folder.path().join(format!("{name}.yaml"));
        std::fs::write(&path, text).expect("a file");
        path
    }

    fn noticed(&self, name: &str, others: &[&str], mistake: &Mistake, sound: &Sound) -> Noticed {
        let path = self.put(name, &mistake.text);
        let said = check(&self.library, &path);
        let new = said
            .findings
            .iter()
            .any(|(code, count)| sound.said.findings.get(code).is_none_or(|was| was < count));
        if said.errors || new {
            return Noticed::Check;
        }
        let mut suites = std::iter::once(name).chain(others.iter().copied());
        if !suites.all(|suite| passes(&self.library, self.folder.path(), suite)) {
            return Noticed::Test;
        }
        if explored(&self.library, &path) == sound.explored {
            Noticed::Never
        } else {
            Noticed::Explore
        }
    }
}

/// What is said of a recipe without the mistake.
struct Sound {
    said: Said,
    explored: Vec<String>,
}

fn texts() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes");
    let mut texts = Vec::new();
    for (name, _) in RECIPES {
        for file in [format!("{name}.yaml"), format!("{name}.test.yaml")] {
            let text = std::fs::read_to_string(folder.join(&file)).expect("a file");
            texts.push((file, text));
        }
    }
    texts
}

/// A recipe as a value.
fn value(text: &str) -> Value {
    let mut sources = Sources::default();
    let source = sources.add("recipe", text);
    let mut findings = Findings::default();
    let tree = yaml::read(&sources, source, Dialect::Recipe, &mut findings);
    tree.map_or(json!(null), |tree| tree.to_value())
}

/// The recipes are gone through once each, all mistakes one by one; `DAMAGE_EVERY` takes only every
/// n-th, and `DAMAGE_REPORT` names a file for what came of it.
#[test]
fn mistakes_in_shipped_recipes_are_noticed() {
    let every = std::env::var("DAMAGE_EVERY").ok();
    let every = every.and_then(|every| every.parse().ok()).unwrap_or(EVERY);
    let texts = texts();
    let mut jobs = Vec::new();
    let mut sounds = BTreeMap::new();
    for (name, others) in RECIPES {
        let file = format!("{name}.yaml");
        let text = &texts
            .iter()
            .find(|(of, _)| *of == file)
            .expect("a recipe")
            .1;
        let bench = Bench::new(&texts);
        let tree = value(text);
        let path = bench.put(name, &tree.to_string());
        let sound = Sound {
            said: check(&bench.library, &path),
            explored: explored(&bench.library, &path),
        };
        assert!(!sound.said.errors, "{name} is sound");
        assert!(passes(&bench.library, bench.folder.path(), name));
        sounds.insert(name, sound);
        let mistakes = in_tree(&tree).into_iter().chain(in_text(text));
        jobs.extend(mistakes.map(|mistake| (name, others, mistake)));
    }
    let jobs: Vec<_> = jobs.into_iter().step_by(every).collect();
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, Noticed)>> = Mutex::default();
    let work = || {
        let bench = Bench::new(&texts);
        while let Some((name, others, mistake)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let noticed = bench.noticed(name, others, mistake, &sounds[name]);
            let file = format!("{name}.yaml");
            let text = texts.iter().find(|(of, _)| *of == file);
            bench.put(name, text.map_or("", |(_, text)| text));
            let mut results = results.lock().expect("no thread panics");
            let at = jobs.iter().position(|(_, _, of)| std::ptr::eq(of, mistake));
            results.push((at.unwrap_or_default(), noticed));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let results = results.into_inner().expect("no thread panics");
    let mut table: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    let mut missed = String::new();
    for (at, noticed) in &results {
        let (name, _, mistake) = &jobs[*at];
        table.entry(mistake.kind).or_default()[*noticed as usize] += 1;
        if *noticed == Noticed::Never {
            let _ = writeln!(missed, "{name}: {}: {}", mistake.kind, mistake.place);
        }
    }
    let mut told = String::new();
    let mut sums = [0; 4];
    for (kind, counts) in &table {
        let [check, test, explore, never] = counts;
        let _ = writeln!(told, "{kind:24} {check:5} {test:5} {explore:5} {never:5}");
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    let all: usize = sums.iter().sum();
    let noticed = all - sums[Noticed::Never as usize];
    let summary = format!("{told}{sums:?} of {all} (check, test, explore, never)\n{missed}");
    if let Some(path) = std::env::var_os("DAMAGE_REPORT") {
        std::fs::write(path, &summary).expect("a report");
    }
    assert!(
        noticed * 100 >= all * LEAST_NOTICED,
        "{noticed} of {all} mistakes are noticed\n{summary}"
    );
    let by_check = sums[Noticed::Check as usize];
    assert!(
        by_check * 100 >= all * LEAST_BY_CHECK,
        "{by_check} of {all} by check\n{summary}"
    );
}

/// Of how many mistakes one is tried, where nobody asks for more.
const EVERY: usize = 11;

/// Percent.
const LEAST_NOTICED: usize = 95;

/// Percent.
const LEAST_BY_CHECK: usize = 85;
