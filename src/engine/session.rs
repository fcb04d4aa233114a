//! One client's session.
//!
//! Lock order: a lock further to the right may be taken while one to its left is held, never the
//! other way round.
//!
//! ```text
//! sockets of a session ─► session ─► writer of a connection ─► TLS
//!    (socketio)          (state())     (DirectWriter::try_send)
//! ```
//!
//! The locks of the registry, of the deadline queue and of the pause detector are leaves: they are
//! held for one operation, and nothing else is locked meanwhile. They are not taken under the
//! session's lock either. Wakers, receivers and [`Connection::cut`](super::Connection::cut) may
//! lead back to the session, so they are called after its lock is released: `State` returns them.

pub(super) mod attach;
pub(super) mod calls;
pub(super) mod drain;
pub(super) mod due;
pub(super) mod intake;
pub(super) mod outbound;
pub(super) mod posting;
pub(super) mod upgrade;

use std::sync::{Arc, PoisonError};
use std::task::Waker;

use bytes::Bytes;
use tokio::time::Instant;
use tracing::{Span, debug_span};

use super::event::SessionEvent;
use super::handshake::{Handshake, NewSession, TransportInfo};
use super::inbox::Input;
use super::limits::Limits;
use super::reason::CloseReason;
use super::shared::Shared;
use super::sid::Sid;
use super::state::{Closed, Over, Phase, State};
use super::sync::{Mutex, MutexGuard};
use crate::dialect::{Dialect, Frame, Malformed, Requests, Wire};

/// A client, however it is connected at the moment. Lives from the handshake until it is closed,
/// falls silent, or the server stops.
pub struct Session {
    sid: Sid,
    dialect: &'static dyn Dialect,
    wire: Wire,
    handshake: Handshake,
    shared: Arc<Shared<Session>>,
    /// The first packet. In some dialects a transport that takes over is greeted with it again.
    open: Bytes,
    state: Mutex<State>,
    span: Span,
    opened: Instant,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Session").field(&self.sid).finish()
    }
}

impl Session {
    pub(super) fn new(
        sid: Sid,
        new_session: NewSession<'_>,
        shared: Arc<Shared<Session>>,
        open: Frame,
    ) -> Self {
        let NewSession { dialect, wire, transport, upgrades, handshake } = new_session;
        let span = debug_span!(
            "session", %sid, generation = handshake.generation,
            remote = %handshake.remote.map_or("unknown".to_owned(), |remote| remote.to_string())
        );
        let opened = Instant::now();
        let mut state = State::new(transport, &shared.limits, opened);
        state.tracker_token = Some(shared.tasks.token());
        state.queue.push_control(open.clone());
        // It is text in every dialect.
        let (Frame::Text(open) | Frame::Binary(open)) = open;
        let state = Mutex::new(state);
        let session = Session { sid, dialect, wire, handshake, shared, open, state, span, opened };
        session.tell(&SessionEvent::Handshake { transport: transport.name, offered: upgrades });
        session
    }

    /// Tells the log and the observer what happened. Not to be called under a lock of the session.
    pub fn tell(&self, event: &SessionEvent<'_>) {
        self.span.in_scope(|| event.log());
        if let Some(observer) = &self.shared.observer {
            observer.observe(self, event);
        }
    }

    /// The session's id.
    pub fn sid(&self) -> Sid {
        self.sid
    }

    /// The id where the session has it: for tables that keep none of their own.
    pub(crate) fn sid_ref(&self) -> &Sid {
        &self.sid
    }

    /// The wire generation.
    pub fn dialect(&self) -> &'static dyn Dialect {
        self.dialect
    }

    /// How its packets travel, as its handshake says.
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// What its handshake told of the client.
    pub fn handshake(&self) -> &Handshake {
        &self.handshake
    }

    /// The limits that it has.
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// The span that everything about this session is logged under.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// Notes that the client left a connection for another transport, and returns how many it has
    /// left by now.
    pub fn give_up_connection(&self) -> u32 {
        let mut state = self.state();
        state.given_up = state.given_up.wrapping_add(1);
        state.given_up
    }

    /// How many connections the client has left for another transport.
    pub fn connections_given_up(&self) -> u32 {
        self.state().given_up
    }

    /// Since when it has been there.
    pub fn opened(&self) -> Instant {
        self.opened
    }

    /// The name of the transport in use.
    pub fn transport(&self) -> &'static str {
        self.state().transport.name
    }

    /// Whether it is neither closing nor over.
    pub fn is_open(&self) -> bool {
        self.state().phase == Phase::Open
    }

    /// Waits until nothing goes either way any more.
    pub async fn over(&self) {
        loop {
            let over = self.shared.over.notified();
            if matches!(self.state().phase, Phase::Closed(_)) {
                return;
            }
            over.await;
        }
    }

    /// Whether a request is there to take packets at this moment.
    pub fn is_drained(&self) -> bool {
        self.state().outlet.is_some()
    }

    /// Whether a packet of now would go out at once: a request is there to take it, and nothing waits
    /// before it, neither here nor with a connection.
    pub fn is_idle(&self) -> bool {
        let state = self.state();
        state.outlet.is_some() && state.queue.is_empty() && state.held_elsewhere() == 0
    }

    /// Whether another transport is being probed.
    pub fn is_upgrading(&self) -> bool {
        self.state().candidate.is_some()
    }

    /// Whether a POST is under way.
    pub fn is_posting(&self) -> bool {
        self.state().posting > 0
    }

    /// Why the session is over, if it is.
    pub fn close_reason(&self) -> Option<CloseReason> {
        match self.state().phase {
            Phase::Open => None,
            Phase::Lingering(reason) | Phase::Closed(reason) => Some(reason),
        }
    }

    #[cfg(test)]
    pub(super) fn shared(&self) -> &Arc<Shared<Session>> {
        &self.shared
    }

    /// Takes the session's lock: see the lock order above.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        #[cfg(test)]
        LOCKS.with(|locks| locks.set(locks.get() + 1));
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_lenient(&self) -> bool {
        self.dialect.rules().requests == Requests::Lenient
    }

    /// Has the receiver's [`Receiver::nudged`](super::Receiver::nudged) called, when its turn
    /// comes.
    pub fn nudge(self: &Arc<Self>) {
        let call = self.state().inbox.put(Input::Nudged);
        self.spawn_calls(call);
    }

    /// Ends the session. Returns at once; the receiver hears of it after all that came before.
    pub fn close(self: &Arc<Self>, reason: CloseReason) {
        let now = Instant::now();
        let (closed, transport, silent) = {
            let mut state = self.state();
            let (transport, silent) = (state.transport.name, state.silent(now));
            (state.close(reason, self.limits(), now), transport, silent)
        };
        let Some(Closed { wakers, cut, over }) = closed else { return };
        if reason.is_slowness() {
            self.shared.count_slow_reader();
        }
        self.tell(&SessionEvent::Closed { reason, transport, silent });
        cut.iter().for_each(|connection| connection.cut());
        wakers.into_iter().for_each(Waker::wake);
        match over {
            Some(over) => self.deregister_and_notify(over),
            None => self.reschedule(),
        }
    }

    /// Ends the session because of input that is not the dialect's.
    pub fn malformed(self: &Arc<Self>, error: Malformed) {
        self.close(CloseReason::Malformed(error.0));
    }

    /// Ends the session if that transport carries it; a transport that only probes ends alone.
    pub fn close_on(self: &Arc<Self>, info: &'static TransportInfo, reason: CloseReason) {
        if self.state().transport.wire == info.wire {
            self.close(reason);
        }
    }

    /// The session is over: removes it from the registry and tells its receiver.
    pub(super) fn deregister_and_notify(self: &Arc<Self>, Over(call): Over) {
        self.shared.registry.remove(&self.sid);
        self.shared.over.notify_waiters();
        self.spawn_calls(call);
    }
}

#[cfg(test)]
std::thread_local! {
    /// How often this thread has taken a session's lock.
    static LOCKS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that the allocator takes for one: the next larger size is 896.
    const BLOCK: usize = 768;

    #[test]
    fn a_session_fits_its_block() {
        let with_counts = size_of::<Session>() + 2 * size_of::<usize>();
        assert!(with_counts <= BLOCK, "{with_counts}");
    }
}
