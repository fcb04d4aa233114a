//! The answer to a poll, which the connection's own task or whoever has packets may give.

use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use super::sync::AtomicBool;
use super::{Drain, Drained, Taken};
use crate::dialect::Frame;

/// What a connection's task and its [`Sink`](super::Sink) tell each other of the answer to a poll.
#[derive(Debug, Default)]
pub struct Answer {
    given: AtomicBool,
    /// The connection has more to do after the answer.
    followed: AtomicBool,
}

/// How waiting for the answer to a poll ended.
#[derive(Debug)]
pub enum Waited {
    /// It is to be answered so.
    Drained(Drained),
    /// It was answered.
    Answered,
    /// The connection ended.
    Lost,
}

impl Answer {
    fn is_given(&self) -> bool {
        self.given.load(Ordering::Acquire)
    }

    /// Ends the poll's turn to take packets. True if the answer is for the caller to give: nobody else has, and
    /// from here on nobody else can.
    pub fn claim(&self, drain: Drain) -> bool {
        drain.finish();
        !self.is_given()
    }

    /// Says that the connection has more to do after the answer. Whoever gives it after the next
    /// [`Answer::poll_waited`] has the connection woken.
    pub fn be_followed(&self) {
        self.followed.store(true, Ordering::Release);
    }

    /// Says that the answer was put, and whether the connection took the `whole` of it at once. Only now may
    /// anything else be put there.
    pub fn give(&self, whole: bool) -> Taken {
        self.given.store(true, Ordering::Release);
        Taken::Answered { done: whole && !self.followed.load(Ordering::Acquire) }
    }

    /// Waits for the answer, or for what it is to be. `read_ahead` reads what the client says meanwhile: ready
    /// with true if it read anything, with false if that is the end.
    pub fn poll_waited(
        &self,
        cx: &mut Context<'_>,
        drain: &mut Drain,
        batch: &mut Vec<Frame>,
        mut read_ahead: impl FnMut(&mut Context<'_>) -> Poll<bool>,
    ) -> Poll<Waited> {
        loop {
            if self.is_given() {
                // By somebody else, while we waited.
                return Poll::Ready(Waited::Answered);
            }
            if let Poll::Ready(drained) = drain.poll_next(cx, batch) {
                return Poll::Ready(Waited::Drained(drained));
            }
            match read_ahead(cx) {
                // Whoever answers now has to say so; who just did may not have.
                Poll::Ready(true) => self.be_followed(),
                Poll::Ready(false) => return Poll::Ready(Waited::Lost),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
