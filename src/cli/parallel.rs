//! The same work for many things at once.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Does the same for each, on all processors, and gives the answers in the order of the questions.
pub(super) fn all<Q: Sync, A: Send>(what: &[Q], each: impl Fn(&Q) -> A + Sync) -> Vec<A> {
    let workers = thread::available_parallelism()
        .map_or(1, NonZero::get)
        .min(what.len());
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let at = next.fetch_add(1, Ordering::Relaxed)
            && let Some(what) = what.get(at)
        {
            done.push((at, each(what)));
        }
        done
    };
    let mut done = thread::scope(|scope| {
        // This thread is one of the workers.
        let others: Vec<_> = (1..workers).map(|_| scope.spawn(work)).collect();
        let mut done = work();
        for other in others {
            match other.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, answer)| answer).collect()
}
