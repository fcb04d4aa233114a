//! A model of the packets that go through a session, which checks that none is lost, repeated or late.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::dialect::{Dialect, Frame, Message, Wire};
use crate::engine::{CloseReason, Delivery, DirectWriter, Handler, Receiver, SendOutcome, Session};

/// A value that the client and its connections share.
#[derive(Debug, Default)]
pub struct Shared<T>(Arc<Mutex<T>>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Shared(Arc::clone(&self.0))
    }
}

impl<T> Shared<T> {
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Packets to the client, numbered in the order in which they were pushed.
#[derive(Debug, Default)]
pub struct Outbound {
    pushed: Vec<Pushed>,
    /// The first packet that may arrive now.
    next: usize,
    /// The value of `next` before an unconfirmed upgrade.
    before_upgrade: Option<usize>,
}

#[derive(Debug)]
struct Pushed {
    reliable: bool,
    attached: bool,
}

impl Outbound {
    /// Makes the frames of a new packet.
    pub fn packet(&mut self, delivery: Delivery, attached: bool, size: usize) -> Vec<Frame> {
        let number = self.pushed.len();
        self.pushed.push(Pushed { reliable: delivery == Delivery::Reliable, attached });
        let mut frames = vec![Frame::text(format!("m{number} {}", "x".repeat(size)))];
        if attached {
            frames.push(Frame::Binary(Bytes::from(number.to_string())));
        }
        frames
    }

    /// Checks frames that arrive at the client.
    pub fn arrive(&mut self, frames: &[Frame]) {
        let mut frames = frames.iter();
        while let Some(frame) = frames.next() {
            let Frame::Text(text) = frame else { panic!("an attachment without its packet") };
            let text = std::str::from_utf8(text).expect("text");
            let Some(number) = text.strip_prefix('m').and_then(|text| text.split(' ').next())
            else {
                continue; // a packet of the session layer
            };
            let at: usize = number.parse().expect("a number");
            assert!(at >= self.next, "packet {at} again, or late: {} was next", self.next);
            let lost = self.pushed[self.next..at].iter().any(|packet| packet.reliable);
            assert!(!lost, "packet {at} came, and {} did not", self.next);
            self.next = at + 1;
            if self.pushed[at].attached {
                assert_eq!(frames.next(), Some(&Frame::Binary(number.to_owned().into())));
            }
        }
    }

    pub fn next(&self) -> usize {
        self.next
    }

    /// The session was upgraded before packet `next` arrived.
    pub fn upgraded(&mut self, next: usize) {
        self.before_upgrade = Some(next);
    }

    /// The upgrade was reverted: the packets since then are sent again.
    pub fn reverted(&mut self) {
        self.next = self.before_upgrade.take().expect("an upgrade before the revert");
    }

    /// Whether all reliable packets have arrived.
    pub fn is_complete(&self) -> bool {
        !self.pushed[self.next..].iter().any(|packet| packet.reliable)
    }
}

/// A connection to which the session writes directly.
#[derive(Debug)]
pub struct Connection {
    pub outbound: Shared<Outbound>,
    pub outcome: SendOutcome,
}

impl DirectWriter for Connection {
    fn try_send(&self, frames: &[Frame], _dialect: &dyn Dialect, _wire: &Wire) -> SendOutcome {
        self.outbound.lock().arrive(frames);
        self.outcome
    }
}

/// Messages of the client, numbered, and the receiver's calls.
#[derive(Debug, Default)]
pub struct Inbound {
    submitted: usize,
    /// The messages that the session has certainly accepted.
    accepted: Vec<usize>,
    /// The messages for which the receiver was called.
    received: Vec<usize>,
    opened: usize,
    closed: usize,
    /// Whether a call is under way.
    calling: bool,
    /// Whether a call was dropped before its end.
    cut_short: bool,
}

impl Inbound {
    pub fn message(&mut self) -> (usize, Message) {
        let number = self.submitted;
        self.submitted += 1;
        (number, Message::Text(number.to_string()))
    }

    pub fn accepted(&mut self, numbers: Vec<usize>) {
        self.accepted.extend(numbers);
    }

    /// Checks the calls after the end of the session.
    pub fn check(&self) {
        assert!(!self.cut_short && !self.calling, "a call did not run to its end");
        assert!(self.opened <= 1, "opened {} times", self.opened);
        assert_eq!(self.closed, self.opened, "told of the end");
        assert!(self.received.is_sorted_by(|a, b| a < b), "out of order: {:?}", self.received);
        let lost = self.accepted.iter().find(|number| self.received.binary_search(number).is_err());
        assert_eq!(lost, None, "accepted and not received, of {:?}", self.received);
    }
}

/// Makes the receivers of sessions.
pub struct TestHandler {
    pub inbound: Shared<Inbound>,
    /// How long each call takes.
    pub call_time: Duration,
}

impl Handler for TestHandler {
    fn open(&self, _session: &Arc<Session>) -> Box<dyn Receiver> {
        Box::new(TestReceiver { inbound: self.inbound.clone(), call_time: self.call_time })
    }
}

struct TestReceiver {
    inbound: Shared<Inbound>,
    call_time: Duration,
}

/// A call under way. If it is dropped before its end, the call was cut short.
struct Call(Shared<Inbound>);

impl Drop for Call {
    fn drop(&mut self) {
        let mut inbound = self.0.lock();
        inbound.cut_short |= std::mem::take(&mut inbound.calling);
    }
}

impl TestReceiver {
    fn call(&mut self, record: impl FnOnce(&mut Inbound) + Send + 'static) -> BoxFuture<'_, ()> {
        let (inbound, call_time) = (self.inbound.clone(), self.call_time);
        Box::pin(async move {
            {
                let mut inbound = inbound.lock();
                assert!(!std::mem::replace(&mut inbound.calling, true), "two calls at once");
                assert!(inbound.closed == 0, "a call after the last");
                record(&mut inbound);
            }
            let call = Call(inbound);
            if !call_time.is_zero() {
                tokio::time::sleep(call_time).await;
            }
            call.0.lock().calling = false;
        })
    }
}

impl Receiver for TestReceiver {
    fn opened(&mut self) -> BoxFuture<'_, ()> {
        self.call(|inbound| inbound.opened += 1)
    }

    fn message(&mut self, message: Message) -> BoxFuture<'_, ()> {
        let Message::Text(number) = message else { panic!("no such message was sent") };
        let number = number.parse().expect("a number");
        self.call(move |inbound| inbound.received.push(number))
    }

    fn nudged(&mut self) -> BoxFuture<'_, ()> {
        self.call(|_| {})
    }

    fn closed(&mut self, _reason: CloseReason) -> BoxFuture<'_, ()> {
        self.call(|inbound| inbound.closed += 1)
    }
}
