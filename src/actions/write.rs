//! `write`: a file as a whole, or not at all.
//!
//! The bytes go into a file of another name in the same folder, which then takes the place of the
//! one that was there.

use std::hash::{BuildHasher, RandomState};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::json;

use super::exec::{Prepared, quietly, stopped};
use super::fields::{Field, Fields, Text};
use super::place::Place;
use super::{
    Deed, Output, Performed, Performing, PlanContext, Request, StepContext, StepError, paths,
};
use crate::diagnostic::plural;
use crate::image::Sha256;
use crate::recipe::secret::HIDDEN;
use crate::recipe::template::{Style, Template};
use crate::recipe::{ErrorKind, Value};
use crate::transport::Ended;

/// Exit status of our own script where it failed; another one is sudo's.
const FAILED: u32 = 97;
/// What the script says of a file that is as it should be.
const SAME: &str = "same";
/// `$1` path, `$2` mode, `$3` the number of bytes, `$4` a suffix that no other file has, `$5` `1`
/// where folders are made. POSIX alone, for busybox.
const SCRIPT: &str = r#"
fail() { echo "$1" >&2; exit 97; }
umask 077
path=$1; case $path in -*) path=./$path;; esac
test ! -e "$path" || test -f "$path" || fail 'it is no file that could be replaced'
folder=$(dirname "$path") || fail 'it has no folder'
if test "$5" = 1; then (umask 022; mkdir -p "$folder") || exit 97; fi
test -d "$folder" || fail "there is no folder $folder"
temporary=$folder/.tf-engine-$4
trap 'rm -f "$temporary"' EXIT
trap 'exit 97' HUP INT TERM
(set -C; cat >"$temporary") || exit 97
size=$(wc -c <"$temporary") || exit 97
test "$size" -eq "$3" || fail "only $size of $3 bytes came"
chmod "$2" "$temporary" || exit 97
if test -f "$path" && test ! -h "$path" && cmp -s "$temporary" "$path"; then
  chmod "$2" "$path" || exit 97
  echo same
else
  mv -f "$temporary" "$path" || exit 97
fi
"#;

struct Write {
    place: Place,
    /// As it was given, and as it is in the output.
    path: String,
    /// Where that is, on the engine's machine.
    here: Option<PathBuf>,
    shown: String,
    bytes: Bytes,
    /// Whether something secret went into the bytes.
    secret: bool,
    mode: u32,
    parents: bool,
    sudo: bool,
}

pub(super) fn plan(cx: &PlanContext) -> Result<Box<dyn Request>, StepError> {
    let fields = Fields::render(&cx.step.params, cx.context)?;
    let place = Place::of(cx)?;
    let field = fields.need("path")?;
    let path = field.path_text()?;
    let content = if let Some(content) = fields.get("content") {
        content.text()?
    } else if let Some(asset) = fields.get("asset") {
        Text::plain(&*cx.lab.asset(&asset.text()?.value)?)
    } else {
        let name = fields.need("template")?.text()?.value;
        let template = Template {
            text: cx.lab.asset(&name)?,
            span: cx.step.span,
            style: Style::Value,
        };
        let rendered = template
            .render(cx.context)
            .map_err(|error| StepError::input(format!("`{name}`: {}", error.message)))?;
        Field::from_value(&name, rendered.value, rendered.secret).text()?
    };
    Ok(Box::new(Write {
        here: place
            .is_local()
            .then(|| paths::local(cx, "path", field))
            .transpose()?,
        place,
        shown: field.text()?.shown().to_owned(),
        path,
        secret: content.secret,
        bytes: Bytes::from(content.value),
        mode: fields.get("mode").map_or(Ok(0o644), mode)?,
        parents: fields.boolean("parents", false)?,
        sudo: fields.boolean("sudo", false)?,
    }))
}

/// A mode in octal digits.
fn mode(field: &Field) -> Result<u32, StepError> {
    let text = match field.value() {
        Value::String(text) => text,
        _ => String::new(),
    };
    Some(text.as_str())
        .filter(|text| {
            matches!(text.len(), 3 | 4) && text.bytes().all(|byte| byte.is_ascii_digit())
        })
        .and_then(|text| u32::from_str_radix(text, 8).ok())
        .ok_or_else(|| field.wrong("a file mode in octal digits, as a text, such as \"0644\""))
}

impl Write {
    fn name(&self) -> String {
        format!("`{}`{}", self.shown, self.place.suffix())
    }

    async fn execute(self, cx: &StepContext) -> Performed {
        let changed = match &self.here {
            Some(path) if !self.sudo => self.write_here(path.clone(), cx).await?,
            Some(path) => self.write_by_script(&path.to_string_lossy(), cx).await?,
            None => self.write_by_script(&self.path, cx).await?,
        };
        let mut fields = serde_json::Map::new();
        fields.insert("path".to_owned(), json!(self.path));
        fields.insert("bytes".to_owned(), json!(self.bytes.len()));
        let digest = Sha256::of(&self.bytes).to_string();
        fields.insert("sha256".to_owned(), json!(digest));
        fields.insert("changed".to_owned(), json!(changed));
        Ok(Output::of(fields))
    }

    async fn write_here(&self, path: PathBuf, cx: &StepContext) -> Result<bool, StepError> {
        let (bytes, mode, parents) = (self.bytes.clone(), self.mode, self.parents);
        let write = tokio::task::spawn_blocking(move || write_here(&path, &bytes, mode, parents));
        let written = tokio::select! {
            written = write => written.unwrap_or_else(|error| Err(error.into())),
            () = cx.stop.wanted() => return Err(stopped(&format!("writing {}", self.name()))),
        };
        written.map_err(|error| StepError::io(format!("{} can't be written: {error}", self.name())))
    }

    async fn write_by_script(&self, path: &str, cx: &StepContext) -> Result<bool, StepError> {
        let suffix = format!("{:016x}", RandomState::new().hash_one(std::process::id()));
        let mode = format!("{:04o}", self.mode);
        let size = self.bytes.len().to_string();
        let parents = if self.parents { "1" } else { "0" };
        // Without a terminal to ask at, sudo would wait for a password that never comes.
        let mut argv = if self.sudo {
            vec!["sudo", "-n"]
        } else {
            Vec::new()
        };
        argv.extend([
            "sh", "-c", SCRIPT, "sh", path, &mode, &size, &suffix, parents,
        ]);
        let mut write = Prepared::plain(&argv).with_input(self.bytes.clone());
        write.shown = format!("write {}", self.shown);
        let (ended, stdout, stderr) = quietly(&self.place, write, 64, cx).await?;
        let cannot = format!("{} can't be written", self.name());
        let ended = ended.map_err(|fault| StepError::from_fault(&cannot, &fault))?;
        let kind = match ended {
            Ended::Status(0) => {
                return Ok(String::from_utf8_lossy(&stdout).trim() != SAME);
            }
            Ended::Status(FAILED) => ErrorKind::Io,
            Ended::Status(_) => ErrorKind::Exit,
            Ended::Signal(..) => ErrorKind::Lost,
        };
        let why = stderr.lines().last().unwrap_or("no reason was given");
        let message = format!("{cannot}: {why}");
        Err(StepError::new(kind, message).with_tail(stderr.clone()))
    }
}

fn write_here(path: &Path, bytes: &[u8], mode: u32, parents: bool) -> std::io::Result<bool> {
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    // A device or pipe would be replaced by a file of its name.
    if path.exists() && !path.is_file() {
        return Err(std::io::Error::other(
            "it is no file that could be replaced",
        ));
    }
    if parents {
        std::fs::create_dir_all(folder)?;
    } else if !folder.is_dir() {
        let message = format!("there is no folder {}", folder.display());
        return Err(std::io::Error::other(message));
    }
    let mode = std::fs::Permissions::from_mode(mode);
    let is_link = path.symlink_metadata().is_ok_and(|it| it.is_symlink());
    // What is there may be of any size; only what could be the same is read.
    let may_be_same = path
        .metadata()
        .is_ok_and(|before| before.len() == bytes.len() as u64);
    if !is_link && may_be_same && std::fs::read(path).is_ok_and(|before| before == bytes) {
        std::fs::set_permissions(path, mode)?;
        return Ok(false);
    }
    let mut file = tempfile::Builder::new()
        .prefix(".tf-engine-")
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().set_permissions(mode)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(true)
}

impl Request for Write {
    fn describe(&self) -> Vec<String> {
        let by = if self.sudo { " by sudo" } else { "" };
        let shown = format!(
            "write {} to {}{by}, mode {:04o}",
            plural(self.bytes.len(), "byte"),
            self.shown,
            self.mode
        );
        vec![self.place.describe(&shown)]
    }

    fn deeds(&self) -> Vec<Deed> {
        let content = if self.secret {
            HIDDEN.into()
        } else {
            String::from_utf8_lossy(&self.bytes)
        };
        vec![Deed::File {
            host: self.place.name.clone(),
            path: self.shown.clone(),
            mode: format!("{:04o}", self.mode),
            content: content.into_owned(),
        }]
    }

    fn perform(self: Box<Self>, cx: StepContext) -> Performing {
        Box::pin(async move { self.execute(&cx).await })
    }
}
