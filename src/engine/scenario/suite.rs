//! Scenario files: found, read beside their recipes, and run.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::coverage::{self, Coverage, Mark};
use super::play::{Played, Stand, Statuses, play};
use super::procedure;
use super::resolve::{Resolved, resolve};
use crate::check::raises::Raises;
use crate::diagnostic::{Code, Finding, Findings, SourceId, Sources, Spanned, list, nearest};
use crate::machine::Chart;
use crate::recipe::library::{Library, OpenError};
use crate::recipe::load::{load, read_scenarios};
use crate::recipe::model::{Map, Recipe};
use crate::recipe::scenario::{Runs, SUFFIX, Scenario};
use crate::recipe::template::Assets;

/// One scenario file and its recipe, without errors.
pub struct Suite {
    /// What a person calls the file.
    pub label: String,
    /// The file, where it is one.
    pub path: Option<PathBuf>,
    /// The recipe.
    pub recipe: Arc<Recipe>,
    scenarios: Vec<Ready>,
    sources: Sources,
    source: SourceId,
    assets: Assets,
}

/// A scenario whose names were found.
struct Ready {
    scenario: Scenario,
    resolved: Resolved,
    recipe: Arc<Recipe>,
    chart: Arc<Chart>,
    stage: String,
}

/// A scenario file, as far as it could be read.
pub struct Opened {
    /// `None`: there are errors among the findings.
    pub suite: Option<Suite>,
    /// What is wrong.
    pub findings: Findings,
    /// The texts that the findings' places are in.
    pub sources: Sources,
}

/// A scenario that was run.
pub struct Tried {
    /// Its name.
    pub name: String,
    /// What it shows.
    pub summary: Option<String>,
    /// What came of it. `Err`: its inputs are wrong, and it does not expect that.
    pub played: Result<Played, Findings>,
    /// Whether it says what must follow.
    pub expects: bool,
    marks: BTreeSet<Mark>,
}

impl Tried {
    /// Whether all is as expected.
    pub fn passed(&self) -> bool {
        self.played
            .as_ref()
            .is_ok_and(|played| played.problems.is_empty() && self.expects)
    }
}

impl Suite {
    /// Opens a scenario file by its path, or those of a recipe by its name.
    pub fn open(library: &Library, what: &str) -> Opened {
        let mut sources = Sources::default();
        let mut findings = Findings::default();
        let opened = match library.open_scenarios(what) {
            Ok(opened) => opened,
            Err(error) => {
                let code = match &error {
                    OpenError::Unknown { .. } => Code::UnknownRecipe,
                    OpenError::Unreadable { .. } => Code::Unreadable,
                };
                let finding = match library.open(what) {
                    Ok(_) if code == Code::UnknownRecipe => {
                        Finding::new(code, None, format!("the recipe `{what}` has no scenarios"))
                            .help(format!("they stand beside it, in `{what}{SUFFIX}`"))
                    }
                    _ => Finding::new(code, None, error.to_string()),
                };
                findings.push(finding);
                return Opened {
                    suite: None,
                    findings,
                    sources,
                };
            }
        };
        let folder = opened.folder.as_ref();
        let beside = folder.map(|folder| folder.join(format!("{}.yaml", opened.name)));
        let recipe = match beside.filter(|path| path.is_file()) {
            Some(path) => load(library, &path.to_string_lossy()),
            None => load(library, &opened.name),
        };
        findings.0.extend(recipe.findings.0);
        sources.clone_from(&recipe.sources);
        let source = sources.add(opened.label.clone(), opened.text);
        let file = read_scenarios(&sources, source, &mut findings);
        if let Some(file) = &file
            && file.recipe.value != opened.name
        {
            let message = format!(
                "the file is named for `{}`, and tries `{}`",
                opened.name, file.recipe.value
            );
            findings.push(
                Finding::new(Code::BadName, file.recipe.span, message).help(format!(
                    "write `recipe: {}`, or name the file `{}{SUFFIX}`",
                    opened.name, file.recipe.value
                )),
            );
        }
        let mut suite = None;
        if let (Some(recipe), Some(file)) = (recipe.recipe, file)
            && !findings.has_errors()
        {
            let recipe = Arc::new(recipe);
            let mut maker = Maker {
                raises: Raises::of(&recipe),
                recipe: &recipe,
                findings: &mut findings,
                charts: HashMap::new(),
            };
            let scenarios: Vec<Ready> = file
                .scenarios
                .into_iter()
                .filter_map(|scenario| maker.ready(scenario))
                .collect();
            let seen = match &opened.folder {
                Some(folder) => library.beside(folder),
                None => library.clone(),
            };
            suite = (!findings.has_errors()).then(|| Suite {
                path: opened
                    .folder
                    .is_some()
                    .then(|| PathBuf::from(&opened.label)),
                label: opened.label,
                recipe,
                scenarios,
                sources: sources.clone(),
                source,
                assets: Arc::new(move |name: &str| seen.asset(name).map(Arc::from)),
            });
        }
        findings.sort();
        Opened {
            suite,
            findings,
            sources,
        }
    }

    /// The names of its scenarios, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.scenarios
            .iter()
            .map(|ready| ready.scenario.name.value.as_str())
    }

    /// The texts that places of problems are in.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The text of the file.
    pub fn text(&self) -> &str {
        self.sources
            .get(self.source)
            .map_or("", |file| file.text.as_str())
    }

    pub(super) fn scenario(&self, name: &str) -> Option<&Scenario> {
        let all = self.scenarios.iter().map(|ready| &ready.scenario);
        all.into_iter().find(|scenario| scenario.name.value == name)
    }

    /// Runs one of its scenarios, by its place in [`Suite::names`].
    pub fn run(&self, at: usize, statuses: Statuses) -> Option<Tried> {
        let ready = self.scenarios.get(at)?;
        let stand = Stand {
            recipe: &ready.recipe,
            stage: &ready.stage,
            chart: &ready.chart,
            sources: &self.sources,
            assets: &self.assets,
        };
        let mut marks = BTreeSet::new();
        let played = play(&stand, &ready.scenario, ready.resolved.clone(), statuses).map(
            |(played, happened)| {
                marks = coverage::marks(&ready.recipe, &ready.chart, &happened.taken);
                played
            },
        );
        Some(Tried {
            name: ready.scenario.name.value.clone(),
            summary: ready.scenario.summary.clone(),
            played,
            expects: ready.scenario.expect.is_some(),
            marks,
        })
    }
}

/// How much of each suite's recipe was taken by all that were tried together.
pub fn cover<'s>(
    suites: impl IntoIterator<Item = &'s Suite>,
    tried: impl IntoIterator<Item = &'s Tried>,
) -> Vec<Coverage> {
    let marks: BTreeSet<Mark> = tried
        .into_iter()
        .flat_map(|tried| tried.marks.iter().cloned())
        .collect();
    suites
        .into_iter()
        .map(|suite| coverage::coverage(&suite.recipe, &marks))
        .collect()
}

/// The scenario files of a folder, sorted.
///
/// # Errors
/// The folder can't be read.
pub fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(SUFFIX) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Makes scenarios ready; those of one stage share a chart.
struct Maker<'a> {
    raises: Raises<'a>,
    recipe: &'a Arc<Recipe>,
    findings: &'a mut Findings,
    charts: HashMap<String, Arc<Chart>>,
}

impl Maker<'_> {
    fn ready(&mut self, scenario: Scenario) -> Option<Ready> {
        let (recipe, stage) = match &scenario.runs {
            Runs::Stage(stage) => {
                self.has_stage(&scenario, stage)?;
                (Arc::clone(self.recipe), stage.value.clone())
            }
            Runs::Procedure { name, with } => {
                let with: Map<_> = with
                    .iter()
                    .map(|(key, tree)| (key.name.clone(), tree.clone()))
                    .collect();
                let params = self.recipe.procedures.get(&name.value);
                for key in params.map_or_else(Vec::new, |procedure| {
                    with.keys()
                        .filter(|key| !procedure.params.contains_key(*key))
                        .collect()
                }) {
                    self.findings.push(Finding::new(
                        Code::UnknownParameter,
                        name.span,
                        format!("`{}` has no parameter `{key}`", name.value),
                    ));
                }
                let Some(recipe) = procedure::with_stage(self.recipe, &name.value, with) else {
                    let known = || self.recipe.procedures.keys().map(String::as_str);
                    let similar = nearest(&name.value, known());
                    let mut finding = Finding::new(
                        Code::UnknownProcedure,
                        name.span,
                        format!("there is no procedure `{}`", name.value),
                    )
                    .suggest(similar);
                    if similar.is_none() {
                        finding = finding.help(match list(known(), "and") {
                            all if all.is_empty() => "the recipe has none".to_owned(),
                            all => format!("there is {all}"),
                        });
                    }
                    self.findings.push(finding);
                    return None;
                };
                (Arc::new(recipe), procedure::STAGE.to_owned())
            }
        };
        let is_stage = matches!(scenario.runs, Runs::Stage(_));
        let known = self.charts.get(&stage).filter(|_| is_stage);
        let chart = match known {
            Some(chart) => Arc::clone(chart),
            None => match Chart::build(&recipe, &stage) {
                Ok(chart) => Arc::new(chart),
                Err(error) => {
                    self.findings.push(Finding::new(
                        Code::UnknownStage,
                        scenario.name.span,
                        error.to_string(),
                    ));
                    return None;
                }
            },
        };
        if is_stage {
            self.charts.insert(stage.clone(), Arc::clone(&chart));
        }
        let resolved = resolve(&self.raises, &recipe, &chart, &scenario, self.findings);
        Some(Ready {
            scenario,
            resolved,
            recipe,
            chart,
            stage,
        })
    }

    fn has_stage(&mut self, scenario: &Scenario, stage: &Spanned<String>) -> Option<()> {
        if self.recipe.stages.contains_key(&stage.value) {
            return Some(());
        }
        let own = list(self.recipe.stages.keys().map(String::as_str), "and");
        // A stage that is not written has no place of its own.
        let span = if stage.span.start == stage.span.end {
            scenario.name.span
        } else {
            stage.span
        };
        self.findings.push(
            Finding::new(
                Code::UnknownStage,
                span,
                format!("`{}` has no stage `{}`", self.recipe.name, stage.value),
            )
            .help(if own.is_empty() {
                "it has none".to_owned()
            } else {
                format!("it has {own}")
            }),
        );
        None
    }
}
