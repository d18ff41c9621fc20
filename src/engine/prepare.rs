//! What a run is made of, before it begins: constants, lab, chart. Nothing is opened here.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::identity::run_id;
use super::memory::Memory;
use super::signals::Signals;
use crate::actions::{Equipment, Home, Lab};
use crate::machine::Chart;
use crate::recipe::model::Recipe;
use crate::recipe::reads::Used;
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
    /// What jitter is made of; [`fresh_seed`](super::fresh_seed) where nobody cares.
    pub seed: u64,
    /// Where signals come from.
    pub signals: Signals,
}

/// Why a run was not begun: nothing was touched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// What a run finds where it begins, besides its request.
pub(super) struct Circumstances {
    /// When it begins.
    pub(super) time: SystemTime,
    /// `run.id`.
    pub(super) id: String,
    /// How this machine pings.
    pub(super) ping: Option<PingMethod>,
    /// The values of `let` that a run that is recovered had. What has no value now is left out then: a
    /// step that reads it fails.
    pub(super) lets: Option<Map<String, Value>>,
}

/// What a run is made of.
pub(super) struct Prepared {
    pub(super) recipe: Arc<Recipe>,
    pub(super) stage: String,
    pub(super) chart: Arc<Chart>,
    pub(super) id: String,
    pub(super) time: SystemTime,
    pub(super) seed: u64,
    pub(super) run_dir: PathBuf,
    /// By recipe, as in the request.
    pub(super) inputs: HashMap<Option<String>, Inputs>,
    /// The values of `let` that may be told.
    pub(super) lets: Value,
    pub(super) signals: Signals,
    constants: HashMap<Option<String>, Context>,
    lab: Arc<Lab>,
}

impl Prepared {
    /// Makes it.
    ///
    /// # Errors
    /// The stage is no state machine, or a constant that it reads has no value.
    pub(super) fn new(request: RunRequest) -> Result<Self, Refused> {
        let time = SystemTime::now();
        let path = request.env.iter().find(|(name, _)| name == "PATH");
        let circumstances = Circumstances {
            time,
            id: run_id(time, request.seed),
            ping: PingMethod::find(path.map(|(_, path)| OsStr::new(path))),
            lets: None,
        };
        Self::under(request, circumstances)
    }

    /// The same, where the clock and the machine have no say.
    ///
    /// # Errors
    /// As [`Prepared::new`].
    pub(super) fn under(
        request: RunRequest,
        circumstances: Circumstances,
    ) -> Result<Self, Refused> {
        let Circumstances {
            time,
            id,
            ping,
            lets: had,
        } = circumstances;
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
        let run_dir = std::path::absolute(&run_dir).map_err(|error| {
            Refused(format!("the run directory {}: {error}", run_dir.display()))
        })?;
        let masker = Arc::new(Masker::new());
        let used = Used::by_stage(&recipe, &stage);
        let run = json!({ "id": id, "dir": run_dir.display().to_string(), "stage": stage });
        let env: Map<String, Value> = env
            .into_iter()
            .map(|(name, value)| (name, Value::from(value)))
            .collect();
        let mut lets = Value::Null;
        let mut constants = HashMap::new();
        let mut homes = Vec::new();
        for (home, own) in &inputs {
            let Some(of) = recipe_of(&recipe, home.as_deref()) else {
                continue;
            };
            let mut context = Context::new();
            context.set("device", own.device.clone());
            context.set("job", own.job.clone());
            context.set("run", run.clone());
            context.set("env", Value::Object(env.clone()));
            context.set_documents(documents.0.clone(), documents.1.clone());
            context.set_assets(assets.clone());
            for path in &own.secrets {
                context.mark_secret(path.iter().map(String::as_str));
                add_secret(&masker, own, path);
            }
            let told = computed_lets(
                of,
                &mut context,
                had.as_ref().filter(|_| home.is_none()),
                |name| had.is_none() && used.reads(home.as_deref(), &["let", name]),
            )?;
            if home.is_none() {
                lets = told;
            }
            homes.push((home.clone(), Home::of(of, context.clone())));
            constants.insert(home.clone(), context);
        }
        let equipment = Equipment {
            run_dir: run_dir.clone(),
            local,
            keys,
            http: Http::new(),
            ping,
            assets,
            masker,
        };
        Ok(Self {
            chart: Arc::new(chart),
            inputs,
            lab: Lab::new(equipment, homes),
            recipe,
            stage,
            id,
            time,
            seed,
            run_dir,
            lets,
            signals,
            constants,
        })
    }

    /// The memory that a run begins with.
    pub(super) fn memory(&self) -> Memory {
        Memory::new(
            Arc::clone(&self.chart),
            Arc::clone(&self.recipe),
            Arc::clone(&self.lab),
            self.constants.clone(),
            self.time,
        )
    }
}

fn recipe_of<'r>(recipe: &'r Recipe, home: Option<&str>) -> Option<&'r Recipe> {
    match home {
        None => Some(recipe),
        Some(name) => recipe.imports.get(name),
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

/// Computes `let`, and sets it; what it was `had` to be it is. Gives the values that may be told.
///
/// # Errors
/// A constant that is read has no value. One that is not read is left out.
fn computed_lets(
    recipe: &Recipe,
    context: &mut Context,
    had: Option<&Map<String, Value>>,
    is_read: impl Fn(&str) -> bool,
) -> Result<Value, Refused> {
    let mut told = Map::new();
    context.set("let", Value::Object(Map::new()));
    for (name, tree) in &recipe.lets {
        let had = had.and_then(|had| had.get(name));
        if let Some(value) = had.filter(|value| *value != HIDDEN) {
            context.set_member("let", name, value, false);
            told.insert(name.clone(), value.clone());
            continue;
        }
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
            Err(error) if is_read(name) => {
                let place = recipe
                    .sources
                    .position(error.span)
                    .map_or_else(String::new, |at| {
                        let file = recipe.sources.get(error.span.source);
                        let file = file.map_or("", |file| file.name.as_str());
                        format!(" ({file}:{}:{})", at.line, at.column)
                    });
                return Err(Refused(format!(
                    "`let.{name}` has no value: {error}{place}"
                )));
            }
            Err(_) => {}
        }
    }
    Ok(Value::Object(told))
}
