//! The parameters of `flash`, and the doing.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::dd::{self, Dd};
use super::moved::Moved;
use super::origin::Origin;
use crate::actions::exec::stopped;
use crate::actions::fetch::Remote;
use crate::actions::fields::{Field, Fields};
use crate::actions::note::Note;
use crate::actions::place::Place;
use crate::actions::{
    Deed, Output, Performed, Performing, PlanContext, Request, StepContext, StepError, paths,
};
use crate::image::{
    Copied, CopyError, Format, LocalSink, Options, Sink, Source, Verified, copy, pipe,
};
use crate::recipe::{ErrorKind, Verdict};

/// How long a write that is under way is waited for once the step was told to end at once.
const LET_GO_AFTER: Duration = Duration::from_secs(1);

struct Flash {
    origin: Origin,
    place: Place,
    target: Target,
    options: Options,
    sudo: bool,
}

/// Where on the host it goes.
enum Target {
    Path(String),
    /// The medium of this mux, which has not said yet where that is.
    MediaOf(String),
}

impl Target {
    fn shown(&self) -> String {
        match self {
            Self::Path(path) => path.clone(),
            Self::MediaOf(gear) => format!("‹the medium of {gear}›"),
        }
    }
}

pub(in crate::actions) fn plan(cx: &PlanContext) -> Result<Box<dyn Request>, StepError> {
    let fields = Fields::render(&cx.step.params, cx.context)?;
    let (place, target) = target(cx, &fields)?;
    if let Some(bmap) = fields.get("bmap")
        && !matches!(bmap.text()?.value.as_str(), "auto" | "none")
    {
        return Err(StepError::input("`bmap`: block maps can't be used yet"));
    }
    let format = match fields.get("format").map(Field::text).transpose()? {
        None => None,
        Some(name) if name.value == "auto" => None,
        Some(name) => Some(
            name.value
                .parse::<Format>()
                .map_err(|error| StepError::input(format!("`format`: {error}, or auto")))?,
        ),
    };
    let sha256 = fields.get("sha256").map(Field::sha256).transpose()?;
    let verify = fields.boolean("verify", true)?;
    Ok(Box::new(Flash {
        origin: origin(cx, fields.need("image")?)?,
        place,
        target,
        options: Options {
            format,
            sha256,
            verify,
        },
        sudo: fields.boolean("sudo", true)?,
    }))
}

fn origin(cx: &PlanContext, image: &Field) -> Result<Origin, StepError> {
    let text = image.text()?;
    let scheme = text
        .value
        .split_once("://")
        .map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("http" | "https") => Ok(Origin::Url(Remote::of(cx, "image", image)?)),
        Some(_) => Err(image.wrong("a path, or a URL that begins with http:// or https://")),
        None => Ok(Origin::File(paths::local(cx, "image", image)?)),
    }
}

fn target(cx: &PlanContext, fields: &Fields) -> Result<(Place, Target), StepError> {
    if let Some(gear) = fields.get("to") {
        let gear = gear.text()?.value;
        let place = Place::named(cx, cx.lab.media_host(cx.home, &gear)?)?;
        let target = match cx.lab.media(cx.home, &gear)? {
            Some(path) => Target::Path(path),
            None => Target::MediaOf(gear),
        };
        return Ok((place, target));
    }
    let place = Place::of(cx)?;
    let device = fields.need("device")?;
    let path = if place.is_local() {
        let path = paths::local(cx, "device", device)?;
        let text = path.into_os_string().into_string();
        text.map_err(|_| device.wrong("a path in UTF-8"))?
    } else {
        device.path_text()?
    };
    Ok((place, Target::Path(path)))
}

impl Request for Flash {
    fn describe(&self) -> Vec<String> {
        let target = self.target.shown();
        let write = if self.place.is_local() {
            format!("write {target}")
        } else {
            dd::shown(&target, self.sudo)
        };
        let decode = self.options.format.map_or("auto", Format::name);
        let mut lines = vec![
            self.origin.shown(),
            self.place.describe(&format!("{write} (format: {decode})")),
        ];
        if let Some(sha256) = self.options.sha256 {
            lines.insert(1, format!("compare the image's SHA-256 with {sha256}"));
        }
        if self.options.verify {
            lines.push(
                self.place
                    .describe(&format!("read {target} back and compare")),
            );
        }
        lines
    }

    fn deeds(&self) -> Vec<Deed> {
        vec![Deed::Image {
            image: match &self.origin {
                Origin::Url(remote) => remote.shown_url().to_owned(),
                Origin::File(path) => path.display().to_string(),
            },
            host: self.place.name.clone(),
            device: self.target.shown(),
            verify: self.options.verify,
            sha256: self.options.sha256.map(|sha256| sha256.to_string()),
        }]
    }

    fn perform(self: Box<Self>, cx: StepContext) -> Performing {
        Box::pin(self.flash(cx))
    }
}

impl Flash {
    async fn flash(self: Box<Self>, cx: StepContext) -> Performed {
        let target = match &self.target {
            Target::Path(path) if self.place.is_local() => {
                // A gear's medium may be given as a path in the run directory.
                cx.lab.run_dir().join(path).to_string_lossy().into_owned()
            }
            Target::Path(path) => path.clone(),
            Target::MediaOf(gear) => {
                return Err(StepError::input(format!(
                    "nobody knows where the medium of `{gear}` is: it has no `media`, and was not \
                     switched to the host yet"
                )));
            }
        };
        let moved = Moved::default();
        let flashing = async {
            match self.open_here(&target).await? {
                Some(sink) => self.write_here(sink, &moved, &cx).await,
                None => {
                    let sudo = self.sudo;
                    let dd = Dd::prepare(self.place.clone(), &target, sudo, &cx).await?;
                    Box::pin(self.write_by_dd(&dd, &moved, &cx)).await
                }
            }
        };
        let copied = tokio::select! {
            copied = flashing => copied?,
            never = moved.tell(&cx.notes) => match never {},
        };
        if copied.verified == Some(Verified::Cached) {
            let warning = format!(
                "what was written to {target}{} could only be compared as the system has it in \
                 memory, not as it is on the medium",
                self.place.suffix()
            );
            cx.notes.say(Note::Warning(warning)).await;
        }
        let verified = copied.verified.map(|verified| match verified {
            Verified::Direct => "direct",
            Verified::Cached => "cached",
        });
        let mut fields = serde_json::Map::new();
        fields.insert("bytes".to_owned(), json!(copied.fetched));
        fields.insert("written".to_owned(), json!(copied.written));
        fields.insert("sha256".to_owned(), json!(copied.sha256.to_string()));
        fields.insert("device".to_owned(), json!(target));
        fields.insert("verified".to_owned(), json!(verified));
        Ok(Output::of(fields))
    }

    /// The place, if it is here and the engine itself may write it.
    async fn open_here(&self, target: &str) -> Result<Option<LocalSink>, StepError> {
        if !self.place.is_local() {
            return Ok(None);
        }
        let path = PathBuf::from(target);
        let opened = spawn_blocking(move || LocalSink::open(&path)).await;
        match opened.map_err(io::Error::other).flatten() {
            Ok(sink) => Ok(Some(sink)),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && self.sudo => Ok(None),
            Err(error) => Err(StepError::io(format!("{target} can't be written: {error}"))),
        }
    }

    async fn write_here(
        &self,
        sink: LocalSink,
        moved: &Moved,
        cx: &StepContext,
    ) -> Result<Copied, StepError> {
        let (source, feeding) = self.origin.open(cx).await?.start();
        let stop = CancellationToken::new();
        let copying = self.copy(source, self.options, sink, moved, &stop);
        let let_go = async {
            cx.stop.wanted().await;
            stop.cancel();
            cx.stop.kill.cancelled().await;
            sleep(LET_GO_AFTER).await;
        };
        tokio::select! {
            copied = copying => copied.map_err(|error| self.failed(&error)),
            () = let_go => Err(stopped("writing the image")),
            never = feeding => match never {},
        }
    }

    async fn write_by_dd(
        &self,
        dd: &Dd,
        moved: &Moved,
        cx: &StepContext,
    ) -> Result<Copied, StepError> {
        let (source, feeding) = self.origin.open(cx).await?.start();
        let stop = CancellationToken::new();
        let (sink, reader) = pipe(dd.capacity());
        let options = Options {
            verify: false,
            ..self.options
        };
        let copying = self.copy(source, options, sink, moved, &stop);
        let writing = async {
            let written = dd.write(reader, moved, cx).await;
            if written.is_err() {
                // The copy may be waiting for its source, and would not notice.
                stop.cancel();
            }
            written
        };
        let stopping = async {
            cx.stop.wanted().await;
            stop.cancel();
            pending::<Infallible>().await
        };
        let (copied, written) = tokio::select! {
            both = async { tokio::join!(copying, writing) } => both,
            never = stopping => match never {},
            never = feeding => match never {},
        };
        let mut copied = match (copied, written) {
            (Ok(copied), Ok(())) => copied,
            (Ok(_) | Err(CopyError::Sink(_) | CopyError::Stopped), Err(error)) => {
                return Err(error);
            }
            (Err(error), _) => return Err(self.failed(&error)),
        };
        if self.options.verify {
            cx.notes
                .say(Note::Doing("reading back what was written".to_owned()))
                .await;
            let (read, how) = dd.read_back(copied.written, moved, cx).await?;
            if read != copied.sha256 {
                let (size, written) = (copied.written, copied.sha256);
                return Err(self.failed(&CopyError::Verify {
                    size,
                    written,
                    read,
                }));
            }
            copied.verified = Some(how);
        }
        Ok(copied)
    }

    /// Copies on a thread of its own.
    async fn copy(
        &self,
        source: Source,
        options: Options,
        mut sink: impl Sink + Send + 'static,
        moved: &Moved,
        stop: &CancellationToken,
    ) -> Result<Copied, CopyError> {
        let (progress, stop) = (moved.copy().clone(), stop.clone());
        let copying = spawn_blocking(move || {
            let copied = copy(source, &options, &mut sink, &progress, &stop)?;
            Ok(copied)
        });
        copying
            .await
            .unwrap_or_else(|error| Err(CopyError::Source(io::Error::other(error))))
    }

    fn failed(&self, error: &CopyError) -> StepError {
        let kind = match error {
            CopyError::Source(error) => return self.origin.failed(error),
            CopyError::Decode { .. }
            | CopyError::Empty
            | CopyError::Digest { .. }
            | CopyError::TooLarge { .. }
            | CopyError::Verify { .. } => ErrorKind::Mismatch,
            CopyError::Sink(_) | CopyError::ReadBack(_) => ErrorKind::Io,
            CopyError::Stopped => ErrorKind::Cancelled,
        };
        // Its packing is the image's own affair; what else doesn't fit may be the lab's.
        let image = matches!(error, CopyError::Decode { .. } | CopyError::Empty);
        StepError::new(kind, format!("{}: {error}", self.origin.shown()))
            .with_verdict(image.then_some(Verdict::Image))
    }
}
