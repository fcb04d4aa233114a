//! The answer to a poll: given by the connection's own task, or by the thread that queues packets.

use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use super::session::drain::{Drain, Drained};
use super::sink::Taken;
use super::sync::AtomicBool;
use crate::dialect::Frame;

/// What a connection's task and its [`Sink`](super::Sink) tell each other of the answer to a poll.
///
/// Two flags that cross: the sink sets `given`, then reads `followed`; the task sets `followed`,
/// then reads `given`. Both could read the old value, and the task would sleep for ever, if the
/// session's lock did not order them. The sink does both under that lock, in
/// [`Sink::take`](super::Sink::take). The task takes the lock between the two, in
/// [`Drain::poll_next`] and in [`Answer::claim`]. If the task has it first, the sink sees
/// `followed` and has the task woken. If the sink has it first, the task finds that the poll is
/// over. Reading `given` without the lock, as [`Answer::poll_waited`] does first, is only a
/// shortcut.
#[derive(Debug, Default)]
pub struct Answer {
    /// The answer was written to the connection.
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

    /// Ends the poll's turn to take packets. True if the caller has to give the answer: nobody else
    /// has, and from here on nobody else can.
    pub fn claim(&self, drain: Drain) -> bool {
        // Takes the session's lock: a sink that was at work has ended, and none begins.
        drain.finish();
        !self.is_given()
    }

    /// Says that the connection has more to do after the answer. A sink that gives the answer after
    /// the next [`Answer::poll_waited`] has the connection's task woken.
    pub fn be_followed(&self) {
        self.followed.store(true, Ordering::Release);
    }

    /// Says that the answer was written, and whether the connection took the `whole` of it at once.
    /// Only after this may anything else be written there. A sink calls this under the session's
    /// lock; the connection's task only after [`Answer::claim`].
    pub fn give(&self, whole: bool) -> Taken {
        self.given.store(true, Ordering::Release);
        Taken::Answered { done: whole && !self.followed.load(Ordering::Acquire) }
    }

    /// Waits for the answer, or for what it is to be. `read_ahead` reads what the client says
    /// meanwhile: ready with true if it read anything, with false at the end of the connection.
    pub fn poll_waited(
        &self,
        cx: &mut Context<'_>,
        drain: &mut Drain,
        batch: &mut Vec<Frame>,
        mut read_ahead: impl FnMut(&mut Context<'_>) -> Poll<bool>,
    ) -> Poll<Waited> {
        loop {
            if self.is_given() {
                // A sink answered while we waited.
                return Poll::Ready(Waited::Answered);
            }
            if let Poll::Ready(drained) = drain.poll_next(cx, batch) {
                return Poll::Ready(Waited::Drained(drained));
            }
            match read_ahead(cx) {
                // A sink that answers from here on wakes this task. One that answered just now may
                // not: the next turn of the loop finds out.
                Poll::Ready(true) => self.be_followed(),
                Poll::Ready(false) => return Poll::Ready(Waited::Lost),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
