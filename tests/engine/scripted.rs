//! Runs a worked example for real: with commands, signals and the clock.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::SystemTime;

use tf_engine::actions::Note;
use tf_engine::diagnostic::Finding;
use tf_engine::engine::{Opening, Record, Said, Saying, Signals, Sink, run};
use tf_engine::machine::{End, Moment, Signal};
use tf_engine::recipe::library::Library;
use tf_engine::recipe::load::load_text;
use tokio::sync::mpsc;

use crate::notation::Example;
use crate::support::request;

/// What came of a run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Played {
    /// The order of tries: `name:kind:item`.
    pub(crate) path: String,
    /// The exit status.
    pub(crate) exit: u8,
}

/// Writes down `NAME:KIND:ITEM`, then does what the next line of `NAME.script` says (the last one
/// again and again). A step that goes on says so: silence is how it raises `timeout` by itself.
const STEP: &str = r#"#!/bin/bash
name=$1
echo "$1${2:+:$2}${3:+:$3}" >> path
tries=$(cat "$name.tries" 2>/dev/null || echo 0)
echo $((tries + 1)) > "$name.tries"
does=ok
[ -f "$name.script" ] && mapfile -t lines < "$name.script" &&
    does=${lines[tries < ${#lines[@]} ? tries : ${#lines[@]} - 1]}
go_on() { for ((n = 0; n < $1; n++)); do echo . >&2; sleep 0.1; done; }
case $does in
    ok) ;;
    'exit 1') exit 1 ;;
    timeout) go_on 600 ;;
    takes*) go_on $((${does#takes } * 5)) ;;
    signal*) echo "cue ${does#signal }" >&2; go_on 5 ;;
    'raise lost') kill -9 $$ ;;
    'raise mismatch') echo this is no JSON ;;
    'raise timeout') exec sleep 600 ;;
esac
echo '{}'
"#;

/// Runs the stage of a recipe; `events` is a script like `a: exit 1, ok; b: timeout`.
pub(crate) fn play(example: &Example, events: &str) -> Played {
    // A command can't raise these: the machine's own test plays them.
    if ["auth", "io", "input"]
        .iter()
        .any(|kind| events.contains(&format!("raise {kind}")))
    {
        let recipe = crate::model_notation::recipe(&example.stage, &example.vars);
        let (played, _) = crate::model::play_tries(&recipe, events);
        return Played {
            path: played.path,
            exit: played.exit,
        };
    }
    let dir = tempfile::tempdir().expect("a folder");
    write(dir.path(), events);
    let text = example.text();
    let loaded = load_text(&Library::new([]), "trial", &text);
    let complaint = |finding: &Finding| finding.message.clone();
    let complaints: Vec<String> = loaded.findings.0.iter().map(complaint).collect();
    assert!(!loaded.findings.has_errors(), "{complaints:#?}\n{text}");
    let recipe = std::sync::Arc::new(loaded.recipe.expect("a recipe without errors"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let end = runtime.block_on(async {
        let (sender, raw) = mpsc::channel(8);
        let mut cues = Cues(sender);
        let request = request(recipe, dir.path().to_owned(), Signals::merged(raw));
        let report = run(request, &mut cues).await.expect("it can be begun");
        report.ending.end
    });
    let path = std::fs::read_to_string(dir.path().join("path")).unwrap_or_default();
    Played {
        path: path.lines().collect::<Vec<_>>().join(" "),
        exit: match end {
            End::Success => 0,
            End::Failure { status } => status,
            End::Unrecoverable => 46,
            End::Cancelled(Signal::Int) => 130,
            End::Cancelled(Signal::Term) => 143,
        },
    }
}

fn write(dir: &Path, events: &str) {
    let step = dir.join("step");
    std::fs::write(&step, STEP).expect("writes");
    std::fs::set_permissions(&step, std::fs::Permissions::from_mode(0o755)).expect("its own file");
    for (name, tries) in events.split(';').filter_map(|line| line.split_once(':')) {
        let lines: String = tries
            .split(',')
            .map(|does| format!("{}\n", does.trim()))
            .collect();
        std::fs::write(dir.join(format!("{}.script", name.trim())), lines).expect("writes");
    }
}

/// Sends the signal that a step asks for.
struct Cues(mpsc::Sender<Signal>);

impl Sink for Cues {
    fn open(&mut self, _: &Opening) {}

    fn fact(&mut self, _: &Record) {}

    fn say(&mut self, saying: &Saying) {
        if let Said::Note(Note::Output { line, .. }) = &saying.said {
            let signal = match line.as_str() {
                "cue TERM" => Signal::Term,
                "cue INT" => Signal::Int,
                _ => return,
            };
            self.0.try_send(signal).expect("few signals are sent");
        }
    }

    fn tick(&mut self, _: Moment, _: SystemTime) {}
}
