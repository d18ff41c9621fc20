//! What a person reads of a run: the log and the story of a failure, with times masked.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use regex_lite::Regex;
use tf_engine::engine::{Signals, run};
use tf_engine::report::{Console, Look, Outcome, Readers, Writer};

use crate::support::{recipe, request};

#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Text {
    fn read(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// The log of a run and what went to standard output, times and folders masked.
async fn log(stage: &str) -> (String, String) {
    let (log, plain) = (Text::default(), Text::default());
    let writer = Writer::to(Box::new(log.clone()), Box::new(plain.clone()));
    let mut readers = Readers::new(vec![Box::new(Console::new(writer, Look::default()))]);
    let dir = tempfile::tempdir().expect("a folder");
    let request = request(recipe(stage), dir.path().to_owned(), Signals::none());
    let report = run(request, &mut readers).await.expect("it can be begun");
    let status = match report.ending.end {
        tf_engine::machine::End::Success => 0,
        _ => 1,
    };
    readers.conclude(&report, &Outcome::of(&report, status));
    let mut text = log.read().replace(&dir.path().display().to_string(), "DIR");
    for (pattern, mask) in [
        (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "TIME"),
        (r"\d\d:\d\d:\d\d\.\d{3}Z", "TIME"),
        (r"run [0-9a-z]{12}", "run ID"),
        (r"\b(after|in|took     ) (\d+\.\ds|\d+ms)", "${1} TOOK"),
    ] {
        text = Regex::new(pattern)
            .expect("a pattern")
            .replace_all(&text, mask)
            .into_owned();
    }
    (text, plain.read())
}

#[tokio::test]
async fn a_good_run_reads_as_a_list_of_what_was_done() {
    let (log, plain) = log("initial: a
states:
  a:
    do:
      - run: \"printf '\\\\033[31mred\\\\033[0m\\\\n'\"
        save: out
      - log: it said {{ vars.out.exit }}
      - log: { text: as it is, plain: true }
    next: done
exit:
  - sleep: 10ms
")
    .await;
    insta::assert_snapshot!(log, @r"
    TIME INFO  provision  recipe trial, run ID, in DIR
    TIME INFO  provision  entered
    TIME INFO  a  entered
    TIME INFO  a  run: printf '\033[31mred\033[0m\n'
    TIME INFO  a  | red
    TIME INFO  a  run: ok after TOOK
    TIME INFO  a  it said 0
    TIME INFO  provision  leaving, outcome ok
    TIME INFO  provision  sleep 10ms
    TIME INFO  provision  sleep: ok after TOOK
    TIME INFO  provision  left
    TIME INFO  provision  provision succeeded in TOOK, exit status 0
    ");
    assert_eq!(plain, "as it is\n");
}

#[tokio::test]
async fn a_failed_run_tells_how_it_came_to_fail() {
    let (log, _) = log("initial: storage
states:
  storage:
    initial: write
    states:
      write:
        do:
          - run: \"echo writing; echo broken; exit 5\"
            name: put
            retry: 2
        next: done
    exit:
      - run: echo given back
        name: give_back
    next: done
")
    .await;
    insta::assert_snapshot!(log, @r"
    TIME INFO  provision  recipe trial, run ID, in DIR
    TIME INFO  provision  entered
    TIME INFO  storage  entered
    TIME INFO  storage/write  entered
    TIME INFO  storage/write  put (try 1 of 2): echo writing; echo broken; exit 5
    TIME INFO  storage/write  | writing
    TIME INFO  storage/write  | broken
    TIME WARN  storage/write  put: exit after TOOK: `echo writing; echo broken; exit 5` ended with exit status 5; try 2 follows in TOOK
    TIME INFO  storage/write  put (try 2 of 2): echo writing; echo broken; exit 5
    TIME INFO  storage/write  | writing
    TIME INFO  storage/write  | broken
    TIME ERROR storage/write  put: exit after TOOK: `echo writing; echo broken; exit 5` ended with exit status 5
    TIME WARN  storage  leaving, outcome exit
    TIME INFO  storage  give_back: echo given back
    TIME INFO  storage  | given back
    TIME INFO  storage  give_back: ok after TOOK
    TIME INFO  storage  left
    TIME WARN  provision  leaving, outcome exit
    TIME INFO  provision  left
    TIME ERROR provision  How provision came to fail
    TIME ERROR provision    state     /storage/write
    TIME ERROR provision    step      put (/storage/write:do.0), try 2 of 2
    TIME ERROR provision    host      local
    TIME ERROR provision    sent      echo writing; echo broken; exit 5
    TIME ERROR provision    took      TOOK
    TIME ERROR provision    error     exit: `echo writing; echo broken; exit 5` ended with exit status 5
    TIME ERROR provision    output    writing
    TIME ERROR provision              broken
    TIME ERROR provision    what happened, from the first failure on:
    TIME ERROR provision      TIME  storage/write put: try 1 of 2: exit after TOOK: `echo writing; echo broken; exit 5` ended with exit status 5
    TIME ERROR provision      TIME  storage/write put: try 2 of 2: exit after TOOK: `echo writing; echo broken; exit 5` ended with exit status 5
    TIME ERROR provision      TIME  storage: leaving, outcome exit
    TIME ERROR provision      TIME  storage give_back: try 1 of 1: ok after TOOK
    TIME ERROR provision      TIME  /: leaving, outcome exit
    TIME ERROR provision  provision failed after TOOK, verdict infra, exit status 1, at storage/write put (try 2): `echo writing; echo broken; exit 5` ended with exit status 5
    ");
}

#[tokio::test]
async fn of_two_steps_of_one_name_the_story_is_of_the_one_that_decided() {
    let (text, _) = log("initial: a
enter:
  - run: exit 3
states:
  a:
    do: []
    next: done
exit:
  - run: exit 4
")
    .await;
    let told = |line: &str| text.lines().any(|said| said.ends_with(line));
    assert!(told("step      run (/:enter.0), try 1 of 1"), "{text}");
    assert!(told("sent      exit 3"), "{text}");
}
