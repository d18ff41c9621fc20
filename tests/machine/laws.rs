//! The laws, over random recipes and random events.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};
use tf_engine::machine::{Chart, GRACE};

use crate::fold::Fold;
use crate::journey::{any_tape, travel};
use crate::random::{RecipeShape, any_recipe};

fn chart(shape: &RecipeShape) -> Arc<Chart> {
    Arc::new(Chart::build(&shape.recipe(), "provision").unwrap())
}

/// How they shrink; how many there are is told by `PROPTEST_CASES`.
pub(crate) fn config() -> ProptestConfig {
    ProptestConfig {
        max_shrink_iters: 20_000,
        max_global_rejects: 100_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn facts_obey_the_laws(shape in any_recipe(), tape in any_tape()) {
        let chart = chart(&shape);
        let mut fold = Fold::new(&chart);
        let turns = travel(&chart, &tape, |machine, turned| fold.turn(machine, turned));
        let over = turns.last().unwrap().at;
        if !tape.slow && let Some(worst) = chart.worst_case() {
            assert!(over.0 <= worst, "{over:?} is longer than {worst:?}");
        }
        if let (Some(halted), Some(leaving), false) = (fold.halted(), chart.worst_leaving(), tape.slow) {
            let longest = halted.after(GRACE).after(leaving);
            assert!(over <= longest, "{over:?} is later than {longest:?}");
        }
    }

    #[test]
    fn a_clone_continues_like_its_original(shape in any_recipe(), tape in any_tape()) {
        let chart = chart(&shape);
        let mut fork = None;
        let turns = travel(&chart, &tape, |machine, turned| {
            let now = turned.at.after(Duration::ZERO);
            if let Some(mut before) = fork.replace(machine.clone()) {
                let turn = before.advance(turned.event, now);
                assert_eq!((&turn.facts, &turn.next), (&turned.facts, &turned.next));
                assert_eq!(before.configuration(), machine.configuration());
            }
        });
        let again = travel(&chart, &tape, |_, _| {});
        prop_assert_eq!(turns, again);
    }
}
