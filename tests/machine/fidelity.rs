//! The explorer tells the truth about runs: what the engine does on a virtual clock is one of the runs
//! that were explored, try by try, to the same end.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any};
use proptest::test_runner::TestRunner;
use tf_engine::check::explore::{Options, admits};
use tf_engine::diagnostic::Findings;
use tf_engine::engine::What;
use tf_engine::engine::scenario::{Logged, Played, Statuses, Suite};
use tf_engine::machine::{Chart, Outcome, StepId};
use tf_engine::recipe::library::Library;

use crate::written::{Written, written};

const STATUSES: Statuses = Statuses {
    of: tf_engine::machine::End::status,
    refused: 2,
};

/// What became of the cases.
#[derive(Debug, Default)]
struct Figures {
    cases: usize,
    refused: usize,
    /// By the first complaint's code.
    complaints: BTreeMap<&'static str, usize>,
    /// Too many runs begin alike.
    large: usize,
    exits: BTreeMap<u8, usize>,
    tries: usize,
}

fn played(folder: &Path, written: &Written, figures: &mut Figures) -> Option<(Suite, Played)> {
    std::fs::write(folder.join("written.yaml"), &written.recipe).unwrap();
    let path = folder.join("written.test.yaml");
    std::fs::write(&path, &written.scenario).unwrap();
    let library = Library::new([folder.to_owned()]);
    let opened = Suite::open(&library, &path.to_string_lossy());
    let mut note = |findings: &Findings| {
        let first = findings
            .0
            .iter()
            .find(|finding| finding.severity == tf_engine::diagnostic::Severity::Error);
        let code = first.map_or("none", |finding| finding.code.number());
        *figures.complaints.entry(code).or_default() += 1;
        figures.refused += 1;
    };
    let Some(suite) = opened.suite else {
        note(&opened.findings);
        return None;
    };
    let findings = tf_engine::check::check(&suite.recipe);
    if findings.has_errors() {
        note(&findings);
        return None;
    }
    let played = match suite.run(0, STATUSES).unwrap().played {
        Ok(played) => played,
        Err(findings) => {
            note(&findings);
            return None;
        }
    };
    Some((suite, played))
}

/// The tries of a run, in order, and how each ended.
fn tries(chart: &Chart, log: &[Logged]) -> Vec<(StepId, Outcome)> {
    let ended = log.iter().filter_map(|logged| match logged {
        Logged::Fact(record) => match &record.what {
            What::TryEnded { step, outcome, .. } => {
                let name = step.place.rsplit('>').next()?;
                Some((chart.find_step(name).unwrap(), *outcome))
            }
            _ => None,
        },
        Logged::Saying(_) => None,
    });
    ended.collect()
}

/// One case: the run of the engine is one of the explorer's.
fn compare(folder: &Path, tape: &[u8], figures: &mut Figures) -> Result<(), String> {
    let text = written(tape);
    figures.cases += 1;
    let Some((suite, played)) = played(folder, &text, figures) else {
        return Ok(());
    };
    let chart = Chart::build(&suite.recipe, "provision").unwrap();
    let tries = tries(&chart, &played.log);
    *figures.exits.entry(played.exit).or_default() += 1;
    figures.tries += tries.len();
    let options = Options::default();
    match admits(&suite.recipe, "provision", options, &tries, played.exit).unwrap() {
        Some(true) => Ok(()),
        None => {
            figures.large += 1;
            Ok(())
        }
        Some(false) => {
            let told = tries.iter().map(|(step, outcome)| {
                let name = &chart.step(*step).name;
                format!("{name} {outcome:?}")
            });
            Err(format!(
                "no run with exit status {} tries {}\n{}\n{}\n{}",
                played.exit,
                told.collect::<Vec<_>>().join(", "),
                played.reason,
                text.recipe,
                text.scenario,
            ))
        }
    }
}

/// How many cases there are is told by `FIDELITY_CASES`; `FIDELITY_REPORT` names a file for the figures.
#[test]
fn what_the_engine_does_was_explored() {
    let cases = std::env::var("FIDELITY_CASES").ok();
    let cases = cases.and_then(|cases| cases.parse().ok()).unwrap_or(1_000);
    let folder = tempfile::tempdir().unwrap();
    let mut figures = Figures::default();
    let mut runner = TestRunner::new(ProptestConfig {
        cases,
        max_shrink_iters: 3_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let cell = std::cell::RefCell::new(&mut figures);
    let result = runner.run(&vec(any::<u8>(), 0..900), |tape| {
        compare(folder.path(), &tape, &mut cell.borrow_mut())
            .map_err(proptest::test_runner::TestCaseError::fail)
    });
    if let Some(path) = std::env::var_os("FIDELITY_REPORT") {
        std::fs::write(path, format!("{figures:#?}")).unwrap();
    }
    if let Err(proptest::test_runner::TestError::Fail(why, _)) = result {
        panic!("{why}");
    }
    assert!(figures.refused * 2 < figures.cases, "{figures:#?}");
    assert!(figures.large * 50 < figures.cases, "{figures:#?}");
}
