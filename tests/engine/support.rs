//! Runs a recipe's `provision` in a folder of its own, and remembers what it said.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use tempfile::TempDir;
use tf_engine::actions::Note;
use tf_engine::engine::journal::{FILE_NAME, Journalled, read_back};
use tf_engine::engine::{
    Inputs, Opening, Record, Refused, RunReport, RunRequest, Said, Saying, Signals, Sink, What, run,
};
use tf_engine::machine::{Moment, Signal};
use tf_engine::recipe::library::Library;
use tf_engine::recipe::load::load_text;
use tf_engine::recipe::model::Recipe;
use tf_engine::transport::{Local, SshKeys, Stream};
use tokio::sync::mpsc;

/// A recipe of one stage, `provision`, with `local` alone.
pub(crate) fn recipe(stage: &str) -> Arc<Recipe> {
    let stage: String = stage.lines().map(|line| format!("    {line}\n")).collect();
    parsed(&format!("stages:\n  provision:\n    timeout: 1m\n{stage}"))
}

/// A recipe of this text, but for its name and summary.
pub(crate) fn parsed(text: &str) -> Arc<Recipe> {
    let text = format!("recipe: trial\nsummary: For a test\n{text}");
    let loaded = load_text(&Library::new([]), "trial", &text);
    let complaints: Vec<&str> = loaded
        .findings
        .0
        .iter()
        .map(|finding| finding.message.as_str())
        .collect();
    assert!(!loaded.findings.has_errors(), "{complaints:#?}\n{text}");
    Arc::new(loaded.recipe.expect("a recipe without errors"))
}

/// When a line is printed, this signal is sent.
pub(crate) type Cue = (&'static str, Signal);

/// What a run said.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) records: Vec<Record>,
    pub(crate) lines: Vec<String>,
    pub(crate) notes: Vec<Note>,
    cues: Vec<Cue>,
    signals: Option<mpsc::Sender<Signal>>,
}

impl Sink for Seen {
    fn open(&mut self, _: &Opening) {}

    fn fact(&mut self, record: &Record) {
        self.records.push(record.clone());
    }

    fn say(&mut self, saying: &Saying) {
        let Said::Note(note) = &saying.said else {
            return;
        };
        self.notes.push(note.clone());
        // A shell tells on standard error what became of its children.
        let (Note::Output {
            stream: Stream::Stdout,
            line,
        }
        | Note::Log { text: line, .. }) = note
        else {
            return;
        };
        self.lines.push(line.clone());
        if let Some(signals) = &self.signals {
            for (cue, signal) in &self.cues {
                if cue == line {
                    signals.try_send(*signal).expect("few signals are sent");
                }
            }
        }
    }

    fn tick(&mut self, _: Moment, _: SystemTime) {}
}

/// A run that is over.
pub(crate) struct Played {
    pub(crate) report: RunReport,
    pub(crate) seen: Seen,
    dir: TempDir,
}

impl Played {
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The run as its journal tells it.
    pub(crate) fn journal(&self) -> Journalled {
        let mut runs = read_back(&self.dir().join(FILE_NAME)).expect("a sound journal");
        runs.pop().expect("one run")
    }

    /// States entered and left, ends of tries, in order.
    pub(crate) fn path(&self) -> Vec<String> {
        let word = tf_engine::engine::outcome_word;
        self.seen
            .records
            .iter()
            .filter_map(|record| match &record.what {
                What::StateEntered { state, .. } => Some(format!("enter {state}")),
                What::ScopeLeft { state, outcome } => {
                    Some(format!("left {state} {}", word(*outcome)))
                }
                What::TryEnded { step, outcome, .. } => {
                    Some(format!("{} {}", step.name, word(*outcome)))
                }
                _ => None,
            })
            .collect()
    }
}

pub(crate) fn request(recipe: Arc<Recipe>, run_dir: PathBuf, signals: Signals) -> RunRequest {
    RunRequest {
        recipe,
        stage: "provision".to_owned(),
        inputs: HashMap::from([(None, Inputs::default())]),
        documents: (serde_json::json!({}), serde_json::json!({})),
        local: Arc::new(Local::new(&run_dir)),
        run_dir,
        assets: Arc::new(|_| None),
        keys: Arc::new(SshKeys::from_environment(|_| None)),
        env: Vec::new(),
        seed: 42,
        signals,
    }
}

/// Runs it to its end.
pub(crate) async fn play(stage: &str) -> Played {
    play_with(recipe(stage), &[]).await
}

/// Runs it to its end, with signals on cue.
pub(crate) async fn play_with(recipe: Arc<Recipe>, cues: &[Cue]) -> Played {
    let (sender, raw) = mpsc::channel(8);
    let mut seen = Seen {
        cues: cues.to_vec(),
        signals: Some(sender),
        ..Seen::default()
    };
    let dir = tempfile::tempdir().expect("a folder");
    let request = request(recipe, dir.path().to_owned(), Signals::merged(raw));
    let report = run(request, &mut seen).await.expect("it can be begun");
    Played { report, seen, dir }
}

/// Runs it in this folder.
pub(crate) async fn play_in(recipe: Arc<Recipe>, dir: &Path) -> Result<RunReport, Refused> {
    run(
        request(recipe, dir.to_owned(), Signals::none()),
        &mut Seen::default(),
    )
    .await
}
