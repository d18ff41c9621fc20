//! A recipe as lints look at it: its stages and procedures side by side, and all its texts.

use super::Options;
use super::outline::Outline;
use super::raises::Raises;
use super::sites::Sites;
use crate::machine::Chart;
use crate::recipe::model::{Procedure, Recipe, Stage, State};

/// A recipe, with what more than one lint needs of it.
pub(super) struct Whole<'r> {
    pub(super) recipe: &'r Recipe,
    pub(super) options: &'r Options,
    /// Its stages, then its procedures.
    pub(super) units: Vec<Unit<'r>>,
    /// Every text that is evaluated.
    pub(super) sites: Sites<'r>,
    /// Which kinds of error can come up.
    pub(super) raises: Raises<'r>,
}

/// A stage or a procedure.
pub(super) struct Unit<'r> {
    pub(super) recipe: &'r Recipe,
    pub(super) name: &'r str,
    pub(super) kind: UnitKind<'r>,
    pub(super) outline: Outline<'r>,
}

/// What a [`Unit`] is.
#[derive(Clone, Copy)]
pub(super) enum UnitKind<'r> {
    Stage(&'r Stage),
    Procedure(&'r Procedure),
}

impl<'r> Whole<'r> {
    pub(super) fn new(recipe: &'r Recipe, options: &'r Options) -> Self {
        let stages = recipe
            .stages
            .iter()
            .map(|(name, stage)| Unit::new(recipe, name, UnitKind::Stage(stage)));
        let procedures = recipe
            .procedures
            .iter()
            .map(|(name, procedure)| Unit::new(recipe, name, UnitKind::Procedure(procedure)));
        Self {
            recipe,
            options,
            units: stages.chain(procedures).collect(),
            sites: Sites::of(recipe),
            raises: Raises::of(recipe),
        }
    }

    /// Each stage as the machine runs it. What is no chart has been complained about.
    pub(super) fn charts(&self) -> impl Iterator<Item = Chart> {
        self.recipe
            .stages
            .keys()
            .filter_map(|stage| Chart::build(self.recipe, stage).ok())
    }
}

impl<'r> Unit<'r> {
    fn new(recipe: &'r Recipe, name: &'r str, kind: UnitKind<'r>) -> Self {
        Self {
            recipe,
            name,
            kind,
            outline: Outline::new(kind.root()),
        }
    }

    /// The recipe among the imports that it is of; none for the recipe's own and inherited ones.
    pub(super) fn home(&self) -> Option<&'r str> {
        match self.kind {
            UnitKind::Stage(_) => None,
            UnitKind::Procedure(procedure) => procedure.home.as_deref(),
        }
    }

    /// How messages call it: `stage `provision``.
    pub(super) fn words(&self) -> String {
        match self.kind {
            UnitKind::Stage(_) => format!("stage `{}`", self.name),
            UnitKind::Procedure(_) => format!("procedure `{}`", self.name),
        }
    }
}

impl<'r> UnitKind<'r> {
    fn root(self) -> &'r State {
        match self {
            Self::Stage(stage) => &stage.root,
            Self::Procedure(procedure) => &procedure.root,
        }
    }
}
