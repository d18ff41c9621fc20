//! Where an image comes from: a URL, or a file of this machine.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::path::PathBuf;

use tokio::task::spawn_blocking;

use crate::actions::fetch::Remote;
use crate::actions::{StepContext, StepError};
use crate::image::{ImageSender, Source, channel_reader};
use crate::recipe::ErrorKind;
use crate::transport::{Fault, HttpBody};

/// Where it is.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    Url(Remote),
    File(PathBuf),
}

/// An image that can be read.
pub(super) struct Opened {
    source: Source,
    feed: Option<(HttpBody, ImageSender)>,
}

impl Origin {
    /// As a person reads it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Url(remote) => remote.shown(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// # Errors
    /// `http`: the server has no such image. `io`: the file can't be read. And those of the server.
    pub(super) async fn open(&self, cx: &StepContext) -> Result<Opened, StepError> {
        match self {
            Self::File(path) => {
                let (path, shown) = (path.clone(), self.shown());
                let opened = spawn_blocking(move || Source::open(&path)).await;
                let source = opened
                    .map_err(io::Error::other)
                    .flatten()
                    .map_err(|error| StepError::io(format!("{shown} can't be read: {error}")))?;
                Ok(Opened { source, feed: None })
            }
            Self::Url(remote) => {
                let response = Box::pin(remote.get(&[], &[200], cx)).await?;
                let (sender, reader) = channel_reader();
                Ok(Opened {
                    source: Source::new(reader, response.body.length()),
                    feed: Some((response.body, sender)),
                })
            }
        }
    }

    /// What became of a source that failed.
    pub(super) fn failed(&self, error: &io::Error) -> StepError {
        let what = self.shown();
        let fault = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Fault>());
        match (fault, self) {
            (Some(fault), _) => StepError::from_fault(&what, fault),
            (None, Self::Url(_)) => StepError::new(ErrorKind::Lost, format!("{what}: {error}")),
            (None, Self::File(_)) => StepError::io(format!("{what} can't be read: {error}")),
        }
    }
}

impl Opened {
    /// The source, and what has to be polled while it is read.
    pub(super) fn start(self) -> (Source, impl Future<Output = Infallible>) {
        let feed = self.feed;
        let feeding = async move {
            if let Some((body, sender)) = feed {
                pass_on(body, sender).await;
            }
            pending().await
        };
        (self.source, feeding)
    }
}

async fn pass_on(mut body: HttpBody, sender: ImageSender) {
    // Where the reader has gone, the copy knows why.
    loop {
        match body.chunk().await {
            Ok(Some(bytes)) => {
                if sender.send(bytes).await.is_err() {
                    return;
                }
            }
            Ok(None) => {
                let _ = sender.finish().await;
                return;
            }
            Err(fault) => {
                let _ = sender.fail(io::Error::other(fault)).await;
                return;
            }
        }
    }
}
