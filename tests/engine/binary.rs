//! The program as an agent starts it: exit statuses, kills, a disk that is full, memory.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;
use tf_engine::engine::journal::{FILE_NAME, Header, Journal, read_back};
use tf_engine::report::Outcome;

/// A folder with a recipe of one stage in it.
pub(crate) struct Board(TempDir);

impl Board {
    pub(crate) fn new(stage: &str) -> Self {
        let stage: String = stage.lines().map(|line| format!("    {line}\n")).collect();
        Self::of(&format!("stages:\n  provision:\n    timeout: 1m\n{stage}"))
    }

    /// A recipe of this text, but for its name and summary.
    pub(crate) fn of(text: &str) -> Self {
        let board = Self(tempfile::tempdir().expect("a folder"));
        board.rewrite(text);
        board
    }

    /// Gives the recipe another text.
    pub(crate) fn rewrite(&self, text: &str) {
        let text = format!("recipe: trial\nsummary: For a test\n{text}");
        std::fs::write(self.dir().join("trial.yaml"), text).expect("writes");
    }

    pub(crate) fn dir(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tf-engine"));
        command
            .args(["run", "./trial.yaml"])
            .current_dir(self.dir());
        command
    }

    fn output(&self) -> Output {
        self.command().output().expect("it starts")
    }

    /// Starts it, and waits for this to be in its log.
    fn until(&self, text: &str) -> (Child, BufReader<std::process::ChildStderr>) {
        until(self.command(), text)
    }

    pub(crate) fn outcome(&self) -> Outcome {
        let text = std::fs::read_to_string(self.dir().join("outcome.json")).expect("an outcome");
        serde_json::from_str(&text).expect("it has every member")
    }
}

/// Starts it, and waits for this to be in its log.
pub(crate) fn until(
    mut command: Command,
    text: &str,
) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut child = command
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut log = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        let read = log.read_line(&mut line).expect("it is text");
        assert!(read > 0, "`{text}` was never logged");
    }
    (child, log)
}

pub(crate) fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args([&format!("-{name}"), &child.id().to_string()])
        .status()
        .expect("kill is there");
    assert!(status.success());
}

/// A command that says it is ready and never ends, and the process that it leaves its id in.
const ENDLESS: &str =
    "echo $$ > pid; (setsid sleep 600 & echo $! > stray); echo is-ready; sleep 600";

#[test]
fn each_end_has_its_exit_status_and_its_outcome() {
    #[track_caller]
    fn case(stage: &str, status: i32, verdict: &str, last: &str) {
        let board = Board::new(stage);
        let output = board.output();
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{log}");
        let outcome = board.outcome();
        assert_eq!(outcome.recipe, "trial");
        assert_eq!(i32::from(outcome.exit_status), status);
        assert_eq!(tf_engine::report::verdict_word(outcome.verdict), verdict);
        let line = log.lines().last().unwrap_or_default();
        assert!(line.contains(last), "{line}");
        assert!(!log.chars().any(|c| c.is_control() && c != '\n'), "{log}");
    }
    case(
        "do: [ { run: echo hello } ]",
        0,
        "ok",
        "provision succeeded",
    );
    case("do: [ { run: exit 46 } ]", 1, "infra", "exit status 1");
    case("do: [ { rum: x } ]", 2, "infra", "unknown action");
    case(
        "do: [ { run: exit 1, recovery: true, verdict: device } ]",
        46,
        "device",
        "exit status 46",
    );
    case(
        "initial: e\nstates:\n  e: { end: failure, exit_status: 9, message: no }",
        9,
        "device",
        "exit status 9",
    );
}

#[test]
fn signals_end_it_with_their_status_and_no_child_stays() {
    for (name, status) in [("INT", 130), ("TERM", 143)] {
        let board = Board::new(&format!("do:\n  - run: \"{ENDLESS}\"\nretry: 3\n"));
        let (mut child, mut log) = board.until("| is-ready");
        signal(&child, name);
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut log, &mut rest).expect("it is text");
        assert_eq!(
            child.wait().expect("it ends").code(),
            Some(status),
            "{rest}"
        );
        assert_eq!(i32::from(board.outcome().exit_status), status);
        assert_gone(board.dir());
    }
}

#[test]
fn killed_half_way_its_journal_names_the_open_scopes_and_no_child_is_alive() {
    let board = Board::new(&format!(
        "initial: s
states:
  s:
    initial: a
    states:
      a: {{ do: [ {{ run: \"{ENDLESS}\" }} ], next: done }}
    exit:
      - run: echo out
    next: done
"
    ));
    let (mut child, _log) = board.until("| is-ready");
    signal(&child, "KILL");
    child.wait().expect("it ends");
    let runs = read_back(&board.dir().join(FILE_NAME)).expect("a sound journal");
    let run = runs.last().expect("one run");
    assert!(!run.ended());
    let open: Vec<String> = run.open_scopes().iter().map(ToString::to_string).collect();
    assert_eq!(open, ["/", "/s"]);
    assert_gone(board.dir());
}

/// Waits until neither the command nor what it started in a session of its own is there.
#[track_caller]
fn assert_gone(dir: &Path) {
    for file in ["pid", "stray"] {
        let id = std::fs::read_to_string(dir.join(file)).expect("the command wrote it");
        let proc = Path::new("/proc").join(id.trim());
        let status = || std::fs::read_to_string(proc.join("stat")).unwrap_or_default();
        let alive = || {
            let status = status();
            // proc(5): the state follows the name, which is in parentheses; Z and X are dead.
            let state = status
                .rsplit(") ")
                .next()
                .and_then(|rest| rest.chars().next());
            state.is_some_and(|state| !['Z', 'X'].contains(&state))
        };
        let start = std::time::Instant::now();
        while alive() {
            assert!(
                start.elapsed().as_secs() < 10,
                "{file} {id} is alive: {}",
                status()
            );
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_disk_that_fills_up_is_an_error_and_open_scopes_are_left() {
    let board = Board::new(
        "initial: s
states:
  s:
    initial: again
    states:
      again:
        max_visits: 1000
        do: [ { log: again } ]
        next: again
    exit:
      - run: echo given-back
    next: done
",
    );
    // The shell ignores SIGXFSZ and so does what it starts: a write past the limit is EFBIG.
    let output = Command::new("bash")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 16; exec \"$0\" run ./trial.yaml",
        ])
        .arg(env!("CARGO_BIN_EXE_tf-engine"))
        .current_dir(board.dir())
        .output()
        .expect("bash is there");
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(log.contains("| given-back"), "{log}");
    let outcome = board.outcome();
    assert_eq!(
        outcome.kind,
        Some(tf_engine::recipe::ErrorKind::Io),
        "{log}"
    );
    assert!(outcome.reason.contains(FILE_NAME), "{}", outcome.reason);
}

#[test]
fn output_without_end_is_read_in_bounded_memory() {
    let board = Board::new(
        "do:
  - run: \"(yes || true) | head -c 1000000; head -c 100000000 /dev/zero\"
    max_output: 1kB
  - run: grep VmHWM /proc/$PPID/status
",
    );
    let output = board.output();
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0));
    let most: u64 = log
        .lines()
        .find_map(|line| {
            line.split_once("VmHWM:")?
                .1
                .trim()
                .strip_suffix(" kB")?
                .parse()
                .ok()
        })
        .expect("the engine's memory was told");
    assert!(most < 64 << 10, "{most} KiB");
}

#[test]
fn json_lines_tell_the_run_from_its_beginning_to_its_outcome() {
    let board = Board::new("do:\n  - log: { text: plain, plain: true }\n");
    let output = board
        .command()
        .args(["--log-format", "json"])
        .output()
        .expect("it starts");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "plain\n");
    let log = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is an object"))
        .collect();
    assert_eq!(lines[0]["run"]["recipe"], "trial");
    assert_eq!(lines[lines.len() - 1]["outcome"]["exit_status"], 0);
    assert!(lines.iter().any(|line| line["fact"] == "stage_ended"));
}

#[test]
fn a_secret_is_in_no_file_and_no_log() {
    const SECRET: &str = "correct-horse";
    let board = Board::new("do: []");
    std::fs::write(
        board.dir().join("trial.yaml"),
        "recipe: trial
summary: For a test
device:
  password: { type: string, required: true, secret: true }
let:
  login: \"root:{{ device.password }}\"
stages:
  provision:
    timeout: 1m
    vars: { kept: none }
    initial: a
    states:
      a:
        do:
          - set: { kept: \"{{ device.password }}\" }
          - log: \"with {{ vars.kept }}\"
          - run: \"echo {{ let.login }} | tee leak; base64 < leak; exit 1\"
        catch: b
        next: done
      b:
        do:
          - fail: \"{{ error.message }} {{ device.password }}\"
",
    )
    .expect("writes");
    std::fs::write(
        board.dir().join("device.yaml"),
        format!("password: {SECRET}\n"),
    )
    .expect("writes");
    for extra in [&["--dry-run"][..], &[], &["--log-format", "json"]] {
        let output = board
            .command()
            .args(["-c", "device.yaml"])
            .args(extra)
            .output()
            .expect("it starts");
        let mut told = String::from_utf8_lossy(&output.stdout).into_owned();
        told.push_str(&String::from_utf8_lossy(&output.stderr));
        for file in ["outcome.json", FILE_NAME] {
            told.push_str(&std::fs::read_to_string(board.dir().join(file)).unwrap_or_default());
        }
        assert!(told.contains("•••"), "{told}");
        assert!(!told.contains(SECRET), "{told}");
        assert!(!told.contains("cm9vdDpjb3JyZWN0"), "{told}");
    }
}

#[test]
fn a_run_that_is_refused_leaves_the_outcome_to_the_run_that_is_at_work() {
    let board = Board::new(
        "initial: a
states:
  a:
    do:
      - log: here
    next: done
",
    );
    let header = Header {
        fields: serde_json::Map::new(),
    };
    let mut journal = Journal::open(board.dir()).expect("opens");
    journal.begin(&header).expect("can be written");
    let output = board.command().output().expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains("another tf-engine is at work"), "{log}");
    assert!(!board.dir().join("outcome.json").exists());
    drop(journal);
    let output = board.command().output().expect("it starts");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn the_job_is_to_blame_for_what_constants_made_of_it() {
    let board = Board::new("do: []");
    std::fs::write(
        board.dir().join("trial.yaml"),
        "recipe: trial
summary: For a test
device:
  folder: { type: string, required: true }
job:
  image: { type: string, required: true }
let:
  image: \"{{ job.image }}\"
  url: \"{{ device.folder }}{{ let.image }}\"
stages:
  provision:
    timeout: 1m
    do:
      - download: { url: \"{{ let.url }}\", to: image }
",
    )
    .expect("writes");
    std::fs::write(board.dir().join("device.yaml"), "folder: images\n").expect("writes");
    std::fs::write(board.dir().join("job.json"), "{\"image\": \"/x\"}").expect("writes");
    let output = board
        .command()
        .args(["-c", "device.yaml", "-j", "job.json"])
        .output()
        .expect("it starts");
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(
        log.contains("this is no URL") && log.contains("verdict job"),
        "{log}"
    );
}
