//! A run that was killed, made anew from its journal: recipe, inputs, machine, memory.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Map, Value};

use super::super::frames::{Frame, Items, Kept};
use super::super::journal::{Header, Journalled};
use super::super::memory::Memory;
use super::super::prepare::{Circumstances, Inputs, Prepared, RunRequest};
use super::super::record::Noted;
use super::super::signals::Signals;
use super::left::{Left, LeftItem};
use super::{Lost, Means};
use crate::diagnostic::{Severity, SourceFile};
use crate::image::Sha256;
use crate::machine::{Activation, Machine, Reason, Site};
use crate::recipe::ErrorKind;
use crate::recipe::inputs::{Bound, bind};
use crate::recipe::library::Library;
use crate::recipe::load::load;
use crate::recipe::model::Recipe;
use crate::transport::PingMethod;

/// A run to be left.
pub(super) struct Rebuilt {
    pub(super) machine: Machine,
    pub(super) memory: Memory,
}

/// Makes it.
///
/// # Errors
/// Why its exit steps can't be run: its recipe is damaged, or no recipe of this engine any more.
pub(super) fn rebuild(run: &Journalled, left: &Left, means: &Means) -> Result<Rebuilt, String> {
    let header = &run.header;
    let recipe = Arc::new(recipe(header)?);
    let (inputs, mut lost) = inputs(header, &recipe, means);
    let lets = match header.fields.get("let") {
        Some(Value::Object(lets)) => lets.clone(),
        _ => Map::new(),
    };
    let stage = header.text("stage").to_owned();
    let seed = header.fields.get("seed").and_then(Value::as_u64);
    let seed = seed.unwrap_or_default();
    let path = means.env.iter().find(|(name, _)| name == "PATH");
    let prepared = Prepared::under(
        RunRequest {
            recipe: recipe.clone(),
            stage,
            inputs,
            documents: means.documents.clone(),
            run_dir: means.run_dir.clone(),
            assets: means.assets.clone(),
            local: means.local.clone(),
            keys: means.keys.clone(),
            env: means.env.clone(),
            seed,
            signals: Signals::none(),
        },
        Circumstances {
            time: SystemTime::now(),
            id: run.run_id().to_owned(),
            ping: PingMethod::find(path.map(|(_, path)| path.as_ref())),
            lets: Some(lets),
        },
    )
    .map_err(|refused| refused.0)?;
    let gone = "the recipe that its journal holds has no such state";
    let stack = left.stack(&prepared.chart).ok_or(gone)?;
    let machine = Machine::reopen(prepared.chart.clone(), seed, &stack).ok_or(gone)?;
    if let Value::Object(told) = &prepared.lets {
        let of_run = lost.entry(None).or_default();
        for name in recipe.lets.keys().filter(|name| !told.contains_key(*name)) {
            let path = vec!["let".to_owned(), name.clone()];
            of_run.add(path, "it can't be computed without what is lost");
        }
    }
    let mut memory = prepared.memory();
    memory.note_values();
    memory.restore(left, &stack, &lost);
    Ok(Rebuilt { machine, memory })
}

/// The recipe as the run had it.
fn recipe(header: &Header) -> Result<Recipe, String> {
    let sources = header.fields.get("sources").and_then(Value::as_array);
    let mut texts = Vec::new();
    for source in sources.into_iter().flatten() {
        let [name, text, sum] = ["name", "text", "sha256"].map(|key| source[key].as_str());
        let (Some(name), Some(text)) = (name, text) else {
            return Err("its journal holds no recipe".to_owned());
        };
        if sum != Some(Sha256::of(text.as_bytes()).to_string().as_str()) {
            return Err(format!("the text of {name} in its journal is damaged"));
        }
        texts.push((name, text));
    }
    let (main, _) = texts.first().ok_or("its journal holds no recipe")?;
    let loaded = load(&Library::of_texts(texts.iter().copied()), main);
    let errors = loaded.findings.0.iter();
    let mut errors = errors.filter(|finding| finding.severity == Severity::Error);
    match (errors.next(), loaded.recipe) {
        (None, Some(recipe)) => Ok(recipe),
        (error, _) => Err(format!(
            "the recipe that its journal holds is none for this tf-engine: {}",
            error.map_or("it can't be read", |error| error.message.as_str())
        )),
    }
}

type ByHome<T> = HashMap<Option<String>, T>;

/// The inputs as they were, with secrets taken from the config and the job of this start.
fn inputs(header: &Header, recipe: &Recipe, means: &Means) -> (ByHome<Inputs>, ByHome<Lost>) {
    let given = given(header, recipe, means);
    let mut inputs = HashMap::new();
    let mut lost = HashMap::new();
    let mut take = |home: Option<&str>, told: &Map<String, Value>, given: &Bound| {
        let mut own_lost = Lost::default();
        let own = filled(told, given, &mut own_lost);
        inputs.insert(home.map(str::to_owned), own);
        lost.insert(home.map(str::to_owned), own_lost);
    };
    take(None, &header.fields, &given);
    if let Some(Value::Object(imports)) = header.fields.get("imports") {
        let none = Bound::default();
        for (home, told) in imports {
            if let Value::Object(told) = told {
                let given = given.imports.get(home).unwrap_or(&none);
                take(Some(home), told, given);
            }
        }
    }
    (inputs, lost)
}

/// What the config and the job of this start give to the recipe. They need not be right for it: only
/// secrets are taken.
fn given(header: &Header, recipe: &Recipe, means: &Means) -> Bound {
    let file = |name: &str, document: &Value| {
        (!document.is_null()).then(|| SourceFile {
            name: name.to_owned(),
            text: document.to_string(),
        })
    };
    let (device, job) = &means.documents;
    let (device, job) = (file("device config", device), file("job data", job));
    bind(recipe, header.text("stage"), device, job, None).bound
}

fn filled(told: &Map<String, Value>, given: &Bound, lost: &mut Lost) -> Inputs {
    let member = |name: &str| told.get(name).cloned().unwrap_or_default();
    let (mut device, mut job) = (member("device"), member("job"));
    let secrets: Vec<Vec<String>> = serde_json::from_value(member("secrets")).unwrap_or_default();
    for path in &secrets {
        let (old, new) = match path.split_first() {
            Some((root, rest)) if root == "device" => {
                (place(&mut device, rest), get(&given.device, rest))
            }
            Some((root, rest)) if root == "job" => (place(&mut job, rest), get(&given.job, rest)),
            _ => continue,
        };
        let Some((map, name)) = old else { continue };
        match new.filter(|value| !value.is_null()) {
            Some(value) => {
                map.insert(name.to_owned(), value.clone());
            }
            None => {
                map.shift_remove(name);
                lost.add(
                    path.clone(),
                    "it is secret, and this start was given no value for it",
                );
            }
        }
    }
    Inputs {
        device,
        job,
        secrets,
    }
}

/// The map that holds what is at a path, and its name in it.
fn place<'v, 'p>(
    value: &'v mut Value,
    path: &'p [String],
) -> Option<(&'v mut Map<String, Value>, &'p str)> {
    let (name, around) = path.split_last()?;
    let mut at = value;
    for part in around {
        at = at.get_mut(part)?;
    }
    Some((at.as_object_mut()?, name))
}

fn get<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(value, |at, part| at.get(part))
}

impl Memory {
    /// Remembers what a journal tells of the activations that were on the stack.
    fn restore(&mut self, left: &Left, stack: &[Activation], lost: &ByHome<Lost>) {
        self.aside.recipe_vars_set = true;
        let mut values = left.frames.iter();
        self.fill(values.next(), lost);
        for activation in stack {
            self.restore_item(Site::State(activation.state), left);
            if self.chart().is_scope(activation.state) {
                let path = self.names.state(activation.state);
                self.open.push(path);
            }
            if let Some((step, _)) = activation.call {
                self.restore_item(Site::Step(step), left);
                let root = self.chart().called(step);
                let home = root.and_then(|root| self.chart().home(root).map(str::to_owned));
                let constants = self.constants.get(&home).cloned().unwrap_or_default();
                self.frames.push(Frame::new(home, constants));
                self.names.calls.push(step);
                self.fill(values.next(), lost);
            }
        }
        let innermost = stack.last().map(|activation| activation.state);
        let mut killed =
            self.incident_without_try(None, innermost, ErrorKind::Cancelled, None, &Reason::Itself);
        killed.message = "the run was killed".to_owned();
        self.in_flight = Some(killed);
    }

    fn fill(
        &mut self,
        values: Option<&std::collections::BTreeMap<String, Noted>>,
        lost: &ByHome<Lost>,
    ) {
        let frame = self.frame();
        frame.lost = lost.get(&frame.home).cloned().unwrap_or_default();
        for (name, noted) in values.into_iter().flatten() {
            match (name.split_once('.'), noted) {
                (Some(("vars", member)), Noted::Value(value)) => frame.set_var(
                    member,
                    &Kept {
                        value: value.clone(),
                        secret: false,
                    },
                ),
                (Some((root, member)), Noted::Value(value)) => {
                    frame.context.set_member(root, member, value, false);
                }
                (None, Noted::Value(value)) => frame.context.set(name, value.clone()),
                (_, noted) => {
                    let path = name.split('.').map(str::to_owned).collect();
                    frame.lost.add(path, why(noted));
                }
            }
        }
    }

    fn restore_item(&mut self, of: Site, left: &Left) {
        let place = self.names.site(of);
        let Some(LeftItem { at, value }) = left.items.get(&place) else {
            return;
        };
        let index = usize::try_from(at.index).unwrap_or(usize::MAX);
        let (values, lost) = match value {
            Some(Noted::Value(value)) => (vec![value.clone()], None),
            Some(noted) => (Vec::new(), Some(why(noted))),
            None => (Vec::new(), None),
        };
        let items = Items {
            values,
            first: index,
            secret: false,
            index,
            lost,
        };
        self.frame().begin_items(of, items);
    }
}

fn why(noted: &Noted) -> String {
    match noted {
        Noted::Secret => "it was secret, and the journal keeps no secret".to_owned(),
        Noted::Large(size) => format!("it had {size} bytes, more than the journal keeps"),
        Noted::Value(_) => String::new(),
    }
}
