//! Packets on their way out: queued, and sent to the transport that drains the queue.

use std::sync::Arc;
use std::task::Waker;

use tokio::time::Instant;

use super::super::cork::{self, Corked};
use super::super::queue::{Delivery, Outgoing};
use super::super::reason::CloseReason;
use super::super::state::holdings::Begun;
use super::super::state::outlet::Wake;
use super::super::state::{Phase, State};
use super::Session;
use crate::dialect::{Frame, Message};

impl Session {
    /// Queues the frames of one packet, and sends them on their way. At the bound of the queue
    /// `delivery` decides; if reliable ones do not fit, the session is closed as a slow reader.
    pub fn push(self: &Arc<Self>, frames: &[Frame], delivery: Delivery) {
        self.enqueue(Outgoing { frames, delivery, shared: false });
    }

    /// [`Session::push`] for frames that other sessions get as well, of
    /// [`memory::shared`](crate::memory::shared) bytes.
    pub fn push_shared(self: &Arc<Self>, frames: &[Frame], delivery: Delivery) {
        self.enqueue(Outgoing { frames, delivery, shared: true });
    }

    /// Queues a message of the session layer, for applications without Socket.IO.
    pub fn send(self: &Arc<Self>, message: Message) {
        let frame = match message {
            Message::Text(text) => self.dialect.message(&text),
            Message::Binary(data) => Frame::Binary(data),
        };
        self.push(&[frame], Delivery::Reliable);
    }

    fn enqueue(self: &Arc<Self>, packet: Outgoing<'_>) {
        let mut state = self.state();
        if state.phase != Phase::Open {
            return;
        }
        let limits = self.limits();
        let mut pushed = state.push(packet, limits, Instant::now);
        let mut wake = None;
        if pushed.is_err() && state.corked {
            // Packets that a cork holds back must not be what makes it too much.
            wake = self.pump(&mut state);
            pushed = state.push(packet, limits, Instant::now);
        }
        let held_back = pushed.is_ok() && cork::hold(self, !state.corked);
        let mut waits = false;
        if held_back {
            state.corked = true;
        } else if pushed.is_ok() {
            wake = self.pump(&mut state).or(wake);
            waits = state.settle(Instant::now);
        }
        drop(state);
        wake.into_iter().for_each(Waker::wake);
        if pushed.is_err() {
            self.close(CloseReason::SlowReader);
        } else if waits {
            self.shared.check_budget();
        }
    }

    /// Puts packets back that an answer took, and that the client did not get.
    pub fn put_back(&self, frames: Vec<Frame>) {
        let mut state = self.state();
        if state.phase != Phase::Open || frames.is_empty() {
            return;
        }
        state.queue.put_back(frames);
        let wake = self.pump(&mut state);
        let waits = state.settle(Instant::now);
        drop(state);
        wake.into_iter().for_each(Waker::wake);
        if waits {
            self.shared.check_budget();
        }
    }

    /// Sends what is queued on its way, and returns whom to wake for it.
    pub(super) fn pump(&self, state: &mut State) -> Wake {
        state.pump(self.dialect, &self.wire, Instant::now)
    }

    /// Notes that the client has brought so many bytes of something that is not at its end, 0 if it
    /// is. They count as if they waited for the client.
    pub fn begun(&self, what: Begun, bytes: usize) {
        let mut state = self.state();
        if state.phase == Phase::Open {
            state.begun(what, bytes);
            drop(state);
            self.shared.check_budget();
        }
    }

    /// Bytes of memory that wait for the client, and of what it has begun to say.
    pub fn held(&self) -> usize {
        self.state().held().all()
    }
}

impl Corked for Session {
    fn uncork(&self, then: Option<Instant>) -> bool {
        let mut state = self.state();
        if state.answered > then && then.is_some() {
            return false;
        }
        state.corked = false;
        let wake = self.pump(&mut state);
        let waits = state.settle(Instant::now);
        drop(state);
        wake.into_iter().for_each(Waker::wake);
        if waits {
            self.shared.check_budget();
        }
        true
    }
}
