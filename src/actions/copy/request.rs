//! The parameters of `copy`, and the doing.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Seek, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;
use tempfile::NamedTempFile;
use tokio::task::spawn_blocking;
use tokio_util::io::InspectReader;

use super::tar;
use crate::actions::exec::{Prepared, quietly, stopped};
use crate::actions::fields::{Field, Fields};
use crate::actions::note::{Note, Progress};
use crate::actions::output::last;
use crate::actions::place::Place;
use crate::actions::{
    Output, Performed, Performing, PlanContext, Request, StepContext, StepError, paths,
};
use crate::recipe::{ErrorKind, Value};
use crate::transport::{Command, Ended, Fault, OutputSink, Stdin, Stream};

const LOOK: &str = include_str!("look.sh");
const GET: &str = include_str!("get.sh");
const PUT: &str = include_str!("put.sh");
const UNPACK: &str = include_str!("unpack.sh");

/// Exit status of our own scripts where they failed; another one is sudo's.
const FAILED: u32 = 97;
/// As much as is kept of what a script says.
const SAID_MAX: usize = 2 << 10;
/// How often progress is told, in bytes.
const TELL_EVERY: u64 = 1 << 20;

struct Copy {
    from: End,
    to: End,
    mode: Option<String>,
    sudo: bool,
    recursive: bool,
}

/// One end of a copy.
struct End {
    place: Place,
    /// As it was given, and as it is shown.
    shown: String,
    path: String,
}

pub(in crate::actions) fn plan(cx: &PlanContext) -> Result<Box<dyn Request>, StepError> {
    let fields = Fields::render(&cx.step.params, cx.context)?;
    let copy = Copy {
        from: end(cx, &fields, "from")?,
        to: end(cx, &fields, "to")?,
        mode: fields.get("mode").map(mode).transpose()?,
        sudo: fields.boolean("sudo", false)?,
        recursive: fields.boolean("recursive", false)?,
    };
    if copy.recursive && copy.mode.is_some() {
        return Err(StepError::input(
            "`mode` is that of one file: it can't be given together with `recursive`",
        ));
    }
    Ok(Box::new(copy))
}

fn mode(field: &Field) -> Result<String, StepError> {
    match field.value() {
        Value::String(text)
            if (3..=4).contains(&text.len())
                && text.bytes().all(|digit| (b'0'..=b'7').contains(&digit)) =>
        {
            Ok(text)
        }
        _ => Err(field.wrong("a file mode in octal digits, as a text, such as \"0644\"")),
    }
}

/// `HOST:path` where a colon stands before any slash, else a path of the engine's machine. Which host
/// it is must not be a stranger's choice.
fn end(cx: &PlanContext, fields: &Fields, key: &str) -> Result<End, StepError> {
    let field = fields.need(key)?;
    let text = field.path_text()?;
    let shown = field.text()?.shown().to_owned();
    let host = text.split_once(':').filter(|(host, _)| !host.contains('/'));
    let Some((host, path)) = host else {
        let place = Place::named(cx, "local")?;
        let path = paths::local(cx, key, field)?.into_os_string().into_string();
        let path = path.map_err(|_| field.wrong("a path in UTF-8"))?;
        return Ok(End { place, shown, path });
    };
    if !paths::begins_with(cx, key, &format!("{host}:")) && paths::may_be_the_jobs(cx, key) {
        return Err(StepError::input(format!(
            "`{key}`: its host is not written in the recipe: write it before the template, as in `{host}:{{{{ … }}}}`; a path of this machine may begin with `./`"
        )));
    }
    let place = Place::named(cx, host).map_err(|error| {
        StepError::input(format!(
            "`{key}`: {}; a path of this machine may begin with `./`",
            error.message
        ))
    })?;
    if path.is_empty() {
        return Err(field.wrong("a path, or a host's name, a colon and a path"));
    }
    let path = if place.is_local() {
        let inner = Field::from_value(key, Value::String(path.to_owned()), field.is_secret());
        let path = paths::local(cx, key, &inner)?
            .into_os_string()
            .into_string();
        path.map_err(|_| field.wrong("a path in UTF-8"))?
    } else {
        path.to_owned()
    };
    Ok(End { place, shown, path })
}

impl Request for Copy {
    fn describe(&self) -> Vec<String> {
        let mut line = format!("copy {} to {}", self.from.shown, self.to.shown);
        if let Some(mode) = &self.mode {
            line.push_str(&format!(", mode {mode}"));
        }
        if self.recursive {
            line.push_str(", with all that is in it");
        }
        if self.sudo {
            line.push_str(", by sudo");
        }
        vec![line]
    }

    fn perform(self: Box<Self>, cx: StepContext) -> Performing {
        Box::pin(async move { self.execute(&cx).await })
    }
}

/// What is copied.
enum Kind {
    File { mode: Option<String> },
    Folder,
}

impl Copy {
    async fn execute(&self, cx: &StepContext) -> Performed {
        let kind = self.look(cx).await?;
        if matches!(kind, Kind::Folder) && !self.recursive {
            return Err(StepError::io(format!(
                "{} is a folder, and is copied with `recursive: true` alone",
                self.from.shown
            )));
        }
        let moved = Arc::new(AtomicU64::new(0));
        let file = match &kind {
            Kind::File { .. } if self.from.place.is_local() => self.open(cx).await?,
            Kind::File { .. } => self.fetch("file", &moved, cx).await?,
            Kind::Folder => self.fetch("folder", &moved, cx).await?,
        };
        let size = file
            .metadata()
            .map_err(|error| self.unreadable(&error))?
            .len();
        let (files, bytes) = match kind {
            Kind::File { .. } => (1, size),
            Kind::Folder => {
                let archive = file.try_clone().map_err(|error| self.unreadable(&error))?;
                let counted = spawn_blocking(move || {
                    let mut archive = archive;
                    let counted = tar::count(&mut archive)?;
                    archive.rewind()?;
                    io::Result::Ok(counted)
                });
                let counted = counted.await.map_err(io::Error::other).flatten();
                counted.map_err(|error| self.unreadable(&error))?
            }
        };
        self.put(kind, file, size, &moved, cx).await?;
        let mut fields = serde_json::Map::new();
        fields.insert("bytes".to_owned(), json!(bytes));
        fields.insert("files".to_owned(), json!(files));
        Ok(Output::of(fields))
    }

    async fn look(&self, cx: &StepContext) -> Result<Kind, StepError> {
        let what = format!("{} can't be read", self.from.shown);
        let look = Prepared::plain(&["sh", "-c", LOOK, "sh", &self.from.path]);
        let (ended, stdout, stderr) = quietly(&self.from.place, look, 64, cx).await?;
        judge(&what, ended, &stderr)?;
        let answer = String::from_utf8_lossy(&stdout);
        Ok(
            match answer.trim().split_once(' ').unwrap_or((answer.trim(), "")) {
                ("folder", _) => Kind::Folder,
                (_, "") => Kind::File { mode: None },
                (_, mode) => Kind::File {
                    mode: Some(mode.to_owned()),
                },
            },
        )
    }

    async fn open(&self, cx: &StepContext) -> Result<File, StepError> {
        let path = PathBuf::from(&self.from.path);
        let opened = tokio::select! {
            opened = spawn_blocking(move || File::open(path)) => opened,
            () = cx.stop.wanted() => return Err(stopped(&format!("reading {}", self.from.shown))),
        };
        opened
            .map_err(io::Error::other)
            .flatten()
            .map_err(|error| self.unreadable(&error))
    }

    /// What stands at the other end, as a file without a name of the run directory.
    async fn fetch(
        &self,
        kind: &str,
        moved: &Arc<AtomicU64>,
        cx: &StepContext,
    ) -> Result<File, StepError> {
        let folder = cx.lab.run_dir().to_owned();
        let made = spawn_blocking(move || {
            let (file, path) = NamedTempFile::with_prefix_in(".tf-engine-", folder)?.into_parts();
            path.close()?;
            io::Result::Ok(file)
        });
        let kept = |error: io::Error| {
            StepError::io(format!(
                "{} can't be kept in the run directory: {error}",
                self.from.shown
            ))
        };
        let file = made
            .await
            .map_err(io::Error::other)
            .flatten()
            .map_err(kept)?;
        let mut spool = Spool {
            file,
            failed: None,
            said: Vec::new(),
            count: Count {
                moved: Arc::clone(moved),
                cx: cx.clone(),
                total: None,
            },
        };
        let command = Command::argv(["sh", "-c", GET, "sh", &self.from.path, kind]);
        let ended = self
            .from
            .place
            .host
            .run(command, &mut spool, &cx.stop)
            .await;
        let what = format!("{} can't be read", self.from.shown);
        if cx.stop.ask.is_cancelled() || cx.stop.kill.is_cancelled() {
            return Err(stopped(&format!("reading {}", self.from.shown)));
        }
        if let Some(error) = spool.failed {
            return Err(kept(error));
        }
        judge(
            &what,
            ended,
            &cx.lab.mask(&String::from_utf8_lossy(&spool.said)),
        )?;
        let mut file = spool.file;
        file.rewind().map_err(kept)?;
        Ok(file)
    }

    async fn put(
        &self,
        kind: Kind,
        file: File,
        size: u64,
        moved: &Arc<AtomicU64>,
        cx: &StepContext,
    ) -> Result<(), StepError> {
        let size_text = size.to_string();
        let suffix = format!("{:016x}", RandomState::new().hash_one(std::process::id()));
        let name = self
            .from
            .path
            .rsplit('/')
            .find(|part| !part.is_empty())
            .unwrap_or("copy");
        // Without a terminal to ask at, sudo would wait for a password that never comes.
        let mut argv = if self.sudo {
            vec!["sudo", "-n"]
        } else {
            Vec::new()
        };
        let mode;
        match kind {
            Kind::Folder => argv.extend(["sh", "-c", UNPACK, "sh", &self.to.path]),
            Kind::File { mode: own } => {
                mode = self.mode.clone().or(own).unwrap_or_default();
                argv.extend(["sh", "-c", PUT, "sh", &self.to.path, &mode, &size_text]);
                argv.extend([suffix.as_str(), name]);
            }
        }
        let mut count = Count {
            moved: Arc::clone(moved),
            cx: cx.clone(),
            total: Some(moved.load(Ordering::Relaxed).saturating_add(size)),
        };
        let reader = InspectReader::new(tokio::fs::File::from_std(file), move |bytes: &[u8]| {
            count.add(bytes.len());
        });
        let mut put = Prepared::plain(&argv);
        put.command.stdin = Stdin::Stream(Box::new(reader));
        put.shown = format!("copy to {}", self.to.shown);
        let (ended, _, stderr) = quietly(&self.to.place, put, 64, cx).await?;
        judge(
            &format!("{} can't be written", self.to.shown),
            ended,
            &stderr,
        )
    }

    fn unreadable(&self, error: &io::Error) -> StepError {
        StepError::io(format!("{} can't be read: {error}", self.from.shown))
    }
}

fn judge(what: &str, ended: Result<Ended, Fault>, said: &str) -> Result<(), StepError> {
    let said = last(said.trim_end(), SAID_MAX);
    let kind = match ended {
        Ok(Ended::Status(0)) => return Ok(()),
        Ok(Ended::Status(FAILED)) => ErrorKind::Io,
        Ok(Ended::Status(_)) => ErrorKind::Exit,
        Ok(Ended::Signal(..)) => ErrorKind::Lost,
        Err(fault) => return Err(StepError::from_fault(what, &fault).with_tail(said)),
    };
    let why = said.lines().last().unwrap_or("no reason was given");
    Err(StepError::new(kind, format!("{what}: {why}")).with_tail(said))
}

/// Counts what moves, and tells it now and then.
struct Count {
    moved: Arc<AtomicU64>,
    cx: StepContext,
    total: Option<u64>,
}

impl Count {
    fn add(&mut self, bytes: usize) {
        let before = self.moved.fetch_add(bytes as u64, Ordering::Relaxed);
        let done = before.saturating_add(bytes as u64);
        if before / TELL_EVERY != done / TELL_EVERY {
            let progress = Progress {
                done,
                total: self.total,
            };
            self.cx.notes.offer(Note::Progress(progress));
        }
    }
}

/// Takes what another host sends into a file.
struct Spool {
    file: File,
    failed: Option<io::Error>,
    said: Vec<u8>,
    count: Count,
}

impl OutputSink for Spool {
    fn output(&mut self, stream: Stream, bytes: &[u8]) {
        match stream {
            Stream::Stderr => {
                let room = (64_usize << 10).saturating_sub(self.said.len());
                self.said.extend(bytes.iter().take(room));
            }
            Stream::Stdout if self.failed.is_none() => {
                self.failed = self.file.write_all(bytes).err();
                self.count.add(bytes.len());
            }
            Stream::Stdout => {}
        }
    }
}
