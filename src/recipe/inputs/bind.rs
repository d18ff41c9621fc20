//! A stage's inputs from a device config and a job.

use std::path::Path;

use super::convert::{Wrong, convert, is_blank};
use super::document;
use crate::diagnostic::{Code, Finding, Findings, SourceFile, Sources, Span, list, nearest};
use crate::recipe::model::{Declared, Group, Input, Map, Recipe};
use crate::recipe::reads::Used;
use crate::recipe::yaml::{Kind, Node};
use crate::recipe::{ErrorKind, Value};

/// Stages that a recipe may leave out: they succeed at once, for each is an extra of a job.
pub const OPTIONAL_STAGES: &[&str] = &["allocate", "cleanup"];

/// The values of one recipe's inputs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bound {
    /// `device`: each declared input; none where the data have none and there is no default.
    pub device: Value,
    /// `job`, nested as it is declared.
    pub job: Value,
    /// Paths of secrets that the data gave: `["job", "test_data", "test_password"]`. A default is no
    /// secret: it is written in the recipe.
    pub secrets: Vec<Vec<String>>,
    /// The same for each recipe whose procedures are called, by its name.
    pub imports: Map<Self>,
    /// The whole device config, for the functions of device types; recipes never see it.
    pub device_document: Value,
    /// The whole job data, likewise.
    pub job_document: Value,
}

/// What one binding has found.
#[derive(Debug)]
pub struct Binding {
    /// The values, as far as they could be read. If there are errors among the findings, they must
    /// not be used.
    pub bound: Bound,
    /// All complaints, by place.
    pub findings: Findings,
    /// The texts that the findings' places are in: the recipe's, the device config, the job data.
    pub sources: Sources,
}

/// Takes a stage's inputs from a device config (YAML) and job data (JSON); without one its values
/// are the defaults. What is `required` must be there if the stage reads it, directly or through
/// procedures, hosts, gear and constants; what is given must be right in any case. `run_dir` is
/// where paths with `within` are looked at: links may not lead out of their folder.
pub fn bind(
    recipe: &Recipe,
    stage: &str,
    device: Option<SourceFile>,
    job: Option<SourceFile>,
    run_dir: Option<&Path>,
) -> Binding {
    let mut sources = recipe.sources.clone();
    let mut findings = Findings::default();
    let mut open = |file: Option<SourceFile>,
                    read: fn(&Sources, _, &mut Findings) -> Option<Node>| {
        let Some(file) = file else {
            return Some(Document {
                node: Node {
                    span: Span::default(),
                    kind: Kind::Map(Vec::new()),
                },
                is_given: false,
            });
        };
        let id = sources.add(file.name, file.text);
        read(&sources, id, &mut findings).map(|node| Document {
            node,
            is_given: true,
        })
    };
    let device = open(device, document::device);
    let job = open(job, document::job);
    let mut bound = Bound::default();
    has_stage(recipe, stage, &mut findings);
    if let (Some(device), Some(job)) = (device, job) {
        let (values, hidden) = taken(
            recipe,
            stage,
            &device,
            &job,
            run_dir,
            &sources,
            &mut findings,
        );
        bound = values;
        sources.hide(&hidden);
    }
    findings.sort();
    Binding {
        bound,
        findings,
        sources,
    }
}

/// The same from maps that were read already, which `sources` hold.
pub fn bind_maps(
    recipe: &Recipe,
    stage: &str,
    device: Node,
    job: Node,
    sources: &Sources,
) -> (Bound, Findings) {
    let mut findings = Findings::default();
    let given = |node| Document {
        node,
        is_given: true,
    };
    has_stage(recipe, stage, &mut findings);
    let (device, job) = (given(device), given(job));
    let (bound, _) = taken(recipe, stage, &device, &job, None, sources, &mut findings);
    findings.sort();
    (bound, findings)
}

fn has_stage(recipe: &Recipe, stage: &str, findings: &mut Findings) {
    if !recipe.stages.contains_key(stage) && !OPTIONAL_STAGES.contains(&stage) {
        let stages = list(recipe.stages.keys().map(String::as_str), "and");
        let similar = nearest(stage, recipe.stages.keys().map(String::as_str));
        let mut finding = Finding::new(
            Code::UnknownStage,
            None,
            format!("`{}` has no stage `{stage}`", recipe.name),
        )
        .suggest(similar);
        if similar.is_none() && !stages.is_empty() {
            finding = finding.help(format!("it has {stages}"));
        }
        findings.push(finding);
    }
}

/// The values, and where secrets stand in the data.
fn taken(
    recipe: &Recipe,
    stage: &str,
    device: &Document,
    job: &Document,
    run_dir: Option<&Path>,
    sources: &Sources,
    findings: &mut Findings,
) -> (Bound, Vec<Span>) {
    let used = Used::by_stage(recipe, stage);
    let mut binder = Binder {
        used: &used,
        sources,
        findings,
        run_dir,
        home: None,
        secrets: Vec::new(),
        hidden: Vec::new(),
    };
    let mut bound = binder.recipe(recipe, device, job);
    for (name, other) in &recipe.imports {
        binder.home = Some(name);
        let values = binder.recipe(other, device, job);
        bound.imports.insert(name.clone(), values);
    }
    (bound, binder.hidden)
}

struct Document {
    node: Node,
    is_given: bool,
}

struct Binder<'a> {
    used: &'a Used,
    sources: &'a Sources,
    findings: &'a mut Findings,
    run_dir: Option<&'a Path>,
    home: Option<&'a str>,
    secrets: Vec<Vec<String>>,
    /// Where secrets stand in the data.
    hidden: Vec<Span>,
}

impl Binder<'_> {
    fn recipe(&mut self, recipe: &Recipe, device: &Document, job: &Document) -> Bound {
        let device_values = self.group(&recipe.device, device, &device.node, &["device"]);
        let job_values = self.group(&recipe.job, job, &job.node, &["job"]);
        Bound {
            device: device_values,
            job: job_values,
            secrets: std::mem::take(&mut self.secrets),
            imports: Map::new(),
            device_document: device.node.to_value(),
            job_document: job.node.to_value(),
        }
    }

    fn group(&mut self, group: &Group, document: &Document, node: &Node, path: &[&str]) -> Value {
        let mut members = serde_json::Map::new();
        for (name, declared) in &group.members {
            let mut inner: Vec<&str> = path.to_vec();
            inner.push(name);
            let given = node.get(name);
            let value = match declared {
                Declared::Input(input) => self.input(input, document, node, given, &inner),
                Declared::Group(group) => {
                    let empty = Node {
                        span: node.span,
                        kind: Kind::Map(Vec::new()),
                    };
                    let given = match given {
                        Some(given) if !matches!(given.kind, Kind::Map(_)) => {
                            self.findings.push(Finding::new(
                                Code::WrongInput,
                                given.span,
                                format!(
                                    "`{}` must be a map, not {}",
                                    inner.join("."),
                                    given.what()
                                ),
                            ));
                            &empty
                        }
                        Some(given) => given,
                        None => &empty,
                    };
                    self.group(group, document, given, &inner)
                }
            };
            members.insert(name.clone(), value);
        }
        self.one_of(group, document, node, &members, path);
        Value::Object(members)
    }

    fn one_of(
        &mut self,
        group: &Group,
        document: &Document,
        node: &Node,
        members: &serde_json::Map<String, Value>,
        path: &[&str],
    ) {
        let names = || group.one_of.iter().map(|name| name.value.as_str());
        let is_given = |name: &str| members.get(name).is_some_and(|value| !value.is_null());
        let is_read = names().any(|name| {
            let mut inner = path.to_vec();
            inner.push(name);
            self.used.reads(self.home, &inner)
        });
        if group.one_of.is_empty() || !is_read || names().any(is_given) {
            return;
        }
        let all: Vec<String> = names()
            .map(|name| format!("{}.{name}", path.join(".")))
            .collect();
        let Some(first) = group.one_of.first() else {
            return;
        };
        let mut finding = Finding::new(
            Code::NoneOfInputs,
            place_of_missing(document, node, first.span),
            format!(
                "one of {} must be given",
                list(all.iter().map(String::as_str), "and")
            ),
        );
        finding = asked(finding, document, first.span, path);
        self.findings.push(finding);
    }

    fn input(
        &mut self,
        input: &Input,
        document: &Document,
        owner: &Node,
        given: Option<&Node>,
        path: &[&str],
    ) -> Value {
        let name = path.join(".");
        let Some(given) = given.filter(|given| !is_blank(input, given)) else {
            if input.required && self.used.reads(self.home, path) {
                let key = path.last().copied().unwrap_or_default();
                let similar = nearest(
                    key,
                    owner.entries().iter().map(|(key, _)| key.name.as_str()),
                );
                let place = match owner.entry(key) {
                    Some((null, _)) => null.span,
                    None => place_of_missing(document, owner, input.span),
                };
                let mut finding = Finding::new(
                    Code::MissingInput,
                    place,
                    format!("`{name}` is not given, and the stage needs it"),
                );
                finding = asked(finding, document, input.span, path);
                finding.help = match (similar, &input.description) {
                    _ if !document.is_given => finding.help,
                    (Some(similar), _) => Some(format!("`{similar}` is there: is that it?")),
                    (None, Some(text)) => Some(format!("{key}: {text}")),
                    (None, None) => None,
                };
                self.findings.push(finding);
            }
            return input.default.clone().unwrap_or(Value::Null);
        };
        self.secrets(input, given, path);
        match convert(input, given, self.sources).and_then(|value| self.inside(input, value, given))
        {
            Ok(value) => value,
            Err(wrong) => {
                self.findings.push(
                    Finding::new(
                        wrong.code,
                        wrong.span,
                        format!("`{name}`: {}", wrong.message),
                    )
                    .related(input.span, "declared here"),
                );
                Value::Null
            }
        }
    }

    /// Notes a secret, and secrets among the members of a map. A list with secrets in its items is
    /// one as a whole.
    fn secrets(&mut self, input: &Input, given: &Node, path: &[&str]) {
        if input.secret || input.items.as_deref().is_some_and(hides) {
            self.secrets
                .push(path.iter().map(|part| (*part).to_owned()).collect());
            self.hidden.push(given.span);
            return;
        }
        for (name, member) in input.keys.iter().flatten() {
            if let Some(given) = given.get(name) {
                let mut inner = path.to_vec();
                inner.push(name);
                self.secrets(member, given, &inner);
            }
        }
    }

    /// A path with `within`, all links followed, is in its folder. A file that is not there yet is
    /// taken as it is written.
    fn inside(&self, input: &Input, value: Value, node: &Node) -> Result<Value, Wrong> {
        let (Some(folder), Some(run_dir), Value::String(path)) =
            (&input.within, self.run_dir, &value)
        else {
            return Ok(value);
        };
        let folder_path = run_dir.join(folder);
        let (Ok(folder_path), Ok(real)) = (
            folder_path.canonicalize(),
            run_dir.join(path).canonicalize(),
        ) else {
            return Ok(value);
        };
        if real.starts_with(folder_path) {
            return Ok(value);
        }
        Err(Wrong {
            code: Code::PathEscapes,
            span: node.span,
            message: format!("a link leads out of `{folder}`"),
        })
    }
}

/// Where something is missing: the map that lacks it, or the declaration where there is no document.
fn place_of_missing(document: &Document, owner: &Node, declared: Span) -> Span {
    if document.is_given {
        owner.span
    } else {
        declared
    }
}

/// Adds where it is asked for, or that there is no document at all.
fn asked(finding: Finding, document: &Document, declared: Span, path: &[&str]) -> Finding {
    if document.is_given {
        return finding.related(declared, "declared here");
    }
    let what = if path.first() == Some(&"device") {
        "no device config was given (`-c FILE`)"
    } else {
        "no job data were given (`-j FILE`)"
    };
    finding.help(what)
}

/// Whether there is a secret in it, or in what it holds.
pub fn hides(input: &Input) -> bool {
    input.secret
        || input.keys.iter().flatten().any(|(_, member)| hides(member))
        || input.items.as_deref().is_some_and(hides)
}

/// The arguments of a call for a procedure's parameters; each parameter that has no argument has
/// its default, or none.
///
/// # Errors
/// Kind `input`: every argument that is missing, wrong, or has no parameter, in one text.
pub fn bind_params(
    params: &Map<Input>,
    values: &Map<Value>,
) -> Result<Map<Value>, (ErrorKind, String)> {
    let mut bound = Map::new();
    let mut wrong = Vec::new();
    let sources = Sources::default();
    for (name, input) in params {
        let given = values.get(name).filter(|value| !value.is_null());
        let value = match given {
            None => {
                if input.required {
                    wrong.push(format!("the parameter `{name}` is not given"));
                }
                input.default.clone().unwrap_or(Value::Null)
            }
            Some(value) => {
                let node = document::placeless(value, Span::default());
                match convert(input, &node, &sources) {
                    Ok(value) => value,
                    Err(error) => {
                        wrong.push(format!("the parameter `{name}`: {}", error.message));
                        Value::Null
                    }
                }
            }
        };
        bound.insert(name.clone(), value);
    }
    for name in values.keys().filter(|name| !params.contains_key(*name)) {
        wrong.push(format!("there is no parameter `{name}`"));
    }
    if wrong.is_empty() {
        Ok(bound)
    } else {
        Err((ErrorKind::Input, wrong.join("; ")))
    }
}

#[cfg(test)]
mod tests;
