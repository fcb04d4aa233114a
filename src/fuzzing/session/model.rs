//! What has to come of what goes through a session.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::dialect::{Dialect, Frame, Message, Wire};
use crate::engine::{CloseReason, Delivery, DirectWriter, Handler, Receiver, SendOutcome, Session};

/// Something that several look at.
#[derive(Debug, Default)]
pub struct Shared<T>(Arc<Mutex<T>>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Shared(Arc::clone(&self.0))
    }
}

impl<T> Shared<T> {
    pub fn get(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Packets to the client, numbered as they were pushed.
#[derive(Debug, Default)]
pub struct Outbound {
    pushed: Vec<Pushed>,
    /// The first that may come now.
    next: usize,
    /// Where the transport before an upgrade goes on, if the upgrade is taken back.
    kept: Option<usize>,
}

#[derive(Debug)]
struct Pushed {
    reliable: bool,
    attached: bool,
}

impl Outbound {
    /// The frames of a new packet.
    pub fn packet(&mut self, delivery: Delivery, attached: bool, size: usize) -> Vec<Frame> {
        let number = self.pushed.len();
        self.pushed.push(Pushed { reliable: delivery == Delivery::Reliable, attached });
        let mut frames = vec![Frame::text(format!("m{number} {}", "x".repeat(size)))];
        if attached {
            frames.push(Frame::Binary(Bytes::from(number.to_string())));
        }
        frames
    }

    /// Frames arrive at the client.
    pub fn arrive(&mut self, frames: &[Frame]) {
        let mut frames = frames.iter();
        while let Some(frame) = frames.next() {
            let Frame::Text(text) = frame else { panic!("an attachment without its packet") };
            let text = std::str::from_utf8(text).expect("text");
            let Some(number) = text.strip_prefix('m').and_then(|text| text.split(' ').next())
            else {
                continue; // of the session layer
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

    /// Another transport has the session since packet `next`, for the time being.
    pub fn upgraded(&mut self, next: usize) {
        self.kept = Some(next);
    }

    /// What that transport got has not arrived.
    pub fn reverted(&mut self) {
        self.next = self.kept.take().expect("only an upgrade is taken back");
    }

    /// Whether all has come that had to.
    pub fn is_complete(&self) -> bool {
        !self.pushed[self.next..].iter().any(|packet| packet.reliable)
    }
}

/// A connection that packets go to directly.
#[derive(Debug)]
pub struct Connection {
    pub outbound: Shared<Outbound>,
    pub outcome: SendOutcome,
}

impl DirectWriter for Connection {
    fn try_send(&self, frames: &[Frame], _dialect: &dyn Dialect, _wire: &Wire) -> SendOutcome {
        self.outbound.get().arrive(frames);
        self.outcome
    }
}

/// Messages of the client, numbered, and the calls that they become.
#[derive(Debug, Default)]
pub struct Inbound {
    submitted: usize,
    /// Those that the session has taken for sure.
    taken: Vec<usize>,
    heard: Vec<usize>,
    opened: usize,
    closed: usize,
    calling: bool,
    cut_short: bool,
}

impl Inbound {
    pub fn message(&mut self) -> (usize, Message) {
        let number = self.submitted;
        self.submitted += 1;
        (number, Message::Text(number.to_string()))
    }

    pub fn taken(&mut self, numbers: Vec<usize>) {
        self.taken.extend(numbers);
    }

    /// The session is over, and has had time.
    pub fn check(&self) {
        assert!(!self.cut_short && !self.calling, "a call did not run to its end");
        assert!(self.opened <= 1, "opened {} times", self.opened);
        assert_eq!(self.closed, self.opened, "told of the end");
        assert!(self.heard.is_sorted_by(|a, b| a < b), "out of order: {:?}", self.heard);
        let lost = self.taken.iter().find(|number| self.heard.binary_search(number).is_err());
        assert_eq!(lost, None, "taken and never heard, of {:?}", self.heard);
    }
}

/// Makes the application of a session.
pub struct Opens {
    pub inbound: Shared<Inbound>,
    /// How long each call takes.
    pub slow: Duration,
}

impl Handler for Opens {
    fn open(&self, _session: &Arc<Session>) -> Box<dyn Receiver> {
        Box::new(Application { inbound: self.inbound.clone(), slow: self.slow })
    }
}

struct Application {
    inbound: Shared<Inbound>,
    slow: Duration,
}

/// A call under way; dropped before its end it is one that was cut short.
struct Call(Shared<Inbound>);

impl Drop for Call {
    fn drop(&mut self) {
        let mut inbound = self.0.get();
        inbound.cut_short |= std::mem::take(&mut inbound.calling);
    }
}

impl Application {
    fn call(&mut self, note: impl FnOnce(&mut Inbound) + Send + 'static) -> BoxFuture<'_, ()> {
        let (inbound, slow) = (self.inbound.clone(), self.slow);
        Box::pin(async move {
            {
                let mut inbound = inbound.get();
                assert!(!std::mem::replace(&mut inbound.calling, true), "two calls at once");
                assert!(inbound.closed == 0, "a call after the last");
                note(&mut inbound);
            }
            let call = Call(inbound);
            if !slow.is_zero() {
                tokio::time::sleep(slow).await;
            }
            call.0.get().calling = false;
        })
    }
}

impl Receiver for Application {
    fn opened(&mut self) -> BoxFuture<'_, ()> {
        self.call(|inbound| inbound.opened += 1)
    }

    fn message(&mut self, message: Message) -> BoxFuture<'_, ()> {
        let Message::Text(number) = message else { panic!("no such message was sent") };
        let number = number.parse().expect("a number");
        self.call(move |inbound| inbound.heard.push(number))
    }

    fn nudged(&mut self) -> BoxFuture<'_, ()> {
        self.call(|_| {})
    }

    fn closed(&mut self, _reason: CloseReason) -> BoxFuture<'_, ()> {
        self.call(|inbound| inbound.closed += 1)
    }
}
