//! What templates see: the names of a run and their values.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use indexmap::IndexMap;
use minijinja::value::{Enumerator, Object, ObjectRepr};

use super::super::Value;
use super::convert::from_plain;

/// The names that the language has. Which of them are there depends on the place.
pub const ROOTS: &[&str] = &[
    "device", "job", "env", "run", "gear", "let", "params", "vars", "host", "item", "index",
    "error", "outcome", "result",
];

/// Not an identifier, so no template can name it.
const SERVICES: &str = "@services";

/// Gives the text of a shipped file by its name, or nothing if there is none of that name.
pub type Assets = Arc<dyn Fn(&str) -> Option<Arc<str>> + Send + Sync>;

/// The values that templates are evaluated with.
///
/// A clone is cheap and apart: changing one does not change the other. Values are converted once,
/// when they are set.
#[derive(Clone, Debug, Default)]
pub struct Context {
    roots: Arc<Roots>,
    secrets: Arc<BTreeSet<Vec<String>>>,
}

impl Context {
    /// A context without any name. `env` is there: every name in it is none.
    pub fn new() -> Self {
        let mut context = Self::default();
        context.set("env", Value::Object(serde_json::Map::new()));
        context
    }

    /// Gives a name of [`ROOTS`] its value, in place of the one before. What was marked secret under
    /// that name stays marked.
    pub fn set(&mut self, root: &str, value: Value) {
        let roots = Arc::make_mut(&mut self.roots);
        let slot = match value {
            Value::Object(members) => Slot::Members(Arc::new(Members {
                values: members
                    .iter()
                    .map(|(name, value)| (name.clone(), from_plain(value)))
                    .collect(),
                none_for_missing: root == "env",
            })),
            other => Slot::Plain(from_plain(&other)),
        };
        roots.slots.insert(root.to_owned(), slot);
    }

    /// Takes a name away: from now on it is undefined. Its marks go with it.
    pub fn unset(&mut self, root: &str) {
        Arc::make_mut(&mut self.roots).slots.shift_remove(root);
        self.forget(root, None);
    }

    /// Gives one member of a name its value (`vars.up`), and marks it secret or not.
    pub fn set_member(&mut self, root: &str, member: &str, value: &Value, secret: bool) {
        let roots = Arc::make_mut(&mut self.roots);
        let slot = roots
            .slots
            .entry(root.to_owned())
            .or_insert_with(|| Slot::Members(Arc::default()));
        if !matches!(slot, Slot::Members(_)) {
            *slot = Slot::Members(Arc::default());
        }
        if let Slot::Members(members) = slot {
            Arc::make_mut(members)
                .values
                .insert(member.to_owned(), from_plain(value));
        }
        self.forget(root, Some(member));
        if secret {
            self.mark_secret([root, member]);
        }
    }

    /// From now on, what reads this path (`["device", "password"]`), something in it or a whole
    /// that holds it, is secret.
    pub fn mark_secret<'a>(&mut self, path: impl IntoIterator<Item = &'a str>) {
        Arc::make_mut(&mut self.secrets).insert(path.into_iter().map(str::to_owned).collect());
    }

    /// Whether what reads `path` is secret.
    pub fn is_secret<S: AsRef<str>>(&self, path: &[S]) -> bool {
        self.secrets.iter().any(|mark| {
            mark.iter()
                .zip(path)
                .all(|(marked, read)| marked == read.as_ref())
        })
    }

    pub(super) fn has_secrets(&self) -> bool {
        !self.secrets.is_empty()
    }

    /// What `asset(NAME)` looks names up in.
    pub fn set_assets(&mut self, assets: Assets) {
        self.services(|services| services.assets = Some(assets));
    }

    /// The whole device config and job data, for the functions of device types (`test_env`,
    /// `legacy_format`); templates can't read them.
    pub fn set_documents(&mut self, device: Value, job: Value) {
        self.services(|services| {
            services.device = Arc::new(device);
            services.job = Arc::new(job);
        });
    }

    /// The time that `now` counts from. Without it `now` is refused.
    pub fn set_now(&mut self, now: SystemTime) {
        self.services(|services| services.now = Some(now));
    }

    fn services(&mut self, change: impl FnOnce(&mut Services)) {
        let roots = Arc::make_mut(&mut self.roots);
        let mut services = Services::clone(&roots.services);
        change(&mut services);
        roots.services = Arc::new(services);
    }

    fn forget(&mut self, root: &str, member: Option<&str>) {
        let belongs = |mark: &Vec<String>| {
            mark.first().is_some_and(|first| first == root)
                && member.is_none_or(|member| mark.get(1).is_some_and(|second| second == member))
        };
        if self.secrets.iter().any(belongs) {
            Arc::make_mut(&mut self.secrets).retain(|mark| !belongs(mark));
        }
    }

    pub(super) fn to_value(&self) -> minijinja::Value {
        minijinja::Value::from_dyn_object(self.roots.clone())
    }
}

/// The outermost scope of an evaluation.
#[derive(Clone, Debug, Default)]
struct Roots {
    slots: IndexMap<String, Slot>,
    services: Arc<Services>,
}

#[derive(Clone, Debug)]
enum Slot {
    Plain(minijinja::Value),
    /// A map is kept open, so that one member can be replaced without the others.
    Members(Arc<Members>),
}

impl Object for Roots {
    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        let name = key.as_str()?;
        if name == SERVICES {
            return Some(minijinja::Value::from_dyn_object(self.services.clone()));
        }
        Some(match self.slots.get(name)? {
            Slot::Plain(value) => value.clone(),
            Slot::Members(members) => minijinja::Value::from_dyn_object(members.clone()),
        })
    }
}

#[derive(Clone, Debug, Default)]
struct Members {
    values: IndexMap<String, minijinja::Value>,
    /// `env`: a name that is not set is none.
    none_for_missing: bool,
}

impl Object for Members {
    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        match self.values.get(key.as_str()?) {
            Some(value) => Some(value.clone()),
            None => self.none_for_missing.then(|| minijinja::Value::from(())),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.values.keys().map(minijinja::Value::from).collect())
    }
}

/// What functions and filters need besides their arguments.
#[derive(Clone, Default)]
pub(super) struct Services {
    pub(super) device: Arc<Value>,
    pub(super) job: Arc<Value>,
    pub(super) assets: Option<Assets>,
    pub(super) now: Option<SystemTime>,
}

impl Services {
    /// Those of the evaluation that is going on.
    pub(super) fn of(state: &minijinja::State<'_, '_>) -> Arc<Self> {
        state
            .lookup(SERVICES)
            .and_then(|value| value.downcast_object())
            .unwrap_or_default()
    }
}

impl fmt::Debug for Services {
    /// The documents may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").finish_non_exhaustive()
    }
}

impl Object for Services {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Context;

    #[test]
    fn a_secret_hides_itself_what_is_in_it_and_what_holds_it() {
        let mut context = Context::new();
        context.mark_secret(["device", "login"]);
        assert!(context.is_secret(&["device", "login"]));
        assert!(context.is_secret(&["device", "login", "password"]));
        assert!(context.is_secret(&["device"]));
        assert!(!context.is_secret(&["device", "ip"]));
        assert!(!context.is_secret(&["job", "login"]));
    }

    #[test]
    fn a_var_that_is_set_again_loses_its_mark() {
        let mut context = Context::new();
        context.set_member("vars", "a", &json!("x"), true);
        context.set_member("vars", "b", &json!("x"), true);
        assert!(context.is_secret(&["vars", "a"]));
        context.set_member("vars", "a", &json!("y"), false);
        assert!(!context.is_secret(&["vars", "a"]));
        assert!(context.is_secret(&["vars", "b"]));
    }

    #[test]
    fn a_clone_keeps_its_values() {
        let mut context = Context::new();
        context.set("vars", json!({"a": 1}));
        let before = context.clone();
        context.set_member("vars", "a", &json!(2), false);
        let read = |context: &Context| {
            context
                .to_value()
                .get_attr("vars")
                .and_then(|vars| vars.get_attr("a"))
                .ok()
                .and_then(|value| value.as_i64())
        };
        assert_eq!((read(&before), read(&context)), (Some(1), Some(2)));
    }
}
