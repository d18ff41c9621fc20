//! What the probes make of a failure.

use super::evidence::Evidence;
use crate::engine::memory::Memory;
use crate::engine::record::What;
use crate::engine::summary::RunReport;
use crate::machine::End;
use crate::recipe::Verdict;

/// Whether a failure is one that probes can explain: the run ended by itself, all its scopes are left,
/// and it was no test or job that failed.
pub(super) fn is_open(report: &RunReport) -> bool {
    matches!(report.ending.end, End::Failure { .. } | End::Unrecoverable)
        && matches!(
            report.verdict,
            Verdict::Infra | Verdict::Device | Verdict::Image
        )
        && report.left_open.is_empty()
}

/// The place of the probe that decides whose fault it was; `None`: what the failure looked like
/// stays. The first in order that does not hold, of those that may speak against it:
///
/// - broken gear of the lab overrules everything: nothing can be said of a board behind it;
/// - a verdict that the recipe wrote stays otherwise;
/// - a board (or image) that does not answer is no news where the lab's gear has failed, which may
///   have left it so; it only tells board and image from each other.
fn decides(looked_like: Verdict, written: bool, evidence: &[Evidence]) -> Option<usize> {
    evidence.iter().position(|one| match one.against() {
        Some(Verdict::Infra) => true,
        Some(Verdict::Job | Verdict::Test) => !written,
        Some(Verdict::Device | Verdict::Image) => {
            !written && matches!(looked_like, Verdict::Device | Verdict::Image)
        }
        Some(Verdict::Ok | Verdict::Cancelled) | None => false,
    })
}

/// Lays a failure where the probes say, and gives the fact of it where one of them decided.
pub(in crate::engine) fn lay(
    memory: &Memory,
    report: &mut RunReport,
    evidence: Vec<Evidence>,
) -> Option<What> {
    let written = report
        .decided
        .as_ref()
        .is_some_and(|decided| decided.written);
    let at = decides(report.verdict, written, &evidence);
    report.evidence = evidence;
    report.blamed = at;
    let decisive = report.evidence.get(at?)?;
    let verdict = decisive.against()?;
    report.verdict = verdict;
    let softened = verdict == Verdict::Infra
        && report.ending.end == End::Unrecoverable
        && memory.lab_failure_status() == Some(1);
    if softened {
        report.ending.end = End::Failure { status: 1 };
    }
    Some(What::Blamed {
        probe: decisive.probe.clone(),
        verdict,
        exit_status: softened.then_some(1),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};

    use super::*;

    fn one(holds: Option<bool>, verdict: Verdict) -> Evidence {
        Evidence {
            probe: "x".into(),
            holds,
            verdict: Some(verdict),
            message: String::new(),
            took: Duration::ZERO,
        }
    }

    #[test]
    fn the_first_that_may_speak_decides() {
        #[track_caller]
        fn case(looked_like: Verdict, written: bool, failed: &[Verdict], expected: Option<usize>) {
            let evidence: Vec<Evidence> = failed
                .iter()
                .map(|verdict| one(Some(false), *verdict))
                .collect();
            assert_eq!(decides(looked_like, written, &evidence), expected);
        }
        use Verdict::{Device, Image, Infra, Job};
        case(Device, false, &[], None);
        case(Device, false, &[Infra, Device], Some(0));
        case(Device, false, &[Device, Infra], Some(0));
        case(Image, false, &[Infra], Some(0));
        case(Image, false, &[Device], Some(0));
        // The lab's gear failed, and the board is as that left it.
        case(Infra, false, &[Device], None);
        case(Infra, false, &[Device, Infra], Some(1));
        case(Infra, false, &[Job], Some(0));
        // A written verdict yields to the lab's gear alone.
        case(Device, true, &[Image, Job, Device], None);
        case(Image, true, &[Device, Infra], Some(1));
    }

    fn verdict() -> impl Strategy<Value = Verdict> {
        prop_oneof![
            Just(Verdict::Infra),
            Just(Verdict::Device),
            Just(Verdict::Image),
            Just(Verdict::Job),
            Just(Verdict::Test)
        ]
    }

    proptest! {
        #[test]
        fn what_holds_or_is_not_known_decides_nothing(
            looked_like in verdict(),
            written in any::<bool>(),
            found in proptest::collection::vec((proptest::option::of(any::<bool>()), verdict()), 0..8),
        ) {
            let evidence: Vec<Evidence> =
                found.iter().map(|(holds, verdict)| one(*holds, *verdict)).collect();
            let decided = decides(looked_like, written, &evidence);
            prop_assert_eq!(
                decided.is_none_or(|at| evidence[at].holds == Some(false)),
                true
            );
            // Without those that hold it comes out the same.
            let failed: Vec<Evidence> =
                evidence.iter().filter(|one| one.holds == Some(false)).cloned().collect();
            let alone = decides(looked_like, written, &failed);
            prop_assert_eq!(
                decided.map(|at| evidence[at].verdict),
                alone.map(|at| failed[at].verdict)
            );
            // Whatever is broken, the lab's gear is named if it is among it.
            let lab = failed.iter().any(|one| one.verdict == Some(Verdict::Infra));
            prop_assert_eq!(lab && decided.is_none(), false);
        }
    }
}
