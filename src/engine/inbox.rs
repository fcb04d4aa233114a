//! What waits for a session's receiver, and where the receiver is.
//!
//! A receiver is called for one thing at a time and in order. A [`Call`] that is handed out holds
//! the receiver, so there is never a second one; `session/calls.rs` sees to it that nothing cuts
//! the call short.

use std::collections::VecDeque;
use std::task::Waker;

use super::reason::CloseReason;
use super::receiver::Receiver;
use crate::dialect::Message;

/// Messages that may wait, and bytes of them: a transport that brings more waits with it. A message
/// that begins within the bound is taken whole.
pub(super) const MESSAGES: usize = 16;
const BYTES: usize = 64 * 1024;

/// Something that the receiver is to be called for.
#[derive(Debug)]
pub(super) enum Input {
    Opened,
    Message(Message),
    Nudged,
    /// The last.
    Closed(CloseReason),
}

/// A receiver and what it is to be called for. The caller that gets this has to make the call.
#[must_use]
pub(super) struct Call {
    pub receiver: Box<dyn Receiver>,
    pub input: Input,
}

#[derive(Default)]
enum Place {
    /// It was not made yet.
    #[default]
    Absent,
    /// Here, with nothing to do.
    Idle(Box<dyn Receiver>),
    /// A call is under way.
    Busy,
    /// It has heard of the end, or never will.
    Gone,
}

#[derive(Default)]
pub(super) struct Inbox {
    place: Place,
    waiting: VecDeque<Input>,
    /// Bytes of the messages among them.
    bytes: usize,
    /// Transports that wait for room.
    blocked: Vec<Waker>,
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Inbox").field(&self.waiting).finish()
    }
}

impl Inbox {
    /// Takes the receiver in, with the first thing to do. `None` if the session is over already.
    pub fn install(&mut self, receiver: Box<dyn Receiver>) -> Option<Call> {
        match self.place {
            Place::Absent => {
                self.place = Place::Busy;
                Some(Call { receiver, input: Input::Opened })
            }
            _ => None,
        }
    }

    /// Whether a message may come in.
    pub fn has_room(&self) -> bool {
        self.waiting.len() < MESSAGES && self.bytes < BYTES
    }

    /// Notes a task to wake when there may be room.
    pub fn block(&mut self, waker: &Waker) {
        if !self.blocked.iter().any(|known| known.will_wake(waker)) {
            self.blocked.push(waker.clone());
        }
    }

    /// Whether a transport waits for room: the client would be heard of if the receiver were
    /// faster.
    pub fn is_blocking(&self) -> bool {
        !self.blocked.is_empty()
    }

    /// Takes out the tasks that wait for room, to be woken outside of the lock.
    pub fn unblock(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.blocked)
    }

    /// Has the receiver called for that, when its turn comes. A second nudge is dropped while one
    /// waits.
    pub fn put(&mut self, input: Input) -> Option<Call> {
        match std::mem::take(&mut self.place) {
            Place::Idle(receiver) => {
                self.place = Place::Busy;
                return Some(Call { receiver, input });
            }
            Place::Busy => self.place = Place::Busy,
            Place::Absent if !matches!(input, Input::Closed(_)) => return None,
            Place::Absent | Place::Gone => {
                self.place = Place::Gone;
                return None;
            }
        }
        if matches!((&input, self.waiting.back()), (Input::Nudged, Some(Input::Nudged))) {
            return None;
        }
        self.bytes += size(&input);
        self.waiting.push_back(input);
        None
    }

    /// What the receiver is to be called for next; it stays here if there is nothing.
    pub fn next(&mut self, receiver: Box<dyn Receiver>) -> Option<Call> {
        let Some(input) = self.waiting.pop_front() else {
            self.place = Place::Idle(receiver);
            return None;
        };
        self.bytes -= size(&input);
        if self.waiting.is_empty() {
            self.waiting = VecDeque::new();
        }
        Some(Call { receiver, input })
    }

    /// The receiver has heard of the end.
    pub fn end(&mut self) {
        *self = Inbox { place: Place::Gone, ..Inbox::default() };
    }

    /// Whether no receiver will hear of the end.
    pub fn is_gone(&self) -> bool {
        matches!(self.place, Place::Gone)
    }
}

fn size(input: &Input) -> usize {
    match input {
        Input::Message(Message::Text(text)) => text.len(),
        Input::Message(Message::Binary(data)) => data.len(),
        Input::Opened | Input::Nudged | Input::Closed(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Deaf;
    use super::*;

    fn text(text: &str) -> Input {
        Input::Message(Message::Text(text.into()))
    }

    #[test]
    fn one_thing_at_a_time_in_order_and_the_end_last() {
        let mut inbox = Inbox::default();
        assert!(inbox.put(Input::Nudged).is_none(), "nobody is there to hear");
        let work = inbox.install(Box::new(Deaf)).expect("the first call");
        assert!(matches!(work.input, Input::Opened));
        assert!(inbox.install(Box::new(Deaf)).is_none(), "there is one");
        for input in [text("a"), Input::Nudged, Input::Nudged, text("b")] {
            assert!(inbox.put(input).is_none(), "a call is under way");
        }
        assert!(inbox.put(Input::Closed(CloseReason::ClientClosed)).is_none());
        let mut heard = Vec::new();
        let mut receiver = work.receiver;
        while let Some(work) = inbox.next(receiver) {
            heard.push(format!("{:?}", work.input));
            receiver = work.receiver;
        }
        let expected =
            [r#"Message(Text("a"))"#, "Nudged", r#"Message(Text("b"))"#, "Closed(ClientClosed)"];
        assert_eq!(heard, expected);
        assert!(!inbox.is_gone());
        assert!(matches!(inbox.put(text("c")), Some(Call { input: Input::Message(_), .. })));
        inbox.end();
        assert!(inbox.is_gone());
        assert!(inbox.put(text("d")).is_none());
        assert!(inbox.next(Box::new(Deaf)).is_none(), "nothing waits behind the end");
    }

    #[test]
    fn who_is_over_before_the_start_never_starts() {
        let mut inbox = Inbox::default();
        assert!(inbox.put(Input::Closed(CloseReason::ConnectTimeout)).is_none());
        assert!(inbox.is_gone());
        assert!(inbox.install(Box::new(Deaf)).is_none());
    }

    #[test]
    fn room_is_bounded_in_messages_and_in_bytes() {
        let mut inbox = Inbox::default();
        let Call { receiver, .. } = inbox.install(Box::new(Deaf)).expect("the first call");
        let mut count = 0;
        while inbox.has_room() {
            assert!(inbox.put(text("x")).is_none());
            count += 1;
        }
        assert_eq!(count, MESSAGES);
        assert!(!inbox.is_blocking());
        struct Nobody;
        impl std::task::Wake for Nobody {
            fn wake(self: std::sync::Arc<Self>) {}
        }
        let waker = Waker::from(std::sync::Arc::new(Nobody));
        inbox.block(&waker);
        inbox.block(&waker);
        assert!(inbox.is_blocking());
        assert_eq!(inbox.unblock().len(), 1);
        let mut work = inbox.next(receiver).expect("one of them");
        assert!(inbox.has_room());
        for _ in 0..2 {
            work = inbox.next(work.receiver).expect("another");
        }
        // Room for a message is there as long as the bound is not reached.
        assert!(inbox.put(text(&"x".repeat(BYTES - 1 - inbox.bytes))).is_none());
        assert!(inbox.has_room());
        assert!(inbox.put(text("x")).is_none());
        assert!(!inbox.has_room());
        while let Some(next) = inbox.next(work.receiver) {
            work = next;
            if inbox.bytes == 0 {
                break;
            }
        }
        assert!(inbox.has_room());
    }
}
