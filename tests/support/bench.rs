//! A bench for single actions: a lab in a temporary folder, steps made of JSON, what they say kept.
//!
//! A text with braces is a template; a member named `that`, `until` or `abort_when` an expression.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use tf_engine::actions::{
    Equipment, Home, Lab, LogLevel, Note, Notes, Performed, PlanContext, ScopeWork, StepContext,
    StepError, registry,
};
use tf_engine::diagnostic::{Span, Spanned};
use tf_engine::recipe::GearKind;
use tf_engine::recipe::model::{
    AllowFailure, Driver, Expect, Gear, Host, HostKeys, Items, Login, Map, Parse, Role, ShellKind,
    Step, StepTimeout, Templated, Tree, TreeKind,
};
use tf_engine::recipe::secret::Masker;
use tf_engine::recipe::template::{Context, Expr, Style, Template};
use tf_engine::recipe::vocabulary;
use tf_engine::transport::{Http, Local, PingMethod, SshKeys, Stop, Stream};

/// A lab and what its steps see.
pub(crate) struct Bench {
    dir: TempDir,
    hosts: Map<Host>,
    gear: Map<Gear>,
    assets: Vec<(&'static str, &'static str)>,
    secrets: Vec<String>,
    keys: SshKeys,
    /// What templates see.
    pub(crate) context: Context,
}

/// A bench whose lab is set.
pub(crate) struct Ready {
    dir: TempDir,
    pub(crate) lab: Arc<Lab>,
    pub(crate) context: Context,
    pub(crate) scope: ScopeWork,
}

/// What came of a step.
pub(crate) struct Done {
    pub(crate) result: Performed,
    pub(crate) notes: Vec<Note>,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        let mut hosts = Map::new();
        hosts.insert("local".to_owned(), host(None));
        let mut context = Context::new();
        context.set("job", json!({}));
        context.set("device", json!({}));
        context.set("vars", json!({}));
        Bench {
            dir: tempfile::tempdir().expect("a temporary folder"),
            hosts,
            gear: Map::new(),
            assets: Vec::new(),
            secrets: Vec::new(),
            keys: SshKeys::from_environment(|_| None),
            context,
        }
    }

    /// A host at the end of a login on 127.0.0.1, let in by this key.
    pub(crate) fn with_host(mut self, name: &str, port: u16, user: &str, key: &Path) -> Bench {
        self.hosts.insert(
            name.to_owned(),
            host(Some(login(port, user, Some(key), None))),
        );
        self
    }

    /// A host whose login is by password alone.
    pub(crate) fn with_password(mut self, name: &str, port: u16, user: &str, word: &str) -> Bench {
        self.hosts.insert(
            name.to_owned(),
            host(Some(login(port, user, None, Some(word)))),
        );
        self
    }

    /// The engine's own keys are here.
    pub(crate) fn with_home(mut self, home: &Path) -> Bench {
        let home = home.as_os_str().to_owned();
        self.keys = SshKeys::from_environment(move |name| (name == "HOME").then(|| home.clone()));
        self
    }

    pub(crate) fn with_gear(mut self, name: &str, gear: Gear) -> Bench {
        self.gear.insert(name.to_owned(), gear);
        self
    }

    pub(crate) fn with_asset(mut self, name: &'static str, text: &'static str) -> Bench {
        self.assets.push((name, text));
        self
    }

    pub(crate) fn with_secret(mut self, secret: &str) -> Bench {
        self.secrets.push(secret.to_owned());
        self
    }

    pub(crate) fn ready(self) -> Ready {
        let masker = Masker::new();
        for secret in &self.secrets {
            masker.add(secret);
        }
        let assets = self.assets;
        let equipment = Equipment {
            run_dir: self.dir.path().to_owned(),
            local: Arc::new(Local::new(self.dir.path())),
            keys: Arc::new(self.keys),
            http: Http::new(),
            ping: PingMethod::find(std::env::var_os("PATH").as_deref()),
            assets: Arc::new(move |name| {
                let found = assets.iter().find(|(known, _)| *known == name);
                found.map(|(_, text)| Arc::from(*text))
            }),
            masker: Arc::new(masker),
        };
        let home = Home {
            hosts: self.hosts,
            gear: self.gear,
            job_lets: HashSet::new(),
            context: self.context.clone(),
        };
        let lab = Lab::new(equipment, [(None, home)]);
        let mut context = self.context;
        lab.introduce_gear(None, &mut context);
        Ready {
            dir: self.dir,
            lab,
            context,
            scope: ScopeWork::default(),
        }
    }
}

impl Ready {
    /// The run directory.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A file of the run directory.
    pub(crate) fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir().join(name)).expect("the file is there")
    }

    pub(crate) fn put(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.dir().join(name), text).expect("the run directory can be written");
    }

    /// What a dry run would print.
    pub(crate) fn describe(&self, step: Step) -> Result<Vec<String>, StepError> {
        self.plan(&Arc::new(step)).map(|request| request.describe())
    }

    fn plan(&self, step: &Arc<Step>) -> Result<Box<dyn tf_engine::actions::Request>, StepError> {
        registry::plan(&PlanContext {
            step,
            lab: &self.lab,
            home: None,
            context: &self.context,
        })
    }

    /// Does a step.
    pub(crate) async fn perform(&self, step: Step) -> Done {
        self.perform_until(step, Stop::new()).await
    }

    /// Does a step until it is told to stop.
    pub(crate) async fn perform_until(&self, step: Step, stop: Stop) -> Done {
        self.perform_watched(step, stop, |_| {}).await
    }

    /// Does a step, showing each note as it comes.
    pub(crate) async fn perform_watched(
        &self,
        step: Step,
        stop: Stop,
        mut watch: impl FnMut(&Note),
    ) -> Done {
        let step = Arc::new(step);
        let request = match self.plan(&step) {
            Ok(request) => request,
            Err(error) => {
                return Done {
                    result: Err(error),
                    notes: Vec::new(),
                };
            }
        };
        let (notes, mut received) = Notes::channel(64);
        let performing = request.perform(StepContext {
            step: Arc::clone(&step),
            lab: Arc::clone(&self.lab),
            home: None,
            context: self.context.clone(),
            stop,
            notes,
            scope: self.scope.clone(),
        });
        let mut kept = Vec::new();
        let mut performing = std::pin::pin!(performing);
        let result = loop {
            tokio::select! {
                result = &mut performing => break result,
                Some(note) = received.recv() => {
                    watch(&note);
                    kept.push(note);
                }
            }
        };
        while let Ok(note) = received.try_recv() {
            watch(&note);
            kept.push(note);
        }
        Done {
            result,
            notes: kept,
        }
    }
}

impl Done {
    /// A field of the output.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> Value {
        match &self.result {
            Ok(output) => output.value[name].clone(),
            Err(error) => panic!("{}: {error}", error.kind),
        }
    }

    /// The error's kind and message.
    #[track_caller]
    pub(crate) fn error(&self) -> (&'static str, &str) {
        match &self.result {
            Ok(output) => panic!("it went well: {output:?}"),
            Err(error) => (error.kind.word(), &error.message),
        }
    }

    /// Lines of output, in order.
    pub(crate) fn lines(&self, of: Stream) -> Vec<&str> {
        let lines = self.notes.iter().filter_map(|note| match note {
            Note::Output { stream, line } if *stream == of => Some(line.as_str()),
            _ => None,
        });
        lines.collect()
    }

    pub(crate) fn warnings(&self) -> Vec<&str> {
        let texts = self.notes.iter().filter_map(|note| match note {
            Note::Warning(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    pub(crate) fn logged(&self) -> Vec<(LogLevel, &str)> {
        let texts = self.notes.iter().filter_map(|note| match note {
            Note::Log { level, text, .. } => Some((*level, text.as_str())),
            _ => None,
        });
        texts.collect()
    }
}

/// A step of one action.
pub(crate) fn step(action: &str, params: Value) -> Step {
    let Value::Object(params) = params else {
        panic!("parameters are a map");
    };
    let action = vocabulary::action(action).expect("an action of the language");
    let mut step = Step::new(action, Span::default());
    step.params = params
        .into_iter()
        .map(|(key, value)| {
            let tree = tree(&key, value);
            (key, tree)
        })
        .collect();
    step
}

/// Modifiers as a recipe has them beside the action.
pub(crate) trait Modify {
    fn on(self, host: &str) -> Step;
    fn expect_any(self) -> Step;
    fn expect_lost(self) -> Step;
    fn env(self, env: Value) -> Step;
    fn parse(self, parse: Parse) -> Step;
    fn max_output(self, bytes: u64) -> Step;
    fn save(self, name: &str) -> Step;
    fn when(self, expr: &str) -> Step;
    fn timeout(self, millis: u64) -> Step;
    fn inner(self, steps: Vec<Step>) -> Step;
    fn for_each(self, items: Value) -> Step;
    fn forgiven(self) -> Step;
}

impl Modify for Step {
    fn on(mut self, host: &str) -> Step {
        self.host = Some(spanned(host.to_owned()));
        self
    }

    fn expect_any(mut self) -> Step {
        self.expect = Some(Expect {
            any: true,
            ..Expect::default()
        });
        self
    }

    fn expect_lost(mut self) -> Step {
        self.expect = Some(Expect {
            lost: true,
            statuses: vec![0],
            any: false,
        });
        self
    }

    fn env(mut self, env: Value) -> Step {
        self.env = Some(tree("env", env));
        self
    }

    fn parse(mut self, parse: Parse) -> Step {
        self.parse = Some(parse);
        self
    }

    fn max_output(mut self, bytes: u64) -> Step {
        self.max_output = Some(Templated::Literal(bytes));
        self
    }

    fn save(mut self, name: &str) -> Step {
        self.save = Some(spanned(name.to_owned()));
        self
    }

    fn when(mut self, text: &str) -> Step {
        self.when = Some(expr(text));
        self
    }

    fn timeout(mut self, millis: u64) -> Step {
        let limit = std::time::Duration::from_millis(millis);
        self.timeout = StepTimeout::After(Templated::Literal(limit));
        self
    }

    fn inner(mut self, steps: Vec<Step>) -> Step {
        self.inner = steps.into_iter().map(Arc::new).collect();
        self
    }

    fn forgiven(mut self) -> Step {
        self.allow_failure = AllowFailure::All;
        self
    }

    fn for_each(mut self, items: Value) -> Step {
        self.for_each = Some(Items::List(tree("for_each", items)));
        self
    }
}

/// A mux or power gear driven by these steps.
pub(crate) fn driven(kind: GearKind, verbs: Vec<(&str, Vec<Step>)>) -> Gear {
    let verbs = verbs
        .into_iter()
        .map(|(verb, steps)| (verb.to_owned(), steps.into_iter().map(Arc::new).collect()))
        .collect();
    Gear {
        driver: Some(Driver::Steps(verbs)),
        ..gear(kind)
    }
}

/// A serial line over TCP.
pub(crate) fn serial_line(address: Value, port: Value) -> Gear {
    Gear {
        address: Some(tree("address", address)),
        port: Some(tree("port", port)),
        ..gear(GearKind::Serial)
    }
}

fn gear(kind: GearKind) -> Gear {
    Gear {
        span: Span::default(),
        kind,
        driver: None,
        off_time: None,
        verify: None,
        media: None,
        host: None,
        address: None,
        port: None,
        tty: None,
        baud: None,
        command: None,
    }
}

pub(crate) fn tree(key: &str, value: Value) -> Tree {
    let kind = match value {
        Value::String(text) if ["until", "abort_when"].contains(&key) => {
            TreeKind::Deferred(expr(&text))
        }
        Value::String(text) if key == "that" => TreeKind::Expr(expr(&text)),
        Value::String(text) if text.contains("{{") => TreeKind::Template(Template {
            text: Arc::from(text),
            span: Span::default(),
            style: match key {
                "shell" => Style::Shell,
                "url" => Style::Url,
                "text" | "message" => Style::Printed,
                _ => Style::Value,
            },
        }),
        Value::Array(items) => {
            TreeKind::List(items.into_iter().map(|item| tree(key, item)).collect())
        }
        Value::Object(members) => TreeKind::Map(
            members
                .into_iter()
                .map(|(key, member)| {
                    let member = tree(&key, member);
                    (key, member)
                })
                .collect(),
        ),
        literal => TreeKind::Literal(literal),
    };
    Tree {
        span: Span::default(),
        kind,
    }
}

fn expr(text: &str) -> Expr {
    Expr {
        text: Arc::from(text),
        span: Span::default(),
    }
}

fn spanned<T>(value: T) -> Spanned<T> {
    Spanned {
        value,
        span: Span::default(),
    }
}

fn host(login: Option<Login>) -> Host {
    Host {
        span: Span::default(),
        login,
        shell: ShellKind::default(),
        role: Role::default(),
    }
}

fn login(port: u16, user: &str, key: Option<&Path>, password: Option<&str>) -> Login {
    Login {
        address: tree("address", json!("127.0.0.1")),
        port: Some(tree("port", json!(port))),
        user: Some(tree("user", json!(user))),
        password: password.map(|word| tree("password", json!(word))),
        identity: key.map(|key| tree("identity", json!([key.to_string_lossy()]))),
        host_key: HostKeys::Any,
        via: None,
        connect_timeout: None,
    }
}
