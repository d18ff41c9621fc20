//! A bound inside a try: on one line, one probe, one step of a driver.

use std::time::Duration;

use super::StepError;
use crate::recipe::{ErrorKind, duration};
use crate::transport::Stop;

/// How long what has passed its bound may take to end before it is killed (as the machine's own
/// bounds have it).
const GRACE: Duration = Duration::from_secs(5);

/// Does `work` under a stop of its own, which fires with the outer one and once `limit` has passed.
/// Answers with what came of it, and whether the limit had passed.
pub(super) async fn within<T, F: Future<Output = T>>(
    limit: Option<Duration>,
    stop: &Stop,
    work: impl FnOnce(Stop) -> F,
) -> (T, bool) {
    let own = Stop {
        ask: stop.ask.child_token(),
        kill: stop.kill.child_token(),
    };
    let mut work = Box::pin(work(own.clone()));
    let Some(limit) = limit else {
        return (work.await, false);
    };
    tokio::select! {
        biased;
        done = &mut work => return (done, false),
        () = tokio::time::sleep(limit) => own.ask.cancel(),
    }
    tokio::select! {
        biased;
        done = &mut work => return (done, true),
        () = tokio::time::sleep(GRACE) => own.kill.cancel(),
    }
    (work.await, true)
}

/// The error of what was ended by its `timeout`.
pub(super) fn late(error: StepError, limit: Duration) -> StepError {
    StepError {
        kind: match error.kind {
            // A request that may have had its effect.
            ErrorKind::Lost => ErrorKind::Lost,
            _ => ErrorKind::Timeout,
        },
        message: format!(
            "{} (its `timeout` of {} was hit)",
            error.message,
            duration::print(limit)
        ),
        ..error
    }
}
