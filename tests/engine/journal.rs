//! The journal of a whole run.

use tf_engine::engine::What;
use tf_engine::engine::journal::{FILE_NAME, read_back};
use tf_engine::engine::run::OUTCOME_FILE;
use tf_engine::machine::End;

use crate::support::{play, play_in, recipe};

#[tokio::test]
async fn a_run_is_journalled_from_its_header_to_its_end() {
    let played = play("do:\n  - run: echo hello\n").await;
    let journal = played.journal();
    assert_eq!(journal.header.fields["recipe"], "trial");
    assert_eq!(
        journal.header.fields["run_id"],
        played.report.opening.run_id.as_ref()
    );
    assert_eq!(
        journal.header.fields["sources"][0]["sha256"]
            .as_str()
            .map(str::len),
        Some(64)
    );
    assert!(journal.ended());
    assert!(journal.open_scopes().is_empty());
    assert_eq!(journal.records.len(), played.seen.records.len());
    for (told, seen) in journal.records.iter().zip(&played.seen.records) {
        assert_eq!(told.what, seen.what);
    }
}

#[tokio::test]
async fn cut_after_any_line_it_names_the_scopes_that_are_open_there() {
    let played = play(
        "initial: s
states:
  s:
    for_each: [1, 2]
    initial: a
    states:
      a: { do: [ { log: x } ], next: done }
    exit: [ { log: y } ]
    next: done
",
    )
    .await;
    let path = played.dir().join(FILE_NAME);
    let text = std::fs::read_to_string(&path).expect("a journal");
    let lines: Vec<&str> = text.lines().collect();
    for kept in 1..=lines.len() {
        let cut: String = lines[..kept]
            .iter()
            .map(|line| format!("{line}\n"))
            .collect();
        std::fs::write(&path, cut + "{\"torn").expect("writes");
        let run = read_back(&path).expect("reads").pop().expect("one run");
        let mut open = Vec::new();
        for record in &played.seen.records[..kept - 1] {
            match &record.what {
                What::StateEntered {
                    state, scope: true, ..
                } => open.push(state.clone()),
                What::ScopeLeft { .. } => {
                    open.pop();
                }
                _ => {}
            }
        }
        assert_eq!(run.open_scopes(), open, "after {kept} lines");
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_refused_before_anything_happens() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("file");
    std::fs::write(&file, "x").expect("writes");
    let recipe = recipe("do:\n  - run: touch effect\n");
    let refused = play_in(recipe.clone(), &file)
        .await
        .expect_err("a file is no folder");
    assert!(refused.0.contains("run directory"), "{refused}");
    std::fs::create_dir(dir.path().join(FILE_NAME)).expect("a folder in the journal's place");
    let refused = play_in(recipe, dir.path()).await.expect_err("no journal");
    assert!(refused.0.contains("can't be journalled"), "{refused}");
    assert!(!dir.path().join("effect").exists());
}

#[tokio::test]
async fn the_outcome_of_an_earlier_run_is_gone_once_the_next_has_begun() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join(OUTCOME_FILE), "{}").expect("writes");
    let looks = recipe("do:\n  - run: test ! -e outcome.json\n");
    let report = play_in(looks, dir.path()).await.expect("it runs");
    assert_eq!(report.ending.end, End::Success);
}

#[tokio::test]
async fn stages_run_in_one_directory_follow_each_other_in_one_file() {
    let dir = tempfile::tempdir().expect("a folder");
    for _ in 0..2 {
        play_in(recipe("do: []\n"), dir.path())
            .await
            .expect("it runs");
    }
    let runs = read_back(&dir.path().join(FILE_NAME)).expect("reads");
    assert_eq!(runs.len(), 2);
    assert!(
        runs.iter()
            .all(tf_engine::engine::journal::Journalled::ended)
    );
}
