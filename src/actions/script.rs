//! A file of its own for a shipped script, on any host, gone when the try is over.

use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use tempfile::TempPath;

use super::exec::{Prepared, quietly};
use super::place::Place;
use super::{Note, StepContext, StepError};
use crate::transport::{Ended, Stop};

/// The script comes as standard input. `set -C` refuses to write to a file that is there, so nobody
/// can have put a link in its place.
const PUT: &str = r#"umask 077; set -C; cat >"$1" && chmod 700 "$1""#;
/// Bounds the removal, which happens although the try was told to end.
const REMOVAL: Duration = Duration::from_secs(5);

/// A script that can be run.
pub(super) struct PutScript {
    /// What runs it: its path.
    pub(super) path: String,
    kept: Kept,
}

enum Kept {
    /// Removed when this is dropped.
    Here(#[expect(dead_code, reason = "its drop removes the file")] TempPath),
    There(Place),
}

impl PutScript {
    /// Puts it there, for its owner alone.
    pub(super) async fn put(
        place: &Place,
        text: &str,
        cx: &StepContext,
    ) -> Result<Self, StepError> {
        if place.is_local() {
            return Self::here(text, cx);
        }
        // Not secret, but not to be met by chance: two runs may use one host.
        let random = RandomState::new().hash_one(std::process::id());
        let path = format!("/tmp/tf-engine-{random:016x}");
        let script = Self {
            path: path.clone(),
            kept: Kept::There(place.clone()),
        };
        let put = Prepared::plain(&["sh", "-c", PUT, "sh", &path]).with_input(text.to_owned());
        let what = format!("the script could not be put{}", place.suffix());
        let put = quietly(place, put, 0, cx).await;
        let failed = match put {
            Ok((Ok(Ended::Status(0)), ..)) => return Ok(script),
            Ok((Ok(_), _, stderr)) => StepError::io(format!("{what}: {stderr}")),
            Ok((Err(fault), ..)) => StepError::from_fault(&what, &fault),
            Err(error) => error,
        };
        script.remove(cx).await;
        Err(failed)
    }

    fn here(text: &str, cx: &StepContext) -> Result<Self, StepError> {
        let put = || -> std::io::Result<TempPath> {
            let file = tempfile::Builder::new()
                .prefix(".tf-engine-script-")
                .permissions(std::fs::Permissions::from_mode(0o700))
                .tempfile_in(cx.lab.run_dir())?;
            std::fs::write(file.path(), text)?;
            // A file that is open for writing can't be executed (ETXTBSY, execve(2)).
            Ok(file.into_temp_path())
        };
        let path = put()
            .map_err(|error| StepError::io(format!("the script could not be written: {error}")))?;
        Ok(Self {
            path: path.to_string_lossy().into_owned(),
            kept: Kept::Here(path),
        })
    }

    /// Removes it, even where the try was told to stop.
    pub(super) async fn remove(self, cx: &StepContext) {
        let Kept::There(place) = &self.kept else {
            return;
        };
        let unstopped = StepContext {
            stop: Stop::new(),
            ..cx.clone()
        };
        let rm = Prepared::plain(&["rm", "-f", &self.path]);
        let removal = tokio::time::timeout(REMOVAL, quietly(place, rm, 0, &unstopped));
        if !matches!(removal.await, Ok(Ok((Ok(Ended::Status(0)), ..)))) {
            cx.notes.offer(Note::Warning(format!(
                "the script {} could not be removed{} within {REMOVAL:?}",
                self.path,
                place.suffix()
            )));
        }
    }
}
