//! Writing a journal: lines are appended, and synced where losing one would lose a promise.
//!
//! Facts whose loss would lose a promise are synced to the disk (`fdatasync`) before their effect: a
//! scope that was entered or left, a try that may change something, the end. The others reach the
//! kernel, which is enough for a kill, and the disk with the next sync.
//!
//! While a run lives it holds a lock (`flock`) on its journal: two runs in one directory would undo
//! each other's work.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::super::record::{Record, What};
use super::{FILE_NAME, Header, VERSION};

/// How long a sync may take. A disk that needs longer is as good as gone, and signals and bounds
/// would wait for it.
const SYNC_BOUND: Duration = Duration::from_secs(30);

/// Actions whose try changes nothing outside the engine: nothing is lost if their beginning is. A
/// `wait` is none: its probe may be any command.
const HARMLESS: &[&str] = &["set", "assert", "log", "fail", "sleep", "read"];

/// How an append went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// Written, and synced where that was needed.
    Well,
    /// It failed, for the first time: the decision that these facts announce must not be carried out.
    JustFailed,
    /// It had failed before; nothing was written.
    Broken,
}

/// A journal that is open for appending.
#[derive(Debug)]
pub struct Journal {
    to: To,
    broken: Option<String>,
}

#[derive(Debug)]
enum To {
    File { file: Arc<File>, path: PathBuf },
    Nowhere,
}

impl Journal {
    /// Opens the journal of a run directory, and holds it.
    ///
    /// # Errors
    /// A sentence for a person: the file can't be opened or locked, or another run holds it.
    pub fn open(run_dir: &Path) -> Result<Self, String> {
        let path = run_dir.join(FILE_NAME);
        let fault =
            |what: &str, error: &io::Error| format!("{} can't be {what}: {error}", path.display());
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .map_err(|error| fault("opened", &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(format!(
                    "another tf-engine is at work in {}: it holds {FILE_NAME}",
                    run_dir.display()
                ));
            }
            Err(TryLockError::Error(error)) => return Err(fault("locked", &error)),
        }
        Ok(Self {
            to: To::File {
                file: Arc::new(file),
                path,
            },
            broken: None,
        })
    }

    /// Begins a run, or the recovery of one: makes sure that the journal can be written, and appends
    /// the header. A torn last line of an earlier run is ended first.
    ///
    /// # Errors
    /// A sentence for a person: the file can't be read, written or synced, or could not be before.
    pub fn begin(&mut self, header: &Header) -> Result<(), String> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        let To::File { file, path } = &self.to else {
            return Ok(());
        };
        let fault =
            |what: &str, error: &io::Error| format!("{} can't be {what}: {error}", path.display());
        let mut line = String::new();
        if torn(file).map_err(|error| fault("read", &error))? {
            line.push('\n');
        }
        let mut fields = serde_json::Map::new();
        fields.insert("journal".into(), Value::from(VERSION));
        fields.extend(header.fields.clone());
        line.push_str(&Value::Object(fields).to_string());
        line.push('\n');
        file.as_ref()
            .write_all(line.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(|error| fault("written", &error))?;
        // The file's name must outlive a power cut as well.
        let run_dir = path.parent().unwrap_or(Path::new("."));
        File::open(run_dir)
            .and_then(|dir| dir.sync_all())
            .map_err(|error| format!("{} can't be synced: {error}", run_dir.display()))
    }

    /// Puts a journal that can't be read out of the way, under a name of its own, and opens a new one
    /// in its place. Gives that name.
    ///
    /// # Errors
    /// A sentence for a person: it can't be renamed, or the new one can't be opened.
    pub fn set_aside(self) -> Result<(Self, PathBuf), String> {
        let To::File { path, .. } = &self.to else {
            return Ok((self, PathBuf::new()));
        };
        let free = (1_u32..)
            .map(|n| path.with_file_name(format!("{FILE_NAME}.damaged-{n}")))
            .find(|free| !free.exists());
        let Some(free) = free else {
            return Err(format!("{} can't be set aside", path.display()));
        };
        std::fs::rename(path, &free)
            .map_err(|error| format!("{} can't be set aside: {error}", path.display()))?;
        let run_dir = path.parent().unwrap_or(Path::new("."));
        Ok((Self::open(run_dir)?, free))
    }

    /// Where it is; nowhere, for a world without effects.
    pub fn path(&self) -> Option<&Path> {
        match &self.to {
            To::File { path, .. } => Some(path),
            To::Nowhere => None,
        }
    }

    /// A journal that keeps nothing, for worlds without effects.
    pub fn nowhere() -> Self {
        Self {
            to: To::Nowhere,
            broken: None,
        }
    }

    /// Appends facts, in order; synced where one of them needs it. After the first failure nothing is
    /// written any more: a torn line in the middle would make the rest unreadable.
    pub async fn append(&mut self, records: &[Record]) -> Written {
        if self.broken.is_some() {
            return Written::Broken;
        }
        let To::File { file, path } = &self.to else {
            return Written::Well;
        };
        if records.is_empty() {
            return Written::Well;
        }
        let mut lines = String::new();
        for record in records {
            lines.push_str(&record.to_json().to_string());
            lines.push('\n');
        }
        let mut result = file.as_ref().write_all(lines.as_bytes());
        if result.is_ok() && records.iter().any(|record| needs_sync(&record.what)) {
            result = sync(file.clone()).await;
        }
        match result {
            Ok(()) => Written::Well,
            Err(error) => {
                self.broken = Some(format!("{} can't be written: {error}", path.display()));
                Written::JustFailed
            }
        }
    }

    /// Why nothing is written any more.
    pub fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }
}

async fn sync(file: Arc<File>) -> io::Result<()> {
    let syncing = tokio::task::spawn_blocking(move || file.sync_data());
    match tokio::time::timeout(SYNC_BOUND, syncing).await {
        Ok(Ok(result)) => result,
        Ok(Err(panicked)) => Err(io::Error::other(panicked)),
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!(
                "the disk has not synced it within {} s",
                SYNC_BOUND.as_secs()
            ),
        )),
    }
}

fn needs_sync(what: &What) -> bool {
    match what {
        What::StateEntered { scope, .. } => *scope,
        What::ScopeLeft { .. } | What::StageEnded { .. } => true,
        What::TryStarted { action, .. } => !HARMLESS.contains(&action.as_ref()),
        _ => false,
    }
}

/// Whether a run is at work in this directory: what is in it is that run's to write.
pub fn is_held(run_dir: &Path) -> bool {
    File::open(run_dir.join(FILE_NAME))
        .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Whether the file's last line lacks its end.
fn torn(mut file: &File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::SystemTime;

    use super::super::read_back;
    use super::*;
    use crate::machine::{Moment, Outcome};

    fn header(stage: &str) -> Header {
        let mut fields = serde_json::Map::new();
        fields.insert("stage".into(), Value::from(stage));
        Header { fields }
    }

    fn record(what: What) -> Record {
        Record {
            at: Moment::START,
            time: SystemTime::UNIX_EPOCH,
            what,
            values: BTreeMap::new(),
        }
    }

    fn opened(run_dir: &Path, header: &Header) -> Journal {
        let mut journal = Journal::open(run_dir).expect("opens");
        journal.begin(header).expect("can be written");
        journal
    }

    fn entered(state: &str) -> Record {
        record(What::StateEntered {
            state: state.into(),
            scope: true,
            visit: 1,
            item: None,
            attempt: 1,
            of: 1,
            limit: None,
        })
    }

    fn left(state: &str) -> Record {
        record(What::ScopeLeft {
            state: state.into(),
            outcome: Outcome::Ok,
        })
    }

    #[tokio::test]
    async fn what_was_written_is_read_back_and_tells_the_open_scopes() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut journal = opened(dir.path(), &header("provision"));
        for records in [
            vec![entered("/"), entered("/a")],
            vec![left("/a"), entered("/b"), entered("/b/c")],
        ] {
            assert_eq!(journal.append(&records).await, Written::Well);
        }
        let runs = read_back(&dir.path().join(FILE_NAME)).expect("reads");
        assert_eq!(runs.len(), 1);
        let open: Vec<_> = runs[0]
            .open_scopes()
            .iter()
            .map(|s| s.to_string())
            .collect();
        assert_eq!(open, ["/", "/b", "/b/c"]);
        assert!(!runs[0].ended());
    }

    #[tokio::test]
    async fn a_torn_last_line_is_left_out_and_the_next_run_begins_a_line_of_its_own() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join(FILE_NAME);
        let mut journal = opened(dir.path(), &header("provision"));
        assert_eq!(journal.append(&[entered("/")]).await, Written::Well);
        drop(journal);
        let whole = std::fs::read(&path).expect("reads");
        for cut in 1..whole.len() {
            std::fs::write(&path, &whole[..cut]).expect("writes");
            let runs = read_back(&path).expect("a torn line is no damage");
            assert!(runs.iter().all(|run| run.records.len() <= 1), "{cut}");
            drop(opened(dir.path(), &header("cleanup")));
            let runs = read_back(&path).expect("reads");
            let last = runs.last().expect("the second run");
            assert_eq!(last.header, header("cleanup"), "{cut}");
        }
    }

    #[test]
    fn damage_in_the_middle_is_told_with_its_line() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join(FILE_NAME);
        std::fs::write(&path, "{\"journal\":1}\n{\"t\":\n{\"t\":\"x\"}\n").expect("writes");
        let damage = read_back(&path).expect_err("damaged");
        assert!(damage.contains(".jsonl:2: not JSON"), "{damage}");
        std::fs::write(&path, "{\"journal\":9}\n").expect("writes");
        let damage = read_back(&path).expect_err("too new");
        assert!(damage.contains("version 9"), "{damage}");
    }

    #[test]
    fn two_runs_in_one_directory_are_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let first = opened(dir.path(), &header("provision"));
        let refused = Journal::open(dir.path()).expect_err("held");
        assert!(refused.contains("another tf-engine"), "{refused}");
        drop(first);
        assert!(Journal::open(dir.path()).is_ok());
    }

    #[tokio::test]
    async fn a_full_disk_is_told_once() {
        let file = OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .expect("opens");
        let mut journal = Journal {
            to: To::File {
                file: Arc::new(file),
                path: "/dev/full".into(),
            },
            broken: None,
        };
        assert_eq!(journal.append(&[entered("/")]).await, Written::JustFailed);
        assert_eq!(journal.append(&[left("/")]).await, Written::Broken);
        assert!(
            journal
                .broken()
                .is_some_and(|why| why.contains("/dev/full"))
        );
    }
}
