//! What passes the loader goes on: through the plan, the graph, the schemas and the explorer, with data
//! that may be as broken. And scenario files.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use tf_engine::check::explore::{Options, explore};
use tf_engine::diagnostic::{Findings, Sources};
use tf_engine::engine::{Inputs, RunRequest, Signals, plan};
use tf_engine::machine::Chart;
use tf_engine::recipe::inputs::{Bound, bind};
use tf_engine::recipe::library::Library;
use tf_engine::recipe::load::{load, read_scenarios};
use tf_engine::recipe::model::Recipe;
use tf_engine::recipe::schema::{self, Document};
use tf_engine::report::findings::render;
use tf_engine::report::graph::{Graph, dot, mermaid, svg};
use tf_engine::report::{plan_json, plan_text};
use tf_engine::transport::{Local, SshKeys};

use crate::mutation::{Random, mutate};
use crate::{DEVICE, JOB, STYLE, all_of, file, shipped, survives};

fn request(recipe: &Recipe, stage: &str, bound: Bound) -> RunRequest {
    let own = |bound: &Bound| Inputs {
        device: bound.device.clone(),
        job: bound.job.clone(),
        secrets: bound.secrets.clone(),
    };
    let mut inputs = HashMap::from([(None, own(&bound))]);
    for (name, import) in &bound.imports {
        inputs.insert(Some(name.clone()), own(import));
    }
    let library = Library::default();
    RunRequest {
        recipe: Arc::new(recipe.clone()),
        stage: stage.to_owned(),
        inputs,
        documents: (bound.device_document, bound.job_document),
        run_dir: "/nowhere".into(),
        assets: Arc::new(move |name| library.asset(name).map(Arc::from)),
        local: Arc::new(Local::new(Path::new("/nowhere"))),
        keys: Arc::new(SshKeys::from_environment(|_| None)),
        env: Vec::new(),
        seed: 0,
        signals: Signals::none(),
    }
}

/// Everything that can be asked of a recipe without a board; whether a plan could be made of it.
fn asked(recipe: &Recipe, device: &str, job: &str) -> bool {
    let mut planned = false;
    for document in [Document::Device, Document::Job] {
        schema::data(recipe, document);
    }
    for stage in recipe.stages.keys() {
        if let Ok(chart) = Chart::build(recipe, stage) {
            let graph = Graph::new(recipe, &chart);
            assert!(!svg(&graph).is_empty() && !dot(&graph).is_empty());
            assert!(!mermaid(&graph).is_empty());
        }
        let options = Options {
            max_states: 300,
            ..Options::default()
        };
        let _ = explore(recipe, stage, options);
        let binding = bind(recipe, stage, file("d", device), file("j", job), None);
        render(&binding.sources, &binding.findings, STYLE);
        if binding.findings.has_errors() {
            continue;
        }
        if let Ok(plan) = plan(request(recipe, stage, binding.bound)) {
            assert!(!plan_text(&plan).is_empty() && !plan_json(&plan).is_empty());
            planned = true;
        }
    }
    planned
}

#[tokio::test]
async fn mutated_recipes_that_load_are_planned_drawn_and_explored() {
    let recipes = shipped();
    let mut random = Random(4);
    let mut planned = 0;
    for _ in 0..200 {
        let (name, text) = random.pick(&recipes);
        let text = mutate(text, &mut random);
        survives(&text, || {
            let loaded = all_of(name, &text);
            if let Some(recipe) = &loaded.recipe
                && !loaded.findings.has_errors()
            {
                planned += usize::from(asked(recipe, DEVICE, JOB));
            }
        });
    }
    assert!(planned > 10, "only {planned} were planned");
}

#[tokio::test]
async fn mutated_data_are_planned_or_refused() {
    let recipe = load(&Library::default(), "muxpi").recipe.expect("it ships");
    let mut random = Random(5);
    let mut planned = 0;
    for _ in 0..150 {
        let (device, job) = (mutate(DEVICE, &mut random), mutate(JOB, &mut random));
        survives(&format!("{device}\n{job}"), || {
            let binding = bind(
                &recipe,
                "provision",
                file("d", &device),
                file("j", &job),
                None,
            );
            if !binding.findings.has_errors()
                && let Ok(plan) = plan(request(&recipe, "provision", binding.bound))
            {
                plan_text(&plan);
                planned += 1;
            }
        });
    }
    assert!(planned > 10, "only {planned} were planned");
}

#[test]
fn mutated_scenarios_are_answered() {
    let texts: Vec<String> = std::fs::read_dir("recipes")
        .expect("the folder is there")
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().ends_with(".test.yaml"))
        .filter_map(|entry| std::fs::read_to_string(entry.path()).ok())
        .collect();
    let mut random = Random(6);
    for _ in 0..2000 {
        let text = random.pick(&texts);
        let text = mutate(text, &mut random);
        survives(&text, || {
            let mut sources = Sources::default();
            let mut findings = Findings::default();
            let source = sources.add("x.test.yaml", text.clone());
            let file = read_scenarios(&sources, source, &mut findings);
            assert!(file.is_some() || findings.has_errors());
            render(&sources, &findings, STYLE);
        });
    }
}

#[test]
fn any_bytes_are_answered_with_a_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.yaml");
    let mut random = Random(7);
    for round in 0..300 {
        let mut bytes = shipped()[0].1.clone().into_bytes();
        if round % 3 == 0 {
            bytes.clear();
        }
        for _ in 0..=random.below(40) {
            let at = random.below(bytes.len() + 1);
            let byte = u8::try_from(random.below(256)).unwrap_or(0);
            bytes.insert(at, byte);
        }
        std::fs::write(&path, &bytes).expect("a file");
        survives(&format!("{bytes:?}"), || {
            let loaded = load(&Library::default(), &path.to_string_lossy());
            assert!(loaded.findings.has_errors(), "it has another name");
            render(&loaded.sources, &loaded.findings, STYLE);
        });
    }
}
