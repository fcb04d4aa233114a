//! The answer to a poll: given by the connection's own task, or by the thread that queues packets.

use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use super::direct_writer::SendOutcome;
use super::session::drain::{Drain, Drained};
use super::sync::AtomicBool;
use crate::dialect::Frame;

/// What a connection's task and its [`DirectWriter`](super::DirectWriter) tell each other of the
/// answer to a poll.
///
/// Two flags that cross: the direct writer sets `given`, then reads `pipelined`; the task sets `pipelined`,
/// then reads `given`. Both could read the old value, and the task would sleep for ever, if the
/// session's lock did not order them. The direct writer does both under that lock, in
/// [`DirectWriter::try_send`](super::DirectWriter::try_send). The task takes the lock between the two, in
/// [`Drain::poll_next`] and in [`Answer::claim`]. If the task has it first, the direct writer sees
/// `pipelined` and has the task woken. If the direct writer has it first, the task finds that the poll is
/// over. Reading `given` without the lock, as [`Answer::poll_outcome`] does first, is only a
/// shortcut.
#[derive(Debug, Default)]
pub struct Answer {
    /// The answer was written to the connection.
    given: AtomicBool,
    /// The connection has more to do after the answer.
    pipelined: AtomicBool,
}

/// How waiting for the answer to a poll ended.
#[derive(Debug)]
pub enum PollOutcome {
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
        // Takes the session's lock: a direct writer that was at work has ended, and none begins.
        drain.finish();
        !self.is_given()
    }

    /// Says that the connection has more to do after the answer. A direct writer that gives the
    /// answer after the next [`Answer::poll_outcome`] has the connection's task woken.
    pub fn set_pipelined(&self) {
        self.pipelined.store(true, Ordering::Release);
    }

    /// Says that the answer was written, and whether the connection took the `whole` of it at once.
    /// Only after this may anything else be written there. A direct writer calls this under the
    /// session's lock; the connection's task only after [`Answer::claim`].
    pub fn give(&self, whole: bool) -> SendOutcome {
        self.given.store(true, Ordering::Release);
        SendOutcome::Answered { done: whole && !self.pipelined.load(Ordering::Acquire) }
    }

    /// Waits for the answer, or for what it is to be. `read_ahead` reads what the client says
    /// meanwhile: ready with true if it read anything, with false at the end of the connection.
    pub fn poll_outcome(
        &self,
        cx: &mut Context<'_>,
        drain: &mut Drain,
        batch: &mut Vec<Frame>,
        mut read_ahead: impl FnMut(&mut Context<'_>) -> Poll<bool>,
    ) -> Poll<PollOutcome> {
        loop {
            if self.is_given() {
                // A direct writer answered while we waited.
                return Poll::Ready(PollOutcome::Answered);
            }
            if let Poll::Ready(drained) = drain.poll_next(cx, batch) {
                return Poll::Ready(PollOutcome::Drained(drained));
            }
            match read_ahead(cx) {
                // A direct writer that answers from here on wakes this task. One that answered just
                // now may not: the next turn of the loop finds out.
                Poll::Ready(true) => self.set_pipelined(),
                Poll::Ready(false) => return Poll::Ready(PollOutcome::Lost),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
