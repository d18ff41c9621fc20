//! What a kill left open is left by the next start.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use tf_engine::engine::journal::{FILE_NAME, Journalled, read_back};
use tf_engine::engine::{RunReport, Signals, What, run};
use tf_engine::machine::End;
use tf_engine::recipe::model::Recipe;

use crate::binary::{Board, signal, until};
use crate::support::{Seen, parsed, recipe, request};

/// A recipe whose `provision` hangs in two scopes, and whose exit steps tell what they see.
const NESTED: &str = "stages:
  provision:
    timeout: 1m
    initial: outer
    states:
      outer:
        initial: inner
        states:
          inner:
            initial: work
            states:
              work: { do: [ { run: echo is-ready; sleep 600 } ], next: done }
            exit: [ { run: 'echo inner {{ outcome.kind }} >> effects' } ]
            next: done
        exit: [ { run: 'echo outer {{ outcome.kind }} >> effects' } ]
        next: done
";

/// The same with a stage to follow.
fn with_cleanup(text: &str) -> String {
    format!("{text}  cleanup:\n    timeout: 1m\n    do: [ {{ run: echo cleanup >> effects }} ]\n")
}

impl Board {
    fn start(&self, args: &[&str]) -> Command {
        let mut command = self.command();
        command.args(args);
        command
    }

    fn run(&self, args: &[&str]) -> Told {
        Told(self.start(args).output().expect("it starts"))
    }

    /// Starts it so, and kills it once it says that it is ready.
    fn kill(&self, args: &[&str]) {
        let (mut child, mut log) = until(self.start(args), "| is-ready");
        signal(&child, "KILL");
        child.wait().expect("it ends");
        let mut rest = String::new();
        log.read_to_string(&mut rest).expect("it is text");
    }

    fn effects(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.dir().join("effects")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir().join(name), text).expect("writes");
    }

    fn journal(&self) -> Vec<Journalled> {
        read_back(&self.dir().join(FILE_NAME)).expect("a sound journal")
    }
}

struct Told(Output);

impl Told {
    fn status(&self) -> Option<i32> {
        self.0.status.code()
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    #[track_caller]
    fn says(&self, text: &str) {
        assert!(self.log().contains(text), "{}", self.log());
    }
}

#[test]
fn the_next_start_leaves_what_a_kill_left_open_and_then_does_its_own() {
    let board = Board::of(&with_cleanup(NESTED));
    board.kill(&[]);
    assert_eq!(board.effects(), [""; 0]);
    let told = board.run(&["--stage", "cleanup"]);
    assert_eq!(told.status(), Some(0), "{}", told.log());
    let effects = ["inner cancelled", "outer cancelled", "cleanup"];
    assert_eq!(board.effects(), effects);
    told.says("it was killed and left open /outer/inner, /outer, /: their exit steps run now");
    told.says("recovered run ");
    told.says("(provision of trial): left /outer/inner, /outer, /");
    let outcome = board.outcome();
    assert_eq!(
        (outcome.stage.as_str(), outcome.exit_status),
        ("cleanup", 0)
    );
    let runs = board.journal();
    assert_eq!(runs.len(), 2, "the recovery is the first run's");
    assert!(
        runs.iter()
            .all(|run| run.ended() && run.open_scopes().is_empty())
    );
    // And once is enough.
    let told = board.run(&["--stage", "cleanup"]);
    assert_eq!(told.status(), Some(0));
    assert!(!told.log().contains("recovered"), "{}", told.log());
    assert_eq!(board.effects(), [&effects[..], &["cleanup"]].concat());
}

#[test]
fn the_recipe_is_the_one_that_was_killed_and_not_what_became_of_it() {
    let board = Board::of(NESTED);
    board.kill(&[]);
    board.rewrite(
        "stages:\n  provision:\n    timeout: 1m\n    do: [ { run: echo new >> effects } ]\n",
    );
    let told = board.run(&[]);
    assert_eq!(told.status(), Some(0), "{}", told.log());
    assert_eq!(
        board.effects(),
        ["inner cancelled", "outer cancelled", "new"]
    );
}

#[test]
fn where_the_stage_is_missing_or_wrong_the_board_is_left_all_the_same() {
    let board = Board::of(NESTED);
    board.kill(&[]);
    let told = board.run(&["--stage", "cleanup"]);
    assert_eq!(told.status(), Some(0), "{}", told.log());
    told.says("has no stage `cleanup`");
    told.says("recovered run ");
    assert_eq!(board.effects(), ["inner cancelled", "outer cancelled"]);
    let told = board.run(&["--stage", "cleanup"]);
    assert!(!told.log().contains("recovered"), "{}", told.log());

    let board = Board::of(NESTED);
    board.kill(&[]);
    board.rewrite("stages: { provision: { timeout: 1m, do: [ { rum: x } ] } }\n");
    let told = board.run(&[]);
    assert_eq!(told.status(), Some(2), "{}", told.log());
    assert_eq!(board.effects(), ["inner cancelled", "outer cancelled"]);
    assert_eq!(board.outcome().exit_status, 2);
}

#[test]
fn a_plan_tells_what_would_be_left_and_leaves_nothing() {
    let board = Board::of(NESTED);
    board.kill(&[]);
    let told = board.run(&["--dry-run"]);
    told.says("was killed and left open /outer/inner, /outer, /; a run in this directory first");
    assert_eq!(board.effects(), [""; 0]);
}

#[test]
fn exit_steps_see_what_they_would_have_seen() {
    let board = Board::of(
        "device:
  card: { type: string, required: true }
job:
  image: { type: string, default: none }
let:
  slot: \"slot-{{ device.card }}\"
vars: { kept: first, seen: { ok: none } }
procedures:
  lend:
    params: { to: { type: string, required: true } }
    initial: work
    states:
      work: { do: [ { run: echo is-ready; sleep 600 } ], next: done }
    exit: [ { run: 'echo back from {{ params.to }} {{ run.id }} >> effects' } ]
stages:
  provision:
    timeout: 1m
    initial: first
    states:
      first: { do: [ { fail: { kind: lost, message: no luck } } ], catch: each, next: done }
      each:
        for_each: [a, b]
        vars: { own: '{{ item }}{{ item }}' }
        initial: work
        states:
          work:
            do:
              - set: { kept: second }
              - run: 'echo {{ item }} > seen'
                save: seen
              - call: lend
                with: { to: 'host {{ item }}' }
                when: item == 'b'
            next: done
        exit:
          - run: 'echo {{ item }} {{ index }} {{ vars.own }} {{ vars.kept }} {{ vars.seen.ok }} {{ let.slot }} {{ job.image }} {{ error.kind }} >> effects'
        next: done
",
    );
    board.write("device.yaml", "card: x\n");
    board.write("job.json", "{\"image\": \"b\"}");
    board.kill(&["-c", "device.yaml", "-j", "job.json"]);
    assert_eq!(
        board.effects(),
        ["a 0 aa second true slot-x b lost"],
        "the first item was left before the kill"
    );
    let id = board.journal()[0].run_id().to_owned();
    // The board's config has gone, and the job is another.
    board.rewrite("stages: { provision: { timeout: 1m, do: [] } }\n");
    let told = board.run(&[]);
    assert_eq!(told.status(), Some(0), "{}", told.log());
    assert_eq!(
        board.effects()[1..],
        [
            format!("back from host b {id}"),
            "b 1 bb second true slot-x b lost".to_owned()
        ],
        "{}",
        told.log()
    );
}

const SECRET: &str = "correct-horse";

fn secret_board() -> Board {
    let board = Board::of(
        "device:
  password: { type: string, required: true, secret: true }
stages:
  provision:
    timeout: 1m
    vars: { made: none, plain: none }
    initial: s
    states:
      s:
        initial: work
        states:
          work:
            do:
              - set: { made: 'x{{ device.password }}', plain: seen }
              - run: echo is-ready; sleep 600
            next: done
        exit:
          - run: 'echo given {{ device.password }} >> effects'
            name: login
          - run: 'echo made {{ vars.made }} >> effects'
            name: token
          - run: 'echo plain {{ vars.plain }} >> effects'
        next: done
",
    );
    board.write("device.yaml", &format!("password: {SECRET}\n"));
    board
}

#[test]
fn secrets_come_from_the_config_of_the_new_start() {
    let board = secret_board();
    board.kill(&["-c", "device.yaml"]);
    let told = board.run(&["-c", "device.yaml", "--stage", "cleanup"]);
    assert_eq!(told.status(), Some(0), "{}", told.log());
    assert_eq!(board.effects(), [&format!("given {SECRET}"), "plain seen"]);
    told.says("its exit step `token` failed: `vars.made` isn't known any more: it was secret");
    let journal = std::fs::read_to_string(board.dir().join(FILE_NAME)).expect("a journal");
    assert!(!journal.contains(SECRET), "{journal}");
    assert!(!told.log().contains(SECRET), "{}", told.log());
}

#[test]
fn a_secret_that_nobody_gives_fails_the_step_that_needs_it_and_no_other() {
    let board = secret_board();
    board.kill(&["-c", "device.yaml"]);
    let told = board.run(&["--stage", "cleanup"]);
    assert_eq!(told.status(), Some(0), "{}", told.log());
    assert_eq!(board.effects(), ["plain seen"]);
    told.says("its exit step `login` failed: `device.password` isn't known any more");
}

/// Hangs in its step until there is a file `done`, and in an exit step until there is a file `go`.
const HANGING: &str = "stages:
  provision:
    timeout: 1m
    initial: s
    states:
      s:
        initial: a
        states: { a: { do: [ { run: 'test -e done || { echo is-ready; sleep 600; }' } ], next: done } }
        exit:
          - run: echo first >> effects
          - run: echo second >> effects; test -e go || { echo is-ready; sleep 600; }
        next: done
    exit: [ { run: echo last >> effects } ]
";

#[test]
fn killed_among_the_exit_steps_they_run_again() {
    let board = Board::of(HANGING);
    board.write("done", "");
    board.kill(&[]);
    assert_eq!(board.effects(), ["first", "second"]);
    board.write("go", "");
    let told = board.run(&["--stage", "cleanup"]);
    assert_eq!(told.status(), Some(0), "{}", told.log());
    assert_eq!(
        board.effects(),
        ["first", "second", "first", "second", "last"]
    );
}

#[test]
fn killed_in_the_recovery_the_next_start_goes_on() {
    let hangs =
        "exit: [ { run: 'echo last >> effects; test -e gone || { echo is-ready; sleep 600; }' } ]";
    let board = Board::of(&HANGING.replace("exit: [ { run: echo last >> effects } ]", hangs));
    board.write("go", "");
    board.kill(&[]);
    // Killed in the outer scope's exit steps: the inner one has left for good.
    board.kill(&["--stage", "cleanup"]);
    assert_eq!(board.effects(), ["first", "second", "last"]);
    board.write("gone", "");
    let told = board.run(&["--stage", "cleanup"]);
    assert_eq!(told.status(), Some(0), "{}", told.log());
    told.says("it was killed and left open /: their exit steps run now");
    assert_eq!(board.effects(), ["first", "second", "last", "last"]);
    let runs = board.journal();
    assert_eq!(runs.len(), 1);
    assert!(runs[0].ended() && runs[0].open_scopes().is_empty());
}

#[test]
fn a_failed_recovery_is_46_and_the_stage_does_not_begin() {
    let board = Board::of(&with_cleanup(&NESTED.replace(
        "'echo inner {{ outcome.kind }} >> effects'",
        "'echo inner >> effects; exit 7', recovery: true, name: give-back",
    )));
    board.kill(&[]);
    let told = board.run(&["--stage", "cleanup"]);
    assert_eq!(told.status(), Some(46), "{}", told.log());
    assert_eq!(board.effects(), ["inner", "outer exit"]);
    let outcome = board.outcome();
    assert_eq!(
        (outcome.stage.as_str(), outcome.exit_status),
        ("cleanup", 46)
    );
    assert_eq!(outcome.step.as_deref(), Some("give-back"));
    let why = &outcome.reason;
    assert!(
        why.starts_with("the recovery of run ") && why.contains("(provision of trial)"),
        "{why}"
    );
    // It was tried; the next start is not held up for ever.
    let told = board.run(&["--stage", "cleanup"]);
    assert_eq!(told.status(), Some(0), "{}", told.log());
    assert_eq!(board.effects().last().map(String::as_str), Some("cleanup"));
}

#[test]
fn a_signal_in_the_recovery_ends_it_after_the_exit_steps() {
    let slow = HANGING.replace("sleep 600; }\n", "sleep 0.5; }\n");
    let board = Board::of(&with_cleanup(&slow));
    board.kill(&[]);
    let (mut child, mut log) = until(board.start(&["--stage", "cleanup"]), "| is-ready");
    signal(&child, "TERM");
    let mut rest = String::new();
    log.read_to_string(&mut rest).expect("it is text");
    assert_eq!(child.wait().expect("it ends").code(), Some(143), "{rest}");
    assert_eq!(board.effects(), ["first", "second", "last"]);
    assert_eq!(board.outcome().exit_status, 143);
    let told = board.run(&["--stage", "cleanup"]);
    assert_eq!(told.status(), Some(0), "{}", told.log());
    assert_eq!(board.effects(), ["first", "second", "last", "cleanup"]);
}

#[test]
fn a_journal_that_cannot_be_read_is_set_aside_and_holds_nothing_up() {
    for (damage, said) in [
        (
            "{\"journal\":1}\n{\"t\":\n{\"t\":\"x\"}\n",
            ".jsonl:2: not JSON",
        ),
        ("{\"journal\":9}\n", "version 9 of the journal"),
        (
            "{\"journal\":1,\"recovers\":\"abc\"}\n",
            "a run `abc` that is not in it",
        ),
    ] {
        let board = Board::new("do: [ { run: echo here >> effects } ]");
        board.write(FILE_NAME, damage);
        let told = board.run(&[]);
        assert_eq!(told.status(), Some(0), "{}", told.log());
        assert_eq!(board.effects(), ["here"]);
        told.says(said);
        let aside = board.dir().join(format!("{FILE_NAME}.damaged-1"));
        assert_eq!(std::fs::read_to_string(aside).expect("it is kept"), damage);
        assert!(board.journal()[0].ended());
    }
}

#[test]
fn a_recipe_that_is_none_any_more_is_told_and_holds_nothing_up() {
    #[track_caller]
    fn case(from: &str, to: &str, said: &str) {
        let board = Board::of(&with_cleanup(NESTED));
        board.kill(&[]);
        let path = board.dir().join(FILE_NAME);
        let text = std::fs::read_to_string(&path).expect("a journal");
        assert!(text.contains(from), "{text}");
        std::fs::write(&path, text.replacen(from, to, 1)).expect("writes");
        let told = board.run(&["--stage", "cleanup"]);
        assert_eq!(told.status(), Some(0), "{}", told.log());
        told.says("left open /outer/inner, /outer, /; its exit steps were not run: ");
        told.says(said);
        assert_eq!(board.effects(), ["cleanup"]);
    }
    case(
        "echo inner",
        "echo other",
        "trial.yaml in its journal is damaged",
    );
    case(
        "\"sources\":[",
        "\"sauces\":[",
        "its journal holds no recipe",
    );
    case(
        "\"stage\":\"provision\"",
        "\"stage\":\"cleanup\"",
        "has no such state",
    );
}

/// Runs it in a folder, and gives the lines that it logged.
async fn lines_in(recipe: Arc<Recipe>, dir: &Path) -> (RunReport, Seen) {
    let mut seen = Seen::default();
    let request = request(recipe, dir.to_owned(), Signals::none());
    let report = run(request, &mut seen).await.expect("it can be begun");
    (report, seen)
}

/// The scopes that are open after these lines of a journal, innermost first.
fn open_after(lines: &[&str], dir: &Path) -> Vec<String> {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(dir.join(FILE_NAME), text).expect("writes");
    let runs = read_back(&dir.join(FILE_NAME)).expect("reads");
    let open = runs
        .first()
        .map(Journalled::open_scopes)
        .unwrap_or_default();
    open.iter().rev().map(ToString::to_string).collect()
}

#[tokio::test]
async fn cut_after_any_line_what_was_open_there_is_left_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a folder");
    let stage = "initial: s
states:
  s:
    for_each: [1, 2]
    enter: [ { call: p, with: { n: '{{ item }}' } } ]
    initial: a
    states:
      a: { do: [ { fail: lost } ], catch: done, next: done }
    exit: [ { log: '/s {{ item }}' }, { log: '/s again' } ]
    next: done
exit: [ { log: / } ]
";
    let stage: String = stage.lines().map(|line| format!("    {line}\n")).collect();
    let whole = parsed(&format!(
        "procedures:
  p:
    params: {{ n: {{ type: integer }} }}
    initial: q
    states:
      q:
        initial: r
        states: {{ r: {{ do: [ {{ log: r }} ], next: done }} }}
        exit: [ {{ log: 'q {{{{ params.n }}}}' }} ]
        next: done
    exit: [ {{ log: p }} ]
stages:
  provision:
    timeout: 1m
{stage}"
    ));
    lines_in(whole, dir.path()).await;
    let text = std::fs::read_to_string(dir.path().join(FILE_NAME)).expect("a journal");
    let lines: Vec<&str> = text.lines().collect();
    let nothing = recipe("do: []\n");
    for kept in 1..=lines.len() {
        let dir = tempfile::tempdir().expect("a folder");
        let open = open_after(&lines[..kept], dir.path());
        let (report, seen) = lines_in(nothing.clone(), dir.path()).await;
        assert_eq!(report.ending.end, End::Success);
        assert_eq!(report.opening.warnings.is_empty(), open.is_empty());
        let left: Vec<String> = seen
            .records
            .iter()
            .filter_map(|record| match &record.what {
                What::ScopeLeft { state, .. } => Some(state.to_string()),
                _ => None,
            })
            .collect();
        assert_eq!(left, open, "after {kept} lines");
        // A `/` in a line begins what the stage logs; the item is that of the line.
        let item = lines[..kept]
            .iter()
            .rev()
            .find_map(|line| {
                line.contains("\"fact\":\"item_begun\"")
                    .then(|| if line.contains("\"index\":0") { 1 } else { 2 })
            })
            .unwrap_or_default();
        let expected: Vec<String> = open
            .iter()
            .flat_map(|path| match path.as_str() {
                "/" => vec!["/".to_owned()],
                "/s" => vec![format!("/s {item}"), "/s again".to_owned()],
                path if path.ends_with("/q") => vec![format!("q {item}")],
                _ => vec!["p".to_owned()],
            })
            .collect();
        assert_eq!(seen.lines, expected, "after {kept} lines");
        // The recovery may be killed as well, after any of its own lines. (Not of each: these are many.)
        if kept % 9 != 0 {
            continue;
        }
        let text = std::fs::read_to_string(dir.path().join(FILE_NAME)).expect("a journal");
        let all: Vec<&str> = text.lines().collect();
        let end = all.iter().rposition(|line| line.contains("\"journal\":"));
        for again in kept + 1..=end.expect("the new run's header") {
            let dir = tempfile::tempdir().expect("a folder");
            let open = open_after(&all[..again], dir.path());
            let (_, seen) = lines_in(nothing.clone(), dir.path()).await;
            let left = seen
                .records
                .iter()
                .filter(|record| matches!(record.what, What::ScopeLeft { .. }));
            assert_eq!(left.count(), open.len(), "after {kept}, then {again} lines");
        }
    }
}
