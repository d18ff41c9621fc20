//! Work that lives as long as its scope (`capture`), and the tokens that tell it and every try to end:
//! run over scope over try.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::record::NamedStep;
use crate::actions::{Held, Note};
use crate::machine::{StateId, StepId, TryId};

/// How long such work may take to end.
const CLOSING: Duration = Duration::from_secs(1);

/// Work that an enter step left behind.
#[derive(Debug)]
struct Work {
    id: TryId,
    step: StepId,
    name: NamedStep,
    held: Held,
    notes: mpsc::Receiver<Note>,
}

/// The open scopes of a run, with what lives in them.
#[derive(Debug, Default)]
pub(super) struct Scopes {
    run: CancellationToken,
    open: Vec<(StateId, CancellationToken)>,
    works: Vec<Work>,
}

impl Scopes {
    /// A scope was entered.
    pub(super) fn entered(&mut self, scope: StateId) {
        let token = self.innermost().child_token();
        self.open.push((scope, token));
    }

    /// A scope has left: whatever is still about in it is told to end.
    pub(super) fn left(&mut self, scope: StateId) {
        if let Some(at) = self.open.iter().rposition(|(open, _)| *open == scope) {
            for (_, token) in self.open.drain(at..) {
                token.cancel();
            }
        }
    }

    /// The token of the innermost open scope, or of the run.
    pub(super) fn innermost(&self) -> &CancellationToken {
        self.open.last().map_or(&self.run, |(_, token)| token)
    }

    /// Keeps what an enter step left.
    pub(super) fn keep(
        &mut self,
        id: TryId,
        step: StepId,
        name: NamedStep,
        held: Held,
        notes: mpsc::Receiver<Note>,
    ) {
        self.works.push(Work {
            id,
            step,
            name,
            held,
            notes,
        });
    }

    /// This try did not count although it ended well, and no close follows: what it left is told to end.
    pub(super) fn overruled(&mut self, id: TryId) {
        for work in self.works.extract_if(.., |work| work.id == id) {
            work.held.close.cancel();
        }
    }

    /// Ends what this step left. Gives a complaint where that did not end in time: it is cut off then.
    pub(super) async fn close(&mut self, step: StepId) -> Option<(NamedStep, String)> {
        let mut complaint = None;
        while let Some(at) = self.works.iter().rposition(|work| work.step == step) {
            let work = self.works.swap_remove(at);
            complaint = end(work).await.or(complaint);
        }
        complaint
    }

    /// The run is over: ends everything.
    pub(super) async fn close_all(&mut self) -> Vec<(NamedStep, String)> {
        let mut complaints = Vec::new();
        while let Some(work) = self.works.pop() {
            complaints.extend(end(work).await);
        }
        self.run.cancel();
        complaints
    }

    /// What the work of open scopes says; pends while none says anything.
    pub(super) async fn note(&mut self) -> (NamedStep, Note) {
        std::future::poll_fn(|cx| {
            for work in &mut self.works {
                if let std::task::Poll::Ready(Some(note)) = work.notes.poll_recv(cx) {
                    return std::task::Poll::Ready((work.name.clone(), note));
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}

impl Drop for Scopes {
    fn drop(&mut self) {
        self.run.cancel();
        for work in &self.works {
            work.held.close.cancel();
        }
    }
}

async fn end(mut work: Work) -> Option<(NamedStep, String)> {
    work.held.close.cancel();
    // Nobody reads its notes any more; a full channel must not keep it from ending.
    work.notes.close();
    if tokio::time::timeout(CLOSING, &mut work.held.task)
        .await
        .is_ok()
    {
        return None;
    }
    work.held.task.abort();
    let text = format!(
        "did not end within {} s of its scope's end, and was cut off",
        CLOSING.as_secs()
    );
    Some((work.name, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::Notes;

    fn name() -> NamedStep {
        NamedStep {
            state: "/".into(),
            place: "/:enter.0".into(),
            name: "capture".into(),
        }
    }

    #[tokio::test]
    async fn work_ends_when_it_is_closed_and_says_so_when_it_does_not() {
        let mut scopes = Scopes::default();
        let close = CancellationToken::new();
        let (notes, said) = Notes::channel(1);
        let closing = close.clone();
        let task = tokio::spawn(async move {
            notes.say(Note::Doing("reading".to_owned())).await;
            closing.cancelled().await;
        });
        scopes.keep(TryId(0), StepId(0), name(), Held { close, task }, said);
        let (_, note) = scopes.note().await;
        assert_eq!(note, Note::Doing("reading".to_owned()));
        assert_eq!(scopes.close(StepId(0)).await, None);

        let (_, said) = Notes::channel(1);
        let stuck = Held {
            close: CancellationToken::new(),
            task: tokio::spawn(std::future::pending()),
        };
        scopes.keep(TryId(1), StepId(1), name(), stuck, said);
        let complaint = scopes.close(StepId(1)).await;
        assert!(complaint.is_some_and(|(_, text)| text.contains("within 1 s")));
    }

    #[tokio::test]
    async fn the_work_of_a_try_that_does_not_count_is_told_to_end() {
        let mut scopes = Scopes::default();
        let closes: Vec<CancellationToken> = (0..2)
            .map(|id| {
                let close = CancellationToken::new();
                let held = Held {
                    close: close.clone(),
                    task: tokio::spawn(std::future::pending()),
                };
                scopes.keep(TryId(id), StepId(0), name(), held, Notes::channel(1).1);
                close
            })
            .collect();
        scopes.overruled(TryId(1));
        let told: Vec<bool> = closes.iter().map(CancellationToken::is_cancelled).collect();
        assert_eq!(told, [false, true]);
        assert_eq!(scopes.works.len(), 1);
    }

    #[test]
    fn a_scope_that_leaves_ends_what_is_inside_and_no_more() {
        let mut scopes = Scopes::default();
        scopes.entered(StateId(0));
        let outer = scopes.innermost().child_token();
        scopes.entered(StateId(1));
        let inner = scopes.innermost().child_token();
        scopes.left(StateId(1));
        assert!(inner.is_cancelled() && !outer.is_cancelled());
        scopes.left(StateId(0));
        assert!(outer.is_cancelled());
    }
}
