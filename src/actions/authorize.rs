//! `authorize`: lets SSH keys log in on a host.

use std::sync::Arc;

use serde_json::json;

use super::exec::{Prepared, quietly};
use super::fields::Fields;
use super::place::Place;
use super::{Output, Performed, Performing, PlanContext, Request, StepContext, StepError};
use crate::recipe::ErrorKind;
use crate::transport::{Ended, Host, SshHost, create_key};

/// Reads keys, one a line, each `TYPE BASE64 COMMENT`, and adds those that are not there yet,
/// whatever their comment. Prints how many.
const SCRIPT: &str = r#"
umask 077
mkdir -p "$HOME/.ssh" || exit 97
file=$HOME/.ssh/authorized_keys
touch "$file" || exit 97
added=0
if test -s "$file" && test -n "$(tail -c 1 "$file")"; then echo >>"$file" || exit 97; fi
while read -r type key comment; do
  if ! grep -v '^ *#' "$file" | grep -qF -e "$type $key"; then
    printf '%s\n' "$type $key${comment:+ $comment}" >>"$file" || exit 97
    added=$((added + 1))
  fi
done
echo $added
"#;
/// Exit status of our own script where it failed; another one is the shell's.
const FAILED: u32 = 97;

pub(super) struct Authorize {
    place: Place,
    /// Lines of `authorized_keys` (sshd(8)) without options; empty: our own.
    keys: Vec<String>,
    create_key: bool,
}

pub(super) fn plan(cx: &PlanContext) -> Result<Box<dyn Request>, StepError> {
    let fields = Fields::render(&cx.step.params, cx.context)?;
    let host = fields.need("host")?.text()?.value;
    let mut keys = Vec::new();
    if let Some(field) = fields.get("keys") {
        let texts = if field.is_list() {
            field.list()?
        } else {
            std::slice::from_ref(field)
        };
        for text in texts {
            for line in text.text()?.value.lines() {
                let line = line.trim();
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                if !is_public_key(line) {
                    return Err(text.wrong("public keys, one a line, each `TYPE BASE64 COMMENT`"));
                }
                keys.push(line.to_owned());
            }
        }
        if keys.is_empty() {
            return Err(StepError::input("`keys` holds no key"));
        }
    }
    Ok(Box::new(Authorize {
        place: Place::named(cx, &host)?,
        keys,
        create_key: fields.boolean("create_key", true)?,
    }))
}

/// Whether a line is a key without options: what a stranger gives may let somebody in, and no more.
fn is_public_key(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace();
    let kind = words.next().unwrap_or_default();
    let known = ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"];
    let is_blob = |blob: &str| {
        blob.len() > 16
            && blob
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
    };
    known.iter().any(|start| kind.starts_with(start))
        && words.next().is_some_and(is_blob)
        && !line.chars().any(char::is_control)
}

impl Authorize {
    /// For our own keys, on a host that `wait` probes.
    pub(super) fn own(place: Place) -> Self {
        Self {
            place,
            keys: Vec::new(),
            create_key: true,
        }
    }

    pub(super) async fn execute(&self, cx: &StepContext) -> Performed {
        let Host::Ssh(host) = &self.place.host else {
            let message = format!("`{}` is this machine: nobody logs in here", self.place.name);
            return Err(StepError::input(message));
        };
        let mut keys = self.keys.clone();
        if keys.is_empty() {
            keys.push(own_key(host, self.create_key).await?);
        }
        let mut input = keys.join("\n");
        input.push('\n');
        let what = format!("keys can't be put on `{}`", self.place.name);
        let mut add = Prepared::plain(&["sh", "-c", SCRIPT]).with_input(input);
        add.shown = "adding keys to ~/.ssh/authorized_keys".to_owned();
        let (ended, stdout, stderr) = quietly(&self.place, add, 64, cx).await?;
        let why = stderr.lines().last().unwrap_or("no reason was given");
        let failed = |kind| StepError::new(kind, format!("{what}: {why}"));
        match ended.map_err(|fault| StepError::from_fault(&what, &fault))? {
            Ended::Status(0) => {}
            Ended::Status(FAILED) => return Err(failed(ErrorKind::Io)),
            Ended::Status(_) => return Err(failed(ErrorKind::Exit)),
            Ended::Signal(..) => return Err(failed(ErrorKind::Lost)),
        }
        let added: Option<u64> = String::from_utf8_lossy(&stdout).trim().parse().ok();
        let host_key = host
            .host_key()
            .await
            .map_err(|fault| StepError::from_fault(&what, &fault))?;
        let mut fields = serde_json::Map::new();
        fields.insert("added".to_owned(), json!(added.unwrap_or(0)));
        fields.insert("host_key".to_owned(), json!(host_key.line));
        Ok(Output::of(fields))
    }
}

/// Our own public key, made where there is none.
async fn own_key(host: &Arc<SshHost>, create: bool) -> Result<String, StepError> {
    let failed = |fault| StepError::from_fault("our own SSH key", &fault);
    if let Some(key) = host.public_key().await.map_err(failed)? {
        return Ok(key);
    }
    match host.first_identity() {
        Some(path) if create => tokio::task::spawn_blocking(move || create_key(&path))
            .await
            .map_err(|error| StepError::io(error.to_string()))?
            .map_err(failed),
        _ => Err(StepError::io(
            "there is no SSH key of our own that could be put on a host",
        )),
    }
}

impl Request for Authorize {
    fn describe(&self) -> Vec<String> {
        let what = match self.keys.len() {
            0 => "our own key".to_owned(),
            count => crate::diagnostic::plural(count, "key"),
        };
        vec![self.place.describe(&format!("authorize {what}"))]
    }

    fn perform(self: Box<Self>, cx: StepContext) -> Performing {
        Box::pin(async move { self.execute(&cx).await })
    }
}

#[cfg(test)]
mod tests {
    use super::is_public_key;

    #[test]
    fn a_key_with_options_is_none() {
        #[track_caller]
        fn case(line: &str, is_key: bool) {
            assert_eq!(is_public_key(line), is_key, "{line}");
        }
        let blob = "AAAAC3NzaC1lZDI1NTE5AAAAIJ";
        case(&format!("ssh-ed25519 {blob} me@here"), true);
        case(&format!("ecdsa-sha2-nistp256 {blob}"), true);
        case(&format!("command=\"id\" ssh-ed25519 {blob}"), false);
        case(&format!("ssh-ed25519 {blob} a\tb"), false);
        case("ssh-ed25519", false);
        case("<html>", false);
    }
}
