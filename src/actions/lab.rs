//! One run's lab: where it runs, its hosts and gear by name, and what all its steps share.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::fields::{Field, Text};
use super::{StepError, paths};
use crate::recipe::Verdict;
use crate::recipe::model::{
    self, Gear, HostKeys, Login, Map, Recipe, Role, ShellKind, Templated, Tree,
};
use crate::recipe::secret::{MaskStream, Masker};
use crate::recipe::template::{Assets, Context};
use crate::transport::{
    Host, HostKeyPolicy, Http, Local, PingMethod, Shell, SshHost, SshKeys, SshTarget,
};

/// The port of SSH (RFC 4253, section 4.1).
const SSH_PORT: u16 = 22;
/// Bound on connecting where the host does not say.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What a lab is made of, whatever the recipe.
pub struct Equipment {
    /// Where the run's files go. Relative paths start here.
    pub run_dir: PathBuf,
    /// The engine's machine.
    pub local: Arc<Local>,
    /// The engine's own SSH keys.
    pub keys: Arc<SshKeys>,
    /// HTTP.
    pub http: Http,
    /// How this machine pings; `None`: not at all.
    pub ping: Option<PingMethod>,
    /// Shipped files by name.
    pub assets: Assets,
    /// The secrets of the run. Host passwords are added as they are read.
    pub masker: Arc<Masker>,
}

/// The hosts and gear of one recipe, with the values that their templates see.
pub struct Home {
    /// Hosts by name; `local` is always there.
    pub hosts: Map<model::Host>,
    /// Gear by name.
    pub gear: Map<Gear>,
    /// Names of `let` whose values the job may have had a say in.
    pub job_lets: HashSet<String>,
    /// `device`, `job`, `env`, `run` and `let`.
    pub context: Context,
}

impl Home {
    /// Those of a recipe, with the values of its inputs and constants.
    pub fn of(recipe: &Recipe, context: Context) -> Self {
        Self {
            hosts: recipe.hosts.clone(),
            gear: recipe.gear.clone(),
            job_lets: paths::lets_of_the_job(&recipe.lets),
            context,
        }
    }
}

/// One run's lab. Shared by all its steps.
pub struct Lab {
    equipment: Equipment,
    /// By [`model::Procedure::home`].
    homes: HashMap<Option<String>, Home>,
    known: Mutex<Known>,
}

/// What was found out during the run.
#[derive(Default)]
struct Known {
    hosts: HashMap<(Option<String>, String), Host>,
    /// The paths that muxes without `media` printed.
    media: HashMap<(Option<String>, String), String>,
}

impl Lab {
    /// A lab for one run. `homes` are the recipe (`None`) and those whose procedures it calls.
    pub fn new(
        equipment: Equipment,
        homes: impl IntoIterator<Item = (Option<String>, Home)>,
    ) -> Arc<Self> {
        Arc::new(Self {
            equipment,
            homes: homes.into_iter().collect(),
            known: Mutex::default(),
        })
    }

    /// Where the run's files go.
    pub fn run_dir(&self) -> &Path {
        &self.equipment.run_dir
    }

    /// HTTP.
    pub fn http(&self) -> &Http {
        &self.equipment.http
    }

    /// How this machine pings.
    pub(super) fn ping(&self) -> Option<&PingMethod> {
        self.equipment.ping.as_ref()
    }

    /// The engine's machine.
    pub fn local(&self) -> Host {
        Host::Local(Arc::clone(&self.equipment.local))
    }

    /// A text without the run's secrets.
    pub fn mask(&self, text: &str) -> String {
        self.equipment.masker.mask(text).into_owned()
    }

    /// Masks a text that comes in pieces.
    pub(super) fn mask_stream(&self) -> MaskStream {
        self.equipment.masker.stream()
    }

    /// A value with the secrets in its texts replaced.
    pub fn mask_value(&self, value: &serde_json::Value) -> serde_json::Value {
        self.equipment.masker.mask_value(value)
    }

    /// The text of a shipped file.
    ///
    /// # Errors
    /// `input`: there is none of that name.
    pub fn asset(&self, name: &str) -> Result<Arc<str>, StepError> {
        (self.equipment.assets)(name)
            .ok_or_else(|| StepError::input(format!("there is no shipped file `{name}`")))
    }

    /// A host, connected to when it is first used and then kept. Its address, user and so on are
    /// rendered the first time that this comes out well.
    ///
    /// # Errors
    /// `input`: a template of the host has no value, or there is no such host.
    pub fn host(&self, home: Option<&str>, name: &str) -> Result<Host, StepError> {
        let key = (home.map(str::to_owned), name.to_owned());
        if let Some(host) = self.known().hosts.get(&key) {
            return Ok(host.clone());
        }
        let declared = self.declared_host(home, name)?;
        let host = match &declared.login {
            None => self.local(),
            Some(login) => {
                let target = self
                    .target(home, name, login, declared.shell)
                    .map_err(|error| StepError {
                        message: format!("host `{name}`: {}", error.message),
                        ..error
                    })?;
                let keys = Arc::clone(&self.equipment.keys);
                Host::Ssh(Arc::new(SshHost::new(target, keys)))
            }
        };
        // Two steps at once would make two connections; the first stays.
        Ok(self.known().hosts.entry(key).or_insert(host).clone())
    }

    /// What runs shell strings on a host.
    ///
    /// # Errors
    /// `input`: there is no such host.
    pub fn shell(&self, home: Option<&str>, name: &str) -> Result<Shell, StepError> {
        Ok(shell(self.declared_host(home, name)?.shell))
    }

    /// Whose fault the failures of a host are.
    pub fn role(&self, home: Option<&str>, name: &str) -> Role {
        self.declared_host(home, name)
            .map_or(Role::Lab, |host| host.role)
    }

    /// Whose fault a failure at this address is: the role of the host that has it, else the lab's.
    pub(super) fn verdict_at(&self, home: Option<&str>, address: &str) -> Verdict {
        let hosts = self.home(home).map(|home| &home.hosts);
        let role = hosts.ok().and_then(|hosts| {
            hosts.values().find_map(|host| {
                let login = host.login.as_ref()?;
                let at = self.rendered(home, "address", &login.address).ok()?;
                (at.text().ok()?.value == address).then_some(host.role)
            })
        });
        verdict_of(role.unwrap_or_default())
    }

    /// Sets the name `host` of templates: `name`, `address` and `user` of a step's host. The user is
    /// who logs in, given or not; `local` has neither address nor user.
    pub fn introduce_host(&self, home: Option<&str>, name: &str, context: &mut Context) {
        let mut values = serde_json::Map::new();
        values.insert("name".to_owned(), name.into());
        values.insert("address".to_owned(), serde_json::Value::Null);
        values.insert("user".to_owned(), serde_json::Value::Null);
        context.unset("host");
        let login = self
            .declared_host(home, name)
            .ok()
            .and_then(|host| host.login.as_ref());
        let mut secrets = Vec::new();
        for (key, tree) in login.into_iter().flat_map(|login| {
            [
                ("address", Some(&login.address)),
                ("user", login.user.as_ref()),
            ]
        }) {
            let field = tree.and_then(|tree| self.rendered(home, key, tree).ok());
            if let Some(field) = field {
                values.insert(key.to_owned(), field.value());
                if field.is_secret() {
                    secrets.push(key);
                }
            }
        }
        if let Some(user) = values.get_mut("user").filter(|user| user.is_null())
            && login.is_some()
        {
            *user = own_user().into();
        }
        context.set("host", serde_json::Value::Object(values));
        for key in secrets {
            context.mark_secret(["host", key]);
        }
    }

    /// Where a host is.
    ///
    /// # Errors
    /// `input`: there is no such host, it is the engine's own machine, or its address has no value.
    pub(super) fn address(&self, home: Option<&str>, name: &str) -> Result<Text, StepError> {
        match &self.declared_host(home, name)?.login {
            Some(login) => self.rendered(home, "address", &login.address)?.text(),
            None => Err(StepError::input(format!(
                "`{name}` is the engine's own machine"
            ))),
        }
    }

    /// Ends all connections.
    pub async fn close(&self) {
        let hosts: Vec<Host> = self.known().hosts.drain().map(|(_, host)| host).collect();
        for host in hosts {
            if let Host::Ssh(host) = host {
                host.close().await;
            }
        }
    }

    pub(super) fn home(&self, home: Option<&str>) -> Result<&Home, StepError> {
        self.homes.get(&home.map(str::to_owned)).ok_or_else(|| {
            StepError::input(format!(
                "the recipe `{}` is not part of this run",
                home.unwrap_or("of the run")
            ))
        })
    }

    pub(super) fn printed_media(&self, home: Option<&str>, gear: &str) -> Option<String> {
        let key = (home.map(str::to_owned), gear.to_owned());
        self.known().media.get(&key).cloned()
    }

    pub(super) fn note_media(&self, home: Option<&str>, gear: &str, path: &str) {
        let key = (home.map(str::to_owned), gear.to_owned());
        self.known().media.insert(key, path.to_owned());
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn declared_host(&self, home: Option<&str>, name: &str) -> Result<&model::Host, StepError> {
        self.home(home)?
            .hosts
            .get(name)
            .ok_or_else(|| StepError::input(format!("there is no host `{name}`")))
    }

    fn rendered(&self, home: Option<&str>, key: &str, tree: &Tree) -> Result<Field, StepError> {
        Field::render(key, tree, &self.home(home)?.context)
    }

    fn target(
        &self,
        home: Option<&str>,
        name: &str,
        login: &Login,
        runs: ShellKind,
    ) -> Result<SshTarget, StepError> {
        let cx = &self.home(home)?.context;
        let optional = |key: &str, tree: &Option<Tree>| -> Result<Option<Field>, StepError> {
            let field = tree.as_ref().map(|tree| Field::render(key, tree, cx));
            Ok(field.transpose()?.filter(|field| !field.is_none()))
        };
        let text = |key: &str, tree: &Option<Tree>| -> Result<Option<Text>, StepError> {
            optional(key, tree)?.map(|field| field.text()).transpose()
        };
        let address = Field::render("address", &login.address, cx)?.text()?;
        let password = text("password", &login.password)?;
        if let Some(password) = &password {
            self.equipment.masker.add(&password.value);
        }
        let identities = match optional("identity", &login.identity)? {
            None => None,
            Some(field) if field.is_list() => Some(
                field
                    .list()?
                    .iter()
                    .map(|item| item.path_text().map(|path| self.run_dir().join(path)))
                    .collect::<Result<Vec<_>, _>>()?,
            ),
            Some(field) => Some(vec![self.run_dir().join(field.path_text()?)]),
        };
        let via = match &login.via {
            None => None,
            Some(via) => match self.host(home, &via.value)? {
                Host::Ssh(host) => Some(host),
                Host::Local(_) => None,
            },
        };
        Ok(SshTarget {
            name: name.to_owned(),
            address: address.value,
            port: match optional("port", &login.port)? {
                Some(field) => field.port()?,
                None => SSH_PORT,
            },
            user: match text("user", &login.user)? {
                Some(user) => user.value,
                None => own_user(),
            },
            password: password.map(|password| password.value),
            identities,
            host_key: match login.host_key {
                HostKeys::AcceptNew => HostKeyPolicy::AcceptNew,
                HostKeys::Known => HostKeyPolicy::Known,
                HostKeys::Any => HostKeyPolicy::Any,
            },
            via,
            connect_timeout: match &login.connect_timeout {
                None => CONNECT_TIMEOUT,
                Some(Templated::Literal(limit)) => *limit,
                Some(Templated::Template(template)) => {
                    let rendered = template.render(cx)?;
                    Field::from_value("connect_timeout", rendered.value, false).duration()?
                }
            },
            shell: shell(runs),
        })
    }
}

fn shell(kind: ShellKind) -> Shell {
    match kind {
        ShellKind::Bash => Shell::Bash,
        ShellKind::Sh => Shell::Sh,
    }
}

/// Who is blamed for a host of this role.
pub(super) fn verdict_of(role: Role) -> Verdict {
    match role {
        Role::Lab => Verdict::Infra,
        Role::Device => Verdict::Device,
    }
}

/// The name of whoever runs the engine, from the user database as far as a file has it.
fn own_user() -> String {
    let uid = rustix::process::geteuid().as_raw().to_string();
    std::fs::read_to_string("/etc/passwd")
        .ok()
        .and_then(|passwd| {
            // passwd(5): name, password, user id, ...
            passwd.lines().find_map(|line| {
                let mut fields = line.split(':');
                let name = fields.next()?;
                (fields.nth(1)? == uid).then(|| name.to_owned())
            })
        })
        .or_else(|| std::env::var("USER").ok())
        .unwrap_or_else(|| "root".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::diagnostic::Span;
    use crate::recipe::model::TreeKind;
    use crate::recipe::template::{Expr, Style, Template};

    fn text(text: &str) -> Tree {
        let kind = if text.contains("{{") {
            TreeKind::Template(Template {
                text: text.into(),
                span: Span::default(),
                style: Style::Value,
            })
        } else {
            TreeKind::Literal(json!(text))
        };
        Tree {
            span: Span::default(),
            kind,
        }
    }

    fn home(ip: &Value, role: Role) -> Home {
        let login = Login {
            address: text("{{ device.ip }}"),
            port: None,
            user: Some(text("{{ device.user }}")),
            password: Some(text("{{ device.password }}")),
            identity: None,
            host_key: HostKeys::Any,
            via: None,
            connect_timeout: None,
        };
        let host = |login| model::Host {
            span: Span::default(),
            login,
            shell: ShellKind::Sh,
            role,
        };
        let mut context = Context::new();
        let device = json!({"ip": ip, "user": "u", "password": "a long password"});
        context.set("device", device);
        context.mark_secret(["device", "user"]);
        Home {
            hosts: Map::from_iter([
                ("local".to_owned(), host(None)),
                ("dut".to_owned(), host(Some(login))),
            ]),
            gear: Map::new(),
            job_lets: HashSet::new(),
            context,
        }
    }

    fn lab() -> Arc<Lab> {
        let equipment = Equipment {
            run_dir: "/nowhere".into(),
            local: Arc::new(Local::new("/nowhere")),
            keys: Arc::new(SshKeys::from_environment(|_| None)),
            http: Http::new(),
            ping: None,
            assets: Arc::new(|_| None),
            masker: Arc::new(Masker::new()),
        };
        Lab::new(
            equipment,
            [
                (None, home(&json!("10.0.0.1"), Role::Device)),
                (Some("other".to_owned()), home(&Value::Null, Role::Lab)),
            ],
        )
    }

    #[test]
    fn each_recipe_has_hosts_of_its_own() {
        let lab = lab();
        let Ok(Host::Ssh(dut)) = lab.host(None, "dut") else {
            panic!("it is reached by SSH");
        };
        assert_eq!(dut.target().address, "10.0.0.1");
        assert_eq!(dut.target().port, 22);
        assert!(matches!(
            lab.host(Some("other"), "local"),
            Ok(Host::Local(_))
        ));
        let Err(error) = lab.host(Some("other"), "dut") else {
            panic!("its address is none");
        };
        assert_eq!(
            error.message,
            "host `dut`: `address` must be a text, but is none"
        );
        assert!(lab.host(None, "nobody").is_err());
        assert!(lab.host(Some("stranger"), "local").is_err());
        assert_eq!(lab.mask("it is a long password"), "it is •••");
        assert!(matches!(lab.shell(None, "dut"), Ok(Shell::Sh)));
    }

    #[test]
    fn whose_fault_an_address_is_depends_on_the_host_that_has_it() {
        let lab = lab();
        assert_eq!(lab.verdict_at(None, "10.0.0.1"), Verdict::Device);
        assert_eq!(lab.verdict_at(None, "10.0.0.2"), Verdict::Infra);
        assert_eq!(lab.verdict_at(Some("other"), "10.0.0.1"), Verdict::Infra);
    }

    #[test]
    fn templates_see_the_host_of_their_step() {
        let lab = lab();
        let mut context = Context::new();
        let read = |context: &Context, what: &str| {
            let expr = Expr {
                text: what.into(),
                span: Span::default(),
            };
            let rendered = expr.evaluate(context).expect("it has a value");
            (rendered.value, rendered.secret)
        };
        lab.introduce_host(None, "dut", &mut context);
        assert_eq!(read(&context, "host.address"), (json!("10.0.0.1"), false));
        assert_eq!(read(&context, "host.user"), (json!("u"), true));
        lab.introduce_host(Some("other"), "local", &mut context);
        assert_eq!(read(&context, "host.address"), (Value::Null, false));
        assert_eq!(read(&context, "host.user"), (Value::Null, false));
        assert_eq!(read(&context, "host.name"), (json!("local"), false));
    }
}
