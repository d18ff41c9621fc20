//! `download`: a file, over HTTP, into the run directory.
//!
//! What has come so far is in `NAME.part`, and takes the name once it is whole and its digest is
//! right. A further try goes on from there, if the server still has the same file: then there is
//! also `NAME.part.json`, with what the server calls that version of it (RFC 9110, 13.1.5). Without
//! such a word, and with `resume: false`, a try begins anew.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio::task::spawn_blocking;

use super::exec::stopped;
use super::fetch::Remote;
use super::fields::{Field, Fields};
use super::note::{Note, Progress};
use super::{Output, Performed, Performing, PlanContext, Request, StepContext, StepError, paths};
use crate::image::{Hasher, Sha256};
use crate::recipe::ErrorKind;
use crate::transport::HttpResponse;

/// As much as is written at once, in bytes.
const BUFFER: usize = 1 << 20;

struct Download {
    remote: Remote,
    /// As it was given.
    to: String,
    path: PathBuf,
    sha256: Option<Sha256>,
    size_max: Option<u64>,
    resume: bool,
}

pub(super) fn plan(cx: &PlanContext) -> Result<Box<dyn Request>, StepError> {
    let fields = Fields::render(&cx.step.params, cx.context)?;
    let mut remote = Remote::of(cx, "url", fields.need("url")?)?;
    if let Some(headers) = fields.get("headers") {
        remote = remote.with_headers(headers)?;
    }
    let to = fields.need("to")?;
    let path = paths::local(cx, "to", to)?;
    if path.file_name().is_none() {
        return Err(to.wrong("the path of a file"));
    }
    Ok(Box::new(Download {
        remote,
        to: to.path_text()?,
        path,
        sha256: fields.get("sha256").map(Field::sha256).transpose()?,
        size_max: fields.get("size_max").map(Field::size).transpose()?,
        resume: fields.boolean("resume", true)?,
    }))
}

impl Request for Download {
    fn describe(&self) -> Vec<String> {
        let mut lines = vec![self.remote.shown()];
        lines.extend(self.remote.shown_headers());
        let limit = self.size_max.map(|size| format!(", at most {size} bytes"));
        lines.push(format!("write {}{}", self.to, limit.unwrap_or_default()));
        if let Some(sha256) = self.sha256 {
            lines.push(format!("compare its SHA-256 with {sha256}"));
        }
        lines
    }

    fn perform(self: Box<Self>, cx: StepContext) -> Performing {
        Box::pin(async move { self.execute(&cx).await })
    }
}

/// What is known of a file that has come in part.
#[derive(Debug, Serialize, Deserialize)]
struct Version {
    /// SHA-256 of the URL, which may hold secrets.
    url: String,
    /// For `If-Range`: an entity tag or a date.
    validator: String,
}

/// The bytes that are there, and their digest so far.
#[derive(Default)]
struct Begun {
    bytes: u64,
    hasher: Hasher,
    validator: Option<String>,
}

impl Download {
    async fn execute(&self, cx: &StepContext) -> Performed {
        let what = format!("{} can't be written", self.to);
        let failed = |error: io::Error| StepError::io(format!("{what}: {error}"));
        if self.path.exists() && !self.path.is_file() {
            return Err(failed(io::Error::other("what is there is no file")));
        }
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).await.map_err(failed)?;
        }
        let mut begun = tokio::select! {
            biased;
            () = cx.stop.wanted() => return Err(stopped(&self.remote.shown())),
            begun = self.begun() => begun,
        };
        let mut response = self.ask(&begun, cx).await?;
        let goes_on = continues_at(&response) == Some(begun.bytes) && begun.bytes > 0;
        if response.status != 200 && !goes_on {
            // What is there is no beginning of what the server has.
            begun = Begun::default();
            response = self.ask(&begun, cx).await?;
        } else if response.status == 200 {
            begun = Begun::default();
        }
        let total = response
            .body
            .length()
            .map(|rest| rest.saturating_add(begun.bytes));
        self.check_size(total.unwrap_or(0))?;
        self.note_version(&response).await.map_err(failed)?;

        let mut options = OpenOptions::new();
        options
            .write(true)
            .create(true)
            .append(goes_on)
            .truncate(!goes_on);
        // A link of that name may be a stranger's.
        options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
        let file = options.open(self.part()).await.map_err(failed)?;
        let mut file = BufWriter::with_capacity(BUFFER, file);
        let url = response.url.clone();
        let received = self
            .receive(response, &mut file, &mut begun, total, cx)
            .await;
        // What has come is worth keeping, whatever happened.
        let flushed = flush(&mut file).await;
        received?;
        flushed.map_err(failed)?;
        let digest = begun.hasher.finish();
        if let Some(expected) = self.sha256.filter(|expected| *expected != digest) {
            self.forget().await;
            return Err(StepError::new(
                ErrorKind::Mismatch,
                format!(
                    "the SHA-256 of {} is {digest}, not {expected}",
                    self.remote.shown()
                ),
            ));
        }
        fs::rename(self.part(), &self.path).await.map_err(failed)?;
        self.forget().await;
        let mut fields = serde_json::Map::new();
        fields.insert("path".to_owned(), json!(self.to));
        fields.insert("bytes".to_owned(), json!(begun.bytes));
        fields.insert("sha256".to_owned(), json!(digest.to_string()));
        fields.insert("url".to_owned(), json!(cx.lab.mask(&url)));
        Ok(Output::of(fields))
    }

    async fn ask(&self, begun: &Begun, cx: &StepContext) -> Result<HttpResponse, StepError> {
        let range = match &begun.validator {
            Some(validator) if begun.bytes > 0 => vec![
                ("Range", format!("bytes={}-", begun.bytes)),
                ("If-Range", validator.clone()),
            ],
            _ => Vec::new(),
        };
        let statuses: &[u16] = if range.is_empty() {
            &[200]
        } else {
            &[200, 206, 416]
        };
        Box::pin(self.remote.get(&range, statuses, cx)).await
    }

    async fn receive(
        &self,
        mut response: HttpResponse,
        file: &mut BufWriter<File>,
        begun: &mut Begun,
        total: Option<u64>,
        cx: &StepContext,
    ) -> Result<(), StepError> {
        loop {
            let chunk = tokio::select! {
                biased;
                () = cx.stop.wanted() => return Err(stopped(&self.remote.shown())),
                chunk = response.body.chunk() => chunk,
            };
            let chunk =
                chunk.map_err(|fault| StepError::from_fault(&self.remote.shown(), &fault))?;
            let Some(bytes) = chunk else { return Ok(()) };
            let seen = begun.bytes.saturating_add(bytes.len() as u64);
            if let Err(error) = self.check_size(seen) {
                self.forget().await;
                return Err(error);
            }
            file.write_all(&bytes)
                .await
                .map_err(|error| StepError::io(format!("{} can't be written: {error}", self.to)))?;
            begun.hasher.update(&bytes);
            begun.bytes = seen;
            cx.notes
                .offer(Note::Progress(Progress { done: seen, total }));
        }
    }

    fn check_size(&self, size: u64) -> Result<(), StepError> {
        match self.size_max {
            Some(most) if size > most => Err(StepError::new(
                ErrorKind::Mismatch,
                format!(
                    "{} has {size} bytes or more, and `size_max` allows {most}",
                    self.remote.shown()
                ),
            )),
            _ => Ok(()),
        }
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(suffix);
        name.into()
    }

    fn part(&self) -> PathBuf {
        self.beside(".part")
    }

    fn version_file(&self) -> PathBuf {
        self.beside(".part.json")
    }

    fn url_digest(&self) -> String {
        Sha256::of(self.remote.url().as_bytes()).to_string()
    }

    /// What an earlier try has left that can be gone on with.
    async fn begun(&self) -> Begun {
        if !self.resume {
            return Begun::default();
        }
        let (part, version, url) = (self.part(), self.version_file(), self.url_digest());
        let begun = spawn_blocking(move || read_begun(&part, &version, &url)).await;
        begun.ok().flatten().unwrap_or_default()
    }

    async fn note_version(&self, response: &HttpResponse) -> io::Result<()> {
        let Some(validator) = validator(response).filter(|_| self.resume) else {
            return remove(&self.version_file()).await;
        };
        let url = self.url_digest();
        let version = serde_json::to_vec(&Version { url, validator }).map_err(io::Error::other)?;
        // Anew: a link of that name may be a stranger's.
        remove(&self.version_file()).await?;
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .open(self.version_file())
            .await?;
        file.write_all(&version).await?;
        file.flush().await
    }

    /// Removes what only a further try would want.
    async fn forget(&self) {
        // A file that is left behind is in nobody's way: the next try looks whether it fits.
        let _ = remove(&self.part()).await;
        let _ = remove(&self.version_file()).await;
    }
}

async fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

async fn flush(file: &mut BufWriter<File>) -> io::Result<()> {
    file.flush().await?;
    file.get_ref().sync_all().await
}

fn read_begun(part: &Path, version: &Path, url: &str) -> Option<Begun> {
    let version: Version = serde_json::from_slice(&std::fs::read(version).ok()?).ok()?;
    if version.url != url {
        return None;
    }
    let mut file = std::fs::File::open(part).ok()?;
    let mut begun = Begun {
        validator: Some(version.validator),
        ..Begun::default()
    };
    let mut buffer = vec![0; BUFFER];
    loop {
        match file.read(&mut buffer).ok()? {
            0 => return Some(begun),
            count => {
                begun.hasher.update(buffer.get(..count)?);
                begun.bytes += count as u64;
            }
        }
    }
}

/// What names this version of the file beyond doubt: a strong entity tag, or a date that is earlier
/// than the answer's own (RFC 9110, 8.8.2.2 and 8.8.3.2).
fn validator(response: &HttpResponse) -> Option<String> {
    if let Some(tag) = response.header("etag") {
        return tag.starts_with('"').then(|| tag.to_owned());
    }
    let modified = response.header("last-modified")?;
    (response.header("date")? != modified).then(|| modified.to_owned())
}

/// Where a part of a file begins that was sent (RFC 9110, 14.4).
fn continues_at(response: &HttpResponse) -> Option<u64> {
    let range = response
        .header("content-range")
        .filter(|_| response.status == 206)?;
    range
        .strip_prefix("bytes ")?
        .split('-')
        .next()?
        .trim()
        .parse()
        .ok()
}
