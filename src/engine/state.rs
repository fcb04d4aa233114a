//! The state of one session: which transport drains its queue, what its heartbeat expects, how far
//! an upgrade is, whether it is over. No I/O and no clock of its own; every method takes the time.
//!
//! It stands behind the session's lock. What must not happen under that lock, such as waking a task
//! or calling the receiver, is returned to the caller.

pub(super) mod earliest;
pub(super) mod handover;
pub(super) mod holdings;
pub(super) mod liveness;
pub(super) mod outlet;
pub(super) mod tick;
pub(super) mod upgrade;

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::task::task_tracker::TaskTrackerToken;

use self::holdings::{Begun, Held, Holdings};
use self::liveness::Liveness;
use self::outlet::{Outlet, Ticket, Wake};
use self::upgrade::{Candidate, Unconfirmed};
use super::direct_writer::{Connection, SendOutcome};
use super::handshake::TransportInfo;
use super::inbox::{Call, Inbox, Input};
use super::limits::Limits;
use super::queue::{Full, Outgoing, Queue};
use super::reason::CloseReason;
use crate::dialect::{Dialect, Requests, Wire};

/// How long a stopping server waits for a poll that fetches the farewell.
const SHUTDOWN_LINGER: Duration = Duration::from_secs(2);

/// A reader that has been behind for less than this may have half as much again waiting: between
/// two polls a room may say more than a queue holds.
const BEHIND_FOR_LONG: Duration = Duration::from_secs(5);

/// Below this part of its bound a queue is short, whatever the connection keeps.
const FEW: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// Over, but the client is still to fetch what is queued and the farewell.
    Lingering(CloseReason),
    Closed(CloseReason),
}

#[derive(Debug)]
pub(super) struct State {
    pub phase: Phase,
    /// The transport in use.
    pub transport: &'static TransportInfo,
    pub queue: Queue,
    /// The request or connection of that transport, if one is there.
    pub outlet: Option<Outlet>,
    pub candidate: Option<Box<Candidate>>,
    pub unconfirmed: Option<Box<Unconfirmed>>,
    /// POSTs under way.
    pub posting: u8,
    /// Connections that the client has left for another transport.
    pub given_up: u32,
    pub started: bool,
    pub inbox: Inbox,
    holdings: Holdings,
    /// A cork holds packets back and will release them.
    pub corked: bool,
    /// When a direct writer last answered a poll.
    pub answered: Option<Instant>,
    /// When the session is next due, as the deadline queue has it.
    pub scheduled: Option<Instant>,
    /// Lets a stopping server wait for the session's end.
    pub tracker_token: Option<TaskTrackerToken>,
    liveness: Liveness,
    /// The ticket of the last outlet.
    last_ticket: Ticket,
    /// Closes the session then, unless it is cleared before. In a box: soon there is none.
    expiry: Option<Box<(Instant, CloseReason)>>,
    /// A transport must attach by then: the one that got the session back, or a poll that was lost
    /// on its way.
    reattach_deadline: Option<Instant>,
    linger_until: Option<Instant>,
}

/// What is left to do, outside of the lock, for a session that was closed.
pub(super) struct Closed {
    pub wakers: Vec<Waker>,
    /// Connections whose clients read too slowly to be told.
    pub cut: Vec<Arc<dyn Connection>>,
    /// If nothing more is to be sent: the session is over at once.
    pub over: Option<Over>,
}

/// A session is over: it has to leave the registry, and its receiver has to hear of it.
#[must_use]
pub(super) struct Over(pub Option<Call>);

impl State {
    pub fn new(transport: &'static TransportInfo, limits: &Limits, now: Instant) -> Self {
        State {
            phase: Phase::Open,
            transport,
            queue: Queue::default(),
            outlet: None,
            candidate: None,
            unconfirmed: None,
            posting: 0,
            given_up: 0,
            started: false,
            inbox: Inbox::default(),
            holdings: Holdings::default(),
            corked: false,
            answered: None,
            scheduled: None,
            tracker_token: None,
            liveness: Liveness::new(limits, now),
            last_ticket: 0,
            expiry: None,
            reattach_deadline: None,
            linger_until: None,
        }
    }

    /// Begins, on that transport. False if it has already, or is over.
    pub fn start(&mut self, info: &'static TransportInfo, limits: &Limits, now: Instant) -> bool {
        if std::mem::replace(&mut self.started, true) || self.phase != Phase::Open {
            return false;
        }
        self.transport = info;
        self.liveness = Liveness::new(limits, now);
        true
    }

    /// No transport has drained the queue yet.
    pub fn is_new(&self) -> bool {
        self.last_ticket == 0
    }

    /// Queues a packet.
    ///
    /// # Errors
    /// If it does not fit and has to: the reader is too slow.
    pub fn push(
        &mut self,
        packet: Outgoing<'_>,
        limits: &Limits,
        now: impl FnOnce() -> Instant,
    ) -> Result<(), Full> {
        // What a connection has not taken matters only once something waits behind it. So for most
        // packets, connections are not asked.
        let short = self.queue.held() < limits.queue.bytes / FEW && !self.holdings.has_lagging();
        let few = short || self.queue.is_empty();
        let elsewhere = if few { 0 } else { self.held_elsewhere() };
        let bounds = limits.queue.less(elsewhere);
        self.queue.push(packet, bounds).or_else(|Full| {
            if self.queue.behind(now()) >= BEHIND_FOR_LONG {
                return Err(Full);
            }
            self.queue.push(packet, limits.queue.with_grace().less(elsewhere))
        })
    }

    fn held_unconfirmed(&self) -> usize {
        self.unconfirmed.as_ref().map_or(0, |unconfirmed| unconfirmed.bytes)
    }

    /// Bytes that wait for the client outside of the queue: with its connections, or until an
    /// upgrade is confirmed.
    pub fn held_elsewhere(&self) -> usize {
        let with_connections = self.connections().map(|connection| connection.held());
        self.held_unconfirmed() + with_connections.sum::<usize>()
    }

    /// All connections that may keep something for the client.
    fn connections(&self) -> impl Iterator<Item = Arc<dyn Connection>> {
        let current = self.outlet.as_ref().and_then(Outlet::connection);
        current.into_iter().chain(self.holdings.lagging())
    }

    /// See [`Holdings::answered_by`].
    pub fn answered_by(&mut self, connection: &Arc<dyn Connection>) {
        self.holdings.answered_by(connection);
    }

    /// Bytes that wait for the client, wherever they are, and those of what it has begun to say.
    pub fn held(&self) -> Held {
        let own = self.queue.own() + self.held_elsewhere() + self.holdings.begun();
        Held { own, shared: self.queue.held() - self.queue.own() }
    }

    /// The client has brought so many bytes of something that is not at its end.
    pub fn begun(&mut self, what: Begun, bytes: usize) {
        self.holdings.set_begun(what, bytes);
        self.settle(Instant::now);
    }

    /// A body that was so large is so large now.
    pub fn body_grew(&mut self, from: usize, to: usize) {
        self.begun(Begun::Bodies, self.holdings.bodies(from, to));
    }

    /// Accounts for what waits now, and notes since when it waits. True if something does.
    pub fn settle(&mut self, now: impl FnOnce() -> Instant) -> bool {
        self.holdings.charge(self.queue.own() + self.held_unconfirmed());
        self.queue.note_behind(now);
        !self.queue.is_empty()
    }

    /// Sends what is queued on its way: straight into the connection, if its transport waits for
    /// packets and nothing else is going on, else by having the transport woken.
    pub fn pump(&mut self, dialect: &dyn Dialect, wire: &Wire, now: impl Fn() -> Instant) -> Wake {
        let steady = self.phase == Phase::Open && self.unconfirmed.is_none();
        let outlet = self.outlet.as_mut()?;
        let Some(direct_writer) = &outlet.direct_writer else { return outlet.take_waker() };
        if !steady || !outlet.wants || outlet.has_news() {
            return outlet.take_waker();
        }
        let bytes = self.queue.held();
        let goes_straight = || direct_writer.takes(bytes) && direct_writer.is_there();
        if !self.queue.is_empty() && !goes_straight() {
            return outlet.take_waker();
        }
        while !self.queue.is_empty() {
            let parts = self.transport.streams;
            match self.queue.pour(parts, |frames| direct_writer.try_send(frames, dialect, wire)) {
                SendOutcome::Sent => {}
                SendOutcome::Stuck => {
                    outlet.stuck = true;
                    return outlet.take_waker();
                }
                SendOutcome::Answered { done } => {
                    let mut outlet = self.outlet.take()?;
                    if !done && let Some(connection) = outlet.connection() {
                        self.answered_by(&connection);
                    }
                    let now = now();
                    self.answered = Some(now);
                    self.on_request_end(dialect, now);
                    return outlet.take_waker().filter(|_| !done);
                }
            }
        }
        None
    }

    /// A request ended. True if the session goes on without it even if the client dropped it: where
    /// requests are lenient, that is only a pause.
    pub fn on_request_end(&mut self, dialect: &dyn Dialect, now: Instant) -> bool {
        let lenient = dialect.rules().requests == Requests::Lenient && !self.transport.streams;
        if lenient {
            self.liveness.heard(now);
        }
        lenient
    }

    /// Since when nothing has been heard of the client.
    pub fn silent(&self, now: Instant) -> Duration {
        self.liveness.silent(now)
    }

    /// The client answered the heartbeat.
    pub fn ponged(&mut self, limits: &Limits, now: Instant) -> Option<Duration> {
        self.liveness.ponged(limits, now)
    }

    /// There may be room in the inbox: returns the transports to wake that wait for it.
    pub fn unblock(&mut self, now: impl FnOnce() -> Instant) -> Vec<Waker> {
        if self.inbox.is_blocking() {
            // Until now the client could not be heard.
            self.liveness.heard(now());
        }
        self.inbox.unblock()
    }

    /// Ends the session. `None` if it was over already.
    pub fn close(&mut self, reason: CloseReason, limits: &Limits, now: Instant) -> Option<Closed> {
        if self.phase != Phase::Open {
            return None;
        }
        let mut wakers = self.inbox.unblock();
        wakers.extend(self.candidate.take().and_then(|mut probing| probing.outlet.take_waker()));
        wakers.extend(self.outlet.as_mut().and_then(Outlet::take_waker));
        let mut closed = Closed { wakers, cut: Vec::new(), over: None };
        if reason.lingers() {
            let linger = match reason {
                CloseReason::ShuttingDown => SHUTDOWN_LINGER.min(limits.linger),
                _ => limits.linger,
            };
            self.phase = Phase::Lingering(reason);
            self.linger_until = Some(now + linger);
        } else {
            if reason.is_slowness() {
                // A connection that keeps nothing may carry the next request, and its answer.
                self.holdings.forget_idle_connections();
                closed.cut.extend(self.connections());
            }
            closed.over = Some(self.over(reason));
        }
        Some(closed)
    }

    /// The farewell went out, or no request fetched it in time.
    pub fn end_lingering(&mut self) -> Option<Over> {
        let Phase::Lingering(reason) = self.phase else { return None };
        Some(self.over(reason))
    }

    /// The session is over, and holds nothing any more.
    fn over(&mut self, reason: CloseReason) -> Over {
        self.phase = Phase::Closed(reason);
        self.queue.clear();
        self.unconfirmed = None;
        self.holdings.clear();
        let call = self.inbox.put(Input::Closed(reason));
        if self.inbox.is_gone() {
            self.tracker_token = None;
        }
        Over(call)
    }

    pub fn expire(&mut self, expiry: Option<(Instant, CloseReason)>) {
        self.expiry = expiry.map(Box::new);
    }
}

#[cfg(test)]
mod tests;
