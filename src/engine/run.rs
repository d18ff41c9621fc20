//! A run from beginning to end: what it needs is made, the journal opened, the machine driven.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::driver::drive;
use super::journal::{self, FILE_NAME, Header, Journal};
use super::live::Live;
use super::memory::Memory;
use super::record::utc;
use super::signals::Signals;
use super::sink::{Opening, Sink};
use super::summary::RunReport;
use crate::actions::{Equipment, Home, Lab};
use crate::image::Sha256;
use crate::machine::{Chart, Machine};
use crate::recipe::model::Recipe;
use crate::recipe::secret::{HIDDEN, Masker};
use crate::recipe::template::{Assets, Context};
use crate::transport::{Http, Local, PingMethod, SshKeys};

/// The values of one recipe's inputs, checked.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// `device`.
    pub device: Value,
    /// `job`.
    pub job: Value,
    /// Paths of values that are secret, from `device` or `job` on.
    pub secrets: Vec<Vec<String>>,
}

/// What is to be run, and with what.
pub struct RunRequest {
    /// The recipe, checked.
    pub recipe: Arc<Recipe>,
    /// One of its stages.
    pub stage: String,
    /// The recipe's inputs (`None`), and those of the recipes whose procedures it calls, by name.
    pub inputs: HashMap<Option<String>, Inputs>,
    /// The device config and job data as they came, for the functions that see whole documents.
    pub documents: (Value, Value),
    /// Where the run's files go; it is made where it is not there.
    pub run_dir: PathBuf,
    /// Shipped files by name.
    pub assets: Assets,
    /// The engine's machine as a place where commands run.
    pub local: Arc<Local>,
    /// The engine's own SSH keys.
    pub keys: Arc<SshKeys>,
    /// The engine's environment.
    pub env: Vec<(String, String)>,
    /// What jitter is made of; [`fresh_seed`] where nobody cares.
    pub seed: u64,
    /// Where signals come from.
    pub signals: Signals,
}

/// Why a run was not begun: nothing was touched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// A seed from the clock and the process.
pub fn fresh_seed() -> u64 {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let nanos = u64::try_from(now.as_nanos() & u128::from(u64::MAX)).unwrap_or_default();
    mixed(nanos ^ (u64::from(std::process::id()) << 32))
}

/// `run.id`: 12 characters of `[0-9a-z]`. The first eight count milliseconds, so ids sort by time (to
/// the year 2059); the last four come of the seed, so that runs begun at once differ.
pub fn run_id(time: SystemTime, seed: u64) -> String {
    let millis = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, super::record::millis);
    let mut id = base36(millis % 36_u64.pow(8), 8);
    id.push_str(&base36(mixed(seed) % 36_u64.pow(4), 4));
    id
}

fn base36(mut number: u64, digits: usize) -> String {
    let mut text = vec!['0'; digits];
    for digit in text.iter_mut().rev() {
        let value = u32::try_from(number % 36).unwrap_or_default();
        *digit = char::from_digit(value, 36).unwrap_or('0');
        number /= 36;
    }
    text.into_iter().collect()
}

/// The finaliser of SplitMix64: neighbouring numbers give unlike ones.
fn mixed(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Runs a stage. Once it has begun it always comes to an end that is reported: what fails is in the
/// report.
///
/// # Errors
/// [`Refused`]: the stage is no state machine, or the run directory can't be written. Nothing was
/// touched.
pub async fn run(request: RunRequest, report: &mut dyn Sink) -> Result<RunReport, Refused> {
    let RunRequest {
        recipe,
        stage,
        inputs,
        documents,
        run_dir,
        assets,
        local,
        keys,
        env,
        seed,
        signals,
    } = request;
    let chart = Chart::build(&recipe, &stage).map_err(|error| Refused(error.to_string()))?;
    let chart = Arc::new(chart);
    let time = SystemTime::now();
    let began = Instant::now();
    let id = run_id(time, seed);
    std::fs::create_dir_all(&run_dir).map_err(|error| {
        Refused(format!(
            "the run directory {} can't be made: {error}",
            run_dir.display()
        ))
    })?;
    let run_dir = std::path::absolute(&run_dir)
        .map_err(|error| Refused(format!("the run directory {}: {error}", run_dir.display())))?;

    let masker = Arc::new(Masker::new());
    let mut warnings = earlier(&run_dir);
    let mut constants = HashMap::new();
    let mut lets = Value::Null;
    let run_values = json!({ "id": id, "dir": run_dir.display().to_string(), "stage": stage });
    for (home, own) in &inputs {
        let of = match home {
            None => recipe.as_ref(),
            Some(name) => match recipe.imports.get(name) {
                Some(import) => import,
                None => continue,
            },
        };
        let mut context = Context::new();
        context.set("device", own.device.clone());
        context.set("job", own.job.clone());
        context.set("run", run_values.clone());
        context.set(
            "env",
            env.iter()
                .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
                .collect::<Map<_, _>>()
                .into(),
        );
        context.set_documents(documents.0.clone(), documents.1.clone());
        context.set_assets(assets.clone());
        for path in &own.secrets {
            context.mark_secret(path.iter().map(String::as_str));
            add_secret(&masker, own, path);
        }
        let (values, complaints) = computed_lets(of, &mut context);
        warnings.extend(complaints);
        if home.is_none() {
            lets = values;
        }
        constants.insert(home.clone(), context);
    }

    let header = header(&Told {
        recipe: &recipe,
        stage: &stage,
        id: &id,
        seed,
        time,
        inputs: inputs.get(&None),
        lets,
    });
    let mut journal = Journal::open(&run_dir, &header)
        .map_err(|error| Refused(format!("the run can't be journalled: {error}")))?;

    let homes = constants.iter().filter_map(|(home, context)| {
        let of = match home {
            None => recipe.as_ref(),
            Some(name) => recipe.imports.get(name)?,
        };
        Some((
            home.clone(),
            Home {
                hosts: of.hosts.clone(),
                gear: of.gear.clone(),
                context: context.clone(),
            },
        ))
    });
    let equipment = Equipment {
        run_dir: run_dir.clone(),
        local,
        keys,
        http: Http::new(),
        ping: PingMethod::find(std::env::var_os("PATH").as_deref()),
        assets,
        masker,
    };
    let lab = Lab::new(equipment, homes.collect::<Vec<_>>());
    let opening = Opening {
        recipe: recipe.name.as_str().into(),
        stage: stage.as_str().into(),
        run_id: id.as_str().into(),
        run_dir,
        time,
        warnings,
    };
    report.open(&opening);
    let memory = Memory::new(Arc::clone(&chart), recipe, lab, constants, time);
    let mut world = Live::new(memory, began, signals);
    let mut machine = Machine::new(chart, seed);
    let ending = drive(&mut machine, &mut world, &mut journal, report).await;
    let took = began.elapsed();
    world.finish(report).await;
    Ok(world.memory.report(opening, ending, took, journal.broken()))
}

/// What the reader should know of earlier runs in this directory.
fn earlier(run_dir: &std::path::Path) -> Vec<String> {
    let path = run_dir.join(FILE_NAME);
    if !path.exists() {
        return Vec::new();
    }
    match journal::read_back(&path) {
        Err(damage) => vec![format!("an earlier run's journal is damaged: {damage}")],
        Ok(runs) => {
            let open = runs.last().map(journal::Journalled::open_scopes);
            match open.filter(|open| !open.is_empty()) {
                None => Vec::new(),
                Some(open) => vec![format!(
                    "the last run in this directory left {} open: their exit steps were not run",
                    open.join(", ")
                )],
            }
        }
    }
}

fn add_secret(masker: &Masker, inputs: &Inputs, path: &[String]) {
    let Some((root, rest)) = path.split_first() else {
        return;
    };
    let mut value = match root.as_str() {
        "device" => &inputs.device,
        "job" => &inputs.job,
        _ => return,
    };
    for part in rest {
        match value.get(part) {
            Some(inner) => value = inner,
            None => return,
        }
    }
    add_texts(masker, value);
}

fn add_texts(masker: &Masker, value: &Value) {
    match value {
        Value::String(text) => masker.add(text),
        Value::Number(number) => masker.add(&number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| add_texts(masker, item)),
        Value::Object(members) => members.values().for_each(|item| add_texts(masker, item)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Computes `let`, and sets it. A constant without a value is left out: what reads it fails with
/// `input`, which a stage that does not need it never meets. Gives the values that may be told.
fn computed_lets(recipe: &Recipe, context: &mut Context) -> (Value, Vec<String>) {
    let mut told = Map::new();
    let mut complaints = Vec::new();
    context.set("let", Value::Object(Map::new()));
    for (name, tree) in &recipe.lets {
        match tree.render(context) {
            Ok(rendered) => {
                context.set_member("let", name, &rendered.value, rendered.secret);
                let shown = if rendered.secret {
                    Value::from(HIDDEN)
                } else {
                    rendered.value
                };
                told.insert(name.clone(), shown);
            }
            Err(error) => complaints.push(format!("`let.{name}` has no value: {error}")),
        }
    }
    (Value::Object(told), complaints)
}

/// What the journal's header tells.
struct Told<'a> {
    recipe: &'a Recipe,
    stage: &'a str,
    id: &'a str,
    seed: u64,
    time: SystemTime,
    inputs: Option<&'a Inputs>,
    lets: Value,
}

/// What a later recovery needs: the recipe as it was, inputs that are not secret, `let`, the seed.
fn header(told: &Told<'_>) -> Header {
    let sources: Vec<Value> = told
        .recipe
        .sources
        .iter()
        .map(|(_, file)| {
            json!({
                "name": file.name,
                "sha256": Sha256::of(file.text.as_bytes()).to_string(),
                "text": file.text,
            })
        })
        .collect();
    let mut fields = Map::new();
    fields.insert("t".into(), utc(told.time).into());
    fields.insert("engine".into(), env!("CARGO_PKG_VERSION").into());
    fields.insert("recipe".into(), told.recipe.name.clone().into());
    fields.insert("stage".into(), told.stage.into());
    fields.insert("run_id".into(), told.id.into());
    fields.insert("pid".into(), std::process::id().into());
    fields.insert("seed".into(), told.seed.into());
    if let Some(inputs) = told.inputs {
        let hidden = |root: &str, value: &Value| {
            let mut value = value.clone();
            for path in &inputs.secrets {
                if path.first().is_some_and(|first| first == root) {
                    hide(&mut value, &path[1..]);
                }
            }
            value
        };
        fields.insert("device".into(), hidden("device", &inputs.device));
        fields.insert("job".into(), hidden("job", &inputs.job));
    }
    fields.insert("let".into(), told.lets.clone());
    fields.insert("sources".into(), sources.into());
    Header { fields }
}

/// Puts `•••` in the place of a secret.
fn hide(value: &mut Value, path: &[String]) {
    match path.split_first() {
        None => {
            if !value.is_null() {
                *value = HIDDEN.into();
            }
        }
        Some((first, rest)) => {
            if let Some(inner) = value.get_mut(first) {
                hide(inner, rest);
            }
        }
    }
}

/// A bound that no caller needs to name: how long the runtime waits at the end for blocked threads (a
/// disk that hangs in a sync).
pub const SHUTDOWN: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_twelve_characters_and_sort_by_time() {
        let at = |secs| SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
        let first = run_id(at(1_795_528_800), 1);
        assert_eq!(first.len(), 12);
        assert!(
            first
                .chars()
                .all(|c| c.is_ascii_digit() || c.is_ascii_lowercase())
        );
        assert!(first < run_id(at(1_795_528_801), 0));
        assert_ne!(first, run_id(at(1_795_528_800), 2));
        assert_eq!(first, run_id(at(1_795_528_800), 1));
    }

    #[test]
    fn a_secret_is_hidden_at_its_place() {
        let mut value = json!({ "login": { "password": "hunter22", "user": "u" } });
        hide(&mut value, &["login".to_owned(), "password".to_owned()]);
        assert_eq!(
            value,
            json!({ "login": { "password": HIDDEN, "user": "u" } })
        );
        hide(&mut value, &["nothing".to_owned(), "there".to_owned()]);
    }
}
