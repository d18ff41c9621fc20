//! `read`: a file, or the paths that match a pattern.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::exec::{Prepared, quietly};
use super::fields::Fields;
use super::modifiers::{Modifiers, parse_into, warn_truncated};
use super::place::Place;
use super::{
    Lab, Output, Performed, Performing, PlanContext, Request, StepContext, StepError, paths,
};
use crate::recipe::Value;
use crate::recipe::model::Parse;
use crate::transport::Ended;

/// Exit status of our own scripts for a file that is not there. Neither sh nor cat uses it.
const MISSING: u32 = 97;
/// `$1` is the path, `$2` how many bytes are read.
const CAT: &str = r#"test -e "$1" || exit 97; exec head -c "$2" -- "$1""#;
/// As many bytes of names as a pattern may match.
const NAMES: usize = 1024 * 1024;

enum What {
    /// A path of the engine's machine.
    Here(PathBuf),
    /// A path of another host.
    There(String),
    /// A pattern, and whether what it matches must be in the run directory.
    Glob { pattern: String, inside: bool },
}

struct Read {
    place: Place,
    what: What,
    shown: String,
    optional: bool,
    modifiers: Modifiers,
}

pub(super) fn plan(cx: &PlanContext) -> Result<Box<dyn Request>, StepError> {
    let fields = Fields::render(&cx.step.params, cx.context)?;
    let place = Place::of(cx)?;
    let (what, shown) = if let Some(field) = fields.get("glob") {
        let pattern = field.path_text()?;
        let inside = place.is_local() && {
            let path = paths::local(cx, "glob", field)?;
            path.starts_with(cx.lab.run_dir())
        };
        let what = What::Glob { pattern, inside };
        (what, field.text()?.shown().to_owned())
    } else {
        let field = fields.need("path")?;
        let what = if place.is_local() {
            What::Here(paths::local(cx, "path", field)?)
        } else {
            What::There(field.path_text()?)
        };
        (what, field.text()?.shown().to_owned())
    };
    Ok(Box::new(Read {
        place,
        what,
        shown,
        optional: fields.boolean("optional", false)?,
        modifiers: Modifiers::of(cx.step, cx.context, &[])?,
    }))
}

impl Read {
    async fn execute(self, cx: &StepContext) -> Performed {
        let max = self.modifiers.max_output;
        let found = match &self.what {
            What::Glob { pattern, inside } => return self.list(pattern, *inside, cx).await,
            What::Here(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || read_here(&path, max));
                tokio::select! {
                    read = read => read.unwrap_or_else(|error| Err(error.to_string())),
                    () = cx.stop.wanted() => {
                        return Err(super::exec::stopped(&self.name()));
                    }
                }
            }
            What::There(path) => self.read_there(path, cx).await?,
        };
        let found = found.map_err(|why| StepError::io(format!("{}: {why}", self.name())))?;
        let mut fields = serde_json::Map::new();
        fields.insert("exists".to_owned(), json!(found.is_some()));
        let Some(mut bytes) = found else {
            if !self.optional {
                let name = self.name();
                return Err(StepError::io(format!("{name}: there is no such file")));
            }
            for missing in ["text", field_of(self.modifiers.parse)] {
                fields.insert(missing.to_owned(), Value::Null);
            }
            return Ok(Output::of(fields));
        };
        let truncated = bytes.len() > max;
        bytes.truncate(max);
        let text = cx.lab.mask(&String::from_utf8_lossy(&bytes));
        parse_into(
            &mut fields,
            &self.name(),
            &text,
            truncated,
            self.modifiers.parse,
        )?;
        fields.insert("text".to_owned(), json!(text));
        fields.insert("truncated".to_owned(), json!(truncated));
        if truncated {
            warn_truncated(max, cx).await;
        }
        Ok(Output::of(fields))
    }

    fn name(&self) -> String {
        format!("`{}`{}", self.shown, self.place.suffix())
    }

    async fn read_there(
        &self,
        path: &str,
        cx: &StepContext,
    ) -> Result<Result<Option<Vec<u8>>, String>, StepError> {
        let max = self.modifiers.max_output;
        let size = max.saturating_add(1).to_string();
        let cat = Prepared::plain(&["sh", "-c", CAT, "sh", path, &size]);
        let (ended, bytes, stderr) = quietly(&self.place, cat, max, cx).await?;
        match ended.map_err(|fault| StepError::from_fault(&self.name(), &fault))? {
            Ended::Status(0) => Ok(Ok(Some(bytes))),
            Ended::Status(MISSING) => Ok(Ok(None)),
            _ => Ok(Err(stderr)),
        }
    }

    async fn list(&self, pattern: &str, inside: bool, cx: &StepContext) -> Performed {
        let script = format!(
            "for path in {}; do if test -e \"$path\" || test -L \"$path\"; then printf '%s\\0' \
             \"$path\"; fi; done",
            glob_word(pattern)
        );
        let mut list = Prepared::plain(&["sh", "-c", &script]);
        list.command.env = vec![("LC_ALL".to_owned(), Some("C".to_owned()))];
        let (ended, bytes, stderr) = quietly(&self.place, list, NAMES, cx).await?;
        match ended.map_err(|fault| StepError::from_fault(&self.name(), &fault))? {
            Ended::Status(0) if bytes.len() <= NAMES => {}
            Ended::Status(0) => {
                let name = self.name();
                return Err(StepError::io(format!(
                    "{name} matches more than {NAMES} bytes of paths"
                )));
            }
            _ => return Err(StepError::io(format!("{}: {stderr}", self.name()))),
        }
        let paths: Vec<String> = bytes
            .split(|byte| *byte == 0)
            .filter(|path| !path.is_empty())
            .map(|path| String::from_utf8_lossy(path).into_owned())
            .filter(|path| !inside || is_inside(&cx.lab, path))
            .collect();
        if paths.is_empty() && !self.optional {
            return Err(StepError::io(format!("nothing matches {}", self.name())));
        }
        let mut fields = serde_json::Map::new();
        fields.insert("exists".to_owned(), json!(!paths.is_empty()));
        if self.modifiers.parse == Parse::Lines {
            fields.insert("lines".to_owned(), json!(paths));
        }
        fields.insert("paths".to_owned(), json!(paths));
        Ok(Output::of(fields))
    }
}

/// The field that a way of parsing fills.
fn field_of(parse: Parse) -> &'static str {
    match parse {
        Parse::Text => "text",
        Parse::Lines => "lines",
        Parse::Json => "json",
    }
}

fn is_inside(lab: &Lab, path: &str) -> bool {
    paths::inside(lab, Path::new(path)).is_some()
}

/// One more byte than `max`, where there are so many; `None` where there is no such file.
fn read_here(path: &Path, max: usize) -> Result<Option<Vec<u8>>, String> {
    let read = || -> std::io::Result<Result<Vec<u8>, String>> {
        use std::os::unix::fs::FileTypeExt;
        let kind = std::fs::metadata(path)?.file_type();
        if kind.is_dir() || kind.is_fifo() || kind.is_socket() {
            return Ok(Err("it is no file".to_owned()));
        }
        let mut bytes = Vec::new();
        let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
        std::fs::File::open(path)?
            .take(limit)
            .read_to_end(&mut bytes)?;
        Ok(Ok(bytes))
    };
    match read() {
        Ok(read) => read.map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// A pattern as a word of a shell, in which nothing but the pattern's own characters is special.
fn glob_word(pattern: &str) -> String {
    let mut word = String::with_capacity(pattern.len() + 8);
    // A name that begins with a dash is no option of anything.
    if pattern.starts_with('-') {
        word.push_str("./");
    }
    for letter in pattern.chars() {
        match letter {
            '*' | '?' | '[' | ']' | '!' | '^' | '-' | '/' | '.' | '_' => word.push(letter),
            letter if letter.is_ascii_alphanumeric() => word.push(letter),
            '\'' => word.push_str(r"\'"),
            letter => {
                word.push('\'');
                word.push(letter);
                word.push('\'');
            }
        }
    }
    word
}

impl Request for Read {
    fn describe(&self) -> Vec<String> {
        vec![self.place.describe(&format!("read {}", self.shown))]
    }

    fn perform(self: Box<Self>, cx: StepContext) -> Performing {
        Box::pin(async move { self.execute(&cx).await })
    }
}

#[cfg(test)]
mod tests {
    use super::glob_word;

    #[test]
    fn only_the_characters_of_patterns_are_left_to_the_shell() {
        assert_eq!(glob_word("/dev/sd[a-c]*"), "/dev/sd[a-c]*");
        assert_eq!(glob_word("a b$(id);~"), "a' 'b'$''('id')'';''~'");
        assert_eq!(glob_word("it's"), r"it\'s");
        assert_eq!(glob_word("-rf"), "./-rf");
    }
}
